//! A reference to memory-mapped registers.

use core::ops::Deref;
use core::ptr::NonNull;

/// A static reference to an MMIO block.
#[derive(Debug)]
pub struct StaticRef<T> {
    ptr: NonNull<T>,
}

impl<T> StaticRef<T> {
    /// Wraps an address.
    ///
    /// # Safety
    /// `ptr` is aligned and points to a `T` that stays mapped for ever.
    pub const unsafe fn new(ptr: *const T) -> StaticRef<T> {
        StaticRef {
            // SAFETY: the caller gives a valid, hence non-null, pointer.
            ptr: unsafe { NonNull::new_unchecked(ptr as *mut T) },
        }
    }
}

impl<T> Clone for StaticRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for StaticRef<T> {}

impl<T> Deref for StaticRef<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: `new` demanded a pointer valid for ever; `T` is made of volatile cells.
        unsafe { self.ptr.as_ref() }
    }
}

// SAFETY: it only names an address; register types themselves say what may be shared.
unsafe impl<T> Sync for StaticRef<T> {}
