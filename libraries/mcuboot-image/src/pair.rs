//! Two images that are installed, accepted or reverted together.
//!
//! Owns a mark in both trailers' `swap_info` and what it means; each joint step is decided by one
//! flash write, whatever power does. Does not own when the steps happen. MCUboot itself knows no
//! such mark: it is for loaders that call this module.
//!
//! The rules, each of which the loader applies at every boot before it decides anything:
//! - a request with the mark counts only when the other image's request has it, too, or the other
//!   image has just been swapped in with it ([`may_swap`]): the second magic decides;
//! - once one of a marked pair on trial is confirmed, both are ([`settle`]): the first `image_ok`
//!   decides;
//! - once one of them has had its trial, both have: both are reverted.
//!
//! Invariant: an accepted pair loses its mark (one bit cleared) before another pair can be
//! requested, so that no mark outlives its partner's trial.

use crate::trailer::{self, SWAP_INFO_FROM_END};
use crate::{Flag, MagicState, SlotState, SwapType};
use flash::{Flash, FlashError};

/// Added to the image number in `swap_info`.
pub const PAIRED: u8 = 8;

/// The image number in `swap_info`, and whether it has the mark.
pub const fn split(number: u8) -> (u8, bool) {
    (number & !PAIRED, number & PAIRED != 0)
}

/// Whether a secondary slot asks for its half of a joint installation.
pub fn is_requested(secondary: &SlotState) -> bool {
    is_marked(secondary)
}

/// Whether a primary slot holds its half of a joint trial.
pub fn is_on_trial(primary: &SlotState) -> bool {
    is_marked(primary)
}

/// Whether half a request may be followed: the other half stands, too, or was already swapped in.
pub fn may_swap(other_primary: &SlotState, other_secondary: &SlotState) -> bool {
    let fresh = is_marked(other_primary)
        && other_primary.copy_done != Flag::Set
        && other_primary.image_ok != Flag::Set;
    is_marked(other_secondary) || fresh
}

/// Finishes what was begun with one half of a pair: acceptance, or the end of the trial.
///
/// # Errors
/// Those of the flash.
pub fn settle<F: Flash>(primaries: [&mut F; 2]) -> Result<(), FlashError> {
    let [a, b] = primaries;
    let states = [trailer::read(a)?, trailer::read(b)?];
    let any =
        |flag: fn(&SlotState) -> Flag| states.iter().any(|s| is_marked(s) && flag(s) == Flag::Set);
    let (accepted, tried) = (any(|s| s.image_ok), any(|s| s.copy_done));
    if accepted {
        // All confirmations before the first mark goes: the marks say what remains to be done.
        for (slot, state) in [&mut *a, &mut *b].into_iter().zip(&states) {
            if is_marked(state) {
                trailer::set_confirmed(slot)?;
            }
        }
        for (slot, state) in [a, b].into_iter().zip(&states) {
            if is_marked(state) {
                unmark(slot)?;
            }
        }
    } else if tried {
        for (slot, state) in [a, b].into_iter().zip(&states) {
            if is_marked(state) && state.copy_done != Flag::Set {
                trailer::set_copy_done(slot)?;
            }
        }
    }
    Ok(())
}

fn is_marked(state: &SlotState) -> bool {
    state.magic == MagicState::Good
        && matches!(state.swap_info, Some((SwapType::Test, number)) if split(number).1)
}

/// Clears the mark: programming can clear a bit of a byte that stands.
fn unmark<F: Flash>(slot: &mut F) -> Result<(), FlashError> {
    let Some((swap, number)) = trailer::read(slot)?.swap_info else {
        return Ok(());
    };
    let at = slot
        .size()
        .checked_sub(SWAP_INFO_FROM_END)
        .ok_or(FlashError::OutOfBounds)?;
    trailer::program_byte(slot, at, (split(number).0 << 4) | swap as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flash::sim::SimFlash;

    fn slot(number: u8, swap: SwapType) -> SimFlash {
        let mut flash = SimFlash::new(4096, 512, 1);
        trailer::write_swap_info(&mut flash, swap, number).unwrap();
        trailer::write_magic(&mut flash).unwrap();
        flash
    }

    fn state(flash: &SimFlash) -> SlotState {
        trailer::read(flash).unwrap()
    }

    #[test]
    fn one_confirmation_confirms_both_and_takes_the_marks() {
        for first in 0..2 {
            let mut slots = [0, 1].map(|i| slot(i | PAIRED, SwapType::Test));
            trailer::set_image_ok(&mut slots[first]).unwrap();
            for _ in 0..2 {
                settle(slots.each_mut()).unwrap();
                for (i, s) in slots.iter().enumerate() {
                    let state = state(s);
                    assert_eq!(state.image_ok, Flag::Set);
                    assert_eq!(state.swap_info, Some((SwapType::Test, i as u8)));
                    assert!(!is_on_trial(&state));
                }
            }
        }
    }

    #[test]
    fn one_ended_trial_ends_both() {
        let mut slots = [0, 1].map(|i| slot(i | PAIRED, SwapType::Test));
        settle(slots.each_mut()).unwrap();
        assert!(slots.iter().all(|s| state(s).copy_done == Flag::Unset));
        trailer::set_copy_done(&mut slots[1]).unwrap();
        settle(slots.each_mut()).unwrap();
        assert!(slots.iter().all(|s| state(s).copy_done == Flag::Set));
    }

    #[test]
    fn what_has_no_mark_is_left_alone() {
        for number in [0, 1] {
            for swap in [SwapType::Test, SwapType::Permanent, SwapType::Revert] {
                let mut slots = [slot(number, swap), slot(1 - number, SwapType::Test)];
                trailer::set_image_ok(&mut slots[0]).unwrap();
                trailer::set_copy_done(&mut slots[0]).unwrap();
                let before = slots.clone().map(|s| s.data().to_vec());
                settle(slots.each_mut()).unwrap();
                assert_eq!(before, slots.map(|s| s.data().to_vec()));
            }
        }
        // A revert that carries the mark is none of a trial.
        assert!(!is_on_trial(&state(&slot(PAIRED, SwapType::Revert))));
    }

    #[test]
    fn half_a_request_waits_for_the_other() {
        let (marked, plain) = (slot(1 | PAIRED, SwapType::Test), slot(1, SwapType::Test));
        let none = SlotState::ERASED;
        assert!(may_swap(&none, &state(&marked)));
        assert!(may_swap(&state(&marked), &none));
        assert!(!may_swap(&none, &state(&plain)) && !may_swap(&none, &none));
        let mut tried = marked;
        trailer::set_copy_done(&mut tried).unwrap();
        assert!(!may_swap(&state(&tried), &none));
    }
}
