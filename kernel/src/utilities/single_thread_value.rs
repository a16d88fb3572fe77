//! A value in a `static` that belongs to one thread of execution, checked at run time.
//!
//! The thread that binds it is the only one that ever sees it: elsewhere, in an interrupt handler
//! for one, `get` answers `None`. Which thread runs is the chip's to say.

use crate::platform::chip::ThreadIdProvider;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

const UNBOUND: u8 = 0;
const BINDING: u8 = 1;
const BOUND: u8 = 2;

/// Such a value; empty until it is bound.
pub struct SingleThreadValue<T> {
    stage: AtomicU8,
    owner: UnsafeCell<Owner>,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// The thread that bound it, and how to ask which one runs.
struct Owner {
    running: fn() -> usize,
    thread: usize,
}

// SAFETY: `owner` and `value` are written by the one caller that moves `stage` from unbound to
// binding, and read only at stage bound, which that caller sets last (release, acquire). `get` shows
// `value` to its own thread only, so that `T` is never shared nor sent. It is never dropped.
unsafe impl<T> Sync for SingleThreadValue<T> {}

impl<T> SingleThreadValue<T> {
    /// Without a value.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        SingleThreadValue {
            stage: AtomicU8::new(UNBOUND),
            owner: UnsafeCell::new(Owner {
                running: || 0,
                thread: 0,
            }),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Gives it a value, for the running thread.
    ///
    /// # Errors
    /// With the value: it has one already.
    pub fn bind_to_thread<P: ThreadIdProvider>(&self, value: T) -> Result<(), T> {
        let first =
            self.stage
                .compare_exchange(UNBOUND, BINDING, Ordering::Acquire, Ordering::Relaxed);
        if first.is_err() {
            return Err(value);
        }
        // SAFETY: only one caller ever comes here, and nobody reads before stage bound.
        unsafe {
            *self.owner.get() = Owner {
                running: P::running_thread_id,
                thread: P::running_thread_id(),
            };
            (*self.value.get()).write(value);
        }
        self.stage.store(BOUND, Ordering::Release);
        Ok(())
    }

    /// As [`Self::bind_to_thread`], for chips without atomic operations.
    ///
    /// # Safety
    /// Nobody else binds it at the same time.
    ///
    /// # Errors
    /// With the value: it has one already.
    pub unsafe fn bind_to_thread_unsafe<P: ThreadIdProvider>(&self, value: T) -> Result<(), T> {
        self.bind_to_thread::<P>(value)
    }

    /// The value, if it has one and the running thread bound it.
    pub fn get(&self) -> Option<&T> {
        if self.stage.load(Ordering::Acquire) != BOUND {
            return None;
        }
        // SAFETY: at stage bound `owner` is not written any more.
        let owner = unsafe { &*self.owner.get() };
        if (owner.running)() != owner.thread {
            return None;
        }
        // SAFETY: at stage bound the value is initialised; only its own thread comes here.
        Some(unsafe { (*self.value.get()).assume_init_ref() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    struct Host;
    // SAFETY: an address of a thread's own static differs from that of every other living thread.
    unsafe impl ThreadIdProvider for Host {
        fn running_thread_id() -> usize {
            std::thread_local! { static OWN: u8 = const { 0 }; }
            OWN.with(|o| core::ptr::from_ref(o).addr())
        }
    }

    #[test]
    fn only_the_thread_that_bound_it_sees_it() {
        static VALUE: SingleThreadValue<Cell<u32>> = SingleThreadValue::new();
        assert!(VALUE.get().is_none());
        assert!(VALUE.bind_to_thread::<Host>(Cell::new(7)).is_ok());
        assert!(VALUE.bind_to_thread::<Host>(Cell::new(8)).is_err());
        assert_eq!(VALUE.get().map(Cell::get), Some(7));
        let other = std::thread::spawn(|| VALUE.get().is_none()).join();
        assert!(other.is_ok_and(|unseen| unseen));
    }
}
