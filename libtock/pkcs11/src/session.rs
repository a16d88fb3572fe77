//! Sessions: what is under way in each, and the handles that name them.
//!
//! Owns the handles: place (from 1) in the low byte, and above it a serial number of the opening,
//! so that the handle of a closed session is never another's.

use crate::objects::Place;
use crate::types::{
    CKR_SESSION_COUNT, CKR_SESSION_HANDLE_INVALID, CkRv, MAX_SESSIONS, SessionHandle,
};
use psa_client::Transport;
use psa_client::crypto::HashOperation;

/// A signature under way.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub mechanism: u32,
    pub key: Place,
    /// Length of the signature, bytes.
    pub size: usize,
}

/// One session.
pub struct Session<T: Transport> {
    handle: SessionHandle,
    pub writable: bool,
    /// Places of the objects that a search found and has not handed out.
    pub search: Option<u32>,
    pub digest: Option<HashOperation<T>>,
    pub sign: Option<Operation>,
    pub verify: Option<Operation>,
}

/// All sessions.
pub struct Sessions<T: Transport> {
    open: [Option<Session<T>>; MAX_SESSIONS],
    serial: u32,
}

impl<T: Transport> Sessions<T> {
    /// None.
    pub fn new() -> Self {
        Sessions {
            open: [const { None }; MAX_SESSIONS],
            serial: 0,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open.iter().flatten().count()
    }

    /// Opens one.
    pub fn open(&mut self, writable: bool) -> Result<SessionHandle, CkRv> {
        let place = self.open.iter().position(Option::is_none);
        let place = place.ok_or(CKR_SESSION_COUNT)?;
        self.serial = self.serial.wrapping_add(1);
        let handle = self.serial << 8 | (place as u32 + 1);
        if let Some(to) = self.open.get_mut(place) {
            *to = Some(Session {
                handle,
                writable,
                search: None,
                digest: None,
                sign: None,
                verify: None,
            });
        }
        Ok(handle)
    }

    /// The session of a handle.
    pub fn get(&mut self, handle: SessionHandle) -> Result<&mut Session<T>, CkRv> {
        let mut open = self.open.iter_mut().flatten();
        let found = open.find(|s| s.handle == handle);
        found.ok_or(CKR_SESSION_HANDLE_INVALID)
    }

    /// Closes one; what was under way in it ends.
    pub fn close(&mut self, handle: SessionHandle) -> Result<(), CkRv> {
        let this = |s: &&mut Option<Session<T>>| s.as_ref().is_some_and(|s| s.handle == handle);
        let slot = self.open.iter_mut().find(this);
        *slot.ok_or(CKR_SESSION_HANDLE_INVALID)? = None;
        Ok(())
    }
}
