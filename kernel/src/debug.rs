//! `debug!` and its kin: lines from the kernel to wherever the board sends them; and panics.
//!
//! The board names one writer; without one, nothing is printed. What a writer has no room for is
//! its own to drop, and to say so.

use crate::capabilities::SetDebugWriterCapability;
use crate::hil;
use crate::platform::chip::{Chip, PanicWriter, ThreadIdProvider};
use crate::platform::mpu::MPU;
use crate::process::{Process, ProcessPrinter, ProcessSlot};
use crate::processbuffer::ReadableProcessSlice;
use crate::utilities::binary_write::BinaryToWriteWrapper;
use crate::utilities::cells::{MapCell, NumericCellExt};
use core::cell::Cell;
use core::fmt::{Arguments, Write};
use core::panic::PanicInfo;

pub use crate::utilities::io_write::IoWrite;

/// Where lines go.
pub trait DebugWriter {
    /// Writes bytes; returns how many it took. When they do not all fit, `overflow_message` ends
    /// what does.
    fn write(&self, bytes: &[u8], overflow_message: &[u8]) -> usize;
    /// Bytes it has room for; `usize::MAX` without a limit.
    fn available_len(&self) -> usize;
    /// Bytes it holds.
    fn to_write_len(&self) -> usize;
    /// Starts to send what it holds; returns how many bytes.
    fn publish(&self) -> usize;
    /// Writes what it holds to `writer` instead.
    fn flush(&self, writer: &mut dyn IoWrite);
}

impl Write for &dyn DebugWriter {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        self.write(s.as_bytes(), b"");
        Ok(())
    }
}

type Pins = &'static [&'static dyn hil::gpio::Pin];

/// What this module keeps.
struct State {
    writer: Cell<Option<&'static dyn DebugWriter>>,
    /// Verbose lines so far.
    count: Cell<usize>,
    pins: Cell<Pins>,
}

impl State {
    const fn new() -> Self {
        State {
            writer: Cell::new(None),
            count: Cell::new(0),
            pins: Cell::new(&[]),
        }
    }
}

#[cfg(not(feature = "std"))]
fn with<R>(f: impl FnOnce(&State) -> R) -> R {
    use crate::utilities::kernel_static::KernelStatic;
    static STATE: KernelStatic<State> = KernelStatic::new(State::new());
    // SAFETY: without `std` this is the firmware's kernel: one thread.
    unsafe { STATE.with(f) }
}

#[cfg(feature = "std")]
fn with<R>(f: impl FnOnce(&State) -> R) -> R {
    std::thread_local! {
        static STATE: State = const { State::new() };
    }
    STATE.with(f)
}

/// Kept for boards written for upstream: the state needs no initialisation here.
pub fn initialize_debug_writer_wrapper<P: ThreadIdProvider>() {}

/// As [`initialize_debug_writer_wrapper`], for chips without atomic operations.
///
/// # Safety
/// None is needed here; upstream's must not run twice at a time.
pub unsafe fn initialize_debug_writer_wrapper_unsafe<P: ThreadIdProvider>() {}

/// Names the writer.
pub fn set_debug_writer_wrapper<C: SetDebugWriterCapability>(
    debug_writer: &'static dyn DebugWriter,
    _cap: C,
) {
    with(|s| s.writer.set(Some(debug_writer)));
}

fn writer() -> Option<&'static dyn DebugWriter> {
    with(|s| s.writer.get())
}

/// Writes text, if there is a writer.
pub fn debug_print(args: Arguments<'_>) {
    if let Some(mut w) = writer() {
        // A writer takes what it has room for, and never fails.
        let _ = w.write_fmt(args);
        w.publish();
    }
}

/// Writes a line, if there is a writer. Use `debug!`.
pub fn debug_println(args: Arguments<'_>) {
    debug_print(format_args!("{args}\r\n"));
}

/// As [`debug_print`], with how many of these there were before, and where the call is.
pub fn debug_verbose_print(args: Arguments<'_>, file_line: &(&'static str, u32)) {
    let count = with(|s| s.count.get_and_increment());
    let (file, line) = file_line;
    debug_print(format_args!("TOCK_DEBUG({count}): {file}:{line}: {args}"));
}

/// As [`debug_verbose_print`], a line. Use `debug_verbose!`.
pub fn debug_verbose_println(args: Arguments<'_>, file_line: &(&'static str, u32)) {
    debug_verbose_print(format_args!("{args}\r\n"), file_line);
}

/// Writes bytes of a process; returns how many were taken.
///
/// # Errors
/// There is no writer.
#[allow(clippy::result_unit_err)]
pub fn debug_slice(slice: &ReadableProcessSlice) -> Result<usize, ()> {
    let w = writer().ok_or(())?;
    let total = slice
        .iter()
        .take_while(|b| w.write(&[b.get()], b"") > 0)
        .count();
    w.publish();
    Ok(total)
}

/// Bytes that the writer has room for; 0 without one.
pub fn debug_available_len() -> usize {
    writer().map_or(0, |w| w.available_len())
}

/// Bytes that the writer holds.
pub fn debug_to_write_len() -> usize {
    writer().map_or(0, |w| w.to_write_len())
}

/// Writes what the debug writer holds to another.
pub fn flush<W: Write + IoWrite>(target: &mut W) {
    if let Some(w) = writer() {
        let _ = target.write_str("\r\n---| What debug! had not sent yet |---\r\n");
        w.flush(target);
    }
}

/// Prints a line.
#[macro_export]
macro_rules! debug {
    () => { $crate::debug!("") };
    ($msg:expr $(,)?) => { $crate::debug::debug_println(format_args!($msg)) };
    ($fmt:expr, $($arg:tt)+) => { $crate::debug::debug_println(format_args!($fmt, $($arg)+)) };
}

/// Prints bytes of a process: a [`crate::processbuffer::ReadableProcessSlice`].
#[macro_export]
macro_rules! debug_process_slice {
    ($msg:expr $(,)?) => {
        $crate::debug::debug_slice($msg)
    };
}

/// Prints a line, and where it is.
#[macro_export]
macro_rules! debug_verbose {
    () => { $crate::debug_verbose!("") };
    ($msg:expr $(,)?) => {
        $crate::debug::debug_verbose_println(format_args!($msg), &(file!(), line!()))
    };
    ($fmt:expr, $($arg:tt)+) => {
        $crate::debug::debug_verbose_println(format_args!($fmt, $($arg)+), &(file!(), line!()))
    };
}

/// Prints an expression, where it is and its value, and is that value.
#[macro_export]
macro_rules! debug_expr {
    () => { $crate::debug!("[{}:{}]", file!(), line!()) };
    ($val:expr $(,)?) => {
        match $val {
            value => {
                $crate::debug!("[{}:{}] {} = {:#?}", file!(), line!(), stringify!($val), &value);
                value
            }
        }
    };
    ($($val:expr),+ $(,)?) => { ($($crate::debug_expr!($val)),+,) };
}

/// Kept for boards written for upstream: the pins need no initialisation here.
pub fn initialize_debug_gpio<P: ThreadIdProvider>() {}

/// As [`initialize_debug_gpio`], for chips without atomic operations.
///
/// # Safety
/// None is needed here; upstream's must not run twice at a time.
pub unsafe fn initialize_debug_gpio_unsafe<P: ThreadIdProvider>() {}

/// Names the pins of `debug_gpio!`.
pub fn assign_gpios(gpios: &'static [&'static dyn hil::gpio::Pin]) {
    with(|s| s.pins.set(gpios));
}

/// Calls `f` with a pin, if there is one of this number. Use `debug_gpio!`.
pub fn debug_gpio_with<R>(index: usize, f: impl FnOnce(&dyn hil::gpio::Pin) -> R) -> Option<R> {
    with(|s| s.pins.get()).get(index).map(|pin| f(*pin))
}

/// Calls a method of a debug pin: `debug_gpio!(0, toggle)`.
#[macro_export]
macro_rules! debug_gpio {
    ($i:tt, $method:ident $(,)?) => {{
        let _ = $crate::debug::debug_gpio_with($i, |pin| {
            pin.$method();
        });
    }};
}

/// What a panic tells of, as the board comes to know it.
pub struct PanicResources<C: Chip + 'static, PP: ProcessPrinter + 'static> {
    /// The chip.
    pub chip: MapCell<&'static C>,
    /// Its processes.
    pub processes: MapCell<&'static [ProcessSlot]>,
    /// What prints them.
    pub printer: MapCell<&'static PP>,
}

impl<C: Chip, PP: ProcessPrinter> PanicResources<C, PP> {
    /// Nothing yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        PanicResources {
            chip: MapCell::empty(),
            processes: MapCell::empty(),
            printer: MapCell::empty(),
        }
    }
}

/// Prints everything about a panic.
///
/// # Safety
/// Only when nothing else will run any more.
pub unsafe fn panic_print<PW: PanicWriter, C: Chip, PP: ProcessPrinter>(
    panic_writer_config: PW::Config,
    panic_info: &PanicInfo,
    nop: &dyn Fn(),
    panic_resources: Option<&PanicResources<C, PP>>,
) {
    panic_begin(nop);
    // SAFETY: the caller's promise.
    let mut writer = unsafe { PW::create_panic_writer(panic_writer_config) };
    if debug_to_write_len() > 0 {
        flush(&mut writer);
    }
    panic_banner(&mut writer, panic_info);
    let chip = panic_resources.and_then(|r| r.chip.get());
    // SAFETY: the caller's promise.
    unsafe { panic_cpu_state(chip, &mut writer) };
    if let Some(chip) = chip {
        // SAFETY: no process will run, and its memory is about to be read.
        unsafe { chip.mpu().disable_app_mpu() };
    }
    if let Some(r) = panic_resources {
        panic_process_info(
            r.processes.get().unwrap_or(&[]),
            r.printer.get(),
            &mut writer,
        );
    }
}

/// [`panic_print`], then [`panic_blink_forever`].
///
/// # Safety
/// As [`panic_print`].
pub unsafe fn panic<L: hil::led::Led, PW: PanicWriter, C: Chip, PP: ProcessPrinter>(
    leds: &mut [&L],
    panic_writer_config: PW::Config,
    panic_info: &PanicInfo,
    nop: &dyn Fn(),
    panic_resources: Option<&PanicResources<C, PP>>,
) -> ! {
    // SAFETY: the caller's promise.
    unsafe { panic_print::<PW, C, PP>(panic_writer_config, panic_info, nop, panic_resources) };
    panic_blink_forever(leds)
}

/// Lets a UART send what it still holds.
pub fn panic_begin(nop: &dyn Fn()) {
    (0..200_000).for_each(|_| nop());
}

/// Prints what a panic said, and which kernel it was.
pub fn panic_banner<W: Write>(writer: &mut W, panic_info: &PanicInfo) {
    let _ = write!(
        writer,
        "\r\n{panic_info}\r\n\tKernel version {}.{}.{}",
        crate::KERNEL_MAJOR_VERSION,
        crate::KERNEL_MINOR_VERSION,
        crate::KERNEL_PATCH_VERSION
    );
    let _ = match crate::KERNEL_PRERELEASE_VERSION {
        0 => writer.write_str("\r\n"),
        n => write!(writer, "-dev{n}\r\n"),
    };
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
    let Some(printer) = process_printer.filter(|_| !cfg!(feature = "no_debug_panics")) else {
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
        let mut bytes = BinaryToWriteWrapper::new(writer);
        context = printer.print_overview(process, &mut bytes, context);
        if context.is_none() {
            break;
        }
    }
    process.print_full_process(writer);
}

/// Blinks LEDs unevenly, for ever: a panic, seen from afar.
pub fn panic_blink_forever<L: hil::led::Led>(leds: &mut [&L]) -> ! {
    leds.iter().for_each(|led| led.init());
    let hold = |on: bool, times: u32| {
        for _ in 0..times {
            for led in leds.iter() {
                if on { led.on() } else { led.off() }
            }
        }
    };
    loop {
        for (on, off) in [(1_000_000, 100_000), (1_000_000, 500_000)] {
            hold(true, on);
            hold(false, off);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::cell::RefCell;
    use std::string::String;
    use std::vec::Vec;

    /// Room for so many bytes; what is published is sent.
    struct Buffered {
        held: RefCell<Vec<u8>>,
        sent: RefCell<Vec<u8>>,
        room: usize,
    }
    impl DebugWriter for Buffered {
        fn write(&self, bytes: &[u8], overflow_message: &[u8]) -> usize {
            let n = bytes.len().min(self.available_len());
            self.held.borrow_mut().extend(&bytes[..n]);
            if n < bytes.len() {
                self.held.borrow_mut().extend(overflow_message);
            }
            n
        }
        fn available_len(&self) -> usize {
            self.room - self.held.borrow().len()
        }
        fn to_write_len(&self) -> usize {
            self.held.borrow().len()
        }
        fn publish(&self) -> usize {
            let held = self.held.take();
            self.sent.borrow_mut().extend(&held);
            held.len()
        }
        fn flush(&self, writer: &mut dyn IoWrite) {
            writer.write(&self.held.take());
        }
    }

    struct Cap;
    // SAFETY: a test.
    unsafe impl SetDebugWriterCapability for Cap {}

    #[test]
    fn macros_print_lines_through_the_board_s_writer() {
        crate::debug!("nobody hears this");
        assert_eq!(debug_available_len(), 0);
        let w: &'static Buffered = Box::leak(Box::new(Buffered {
            held: RefCell::default(),
            sent: RefCell::default(),
            room: 64,
        }));
        set_debug_writer_wrapper(w, Cap);
        let n = 5;
        crate::debug!("n is {n}");
        crate::debug!("n is {:03}", n);
        crate::debug!();
        crate::debug_verbose!("here");
        crate::debug_verbose!("and {}", "here");
        let line = line!() + 1;
        assert_eq!(crate::debug_expr!(n + 1), 6);
        let shared: &ReadableProcessSlice = (&b"from userspace"[..]).into();
        assert_eq!(crate::debug_process_slice!(shared), Ok(14));
        let said = String::from_utf8(w.sent.take()).unwrap();
        let mut lines = said.split("\r\n");
        assert_eq!(lines.next(), Some("n is 5"));
        assert_eq!(lines.next(), Some("n is 005"));
        assert_eq!(lines.next(), Some(""));
        assert!(
            lines
                .next()
                .is_some_and(|l| l.starts_with("TOCK_DEBUG(0): ") && l.ends_with(": here"))
        );
        assert!(
            lines
                .next()
                .is_some_and(|l| l.starts_with("TOCK_DEBUG(1): "))
        );
        let expr = lines.next().unwrap_or_default();
        assert!(
            expr.ends_with(&std::format!(":{line}] n + 1 = 6")),
            "{expr}"
        );
        assert_eq!(lines.next(), Some("from userspace"));
        assert_eq!((debug_available_len(), debug_to_write_len()), (64, 0));
    }
}
