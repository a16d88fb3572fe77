//! Start-up in order: walls, services, the other world.
//!
//! Owns the board's policy of who gets which peripheral.

use crate::memory::{IMAGE_HEADER, KERNEL_EXEC_BASE, MPC_RANGES, SAU_REGIONS};
use crate::{cpu, log};
use sse300::protection::Peripherals;

/// What the kernel drives: UART1, system timers 0 and 1, Ethernet, RTC and FPGAIO.
const NON_SECURE: Peripherals = Peripherals {
    apb0: 1 << 0 | 1 << 1,
    apb_exp2: 1 << 2 | 1 << 4 | 1 << 11,
    ahb_exp0: 1 << 8,
    // Timers 3, 4; UART1 receive 35, transmit 36, combined 44; Ethernet 49.
    interrupts: &[3, 4, 35, 36, 44, 49],
};

/// What reset jumps to, with both stacks ready and memory initialised.
pub fn main() -> ! {
    cpu::prepare();
    log::line("tockstone spe ")
        .text(env!("CARGO_PKG_VERSION"))
        .end();
    cpu::raise_walls(&SAU_REGIONS, &MPC_RANGES, &NON_SECURE);
    match cpu::start_services() {
        Ok(()) => log::line("services crypto its ps fwu platform").end(),
        Err(why) => log::line("no services: ").text(why).end(),
    }
    let image = KERNEL_EXEC_BASE + IMAGE_HEADER;
    log::line("non-secure image starts at ").hex(image).end();
    cpu::start_non_secure(image)
}
