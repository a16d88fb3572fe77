//! What processes hold in the secure world: operations and volatile keys.
//!
//! Owns {process, client, kind, handle} of each, and the client ids −0x1000 − slot of processes
//! without a fixed ShortId. Tock tells no capsule that a process died, so [`Handles::reap`] asks
//! for each holder whether it lives, and aborts or destroys what the dead left. A slot is free only
//! when nothing made under its id is left. The secure side, not this record, decides who may use a
//! handle.

use crate::service::{makes_key, makes_operation};
use core::cell::Cell;
use kernel::{ErrorCode, ProcessId};
use psa_interface::crypto::function as f;
use psa_interface::{CryptoIovec, Status, service};
use tfm_psa_driver::{ClientId, Gate, InVec, OutVec, Spe};

/// Handles on record, all processes together.
const CAPACITY: usize = 64;
/// Handles of one process: one that leaks its own must not stop the others.
const PER_PROCESS: usize = 32;
/// Processes without a fixed ShortId that use crypto at one time.
const SLOTS: usize = 16;
const FIRST_VOLATILE: i32 = -0x1000;

/// What releases a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release(u16);

#[derive(Clone, Copy)]
struct Held {
    holder: ProcessId,
    client: ClientId,
    release: Release,
    handle: u32,
}

/// The record. One for the system.
pub struct Handles {
    held: [Cell<Option<Held>>; CAPACITY],
    slots: [Cell<Option<ProcessId>>; SLOTS],
}

impl Default for Handles {
    fn default() -> Self {
        Self::new()
    }
}

impl Handles {
    /// Nothing held.
    pub const fn new() -> Self {
        Handles {
            held: [const { Cell::new(None) }; CAPACITY],
            slots: [const { Cell::new(None) }; SLOTS],
        }
    }

    /// Releases what dead processes hold, as `alive` says. Costs no call while all live.
    pub fn reap<G: Gate>(&self, spe: &Spe<G>, alive: impl Fn(ProcessId) -> bool) {
        for entry in &self.held {
            if let Some(held) = entry.get().filter(|held| !alive(held.holder)) {
                // Gone already is as good; a failure otherwise keeps it for the next time.
                let status = Status(release(spe, held));
                let gone = [
                    Status::INVALID_HANDLE,
                    Status::DOES_NOT_EXIST,
                    Status::BAD_STATE,
                ];
                if status.is_success() || gone.contains(&status) {
                    entry.set(None);
                }
            }
        }
        for slot in &self.slots {
            if slot.get().is_some_and(|p| !alive(p) && self.count(p) == 0) {
                slot.set(None);
            }
        }
    }

    /// The client id of a process without a fixed ShortId. NOMEM when all are in use.
    pub fn volatile_client(&self, process_id: ProcessId) -> Result<ClientId, ErrorCode> {
        let own = |slot: &Cell<Option<ProcessId>>| slot.get() == Some(process_id);
        let index = match self.slots.iter().position(own) {
            Some(index) => index,
            None => {
                let free = |slot: &Cell<Option<ProcessId>>| slot.get().is_none();
                let index = self.slots.iter().position(free).ok_or(ErrorCode::NOMEM)?;
                if let Some(slot) = self.slots.get(index) {
                    slot.set(Some(process_id));
                }
                index
            }
        };
        ClientId::new(FIRST_VOLATILE - index as i32).ok_or(ErrorCode::FAIL)
    }

    /// Whether an operation is on record as the client's.
    pub fn holds(&self, client: ClientId, release: Release, handle: u32) -> bool {
        self.held.iter().any(|e| {
            e.get()
                .is_some_and(|h| h.client == client && h.release == release && h.handle == handle)
        })
    }

    /// Whether a volatile key is on record as the client's.
    pub fn holds_key(&self, client: ClientId, id: u32) -> bool {
        self.holds(client, Release(f::DESTROY_KEY), id)
    }

    /// Whether one more handle of `process_id` can be recorded.
    pub fn has_room(&self, process_id: ProcessId) -> bool {
        self.count(process_id) < PER_PROCESS && self.held.iter().any(|e| e.get().is_none())
    }

    /// Records what a successful call made or released; `out0` is the handle in out_vec 0 of a
    /// call that made something volatile.
    pub fn note(
        &self,
        holder: ProcessId,
        client: ClientId,
        iovec: &CryptoIovec,
        out0: Option<u32>,
    ) {
        let id = iovec.function_id;
        if let Some((release, handle)) = released(iovec) {
            for entry in &self.held {
                if entry.get().is_some_and(|h| {
                    h.client == client && h.release == release && h.handle == handle
                }) {
                    entry.set(None);
                }
            }
        }
        let Some(handle) = out0.filter(|handle| *handle != 0) else {
            return;
        };
        let release = match abort_of(id) {
            Some(abort) if makes_operation(id) => abort,
            _ if makes_key(id) => Release(f::DESTROY_KEY),
            _ => return,
        };
        let new = Held {
            holder,
            client,
            release,
            handle,
        };
        let same = |h: Held| h.client == client && h.release == release && h.handle == handle;
        // The secure side reused a number that it released by itself: one entry is enough.
        let entry = self
            .held
            .iter()
            .find(|e| e.get().is_some_and(same))
            .or_else(|| self.held.iter().find(|e| e.get().is_none()));
        if let Some(entry) = entry {
            entry.set(Some(new));
        }
    }

    fn count(&self, process_id: ProcessId) -> usize {
        let own = |e: &&Cell<Option<Held>>| e.get().is_some_and(|h| h.holder == process_id);
        self.held.iter().filter(own).count()
    }
}

/// What releases the operations of `function_id`'s group: its abort.
pub fn operation(function_id: u16) -> Option<Release> {
    abort_of(function_id)
}

fn abort_of(function_id: u16) -> Option<Release> {
    Some(Release(match function_id >> 8 {
        3 => f::HASH_ABORT,
        4 => f::MAC_ABORT,
        5 => f::CIPHER_ABORT,
        6 => f::AEAD_ABORT,
        9 => f::KEY_DERIVATION_ABORT,
        _ => return None,
    }))
}

/// What a successful call of this kind releases.
fn released(iovec: &CryptoIovec) -> Option<(Release, u32)> {
    match iovec.function_id {
        f::DESTROY_KEY => Some((Release(f::DESTROY_KEY), iovec.key_id)),
        f::HASH_FINISH
        | f::HASH_VERIFY
        | f::HASH_ABORT
        | f::MAC_SIGN_FINISH
        | f::MAC_VERIFY_FINISH
        | f::MAC_ABORT
        | f::CIPHER_FINISH
        | f::CIPHER_ABORT
        | f::AEAD_FINISH
        | f::AEAD_VERIFY
        | f::AEAD_ABORT
        | f::KEY_DERIVATION_ABORT => Some((abort_of(iovec.function_id)?, iovec.op_handle)),
        _ => None,
    }
}

fn release<G: Gate>(spe: &Spe<G>, held: Held) -> i32 {
    let mut iovec = CryptoIovec::new(held.release.0);
    let mut handle = [0; 4];
    let mut out = [OutVec::own(&mut handle)];
    let is_key = held.release.0 == f::DESTROY_KEY;
    if is_key {
        iovec.key_id = held.handle;
    } else {
        iovec.op_handle = held.handle;
    }
    let outs = if is_key { &mut [][..] } else { &mut out[..] };
    let client = match spe.manages_clients() {
        true => held.client,
        false => ClientId::KERNEL,
    };
    spe.psa_call(
        client,
        service::CRYPTO_HANDLE,
        service::IPC_CALL,
        &[InVec::new(&iovec.encode())],
        outs,
    )
}
