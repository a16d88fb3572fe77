//! `debug!`: lines from the kernel to wherever the board sends them.
//!
//! The board names one writer; without one, nothing is printed. Writing is synchronous: it is for
//! boot, faults and panics, not for a running system's data.

use crate::capabilities::SetDebugWriterCapability;
use core::cell::Cell;
use core::fmt::Arguments;

/// Where lines go.
pub trait DebugWriter {
    /// Writes a piece of text.
    fn write(&self, args: Arguments<'_>);
}

type Slot = Cell<Option<&'static dyn DebugWriter>>;

#[cfg(not(feature = "std"))]
fn with<R>(f: impl FnOnce(&Slot) -> R) -> R {
    use crate::utilities::single_thread_value::SingleThreadValue;
    static WRITER: SingleThreadValue<Slot> = SingleThreadValue::new(Cell::new(None));
    // SAFETY: without `std` this is the firmware's kernel: one thread.
    unsafe { WRITER.with(f) }
}

#[cfg(feature = "std")]
fn with<R>(f: impl FnOnce(&Slot) -> R) -> R {
    std::thread_local! {
        static WRITER: Slot = const { Cell::new(None) };
    }
    WRITER.with(f)
}

/// Names the writer.
pub fn set_debug_writer(writer: &'static dyn DebugWriter, _cap: &dyn SetDebugWriterCapability) {
    with(|w| w.set(Some(writer)));
}

/// Writes text, if there is a writer. Use `debug!`.
pub fn debug_print(args: Arguments<'_>) {
    if let Some(w) = with(Cell::get) {
        w.write(args);
    }
}

/// Prints a line.
#[macro_export]
macro_rules! debug {
    () => { $crate::debug::debug_print(format_args!("\r\n")) };
    ($msg:expr $(,)?) => { $crate::debug::debug_print(format_args!(concat!($msg, "\r\n"))) };
    ($fmt:expr, $($arg:tt)+) => {
        $crate::debug::debug_print(format_args!(concat!($fmt, "\r\n"), $($arg)+))
    };
}
