//! The boot: finish what was interrupted, decide, swap, verify, measure.
//!
//! Owns the order of `reference/tfm.md` §I.8. Each step reads its state from flash, so that a cut
//! anywhere is followed by the same decisions.

use crate::crypto::{Digest256, Verify};
use crate::event::{Event, Observer, spelled, world};
use crate::journal::Journal;
use crate::{Evidence, IMAGES, Refusal, measure, swap, verify};
use boot_data::{BootDataError, BootDataWriter, ResetRecord};
use core::fmt;
use core::ops::Range;
use flash::{Flash, FlashError};
use mcuboot_image::{Flag, Image, ImageVersion, MagicState, SwapType, pair, swap_type, trailer};

/// Rollback counters of the device, one for each image.
pub trait SecurityCounters {
    /// Present value.
    ///
    /// # Errors
    /// Those of the flash behind it.
    fn get(&self, image: usize) -> Result<u32, FlashError>;
    /// Raises the counter to `value`; at or below its present value nothing happens.
    ///
    /// # Errors
    /// Those of the flash behind it.
    fn raise(&mut self, image: usize, value: u32) -> Result<(), FlashError>;
}

/// The two slots of an image.
#[derive(Debug)]
pub struct Slots<F> {
    pub primary: F,
    pub secondary: F,
}

/// Where an image runs.
#[derive(Debug)]
pub struct Execution<'a> {
    /// Memory that receives the whole image, TLVs included.
    pub memory: &'a mut [u8],
    /// Address of `memory` as the image sees it.
    pub base: u32,
    /// Bytes of `memory` that header and payload may take.
    pub limit: usize,
    /// RAM that the initial stack pointer must lie in; the end is a valid stack pointer.
    pub ram: Range<u32>,
}

/// The loader over its slots, keys and counters.
#[derive(Debug)]
pub struct Loader<F, V, C> {
    pub slots: [Slots<F>; IMAGES],
    pub scratch: F,
    /// SHA-256 of each image's public key in imgtool's encoding (KEYHASH).
    pub key_hashes: [Digest256; IMAGES],
    pub counters: C,
    pub crypto: V,
}

/// How an image is entered; all three were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Address of the vector table.
    pub vectors: u32,
    /// Word 0 of the table.
    pub stack_pointer: u32,
    /// Word 1 of the table, Thumb bit set.
    pub reset_vector: u32,
}

/// An image that may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootedImage {
    pub version: ImageVersion,
    pub evidence: Evidence,
    pub entry: Entry,
    /// Swapped in for a test, not yet confirmed.
    pub trial: bool,
}

/// What will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Booted {
    pub images: [BootedImage; IMAGES],
}

impl Booted {
    /// Whether any image is on trial.
    pub fn trial(&self) -> bool {
        self.images.iter().any(|i| i.trial)
    }
}

/// Why nothing boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootError {
    /// An image is refused.
    Refused { image: usize, why: Refusal },
    /// Flash failed, or the slots have an impossible geometry.
    Flash(FlashError),
    /// The boot data area is too small.
    BootData(BootDataError),
}

impl From<FlashError> for BootError {
    fn from(error: FlashError) -> Self {
        BootError::Flash(error)
    }
}

impl From<BootDataError> for BootError {
    fn from(error: BootDataError) -> Self {
        BootError::BootData(error)
    }
}

impl BootError {
    /// Gives the reason piece by piece (see [`Event::spell`]).
    pub fn spell(&self, put: &mut dyn FnMut(&str)) {
        put(match self {
            BootError::Refused { image, why } => {
                put(world(*image));
                put(" image: ");
                return why.spell(put);
            }
            BootError::Flash(FlashError::OutOfBounds) => "flash area is too small",
            BootError::Flash(FlashError::Misaligned) => "flash area is misaligned",
            BootError::Flash(FlashError::NotErased) => "flash was not erased",
            BootError::Flash(FlashError::Device) => "flash failed",
            BootError::BootData(_) => "boot data area is too small",
        });
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spelled(f, |put| self.spell(put))
    }
}

impl<F: Flash, V: Verify, C: SecurityCounters> Loader<F, V, C> {
    /// Brings both images to execution memory, verified, and describes them in `boot_data`.
    ///
    /// # Errors
    /// [`BootError`]; then nothing may boot.
    pub fn boot<O: Observer>(
        &mut self,
        mut execution: [Execution<'_>; IMAGES],
        boot_data: &mut [u8],
        reset: Option<ResetRecord>,
        observer: &mut O,
    ) -> Result<Booted, BootError> {
        self.finish_interrupted(observer)?;
        let [secure, non_secure] = &mut self.slots;
        pair::settle([&mut secure.primary, &mut non_secure.primary])?;
        let mut types = [SwapType::None; IMAGES];
        for ((image, swap), place) in types.iter_mut().enumerate().zip(&execution) {
            *swap = self.decide(image, place, observer)?;
        }
        self.hold_halves(&mut types, observer)?;
        if types.iter().any(|t| *t != SwapType::None) && self.dependencies_met(&types, observer)? {
            for (image, swap) in types.into_iter().enumerate() {
                self.swap(image, swap, observer)?;
            }
        }
        let images = self.load(&mut execution, observer)?;
        let mut data = BootDataWriter::new(boot_data)?;
        for (number, (place, booted)) in execution.iter().zip(&images).enumerate() {
            let image = Image::parse(place.memory).map_err(|e| refused(number, e.into()))?;
            let signer = self.key_hash(number)?;
            measure::record(&mut data, number, &image, signer, &booted.evidence.digest)?;
        }
        for (number, booted) in images.iter().enumerate() {
            data.fwu_version(number as u8, &booted.version.emit())?;
        }
        if let Some(reset) = reset {
            data.reset_record(&reset)?;
        }
        for (number, booted) in images.iter().enumerate() {
            let primary = &mut self.slots_mut(number)?.primary;
            let state = trailer::read(primary)?;
            if booted.trial && state.copy_done != Flag::Set {
                // From here on a reset without confirmation means: revert.
                trailer::set_copy_done(primary)?;
            }
            if state.magic != MagicState::Good || state.image_ok == Flag::Set {
                self.counters
                    .raise(number, booted.evidence.security_counter)?;
            }
        }
        Ok(Booted { images })
    }

    fn finish_interrupted<O: Observer>(&mut self, observer: &mut O) -> Result<(), BootError> {
        let Some(journal) = Journal::read(&self.scratch)? else {
            return Ok(());
        };
        let (image, swap) = (journal.image(), journal.swap);
        observer.event(Event::SwapResume { image, swap });
        self.run(&journal)?;
        observer.event(Event::SwapEnd { image, swap });
        Ok(())
    }

    /// What is to be done with an image; a candidate that may not run is erased here.
    fn decide<O: Observer>(
        &mut self,
        image: usize,
        place: &Execution<'_>,
        observer: &mut O,
    ) -> Result<SwapType, BootError> {
        // Twice: a refused candidate over a trial leaves the trial to be judged.
        for _ in 0..2 {
            let slots = self.slots(image)?;
            let swap = swap_type(
                &trailer::read(&slots.primary)?,
                &trailer::read(&slots.secondary)?,
            );
            if swap == SwapType::None {
                break;
            }
            let why = match self.verify_secondary(image, place) {
                Ok(()) => return Ok(swap),
                Err(Refusal::Flash(error)) => return Err(error.into()),
                Err(why) => why,
            };
            observer.event(Event::UpdateRefused { image, why });
            let slots = self.slots_mut(image)?;
            if swap == SwapType::Revert {
                // There is nothing to go back to.
                trailer::set_image_ok(&mut slots.primary)?;
            }
            trailer::clear_pending(&mut slots.secondary)?;
            let block = slots.secondary.erase_size();
            slots.secondary.erase(0, block)?;
        }
        Ok(SwapType::None)
    }

    /// Half of a joint installation is not followed without the other half. The request stays: the
    /// update service takes it back.
    fn hold_halves<O: Observer>(
        &self,
        types: &mut [SwapType; IMAGES],
        observer: &mut O,
    ) -> Result<(), BootError> {
        let decided = *types;
        let others = decided.iter().zip(&self.slots).rev();
        for (((image, swap), slots), (other_swap, other)) in
            types.iter_mut().enumerate().zip(&self.slots).zip(others)
        {
            if *swap != SwapType::Test || !pair::is_requested(&trailer::read(&slots.secondary)?) {
                continue;
            }
            // A half that was refused just now is gone from its slot, and from the decision.
            let primary = trailer::read(&other.primary)?;
            let secondary = trailer::read(&other.secondary)?;
            let follows = *other_swap == SwapType::Test || !pair::is_requested(&secondary);
            if !follows || !pair::may_swap(&primary, &secondary) {
                *swap = SwapType::None;
                observer.event(Event::HalfOfPair { image });
            }
        }
        Ok(())
    }

    fn verify_secondary(&mut self, image: usize, place: &Execution<'_>) -> Result<(), Refusal> {
        let counter = self.counters.get(image)?;
        let (Some(slots), Some(key_hash)) = (self.slots.get(image), self.key_hashes.get(image))
        else {
            return Err(Refusal::Flash(FlashError::OutOfBounds));
        };
        let candidate = Image::parse(room(&slots.secondary)?)?;
        verify(&mut self.crypto, &candidate, key_hash, counter)?;
        entry(&candidate, place)?;
        Ok(())
    }

    /// Every image that would be active finds the others at the versions it needs.
    fn dependencies_met<O: Observer>(
        &self,
        types: &[SwapType; IMAGES],
        observer: &mut O,
    ) -> Result<bool, BootError> {
        let mut active = [None; IMAGES];
        for ((slots, swap), active) in self.slots.iter().zip(types).zip(&mut active) {
            let slot = if *swap == SwapType::None {
                &slots.primary
            } else {
                &slots.secondary
            };
            *active = room(slot).ok().and_then(|r| Image::parse(r).ok());
        }
        for (number, image) in active.iter().enumerate() {
            let Some(image) = image else { continue };
            for dependency in image.dependencies() {
                let other = usize::from(dependency.image_id);
                let found = active
                    .get(other)
                    .and_then(|a| a.as_ref())
                    .map_or(ImageVersion::default(), |a| a.version());
                if !found.satisfies(&dependency.minimum) {
                    observer.event(Event::DependencyUnmet {
                        image: number,
                        other,
                        minimum: dependency.minimum,
                        found,
                    });
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn swap<O: Observer>(
        &mut self,
        image: usize,
        swap: SwapType,
        observer: &mut O,
    ) -> Result<(), BootError> {
        if swap == SwapType::None {
            return Ok(());
        }
        let slots = self.slots(image)?;
        let mut size = 0;
        for slot in [&slots.primary, &slots.secondary] {
            // What is no image has nothing to lose, but its header may lie about its size.
            let len = Image::parse(room(slot)?).map_or(0, |i| i.bytes().len() as u32);
            size = size.max(len.next_multiple_of(slot.erase_size()));
        }
        let request = trailer::read(&slots.secondary)?;
        let marked = swap == SwapType::Test && pair::is_requested(&request);
        let journal = Journal {
            number: image as u8 | if marked { pair::PAIRED } else { 0 },
            swap,
            size,
        };
        observer.event(Event::SwapBegin { image, swap });
        journal.begin(&mut self.scratch)?;
        self.run(&journal)?;
        observer.event(Event::SwapEnd { image, swap });
        Ok(())
    }

    fn run(&mut self, journal: &Journal) -> Result<(), BootError> {
        let slots = self
            .slots
            .get_mut(journal.image())
            .ok_or(FlashError::OutOfBounds)?;
        let Slots { primary, secondary } = slots;
        Ok(swap::run(journal, primary, secondary, &mut self.scratch)?)
    }

    /// Copies both primaries to where they run and verifies the copies.
    fn load<O: Observer>(
        &mut self,
        execution: &mut [Execution<'_>; IMAGES],
        observer: &mut O,
    ) -> Result<[BootedImage; IMAGES], BootError> {
        let [secure, non_secure] = execution;
        let results = [self.load_one(0, secure), self.load_one(1, non_secure)];
        for (image, result) in results.iter().enumerate() {
            observer.event(match result {
                Ok(booted) => Event::Verified {
                    image,
                    version: booted.version,
                    algorithm: booted.evidence.algorithm,
                },
                Err(why) => Event::Refused { image, why: *why },
            });
        }
        let [first, second] = results;
        match (first, second) {
            (Ok(first), Ok(second)) => Ok([first, second]),
            (Err(why), _) => Err(self.end_trials(0, why)),
            (_, Err(why)) => Err(self.end_trials(1, why)),
        }
    }

    fn load_one(
        &mut self,
        number: usize,
        place: &mut Execution<'_>,
    ) -> Result<BootedImage, Refusal> {
        let counter = self.counters.get(number)?;
        let (Some(slots), Some(key_hash)) = (self.slots.get(number), self.key_hashes.get(number))
        else {
            return Err(Refusal::Flash(FlashError::OutOfBounds));
        };
        let stored = Image::parse(room(&slots.primary)?)?.bytes();
        place
            .memory
            .get_mut(..stored.len())
            .ok_or(Refusal::ExceedsExecution)?
            .copy_from_slice(stored);
        // From here on only the copy is looked at.
        let image = Image::parse(place.memory)?;
        let evidence = verify(&mut self.crypto, &image, key_hash, counter)?;
        let entry = entry(&image, place)?;
        Ok(BootedImage {
            version: image.version(),
            evidence,
            entry,
            trial: trailer::read(&slots.primary)?.is_trial(),
        })
    }

    /// An image that may not run ends every trial: the next boot reverts.
    fn end_trials(&mut self, image: usize, why: Refusal) -> BootError {
        for slots in &mut self.slots {
            let ended = trailer::read(&slots.primary).and_then(|state| {
                if state.is_trial() && state.copy_done != Flag::Set {
                    trailer::set_copy_done(&mut slots.primary)
                } else {
                    Ok(())
                }
            });
            if let Err(error) = ended {
                return BootError::Flash(error);
            }
        }
        refused(image, why)
    }

    fn slots(&self, image: usize) -> Result<&Slots<F>, FlashError> {
        self.slots.get(image).ok_or(FlashError::OutOfBounds)
    }

    fn slots_mut(&mut self, image: usize) -> Result<&mut Slots<F>, FlashError> {
        self.slots.get_mut(image).ok_or(FlashError::OutOfBounds)
    }

    fn key_hash(&self, image: usize) -> Result<&Digest256, FlashError> {
        self.key_hashes.get(image).ok_or(FlashError::OutOfBounds)
    }
}

fn refused(image: usize, why: Refusal) -> BootError {
    BootError::Refused { image, why }
}

/// The part of a slot that an image may take. Slots are memory mapped on every board.
fn room<F: Flash>(slot: &F) -> Result<&[u8], FlashError> {
    let len = trailer::max_image_size(slot) as usize;
    slot.mapped()
        .and_then(|m| m.get(..len))
        .ok_or(FlashError::Device)
}

/// The vector table's first words, if the image may be entered by them.
fn entry(image: &Image<'_>, place: &Execution<'_>) -> Result<Entry, Refusal> {
    let header = usize::from(image.header().hdr_size);
    let code = header + image.payload().len();
    if code > place.limit || image.bytes().len() > place.memory.len() {
        return Err(Refusal::ExceedsExecution);
    }
    let word = |at: usize| {
        let bytes = image.payload().get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let vectors = place.base + header as u32;
    let stack_pointer = word(0).ok_or(Refusal::BadStackPointer)?;
    if stack_pointer <= place.ram.start || stack_pointer > place.ram.end {
        return Err(Refusal::BadStackPointer);
    }
    let reset_vector = word(4).ok_or(Refusal::BadResetVector)?;
    let code = vectors..place.base + code as u32;
    if reset_vector & 1 == 0 || !code.contains(&(reset_vector & !1)) {
        return Err(Refusal::BadResetVector);
    }
    Ok(Entry {
        vectors,
        stack_pointer,
        reset_vector,
    })
}
