//! The Tock kernel: processes, grants, syscalls, loader, scheduler, HIL traits.
#![cfg_attr(not(test), no_std)]
