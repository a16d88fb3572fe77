//! What the kernel tells of processes: crash reports and states, as bytes.
//!
//! Owns both wire forms, little endian, of driver 0xA0005 (docs/syscalls/a0005_supervision.md): the
//! kernel emits them, the process that publishes them parses them. A crash report carries magic and
//! check value, because it also lies in memory that outlives a reset and holds anything after
//! power-on. Does not own who may read them.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod crash;
mod process;
mod wire;

pub use crash::{CrashReport, ImageVersion, Registers};
pub use process::{ProcessInfo, ProcessState};
pub use wire::Text;
