//! The OTA agent: AWS IoT Jobs and MQTT file streams into PSA Firmware Update.
//!
//! Owns the update's course: which job runs, which blocks are missing, whether the image may be
//! installed, and whether it stays. Pure logic over two traits, the typed PSA calls and an
//! [`Outlet`] to the MQTT service, so that the host runs it whole. Keeps no heap. What must
//! survive the reboot lies in secure storage: job, wanted versions, attempts and an untold end in
//! Protected Storage, the blocks that are there in Internal Trusted Storage.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod agent;
mod blocks;
mod checkpoint;
mod document;
mod memory;
mod report;
mod signature;
mod stream;
mod target;
mod update;
mod window;

pub use agent::{Agent, Input, Outlet};
pub use document::{Execution, OtaFile, OtaUpdate, Reply, SignatureKind, Version};
pub use target::Target;

/// PSA key that verifies the update's signature (the reference's "Code Verify Key").
pub const VERIFY_KEY: u32 = 0x11;
/// Protected Storage uid of the thing name.
pub const UID_THING: u64 = 9;
/// Block size that is asked for, bytes.
pub const BLOCK: u32 = 4096;
/// Largest image, blocks: a 512 KiB slot.
pub const MAX_BLOCKS: usize = 128;
