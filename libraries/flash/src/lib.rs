//! NOR flash trait, and a simulator that cuts power at every operation.
#![cfg_attr(not(test), no_std)]
