//! PSA and TF-M numbers and wire structures shared by both worlds.
//!
//! Owns every number that crosses the border: statuses, key types, algorithms, usage flags,
//! service ids, handles, request types and the structures of TF-M 2.1 and later. Owns no policy
//! and no transport. Invariants: no dependencies, no allocation, `decode` is the exact inverse of
//! `encode` wherever both exist, and no decoder can fail by anything but its result.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod algorithm;
pub mod attestation;
pub mod crypto;
pub mod fwu;
pub mod key;
pub mod platform;
pub mod service;
pub mod status;
pub mod storage;

pub use algorithm::Algorithm;
pub use crypto::CryptoIovec;
pub use fwu::FwuComponentInfo;
pub use key::{KeyAttributes, KeyType, Lifetime};
pub use service::CtrlParam;
pub use status::Status;
pub use storage::StorageInfo;
