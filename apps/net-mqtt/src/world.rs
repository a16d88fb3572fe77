//! What a device keeps, and when its power goes: for the tests of what is stored when.
//!
//! The crypto service is the real one; Protected Storage is a map. After [`World::power`] changes the
//! next one does not happen, nor anything behind it.

use crate::config;
use psa_client::{OutVec, Transport};
use psa_interface::crypto::{CryptoIovec, function};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, Status, service, storage};
use spe_crypto::host::{HostCrypto, Objects, protected_storage};
use std::cell::{Cell, RefCell};

pub(crate) struct World {
    pub(crate) crypto: HostCrypto,
    pub(crate) ps: RefCell<Objects>,
    /// Changes that still happen.
    pub(crate) power: Cell<u32>,
    /// Changes that did.
    pub(crate) changes: Cell<u32>,
}

impl World {
    /// With a P-256 pair for signatures, roots, an endpoint, and these objects.
    pub(crate) fn with(key_id: u32, objects: &[(u64, &[u8])]) -> World {
        let crypto = HostCrypto::new(3);
        let sign = KeyAttributes::volatile(
            KeyType::ECC_KEY_PAIR_SECP_R1,
            256,
            usage::SIGN_HASH,
            Algorithm::ecdsa(Algorithm::SHA_256),
        );
        crypto
            .install_key(sign.persistent(key_id), &[9; 32])
            .unwrap();
        let common = [
            (config::UID_ROOTS, &[0x30, 0][..]),
            (config::UID_ENDPOINT, b"broker.test:8883"),
        ];
        let all = common.iter().chain(objects);
        World {
            crypto,
            ps: RefCell::new(all.map(|(uid, data)| (*uid, data.to_vec())).collect()),
            power: Cell::new(u32::MAX),
            changes: Cell::new(0),
        }
    }

    /// Whether a change happens.
    fn changes(&self) -> bool {
        match self.power.get() {
            0 => false,
            left => {
                self.power.set(left - 1);
                self.changes.set(self.changes.get() + 1);
                true
            }
        }
    }
}

impl Transport for World {
    fn psa_call(&self, handle: u32, call_type: i16, ins: &[&[u8]], outs: &mut [OutVec<'_>]) -> i32 {
        let stored = handle == service::PS_HANDLE;
        let is_change = match stored {
            true => [storage::SET, storage::REMOVE].contains(&call_type),
            false => {
                let function = CryptoIovec::decode(ins[0].try_into().unwrap()).function_id;
                [function::GENERATE_KEY, function::DESTROY_KEY].contains(&function)
            }
        };
        if self.power.get() == 0 || (is_change && !self.changes()) {
            return Status::GENERIC_ERROR.0;
        }
        match stored {
            true => protected_storage(&mut self.ps.borrow_mut(), call_type, ins, outs),
            false => self.crypto.psa_call(handle, call_type, ins, outs),
        }
    }
}
