//! TF-M platform service: reset and non-volatile counters.
#![cfg_attr(not(test), no_std)]
