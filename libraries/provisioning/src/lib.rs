//! What the factory gives a device: the provisioning record, and where it ends up.
//!
//! Owns the formats of the regions `provisioning` (the CBOR record), `otp` (root of trust, key
//! hashes, life cycle, monotonic counters) and the first two sectors of `nv` (entropy seed), and
//! the order of the first boot. Does not own what an object *means*: a [`first_boot::Sink`] of
//! the board stores it. Everything is generic over `flash::Flash` and survives a power cut at
//! every program and erase.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod cbor;
pub mod crc;
pub mod first_boot;
pub mod nv;
pub mod otp;
pub mod record;

pub use otp::{Counter, Counters, Lifecycle, NvCounters, OtpCounters, RootOfTrust};
pub use record::{Encoder, Endpoint, Item, KeyAttributes, Object, Reader, Record, RecordError};

/// Little-endian word at `at`; 0 past the end (callers pass constants inside the buffer).
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .iter()
        .skip(at)
        .take(4)
        .rev()
        .fold(0, |w, b| w << 8 | u32::from(*b))
}
