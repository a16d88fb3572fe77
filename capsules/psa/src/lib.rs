//! Capsules that expose the secure world's PSA services as syscalls.
//!
//! Owns the protocol of the drivers 0xA0000–0xA0003 (docs/syscalls), the table from ShortIds to
//! PSA client ids, the record of what processes hold in the secure world, and the kernel's random
//! source, hasher, cipher, key-value store and
//! byte store. Does not own what a service does with a call; whether a caller may use a key or an
//! object is decided by the secure side, from the client id that is selected here.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod aes;
mod digest;
mod driver;
mod entropy;
mod handles;
mod identity;
mod kv;
mod nvm;
mod ownership;
mod request;
mod service;

pub use aes::PsaAes;
pub use digest::PsaDigest;
pub use driver::{App, PsaDriver};
pub use entropy::PsaRng;
pub use handles::Handles;
pub use identity::{Identities, TABLE_UID};
pub use kv::PsaKv;
pub use nvm::PsaNvm;
pub use service::Service;

#[cfg(test)]
#[path = "../tests/fake_gate/mod.rs"]
mod fake_gate;
