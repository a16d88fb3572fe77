//! Ends the process when dropped.
//!
//! Owns the guard around upcalls: a panic must not unwind into the kernel's frame.

use crate::{Syscalls, exit_id};
use core::marker::PhantomData;

/// Dropping it terminates the process; [`core::mem::forget`] disarms it.
pub struct ExitOnDrop<S: Syscalls>(PhantomData<S>);

impl<S: Syscalls> ExitOnDrop<S> {
    /// An armed guard.
    pub fn new() -> Self {
        ExitOnDrop(PhantomData)
    }
}

impl<S: Syscalls> Default for ExitOnDrop<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Syscalls> Drop for ExitOnDrop<S> {
    fn drop(&mut self) {
        // Completion code: the exit id itself, distinct from what `main` returns.
        S::exit_terminate(exit_id::TERMINATE);
    }
}
