//! A journal of one page: bytes inside a page change whole or not at all, whenever power goes.
//!
//! A page that is to change is put together in the journal's first block. A record in its second
//! block makes that binding. Only then the page is erased and programmed from the copy, read back, and
//! the record erased. [`Journal::recover`] at boot does the last part again where a record is left.
//!
//! | record, little-endian | bytes |
//! |---|---|
//! | magic `PGJ1` | 4 |
//! | address of the page | 4 |
//! | hash of the copy | 4 |
//! | hash of the 12 bytes before | 4 |
//!
//! Invariants: what lies outside the journal and [`Journal::pages`] is never written, whatever the
//! journal holds; a record that is not whole, or not about such a page, is erased and nothing else is
//! done. The hashes find what power or wear damaged. They prove nothing about who wrote: the journal
//! needs to be as far from others' reach as the pages are.

use crate::{Flash, FlashError, erased};
use core::ops::Range;

/// Bytes of a record.
pub const RECORD: usize = 16;
const MAGIC: u32 = u32::from_le_bytes(*b"PGJ1");
/// Bytes that are moved at a time; a multiple of any write size that is supported.
const CHUNK: usize = 128;
const SEED: u32 = 0x811C_9DC5;

/// Where journal and pages lie in one flash; offsets and sizes in bytes, multiples of its erase size,
/// which is a power of two.
#[derive(Debug, Clone)]
pub struct Journal<const N: usize> {
    /// Address of the flash's first byte, so that a record outlives a change of the map.
    pub base: u32,
    /// The journal: two erase blocks from here.
    pub at: u32,
    /// What may be written.
    pub pages: [Range<u32>; N],
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Address of the page.
    pub address: u32,
    /// Hash of what it shall hold.
    pub hash: u32,
}

impl Record {
    /// The record in these bytes, if they are one.
    #[must_use]
    pub fn parse(bytes: &[u8; RECORD]) -> Option<Record> {
        let mut words = bytes.as_chunks().0.iter().map(|w| u32::from_le_bytes(*w));
        let mut next = || words.next();
        let (magic, address, hash, check) = (next()?, next()?, next()?, next()?);
        let record = Record { address, hash };
        (magic == MAGIC && check == record.check()).then_some(record)
    }

    /// Its bytes.
    #[must_use]
    pub fn emit(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let words = [MAGIC, self.address, self.hash, self.check()];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    fn check(&self) -> u32 {
        let words = [MAGIC, self.address, self.hash];
        words.into_iter().fold(SEED, step)
    }
}

/// The hash of a page's content.
#[must_use]
pub fn page_hash(content: &[u8]) -> u32 {
    hash(SEED, content)
}

/// FNV-1a over 32-bit words, turned at each so that the highest bits of a word reach all others.
fn hash(from: u32, bytes: &[u8]) -> u32 {
    let words = bytes.as_chunks().0.iter();
    words.map(|w| u32::from_le_bytes(*w)).fold(from, step)
}

/// A bijection: two contents that differ in one word never collide.
fn step(hash: u32, word: u32) -> u32 {
    (hash ^ word).wrapping_mul(0x0100_0193).rotate_left(11)
}

impl<const N: usize> Journal<N> {
    /// Changes `bytes` at `offset`, page by page: of each page all or nothing is there after power
    /// went, earlier pages first.
    ///
    /// # Errors
    /// [`FlashError::OutOfBounds`] outside [`Self::pages`], nothing is written. Others are the
    /// flash's: a page that was begun stays in the journal, for the next write or boot to finish.
    pub fn write(
        &self,
        flash: &mut dyn Flash,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), FlashError> {
        if !self.covers(offset, bytes.len()) {
            return Err(FlashError::OutOfBounds);
        }
        let size = flash.erase_size();
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let page = at & !(size - 1);
            let room = (page + size - at) as usize;
            let (now, later) = rest.split_at(room.min(rest.len()));
            // One that an error left is finished first.
            self.recover(flash)?;
            flash.erase(self.at, size)?;
            copy(flash, page, self.at, (at - page) as usize, now)?;
            let record = Record {
                address: self.base + page,
                hash: hash_of(flash, self.at)?,
            };
            flash.program(self.at + size, &record.emit())?;
            self.finish(flash, page, record.hash)?;
            at = page + size;
            rest = later;
        }
        Ok(())
    }

    /// Finishes what a cut left: the offset of the page that was written again. Before anything reads
    /// the pages.
    ///
    /// # Errors
    /// The flash's.
    pub fn recover(&self, flash: &mut dyn Flash) -> Result<Option<u32>, FlashError> {
        let size = flash.erase_size();
        let mut bytes = [0; RECORD];
        flash.read(self.at + size, &mut bytes)?;
        if let Some(record) = Record::parse(&bytes) {
            let page = record.address.wrapping_sub(self.base);
            let whole = self.covers(page, size as usize) && page & (size - 1) == 0;
            if whole && hash_of(flash, self.at)? == record.hash {
                self.finish(flash, page, record.hash)?;
                return Ok(Some(page));
            }
        }
        if !erased(&bytes) {
            flash.erase(self.at + size, size)?;
        }
        Ok(None)
    }

    /// Whether `len` bytes at `offset` lie in the pages; never when that wraps.
    fn covers(&self, offset: u32, len: usize) -> bool {
        self.pages.iter().any(|pages| {
            let room = pages.end.checked_sub(offset);
            pages.start <= offset && room.is_some_and(|room| len <= room as usize)
        })
    }

    /// From the copy to the page, and the record away.
    fn finish(&self, flash: &mut dyn Flash, page: u32, hash: u32) -> Result<(), FlashError> {
        let size = flash.erase_size();
        flash.erase(page, size)?;
        copy(flash, self.at, page, 0, &[])?;
        if hash_of(flash, page)? != hash {
            return Err(FlashError::Device);
        }
        flash.erase(self.at + size, size)
    }
}

/// Programs an erased block with what another holds, but `new` from `within` on.
fn copy(
    flash: &mut dyn Flash,
    from: u32,
    to: u32,
    within: usize,
    new: &[u8],
) -> Result<(), FlashError> {
    for at in (0..flash.erase_size()).step_by(CHUNK) {
        let mut chunk = [0; CHUNK];
        flash.read(from + at, &mut chunk)?;
        for (i, byte) in (at as usize..).zip(&mut chunk) {
            if let Some(changed) = i.checked_sub(within).and_then(|i| new.get(i)) {
                *byte = *changed;
            }
        }
        flash.program(to + at, &chunk)?;
    }
    Ok(())
}

fn hash_of(flash: &dyn Flash, block: u32) -> Result<u32, FlashError> {
    let mut sum = SEED;
    for at in (0..flash.erase_size()).step_by(CHUNK) {
        let mut chunk = [0; CHUNK];
        flash.read(block + at, &mut chunk)?;
        sum = hash(sum, &chunk);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Power, SimFlash, Tear};

    const PAGE: u32 = 256;
    const BASE: u32 = 0x6020_0000;
    /// Pages 1, 2 and 5 may be written; 3 is foreign, 7 and 8 are the journal.
    const JOURNAL: Journal<2> = Journal {
        base: BASE,
        at: 7 * PAGE,
        pages: [PAGE..3 * PAGE, 5 * PAGE..6 * PAGE],
    };
    const SIZE: u32 = 10 * PAGE;

    fn filled(power: &Power) -> SimFlash {
        let mut flash = SimFlash::on(power, SIZE, PAGE, 1);
        for (i, byte) in flash.data_mut().iter_mut().enumerate() {
            *byte = (i * 7 + i / 256) as u8;
        }
        // The journal of a new device.
        flash.data_mut()[7 * PAGE as usize..9 * PAGE as usize].fill(0xFF);
        flash
    }

    fn outside_journal(flash: &SimFlash) -> Vec<u8> {
        let mut bytes = flash.data().to_vec();
        bytes[7 * PAGE as usize..9 * PAGE as usize].fill(0);
        bytes
    }

    fn changed(before: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut after = before.to_vec();
        after[offset..offset + bytes.len()].copy_from_slice(bytes);
        after
    }

    /// Whole pages, in pages, over the edge of two, nothing; each where it may be.
    const WRITES: [(u32, usize); 8] = [
        (PAGE, 1),
        (PAGE + 3, 7),
        (PAGE + 100, 100),
        (PAGE, PAGE as usize),
        (2 * PAGE - 5, 10),
        (PAGE + 1, 2 * PAGE as usize - 1),
        (6 * PAGE - 1, 1),
        (2 * PAGE, 0),
    ];

    #[test]
    fn bytes_change_and_nothing_else_does() {
        for (offset, len) in WRITES {
            let mut flash = filled(&Power::new(1));
            let before = outside_journal(&flash);
            let new: Vec<u8> = (0..len).map(|i| 0xA5 ^ i as u8).collect();
            JOURNAL.write(&mut flash, offset, &new).unwrap();
            let wanted = changed(&before, offset as usize, &new);
            assert_eq!(outside_journal(&flash), wanted);
            assert_eq!(JOURNAL.recover(&mut flash), Ok(None), "nothing is left");
        }
    }

    #[test]
    fn what_is_outside_is_refused_before_anything_is_written() {
        let mut flash = filled(&Power::new(1));
        let before = flash.data().to_vec();
        let far = u32::MAX - 3;
        for (offset, len) in [
            (0, 1),
            (PAGE - 1, 1),
            (PAGE - 1, 2),
            (3 * PAGE - 1, 2),
            (3 * PAGE, 1),
            (2 * PAGE, 4 * PAGE as usize),
            (6 * PAGE, 1),
            (7 * PAGE, 1),
            (far, 1),
            (far, 4),
            (far, 8),
            (u32::MAX, 1),
        ] {
            let refused = JOURNAL.write(&mut flash, offset, &vec![1; len]);
            assert_eq!(refused, Err(FlashError::OutOfBounds), "{offset}+{len}");
        }
        assert_eq!(flash.data(), before);
    }

    /// Cut at every operation, in every way; cut again at every operation of the recovery. Afterwards
    /// each page is entirely old or entirely new, earlier pages first, and all else is as it was.
    #[test]
    fn power_may_fail_at_every_operation_and_again() {
        let mut cuts = 0;
        for (seed, (offset, len)) in (0..4).flat_map(|seed| WRITES.map(|write| (seed, write))) {
            let new: Vec<u8> = (0..len).map(|i| 0x3C ^ (i * 5) as u8).collect();
            let whole = Power::new(1);
            let mut flash = filled(&whole);
            let before = outside_journal(&flash);
            JOURNAL.write(&mut flash, offset, &new).unwrap();
            let first = ((PAGE - offset % PAGE) as usize).min(len);
            let states = [
                before.clone(),
                changed(&before, offset as usize, &new[..first]),
                changed(&before, offset as usize, &new),
            ];
            for (nth, tear) in (0..whole.ops()).flat_map(|n| Tear::ALL.map(|t| (n, t))) {
                let power = Power::new((seed << 32) | (nth * 3 + len as u64));
                let mut cut = filled(&power);
                power.cut_after(nth, tear);
                assert!(JOURNAL.write(&mut cut, offset, &new).is_err());
                power.power_on();
                let start = power.ops();
                let mut once = cut.clone();
                JOURNAL.recover(&mut once).unwrap();
                let state = outside_journal(&once);
                assert!(states.contains(&state), "{offset}+{len} op {nth} {tear:?}");
                cuts += 1;
                // The same recovery, cut; then let through.
                for again in 0..power.ops() - start {
                    let mut twice = cut.clone();
                    power.cut_after(again, tear);
                    assert!(JOURNAL.recover(&mut twice).is_err());
                    power.power_on();
                    JOURNAL.recover(&mut twice).unwrap();
                    assert_eq!(outside_journal(&twice), state, "{nth} {again} {tear:?}");
                    cuts += 1;
                }
                // And the journal works on.
                JOURNAL.write(&mut once, offset, &new).unwrap();
                assert_eq!(outside_journal(&once), states[2]);
            }
        }
        assert!(cuts > 2_000, "{cuts}");
    }

    /// A write that an error ended is finished by the next one, before that begins.
    #[test]
    fn an_unfinished_page_is_finished_by_the_next_write() {
        let power = Power::new(9);
        let mut flash = filled(&power);
        let before = outside_journal(&flash);
        // Erase of the copy, chunks, record, erase of the page: that one fails.
        power.cut_after(2 + u64::from(PAGE) / CHUNK as u64, Tear::Prefix);
        assert!(JOURNAL.write(&mut flash, PAGE + 8, b"first").is_err());
        power.power_on();
        JOURNAL.write(&mut flash, 5 * PAGE, b"second").unwrap();
        let wanted = changed(&before, PAGE as usize + 8, b"first");
        let wanted = changed(&wanted, 5 * PAGE as usize, b"second");
        assert_eq!(outside_journal(&flash), wanted);
    }

    #[test]
    fn a_record_parses_as_it_was_emitted_and_no_bit_may_turn() {
        let record = Record {
            address: 0x6060_1000,
            hash: 0x89AB_CDEF,
        };
        let bytes = record.emit();
        assert_eq!(Record::parse(&bytes), Some(record));
        for bit in 0..RECORD * 8 {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::parse(&other), None, "bit {bit}");
        }
        assert_eq!(Record::parse(&[0; RECORD]), None);
        assert_eq!(Record::parse(&[0xFF; RECORD]), None);
    }

    /// Puts a whole journal for `address` into the flash: what only a writer of it could.
    fn forge(flash: &mut SimFlash, address: u32) {
        let copy = [0xEE; PAGE as usize];
        let record = Record {
            address,
            hash: page_hash(&copy),
        };
        let at = 7 * PAGE as usize;
        flash.data_mut()[at..at + PAGE as usize].copy_from_slice(&copy);
        let at = at + PAGE as usize;
        flash.data_mut()[at..at + RECORD].copy_from_slice(&record.emit());
    }

    /// Whole records, all hashes right, for every page and many addresses that are none.
    #[test]
    fn a_forged_journal_reaches_only_what_may_be_written() {
        let near = (0..SIZE + 2 * PAGE).map(|o| BASE - PAGE + o);
        let far = [0, 1, PAGE, 8 * PAGE, u32::MAX, u32::MAX - PAGE + 1];
        let mut done = 0;
        for address in near.chain(far) {
            let mut flash = filled(&Power::new(1));
            let before = outside_journal(&flash);
            forge(&mut flash, address);
            let page = JOURNAL.recover(&mut flash).unwrap();
            let allowed = [BASE + PAGE, BASE + 2 * PAGE, BASE + 5 * PAGE].contains(&address);
            assert_eq!(page.is_some(), allowed, "{address:#x}");
            let wanted = match page {
                Some(page) => changed(&before, page as usize, &[0xEE; PAGE as usize]),
                None => before,
            };
            assert_eq!(outside_journal(&flash), wanted, "{address:#x}");
            assert_eq!(JOURNAL.recover(&mut flash), Ok(None), "it is gone");
            done += usize::from(allowed);
        }
        assert_eq!(done, 3);
    }

    /// Seeded damage, to record and copy: it recovers without a panic, and writes the page that it is
    /// about with the whole copy or nothing.
    #[test]
    fn a_damaged_journal_does_nothing() {
        let mut seed = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as usize
        };
        let mut redone = 0;
        for round in 0..20_000 {
            let mut flash = filled(&Power::new(1));
            let before = outside_journal(&flash);
            forge(&mut flash, BASE + 2 * PAGE);
            let journal = 7 * PAGE as usize;
            for _ in 0..round % 4 {
                // Two in three hit the record.
                let at = match next() % 3 {
                    0 => next() % PAGE as usize,
                    _ => PAGE as usize + next() % RECORD,
                };
                flash.data_mut()[journal + at] = next() as u8;
            }
            let page = JOURNAL.recover(&mut flash).unwrap();
            let wanted = match page {
                Some(page) => changed(&before, page as usize, &[0xEE; PAGE as usize]),
                None => before,
            };
            assert_eq!(outside_journal(&flash), wanted);
            redone += usize::from(page == Some(2 * PAGE));
        }
        // Those that were not damaged, and a few by the byte that was there.
        assert!((5_000..5_200).contains(&redone), "{redone}");
    }
}
