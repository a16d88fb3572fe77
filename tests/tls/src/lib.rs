//! A TLS server that follows a script, honest up to one lie; and certificates with one fault.
//!
//! Owns the hostile half of the tests in `tests/`: whole TLS 1.3 and 1.2 handshakes by hand, so
//! that any message can be changed, left out or followed by another. Never part of an image.
#![forbid(unsafe_code)]

pub mod certificates;
pub mod server;
