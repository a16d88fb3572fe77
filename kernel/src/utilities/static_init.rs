//! Static memory that is handed out once.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

/// Uninitialised static memory for one `T`; it lies at the start, for those who look it up by name.
#[repr(C)]
pub struct StaticBuf<T> {
    value: UnsafeCell<MaybeUninit<T>>,
    taken: AtomicBool,
}

// SAFETY: `take` hands the memory out at most once and uninitialised, so that no `T` is ever
// shared or sent through this type.
unsafe impl<T> Sync for StaticBuf<T> {}

impl<T> StaticBuf<T> {
    /// Reserves the memory.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        StaticBuf {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Hands the memory out.
    ///
    /// # Panics
    /// The second time. Boards call it once per place in their set-up code.
    #[allow(clippy::mut_from_ref)]
    pub fn take(&'static self) -> &'static mut MaybeUninit<T> {
        // Plain load and store would do on one core; the swap keeps it sound on a host.
        assert!(
            !self.taken.swap(true, Ordering::AcqRel),
            "static_buf taken twice"
        );
        // SAFETY: the flag was clear, so this is the only reference ever made to the memory.
        unsafe { &mut *self.value.get() }
    }
}

/// `static_buf!(T)`: `&'static mut MaybeUninit<T>`; a second execution of the same place panics.
#[macro_export]
macro_rules! static_buf {
    ($T:ty $(,)?) => {{
        static BUF: $crate::utilities::static_init::StaticBuf<$T> =
            $crate::utilities::static_init::StaticBuf::new();
        BUF.take()
    }};
}

/// `static_init!(T, value)`: `&'static mut T`.
#[macro_export]
macro_rules! static_init {
    ($T:ty, $e:expr $(,)?) => {{
        let buf = $crate::static_buf!($T);
        buf.write($e)
    }};
}

/// `static_named_buf!(T, "NAME")`: as `static_buf!`, and the memory has that symbol.
#[macro_export]
macro_rules! static_named_buf {
    ($T:ty, $N:expr $(,)?) => {{
        #[used]
        #[unsafe(export_name = $N)]
        static BUF: $crate::utilities::static_init::StaticBuf<$T> =
            $crate::utilities::static_init::StaticBuf::new();
        BUF.take()
    }};
}
