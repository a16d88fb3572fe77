//! The core capsules as processes see them, on the real kernel with fake hardware.

mod common;

use capsules_core::alarm::AlarmDriver;
use capsules_core::console::Console;
use capsules_core::driver::NUM;
use capsules_core::low_level_debug::LowLevelDebug;
use capsules_core::rng::RngDriver;
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::hil::rng::{Client, Continue, Rng};
use kernel::hil::time::{Alarm, AlarmClient, Freq1MHz, Ticks, Ticks64, Time};
use kernel::hil::uart::{Error, Receive, ReceiveClient, Transmit, TransmitClient};
use kernel::syscall::SyscallReturn::{Failure, Success, SuccessU32};
use kernel::testing::{Everything, TestKernel};
use std::cell::{Cell, RefCell};

const CONSOLE: usize = NUM::Console as usize;
const ALARM: usize = NUM::Alarm as usize;
const DEBUG: usize = NUM::LowLevelDebug as usize;
const RNG: usize = NUM::Rng as usize;

/// Sends into `out`, completes when told to.
#[derive(Default)]
struct FakeUart {
    transmit: Cell<Option<&'static dyn TransmitClient>>,
    receive: Cell<Option<&'static dyn ReceiveClient>>,
    sending: RefCell<Option<(&'static mut [u8], usize)>>,
    receiving: RefCell<Option<(&'static mut [u8], usize)>>,
    out: RefCell<Vec<u8>>,
}

impl FakeUart {
    /// Completes what is being sent, until nothing is.
    fn flush(&self) {
        while let Some((buffer, n)) = self.sending.take() {
            self.out.borrow_mut().extend(&buffer[..n]);
            self.transmit
                .get()
                .unwrap()
                .transmitted_buffer(buffer, n, Ok(()));
        }
    }
    fn text(&self) -> String {
        String::from_utf8(self.out.take()).unwrap()
    }
    fn arrive(&self, bytes: &[u8]) {
        let (buffer, n) = self.receiving.take().unwrap();
        assert_eq!(n, bytes.len());
        buffer[..n].copy_from_slice(bytes);
        let client = self.receive.get().unwrap();
        client.received_buffer(buffer, n, Ok(()), Error::None);
    }
}

impl Transmit<'static> for FakeUart {
    fn set_transmit_client(&self, client: &'static dyn TransmitClient) {
        self.transmit.set(Some(client));
    }
    fn transmit_buffer(
        &self,
        buffer: &'static mut [u8],
        n: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if self.sending.borrow().is_some() {
            return Err((ErrorCode::BUSY, buffer));
        }
        self.sending.replace(Some((buffer, n)));
        Ok(())
    }
    fn transmit_word(&self, _: u32) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }
    fn transmit_abort(&self) -> Result<(), ErrorCode> {
        Ok(())
    }
}

impl Receive<'static> for FakeUart {
    fn set_receive_client(&self, client: &'static dyn ReceiveClient) {
        self.receive.set(Some(client));
    }
    fn receive_buffer(
        &self,
        buffer: &'static mut [u8],
        n: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.receiving.replace(Some((buffer, n)));
        Ok(())
    }
    fn receive_word(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }
    fn receive_abort(&self) -> Result<(), ErrorCode> {
        if let Some((buffer, _)) = self.receiving.take() {
            let client = self.receive.get().unwrap();
            client.received_buffer(buffer, 0, Err(ErrorCode::CANCEL), Error::Aborted);
        }
        Ok(())
    }
}

fn console() -> (TestKernel, &'static Memory, &'static FakeUart) {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let uart: &FakeUart = leak(FakeUart::default());
    let grant = kernel
        .kernel()
        .create_grant(CONSOLE, &kernel.memory_capability());
    let console: &Console = leak(Console::new(uart, leak([0; 64]), leak([0; 64]), grant));
    uart.set_transmit_client(console);
    uart.set_receive_client(console);
    kernel.driver(CONSOLE, console);
    (kernel, memory, uart)
}

#[test]
fn a_long_write_goes_out_whole_and_another_waits() {
    let (kernel, memory, uart) = console();
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    let long: Vec<u8> = (0..200).map(|i| b'a' + i % 26).collect();
    a.put(0, &long);
    b.put(0, b"second");
    for app in [&a, &b] {
        app.subscribe(CONSOLE, 1);
        app.allow_ro(CONSOLE, 1, 0, 200);
    }
    assert_eq!(a.command(CONSOLE, 1, 200, 0), Success);
    assert_eq!(a.command(CONSOLE, 1, 200, 0), Failure(ErrorCode::BUSY));
    assert_eq!(b.command(CONSOLE, 1, 6, 0), Success);
    uart.flush();
    assert_eq!(uart.text().as_bytes(), [&long[..], b"second"].concat());
    assert_eq!(a.upcalls(), [(CONSOLE, 1, [200, 0, 0])]);
    assert_eq!(b.upcalls(), [(CONSOLE, 1, [6, 0, 0])]);
}

#[test]
fn a_write_is_bounded_by_its_buffer_as_it_is_then() {
    let (kernel, memory, uart) = console();
    let a = App::new(&kernel, memory, "a");
    a.subscribe(CONSOLE, 1);
    assert_eq!(a.command(CONSOLE, 0, 0, 0), Success);
    assert_eq!(a.command(CONSOLE, 4, 0, 0), Failure(ErrorCode::NOSUPPORT));
    assert_eq!(a.command(CONSOLE, 1, 10, 0), Success);
    assert_eq!(a.upcalls(), [(CONSOLE, 1, [0, 0, 0])]);
    // Nothing to write is written at once, though another's write is under way.
    let b = App::new(&kernel, memory, "b");
    b.allow_ro(CONSOLE, 1, 0, 5);
    assert_eq!(b.command(CONSOLE, 1, 5, 0), Success);
    assert_eq!(a.command(CONSOLE, 1, 0, 0), Success);
    assert_eq!(a.upcalls(), [(CONSOLE, 1, [0, 0, 0])]);
    uart.flush();
    uart.text();
    a.allow_ro(CONSOLE, 1, 0, 100);
    assert_eq!(a.command(CONSOLE, 1, 5000, 0), Success);
    a.allow_ro(CONSOLE, 1, 0, 70);
    uart.flush();
    assert_eq!(uart.text().len(), 70);
    assert_eq!(a.upcalls(), [(CONSOLE, 1, [70, 0, 0])]);
}

#[test]
fn reads_complete_abort_and_exclude_each_other() {
    let (kernel, memory, uart) = console();
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    for app in [&a, &b] {
        app.subscribe(CONSOLE, 2);
        app.allow_rw(CONSOLE, 1, 100, 80);
    }
    assert_eq!(a.command(CONSOLE, 2, 65, 0), Failure(ErrorCode::INVAL));
    assert_eq!(a.command(CONSOLE, 2, 4, 0), Success);
    assert_eq!(b.command(CONSOLE, 2, 4, 0), Failure(ErrorCode::BUSY));
    uart.arrive(b"ping");
    assert_eq!(a.upcalls(), [(CONSOLE, 2, [0, 4, 0])]);
    assert_eq!(a.get(100, 4), b"ping");
    assert_eq!(b.command(CONSOLE, 2, 4, 0), Success);
    b.allow_rw(CONSOLE, 1, 100, 3);
    uart.arrive(b"pong");
    let size = ErrorCode::SIZE as usize;
    assert_eq!(b.upcalls(), [(CONSOLE, 2, [size, 3, 0])]);
    assert_eq!(b.get(100, 4), b"pon\0");
    b.allow_rw(CONSOLE, 1, 100, 4);
    assert_eq!(b.command(CONSOLE, 2, 4, 0), Success);
    b.allow_rw(CONSOLE, 1, 100, 0);
    uart.arrive(b"gone");
    assert_eq!(b.upcalls(), [(CONSOLE, 2, [size, 0, 0])]);
    b.allow_rw(CONSOLE, 1, 100, 80);
    assert_eq!(a.command(CONSOLE, 2, 4, 0), Success);
    assert_eq!(a.command(CONSOLE, 3, 0, 0), Success);
    let cancel = ErrorCode::CANCEL as usize;
    assert_eq!(a.upcalls(), [(CONSOLE, 2, [cancel, 0, 0])]);
}

#[test]
fn a_dead_reader_does_not_keep_the_console() {
    let (kernel, memory, _uart) = console();
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    a.allow_rw(CONSOLE, 1, 0, 8);
    b.allow_rw(CONSOLE, 1, 0, 8);
    assert_eq!(a.command(CONSOLE, 2, 4, 0), Success);
    a.process.process().terminate(Some(1));
    assert_eq!(b.command(CONSOLE, 2, 4, 0), Failure(ErrorCode::BUSY));
    assert_eq!(b.command(CONSOLE, 2, 4, 0), Success);
}

#[test]
fn debug_words_print_as_the_protocol_says() {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let uart: &FakeUart = leak(FakeUart::default());
    let grant = kernel
        .kernel()
        .create_grant(DEBUG, &kernel.memory_capability());
    let debug: &LowLevelDebug<'static, FakeUart> =
        leak(LowLevelDebug::new(leak([0; 80]), uart, grant));
    uart.set_transmit_client(debug);
    kernel.driver(DEBUG, debug);
    let a = App::new(&kernel, memory, "a");
    let id = a.id().id();
    assert_eq!(a.command(DEBUG, 1, 2, 0), Success);
    for n in 0..6 {
        assert_eq!(a.command(DEBUG, 3, n, 0xAB), Success);
    }
    uart.flush();
    let mut expected = format!("LowLevelDebug: App {id:#x} alert code 0x2\n");
    for n in 0..4 {
        expected += &format!("LowLevelDebug: App {id:#x} prints {n:#x} 0xab\n");
    }
    expected += &format!("LowLevelDebug: Dropped 0x2 entries for app {id:#x}\n");
    assert_eq!(uart.text(), expected);
    assert_eq!(a.command(DEBUG, 9, 0, 0), Failure(ErrorCode::NOSUPPORT));
}

struct FakeAlarm {
    now: Cell<u64>,
    due: Cell<Option<u64>>,
}

impl Time for FakeAlarm {
    type Frequency = Freq1MHz;
    type Ticks = Ticks64;
    fn now(&self) -> Ticks64 {
        Ticks64::from(self.now.get())
    }
}

impl<'a> Alarm<'a> for FakeAlarm {
    fn set_alarm_client(&self, _: &'a dyn AlarmClient) {}
    fn set_alarm(&self, reference: Ticks64, dt: Ticks64) {
        self.due.set(Some(reference.wrapping_add(dt).into_u64()));
    }
    fn get_alarm(&self) -> Ticks64 {
        Ticks64::from(self.due.get().unwrap_or(0))
    }
    fn disarm(&self) -> Result<(), ErrorCode> {
        self.due.set(None);
        Ok(())
    }
    fn is_armed(&self) -> bool {
        self.due.get().is_some()
    }
    fn minimum_dt(&self) -> Ticks64 {
        Ticks64::from(1u64)
    }
}

#[test]
fn alarms_fire_each_at_its_time_over_the_wrap_of_the_low_word() {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let hardware: &FakeAlarm = leak(FakeAlarm {
        now: Cell::new(0x5_FFFF_FF00),
        due: Cell::new(None),
    });
    let grant = kernel
        .kernel()
        .create_grant(ALARM, &kernel.memory_capability());
    let driver: &AlarmDriver<'static, FakeAlarm> = leak(AlarmDriver::new(hardware, grant));
    kernel.driver(ALARM, driver);
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    a.subscribe(ALARM, 0);
    b.subscribe(ALARM, 0);
    assert_eq!(a.command(ALARM, 1, 0, 0), SuccessU32(1_000_000));
    assert_eq!(a.command(ALARM, 2, 0, 0), SuccessU32(0xFFFF_FF00));
    assert_eq!(a.command(ALARM, 3, 0, 0), Failure(ErrorCode::ALREADY));
    assert_eq!(a.command(ALARM, 4, 0, 0), Failure(ErrorCode::NOSUPPORT));
    assert_eq!(a.command(ALARM, 5, 0x200, 0), SuccessU32(0x100));
    // A reference 0x80 ticks ago.
    assert_eq!(b.command(ALARM, 6, 0xFFFF_FE80, 0x180), SuccessU32(0));
    assert_eq!(hardware.due.get(), Some(0x6_0000_0000));
    hardware.now.set(0x6_0000_0001);
    driver.alarm();
    assert_eq!(a.upcalls(), []);
    assert_eq!(b.upcalls(), [(ALARM, 0, [1, 0, 0])]);
    assert_eq!(hardware.due.get(), Some(0x6_0000_0100));
    hardware.now.set(0x6_0000_0100);
    driver.alarm();
    assert_eq!(a.upcalls(), [(ALARM, 0, [0x100, 0x100, 0])]);
    assert_eq!(hardware.due.get(), None);
    // Replaced, then stopped.
    assert_eq!(a.command(ALARM, 5, 10, 0), SuccessU32(0x10A));
    assert_eq!(a.command(ALARM, 5, 20, 0), SuccessU32(0x114));
    assert_eq!(a.command(ALARM, 3, 0, 0), Success);
    assert_eq!(hardware.due.get(), None);
}

#[test]
fn an_alarm_ends_with_its_process() {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let hardware: &FakeAlarm = leak(FakeAlarm {
        now: Cell::new(100),
        due: Cell::new(None),
    });
    let grant = kernel
        .kernel()
        .create_grant(ALARM, &kernel.memory_capability());
    let driver: &AlarmDriver<'static, FakeAlarm> = leak(AlarmDriver::new(hardware, grant));
    kernel.driver(ALARM, driver);
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    b.subscribe(ALARM, 0);
    assert_eq!(a.command(ALARM, 0, 0, 0), Success);
    assert_eq!(a.command(ALARM, 5, 10, 0), SuccessU32(110));
    assert_eq!(b.command(ALARM, 5, 50, 0), SuccessU32(150));
    assert_eq!(hardware.due.get(), Some(110));
    a.process.process().terminate(None);
    hardware.now.set(110);
    driver.alarm();
    assert_eq!(hardware.due.get(), Some(150), "of the living only");
    // Its next life begins without one.
    a.process.process().start(&Everything);
    a.open();
    a.subscribe(ALARM, 0);
    assert_eq!(a.command(ALARM, 3, 0, 0), Failure(ErrorCode::ALREADY));
    hardware.now.set(150);
    driver.alarm();
    assert_eq!(b.upcalls(), [(ALARM, 0, [150, 150, 0])]);
    assert_eq!(a.upcalls(), []);
    assert_eq!(hardware.due.get(), None);
}

/// Gives `words` words a round, all different.
struct FakeRng {
    asked: Cell<u32>,
    next: Cell<u32>,
}

impl<'a> Rng<'a> for FakeRng {
    fn get(&self) -> Result<(), ErrorCode> {
        self.asked.set(self.asked.get() + 1);
        Ok(())
    }
    fn cancel(&self) -> Result<(), ErrorCode> {
        Ok(())
    }
    fn set_client(&'a self, _: &'a dyn Client) {}
}

impl FakeRng {
    fn round(&self, client: &dyn Client, words: u32) -> Continue {
        let first = self.next.get();
        self.next.set(first + words);
        let mut words = (first..first + words).map(|w| w * 0x0101_0101);
        client.randomness_available(&mut words, Ok(()))
    }
}

#[test]
fn random_bytes_are_shared_out_and_never_twice() {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let generator: &FakeRng = leak(FakeRng {
        asked: Cell::new(0),
        next: Cell::new(1),
    });
    let grant = kernel
        .kernel()
        .create_grant(RNG, &kernel.memory_capability());
    let driver: &RngDriver<'static, FakeRng> = leak(RngDriver::new(generator, grant));
    kernel.driver(RNG, driver);
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    for app in [&a, &b] {
        app.subscribe(RNG, 0);
        app.allow_rw(RNG, 0, 64, 6);
    }
    assert_eq!(a.command(RNG, 0, 0, 0), Success);
    assert_eq!(a.command(RNG, 2, 0, 0), Failure(ErrorCode::NOSUPPORT));
    assert_eq!(a.command(RNG, 1, 2, 0), Success);
    // It takes the first one's place: one answer, six bytes.
    assert_eq!(a.command(RNG, 1, 6, 0), Success);
    assert_eq!(b.command(RNG, 1, 100, 0), Success);
    assert_eq!(generator.round(driver, 1), Continue::More);
    assert_eq!(generator.round(driver, 2), Continue::More);
    assert_eq!(generator.round(driver, 4), Continue::Done);
    assert_eq!(a.upcalls(), [(RNG, 0, [0, 6, 0])]);
    assert_eq!(b.upcalls(), [(RNG, 0, [0, 6, 0])]);
    assert_eq!(a.get(64, 6), [1, 1, 1, 1, 2, 2]);
    // What a process that ended asked for is nobody's.
    assert_eq!(a.command(RNG, 1, 6, 0), Success);
    let c = App::new(&kernel, memory, "c");
    c.allow_rw(RNG, 0, 64, 6);
    assert_eq!(c.command(RNG, 1, 6, 0), Success);
    c.process.process().terminate(None);
    assert_eq!(generator.round(driver, 2), Continue::Done);
    assert_eq!(a.upcalls(), [(RNG, 0, [0, 6, 0])]);
    assert_eq!(a.get(64, 6), [8, 8, 8, 8, 9, 9]);
    assert_eq!(b.get(64, 6), [3, 3, 3, 3, 4, 4]);
    assert_eq!(a.command(RNG, 1, 6, 0), Success);
    let words = &mut std::iter::empty();
    driver.randomness_available(words, Err(ErrorCode::FAIL));
    let fail = ErrorCode::FAIL as usize;
    assert_eq!(a.upcalls(), [(RNG, 0, [fail, 0, 0])]);
}
