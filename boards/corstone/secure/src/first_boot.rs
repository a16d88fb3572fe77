//! The first boot: what the provisioning record holds goes where it belongs.
//!
//! Owns how an object becomes a key, an ITS or a PS object, for its owner and through the same
//! checks as a call of that owner; and the lines of the log. The order, and what a power cut
//! means, are `provisioning::first_boot`'s.

use crate::log;
use crate::otp::Otp;
use crate::services::{Crypto, ProtectedStorage, TrustedStorage};
use chip::ddr_flash::DdrFlash;
use core::cell::RefCell;
use provisioning::first_boot::{self, FirstBootError, Outcome, Sink};
use provisioning::otp::RootOfTrust;
use provisioning::{Item, Object, Record, RecordError};
use psa_interface::crypto::function::{DESTROY_KEY, IMPORT_KEY};
use psa_interface::service::IPC_CALL;
use psa_interface::{Algorithm, CryptoIovec, KeyAttributes, KeyType, Status};
use spe_storage::Storage;
use spm::{Call, ClientId, Input, Output, Service};

/// Longest thing name (AWS), bytes.
const MAX_THING: usize = 128;

/// Stores what a record holds.
pub struct Provisioning<'a> {
    crypto: &'a mut Crypto,
    its: &'a TrustedStorage,
    ps: &'a ProtectedStorage,
    thing: [u8; MAX_THING],
    thing_len: usize,
}

impl<'a> Provisioning<'a> {
    /// Into these services.
    pub fn new(crypto: &'a mut Crypto, its: &'a TrustedStorage, ps: &'a ProtectedStorage) -> Self {
        Provisioning {
            crypto,
            its,
            ps,
            thing: [0; MAX_THING],
            thing_len: 0,
        }
    }

    /// Imports a key as a call of its owner would; one that a cut boot left is replaced.
    fn key(&mut self, owner: ClientId, attributes: KeyAttributes, data: &[u8]) -> Result<(), i32> {
        let mut import = || self.crypto_call(owner, IMPORT_KEY, 0, &attributes.encode(), data);
        match import() {
            s if s == Status::ALREADY_EXISTS.as_i32() => {}
            s => return status(s),
        }
        status(self.crypto_call(owner, DESTROY_KEY, attributes.id, &[], &[]))?;
        status(self.crypto_call(owner, IMPORT_KEY, 0, &attributes.encode(), data))
    }

    fn crypto_call(
        &mut self,
        client: ClientId,
        function_id: u16,
        key_id: u32,
        attributes: &[u8],
        data: &[u8],
    ) -> i32 {
        let iovec = CryptoIovec {
            function_id,
            key_id,
            ..CryptoIovec::default()
        }
        .encode();
        let mut id = [0; 4];
        let inputs = [Input::own(&iovec), Input::own(attributes), Input::own(data)];
        let mut outputs = [Output::own(&mut id)];
        self.crypto.call(&mut Call {
            client,
            call_type: IPC_CALL,
            inputs: &inputs,
            outputs: &mut outputs,
        })
    }
}

fn status(status: i32) -> Result<(), i32> {
    if status < 0 { Err(status) } else { Ok(()) }
}

/// Stores an object; one that cannot be written again because a cut boot wrote it stands.
fn store<S: Storage>(
    storage: &RefCell<S>,
    owner: ClientId,
    uid: u64,
    flags: u32,
    data: &[u8],
) -> Result<(), i32> {
    let Ok(mut storage) = storage.try_borrow_mut() else {
        return Err(Status::BAD_STATE.as_i32());
    };
    match storage.set_bytes(owner, uid, data, flags) {
        Err(Status::NOT_PERMITTED) if storage.info(owner, uid).is_ok() => Ok(()),
        result => result.map_err(Status::as_i32),
    }
}

impl Sink for Provisioning<'_> {
    /// Name and endpoint are objects of the processes that use them; here the name is noted.
    fn settings(&mut self, record: &Record<'_>) -> Result<(), i32> {
        let name = record.thing_name.as_bytes();
        self.thing_len = name.len().min(MAX_THING);
        for (to, from) in self.thing.iter_mut().zip(name) {
            *to = *from;
        }
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<(), i32> {
        let owner = ClientId(object.owner);
        match object.item {
            Item::Key { id, attributes: a } => {
                let wanted = KeyAttributes::volatile(
                    KeyType(a.key_type),
                    a.bits,
                    a.usage,
                    Algorithm(a.algorithm),
                );
                self.key(owner, wanted.persistent(id), object.data)
            }
            Item::Its { uid, flags } => store(self.its, owner, uid, flags, object.data),
            Item::Ps { uid, flags } => store(self.ps, owner, uid, flags, object.data),
        }
    }

    fn wipe(&mut self) -> Result<(), i32> {
        let busy = Status::BAD_STATE.as_i32();
        // Keys are objects of the first one.
        let its = &mut self.its.try_borrow_mut().map_err(|_| busy)?;
        its.wipe().map_err(Status::as_i32)?;
        let ps = &mut self.ps.try_borrow_mut().map_err(|_| busy)?;
        ps.wipe().map_err(Status::as_i32)
    }
}

/// What a loader does before this image: the root of trust, from the record if the device is blank.
///
/// # Errors
/// One line for the log.
pub fn fuse(region: &DdrFlash, otp: &mut Otp) -> Result<RootOfTrust, &'static str> {
    first_boot::root_of_trust(region, otp).map_err(|_| "not provisioned")
}

/// Consumes or refuses what lies in the provisioning region.
///
/// # Errors
/// One line for the log; the record still stands.
pub fn run(
    region: &mut DdrFlash,
    otp: &mut Otp,
    nv: &mut DdrFlash,
    sink: &mut Provisioning<'_>,
) -> Result<(), &'static str> {
    match first_boot::consume(region, otp, nv, sink) {
        Ok(Outcome::Nothing) => Ok(()),
        Ok(Outcome::Provisioned) => {
            log::line("provisioned as ")
                .bytes(sink.thing.get(..sink.thing_len).unwrap_or_default())
                .end();
            Ok(())
        }
        Ok(Outcome::Erased) => {
            log::line("provisioning record refused: already provisioned; erased").end();
            Ok(())
        }
        Ok(Outcome::WipeRefused) => {
            log::line("wipe refused: the life cycle is secured; order erased").end();
            Ok(())
        }
        Ok(Outcome::Secured) => {
            log::line("the life cycle is secured").end();
            Ok(())
        }
        Ok(Outcome::Wiped) => {
            log::line("wiped: keys, certificates and settings are gone").end();
            Err("not provisioned")
        }
        Err(FirstBootError::Record(RecordError::Blank)) => Err("not provisioned"),
        Err(FirstBootError::Store(status)) => {
            log::line("an object of the record was refused, status ")
                .hex(status as u32)
                .end();
            Err("the provisioning record could not be stored")
        }
        Err(FirstBootError::Record(_)) => Err("there is no sound provisioning record"),
        Err(_) => Err("the first boot failed"),
    }
}
