//! Every item by its upstream path and type. The functions are compiled, never called.
#![allow(clippy::type_complexity, missing_docs)]

pub mod capsules;
pub mod core_api;
pub mod hil_buses;
pub mod hil_crypto;
pub mod hil_interface;
pub mod hil_storage;
pub mod platform;
pub mod process;
pub mod userspace;
pub mod userspace_drivers;
pub mod utilities;

/// What most calls answer.
pub(crate) type R = Result<(), kernel::ErrorCode>;
/// A buffer that travels.
pub(crate) type Sb = &'static mut [u8];
/// A refusal that brings the buffer back.
pub(crate) type Kept<T> = Result<(), (kernel::ErrorCode, T)>;
/// A leased buffer that travels.
pub(crate) type Buffer = kernel::utilities::leasable_buffer::SubSliceMut<'static, u8>;
