//! What of a download survives a reset: its state, and how far it reaches.
//!
//! Owns the bytes between an image's room and the trailer, in the erase block that the secondary
//! slot's trailer has to itself; whoever erases the trailer (the loader after a swap, `clean`)
//! erases them too. Format, from [`trailer::max_image_size`] on: mark WRITING, 16 bytes · mark
//! CANDIDATE, 16 bytes · a list of ends, each u24 and its complement, padded to the write size,
//! of which the greatest counts.
//!
//! Invariants: a mark counts only when each byte of it is right, and it is programmed to zero
//! before anything that it vouches for is erased, so that neither a torn program nor a torn erase
//! leaves one. A torn end has more ones than zeros and is no end. Where the list is full the
//! download goes on, but a reset loses it: [`Record::end`] has taken the marks.

use flash::{Flash, FlashError};
use mcuboot_image::trailer;

const WRITING: [u8; MARK] = *b"FWU\x5Awriting \xA5\x3C\xC3\x96";
const CANDIDATE: [u8; MARK] = *b"FWU\xA5candidat\x5A\xC3\x3C\x69";
const MARK: usize = 16;
const LIST: u32 = 2 * MARK as u32;
/// u24 and complement.
const ENTRY: usize = 6;

/// What the record says of a secondary slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Record {
    /// A download was begun, and not given up.
    pub writing: bool,
    /// It is complete.
    pub candidate: bool,
    /// End of the highest block written, bytes.
    pub end: u32,
    /// The next free place of the list.
    next: u32,
}

impl Record {
    /// Reads it.
    pub fn read<F: Flash>(slot: &F) -> Result<Record, FlashError> {
        let at = trailer::max_image_size(slot);
        let mark = |at: u32| {
            let mut bytes = [0; MARK];
            slot.read(at, &mut bytes).map(|()| bytes)
        };
        if mark(at)? != WRITING {
            return Ok(Record::default());
        }
        let mut record = Record {
            writing: true,
            candidate: mark(at + MARK as u32)? == CANDIDATE,
            end: 0,
            next: 0,
        };
        while record.place(slot).is_some() {
            let mut entry = [0; ENTRY];
            slot.read(at + LIST + record.next * stride(slot), &mut entry)?;
            if entry == [0xFF; ENTRY] {
                break;
            }
            let [a, b, c, x, y, z] = entry;
            if [a, b, c] == [!x, !y, !z] {
                record.end = record.end.max(u32::from_le_bytes([a, b, c, 0]));
            }
            record.next += 1;
        }
        Ok(record)
    }

    /// Begins one on an erased slot.
    pub fn begin<F: Flash>(slot: &mut F) -> Result<Record, FlashError> {
        slot.program(trailer::max_image_size(slot), &WRITING)?;
        Ok(Record {
            writing: true,
            ..Record::default()
        })
    }

    /// The download reaches to `end` now; its bytes are written.
    pub fn end<F: Flash>(&mut self, slot: &mut F, end: u32) -> Result<(), FlashError> {
        if end <= self.end {
            return Ok(());
        }
        self.end = end;
        if !self.writing {
            return Ok(());
        }
        let Some(place) = self.place(slot).filter(|_| end < 1 << 24) else {
            self.writing = false;
            return Record::destroy(slot);
        };
        let [a, b, c, _] = end.to_le_bytes();
        let mut unit = [0xFF; 8];
        for (cell, byte) in unit.iter_mut().zip([a, b, c, !a, !b, !c]) {
            *cell = byte;
        }
        let unit = unit.get(..stride(slot) as usize);
        self.next += 1;
        slot.program(place, unit.ok_or(FlashError::Misaligned)?)
    }

    /// The download is complete.
    pub fn complete<F: Flash>(&mut self, slot: &mut F) -> Result<(), FlashError> {
        if self.writing {
            let at = trailer::max_image_size(slot) + MARK as u32;
            slot.program(at, &CANDIDATE)?;
            self.candidate = true;
        }
        Ok(())
    }

    /// Writes a candidate's record anew on an erased place.
    pub fn restore<F: Flash>(slot: &mut F, end: u32) -> Result<Record, FlashError> {
        let mut record = Record::begin(slot)?;
        record.end(slot, end)?;
        record.complete(slot)?;
        Ok(record)
    }

    /// From here on there is none.
    pub fn destroy<F: Flash>(slot: &mut F) -> Result<(), FlashError> {
        let at = trailer::max_image_size(slot);
        let mut marks = [0; 2 * MARK];
        slot.read(at, &mut marks)?;
        if marks == [0xFF; 2 * MARK] {
            return Ok(());
        }
        slot.program(at, &[0; 2 * MARK])
    }

    /// Where the next end goes, while there is room before the trailer.
    fn place<F: Flash>(&self, slot: &F) -> Option<u32> {
        let at = trailer::max_image_size(slot) + LIST + self.next * stride(slot);
        let limit = slot.size() - trailer::trailer_size(slot.write_size());
        (at + stride(slot) <= limit).then_some(at)
    }
}

/// Distance of two ends.
fn stride<F: Flash>(slot: &F) -> u32 {
    (ENTRY as u32).next_multiple_of(slot.write_size().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flash::sim::{SimFlash, Tear};

    #[test]
    fn what_is_written_is_read() {
        for write in [1, 2, 4, 8] {
            let mut slot = SimFlash::new(16 * 4096, 4096, write);
            assert_eq!(Record::read(&slot), Ok(Record::default()));
            let mut record = Record::begin(&mut slot).unwrap();
            for end in [100, 4096, 200, 0xA5A5] {
                record.end(&mut slot, end).unwrap();
            }
            assert_eq!(Record::read(&slot), Ok(record));
            assert_eq!((record.end, record.next), (0xA5A5, 3));
            record.complete(&mut slot).unwrap();
            assert_eq!(Record::read(&slot), Ok(record));
            Record::destroy(&mut slot).unwrap();
            assert_eq!(Record::read(&slot), Ok(Record::default()));
        }
    }

    /// A slot of 512 KiB in the smallest blocks that the typed client sends.
    #[test]
    fn the_list_holds_a_whole_slot_and_a_full_one_is_no_record() {
        let mut slot = SimFlash::new(0x80000, 4096, 1);
        let mut record = Record::begin(&mut slot).unwrap();
        for end in (1..=0x7F000 / 1024).map(|n| n * 1024) {
            record.end(&mut slot, end).unwrap();
        }
        assert_eq!(Record::read(&slot), Ok(record));
        for end in 0x7F001..0x7F400 {
            record.end(&mut slot, end).unwrap();
        }
        assert!(!record.writing);
        assert_eq!(Record::read(&slot), Ok(Record::default()));
        record.complete(&mut slot).unwrap();
        assert_eq!(Record::read(&slot), Ok(Record::default()));
    }

    #[test]
    fn torn_ends_and_marks_do_not_count() {
        for seed in 0..2_000 {
            let tear = Tear::ALL[seed as usize % 3];
            let power = flash::sim::Power::new(seed);
            let mut slot = SimFlash::on(&power, 16 * 4096, 4096, 1);
            let mut record = Record::begin(&mut slot).unwrap();
            record.end(&mut slot, 4096).unwrap();
            let kept = record;
            power.cut_after(0, tear);
            assert!(record.end(&mut slot, 8192).is_err());
            power.power_on();
            let read = Record::read(&slot).unwrap();
            assert!(read.end == 4096 || read.end == 8192, "{read:?}");
            assert_eq!((read.writing, read.candidate), (true, false));
            // The list goes on behind what is torn.
            let mut read = read;
            read.end(&mut slot, 12_288).unwrap();
            assert_eq!(Record::read(&slot).unwrap().end, 12_288);
            power.cut_after(0, tear);
            assert!(Record::destroy(&mut slot).is_err());
            power.power_on();
            let left = Record::read(&slot).unwrap();
            assert!(!left.writing || left.end == 12_288);
            assert!(!left.candidate && kept.writing);
        }
    }
}
