//! Rules of the secure world's services, each a short run of calls and the status of each.
//!
//! Owns the rules: what PSA Crypto 1.1, Secure Storage 1.0 and Initial Attestation 1.0 say that a
//! call answers, in the order in which Arm's PSA Arch Tests ask for it. A rule leaves nothing
//! behind but write-once objects: it runs once on a new device. The same rules run on a host over
//! the services linked in, and on a device over the real secure image (`cargo xtask test spe`).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use psa_client::{Status, Transport};

#[macro_use]
mod check;
mod aead;
mod attestation;
mod cipher;
mod derivation;
mod edges;
mod edges_cipher;
mod hash;
mod keys;
mod mac;
mod passwords;
mod sign;
mod storage;
pub mod vectors;

#[cfg(test)]
mod tests;

pub use check::{Broken, Outcome};

/// One rule.
pub struct Rule {
    /// Its name.
    pub id: &'static str,
    /// Makes the calls.
    pub run: fn(&dyn Transport) -> Outcome,
}

/// The groups, in the order in which they run.
pub const GROUPS: [&[Rule]; 12] = [
    &storage::RULES,
    &attestation::RULES,
    &keys::RULES,
    &hash::RULES,
    &mac::RULES,
    &cipher::RULES,
    &aead::RULES,
    &sign::RULES,
    &derivation::RULES,
    &passwords::RULES,
    &edges::RULES,
    &edges_cipher::RULES,
];

/// All rules.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    GROUPS.iter().copied().flatten()
}

/// A status where a length came, or none where one was wanted.
const NO_STATUS: Status = Status::SUCCESS;
