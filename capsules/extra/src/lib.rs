//! Further Tock capsules: app loader, ethernet tap, hashes, AES, storage, process info, supervision, …
//!
//! Owns the syscall side of what some boards have. Knows the `kernel` crate and its HIL traits,
//! no chip.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod app_flash_driver;
pub mod app_loader;
pub mod audio_rom;
pub mod date_time;
mod digest_session;
pub mod ethernet_tap;
pub mod hmac;
pub mod isolated_nonvolatile_storage_driver;
pub mod kv_driver;
pub mod nonvolatile_storage_driver;
pub mod polled_pin;
pub mod process_info_driver;
pub mod read_only_state;
pub mod sha;
pub mod supervision;
pub mod symmetric_encryption;
pub mod unix_date_time;
