//! Register drivers of the SSE-200 subsystem and the MPS2+ board peripherals (AN521).
//!
//! Owns what differs from the SSE-300: where things are, and how time is told. Blocks that both
//! have are `sse300`'s, under the same names, so that one composition serves all boards.
#![cfg_attr(not(test), no_std)]

pub use sse300::{ddr_flash, polled_uart, protection, watchdog};

#[cfg(target_arch = "arm")]
pub mod wiring;

#[cfg(feature = "kernel")]
pub mod ns;
