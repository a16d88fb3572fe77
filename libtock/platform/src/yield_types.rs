//! What a yield that does not wait says.
//!
//! Owns the two answers.

/// Answer of [`crate::Syscalls::yield_no_wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum YieldNoWaitReturn {
    /// Nothing was queued.
    NoUpcall = 0,
    /// One upcall ran.
    Upcall = 1,
}
