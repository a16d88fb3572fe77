//! Non-secure client of TF-M: veneers, psa_call, client selection.
//!
//! Owns the non-secure half of the border: the descriptors the secure side reads, `ctrl_param`,
//! which client id is selected, and the rule that one call at a time leaves from privileged
//! thread mode. Does not own what a service's vectors mean (`psa-client`), nor whose id a process
//! has (`capsules-psa`). Portable: the way in is a [`Gate`]; the real one, `Veneers`, exists
//! with the feature `veneers`, and tests bring their own.
#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![deny(unsafe_code)]

mod border;
mod spe;
mod vectors;

#[cfg(feature = "fake")]
pub use border::fake;
#[cfg(feature = "veneers")]
pub use border::veneers::{Veneers, tfm_pendsv_handler};
pub use spe::{ClientId, Gate, KernelClient, SelectError, Spe};
pub use vectors::{InVec, OutVec};
