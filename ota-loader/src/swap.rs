//! Exchanges primary and secondary through scratch.
//!
//! Owns the order of erases and programs (`reference/tfm.md` §I.6): regions of scratch's data size
//! from the last to the first, three marked steps each, then both trailers. Does not own whether a
//! swap is wanted.
//!
//! Invariant: at each moment both images exist, wholly, over the three areas and the journal says
//! where; each step only reads what no earlier unmarked step has touched, so it can be repeated.

use crate::journal::Journal;
use flash::{Flash, FlashError};
use mcuboot_image::{SwapType, trailer};

/// Bytes moved at once.
const CHUNK: usize = 512;

/// Does, or finishes, the swap that the journal describes, and ends it.
///
/// # Errors
/// Those of the flash; [`FlashError::OutOfBounds`] when the journal does not fit the slots.
pub(crate) fn run<F: Flash>(
    journal: &Journal,
    primary: &mut F,
    secondary: &mut F,
    scratch: &mut F,
) -> Result<(), FlashError> {
    let room = trailer::max_image_size(primary).min(trailer::max_image_size(secondary));
    let step = trailer::max_image_size(scratch);
    if journal.size > room || step == 0 {
        return Err(FlashError::OutOfBounds);
    }
    let regions = journal.size.div_ceil(step);
    for record in 0..regions {
        let at = (regions - 1 - record) * step;
        let len = step.min(journal.size - at);
        if Journal::is_done(scratch, record, 3)? {
            continue;
        }
        if !Journal::is_done(scratch, record, 2)? {
            if !Journal::is_done(scratch, record, 1)? {
                copy(secondary, at, scratch, 0, len)?;
                Journal::mark(scratch, record, 1)?;
            }
            copy(primary, at, secondary, at, len)?;
            Journal::mark(scratch, record, 2)?;
        }
        copy(scratch, 0, primary, at, len)?;
        Journal::mark(scratch, record, 3)?;
    }
    finish(journal, primary, secondary)?;
    Journal::end(scratch)
}

/// Writes the primary's new trailer and erases the request. Repeated as a whole until the journal
/// ends, so it may start on anything.
fn finish<F: Flash>(
    journal: &Journal,
    primary: &mut F,
    secondary: &mut F,
) -> Result<(), FlashError> {
    trailer::erase_trailer(primary)?;
    trailer::write_swap_info(primary, journal.swap, journal.number)?;
    if journal.swap != SwapType::Test {
        trailer::set_copy_done(primary)?;
        trailer::set_image_ok(primary)?;
    }
    trailer::write_magic(primary)?;
    trailer::erase_trailer(secondary)
}

/// Copies `len` bytes, a multiple of the erase size, into erased blocks.
fn copy<F: Flash>(
    from: &F,
    from_at: u32,
    to: &mut F,
    to_at: u32,
    len: u32,
) -> Result<(), FlashError> {
    to.erase(to_at, len)?;
    let mut buffer = [0; CHUNK];
    let mut done = 0;
    while done < len {
        let n = CHUNK.min((len - done) as usize);
        let chunk = buffer.get_mut(..n).ok_or(FlashError::OutOfBounds)?;
        from.read(from_at + done, chunk)?;
        if chunk.iter().any(|b| *b != 0xFF) {
            to.program(to_at + done, chunk)?;
        }
        done += n as u32;
    }
    Ok(())
}
