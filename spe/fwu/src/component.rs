//! One component: its two slots, its state, and each step on them.
//!
//! Owns everything that concerns one component alone; rules between components are the
//! service's.

use crate::MAX_WRITE_SIZE;
use crate::record::Record;
use flash::Flash;
use mcuboot_image::{MagicState, Manifest, pair, trailer};
use psa_interface::Status;
use psa_interface::fwu::{FwuComponentInfo, FwuState, FwuVersion};
use spm::Input;
use symmetric::sha256::Sha256;

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
    /// How far the download reaches, and what of it a reset will find.
    record: Record,
    /// Of the candidate, once somebody asked.
    digest: Option<[u8; 32]>,
}

fn storage<T, E>(result: Result<T, E>) -> Result<T, Status> {
    result.map_err(|_| Status::STORAGE_FAILURE)
}

impl<F: Flash> Component<F> {
    pub fn new(slots: Slots<F>, version: FwuVersion) -> Result<Self, Status> {
        let record = storage(Record::read(&slots.secondary))?;
        let state = if storage(trailer::read(&slots.primary))?.is_trial() {
            FwuState::Trial
        } else if storage(trailer::read(&slots.secondary))?.magic == MagicState::Good {
            // The loader holds it back.
            FwuState::Staged
        } else if record.candidate {
            FwuState::Candidate
        } else if record.writing {
            FwuState::Writing
        } else {
            FwuState::Ready
        };
        Ok(Component {
            slots,
            version,
            state,
            error: 0,
            record,
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

    /// Version and dependencies of the candidate: not trusted, only well-formed.
    pub fn candidate(&self) -> Result<Manifest<'_>, Status> {
        let mapped = self.slots.secondary.mapped().ok_or(Status::NOT_SUPPORTED)?;
        let room = trailer::max_image_size(&self.slots.secondary).min(self.record.end);
        let bytes = mapped.get(..room as usize).ok_or(Status::STORAGE_FAILURE)?;
        Manifest::parse(bytes).map_err(|_| Status::DATA_INVALID)
    }

    pub fn start(&mut self) -> Result<(), Status> {
        self.demand(&[FwuState::Ready])?;
        self.erase()?;
        self.record = storage(Record::begin(&mut self.slots.secondary))?;
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
        storage(self.record.end(&mut self.slots.secondary, end))
    }

    pub fn finish(&mut self) -> Result<(), Status> {
        self.demand(&[FwuState::Writing])?;
        storage(self.record.complete(&mut self.slots.secondary))?;
        self.state = FwuState::Candidate;
        Ok(())
    }

    pub fn cancel(&mut self) -> Result<(), Status> {
        self.demand(&[FwuState::Writing, FwuState::Candidate])?;
        self.fail(0)
    }

    pub fn clean(&mut self) -> Result<(), Status> {
        self.demand(&[FwuState::Failed, FwuState::Updated])?;
        self.erase()?;
        self.state = FwuState::Ready;
        Ok(())
    }

    fn erase(&mut self) -> Result<(), Status> {
        storage(Record::destroy(&mut self.slots.secondary))?;
        storage(trailer::erase_slot(&mut self.slots.secondary))?;
        (self.record, self.digest, self.error) = (Record::default(), None, 0);
        Ok(())
    }

    /// Gives the candidate up.
    pub fn fail(&mut self, error: i32) -> Result<(), Status> {
        storage(Record::destroy(&mut self.slots.secondary))?;
        self.error = error;
        self.state = FwuState::Failed;
        Ok(())
    }

    /// Asks the loader for a trial; `paired`: together with the other image's, or not at all.
    pub fn stage(&mut self, image: u8, paired: bool) -> Result<(), Status> {
        let number = image | if paired { pair::PAIRED } else { 0 };
        storage(trailer::set_pending(
            &mut self.slots.secondary,
            number,
            false,
        ))?;
        self.state = FwuState::Staged;
        Ok(())
    }

    /// Takes the request back, whether or not it got through. The record goes with it.
    pub fn unstage(&mut self) -> Result<(), Status> {
        storage(trailer::clear_pending(&mut self.slots.secondary))
    }

    /// Takes the request back and keeps the candidate.
    pub fn back_to_candidate(&mut self) -> Result<(), Status> {
        self.unstage()?;
        self.record = storage(Record::restore(&mut self.slots.secondary, self.record.end))?;
        self.state = FwuState::Candidate;
        Ok(())
    }

    /// Whether it waits for the other half of a pair that was never requested whole.
    pub fn is_half(&self, other: &Self) -> Result<bool, Status> {
        let read = |slot: &F| storage(trailer::read(slot));
        Ok(self.state == FwuState::Staged
            && pair::is_requested(&read(&self.slots.secondary)?)
            && !pair::may_swap(&read(&other.slots.primary)?, &read(&other.slots.secondary)?))
    }

    /// The primary slot, for what both images' trailers say together.
    pub fn primary(&mut self) -> &mut F {
        &mut self.slots.primary
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
            flags: 0,
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
            let bytes = mapped.get(..self.record.end as usize);
            hash.update(bytes.ok_or(Status::STORAGE_FAILURE)?);
        } else {
            let mut buf = [0; 512];
            let mut at = 0;
            while at < self.record.end {
                let n = (self.record.end - at).min(512);
                let part = buf.get_mut(..n as usize).ok_or(Status::GENERIC_ERROR)?;
                storage(self.slots.secondary.read(at, part))?;
                hash.update(part);
                at += n;
            }
        }
        let digest = hash.finish();
        self.digest = Some(digest);
        Ok(digest)
    }

    #[cfg(test)]
    pub fn slots(&mut self) -> &mut Slots<F> {
        &mut self.slots
    }
}
