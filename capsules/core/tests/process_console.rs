//! The process console at a fake UART, over real processes.

mod common;

use capsules_core::process_console::{Command, KernelAddresses, ProcessConsole};
use common::leak;
use kernel::ErrorCode;
use kernel::hil::time::{Alarm, AlarmClient, Freq1MHz, Ticks32, Time};
use kernel::hil::uart::{Error, Receive, ReceiveClient, Transmit, TransmitClient};
use kernel::process::{Process, ProcessPrinter, ProcessPrinterContext, State};
use kernel::testing::{Everything, TestKernel, TestProcess};
use kernel::utilities::binary_write::{BinaryWrite, WriteToBinaryOffsetWrapper};
use std::cell::{Cell, RefCell};
use std::fmt::Write;

/// Completes only when told to.
#[derive(Default)]
struct FakeUart {
    sending: RefCell<Option<(&'static mut [u8], usize)>>,
    receiving: RefCell<Option<&'static mut [u8]>>,
    sent: RefCell<Vec<u8>>,
}

impl<'a> Transmit<'a> for FakeUart {
    fn set_transmit_client(&self, _: &'a dyn TransmitClient) {}
    fn transmit_buffer(
        &self,
        buffer: &'static mut [u8],
        n: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        assert!(n > 0 && self.sending.borrow().is_none());
        self.sent.borrow_mut().extend(&buffer[..n]);
        self.sending.replace(Some((buffer, n)));
        Ok(())
    }
    fn transmit_word(&self, _: u32) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }
    fn transmit_abort(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::BUSY)
    }
}

impl<'a> Receive<'a> for FakeUart {
    fn set_receive_client(&self, _: &'a dyn ReceiveClient) {}
    fn receive_buffer(
        &self,
        buffer: &'static mut [u8],
        n: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        assert_eq!(n, 1);
        self.receiving.replace(Some(buffer));
        Ok(())
    }
    fn receive_word(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }
    fn receive_abort(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::BUSY)
    }
}

/// Rings when told to.
struct FakeAlarm(Cell<bool>);
impl Time for FakeAlarm {
    type Frequency = Freq1MHz;
    type Ticks = Ticks32;
    fn now(&self) -> Ticks32 {
        0.into()
    }
}
impl<'a> Alarm<'a> for FakeAlarm {
    fn set_alarm_client(&self, _: &'a dyn AlarmClient) {}
    fn set_alarm(&self, _: Ticks32, _: Ticks32) {
        self.0.set(true);
    }
    fn get_alarm(&self) -> Ticks32 {
        0.into()
    }
    fn disarm(&self) -> Result<(), ErrorCode> {
        Ok(())
    }
    fn is_armed(&self) -> bool {
        self.0.get()
    }
    fn minimum_dt(&self) -> Ticks32 {
        1.into()
    }
}

/// Prints more than a buffer holds.
struct Long;
impl ProcessPrinter for Long {
    fn print_overview(
        &self,
        process: &dyn Process,
        writer: &mut dyn BinaryWrite,
        context: Option<ProcessPrinterContext>,
    ) -> Option<ProcessPrinterContext> {
        let mut w = WriteToBinaryOffsetWrapper::new(writer);
        w.set_offset(context.map_or(0, |c| c.offset));
        for i in 0..100 {
            if write!(w, "{} line {i}\r\n", process.get_process_name()).is_err() {
                break;
            }
        }
        w.bytes_remaining().then(|| ProcessPrinterContext {
            offset: w.get_index(),
        })
    }
}

type Console = ProcessConsole<'static, 3, FakeAlarm, Everything>;

struct Bench {
    uart: &'static FakeUart,
    console: &'static Console,
}

impl Bench {
    /// Over the processes of `kernel`, listening, quiet.
    fn new(kernel: &TestKernel) -> Bench {
        Self::started(kernel, |console| console.start_quiet().unwrap())
    }

    fn started(kernel: &TestKernel, start: impl FnOnce(&Console)) -> Bench {
        let uart: &FakeUart = leak(FakeUart::default());
        let alarm: &FakeAlarm = leak(FakeAlarm(Cell::new(false)));
        let at = |a: usize| core::ptr::without_provenance(a);
        let console: &Console = leak(ProcessConsole::new(
            uart,
            alarm,
            &Long,
            leak([0; 150]),
            leak([0; 4]),
            leak([0; 300]),
            leak([0; 64]),
            leak([Command::default(); 3]),
            kernel.kernel(),
            KernelAddresses {
                stack_start: at(0x2000_0000),
                stack_end: at(0x2000_1000),
                text_start: at(0x1000),
                text_end: at(0x5000),
                read_only_data_start: at(0x4000),
                relocations_start: at(0x2000_1000),
                relocations_end: at(0x2000_1100),
                bss_start: at(0x2000_1100),
                bss_end: at(0x2000_3000),
            },
            None,
            Everything,
        ));
        let bench = Bench { uart, console };
        start(console);
        assert!(uart.receiving.borrow().is_none(), "not before the alarm");
        console.alarm();
        bench
    }

    /// Types, and lets everything be sent; what was sent.
    fn types(&self, text: &str) -> String {
        for byte in text.bytes() {
            let buffer = self.uart.receiving.take().expect("it listens");
            buffer[0] = byte;
            self.console.received_buffer(buffer, 1, Ok(()), Error::None);
        }
        loop {
            let sending = self.uart.sending.take();
            let Some((buffer, n)) = sending else { break };
            self.console.transmitted_buffer(buffer, n, Ok(()));
        }
        String::from_utf8(self.uart.sent.take()).unwrap()
    }

    /// What a command says, without its echo and the prompt.
    fn says(&self, command: &str) -> String {
        let all = self.types(&format!("{command}\r"));
        let rest = all.strip_prefix(&format!("{command}\r\n")).expect(&all);
        rest.strip_suffix("tock$ ").expect(&all).to_owned()
    }
}

fn kernel() -> TestKernel {
    TestKernel::new()
}

fn started<'a>(kernel: &'a TestKernel, name: &str) -> TestProcess<'a> {
    let p = kernel.process(name);
    kernel.run();
    p
}

#[test]
fn it_is_silent_until_somebody_presses_enter() {
    let k = kernel();
    let b = Bench::new(&k);
    assert_eq!(b.types(""), "");
    assert_eq!(b.types("abc"), "", "an app's input is not echoed");
    assert_eq!(b.types("\x08\x08\x08\r"), "tock$ ");
    assert_eq!(b.types("\r\n"), "\r\ntock$ ", "CR LF is one Enter");
    assert_eq!(b.types("\n"), "\r\ntock$ ");
}

#[test]
fn upstreams_ways_to_start() {
    let k = kernel();
    let b = Bench::started(&k, |console| console.start().unwrap());
    assert_eq!(b.types(""), "tock$ ");
    // It is started: nothing else starts it again.
    b.console.start_hibernated().unwrap();
    assert!(b.says("status").starts_with("Total processes: 0"));

    let b = Bench::started(&k, |console| console.start_hibernated().unwrap());
    assert_eq!(b.types("\rstatus\r"), "");
    assert_eq!(b.types("console-start\r"), "tock$ ");

    let b = Bench::started(&k, |console| console.start().unwrap());
    b.types("");
    b.console.display_welcome();
    let welcome = b.types("");
    assert!(welcome.starts_with("Kernel version: 2.3 (build "));
    assert!(welcome.contains("\r\nWelcome to the process console.\r\nValid commands are: "));
    assert!(welcome.ends_with("\r\ntock$ "));
}

#[test]
fn list_has_a_row_for_each_process_in_upstreams_columns() {
    let k = kernel();
    let names = ["blink", "a_name_longer_than_its_column", "c", "d"];
    let ps = names.map(|n| started(&k, n));
    ps[2].process().stop();
    ps[3].wake();
    ps[3].svc(0, [2, 7, 3, 0]);
    let b = Bench::new(&k);
    b.types("\r");
    let list = b.says("list");
    let lines: Vec<&str> = list.split("\r\n").collect();
    assert_eq!(
        lines[0],
        " PID    ShortID    Name                Quanta  Syscalls  Restarts  Grants  State"
    );
    assert_eq!(
        lines[1],
        " 0      Unique     blink                    0         1         0   0/ 0   Yielded"
    );
    assert_eq!(
        lines[2],
        " 1      Unique     a_name_longer_than_its_column     0         1         0   0/ 0   Yielded"
    );
    assert!(lines[3].ends_with("/ 0   Stopped(Yielded)"), "{}", lines[3]);
    let waits = "YieldedFor(UpcallId { driver_num: 7, subscribe_num: 3 })";
    assert!(lines[4].ends_with(waits), "{}", lines[4]);
    assert_eq!(lines.len(), 6);
    // Columns stay where the head says.
    for line in &lines[1..5] {
        assert_eq!(line.find("Unique"), lines[0].find("ShortID"));
    }
}

#[test]
fn status_and_kernel_and_help() {
    let k = kernel();
    let [a, _b] = ["a", "b"].map(|n| started(&k, n));
    a.process().terminate(Some(1));
    let b = Bench::new(&k);
    b.types("\r");
    assert_eq!(
        b.says("status"),
        "Total processes: 2\r\nActive processes: 1\r\nTimeslice expirations: 0\r\n"
    );
    let kernel = b.says("kernel");
    let lines: Vec<&str> = kernel.split("\r\n").collect();
    assert!(
        lines[0].starts_with("Kernel version: 2.3 (build "),
        "{kernel}"
    );
    let rule = "─".repeat(31);
    assert_eq!(
        lines[1..],
        [
            "".into(),
            format!(" ╔{}╤{}╗", "═".repeat(11), "═".repeat(30)),
            " ║  Address  │ Region Name    Used (bytes)  ║".into(),
            format!(" ╚0x20003000═╪{}╝", "═".repeat(30)),
            "             │   BSS          7936".into(),
            format!("  0x20001100 ┼{rule} S"),
            "             │   Relocate      256            R".into(),
            format!("  0x20001000 ┼{rule} A"),
            "             │ ▼ Stack        4096            M".into(),
            format!("  0x20000000 ┼{rule}"),
            "             .....".into(),
            format!("  0x00005000 ┼{rule} F"),
            "             │   RoData       4096            L".into(),
            format!("  0x00004000 ┼{rule} A"),
            "             │   Code        12288            S".into(),
            format!("  0x00001000 ┼{rule} H"),
            "".into(),
        ]
    );
    let valid = "Valid commands are: help status list stop start fault boot terminate process \
                 kernel reset panic console-start console-stop\r\n";
    assert_eq!(
        b.says("help"),
        format!("Welcome to the process console.\r\n{valid}")
    );
    assert_eq!(b.says("nonsense"), valid);
    assert_eq!(b.says("  stat"), valid, "a part of a command is none");
    assert_eq!(b.says("reset"), "Reset function is not implemented");
    let status = b.says("status");
    assert_eq!(b.says(" status: all"), status, "what it begins with counts");
    assert_eq!(b.says(""), "");
}

#[test]
fn power_over_processes_by_name() {
    let k = kernel();
    let p = started(&k, "app");
    let other = started(&k, "other");
    let b = Bench::new(&k);
    b.types("\r");
    assert_eq!(b.says("stop app"), "Process app stopped\r\n");
    assert!(matches!(p.process().get_state(), State::Stopped(_)));
    assert_eq!(b.says("start app"), "Process app resumed.\r\n");
    assert_eq!(p.process().get_state(), State::Yielded);
    let before = p.id();
    assert_eq!(b.says("fault app"), "Process app now faulted\r\n");
    assert_ne!(p.id(), before, "the test's policy restarts");
    assert_eq!(b.says("terminate app"), "Process app terminated\r\n");
    assert_eq!(p.process().get_state(), State::Terminated);
    b.says("start app");
    assert_eq!(
        p.process().get_state(),
        State::Terminated,
        "start is not boot"
    );
    for _ in 0..2 {
        // The second finds it alive, and does nothing.
        assert_eq!(b.says("boot app"), "");
        assert_eq!(p.process().get_state(), State::Yielded);
        assert_eq!(p.process().get_restart_count(), 2);
    }
    assert_eq!(other.process().get_restart_count(), 0);
    assert_eq!(b.says("stop nobody"), "No process named nobody\r\n");
    assert!(b.says("stop").starts_with("stop needs"));
}

#[test]
fn long_output_comes_whole_and_what_is_typed_meanwhile_waits() {
    let k = kernel();
    let _p = started(&k, "app");
    let _of_the_same_name = started(&k, "app");
    let b = Bench::new(&k);
    b.types("\r");
    // Both commands arrive before the first byte of the answer has left.
    let all = b.types("process app\rstatus\r");
    let expected: String = (0..100).map(|i| format!("app line {i}\r\n")).collect();
    let rest = all.strip_prefix("process app\r\n").unwrap();
    let rest = rest.strip_prefix(&expected).expect(rest);
    assert!(
        rest.starts_with("tock$ status\r\nTotal processes: 2\r\n"),
        "{rest}"
    );
    assert!(rest.ends_with("tock$ "));
}

#[test]
fn a_line_is_edited_as_a_terminal_shows_it() {
    let k = kernel();
    let b = Bench::new(&k);
    b.types("\r");
    // What the terminal shows, byte by byte.
    let show = |sent: &str| {
        let (mut line, mut at) = (Vec::new(), 0usize);
        for byte in sent.bytes() {
            match byte {
                8 => at = at.saturating_sub(1),
                _ => {
                    if at == line.len() {
                        line.push(b' ');
                    }
                    line[at] = byte;
                    at += 1;
                }
            }
        }
        (String::from_utf8(line).unwrap().trim_end().to_owned(), at)
    };
    let (up, down, left, right) = ("\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C");
    for (keys, line, at) in [
        ("stxatus".to_owned(), "stxatus", 7),
        (format!("stus{left}{left}at"), "status", 4),
        (format!("stxatus{}\x7f{right}", left.repeat(4)), "status", 3),
        ("abc\x1b[Hx\x1b[Fy".to_owned(), "xabcy", 5),
        (format!("abc{left}{left}\x1b[3~"), "ac", 1),
        ("ab\x08\x08\x08\x08c".to_owned(), "c", 1),
        ("a\x07\x00\x1b[9~b".to_owned(), "ab", 2),
    ] {
        let sent = b.types(&keys);
        assert_eq!(show(&sent), (line.to_owned(), at), "{keys:?}");
        let done = b.types("\r");
        assert!(done.starts_with("\r\n"));
    }
    // The line is what was shown: a command edited into shape is obeyed.
    let all = b.types(&format!("stus{left}{left}at\r"));
    assert!(all.contains("Total processes"));
    // History: three are kept, the newest first, no repetition.
    for command in ["one", "two", "three", "four", "four"] {
        b.types(&format!("{command}\r"));
    }
    assert_eq!(show(&b.types(up)), ("four".into(), 4));
    assert_eq!(show(&b.types(up)).0, "three");
    b.types(up);
    assert_eq!(b.types(up), "", "no further back than the oldest");
    b.types(down);
    b.types(down);
    b.types("\x1b[F");
    let all = b.types("\r");
    assert!(all.contains("Valid commands are:"), "{all}");
    assert_eq!(show(&b.types(up)).0, "four", "it was obeyed");
    b.types("\r");
    // A line is as long as the buffer, and no longer.
    let sent = b.types(&"x".repeat(100));
    assert_eq!(sent.len(), 64);
}

#[test]
fn stopped_it_obeys_only_console_start() {
    let k = kernel();
    let p = started(&k, "app");
    let b = Bench::new(&k);
    b.types("\r");
    let all = b.types("console-stop\r");
    assert_eq!(
        all,
        "console-stop\r\nDisabling the process console.\r\nRun console-start to reactivate.\r\n"
    );
    assert_eq!(b.types("stop app\r"), "");
    assert_eq!(p.process().get_state(), State::Yielded);
    assert_eq!(b.types("console-start\r"), "tock$ ");
    b.says("stop app");
    assert!(matches!(p.process().get_state(), State::Stopped(_)));
}

#[test]
#[should_panic(expected = "Process Console forced a kernel panic.")]
fn panic_panics() {
    let k = kernel();
    Bench::new(&k).types("\rpanic\r");
}

/// Whatever is typed, it goes on listening and never sends more than it may.
#[test]
fn random_bytes_do_no_harm() {
    let k = kernel();
    let _p = started(&k, "app");
    let b = Bench::new(&k);
    let mut x = 0x9E37_79B9_7F4A_7C15u64;
    for _ in 0..20_000 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        let menu = b"\x1b[ABCDHF3~\x08\x7f\r\n listkerno\xff\x00";
        let byte = menu[(x >> 8) as usize % menu.len()];
        let buffer = b.uart.receiving.take().expect("it listens");
        buffer[0] = byte;
        b.console.received_buffer(buffer, 1, Ok(()), Error::None);
        if x.is_multiple_of(3) {
            let sending = b.uart.sending.take();
            if let Some((buffer, n)) = sending {
                b.console.transmitted_buffer(buffer, n, Ok(()));
            }
        }
    }
    b.types("\r");
    assert!(b.says("status").contains("Total processes: 1"));
}
