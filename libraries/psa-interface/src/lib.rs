//! PSA and TF-M numbers and wire structures shared by both worlds.
#![cfg_attr(not(test), no_std)]
