//! The configuration that reacts to nothing.
//!
//! Owns [`DefaultConfig`] alone.

use crate::{allow_ro, allow_rw, subscribe};

/// Ignores what was registered before.
pub struct DefaultConfig;

impl subscribe::Config for DefaultConfig {
    fn returned_nonnull_upcall(_driver_num: u32, _subscribe_num: u32) {}
}

impl allow_ro::Config for DefaultConfig {
    fn returned_nonzero_buffer(_driver_num: u32, _buffer_num: u32) {}
}

impl allow_rw::Config for DefaultConfig {
    fn returned_nonzero_buffer(_driver_num: u32, _buffer_num: u32) {}
}
