//! PSA Firmware Update 1.0 over MCUboot slots.
//!
//! Owns the state machine of components 0 (secure image) and 1 (non-secure image) and what of it
//! is written to flash: secondary slots and trailers. Does not own verification (the loader's, at
//! the next boot), swapping, or the trailer format (`mcuboot-image`).
//!
//! Differences from TF-M, all in the caller's favour: [`MAX_WRITE_SIZE`] is 4096, so that one
//! 4 KiB stream block is one call; a block must lie below the trailer (INVALID_ARGUMENT); the
//! candidate digest covers up to the highest byte written, however often a block is sent; `error`
//! is zero in states that have none; a candidate without an image's header, protected TLVs and the
//! magic behind them fails at install (DATA_INVALID, state FAILED) and not only after the reboot.
//!
//! WRITING and CANDIDATE survive a reset, as does STAGED where the loader did not follow it (TF-M
//! keeps them in RAM): so a download resumes. FLAG_VOLATILE_STAGING is clear accordingly. A client
//! that finds a component in one of them and does not want it cancels and cleans. FAILED, REJECTED
//! and UPDATED are in RAM: after a reset the component is READY, or TRIAL as the primary says.
//!
//! Both candidates are installed, accepted and reverted together, whatever power does
//! (`mcuboot_image::pair`).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod component;
mod record;
mod service;
#[cfg(test)]
mod tests;

pub use component::Slots;
pub use service::{FwuService, Watchdog, versions};
pub use spe_platform::Reset;

/// Components: the secure and the non-secure image.
pub const COMPONENTS: usize = 2;
/// Largest block of one write, bytes (`PSA_FWU_MAX_WRITE_SIZE`).
pub const MAX_WRITE_SIZE: usize = 4096;
