//! The record of a swap in progress, in scratch's last erase block.
//!
//! Owns where a swap stands. It has MCUboot's trailer layout — magic, `swap_info`, `swap_size`,
//! status bytes 1, 2, 3 per region — in scratch, which MCUboot also knows as a status source, but
//! for the whole swap rather than its first region; so only this loader resumes what it began.
//!
//! Invariants: there is a swap in progress exactly while the magic is good. Size and info are
//! written before it, each beside its complement (in bytes that MCUboot leaves as padding), so
//! that a half-done erase, which only sets bits, cannot leave a plausible record. Ending a swap
//! clears the magic's bits by one program, before anything is erased.

use flash::{Flash, FlashError};
use mcuboot_image::trailer::{
    self, MAGIC_FROM_END, MAX_ALIGN, MAX_SECTORS, SWAP_INFO_FROM_END, SWAP_SIZE_FROM_END,
};
use mcuboot_image::{SwapType, pair};

/// A swap in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Journal {
    /// Image number, with the mark of a pair (`mcuboot_image::pair`).
    pub number: u8,
    pub swap: SwapType,
    /// Bytes to swap, a multiple of the erase size.
    pub size: u32,
}

const UNIT: usize = MAX_ALIGN as usize;

impl Journal {
    /// Number of the image.
    pub(crate) fn image(&self) -> usize {
        usize::from(pair::split(self.number).0)
    }

    /// The swap in progress, if there is one.
    pub(crate) fn read<F: Flash>(scratch: &F) -> Result<Option<Self>, FlashError> {
        let mut tail = [0u8; SWAP_SIZE_FROM_END as usize];
        scratch.read(at(scratch, SWAP_SIZE_FROM_END), &mut tail)?;
        let (fields, magic) = tail.split_at(tail.len() - MAGIC_FROM_END as usize);
        if magic != trailer::MAGIC {
            return Ok(None);
        }
        let (Some(size), Some(info)) = (
            fields.first_chunk::<UNIT>(),
            fields.get(UNIT..).and_then(|f| f.first_chunk::<UNIT>()),
        ) else {
            return Ok(None);
        };
        let [s0, s1, s2, s3, c0, c1, c2, c3] = *size;
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        let [info, check, ..] = *info;
        if size != !u32::from_le_bytes([c0, c1, c2, c3]) || info != !check {
            return Ok(None);
        }
        let journal = SwapType::from_nibble(info & 0x0F).map(|swap| Journal {
            number: info >> 4,
            swap,
            size,
        });
        Ok(journal)
    }

    /// Begins a swap; until it returns there is none.
    pub(crate) fn begin<F: Flash>(&self, scratch: &mut F) -> Result<(), FlashError> {
        trailer::erase_trailer(scratch)?;
        let [s0, s1, s2, s3] = self.size.to_le_bytes();
        let size = [s0, s1, s2, s3, !s0, !s1, !s2, !s3];
        scratch.program(at(scratch, SWAP_SIZE_FROM_END), &size)?;
        let mut info = [0xFF; UNIT];
        info[0] = (self.number << 4) | self.swap as u8;
        info[1] = !info[0];
        scratch.program(at(scratch, SWAP_INFO_FROM_END), &info)?;
        trailer::write_magic(scratch)
    }

    /// Ends the swap. The block is erased when the next one begins.
    pub(crate) fn end<F: Flash>(scratch: &mut F) -> Result<(), FlashError> {
        trailer::kill_magic(scratch)
    }

    /// Whether step `state` (1, 2, 3) of the region was marked done. A torn mark counts as not:
    /// every step can be repeated until its mark stands.
    pub(crate) fn is_done<F: Flash>(
        scratch: &F,
        region: u32,
        state: u8,
    ) -> Result<bool, FlashError> {
        let mut byte = [0];
        scratch.read(status(scratch, region, state)?, &mut byte)?;
        Ok(byte == [state])
    }

    /// Marks step `state` of the region done.
    pub(crate) fn mark<F: Flash>(
        scratch: &mut F,
        region: u32,
        state: u8,
    ) -> Result<(), FlashError> {
        trailer::program_byte(scratch, status(scratch, region, state)?, state)
    }
}

fn at<F: Flash>(scratch: &F, from_end: u32) -> u32 {
    scratch.size().saturating_sub(from_end)
}

fn status<F: Flash>(scratch: &F, region: u32, state: u8) -> Result<u32, FlashError> {
    if region >= MAX_SECTORS {
        return Err(FlashError::OutOfBounds);
    }
    Ok(trailer::status_offset(
        scratch.size(),
        scratch.write_size(),
        region,
        u32::from(state),
    ))
}
