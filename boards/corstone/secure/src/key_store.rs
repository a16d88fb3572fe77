//! Persistent keys as objects of internal trusted storage.
//!
//! Owns the mapping: client = the crypto partition, uid = owner (high word) and key id (low word).

use crate::services::TrustedStorage;
use psa_interface::Status;
use psa_interface::storage::FLAG_NONE;
use spe_crypto::KeyStore;
use spe_storage::Storage;
use spm::ClientId;

/// Partition id of the crypto service (TF-M): the owner of the objects.
const CRYPTO_PARTITION: ClientId = ClientId(259);

/// The store of the crypto service.
pub struct ItsKeys(pub &'static TrustedStorage);

/// Never 0, since no client has the id 0.
fn uid(owner: i32, id: u32) -> u64 {
    u64::from(owner as u32) << 32 | u64::from(id)
}

impl KeyStore for ItsKeys {
    fn set(&mut self, owner: i32, id: u32, blob: &[u8]) -> Result<(), Status> {
        let mut store = self.0.try_borrow_mut().map_err(|_| Status::BAD_STATE)?;
        store.set_bytes(CRYPTO_PARTITION, uid(owner, id), blob, FLAG_NONE)
    }

    fn get(&mut self, owner: i32, id: u32, out: &mut [u8]) -> Result<usize, Status> {
        let mut store = self.0.try_borrow_mut().map_err(|_| Status::BAD_STATE)?;
        let uid = uid(owner, id);
        if store.info(CRYPTO_PARTITION, uid)?.size as usize > out.len() {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        store.get_bytes(CRYPTO_PARTITION, uid, out)
    }

    fn remove(&mut self, owner: i32, id: u32) -> Result<(), Status> {
        let mut store = self.0.try_borrow_mut().map_err(|_| Status::BAD_STATE)?;
        store.remove(CRYPTO_PARTITION, uid(owner, id))
    }
}
