//! Key derivation (HKDF, its two halves, the TLS 1.2 PRF).
//!
//! Owns [`KeyDerivation`]; which inputs an algorithm wants, and in which order, is the service's
//! rule (PSA Crypto 1.1, `psa_key_derivation_step_t`).

use super::{Operation, request, request_out, request_word};
use crate::{Algorithm, Status, Transport};
use psa_interface::KeyAttributes;
use psa_interface::crypto::{CryptoIovec, function};

/// A derivation in progress. Dropping it gives its slot back.
pub struct KeyDerivation<T: Transport>(Operation<T>);

impl<T: Transport> KeyDerivation<T> {
    /// Starts a derivation.
    ///
    /// # Errors
    /// NOT_SUPPORTED; NOT_PERMITTED: no slot is free.
    pub fn setup(transport: T, alg: Algorithm) -> Result<Self, Status> {
        let iov = CryptoIovec {
            alg: alg.0,
            ..CryptoIovec::new(function::KEY_DERIVATION_SETUP)
        };
        Operation::setup(transport, &iov, function::KEY_DERIVATION_ABORT).map(KeyDerivation)
    }

    /// Bytes that may still be taken out.
    ///
    /// # Errors
    /// BAD_STATE.
    pub fn capacity(&self) -> Result<u32, Status> {
        let iov = self.0.iovec(function::KEY_DERIVATION_GET_CAPACITY);
        request_word(&self.0.transport, &iov, &[])
    }

    /// Lowers the capacity.
    ///
    /// # Errors
    /// INVALID_ARGUMENT: more than there is.
    pub fn set_capacity(&mut self, capacity: u32) -> Result<(), Status> {
        let iov = CryptoIovec {
            value: capacity.into(),
            ..self.0.iovec(function::KEY_DERIVATION_SET_CAPACITY)
        };
        request(&self.0.transport, &iov, &[])
    }

    /// Gives an input as bytes; `step` is one of [`psa_interface::crypto::step`].
    ///
    /// # Errors
    /// BAD_STATE: not the time for this step; INVALID_ARGUMENT: a step the algorithm lacks.
    pub fn input_bytes(&mut self, step: u16, data: &[u8]) -> Result<(), Status> {
        let iov = CryptoIovec {
            step,
            ..self.0.iovec(function::KEY_DERIVATION_INPUT_BYTES)
        };
        request(&self.0.transport, &iov, &[data])
    }

    /// Gives an input as a key.
    ///
    /// # Errors
    /// As [`KeyDerivation::input_bytes`]; NOT_PERMITTED: the key's policy.
    pub fn input_key(&mut self, step: u16, key: u32) -> Result<(), Status> {
        let iov = CryptoIovec {
            step,
            key_id: key,
            ..self.0.iovec(function::KEY_DERIVATION_INPUT_KEY)
        };
        request(&self.0.transport, &iov, &[])
    }

    /// Gives an input as a number.
    ///
    /// # Errors
    /// As [`KeyDerivation::input_bytes`].
    pub fn input_integer(&mut self, step: u16, value: u64) -> Result<(), Status> {
        let iov = CryptoIovec {
            step,
            value,
            ..self.0.iovec(function::KEY_DERIVATION_INPUT_INTEGER)
        };
        request(&self.0.transport, &iov, &[])
    }

    /// Gives as input the secret agreed on with `peer`.
    ///
    /// # Errors
    /// As [`KeyDerivation::input_key`].
    pub fn key_agreement(
        &mut self,
        step: u16,
        private_key: u32,
        peer: &[u8],
    ) -> Result<(), Status> {
        let iov = CryptoIovec {
            step,
            key_id: private_key,
            ..self.0.iovec(function::KEY_DERIVATION_KEY_AGREEMENT)
        };
        request(&self.0.transport, &iov, &[peer])
    }

    /// Fills `out` with the next bytes.
    ///
    /// # Errors
    /// INSUFFICIENT_DATA: the capacity is used up. On error `out` must not be used.
    pub fn output_bytes(&mut self, out: &mut [u8]) -> Result<(), Status> {
        let iov = self.0.iovec(function::KEY_DERIVATION_OUTPUT_BYTES);
        let wanted = out.len();
        match request_out(&self.0.transport, &iov, &[], out)? {
            n if n == wanted => Ok(()),
            _ => Err(Status::INSUFFICIENT_DATA),
        }
    }

    /// Makes a key of the next bytes; its id. The bytes never leave the secure world.
    ///
    /// # Errors
    /// INSUFFICIENT_DATA; NOT_PERMITTED: the secret was given as bytes.
    pub fn output_key(&mut self, attributes: &KeyAttributes) -> Result<u32, Status> {
        let iov = self.0.iovec(function::KEY_DERIVATION_OUTPUT_KEY);
        request_word(&self.0.transport, &iov, &[&attributes.encode()])
    }
}
