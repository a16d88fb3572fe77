//! Buffers that are given to the kernel for ever, and come back one at a time.
//!
//! Owns [`StaticBuffer`] (a `static` that yields its bytes once) and [`StaticAllowRw`] (an allow
//! slot that swaps one such buffer for the next: the double buffering of streaming drivers).
//!
//! Invariant: the bytes of a `&'static mut` handed out here are in no other hand. A swap returns
//! only what this very object lent before; after any successful allow of the same slot, the kernel
//! no longer holds that.

use super::syscalls_impl::raw_allow;
use crate::{ErrorCode, RawSyscalls, syscall_class};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes in a `static`, 1 KiB aligned: an MPU region of their own never splits a page that holds
/// anything else (ARCHITECTURE §3).
#[repr(C, align(1024))]
pub struct StaticBuffer<const N: usize> {
    bytes: UnsafeCell<[u8; N]>,
    taken: AtomicBool,
}

// SAFETY: the bytes are reachable only through `take`, which succeeds once.
unsafe impl<const N: usize> Sync for StaticBuffer<N> {}

impl<const N: usize> Default for StaticBuffer<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> StaticBuffer<N> {
    /// Zeroed.
    pub const fn new() -> Self {
        StaticBuffer {
            bytes: UnsafeCell::new([0; N]),
            taken: AtomicBool::new(false),
        }
    }

    /// The bytes, the first time; `None` ever after.
    #[allow(clippy::mut_from_ref)] // Exclusive by the flag, not by the borrow.
    pub fn take(&'static self) -> Option<&'static mut [u8]> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: first and only time: no other reference to the bytes exists or will.
        Some(unsafe { &mut *self.bytes.get() })
    }
}

/// A read-write allow slot whose buffers live for ever.
pub struct StaticAllowRw<S: RawSyscalls, const DRIVER_NUM: u32, const BUFFER_NUM: u32> {
    lent: Option<(*mut u8, usize)>,
    _syscalls: PhantomData<S>,
}

impl<S: RawSyscalls, const D: u32, const B: u32> Default for StaticAllowRw<S, D, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: RawSyscalls, const D: u32, const B: u32> StaticAllowRw<S, D, B> {
    /// Nothing lent yet.
    pub const fn new() -> Self {
        StaticAllowRw {
            lent: None,
            _syscalls: PhantomData,
        }
    }

    /// Lends `buffer` and gets back what was lent before.
    ///
    /// # Errors
    /// The kernel's refusal, with `buffer`.
    pub fn swap(
        &mut self,
        buffer: &'static mut [u8],
    ) -> Result<Option<&'static mut [u8]>, (ErrorCode, &'static mut [u8])> {
        let (address, length) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: the buffer is ours for ever, and from here on only the kernel's until a
        // later successful swap.
        match unsafe { raw_allow::<S, { syscall_class::ALLOW_RW }>(D, B, address, length) } {
            Ok(_) => {
                let former = self.lent.replace((address, length));
                // SAFETY: made from a `&'static mut` in an earlier swap; the allow that just
                // succeeded replaced it (or something else had), so the kernel let go of it.
                Ok(former.map(|(a, l)| unsafe { core::slice::from_raw_parts_mut(a, l) }))
            }
            // SAFETY: refused, so the kernel does not hold it; it is the buffer we were given.
            Err(e) => Err((e, unsafe {
                core::slice::from_raw_parts_mut(address, length)
            })),
        }
    }
}
