//! Message authentication codes, at once and in parts.
//!
//! Owns the MAC calls and [`MacOperation`].

use super::{Operation, request, request_out};
use crate::{Algorithm, Status, Transport};
use psa_interface::crypto::{CryptoIovec, function};

fn with_key(function_id: u16, key: u32, alg: Algorithm) -> CryptoIovec {
    CryptoIovec {
        key_id: key,
        alg: alg.0,
        ..CryptoIovec::new(function_id)
    }
}

/// The MAC of `data`; its length.
///
/// # Errors
/// NOT_PERMITTED: the key's policy; BUFFER_TOO_SMALL.
pub fn mac_compute(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    data: &[u8],
    mac: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_key(function::MAC_COMPUTE, key, alg);
    request_out(transport, &iov, &[data], mac)
}

/// Checks a MAC.
///
/// # Errors
/// INVALID_SIGNATURE: it does not match.
pub fn mac_verify(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    data: &[u8],
    mac: &[u8],
) -> Result<(), Status> {
    let iov = with_key(function::MAC_VERIFY, key, alg);
    request(transport, &iov, &[data, mac])
}

/// A MAC in parts. Dropping it gives its slot back.
pub struct MacOperation<T: Transport>(Operation<T>);

impl<T: Transport> MacOperation<T> {
    /// Starts a MAC that [`MacOperation::sign_finish`] ends.
    ///
    /// # Errors
    /// NOT_PERMITTED: the key's policy, or no slot is free.
    pub fn sign_setup(transport: T, key: u32, alg: Algorithm) -> Result<Self, Status> {
        let iov = with_key(function::MAC_SIGN_SETUP, key, alg);
        Operation::setup(transport, &iov, function::MAC_ABORT).map(MacOperation)
    }

    /// Starts a MAC that [`MacOperation::verify_finish`] ends.
    ///
    /// # Errors
    /// As [`MacOperation::sign_setup`].
    pub fn verify_setup(transport: T, key: u32, alg: Algorithm) -> Result<Self, Status> {
        let iov = with_key(function::MAC_VERIFY_SETUP, key, alg);
        Operation::setup(transport, &iov, function::MAC_ABORT).map(MacOperation)
    }

    /// Adds data, of any length.
    ///
    /// # Errors
    /// BAD_STATE: the operation is gone.
    pub fn update(&mut self, data: &[u8]) -> Result<(), Status> {
        self.0.update(function::MAC_UPDATE, data)
    }

    /// The MAC; its length.
    ///
    /// # Errors
    /// BAD_STATE, BUFFER_TOO_SMALL.
    pub fn sign_finish(mut self, mac: &mut [u8]) -> Result<usize, Status> {
        self.0.finish_out(function::MAC_SIGN_FINISH, mac)
    }

    /// Checks the MAC.
    ///
    /// # Errors
    /// INVALID_SIGNATURE: it does not match.
    pub fn verify_finish(mut self, mac: &[u8]) -> Result<(), Status> {
        self.0.finish(function::MAC_VERIFY_FINISH, &[mac])
    }
}
