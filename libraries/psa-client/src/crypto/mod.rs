//! The crypto service (PSA Crypto 1.1 over TF-M's wire).
//!
//! Owns which iovec field and which vector carries each argument (tfm.md §C.4). Every function
//! takes the transport first. An operation in several parts is a value that aborts when dropped,
//! so that a slot in the secure world is never leaked by an early return.

mod aead;
mod cipher;
mod derivation;
mod hash;
mod key;
mod mac;
mod sign;

pub use aead::{AeadOperation, aead_decrypt, aead_encrypt};
pub use cipher::{CipherOperation, cipher_decrypt, cipher_encrypt};
pub use derivation::KeyDerivation;
pub use hash::{HashOperation, hash_compare, hash_compute};
pub use key::{
    copy_key, destroy_key, export_key, export_public_key, generate_key, get_key_attributes,
    import_key, purge_key,
};
pub use mac::{MacOperation, mac_compute, mac_verify};
pub use sign::{raw_key_agreement, sign_hash, sign_message, verify_hash, verify_message};

use crate::{OutVec, Status, Transport, call, call_out};
use psa_interface::crypto::{CryptoIovec, function};
use psa_interface::service::{CRYPTO_HANDLE, IPC_CALL};

/// Most data that one call carries, bytes: TF-M may bounce all vectors of a call through one
/// 5 KiB buffer (tfm.md §C.5).
const CHUNK: usize = 4096;

/// Fills `out` with random bytes.
///
/// # Errors
/// INSUFFICIENT_ENTROPY, or the transport's. On error `out` must not be used.
pub fn generate_random(transport: &impl Transport, out: &mut [u8]) -> Result<(), Status> {
    for part in out.chunks_mut(CHUNK) {
        let wanted = part.len();
        let iov = CryptoIovec::new(function::GENERATE_RANDOM);
        if request_out(transport, &iov, &[], part)? != wanted {
            return Err(Status::INSUFFICIENT_ENTROPY);
        }
    }
    Ok(())
}

/// At most this many vectors follow the iovec.
const MAX_REST: usize = 3;

/// The iovec and what follows it, as one list of vectors.
fn with_vectors<R>(
    iov: &CryptoIovec,
    rest: &[&[u8]],
    f: impl FnOnce(&[&[u8]]) -> Result<R, Status>,
) -> Result<R, Status> {
    let head = iov.encode();
    let mut all: [&[u8]; 1 + MAX_REST] = [&head, &[], &[], &[]];
    for (to, from) in all.iter_mut().skip(1).zip(rest) {
        *to = from;
    }
    let used = all.get(..=rest.len()).ok_or(Status::PROGRAMMER_ERROR)?;
    f(used)
}

fn request(transport: &impl Transport, iov: &CryptoIovec, rest: &[&[u8]]) -> Result<(), Status> {
    with_vectors(iov, rest, |v| {
        call(transport, CRYPTO_HANDLE, IPC_CALL, v).map(|_| ())
    })
}

fn request_out(
    transport: &impl Transport,
    iov: &CryptoIovec,
    rest: &[&[u8]],
    out: &mut [u8],
) -> Result<usize, Status> {
    with_vectors(iov, rest, |v| {
        call_out(transport, CRYPTO_HANDLE, IPC_CALL, v, out)
    })
}

/// A request that answers with one word (a key id, an operation handle, a capacity).
fn request_word(
    transport: &impl Transport,
    iov: &CryptoIovec,
    rest: &[&[u8]],
) -> Result<u32, Status> {
    with_vectors(iov, rest, |v| {
        crate::call_exact(transport, CRYPTO_HANDLE, IPC_CALL, v).map(u32::from_le_bytes)
    })
}

/// An operation in several parts: the handle of its slot in the secure world, 0 when it is over.
struct Operation<T: Transport> {
    transport: T,
    handle: u32,
    abort: u16,
}

impl<T: Transport> Operation<T> {
    fn setup(transport: T, iov: &CryptoIovec, abort: u16) -> Result<Self, Status> {
        let handle = request_word(&transport, iov, &[])?;
        Ok(Operation {
            transport,
            handle,
            abort,
        })
    }

    fn iovec(&self, function_id: u16) -> CryptoIovec {
        CryptoIovec {
            op_handle: self.handle,
            ..CryptoIovec::new(function_id)
        }
    }

    fn update(&mut self, function_id: u16, data: &[u8]) -> Result<(), Status> {
        for part in data.chunks(CHUNK) {
            request(&self.transport, &self.iovec(function_id), &[part])?;
        }
        Ok(())
    }

    /// The last call of an operation: the service clears the handle when it succeeds.
    fn finish(&mut self, function_id: u16, rest: &[&[u8]]) -> Result<(), Status> {
        let iov = self.iovec(function_id);
        request_word(&self.transport, &iov, rest).map(|handle| self.handle = handle)
    }

    /// As [`Operation::finish`], with a result in out vector 1: its length.
    fn finish_out(&mut self, function_id: u16, out: &mut [u8]) -> Result<usize, Status> {
        let iov = self.iovec(function_id);
        let room = out.len();
        let mut handle = self.handle.to_le_bytes();
        let mut out_vecs = [OutVec::new(&mut handle), OutVec::new(out)];
        let status = with_vectors(&iov, &[], |v| {
            Status(
                self.transport
                    .psa_call(CRYPTO_HANDLE, IPC_CALL, v, &mut out_vecs),
            )
            .ok()
        });
        let length = out_vecs[1].len;
        status?;
        self.handle = u32::from_le_bytes(handle);
        Ok(length.min(room))
    }
}

impl<T: Transport> Drop for Operation<T> {
    fn drop(&mut self) {
        if self.handle != 0 {
            // Nothing can be done about a refusal, and an unknown handle is success.
            let _ = request_word(&self.transport, &self.iovec(self.abort), &[]);
        }
    }
}
