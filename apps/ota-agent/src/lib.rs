//! The OTA agent: AWS IoT Jobs and MQTT file streams into PSA Firmware Update and the app loader.
//!
//! Owns the update's course: which job runs, which blocks are missing, whether the image may be
//! installed, and whether it stays. Pure logic over three traits: the typed PSA calls, the kernel's
//! [`Loader`] and an [`Outlet`] to the MQTT service, so that the host runs it whole. Keeps no heap. What must
//! survive the reboot lies in secure storage: job, wanted versions, attempts and an untold end in
//! Protected Storage, the blocks that are there in Internal Trusted Storage.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod agent;
mod blocks;
mod checkpoint;
mod document;
mod loader;
mod memory;
mod package;
mod report;
mod signature;
mod stream;
mod target;
mod trial;
mod update;
mod window;

pub use agent::{Agent, Input, Outlet};
pub use document::{Execution, OtaFile, OtaUpdate, Reply, SignatureKind, Version};
pub use loader::{Installed, Loader};
pub use package::Package;
pub use target::Target;

/// PSA key that verifies the update's signature (the reference's "Code Verify Key").
pub const VERIFY_KEY: u32 = 0x11;
/// Protected Storage uid of the thing name.
pub const UID_THING: u64 = 9;
/// Block size that is asked for, bytes.
pub const BLOCK: u32 = 4096;
/// Largest file, blocks: two links of an app in a 512 KiB row, and the archive around them. An image
/// is bounded by its slot.
pub const MAX_BLOCKS: usize = 264;
