//! 40-channel log-mel audio front end in fixed point, equal to the bit on host and device.
#![cfg_attr(not(test), no_std)]
