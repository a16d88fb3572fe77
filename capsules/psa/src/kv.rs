//! The kernel's key-value store: objects of Protected Storage, as `hil::kv`.
//!
//! Owns the objects with the top bit of their uid set, under the kernel's client id: one for each
//! key, whose uid is the rest of the key's SHA-256, and whose content is {write id, u32 LE; length
//! of the key, u8; key; value}. So values are encrypted, authenticated and safe against power loss
//! and replay. Two keys with one uid are told apart by the key; the second is refused. Who may read
//! or change a value is decided here, by write id. One call into the secure world at a time.

use core::cell::Cell;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::kv::{KVClient, KVPermissions};
use kernel::storage_permissions::StoragePermissions;
use kernel::utilities::cells::{MapCell, OptionalCell, TakeCell};
use kernel::utilities::leasable_buffer::SubSliceMut;
use psa_client::crypto::hash_compute;
use psa_client::ps;
use psa_interface::storage::FLAG_NONE;
use psa_interface::{Algorithm, Status};
use tfm_psa_driver::{Gate, KernelClient, Spe};

use crate::digest::error;

/// Before the key: write id, length.
const HEAD: usize = 5;
/// Marks the uids that are keys'.
const KEYS: u64 = 1 << 63;

type Buffer = SubSliceMut<'static, u8>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Get,
    Set,
    Add,
    Update,
    Delete,
}

#[derive(Clone, Copy)]
enum Step {
    /// Find the uid.
    Name,
    /// Read what is there.
    Look(u64),
    /// Write or remove.
    Change(u64),
}

struct Request {
    kind: Kind,
    step: Step,
    key: Buffer,
    /// Of all but a delete.
    value: Option<Buffer>,
    permissions: StoragePermissions,
}

/// Key-value pairs in Protected Storage.
pub struct PsaKv<'a, G: Gate> {
    spe: &'a Spe<G>,
    client: OptionalCell<&'a dyn KVClient>,
    request: MapCell<Request>,
    collecting: Cell<bool>,
    object: TakeCell<'static, [u8]>,
    deferred: DeferredCall,
}

/// What is there under a key.
enum Found {
    Nothing,
    /// Write id, and where the value lies in the object.
    Value(u32, core::ops::Range<usize>),
}

impl<'a, G: Gate> PsaKv<'a, G> {
    /// Over the secure world `spe`. `object` bounds an object: key, value and five bytes. The board
    /// registers the deferred call.
    pub fn new(spe: &'a Spe<G>, object: &'static mut [u8]) -> Self {
        PsaKv {
            spe,
            client: OptionalCell::empty(),
            request: MapCell::empty(),
            collecting: Cell::new(false),
            object: TakeCell::new(object),
            deferred: DeferredCall::new(),
        }
    }

    fn accept(
        &self,
        kind: Kind,
        key: Buffer,
        value: Buffer,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)> {
        if self.request.is_some() || self.collecting.get() {
            return Err((key, value, ErrorCode::BUSY));
        }
        if kind != Kind::Get && permissions.get_write_id().is_none() {
            return Err((key, value, ErrorCode::INVAL));
        }
        let room = self.object.map_or(0, |object| object.len());
        let stored = if kind == Kind::Get { 0 } else { value.len() };
        if key.len() > u8::MAX.into() || HEAD + key.len() + stored > room {
            return Err((key, value, ErrorCode::SIZE));
        }
        self.request.put(Request {
            kind,
            step: Step::Name,
            key,
            value: Some(value),
            permissions,
        });
        self.deferred.set();
        Ok(())
    }

    /// One step; `None` when another must follow.
    fn step(&self, request: &mut Request, object: &mut [u8]) -> Option<Result<(), ErrorCode>> {
        match request.step {
            Step::Name => match self.name(&request.key) {
                Ok(uid) => {
                    request.step = Step::Look(uid);
                    None
                }
                Err(status) => Some(Err(error(status))),
            },
            Step::Look(uid) => match self.look(uid, request, object) {
                Ok(true) => {
                    request.step = Step::Change(uid);
                    None
                }
                Ok(false) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            },
            Step::Change(uid) => Some(self.change(uid, request, object)),
        }
    }

    fn name(&self, key: &Buffer) -> Result<u64, Status> {
        let mut hash = [0; 32];
        hash_compute(
            &KernelClient(self.spe),
            Algorithm::SHA_256,
            key.as_slice(),
            &mut hash,
        )?;
        let [a, b, c, d, e, f, g, h, ..] = hash;
        Ok(u64::from_le_bytes([a, b, c, d, e, f, g, h]) | KEYS)
    }

    /// Whether something is to be changed.
    fn look(&self, uid: u64, request: &mut Request, object: &mut [u8]) -> Result<bool, ErrorCode> {
        let found = match ps::get(&KernelClient(self.spe), uid, 0, object) {
            Ok(length) => parse(object.get(..length).unwrap_or_default(), &request.key)?,
            Err(Status::DOES_NOT_EXIST) => Found::Nothing,
            Err(status) => return Err(error(status)),
        };
        let permissions = &request.permissions;
        match (request.kind, found) {
            (Kind::Get, Found::Value(id, at)) if permissions.check_read_permission(id) => {
                let stored = object.get(at).unwrap_or_default();
                let value = request.value.as_mut().ok_or(ErrorCode::FAIL)?;
                let n = stored.len().min(value.len());
                if let (Some(to), Some(from)) = (value.as_mut_slice().get_mut(..n), stored.get(..n))
                {
                    to.copy_from_slice(from);
                }
                value.slice(..n);
                match n == stored.len() {
                    true => Ok(false),
                    false => Err(ErrorCode::SIZE),
                }
            }
            (Kind::Set | Kind::Add, Found::Nothing) => Ok(true),
            (Kind::Set | Kind::Update | Kind::Delete, Found::Value(id, _))
                if permissions.check_modify_permission(id) =>
            {
                Ok(true)
            }
            _ => Err(ErrorCode::NOSUPPORT),
        }
    }

    fn change(&self, uid: u64, request: &Request, object: &mut [u8]) -> Result<(), ErrorCode> {
        let spe = &KernelClient(self.spe);
        if request.kind == Kind::Delete {
            return ps::remove(spe, uid).map_err(error);
        }
        let id = request.permissions.get_write_id().ok_or(ErrorCode::INVAL)?;
        let value = request.value.as_ref().map_or(&[][..], |v| v.as_slice());
        let length = compose(object, id, request.key.as_slice(), value).ok_or(ErrorCode::SIZE)?;
        ps::set(
            spe,
            uid,
            object.get(..length).unwrap_or_default(),
            FLAG_NONE,
        )
        .map_err(error)
    }

    fn tell(&self, request: Request, result: Result<(), ErrorCode>) {
        let Some(client) = self.client.get() else {
            return;
        };
        let key = request.key;
        match (request.kind, request.value) {
            (Kind::Get, Some(value)) => client.get_complete(result, key, value),
            (Kind::Set, Some(value)) => client.set_complete(result, key, value),
            (Kind::Add, Some(value)) => client.add_complete(result, key, value),
            (Kind::Update, Some(value)) => client.update_complete(result, key, value),
            (_, _) => client.delete_complete(result, key),
        }
    }
}

/// What the object says. FAIL when it is another key's, or none of ours.
fn parse(object: &[u8], key: &Buffer) -> Result<Found, ErrorCode> {
    let Some((head, rest)) = object.split_first_chunk::<HEAD>() else {
        return Err(ErrorCode::FAIL);
    };
    let [a, b, c, d, length] = *head;
    match rest.get(..length.into()) {
        Some(stored) if stored == key.as_slice() => Ok(Found::Value(
            u32::from_le_bytes([a, b, c, d]),
            HEAD + stored.len()..object.len(),
        )),
        _ => Err(ErrorCode::FAIL),
    }
}

/// Writes an object; its length. `None`: no room.
fn compose(object: &mut [u8], id: u32, key: &[u8], value: &[u8]) -> Option<usize> {
    let (head, rest) = object.split_first_chunk_mut::<HEAD>()?;
    let [a, b, c, d] = id.to_le_bytes();
    *head = [a, b, c, d, u8::try_from(key.len()).ok()?];
    rest.get_mut(..key.len())?.copy_from_slice(key);
    let to = rest.get_mut(key.len()..)?.get_mut(..value.len())?;
    to.copy_from_slice(value);
    Some(HEAD + key.len() + value.len())
}

impl<G: Gate> DeferredCallClient for PsaKv<'_, G> {
    fn handle_deferred_call(&self) {
        if self.collecting.take() {
            // Protected Storage reclaims its space itself.
            self.client.map(|c| c.garbage_collection_complete(Ok(())));
            return;
        }
        let Some(mut request) = self.request.take() else {
            return;
        };
        let done = match self.object.take() {
            Some(object) => {
                let done = self.step(&mut request, object);
                if done.is_some() {
                    object.fill(0);
                }
                self.object.replace(object);
                done
            }
            None => Some(Err(ErrorCode::FAIL)),
        };
        match done {
            Some(result) => self.tell(request, result),
            None => {
                // One call at a time: the next step waits for the next pass of the kernel loop.
                self.request.put(request);
                self.deferred.set();
            }
        }
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl<'a, G: Gate> KVPermissions<'a> for PsaKv<'a, G> {
    fn set_client(&self, client: &'a dyn KVClient) {
        self.client.set(client);
    }

    fn get(
        &self,
        key: Buffer,
        value: Buffer,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)> {
        self.accept(Kind::Get, key, value, permissions)
    }

    fn set(
        &self,
        key: Buffer,
        value: Buffer,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)> {
        self.accept(Kind::Set, key, value, permissions)
    }

    fn add(
        &self,
        key: Buffer,
        value: Buffer,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)> {
        self.accept(Kind::Add, key, value, permissions)
    }

    fn update(
        &self,
        key: Buffer,
        value: Buffer,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)> {
        self.accept(Kind::Update, key, value, permissions)
    }

    fn delete(
        &self,
        key: Buffer,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, ErrorCode)> {
        match self.accept(Kind::Delete, key, SubSliceMut::new(&mut []), permissions) {
            Ok(()) => Ok(()),
            Err((key, _, error)) => Err((key, error)),
        }
    }

    fn garbage_collect(&self) -> Result<(), ErrorCode> {
        if self.request.is_some() || self.collecting.replace(true) {
            return Err(ErrorCode::BUSY);
        }
        self.deferred.set();
        Ok(())
    }

    fn header_size(&self) -> usize {
        0
    }
}
