//! Register drivers of the SSE-300 subsystem and the MPS3 board peripherals.
#![cfg_attr(not(test), no_std)]
