//! File-backed DDR behind the flash trait, with NOR rules imposed.
//!
//! Owns one range of memory and makes it behave as NOR flash: erase sets 0xFF, programming only
//! clears bits, each call is complete in memory before it returns. Does not own which range: the
//! board's `memory.toml` does. Write size 1; losing power means that QEMU is killed, and what was
//! stored until then is in the file.

use core::sync::atomic::{Ordering, fence};
use flash::{Flash, FlashError};

/// A flash region in memory-mapped DDR.
#[derive(Debug)]
pub struct DdrFlash {
    base: *mut u8,
    size: u32,
    erase_size: u32,
}

impl DdrFlash {
    /// The region of `size` bytes at `base`, erased in blocks of `erase_size` (not 0).
    ///
    /// # Safety
    /// For as long as the value lives, the range must be ordinary readable and writable memory that
    /// nothing else writes: no second `DdrFlash`, no other world. What is written by a call of the
    /// value must not be behind a Rust reference that is used afterwards.
    pub const unsafe fn new(base: *mut u8, size: u32, erase_size: u32) -> Self {
        DdrFlash {
            base,
            size,
            erase_size,
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: by the contract of `new` the range is readable and not written by others; `&self`
        // keeps `cells` away while the slice lives.
        unsafe { core::slice::from_raw_parts(self.base, self.size as usize) }
    }

    /// The bytes of a range that is to be written, and no other: the rest may be in use.
    fn cells(&mut self, range: core::ops::Range<usize>) -> Result<&mut [u8], FlashError> {
        if range.start > range.end || range.end > self.size as usize {
            return Err(FlashError::OutOfBounds);
        }
        // SAFETY: inside the region, which is ours to write by the contract of `new`; `&mut self`
        // makes this the only slice of ours.
        Ok(unsafe { core::slice::from_raw_parts_mut(self.base.add(range.start), range.len()) })
    }

    fn range(&self, offset: u32, len: usize) -> Result<core::ops::Range<usize>, FlashError> {
        let start = offset as usize;
        match start.checked_add(len) {
            Some(end) if end <= self.size as usize => Ok(start..end),
            _ => Err(FlashError::OutOfBounds),
        }
    }
}

impl Flash for DdrFlash {
    fn size(&self) -> u32 {
        self.size
    }

    fn erase_size(&self) -> u32 {
        self.erase_size
    }

    fn write_size(&self) -> u32 {
        1
    }

    fn read(&self, offset: u32, buf: &mut [u8]) -> Result<(), FlashError> {
        let range = self.range(offset, buf.len())?;
        let from = self.bytes().get(range).ok_or(FlashError::OutOfBounds)?;
        buf.copy_from_slice(from);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        let range = self.range(offset, data.len())?;
        let cells = self.cells(range)?;
        let mut set = 0;
        for (old, new) in cells.iter().zip(data) {
            set |= new & !old;
        }
        if set != 0 {
            return Err(FlashError::NotErased);
        }
        cells.copy_from_slice(data);
        // A later call must not swallow these stores (clearing a magic, then erasing its block).
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), FlashError> {
        let range = self.range(offset, len as usize)?;
        if !offset.is_multiple_of(self.erase_size) || !len.is_multiple_of(self.erase_size) {
            return Err(FlashError::Misaligned);
        }
        self.cells(range)?.fill(0xFF);
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn mapped(&self) -> Option<&[u8]> {
        Some(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nor_rules_hold() {
        let mut memory = [0u8; 0x2000];
        // SAFETY: `memory` outlives `f` and is not touched otherwise.
        let mut f = unsafe { DdrFlash::new(memory.as_mut_ptr(), 0x2000, 0x1000) };
        // A sparse file reads 0, which is programmed.
        assert_eq!(f.program(0, &[1]), Err(FlashError::NotErased));
        assert_eq!(f.erase(0, 0x1000), Ok(()));
        assert_eq!(f.program(0xFFE, &[0x5A, 0xF0]), Ok(()));
        assert_eq!(f.program(0xFFF, &[0x0F]), Err(FlashError::NotErased));
        assert_eq!(f.program(0xFFF, &[0x80]), Ok(()));
        let mut two = [0; 3];
        assert_eq!(f.read(0xFFE, &mut two), Ok(()));
        assert_eq!(two, [0x5A, 0x80, 0]);
        assert_eq!(f.erase(0x800, 0x1000), Err(FlashError::Misaligned));
        assert_eq!(f.erase(0x1000, 0x2000), Err(FlashError::OutOfBounds));
        assert_eq!(f.read(u32::MAX, &mut two), Err(FlashError::OutOfBounds));
        assert_eq!(f.program(0x1FFF, &[0, 0]), Err(FlashError::OutOfBounds));
        assert_eq!(f.mapped().map(|m| m[0xFFF]), Some(0x80));
    }
}
