//! Interrupt-driven drivers of the non-secure world, behind `kernel::hil`.
//!
//! Owns UART1, system timer 0, the LAN9118, the PL031 and the FPGAIO, at their non-secure
//! addresses (reference qemu-an547.md §1.5), and which interrupt is whose. Drivers reach registers
//! only through [`Bus`], so that host tests can stand a model in the hardware's place; all unsafe
//! code is in `bus`.

pub mod app_flash;
pub mod bus;
pub mod chip;
pub mod devices;
pub mod ethernet;
pub mod fpgaio;
pub mod rtc;
pub mod state_flash;
pub mod timer;
pub mod uart;

pub use bus::{Bus, MappedBus};
pub use chip::Peripherals;
