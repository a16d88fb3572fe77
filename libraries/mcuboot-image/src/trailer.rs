//! The slot trailer: layout, state, and the writes of runtime and loader.
//!
//! Owns the bytes at a slot's end for align ≤ 8 and 128 sectors (`reference/tfm.md` §I.4), and
//! their order of writing. Does not own when they are written.
//!
//! Invariants: the trailer has its last erase block to itself (an image may not reach into it, see
//! [`max_image_size`]); the magic is programmed last and destroyed first, so that whoever reads a
//! good magic reads whole fields, at whatever program or erase power was lost.

use crate::{Flag, MagicState, SlotState, SwapType};
use flash::{Flash, FlashError};

/// `boot_img_magic`.
pub const MAGIC: [u8; 16] = [
    0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80,
];
/// `BOOT_MAX_ALIGN`, bytes; each field is padded to it.
pub const MAX_ALIGN: u32 = 8;
/// `BOOT_MAX_IMG_SECTORS`.
pub const MAX_SECTORS: u32 = 128;
/// States of one status record.
pub const STATUS_STATES: u32 = 3;
/// Value of a set flag.
pub const FLAG_SET: u8 = 0x01;

/// Distances from the end of the slot, bytes.
pub const MAGIC_FROM_END: u32 = 16;
pub const IMAGE_OK_FROM_END: u32 = 24;
pub const COPY_DONE_FROM_END: u32 = 32;
pub const SWAP_INFO_FROM_END: u32 = 40;
pub const SWAP_SIZE_FROM_END: u32 = 48;

/// Bytes of a trailer: status records, four fields, magic. `write_size` ≤ 8.
pub const fn trailer_size(write_size: u32) -> u32 {
    MAX_SECTORS * STATUS_STATES * write_size + 4 * MAX_ALIGN + MAGIC_FROM_END
}

/// Offset of the status byte for `state` (1, 2, 3) of the 0-based `record`.
pub const fn status_offset(region_size: u32, write_size: u32, record: u32, state: u32) -> u32 {
    region_size - trailer_size(write_size)
        + (record * STATUS_STATES + state.saturating_sub(1)) * write_size
}

/// Largest image of a slot, bytes: everything below the erase blocks that hold the trailer.
pub fn max_image_size<F: Flash>(slot: &F) -> u32 {
    trailer_block(slot).unwrap_or(0)
}

/// Reads a slot's trailer.
///
/// # Errors
/// Those of the flash.
pub fn read<F: Flash>(slot: &F) -> Result<SlotState, FlashError> {
    let mut tail = [0u8; SWAP_INFO_FROM_END as usize];
    slot.read(from_end(slot, SWAP_INFO_FROM_END)?, &mut tail)?;
    let at = |from_end: u32| {
        let index = (SWAP_INFO_FROM_END - from_end) as usize;
        tail.get(index).copied().unwrap_or(0)
    };
    let magic = tail.last_chunk().map_or(MagicState::Bad, magic_state);
    let info = at(SWAP_INFO_FROM_END);
    Ok(SlotState {
        magic,
        image_ok: flag(at(IMAGE_OK_FROM_END)),
        copy_done: flag(at(COPY_DONE_FROM_END)),
        swap_info: SwapType::from_nibble(info & 0x0F).map(|t| (t, info >> 4)),
    })
}

/// Classifies a magic.
pub fn magic_state(bytes: &[u8; 16]) -> MagicState {
    if *bytes == MAGIC {
        MagicState::Good
    } else if bytes.iter().all(|b| *b == 0xFF) {
        MagicState::Unset
    } else {
        MagicState::Bad
    }
}

/// Runtime, secondary slot: asks the loader to swap at the next boot, for a test or for good.
/// Leftovers of an earlier trailer are erased first. Doing it twice is harmless.
///
/// # Errors
/// Those of the flash.
pub fn set_pending<F: Flash>(
    secondary: &mut F,
    image: u8,
    permanent: bool,
) -> Result<(), FlashError> {
    let state = read(secondary)?;
    let ok_wanted = if permanent { Flag::Set } else { Flag::Unset };
    if state.magic == MagicState::Good && state.image_ok == ok_wanted {
        return Ok(());
    }
    if !is_blank(secondary)? {
        erase_trailer(secondary)?;
    }
    let swap = if permanent {
        SwapType::Permanent
    } else {
        SwapType::Test
    };
    write_swap_info(secondary, swap, image)?;
    if permanent {
        set_image_ok(secondary)?;
    }
    write_magic(secondary)
}

/// Runtime, secondary slot: takes a request back. The magic dies before the erase begins.
///
/// # Errors
/// Those of the flash.
pub fn clear_pending<F: Flash>(secondary: &mut F) -> Result<(), FlashError> {
    kill_magic(secondary)?;
    erase_trailer(secondary)
}

/// Runtime, primary slot: keeps the running image for good. Without a good magic (an image from
/// the factory) there is nothing to keep it from, and nothing is written.
///
/// # Errors
/// Those of the flash.
pub fn set_confirmed<F: Flash>(primary: &mut F) -> Result<(), FlashError> {
    let state = read(primary)?;
    if state.magic != MagicState::Good || state.image_ok == Flag::Set {
        return Ok(());
    }
    set_image_ok(primary)
}

/// Erases a slot for a new image: trailer first, so that no request outlives its image.
///
/// # Errors
/// Those of the flash.
pub fn erase_slot<F: Flash>(slot: &mut F) -> Result<(), FlashError> {
    clear_pending(slot)?;
    let end = trailer_block(slot)?;
    slot.erase(0, end)
}

/// Erases the block(s) that hold the trailer.
///
/// # Errors
/// Those of the flash.
pub fn erase_trailer<F: Flash>(slot: &mut F) -> Result<(), FlashError> {
    let at = trailer_block(slot)?;
    slot.erase(at, slot.size() - at)
}

/// Programs `image_ok`.
///
/// # Errors
/// Those of the flash.
pub fn set_image_ok<F: Flash>(slot: &mut F) -> Result<(), FlashError> {
    program_byte(slot, from_end(slot, IMAGE_OK_FROM_END)?, FLAG_SET)
}

/// Programs `copy_done`.
///
/// # Errors
/// Those of the flash.
pub fn set_copy_done<F: Flash>(slot: &mut F) -> Result<(), FlashError> {
    program_byte(slot, from_end(slot, COPY_DONE_FROM_END)?, FLAG_SET)
}

/// Programs `swap_info`: type in the low nibble, image number in the high one.
///
/// # Errors
/// Those of the flash.
pub fn write_swap_info<F: Flash>(
    slot: &mut F,
    swap: SwapType,
    image: u8,
) -> Result<(), FlashError> {
    let info = (image << 4) | swap as u8;
    program_byte(slot, from_end(slot, SWAP_INFO_FROM_END)?, info)
}

/// Programs the magic; the other fields come before it.
///
/// # Errors
/// Those of the flash.
pub fn write_magic<F: Flash>(slot: &mut F) -> Result<(), FlashError> {
    slot.program(from_end(slot, MAGIC_FROM_END)?, &MAGIC)
}

/// Clears every bit of the magic, unless it is erased already: from then on the trailer says
/// nothing, whatever an interrupted erase leaves.
///
/// # Errors
/// Those of the flash.
pub fn kill_magic<F: Flash>(slot: &mut F) -> Result<(), FlashError> {
    if read(slot)?.magic == MagicState::Unset {
        return Ok(());
    }
    slot.program(from_end(slot, MAGIC_FROM_END)?, &[0; 16])
}

/// Programs one byte, padded with 0xFF to the flash's write size.
///
/// # Errors
/// Those of the flash; [`FlashError::Misaligned`] for a write size above 8.
pub fn program_byte<F: Flash>(flash: &mut F, offset: u32, value: u8) -> Result<(), FlashError> {
    let mut unit = [0xFF; MAX_ALIGN as usize];
    unit[0] = value;
    let unit = unit
        .get(..flash.write_size() as usize)
        .ok_or(FlashError::Misaligned)?;
    flash.program(offset, unit)
}

/// First byte of the erase block(s) that hold the trailer.
fn trailer_block<F: Flash>(slot: &F) -> Result<u32, FlashError> {
    let at = from_end(slot, trailer_size(slot.write_size()))?;
    Ok(at - at % slot.erase_size().max(1))
}

fn is_blank<F: Flash>(slot: &F) -> Result<bool, FlashError> {
    let mut at = from_end(slot, trailer_size(slot.write_size()))?;
    let mut unit = [0; MAX_ALIGN as usize];
    while at < slot.size() {
        slot.read(at, &mut unit)?;
        if unit.iter().any(|b| *b != 0xFF) {
            return Ok(false);
        }
        at += MAX_ALIGN;
    }
    Ok(true)
}

fn from_end<F: Flash>(slot: &F, distance: u32) -> Result<u32, FlashError> {
    slot.size()
        .checked_sub(distance)
        .ok_or(FlashError::OutOfBounds)
}

fn flag(byte: u8) -> Flag {
    match byte {
        FLAG_SET => Flag::Set,
        0xFF => Flag::Unset,
        _ => Flag::Bad,
    }
}
