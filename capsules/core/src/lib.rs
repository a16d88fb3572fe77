//! Core Tock capsules: alarm, console, low-level debug, RNG, LED, button, virtualisers.
#![cfg_attr(not(test), no_std)]
