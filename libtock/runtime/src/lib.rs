//! Tock userspace runtime: start code, raw syscalls, linker layout.
#![cfg_attr(not(test), no_std)]
