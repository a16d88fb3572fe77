//! Tock userspace facade: the libtock-rs API plus the PSA services.
#![cfg_attr(not(test), no_std)]
