//! Process policies, schedulers, credential checking.
#![cfg_attr(not(test), no_std)]
