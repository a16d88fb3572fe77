//! The real service inside a host process, for tests of what calls it.
//!
//! Never part of an image: keys live in a map, and randomness comes from a fixed seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use psa_client::{OutVec, Transport};
use psa_interface::storage::{self, StorageInfo};
use psa_interface::{KeyAttributes, Status, service};
use spm::{Call, ClientId, Input, Output, Service};

use crate::{CryptoService, Drbg, KeyStore};

/// A [`KeyStore`] in memory.
#[derive(Debug, Default, Clone)]
pub struct MemoryKeyStore {
    keys: BTreeMap<(i32, u32), Vec<u8>>,
}

impl KeyStore for MemoryKeyStore {
    fn set(&mut self, owner: i32, id: u32, blob: &[u8]) -> Result<(), Status> {
        self.keys.insert((owner, id), blob.to_vec());
        Ok(())
    }

    fn get(&mut self, owner: i32, id: u32, out: &mut [u8]) -> Result<usize, Status> {
        let blob = self.keys.get(&(owner, id)).ok_or(Status::DOES_NOT_EXIST)?;
        out.get_mut(..blob.len())
            .ok_or(Status::BUFFER_TOO_SMALL)?
            .copy_from_slice(blob);
        Ok(blob.len())
    }

    fn remove(&mut self, owner: i32, id: u32) -> Result<(), Status> {
        self.keys
            .remove(&(owner, id))
            .map(|_| ())
            .ok_or(Status::DOES_NOT_EXIST)
    }
}

/// Objects of one client by uid.
pub type Objects = BTreeMap<u64, Vec<u8>>;

/// Protected Storage as a client of both services sees it, without flash, flags or limits: for tests of
/// that client. The service itself is `spe-storage`.
pub fn protected_storage(
    objects: &mut Objects,
    call_type: i16,
    in_vecs: &[&[u8]],
    out_vecs: &mut [OutVec<'_>],
) -> i32 {
    let number = |i: usize| in_vecs.get(i).and_then(|v| (*v).try_into().ok());
    let Some(uid) = number(0).map(u64::from_le_bytes) else {
        return Status::PROGRAMMER_ERROR.0;
    };
    match (call_type, objects.get(&uid)) {
        (storage::SET, _) => {
            let data = in_vecs.get(1).copied().unwrap_or_default();
            objects.insert(uid, data.to_vec());
        }
        (_, None) => return Status::DOES_NOT_EXIST.0,
        (storage::GET, Some(data)) => {
            let at = in_vecs.get(1).and_then(|v| (*v).try_into().ok());
            let at = at.map_or(0, |at| u32::from_le_bytes(at) as usize);
            let (Some(data), Some(out)) = (data.get(at..), out_vecs.first_mut()) else {
                return Status::INVALID_ARGUMENT.0;
            };
            out.len = out.buf.len().min(data.len());
            out.buf[..out.len].copy_from_slice(&data[..out.len]);
        }
        (storage::GET_INFO, Some(data)) => {
            let size = data.len() as u32;
            let info = StorageInfo {
                capacity: size,
                size,
                flags: 0,
            };
            let info = info.encode();
            let Some(out) = out_vecs
                .first_mut()
                .filter(|out| out.buf.len() == info.len())
            else {
                return Status::PROGRAMMER_ERROR.0;
            };
            out.buf.copy_from_slice(&info);
            out.len = info.len();
        }
        (storage::REMOVE, Some(_)) => drop(objects.remove(&uid)),
        _ => return Status::NOT_SUPPORTED.0,
    }
    Status::SUCCESS.0
}

/// What the service is on the host.
pub type HostService = CryptoService<MemoryKeyStore, Drbg>;

/// One client of a service that may have several. Cloning shares the service.
#[derive(Clone)]
pub struct HostCrypto {
    service: Arc<Mutex<HostService>>,
    client: i32,
}

impl HostCrypto {
    /// A new service whose randomness comes from `seed`, seen as client −2.
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let drbg = Drbg::from_seed(&bytes, &[b"host"]);
        let service = CryptoService::new(MemoryKeyStore::default(), drbg);
        HostCrypto {
            service: Arc::new(Mutex::new(service)),
            client: -2,
        }
    }

    /// The same service, seen as another client.
    pub fn as_client(&self, client: i32) -> Self {
        HostCrypto {
            service: self.service.clone(),
            client,
        }
    }

    /// Installs a key as provisioning does, for this client.
    ///
    /// # Errors
    /// As [`CryptoService::install_key`].
    pub fn install_key(&self, attributes: KeyAttributes, data: &[u8]) -> Result<u32, Status> {
        self.service().install_key(self.client, attributes, data)
    }

    /// Volatile keys and operations in use, of all clients.
    pub fn in_use(&self) -> (usize, usize) {
        self.service().in_use()
    }

    /// The service itself.
    pub fn service(&self) -> MutexGuard<'_, HostService> {
        // A test that panicked inside a call has failed anyway.
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for HostCrypto {
    fn psa_call(
        &self,
        handle: u32,
        call_type: i16,
        in_vecs: &[&[u8]],
        out_vecs: &mut [OutVec<'_>],
    ) -> i32 {
        if handle != service::CRYPTO_HANDLE || in_vecs.len() + out_vecs.len() > service::MAX_IOVEC {
            return Status::PROGRAMMER_ERROR.as_i32();
        }
        let mut inputs: Vec<Input<'_>> = in_vecs.iter().map(|v| Input::own(v)).collect();
        while inputs.last().is_some_and(Input::is_empty) {
            inputs.pop();
        }
        let mut lengths = Vec::new();
        let status = {
            let mut outputs: Vec<Output<'_>> =
                out_vecs.iter_mut().map(|v| Output::own(v.buf)).collect();
            while outputs.last().is_some_and(|out| out.capacity() == 0) {
                outputs.pop();
            }
            let mut call = Call {
                client: ClientId(self.client),
                call_type,
                inputs: &inputs,
                outputs: &mut outputs,
            };
            let status = self.service().call(&mut call);
            lengths.extend(outputs.iter().map(Output::written));
            status
        };
        for (out, len) in out_vecs.iter_mut().zip(lengths) {
            out.len = len;
        }
        status
    }
}
