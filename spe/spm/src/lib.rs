//! Secure partition manager: border checks, client identity, dispatch of psa_call.
//!
//! Owns what stands between a non-secure caller and a service. Knows no chip and no service.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod border;
mod client;
mod copy;
mod dispatch;
mod message;
pub mod weakened;

pub use border::{Access, Border};
pub use client::{Contexts, NsceStatus};
pub use dispatch::{Description, RawCall, Services, Version, call, connect, version};
pub use message::{Call, ClientId, Input, Output, Service};
