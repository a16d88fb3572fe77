//! Keys: import, generate, export, destroy, attributes.
//!
//! Owns the key-management calls. The secret half of a key never comes back unless its policy
//! says EXPORT.

use super::{request, request_out, request_word, with_vectors};
use crate::{Status, Transport, call_exact};
use psa_interface::KeyAttributes;
use psa_interface::crypto::{CryptoIovec, function};
use psa_interface::service::{CRYPTO_HANDLE, IPC_CALL};

fn for_key(function_id: u16, key: u32) -> CryptoIovec {
    CryptoIovec {
        key_id: key,
        ..CryptoIovec::new(function_id)
    }
}

/// Imports a key; its id.
///
/// # Errors
/// INVALID_ARGUMENT, ALREADY_EXISTS, INSUFFICIENT_STORAGE, …
pub fn import_key(
    transport: &impl Transport,
    attributes: &KeyAttributes,
    data: &[u8],
) -> Result<u32, Status> {
    let iov = CryptoIovec::new(function::IMPORT_KEY);
    request_word(transport, &iov, &[&attributes.encode(), data])
}

/// Generates a key; its id.
///
/// # Errors
/// As [`import_key`].
pub fn generate_key(transport: &impl Transport, attributes: &KeyAttributes) -> Result<u32, Status> {
    let iov = CryptoIovec::new(function::GENERATE_KEY);
    request_word(transport, &iov, &[&attributes.encode()])
}

/// Copies a key under other attributes; the copy's id.
///
/// # Errors
/// NOT_PERMITTED unless the key's policy says COPY.
pub fn copy_key(
    transport: &impl Transport,
    source: u32,
    attributes: &KeyAttributes,
) -> Result<u32, Status> {
    let iov = for_key(function::COPY_KEY, source);
    request_word(transport, &iov, &[&attributes.encode()])
}

/// Destroys a key.
///
/// # Errors
/// INVALID_HANDLE: no such key of ours.
pub fn destroy_key(transport: &impl Transport, key: u32) -> Result<(), Status> {
    request(transport, &for_key(function::DESTROY_KEY, key), &[])
}

/// Drops the copy of a persistent key that the service holds in memory.
///
/// # Errors
/// INVALID_HANDLE: no such key of ours.
pub fn purge_key(transport: &impl Transport, key: u32) -> Result<(), Status> {
    request(transport, &for_key(function::PURGE_KEY, key), &[])
}

/// What a key is and may be used for.
///
/// # Errors
/// INVALID_HANDLE: no such key of ours.
pub fn get_key_attributes(transport: &impl Transport, key: u32) -> Result<KeyAttributes, Status> {
    with_vectors(&for_key(function::GET_KEY_ATTRIBUTES, key), &[], |v| {
        call_exact(transport, CRYPTO_HANDLE, IPC_CALL, v).map(|b| KeyAttributes::decode(&b))
    })
}

/// The key itself; its length.
///
/// # Errors
/// NOT_PERMITTED unless its policy says EXPORT; BUFFER_TOO_SMALL.
pub fn export_key(transport: &impl Transport, key: u32, out: &mut [u8]) -> Result<usize, Status> {
    request_out(transport, &for_key(function::EXPORT_KEY, key), &[], out)
}

/// The public half; its length. P-256: 65 bytes, 04 ‖ X ‖ Y.
///
/// # Errors
/// INVALID_ARGUMENT: not an asymmetric key; BUFFER_TOO_SMALL.
pub fn export_public_key(
    transport: &impl Transport,
    key: u32,
    out: &mut [u8],
) -> Result<usize, Status> {
    let iov = for_key(function::EXPORT_PUBLIC_KEY, key);
    request_out(transport, &iov, &[], out)
}
