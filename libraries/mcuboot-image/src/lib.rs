//! MCUboot image header, TLV areas and slot trailers: parse and emit.
//!
//! Owns the formats of `reference/tfm.md` §I: header, TLV areas, trailer (align ≤ 8) and the
//! swap-type decision. Does not own cryptography, nor what a loader does with a decision.
//!
//! Invariants: parsing is total — any bytes give a value or an [`ImageError`] that names the rule
//! they break — and everything that an [`Image`] returns was bounded when it was parsed.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod error;
mod header;
mod image;
pub mod pair;
mod swap_type;
mod tlv;
pub mod trailer;
mod version;

pub use error::ImageError;
pub use header::{HEADER_SIZE, Header, IMAGE_MAGIC, flags};
pub use image::{Dependency, Image, Manifest};
pub use swap_type::{Flag, MagicState, SlotState, SwapType, swap_type};
pub use tlv::{PROTECTED_MAGIC, Tlv, TlvArea, UNPROTECTED_MAGIC, kind};
pub use version::ImageVersion;

/// Copies `N` bytes at `at`, where they exist.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes
        .get(at..at.checked_add(N)?)
        .and_then(|s| s.try_into().ok())
}
