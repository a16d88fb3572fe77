//! `debug!`: lines from the kernel to wherever the board sends them.
//!
//! The board names one writer; without one, nothing is printed. Writing is synchronous: it is for
//! boot, faults and panics, not for a running system's data.

use crate::capabilities::SetDebugWriterCapability;
use crate::platform::chip::Chip;
use crate::process::{Process, ProcessPrinter, ProcessSlot};
use crate::utilities::binary_write::BinaryWrite;
use core::cell::Cell;
use core::fmt::{Arguments, Write};
use core::panic::PanicInfo;

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

/// Prints what a panic said, and which kernel it was.
pub fn panic_banner<W: Write>(writer: &mut W, panic_info: &PanicInfo) {
    let _ = write!(
        writer,
        "\r\n{panic_info}\r\n\tKernel version {}.{}.{}\r\n",
        crate::KERNEL_MAJOR_VERSION,
        crate::KERNEL_MINOR_VERSION,
        crate::KERNEL_PATCH_VERSION
    );
}

/// Prints the core's own registers that explain a crash.
///
/// # Safety
/// Only while nothing else runs.
pub unsafe fn panic_cpu_state<W: Write, C: Chip>(chip: Option<&C>, writer: &mut W) {
    // SAFETY: the caller's promise.
    unsafe { C::print_state(chip, writer) };
}

/// Prints everything about every process.
pub fn panic_process_info<W: Write, PP: ProcessPrinter + ?Sized>(
    processes: &[ProcessSlot],
    process_printer: Option<&PP>,
    writer: &mut W,
) {
    let Some(printer) = process_printer else {
        return;
    };
    let _ = write!(writer, "\r\n---| App Status |---\r\n");
    for process in processes.iter().filter_map(ProcessSlot::get) {
        print_process(process, printer, writer);
    }
}

/// Prints everything about one process.
pub fn print_process<W: Write, PP: ProcessPrinter + ?Sized>(
    process: &dyn Process,
    printer: &PP,
    writer: &mut W,
) {
    let mut context = None;
    loop {
        context = printer.print_overview(process, &mut Bytes(writer), context);
        if context.is_none() {
            break;
        }
    }
    process.print_full_process(writer);
}

/// All of the above.
///
/// # Safety
/// Only when nothing else will run any more.
pub unsafe fn panic_print<W: Write, C: Chip, PP: ProcessPrinter + ?Sized>(
    writer: &mut W,
    panic_info: &PanicInfo,
    nop: &dyn Fn(),
    processes: &[ProcessSlot],
    chip: Option<&C>,
    process_printer: Option<&PP>,
) {
    // What is still on its way out of a UART.
    (0..100).for_each(|_| nop());
    panic_banner(writer, panic_info);
    // SAFETY: the caller's promise.
    unsafe { panic_cpu_state(chip, writer) };
    panic_process_info(processes, process_printer, writer);
}

/// A text writer as a writer of bytes that are text.
struct Bytes<'a, W: Write>(&'a mut W);

impl<W: Write> BinaryWrite for Bytes<'_, W> {
    fn write_buffer(&mut self, buffer: &[u8]) -> Result<usize, ()> {
        for piece in buffer.utf8_chunks() {
            self.0.write_str(piece.valid()).map_err(|_| ())?;
        }
        Ok(buffer.len())
    }
}
