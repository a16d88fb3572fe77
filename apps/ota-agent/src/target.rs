//! Where a file of an update goes.
//!
//! Owns the steps that every kind of target has; [`Image`] takes them by PSA Firmware Update.
//! Another kind (an app beside the running one) is another implementation: the agent's course
//! asks for nothing else.

use crate::document::Version;
use crate::update::Reason;
use psa_client::Transport;
use psa_client::fwu::{self, FwuState, MAX_WRITE_SIZE};

const FAILED: Reason = "the firmware update service failed";

/// A place that can be written, judged and given up.
pub trait Target {
    /// Version that runs now.
    ///
    /// # Errors
    /// Why it is not known.
    fn running(&self) -> Result<Version, Reason>;
    /// Longest file, bytes.
    ///
    /// # Errors
    /// Why it is not known.
    fn room(&self) -> Result<u32, Reason>;
    /// Whether a file is being written or is complete: what was written before a reset is there.
    fn is_open(&self) -> bool;
    /// Erases the place and opens it for writing; it must have been given up.
    ///
    /// # Errors
    /// Why it cannot be written.
    fn open(&self) -> Result<(), Reason>;
    /// Writes bytes, durably once it returns.
    ///
    /// # Errors
    /// Why they are not there.
    fn write(&self, at: u32, bytes: &[u8]) -> Result<(), Reason>;
    /// Ends the writing, if that was not done, and gives the SHA-256 of the file as it lies there.
    ///
    /// # Errors
    /// Why there is none.
    fn seal(&self) -> Result<[u8; 32], Reason>;
    /// Gives up what is there; what runs, on trial or not, stays.
    ///
    /// # Errors
    /// Why it stays.
    fn discard(&self) -> Result<(), Reason>;
}

/// An image of the system, by its FWU component.
pub struct Image<'a, T>(pub &'a T, pub u8);

impl<T: Transport> Image<'_, T> {
    fn query(&self) -> Result<fwu::FwuComponentInfo, Reason> {
        fwu::query(self.0, self.1).map_err(|_| FAILED)
    }
}

impl<T: Transport> Target for Image<'_, T> {
    fn running(&self) -> Result<Version, Reason> {
        self.query().map(|info| info.version)
    }

    fn room(&self) -> Result<u32, Reason> {
        self.query().map(|info| info.max_size)
    }

    fn is_open(&self) -> bool {
        self.query()
            .is_ok_and(|info| matches!(info.state, FwuState::Writing | FwuState::Candidate))
    }

    fn open(&self) -> Result<(), Reason> {
        fwu::start(self.0, self.1, &[]).map_err(|_| FAILED)
    }

    fn write(&self, at: u32, bytes: &[u8]) -> Result<(), Reason> {
        let mut at = at;
        for piece in bytes.chunks(MAX_WRITE_SIZE) {
            fwu::write(self.0, self.1, at, piece).map_err(|_| "writing the image failed")?;
            at += piece.len() as u32;
        }
        Ok(())
    }

    fn seal(&self) -> Result<[u8; 32], Reason> {
        if self.query()?.state == FwuState::Writing {
            fwu::finish(self.0, self.1).map_err(|_| FAILED)?;
        }
        let info = self.query()?;
        let complete = info.state == FwuState::Candidate;
        complete.then_some(info.candidate_digest).ok_or(FAILED)
    }

    fn discard(&self) -> Result<(), Reason> {
        let clean = || fwu::clean(self.0, self.1);
        match self.query()?.state {
            FwuState::Ready => Ok(()),
            FwuState::Writing | FwuState::Candidate => {
                fwu::cancel(self.0, self.1).and_then(|()| clean())
            }
            FwuState::Staged => fwu::reject(self.0, 0).and_then(|_| clean()),
            FwuState::Failed | FwuState::Updated => clean(),
            FwuState::Trial | FwuState::Rejected => return Err("another update is on trial"),
        }
        .map_err(|_| FAILED)
    }
}
