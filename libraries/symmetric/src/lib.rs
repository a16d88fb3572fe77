//! Symmetric primitives: in assembler on Armv8-M Mainline, in portable Rust elsewhere.
//!
//! Owns SHA-256, ChaCha20, Poly1305, AES in counter mode and GHASH for loader and secure services, and the
//! only `unsafe` among them: one call into each routine, and erasure. Does not own modes (AEAD, HMAC) and keys.
//!
//! Invariants: no branch and no address depends on a key, a text or a message, in either twin; what
//! a value held is erased when it is dropped, and no routine leaves any of it on the stack beyond
//! SHA-256's message schedule. Nothing panics. The DSP extension is not needed.
#![cfg_attr(not(test), no_std)]

pub mod aes;
pub mod chacha20;
pub mod ghash;
pub mod poly1305;
pub mod sha256;

mod erase;
#[cfg(target_arch = "arm")]
mod memory;
mod padded;
pub use erase::{Erased, erase};
pub use padded::{Blocks, Padded};
