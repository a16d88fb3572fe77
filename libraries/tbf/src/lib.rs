//! Tock Binary Format headers and footers.
//!
//! Owns the bytes of TBF version 2 (`reference/tock.md` §2). Parsing is total: whatever the bytes,
//! it answers, reads nothing outside the slice, and never loops. It checks form only; who may run is
//! the kernel's business.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod parse;
pub mod types;
