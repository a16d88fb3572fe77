//! Keyword spotting on the device.
#![cfg_attr(not(test), no_std)]
