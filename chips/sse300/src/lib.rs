//! Register drivers of the SSE-300 subsystem and the MPS3 board peripherals.
//!
//! Owns registers and nothing else. Polled drivers serve the loader and the secure image; the
//! interrupt-driven ones behind the `kernel` feature implement `kernel::hil`.
#![cfg_attr(not(test), no_std)]

pub mod ddr_flash;
#[cfg(target_feature = "dsp")]
pub mod montgomery;
pub mod polled_uart;
pub mod protection;
#[cfg(target_arch = "arm")]
pub mod system_counter;
pub mod watchdog;
#[cfg(target_arch = "arm")]
pub mod wiring;

#[cfg(feature = "kernel")]
pub mod ns;
