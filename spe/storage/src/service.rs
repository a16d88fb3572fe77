//! The wire of both storage services (TF-M 2.x request types).
//!
//! Owns decoding and encoding, shared by ITS and PS; knows nothing of how objects are kept.

use core::cell::RefCell;
use psa_interface::storage::{GET, GET_INFO, GET_SUPPORT, REMOVE, SET};
use psa_interface::{Status, StorageInfo};
use spm::{Call, ClientId, Input, Output, Service};

/// The calls that ITS and PS have in common (PSA Secure Storage 1.0). Objects belong to their
/// client; another's object does not exist.
pub trait Storage {
    /// Creates or replaces an object.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (uid 0, too large), NOT_SUPPORTED (unknown flag), NOT_PERMITTED
    /// (WRITE_ONCE), INSUFFICIENT_STORAGE, STORAGE_FAILURE; then the old object still stands,
    /// or, after STORAGE_FAILURE, the new one does.
    fn set(
        &mut self,
        client: ClientId,
        uid: u64,
        data: &Input<'_>,
        flags: u32,
    ) -> Result<(), Status>;

    /// Appends the object's bytes from `offset` on to `out`, as many as it takes; returns how many.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (uid 0, offset past the end), DOES_NOT_EXIST, DATA_CORRUPT,
    /// INVALID_SIGNATURE, STORAGE_FAILURE; nothing was written then.
    fn get(
        &mut self,
        client: ClientId,
        uid: u64,
        offset: u32,
        out: &mut Output<'_>,
    ) -> Result<usize, Status>;

    /// Size and flags of an object.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (uid 0), DOES_NOT_EXIST, INVALID_SIGNATURE, STORAGE_FAILURE.
    fn info(&mut self, client: ClientId, uid: u64) -> Result<StorageInfo, Status>;

    /// Removes an object and scrubs its data.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (uid 0), DOES_NOT_EXIST, NOT_PERMITTED (WRITE_ONCE), STORAGE_FAILURE.
    fn remove(&mut self, client: ClientId, uid: u64) -> Result<(), Status>;

    /// [`Storage::get`] from offset 0 into a slice.
    ///
    /// # Errors
    /// As [`Storage::get`].
    fn get_bytes(&mut self, client: ClientId, uid: u64, to: &mut [u8]) -> Result<usize, Status> {
        self.get(client, uid, 0, &mut Output::own(to))
    }

    /// [`Storage::set`] from a slice.
    ///
    /// # Errors
    /// As [`Storage::set`].
    fn set_bytes(
        &mut self,
        client: ClientId,
        uid: u64,
        data: &[u8],
        flags: u32,
    ) -> Result<(), Status> {
        self.set(client, uid, &Input::own(data), flags)
    }
}

/// ITS behind handle 0x40000102. The store is shared: the crypto service keeps its keys there.
#[derive(Debug)]
pub struct ItsService<'a, S>(pub &'a RefCell<S>);

impl<S: Storage> Service for ItsService<'_, S> {
    fn call(&mut self, call: &mut Call<'_, '_>) -> i32 {
        serve(self.0, call, Status::NOT_SUPPORTED)
    }
}

/// PS behind handle 0x40000101.
#[derive(Debug)]
pub struct PsService<'a, S>(pub &'a RefCell<S>);

impl<S: Storage> Service for PsService<'_, S> {
    fn call(&mut self, call: &mut Call<'_, '_>) -> i32 {
        if call.call_type == GET_SUPPORT {
            // No optional feature (psa_ps_create, psa_ps_set_extended).
            let out = call.outputs.first_mut().filter(|o| o.capacity() == 4);
            return match out.map(|o| o.append(&[0; 4])) {
                Some(true) => Status::SUCCESS.0,
                _ => Status::PROGRAMMER_ERROR.0,
            };
        }
        serve(self.0, call, Status::PROGRAMMER_ERROR)
    }
}

fn serve<S: Storage>(store: &RefCell<S>, call: &mut Call<'_, '_>, unknown: Status) -> i32 {
    let Ok(mut store) = store.try_borrow_mut() else {
        return Status::CONNECTION_BUSY.0;
    };
    match dispatch(&mut *store, call, unknown) {
        Ok(()) => Status::SUCCESS.0,
        Err(status) => status.0,
    }
}

fn dispatch<S: Storage>(
    store: &mut S,
    call: &mut Call<'_, '_>,
    unknown: Status,
) -> Result<(), Status> {
    if !matches!(call.call_type, SET | GET | GET_INFO | REMOVE) {
        return Err(unknown);
    }
    let client = call.client;
    let uid = u64::from_le_bytes(call.input(0).array().ok_or(Status::PROGRAMMER_ERROR)?);
    let third = |call: &Call<'_, '_>, i| -> Result<u32, Status> {
        let bytes = call.input(i).array().ok_or(Status::PROGRAMMER_ERROR)?;
        Ok(u32::from_le_bytes(bytes))
    };
    match call.call_type {
        SET => {
            let flags = third(call, 2)?;
            store.set(client, uid, &call.input(1), flags)
        }
        GET => {
            let offset = third(call, 1)?;
            match call.outputs.first_mut() {
                Some(out) => store.get(client, uid, offset, out),
                None => store.get(client, uid, offset, &mut Output::own(&mut [])),
            }?;
            Ok(())
        }
        GET_INFO => {
            let out = call.outputs.first_mut().ok_or(Status::PROGRAMMER_ERROR)?;
            if out.capacity() != StorageInfo::SIZE {
                return Err(Status::PROGRAMMER_ERROR);
            }
            let info = store.info(client, uid)?;
            out.append(&info.encode())
                .then_some(())
                .ok_or(Status::PROGRAMMER_ERROR)
        }
        _ => store.remove(client, uid),
    }
}
