//! The kernel's own statics: one thread of execution, no check.
//!
//! The firmware's kernel is one thread that no handler re-enters (interrupt handlers touch
//! registers and their own words only), so a static cell needs no lock there. With the `std`
//! feature each host thread has a kernel of its own, and the owner of such a static keeps one per
//! thread instead.

use core::cell::UnsafeCell;

/// A value in a `static`, borrowed by closure.
pub struct KernelStatic<T>(UnsafeCell<T>);

// SAFETY: `with` is the only access, its caller promises that it is the kernel's one thread.
unsafe impl<T> Sync for KernelStatic<T> {}

impl<T> KernelStatic<T> {
    /// Makes one.
    pub const fn new(value: T) -> Self {
        KernelStatic(UnsafeCell::new(value))
    }

    /// Borrows the value.
    ///
    /// # Safety
    /// Callers are the kernel's single thread, never an interrupt handler and never two host threads.
    pub unsafe fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: only shared borrows are ever made, all from the one thread of this function's
        // contract.
        f(unsafe { &*self.0.get() })
    }
}
