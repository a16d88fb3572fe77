//! Start-up in order: walls, services, the other world.
//!
//! Owns the order; which device belongs to whom is the chip's `wiring::non_secure`.

use crate::memory::{CONSOLE_UART, IMAGE_HEADER, KERNEL_EXEC_BASE};
#[cfg(not(feature = "weakened"))]
use crate::memory::{MPC_RANGES, SAU_REGIONS};
use crate::{cpu, log};
use chip::protection::Peripherals;
use chip::wiring::non_secure;

/// What the other world drives.
pub const NON_SECURE: Peripherals = non_secure(CONSOLE_UART);

/// What reset jumps to, with both stacks ready and memory initialised.
pub fn main() -> ! {
    cpu::prepare();
    #[cfg(feature = "weakened")]
    cpu::read_switches();
    log::line("tockstone spe ")
        .text(env!("CARGO_PKG_VERSION"))
        .end();
    #[cfg(not(feature = "weakened"))]
    cpu::raise_walls(&SAU_REGIONS, &MPC_RANGES, &NON_SECURE);
    #[cfg(feature = "weakened")]
    crate::weak::raise_walls();
    match cpu::start_services() {
        Ok(()) => {
            let fwu = if crate::services::HAS_FIRMWARE_UPDATE {
                " fwu"
            } else {
                ""
            };
            log::line("services crypto its ps attestation")
                .text(fwu)
                .text(" platform")
                .end();
        }
        Err(why) => log::line("no services: ").text(why).end(),
    }
    let image = KERNEL_EXEC_BASE + IMAGE_HEADER;
    log::line("non-secure image starts at ").hex(image).end();
    cpu::start_non_secure(image)
}
