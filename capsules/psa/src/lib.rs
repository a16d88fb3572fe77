//! Capsules that expose the secure world's PSA services as syscalls.
#![cfg_attr(not(test), no_std)]
