//! Symmetric primitives: in assembler on Armv8-M Mainline, in portable Rust elsewhere.
//!
//! Owns SHA-256, ChaCha20 and Poly1305 for loader and secure services, and the
//! only `unsafe` among them: one call into each routine. Does not own modes (AEAD, HMAC) and keys.
//!
//! Invariants: no branch and no address depends on a key, a text or a message, in either twin; what
//! a value held is erased when it is dropped, and no routine leaves any of it on the stack beyond
//! SHA-256's message schedule. Nothing panics. The DSP extension is not needed.
#![cfg_attr(not(test), no_std)]

pub mod chacha20;
pub mod poly1305;
pub mod sha256;

mod padded;
pub use padded::{Blocks, Padded};
