//! Tock userspace platform traits: syscalls, sharing, error codes.
#![cfg_attr(not(test), no_std)]
