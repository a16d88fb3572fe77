//! Interrupt-driven drivers of the non-secure world, behind `kernel::hil`.
//!
//! Owns the timer and the addresses; UART1, LAN9118 and FPGAIO are driven by `sse300`'s drivers.

pub use sse300::ns::{Bus, MappedBus, app_flash, bus, ethernet, fpgaio, state_flash, uart};

pub mod chip;
pub mod devices;
pub mod timer;

pub use chip::Peripherals;
