//! Further Tock capsules: ethernet tap, date and time, key-value, audio ROM.
#![cfg_attr(not(test), no_std)]
