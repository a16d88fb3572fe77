//! Signatures and key agreement.
//!
//! Owns the asymmetric one-shot calls. An ECDSA signature is r ‖ s, not DER.

use super::{request, request_out};
use crate::{Algorithm, Status, Transport};
use psa_interface::crypto::{CryptoIovec, function};

fn with_key(function_id: u16, key: u32, alg: Algorithm) -> CryptoIovec {
    CryptoIovec {
        key_id: key,
        alg: alg.0,
        ..CryptoIovec::new(function_id)
    }
}

/// Signs a hash; the signature's length.
///
/// # Errors
/// NOT_PERMITTED: the key's policy; INVALID_ARGUMENT; BUFFER_TOO_SMALL.
pub fn sign_hash(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    hash: &[u8],
    signature: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_key(function::SIGN_HASH, key, alg);
    request_out(transport, &iov, &[hash], signature)
}

/// Checks the signature of a hash.
///
/// # Errors
/// INVALID_SIGNATURE: it does not match.
pub fn verify_hash(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    hash: &[u8],
    signature: &[u8],
) -> Result<(), Status> {
    let iov = with_key(function::VERIFY_HASH, key, alg);
    request(transport, &iov, &[hash, signature])
}

/// Hashes and signs a message; the signature's length.
///
/// # Errors
/// As [`sign_hash`].
pub fn sign_message(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    message: &[u8],
    signature: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_key(function::SIGN_MESSAGE, key, alg);
    request_out(transport, &iov, &[message], signature)
}

/// Checks the signature of a message.
///
/// # Errors
/// As [`verify_hash`].
pub fn verify_message(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Status> {
    let iov = with_key(function::VERIFY_MESSAGE, key, alg);
    request(transport, &iov, &[message, signature])
}

/// Agrees on a secret with the peer's public key; its length.
///
/// # Errors
/// INVALID_ARGUMENT: not a point of the curve; NOT_PERMITTED: the key's policy.
pub fn raw_key_agreement(
    transport: &impl Transport,
    alg: Algorithm,
    private_key: u32,
    peer: &[u8],
    secret: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_key(function::RAW_KEY_AGREEMENT, private_key, alg);
    request_out(transport, &iov, &[peer], secret)
}
