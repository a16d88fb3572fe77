//! PSA Firmware Update 1.0 over MCUboot slots.
#![cfg_attr(not(test), no_std)]
