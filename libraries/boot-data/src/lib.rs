//! TF-M shared boot data: what the loader tells the secure image.
#![cfg_attr(not(test), no_std)]
