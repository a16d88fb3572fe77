//! Where descriptors become addresses: all unsafe code of this crate.
#![allow(unsafe_code)]

#[cfg(feature = "fake")]
pub mod fake;
#[cfg(feature = "veneers")]
pub mod veneers;
