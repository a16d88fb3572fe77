//! Core Tock capsules: alarm, button, console, low-level debug, RNG, LED, virtualisers.
//!
//! Owns the syscall side of what every board has. Knows the `kernel` crate and its HIL traits,
//! no chip. Upstream's module paths, protocols of `reference/tock.md` §5.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod alarm;
pub mod button;
pub mod console;
pub mod driver;
pub mod led;
pub mod low_level_debug;
pub mod process_console;
pub mod rng;
pub mod stream;
pub mod test;
pub mod virtualizers;
