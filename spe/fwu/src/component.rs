//! One component: its two slots, its state, and each step on them.
//!
//! Owns everything that concerns one component alone; rules between components are the
//! service's.

use crate::MAX_WRITE_SIZE;
use flash::Flash;
use mcuboot_image::{Image, trailer};
use psa_interface::Status;
use psa_interface::fwu::{FLAG_VOLATILE_STAGING, FwuComponentInfo, FwuState, FwuVersion};
use sha2::{Digest, Sha256};
use spm::Input;

/// The two slots of a component.
#[derive(Debug)]
pub struct Slots<F> {
    /// The running image; only its trailer is written here.
    pub primary: F,
    /// Where a candidate goes. Memory mapped, or install answers NOT_SUPPORTED.
    pub secondary: F,
    /// What `location` reports; TF-M: the flash area id.
    pub location: u32,
}

#[derive(Debug)]
pub(crate) struct Component<F> {
    slots: Slots<F>,
    pub version: FwuVersion,
    pub state: FwuState,
    error: i32,
    /// End of the highest block written, bytes.
    end: u32,
    /// Of the candidate, once somebody asked.
    digest: Option<[u8; 32]>,
}

fn storage<T, E>(result: Result<T, E>) -> Result<T, Status> {
    result.map_err(|_| Status::STORAGE_FAILURE)
}

impl<F: Flash> Component<F> {
    pub fn new(slots: Slots<F>, version: FwuVersion) -> Result<Self, Status> {
        let trial = storage(trailer::read(&slots.primary))?.is_trial();
        Ok(Component {
            slots,
            version,
            state: if trial {
                FwuState::Trial
            } else {
                FwuState::Ready
            },
            error: 0,
            end: 0,
            digest: None,
        })
    }

    pub fn into_slots(self) -> Slots<F> {
        self.slots
    }

    fn demand(&self, states: &[FwuState]) -> Result<(), Status> {
        states
            .contains(&self.state)
            .then_some(())
            .ok_or(Status::BAD_STATE)
    }

    /// Image of the candidate; its version and dependencies are not trusted, only well-formed.
    pub fn candidate(&self) -> Result<Image<'_>, Status> {
        let mapped = self.slots.secondary.mapped().ok_or(Status::NOT_SUPPORTED)?;
        let room = trailer::max_image_size(&self.slots.secondary).min(self.end);
        let bytes = mapped.get(..room as usize).ok_or(Status::STORAGE_FAILURE)?;
        Image::parse(bytes).map_err(|_| Status::DATA_INVALID)
    }

    pub fn start(&mut self) -> Result<(), Status> {
        self.demand(&[FwuState::Ready])?;
        storage(trailer::erase_slot(&mut self.slots.secondary))?;
        (self.end, self.digest, self.error) = (0, None, 0);
        self.state = FwuState::Writing;
        Ok(())
    }

    pub fn write(&mut self, offset: u32, block: &Input<'_>) -> Result<(), Status> {
        self.demand(&[FwuState::Writing])?;
        let len = u32::try_from(block.len()).map_err(|_| Status::INVALID_ARGUMENT)?;
        let end = offset.checked_add(len).ok_or(Status::INVALID_ARGUMENT)?;
        if len == 0
            || block.len() > MAX_WRITE_SIZE
            || end > trailer::max_image_size(&self.slots.secondary)
        {
            return Err(Status::INVALID_ARGUMENT);
        }
        let mut buf = [0; 512];
        let mut done = 0;
        while done < block.len() {
            let n = block.read(done, &mut buf);
            let part = buf.get(..n).ok_or(Status::GENERIC_ERROR)?;
            let at = offset + done as u32;
            storage(self.slots.secondary.program(at, part))?;
            done += n;
        }
        self.end = self.end.max(end);
        Ok(())
    }

    pub fn finish(&mut self) -> Result<(), Status> {
        self.demand(&[FwuState::Writing])?;
        self.state = FwuState::Candidate;
        Ok(())
    }

    pub fn cancel(&mut self) -> Result<(), Status> {
        self.demand(&[FwuState::Writing, FwuState::Candidate])?;
        self.fail(0);
        Ok(())
    }

    pub fn clean(&mut self) -> Result<(), Status> {
        self.demand(&[FwuState::Failed, FwuState::Updated])?;
        storage(trailer::erase_slot(&mut self.slots.secondary))?;
        (self.end, self.digest, self.error) = (0, None, 0);
        self.state = FwuState::Ready;
        Ok(())
    }

    pub fn fail(&mut self, error: i32) {
        self.error = error;
        self.state = FwuState::Failed;
    }

    /// Asks the loader for a trial.
    pub fn stage(&mut self, image: u8) -> Result<(), Status> {
        storage(trailer::set_pending(
            &mut self.slots.secondary,
            image,
            false,
        ))?;
        self.state = FwuState::Staged;
        Ok(())
    }

    /// Takes the request back, whether or not it got through.
    pub fn unstage(&mut self) -> Result<(), Status> {
        storage(trailer::clear_pending(&mut self.slots.secondary))
    }

    pub fn accept(&mut self) -> Result<(), Status> {
        storage(trailer::set_confirmed(&mut self.slots.primary))?;
        self.state = FwuState::Updated;
        Ok(())
    }

    /// Nothing to write: what is not accepted is reverted.
    pub fn reject(&mut self, error: i32) {
        self.error = error;
        self.state = FwuState::Rejected;
    }

    pub fn query(&mut self) -> Result<FwuComponentInfo, Status> {
        let candidate = self.state == FwuState::Candidate;
        Ok(FwuComponentInfo {
            state: self.state,
            error: match self.state {
                FwuState::Failed | FwuState::Rejected => self.error,
                _ => 0,
            },
            version: self.version,
            max_size: trailer::max_image_size(&self.slots.secondary),
            flags: FLAG_VOLATILE_STAGING,
            location: self.slots.location,
            candidate_digest: if candidate { self.digest()? } else { [0; 32] },
        })
    }

    fn digest(&mut self) -> Result<[u8; 32], Status> {
        if let Some(digest) = self.digest {
            return Ok(digest);
        }
        let mut hash = Sha256::new();
        if let Some(mapped) = self.slots.secondary.mapped() {
            let bytes = mapped.get(..self.end as usize);
            hash.update(bytes.ok_or(Status::STORAGE_FAILURE)?);
        } else {
            let mut buf = [0; 512];
            let mut at = 0;
            while at < self.end {
                let n = (self.end - at).min(512);
                let part = buf.get_mut(..n as usize).ok_or(Status::GENERIC_ERROR)?;
                storage(self.slots.secondary.read(at, part))?;
                hash.update(&*part);
                at += n;
            }
        }
        let digest = hash.finalize().into();
        self.digest = Some(digest);
        Ok(digest)
    }

    #[cfg(test)]
    pub fn slots(&mut self) -> &mut Slots<F> {
        &mut self.slots
    }
}
