//! Keyword spotting on the device.
#![no_std]
#![no_main]
