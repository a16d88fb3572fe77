//! The bootloader as a library: image choice, swap, rollback, measured boot.
#![cfg_attr(not(test), no_std)]
