//! The configuration that reacts to nothing.
//!
//! Owns [`DefaultConfig`] alone.

use crate::{allow_ro, allow_rw, subscribe};

/// Ignores what was registered before.
pub struct DefaultConfig;

impl subscribe::Config for DefaultConfig {}

impl allow_ro::Config for DefaultConfig {}

impl allow_rw::Config for DefaultConfig {}
