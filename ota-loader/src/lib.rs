//! The bootloader as a library: image choice, swap, rollback, measured boot.
//!
//! Owns the all-images flow of `reference/tfm.md` §I.8 for a secure (0) and a non-secure (1) image
//! with one scratch area, and the verification of both. Does not own addresses, keys, counters or
//! the jump: a board passes slots, execution memory, key hashes and [`SecurityCounters`].
//!
//! Invariants:
//! - what [`Loader::boot`] calls verified is the copy in execution memory, hashed there;
//! - if either image is refused, nothing boots;
//! - power may go at, or inside, any program or erase: the next boot goes on where it stopped, and
//!   an image that was swapped in for a test is reverted only after it was given control once
//!   (`copy_done` is written last, just before the jump);
//! - security counters only rise, and only for images that are not on trial.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod boot;
pub mod crypto;
mod event;
mod journal;
mod measure;
mod refusal;
mod swap;
mod verify;

pub use boot::{BootError, Booted, BootedImage, Entry, Execution, Loader, SecurityCounters, Slots};
pub use event::{Event, Observer};
pub use refusal::Refusal;
pub use verify::{Algorithm, Evidence, verify};

/// Number of images: 0 secure, 1 non-secure.
pub const IMAGES: usize = 2;
