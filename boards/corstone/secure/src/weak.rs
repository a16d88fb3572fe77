//! The walls with holes, for the negative controls of `tests/hostile` alone (feature `weakened`).
//!
//! Owns which holes: what the SAU, a memory controller and a peripheral controller open when their
//! switch says so. A controller lets one world alone have a block or a device, so what this image
//! itself runs from or drives cannot be opened: the holes are in what it has to itself and leaves
//! alone.

use crate::cpu;
use crate::memory::{KERNEL_EXEC_BASE, MPC_RANGES, SAU_REGIONS, SPE_RESERVE_BASE};
use crate::start::NON_SECURE;
use chip::protection::Peripherals;
use chip::wiring::{SECURE_ALIAS, spare};
use spm::weakened::{Defence, off};

/// Behind the last non-secure region: more than secure flash has where it lies there.
const BEHIND: u32 = 0x100_0000;

/// As `cpu::raise_walls`, with the holes that are asked for.
pub fn raise_walls() {
    let [a, b, c, d, e] = SAU_REGIONS;
    let mut sau = [a, b, c, d, e, e, e, e];
    let mut regions = 5;
    if off(Defence::Sau) {
        // Every address below, between and behind what is non-secure, where memory is; the part of
        // it that the bus calls secure stays so (IDAU).
        sau[5] = (0, a.0 - 1, false);
        sau[6] = (c.0 & 0xF000_0000, c.0 - 1, false);
        sau[7] = (e.1 + 1, e.1 + BEHIND, false);
        regions = 8;
    }
    let mut mpc = MPC_RANGES;
    if off(Defence::Mpc)
        && let Some((_, first, _)) = mpc.first_mut()
    {
        // The reserve of this image lies below the kernel, in the same memory.
        let store = KERNEL_EXEC_BASE - *first;
        *first = (SPE_RESERVE_BASE & !SECURE_ALIAS) - store;
    }
    let peripherals = if off(Defence::Ppc) {
        spare(NON_SECURE)
    } else {
        Peripherals { ..NON_SECURE }
    };
    cpu::raise_walls(&sau[..regions], &mpc, &peripherals);
}
