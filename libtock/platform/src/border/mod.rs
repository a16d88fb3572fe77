//! Where references become register values and back: the crate's only `unsafe`.
//!
//! Owns the implementation of [`crate::Syscalls`] over the raw calls ([`syscalls_impl`]), buffers
//! that are lent for ever ([`lent`]), memory that another process shares ([`shared`]), and the
//! other end of all this in host tests (`fake`).

#[cfg(feature = "fake")]
pub mod fake;
mod lent;
mod shared;
mod syscalls_impl;

pub use lent::{StaticAllowRw, StaticBuffer};
pub use shared::{IpcInbox, IpcNotice, SharedMemory};

/// The error of this number, if there is one.
pub fn error_code(number: u32) -> Option<crate::ErrorCode> {
    // SAFETY: `ErrorCode` is `repr(u32)` and has a variant for every number of 1 to 1024 (a test
    // asks for each).
    matches!(number, 1..=1024).then(|| unsafe { core::mem::transmute(number) })
}
