//! Hashes, at once and in parts.
//!
//! Owns the hash calls and [`HashOperation`], which can be cloned (a TLS transcript is hashed on
//! while its state so far is wanted).

use super::{Operation, request, request_out, request_word};
use crate::{Algorithm, Status, Transport};
use psa_interface::crypto::{CryptoIovec, function};

fn with_alg(function_id: u16, alg: Algorithm) -> CryptoIovec {
    CryptoIovec {
        alg: alg.0,
        ..CryptoIovec::new(function_id)
    }
}

/// Hashes `data` (at most 4 KiB or so on a stock TF-M); the hash's length.
///
/// # Errors
/// NOT_SUPPORTED, BUFFER_TOO_SMALL.
pub fn hash_compute(
    transport: &impl Transport,
    alg: Algorithm,
    data: &[u8],
    hash: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_alg(function::HASH_COMPUTE, alg);
    request_out(transport, &iov, &[data], hash)
}

/// Hashes `data` and compares.
///
/// # Errors
/// INVALID_SIGNATURE: another hash.
pub fn hash_compare(
    transport: &impl Transport,
    alg: Algorithm,
    data: &[u8],
    hash: &[u8],
) -> Result<(), Status> {
    let iov = with_alg(function::HASH_COMPARE, alg);
    request(transport, &iov, &[data, hash])
}

/// A hash in parts. Dropping it gives its slot back.
pub struct HashOperation<T: Transport>(Operation<T>);

impl<T: Transport> HashOperation<T> {
    /// Starts a hash.
    ///
    /// # Errors
    /// NOT_SUPPORTED; NOT_PERMITTED: no slot is free.
    pub fn setup(transport: T, alg: Algorithm) -> Result<Self, Status> {
        let iov = with_alg(function::HASH_SETUP, alg);
        Operation::setup(transport, &iov, function::HASH_ABORT).map(HashOperation)
    }

    /// Adds data, of any length.
    ///
    /// # Errors
    /// BAD_STATE: the operation is gone, e.g. because the secure world was reset.
    pub fn update(&mut self, data: &[u8]) -> Result<(), Status> {
        self.0.update(function::HASH_UPDATE, data)
    }

    /// Another operation in the same state.
    ///
    /// # Errors
    /// NOT_PERMITTED: no slot is free.
    pub fn try_clone(&self) -> Result<Self, Status>
    where
        T: Clone,
    {
        let iov = self.0.iovec(function::HASH_CLONE);
        // In vector 1 is the target's handle, which must be 0: none yet.
        let handle = request_word(&self.0.transport, &iov, &[&0u32.to_le_bytes()])?;
        Ok(HashOperation(Operation {
            transport: self.0.transport.clone(),
            handle,
            abort: function::HASH_ABORT,
        }))
    }

    /// The hash; its length.
    ///
    /// # Errors
    /// BUFFER_TOO_SMALL, BAD_STATE.
    pub fn finish(mut self, hash: &mut [u8]) -> Result<usize, Status> {
        self.0.finish_out(function::HASH_FINISH, hash)
    }

    /// Compares the hash.
    ///
    /// # Errors
    /// INVALID_SIGNATURE: another hash.
    pub fn verify(mut self, hash: &[u8]) -> Result<(), Status> {
        self.0.finish(function::HASH_VERIFY, &[hash])
    }
}
