//! Authenticated encryption, at once.
//!
//! Owns the two one-shot AEAD calls. Input and output are separate buffers; what a failed
//! decryption leaves in the output is not plaintext.

use super::request_out;
use crate::{Algorithm, Status, Transport, trimmed};
use psa_interface::crypto::{CryptoIovec, function};

fn with_nonce(
    function_id: u16,
    key: u32,
    alg: Algorithm,
    nonce: &[u8],
) -> Result<CryptoIovec, Status> {
    CryptoIovec {
        key_id: key,
        alg: alg.0,
        ..CryptoIovec::new(function_id)
    }
    .with_nonce(nonce)
}

/// Encrypts; `ciphertext` gets the tag at its end. Its length.
///
/// # Errors
/// INVALID_ARGUMENT: a nonce over 16 bytes; NOT_PERMITTED; BUFFER_TOO_SMALL.
pub fn aead_encrypt(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    nonce: &[u8],
    additional_data: &[u8],
    plaintext: &[u8],
    ciphertext: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_nonce(function::AEAD_ENCRYPT, key, alg, nonce)?;
    let rest = [plaintext, additional_data];
    request_out(transport, &iov, trimmed(&rest), ciphertext)
}

/// Decrypts `ciphertext`, which has the tag at its end; the plaintext's length.
///
/// # Errors
/// INVALID_SIGNATURE: not what was encrypted; else as [`aead_encrypt`].
pub fn aead_decrypt(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    nonce: &[u8],
    additional_data: &[u8],
    ciphertext: &[u8],
    plaintext: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_nonce(function::AEAD_DECRYPT, key, alg, nonce)?;
    let rest = [ciphertext, additional_data];
    request_out(transport, &iov, trimmed(&rest), plaintext)
}
