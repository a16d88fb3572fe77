//! Sessions: what is under way in each, and the handles that name them.
//!
//! Owns the handles: place (from 1) in the low byte, and above it a serial number of the opening,
//! so that the handle of a closed session is never another's.

use crate::objects::Place;
use crate::types::{
    CKR_OPERATION_ACTIVE, CKR_SESSION_COUNT, CKR_SESSION_HANDLE_INVALID, CkRv, MAX_SESSIONS,
    SessionHandle,
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
    /// Only its length was asked for; the reference's operation is over then.
    pub asked: bool,
}

/// What a session is doing: one thing at a time, as in the reference.
pub enum Under<T: Transport> {
    Nothing,
    /// Places of the objects that a search found and has not handed out.
    Search(u32),
    Digest(HashOperation<T>),
    Sign(Operation),
    Verify(Operation),
}

/// One session.
pub struct Session<T: Transport> {
    handle: SessionHandle,
    pub writable: bool,
    pub under: Under<T>,
}

impl<T: Transport> Session<T> {
    /// Whether something may begin. A signature whose length was asked for may still come, as the
    /// standard says, or something else in its place, as the reference has it.
    ///
    /// # Errors
    /// CKR_OPERATION_ACTIVE.
    pub fn idle(&self) -> Result<(), CkRv> {
        match self.under {
            Under::Nothing | Under::Sign(Operation { asked: true, .. }) => Ok(()),
            _ => Err(CKR_OPERATION_ACTIVE),
        }
    }
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
                under: Under::Nothing,
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
