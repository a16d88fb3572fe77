//! Where the fake kernel meets the process's pointers: the crate's only `unsafe`.
//!
//! Owns the fake [`libtock_platform::RawSyscalls`], the call of an upcall, and shared buffers.

mod buffer;
mod raw;

pub use buffer::{RoAllowBuffer, RwAllowBuffer};
pub use raw::Syscalls;
pub(crate) use raw::UpcallPointer;
