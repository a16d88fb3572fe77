//! The board's addresses, from memory.toml.
#![allow(dead_code)]
include!(concat!(env!("OUT_DIR"), "/memory.rs"));
