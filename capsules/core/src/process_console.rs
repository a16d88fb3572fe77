//! A console for people: what the processes do, and power over them.
//!
//! Owns the command line (echo, editing, history) and the commands:
//! `help`, `status`, `list`, `stop N`, `start N`, `boot N`, `terminate N`, `fault N`, `process N`
//! (N is a process's name), `kernel`, `reset`, `panic`, `console-stop`, `console-start`.
//! What it prints is upstream's to the byte, for scripts that read it; it says more where upstream
//! says nothing (no process of that name). It shares its UART with others through the mux: a board
//! that starts it quiet hears nothing of it, not even a prompt, before somebody presses Enter.
//! Whoever composes it hands it the capability over processes; without, there is none.
//!
//! Invariants: one transmission and one reception at a time; what is longer than the transmit
//! buffer is produced piece by piece, a row of `list` never in two; what is typed meanwhile waits.

mod line;

pub use line::Command;

use core::cell::Cell;
use core::fmt::{self, Write};
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks};
use kernel::hil::uart;
use kernel::introspection::KernelInfo;
use kernel::process::{ProcessPrinter, ProcessPrinterContext};
use kernel::utilities::binary_write::{BinaryWrite, WriteToBinaryOffsetWrapper};
use kernel::utilities::cells::{MapCell, TakeCell};
use kernel::{ErrorCode, Kernel, ProcessId};
use line::{Key, Keys, Line};

/// Length of the transmit buffer, bytes.
pub const WRITE_BUF_LEN: usize = 500;
/// Length of the buffer of what waits to be transmitted, bytes.
pub const QUEUE_BUF_LEN: usize = 300;
/// Length of the receive buffer, bytes; one is used.
pub const READ_BUF_LEN: usize = 4;
/// Length of a command, bytes.
pub const COMMAND_BUF_LEN: usize = 64;
/// Commands that are remembered.
pub const DEFAULT_COMMAND_HISTORY_LEN: usize = 10;
/// Bytes typed ahead.
const AHEAD: usize = 64;
/// From the start to the first reception, milliseconds: what booting prints comes first.
const START_MS: u32 = 100;
/// As [`START_MS`] where no prompt could get between the lines of booting.
const QUIET_START_MS: u32 = 10;

const PROMPT: &str = "tock$ ";
const WELCOME: &str = "Welcome to the process console.\r\n";
const VALID: &str = "Valid commands are: help status list stop start fault boot terminate process \
    kernel reset panic console-start console-stop\r\n";
/// What a line may begin with, in the order in which upstream looks.
const COMMANDS: [&str; 14] = [
    "console-start",
    "help",
    "console-stop",
    "start",
    "stop",
    "fault",
    "terminate",
    "boot",
    "list",
    "status",
    "process",
    "kernel",
    "reset",
    "panic",
];

/// Where the kernel lies, for the command `kernel`.
pub struct KernelAddresses {
    /// Lowest byte of the stack.
    pub stack_start: *const u8,
    /// Behind the stack.
    pub stack_end: *const u8,
    /// First byte of code.
    pub text_start: *const u8,
    /// Behind code and read-only data.
    pub text_end: *const u8,
    /// First byte of read-only data, which ends where the text does.
    pub read_only_data_start: *const u8,
    /// First byte of initialised data.
    pub relocations_start: *const u8,
    /// Behind initialised data.
    pub relocations_end: *const u8,
    /// First byte of zeroed data.
    pub bss_start: *const u8,
    /// Behind zeroed data.
    pub bss_end: *const u8,
}

/// What is being printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Nothing,
    /// What there is to type, after the kernel's version if it is asked for, from this byte on.
    Help(usize),
    Welcome(usize),
    Kernel(usize),
    Status,
    /// The rows from this process on.
    List(usize),
    Process(ProcessId, Option<ProcessPrinterContext>),
    Prompt,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It does not listen yet.
    Off,
    /// Nobody pressed Enter yet.
    Quiet,
    /// Commands are obeyed.
    Active,
    /// Only `console-start` is.
    Stopped,
}

/// The console.
pub struct ProcessConsole<
    'a,
    const COMMAND_HISTORY_LEN: usize,
    A: Alarm<'a>,
    C: ProcessManagementCapability + ProcessStartCapability,
> {
    uart: &'a dyn uart::UartData<'a>,
    alarm: &'a A,
    process_printer: &'a dyn ProcessPrinter,
    tx_buffer: TakeCell<'static, [u8]>,
    queue: TakeCell<'static, [u8]>,
    queued: Cell<usize>,
    output: Cell<Output>,
    rx_buffer: TakeCell<'static, [u8]>,
    ahead: MapCell<([u8; AHEAD], usize)>,
    keys: Cell<Keys>,
    line: MapCell<Line<COMMAND_HISTORY_LEN>>,
    mode: Cell<Mode>,
    kernel: &'static Kernel,
    kernel_addresses: KernelAddresses,
    reset_function: Option<fn() -> !>,
    capability: C,
}

impl<
    'a,
    const COMMAND_HISTORY_LEN: usize,
    A: Alarm<'a>,
    C: ProcessManagementCapability + ProcessStartCapability,
> ProcessConsole<'a, COMMAND_HISTORY_LEN, A, C>
{
    /// On this UART, whose clients the board makes this, as it does the alarm's.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        uart: &'a dyn uart::UartData<'a>,
        alarm: &'a A,
        process_printer: &'a dyn ProcessPrinter,
        tx_buffer: &'static mut [u8],
        rx_buffer: &'static mut [u8],
        queue_buffer: &'static mut [u8],
        cmd_buffer: &'static mut [u8],
        cmd_history_buffer: &'static mut [Command; COMMAND_HISTORY_LEN],
        kernel: &'static Kernel,
        kernel_addresses: KernelAddresses,
        reset_function: Option<fn() -> !>,
        capability: C,
    ) -> Self {
        ProcessConsole {
            uart,
            alarm,
            process_printer,
            tx_buffer: TakeCell::new(tx_buffer),
            queue: TakeCell::new(queue_buffer),
            queued: Cell::new(0),
            output: Cell::new(Output::Nothing),
            rx_buffer: TakeCell::new(rx_buffer),
            ahead: MapCell::new(([0; AHEAD], 0)),
            keys: Cell::new(Keys::default()),
            line: MapCell::new(Line::new(cmd_buffer, cmd_history_buffer)),
            mode: Cell::new(Mode::Off),
            kernel,
            kernel_addresses,
            reset_function,
            capability,
        }
    }

    /// Begins to listen, a moment from now, with a prompt.
    ///
    /// # Errors
    /// None here; upstream's signature.
    pub fn start(&self) -> Result<(), ErrorCode> {
        self.start_as(Mode::Active, START_MS)
    }

    /// Begins to listen, for `console-start` only.
    ///
    /// # Errors
    /// None here; upstream's signature.
    pub fn start_hibernated(&self) -> Result<(), ErrorCode> {
        self.start_as(Mode::Stopped, START_MS)
    }

    /// Begins to listen, and says nothing before somebody presses Enter.
    ///
    /// # Errors
    /// None here.
    pub fn start_quiet(&self) -> Result<(), ErrorCode> {
        self.start_as(Mode::Quiet, QUIET_START_MS)
    }

    fn start_as(&self, mode: Mode, ms: u32) -> Result<(), ErrorCode> {
        if self.mode.get() == Mode::Off {
            self.mode.set(mode);
            let ticks = self.alarm.ticks_from_ms(ms);
            self.alarm.set_alarm(self.alarm.now(), ticks);
        }
        Ok(())
    }

    /// Prints which kernel this is and what can be typed, and begins to listen if it did not.
    pub fn display_welcome(&self) {
        if self.mode.get() == Mode::Off {
            self.mode.set(Mode::Active);
            self.receive();
        }
        if self.output.get() == Output::Nothing {
            self.output.set(Output::Welcome(0));
        }
        self.pump();
    }

    fn receive(&self) {
        if let Some(buffer) = self.rx_buffer.take()
            && let Err((_, buffer)) = self.uart.receive_buffer(buffer, 1)
        {
            self.rx_buffer.replace(buffer);
        }
    }

    // ---- output

    /// Puts bytes behind what waits; what finds no room is lost.
    fn emit(&self, bytes: &[u8]) {
        self.queue.map(|queue| {
            let room = queue.get_mut(self.queued.get()..).unwrap_or_default();
            let n = bytes.len().min(room.len());
            for (to, byte) in room.iter_mut().zip(bytes) {
                *to = *byte;
            }
            self.queued.set(self.queued.get() + n);
        });
    }

    fn print(&self, text: fmt::Arguments<'_>) {
        // Writing to the queue cannot fail.
        let _ = Queue(&|bytes| self.emit(bytes)).write_fmt(text);
    }

    /// Transmits what waits, if nothing is being transmitted.
    fn pump(&self) {
        let Some(buffer) = self.tx_buffer.take() else {
            return;
        };
        let mut piece = Piece { buffer, used: 0 };
        self.queue.map(|queue| {
            let waiting = queue.get(..self.queued.get()).unwrap_or_default();
            let taken = piece.write_buffer(waiting).unwrap_or(0);
            queue.copy_within(taken..self.queued.get(), 0);
            self.queued.set(self.queued.get() - taken);
        });
        if piece.used == 0 {
            // An output may end without a byte: the next one is its turn.
            while piece.used == 0 && self.output.get() != Output::Nothing {
                let next = self.produce(&mut piece);
                self.output.set(next);
            }
        }
        let Piece { buffer, used } = piece;
        if used == 0 {
            self.tx_buffer.replace(buffer);
        } else if let Err((_, buffer)) = self.uart.transmit_buffer(buffer, used) {
            // Lost: there is nobody to tell.
            self.tx_buffer.replace(buffer);
        }
    }

    /// Writes a piece of the output; what comes next.
    fn produce(&self, piece: &mut Piece) -> Output {
        match self.output.get() {
            Output::Nothing => Output::Nothing,
            Output::Help(offset) => match piece.text(offset, write_help) {
                Some(more) => Output::Help(more),
                None => Output::Prompt,
            },
            Output::Welcome(offset) => {
                let text = |w: &mut dyn Write| write_version(w).and_then(|()| write_help(w));
                match piece.text(offset, text) {
                    Some(more) => Output::Welcome(more),
                    None => Output::Prompt,
                }
            }
            Output::Kernel(offset) => match piece.text(offset, |w| self.write_kernel(w)) {
                Some(more) => Output::Kernel(more),
                None => Output::Prompt,
            },
            Output::Status => {
                let _ = piece.text(0, |w| self.write_status(w));
                Output::Prompt
            }
            Output::List(first) => self.list(piece, first),
            Output::Process(id, context) => {
                let more = self.kernel.process_map_or_external(
                    None,
                    id,
                    |p| self.process_printer.print_overview(p, piece, context),
                    &self.capability,
                );
                match more {
                    Some(context) => Output::Process(id, Some(context)),
                    None => Output::Prompt,
                }
            }
            Output::Prompt => {
                if self.mode.get() == Mode::Active {
                    let _ = piece.write_buffer(PROMPT.as_bytes());
                }
                Output::Nothing
            }
        }
    }

    fn write_status(&self, w: &mut dyn Write) -> fmt::Result {
        let info = KernelInfo::new(self.kernel);
        write!(
            w,
            "Total processes: {}\r\nActive processes: {}\r\nTimeslice expirations: {}\r\n",
            info.number_loaded_processes(&self.capability),
            info.number_active_processes(&self.capability),
            info.timeslice_expirations(&self.capability),
        )
    }

    /// The version and a map of the image, highest address first.
    fn write_kernel(&self, w: &mut dyn Write) -> fmt::Result {
        let a = &self.kernel_addresses;
        // Name, first byte and end; what stands at the side; the edge below, and what at its side.
        let regions = [
            ("  BSS", a.bss_start, a.bss_end, "", a.relocations_end, " S"),
            (
                "  Relocate",
                a.relocations_start,
                a.relocations_end,
                "            R",
                a.stack_end,
                " A",
            ),
            (
                "▼ Stack",
                a.stack_start,
                a.stack_end,
                "            M",
                a.stack_start,
                "",
            ),
            (
                "  RoData",
                a.read_only_data_start,
                a.text_end,
                "            L",
                a.read_only_data_start,
                " A",
            ),
            (
                "  Code",
                a.text_start,
                a.read_only_data_start,
                "            S",
                a.text_start,
                " H",
            ),
        ];
        write_version(w)?;
        w.write_str("\r\n ╔═══════════╤")?;
        across(
            w,
            '═',
            30,
            "╗\r\n ║  Address  │ Region Name    Used (bytes)  ║",
        )?;
        write!(w, "\r\n ╚{:#010X}═╪", a.bss_end.addr())?;
        across(w, '═', 30, "╝")?;
        for (name, start, end, side, below, edge_side) in regions {
            if end == a.text_end {
                w.write_str("\r\n             .....")?;
                write!(w, "\r\n  {:#010X} ┼", end.addr())?;
                across(w, '─', 31, " F")?;
            }
            let size = end.addr().saturating_sub(start.addr());
            write!(w, "\r\n             │ {name:<12} {size:>6}{side}")?;
            write!(w, "\r\n  {:#010X} ┼", below.addr())?;
            across(w, '─', 31, edge_side)?;
        }
        w.write_str("\r\n")
    }

    /// Writes the rows that fit, from process `first` on.
    fn list(&self, piece: &mut Piece, first: usize) -> Output {
        const HEAD: &str =
            " PID    ShortID    Name                Quanta  Syscalls  Restarts  Grants  State\r\n";
        if first == 0 && !piece.whole(|w| w.write_str(HEAD)) {
            return Output::List(0);
        }
        let info = KernelInfo::new(self.kernel);
        let processes = self.kernel.process_iter_capability(&self.capability);
        for (i, p) in processes.enumerate().skip(first.saturating_sub(1)) {
            let id = p.processid();
            let (used, of) = info.number_app_grant_uses(id, &self.capability);
            let row = |w: &mut dyn Write| {
                write!(
                    w,
                    " {:<7}{:<10} {:<20}{:>6}{:>10}{:>10}  {used:>2}/{of:>2}   {:?}\r\n",
                    id.id(),
                    Text::of(&p.short_app_id()),
                    p.get_process_name(),
                    p.debug_timeslice_expiration_count(),
                    p.debug_syscall_count(),
                    p.get_restart_count(),
                    p.get_state(),
                )
            };
            if !piece.whole(row) {
                return Output::List(i + 1);
            }
        }
        Output::Prompt
    }

    // ---- input

    /// Obeys what was typed, up to a command whose output has to end first.
    fn obey(&self) {
        loop {
            if self.output.get() != Output::Nothing {
                return;
            }
            let next = self.ahead.map(|(bytes, n)| {
                let first = bytes.first().copied().filter(|_| *n > 0)?;
                bytes.copy_within(1.., 0);
                *n -= 1;
                Some(first)
            });
            let Some(Some(byte)) = next else {
                return;
            };
            let mut keys = self.keys.get();
            let key = keys.key(byte);
            self.keys.set(keys);
            if let Some(key) = key {
                self.key(key);
            }
        }
    }

    fn key(&self, key: Key) {
        let loud = self.mode.get() == Mode::Active;
        if key != Key::Enter {
            self.line.map(|line| {
                line.key(key, &mut |bytes| {
                    if loud {
                        self.emit(bytes);
                    }
                });
            });
            return;
        }
        if loud {
            self.emit(b"\r\n");
        }
        let mut command = [0; COMMAND_BUF_LEN];
        let length = self.line.map_or(0, |line| line.take(&mut command));
        let text = command.get(..length).unwrap_or_default();
        let words = core::str::from_utf8(text).unwrap_or_default().trim();
        match (self.mode.get(), words) {
            (Mode::Quiet, "") => {
                self.mode.set(Mode::Active);
                self.output.set(Output::Prompt);
            }
            (Mode::Stopped, _) if words.starts_with("console-start") => {
                self.mode.set(Mode::Active);
                self.output.set(Output::Prompt);
            }
            (Mode::Stopped, _) => {}
            (Mode::Off | Mode::Quiet | Mode::Active, _) => {
                self.mode.set(Mode::Active);
                self.output.set(Output::Prompt);
                self.command(words);
            }
        }
    }

    /// Does a command, or arranges for its output.
    fn command(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let Some(command) = COMMANDS.into_iter().find(|c| text.starts_with(c)) else {
            self.output.set(Output::Help(WELCOME.len()));
            return;
        };
        match command {
            "help" => self.output.set(Output::Help(0)),
            "status" => self.output.set(Output::Status),
            "list" => self.output.set(Output::List(0)),
            "kernel" => self.output.set(Output::Kernel(0)),
            "console-start" => {}
            "console-stop" => {
                self.emit(
                    b"Disabling the process console.\r\nRun console-start to reactivate.\r\n",
                );
                self.mode.set(Mode::Stopped);
            }
            "reset" => match self.reset_function {
                Some(reset) => reset(),
                None => self.emit(b"Reset function is not implemented"),
            },
            "panic" => panic!("Process Console forced a kernel panic."),
            _ => self.of_name(command, text.split_ascii_whitespace().nth(1)),
        }
    }

    /// Does a command to every process of a name, as upstream does; says so when there is none.
    fn of_name(&self, command: &str, name: Option<&str>) {
        let Some(name) = name else {
            return self.print(format_args!("{command} needs a process's name\r\n"));
        };
        let mut found = false;
        for p in self.kernel.process_iter_capability(&self.capability) {
            if p.get_process_name() != name {
                continue;
            }
            let first = !core::mem::replace(&mut found, true);
            let done = match command {
                "stop" => "stopped",
                "start" => "resumed.",
                "terminate" => "terminated",
                "fault" => "now faulted",
                _ => "",
            };
            if !done.is_empty() {
                // First: the policy of faults may end the kernel.
                self.print(format_args!("Process {name} {done}\r\n"));
            }
            match command {
                "stop" => p.stop(),
                "start" => p.resume(),
                "terminate" => p.terminate(None),
                "fault" => p.set_fault_state(),
                "boot" => p.start(&self.capability),
                // `process`: of several the first.
                _ if first => self.output.set(Output::Process(p.processid(), None)),
                _ => {}
            }
        }
        if !found {
            self.print(format_args!("No process named {name}\r\n"));
        }
    }
}

fn write_version(w: &mut dyn Write) -> fmt::Result {
    write!(
        w,
        "Kernel version: {}.{} (build {})\r\n",
        kernel::KERNEL_MAJOR_VERSION,
        kernel::KERNEL_MINOR_VERSION,
        option_env!("TOCK_KERNEL_VERSION").unwrap_or("unknown"),
    )
}

fn write_help(w: &mut dyn Write) -> fmt::Result {
    w.write_str(WELCOME)?;
    w.write_str(VALID)
}

/// So many of a character, and what stands behind them.
fn across(w: &mut dyn Write, c: char, times: usize, end: &str) -> fmt::Result {
    (0..times).try_for_each(|_| w.write_char(c))?;
    w.write_str(end)
}

/// Something short as text, so that it can be padded.
struct Text([u8; 12], usize);

impl Text {
    fn of(value: &impl fmt::Debug) -> Text {
        let mut text = Text([0; 12], 0);
        // What is longer is cut.
        let _ = write!(text, "{value:?}");
        text
    }
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.0.get_mut(self.1..).unwrap_or_default();
        for (to, byte) in room.iter_mut().zip(s.bytes()) {
            *to = byte;
            self.1 += 1;
        }
        Ok(())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.get(..self.1).unwrap_or_default();
        f.pad(core::str::from_utf8(bytes).unwrap_or_default())
    }
}

struct Queue<'a>(&'a dyn Fn(&[u8]));

impl Write for Queue<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        (self.0)(s.as_bytes());
        Ok(())
    }
}

/// The transmit buffer while it is filled.
struct Piece {
    buffer: &'static mut [u8],
    used: usize,
}

impl BinaryWrite for Piece {
    fn write_buffer(&mut self, bytes: &[u8]) -> Result<usize, ()> {
        let room = self.buffer.get_mut(self.used..).unwrap_or_default();
        let n = bytes.len().min(room.len());
        for (to, byte) in room.iter_mut().zip(bytes) {
            *to = *byte;
        }
        self.used += n;
        Ok(n)
    }
}

impl Piece {
    /// Writes a text from byte `offset` on; where to go on when it did not fit.
    fn text(
        &mut self,
        offset: usize,
        f: impl FnOnce(&mut dyn Write) -> fmt::Result,
    ) -> Option<usize> {
        let mut w = WriteToBinaryOffsetWrapper::new(self);
        w.set_offset(offset);
        // Its error is that it did not fit.
        let _ = f(&mut w);
        w.bytes_remaining().then(|| w.get_index())
    }

    /// Writes a text that fits as a whole, or nothing of it. An empty buffer takes what it can.
    fn whole(&mut self, f: impl FnOnce(&mut dyn Write) -> fmt::Result) -> bool {
        let before = self.used;
        let fits = self.text(0, f).is_none();
        if !fits && before > 0 {
            self.used = before;
            return false;
        }
        true
    }
}

impl<
    'a,
    const COMMAND_HISTORY_LEN: usize,
    A: Alarm<'a>,
    C: ProcessManagementCapability + ProcessStartCapability,
> AlarmClient for ProcessConsole<'a, COMMAND_HISTORY_LEN, A, C>
{
    fn alarm(&self) {
        if self.mode.get() == Mode::Active {
            self.output.set(Output::Prompt);
            self.pump();
        }
        self.receive();
    }
}

impl<
    'a,
    const COMMAND_HISTORY_LEN: usize,
    A: Alarm<'a>,
    C: ProcessManagementCapability + ProcessStartCapability,
> uart::TransmitClient for ProcessConsole<'a, COMMAND_HISTORY_LEN, A, C>
{
    fn transmitted_buffer(&self, buffer: &'static mut [u8], _: usize, _: Result<(), ErrorCode>) {
        self.tx_buffer.replace(buffer);
        self.pump();
        self.obey();
        self.pump();
    }
}

impl<
    'a,
    const COMMAND_HISTORY_LEN: usize,
    A: Alarm<'a>,
    C: ProcessManagementCapability + ProcessStartCapability,
> uart::ReceiveClient for ProcessConsole<'a, COMMAND_HISTORY_LEN, A, C>
{
    fn received_buffer(
        &self,
        buffer: &'static mut [u8],
        length: usize,
        _: Result<(), ErrorCode>,
        error: uart::Error,
    ) {
        if length > 0 && error == uart::Error::None {
            self.ahead.map(|(bytes, n)| {
                if let (Some(to), Some(byte)) = (bytes.get_mut(*n), buffer.first()) {
                    *to = *byte;
                    *n += 1;
                }
            });
        }
        self.rx_buffer.replace(buffer);
        self.receive();
        self.obey();
        self.pump();
    }
}
