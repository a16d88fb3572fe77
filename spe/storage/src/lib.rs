//! Internal Trusted Storage and Protected Storage on NOR flash.
//!
//! Owns the journal (atomic under a power cut at every program and erase), the PSA semantics of
//! both services, and what Protected Storage adds: encryption, authentication, replay detection.
//! Does not own the regions (`flash::Flash`), the counters (`provisioning::NvCounters`) or the
//! border (`spm`).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod its;
mod journal;
mod ps;
mod seal;
mod service;
#[cfg(test)]
mod tests_its;
#[cfg(test)]
mod tests_ps;

pub use its::Its;
pub use ps::{Ps, PsFault};
pub use service::{ItsService, PsService, Storage};

/// Objects that each service holds at most, all clients together.
pub const MAX_OBJECTS: usize = 64;
/// Largest object of Internal Trusted Storage, bytes.
pub const ITS_MAX_SIZE: u32 = 2048;
/// Largest object of Protected Storage, bytes.
pub const PS_MAX_SIZE: u32 = 4096;
