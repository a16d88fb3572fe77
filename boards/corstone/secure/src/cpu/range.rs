//! Ranges of the other world's memory: the check that turns an allegation into bytes.
//!
//! Owns the TT instruction and the only slices over memory that is not secure.

use core::cell::Cell;
use spm::weakened::{Defence, off};
use spm::{Access, Border};

/// TT response fields (Armv8-M ARM, TT instruction).
const READ: u32 = 1 << 20;
const READ_WRITE: u32 = 1 << 21;
const SECURE: u32 = 1 << 22;
const SAU_REGION_VALID: u32 = 1 << 17;
const SAU_REGION: u32 = 0xFF << 8;

/// The attribution of an address, with the non-secure MPU's view for `privileged` code.
fn attribution(address: u32, privileged: bool) -> u32 {
    let response;
    // SAFETY: TTA and TTAT read attribution units only.
    unsafe {
        if privileged {
            core::arch::asm!("tta {}, {}", lateout(reg) response, in(reg) address,
                options(nomem, nostack, preserves_flags));
        } else {
            core::arch::asm!("ttat {}, {}", lateout(reg) response, in(reg) address,
                options(nomem, nostack, preserves_flags));
        }
    }
    response
}

/// Whether both ends of `[base, base + len)` may be accessed so, and lie in one SAU region, which
/// then holds everything between them. Device memory never passes.
pub(super) fn permitted(base: u32, len: u32, access: Access, privileged: bool) -> bool {
    let Some(last) = len.checked_sub(1).and_then(|n| base.checked_add(n)) else {
        return false;
    };
    let wanted = SAU_REGION_VALID
        | match access {
            Access::Read => READ,
            Access::ReadWrite => READ_WRITE,
        };
    let (a, b) = (attribution(base, privileged), attribution(last, privileged));
    let both = a & b;
    both & wanted == wanted && (a | b) & SECURE == 0 && (a ^ b) & SAU_REGION == 0 && base >> 28 != 4
}

/// Memory of the non-secure world, as its privileged code may access it.
pub struct NonSecure;

impl Border for NonSecure {
    fn cells(&self, base: u32, len: u32, access: Access) -> Option<&[Cell<u8>]> {
        if !off(Defence::VectorRange) && !permitted(base, len, access, true) {
            return None;
        }
        // SAFETY: the range is non-null, does not wrap, and lies in one non-secure SAU region of
        // real memory, which holds no Rust object of this image; `Cell<u8>` allows any change
        // and any aliasing.
        Some(unsafe { core::slice::from_raw_parts(base as *const Cell<u8>, len as usize) })
    }

    #[cfg(feature = "weakened")]
    fn unchecked(&self, base: u32, len: u32) -> Option<&[Cell<u8>]> {
        // SAFETY: none, which is what the attack is to show; never in a product.
        Some(unsafe { core::slice::from_raw_parts(base as *const Cell<u8>, len as usize) })
    }
}
