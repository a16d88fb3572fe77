//! MCUboot image header, TLV areas and slot trailers: parse and emit.
#![cfg_attr(not(test), no_std)]
