//! PSA Crypto service: key store, policy, operations.
//!
//! Owns what stands behind TF-M's crypto handle: who may use which key for what, the pool of
//! multi-part operations, and the primitives (public in [`primitives`], for other secure
//! services). Does not own the border (`spm`), persistent storage ([`KeyStore`] is glued onto
//! internal trusted storage by the board) or the source of entropy ([`Entropy`]).
//!
//! Invariants: caller memory is copied in small chunks and each byte is fetched once; nothing
//! that a failed call wrote stays in an output; a private or symmetric key without EXPORT leaves
//! by no path; secrets are erased when dropped; no call panics, whatever its bytes.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
#![forbid(unsafe_code)]

mod aead;
mod aead_parts;
mod arguments;
#[cfg(feature = "psa-cipher")]
mod cipher;
mod derivation;
mod entropy;
mod hash;
#[cfg(feature = "host")]
pub mod host;
mod key_management;
mod keys;
mod mac;
mod material;
mod operations;
pub mod primitives;
mod service;
mod sign;

pub use entropy::{Drbg, Entropy};
pub use keys::{KeyStore, MAX_BLOB};
pub use material::MAX_KEY;
pub use operations::SLOTS as OPERATION_SLOTS;
pub use service::CryptoService;
