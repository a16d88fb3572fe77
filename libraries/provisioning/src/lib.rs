//! What the factory gives a device: the provisioning record, and where it ends up.
//!
//! Owns the formats of the regions `provisioning` (the CBOR record), `otp` (root of trust, key
//! hashes, life cycle, monotonic counters) and the first two sectors of `nv` (entropy seed), and
//! the order of the first boot. Does not own what an object *means*: a [`first_boot::Sink`] of
//! the board stores it. Everything is generic over `flash::Flash` and survives a power cut at
//! every program and erase.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod crc;
pub mod record;

pub use record::{Encoder, Endpoint, Item, KeyAttributes, Object, Reader, Record, RecordError};
