//! Unauthenticated ciphers, at once and in parts.
//!
//! Owns the cipher calls and [`CipherOperation`]. Input and output are separate buffers. Nothing
//! here tells whether a ciphertext was changed: whoever can, takes an AEAD.

use super::{CHUNK, Operation, request, request_out};
use crate::{Algorithm, Status, Transport};
use psa_interface::crypto::{CryptoIovec, function};

fn with_key(function_id: u16, key: u32, alg: Algorithm) -> CryptoIovec {
    CryptoIovec {
        key_id: key,
        alg: alg.0,
        ..CryptoIovec::new(function_id)
    }
}

/// Encrypts under a random IV, which `output` begins with (ECB has none); the output's length.
///
/// # Errors
/// NOT_PERMITTED: the key's policy; INVALID_ARGUMENT: not whole blocks; BUFFER_TOO_SMALL.
pub fn cipher_encrypt(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    input: &[u8],
    output: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_key(function::CIPHER_ENCRYPT, key, alg);
    request_out(transport, &iov, &[input], output)
}

/// Decrypts what [`cipher_encrypt`] made; the plaintext's length.
///
/// # Errors
/// As [`cipher_encrypt`]; INVALID_ARGUMENT too when `input` is shorter than an IV.
pub fn cipher_decrypt(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    input: &[u8],
    output: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_key(function::CIPHER_DECRYPT, key, alg);
    request_out(transport, &iov, &[input], output)
}

/// A cipher in parts. Dropping it gives its slot back. After any error it is over.
pub struct CipherOperation<T: Transport>(Operation<T>);

impl<T: Transport> CipherOperation<T> {
    /// Starts an encryption.
    ///
    /// # Errors
    /// NOT_PERMITTED: the key's policy, or no slot is free; NOT_SUPPORTED.
    pub fn encrypt_setup(transport: T, key: u32, alg: Algorithm) -> Result<Self, Status> {
        let iov = with_key(function::CIPHER_ENCRYPT_SETUP, key, alg);
        Operation::setup(transport, &iov, function::CIPHER_ABORT).map(CipherOperation)
    }

    /// Starts a decryption.
    ///
    /// # Errors
    /// As [`CipherOperation::encrypt_setup`].
    pub fn decrypt_setup(transport: T, key: u32, alg: Algorithm) -> Result<Self, Status> {
        let iov = with_key(function::CIPHER_DECRYPT_SETUP, key, alg);
        Operation::setup(transport, &iov, function::CIPHER_ABORT).map(CipherOperation)
    }

    /// Makes a random IV; its length.
    ///
    /// # Errors
    /// BAD_STATE: there is one, or the algorithm has none; BUFFER_TOO_SMALL.
    pub fn generate_iv(&mut self, iv: &mut [u8]) -> Result<usize, Status> {
        let iov = self.0.iovec(function::CIPHER_GENERATE_IV);
        request_out(&self.0.transport, &iov, &[], iv)
    }

    /// Sets the IV, or the first counter block.
    ///
    /// # Errors
    /// BAD_STATE: there is one, or the algorithm has none; INVALID_ARGUMENT: its length.
    pub fn set_iv(&mut self, iv: &[u8]) -> Result<(), Status> {
        let iov = self.0.iovec(function::CIPHER_SET_IV);
        request(&self.0.transport, &iov, &[iv])
    }

    /// Ciphers more data, of any length; the length of what came out, which is `input`'s but for
    /// what a block mode keeps back of a block that is not whole yet.
    ///
    /// # Errors
    /// BUFFER_TOO_SMALL; BAD_STATE: no IV, or the operation is gone.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize, Status> {
        let mut written = 0;
        for part in input.chunks(CHUNK) {
            let iov = self.0.iovec(function::CIPHER_UPDATE);
            let rest = output.get_mut(written..).unwrap_or_default();
            written += request_out(&self.0.transport, &iov, &[part], rest)?;
        }
        Ok(written)
    }

    /// The last bytes; their length, which is 0 where nothing is padded.
    ///
    /// # Errors
    /// INVALID_ARGUMENT: a block was left unfinished; BAD_STATE.
    pub fn finish(mut self, output: &mut [u8]) -> Result<usize, Status> {
        self.0.finish_out(function::CIPHER_FINISH, output)
    }
}
