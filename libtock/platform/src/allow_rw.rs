//! The share-list element for a read-write buffer.
//!
//! Owns its revocation; sharing is [`crate::Syscalls::allow_rw`]. The app may not touch it meanwhile.

use crate::{Syscalls, share};
use core::cell::Cell;
use core::marker::PhantomData;

/// Called when a buffer displaced another.
pub trait Config {
    /// The kernel handed back a buffer of non-zero length. Does nothing by default.
    fn returned_nonzero_buffer(_driver_num: u32, _buffer_num: u32) {}
}

/// Share-list element: a slot for one read-write buffer, taken back when the scope ends.
pub struct AllowRw<'share, S: Syscalls, const DRIVER_NUM: u32, const BUFFER_NUM: u32> {
    _syscalls: PhantomData<S>,
    // Invariant in 'share: the scope must not outlive what it shares, nor be shortened.
    _share: PhantomData<Cell<&'share ()>>,
    used: Cell<bool>,
}

impl<S: Syscalls, const D: u32, const B: u32> AllowRw<'_, S, D, B> {
    /// From here on the slot is revoked when the scope ends.
    pub(crate) fn begin(&self) {
        self.used.set(true);
    }
}

impl<S: Syscalls, const D: u32, const B: u32> Default for AllowRw<'_, S, D, B> {
    fn default() -> Self {
        AllowRw {
            _syscalls: PhantomData,
            _share: PhantomData,
            used: Cell::new(false),
        }
    }
}

impl<S: Syscalls, const D: u32, const B: u32> Drop for AllowRw<'_, S, D, B> {
    fn drop(&mut self) {
        if self.used.get() {
            S::unallow_rw(D, B);
        }
    }
}

impl<S: Syscalls, const D: u32, const B: u32> share::List for AllowRw<'_, S, D, B> {}
