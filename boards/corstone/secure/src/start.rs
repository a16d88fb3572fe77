//! Start-up in order: walls, services, the other world.
//!
//! Owns the order; which device belongs to whom is the chip's `wiring::NON_SECURE`.

use crate::memory::{IMAGE_HEADER, KERNEL_EXEC_BASE, MPC_RANGES, SAU_REGIONS};
use crate::{cpu, log};
use chip::wiring::NON_SECURE;

/// What reset jumps to, with both stacks ready and memory initialised.
pub fn main() -> ! {
    cpu::prepare();
    log::line("tockstone spe ")
        .text(env!("CARGO_PKG_VERSION"))
        .end();
    cpu::raise_walls(&SAU_REGIONS, &MPC_RANGES, &NON_SECURE);
    match cpu::start_services() {
        Ok(()) => log::line("services crypto its ps attestation fwu platform").end(),
        Err(why) => log::line("no services: ").text(why).end(),
    }
    let image = KERNEL_EXEC_BASE + IMAGE_HEADER;
    log::line("non-secure image starts at ").hex(image).end();
    cpu::start_non_secure(image)
}
