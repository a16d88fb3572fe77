//! Tock Binary Format headers and footers.
#![cfg_attr(not(test), no_std)]
