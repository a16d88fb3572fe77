//! Process info and read-only state as processes see them, on the real kernel; and a polled pin.

#[path = "../../core/tests/common/mod.rs"]
mod common;

use capsules_extra::polled_pin::{PERIOD_MS, PolledPin};
use capsules_extra::process_info_driver::{self, ProcessInfo};
use capsules_extra::read_only_state::{self, ReadOnlyStateDriver};
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::gpio::{
    Client, Configuration, Configure, FloatingState, Input, Interrupt, InterruptEdge, Output,
};
use kernel::hil::time::{Alarm, AlarmClient, Freq1MHz, Ticks, Ticks64, Time};
use kernel::platform::ContextSwitchCallback;
use kernel::process::Process;
use kernel::syscall::SyscallReturn::{
    Failure, Success, SuccessU32, UserspaceReadableAllowFailure, UserspaceReadableAllowSuccess,
};
use kernel::syscall::{Syscall, SyscallReturn};
use kernel::testing::{Everything, TestKernel};
use std::cell::Cell;

const INFO: usize = process_info_driver::DRIVER_NUM;
const STATE: usize = read_only_state::DRIVER_NUM;
const OUT: usize = 1024;

fn is_boss(process: &dyn Process) -> bool {
    process.get_process_name() == "boss"
}

fn info() -> (TestKernel, &'static Memory) {
    fn driver<C: ProcessManagementCapability + ProcessStartCapability + 'static>(
        kernel: &mut TestKernel,
        capability: C,
    ) {
        let cap = kernel.memory_capability();
        let grant = kernel.kernel().create_grant(INFO, &cap);
        let driver: &'static ProcessInfo<C> = leak(ProcessInfo::with_policy(
            kernel.kernel(),
            grant,
            capability,
            is_boss,
        ));
        driver.register();
        kernel.driver(INFO, driver);
    }
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    driver(&mut kernel, Everything);
    (kernel, memory)
}

fn words(app: &App<'_>, n: usize) -> Vec<u32> {
    let bytes = app.get(OUT, 4 * n);
    let words = bytes.chunks(4);
    words
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

#[test]
fn processes_are_told_of_each_other() {
    let (kernel, memory) = info();
    let a = App::new(&kernel, memory, "a");
    let b = App::named(&kernel, memory, "longer", 0x1234);
    assert_eq!(a.command(INFO, 0, 0, 0), Success);
    assert_eq!(a.command(INFO, 1, 0, 0), SuccessU32(2));
    let ids = [a.id().id() as u32, b.id().id() as u32];
    a.allow_rw(INFO, 0, OUT, 16);
    a.put(OUT, &[0xEE; 16]);
    assert_eq!(a.command(INFO, 2, 0, 0), SuccessU32(2));
    assert_eq!(words(&a, 4), [ids[0], ids[1], 0xEEEE_EEEE, 0xEEEE_EEEE]);
    assert_eq!(a.command(INFO, 3, 0, 0), SuccessU32(2));
    assert_eq!(words(&a, 2), [0, 0x1234]);
    // Whole words only; all are counted.
    a.put(OUT, &[0xEE; 16]);
    a.allow_rw(INFO, 0, OUT, 7);
    assert_eq!(a.command(INFO, 2, 0, 0), SuccessU32(2));
    assert_eq!(words(&a, 2), [ids[0], 0xEEEE_EEEE]);
    a.allow_rw(INFO, 0, OUT, 0);
    assert_eq!(a.command(INFO, 3, 0, 0), SuccessU32(2));
    // Names.
    a.allow_rw(INFO, 0, OUT, 16);
    assert_eq!(a.command(INFO, 4, b.id().id(), 0), SuccessU32(6));
    assert_eq!(a.get(OUT, 6), b"longer");
    a.put(OUT, &[0xEE; 16]);
    a.allow_rw(INFO, 0, OUT, 3);
    assert_eq!(a.command(INFO, 4, b.id().id(), 0), SuccessU32(6));
    assert_eq!(a.get(OUT, 4), b"lon\xEE");
    for command in [4, 5] {
        for nobody in [99, usize::MAX] {
            let answer = a.command(INFO, command, nobody, 0);
            assert_eq!(answer, Failure(ErrorCode::INVAL));
        }
    }
    for command in [7, 10] {
        let answer = a.command(INFO, command, 0, 1);
        assert_eq!(answer, Failure(ErrorCode::NOSUPPORT));
    }
}

#[test]
fn statistics_are_the_kernel_s() {
    let (kernel, memory) = info();
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    a.allow_rw(INFO, 0, OUT, 16);
    let state = |of: &App<'_>| {
        assert_eq!(a.command(INFO, 5, of.id().id(), 0), Success);
        words(&a, 4)
    };
    let process = b.process.process();
    let calls = process.debug_syscall_count() as u32;
    assert_eq!(state(&b)[..3], [0, calls, 0]);
    assert!(calls > 0);
    process.debug_timeslice_expired();
    assert_eq!(state(&b)[0], 1);
    assert_eq!(state(&a)[3], 0, "it runs");
    process.stop();
    assert_eq!(state(&b)[3], 3);
    process.resume();
    process.terminate(None);
    assert_eq!(state(&b)[3], 5);
    process.start(&Everything);
    assert_eq!(state(&b)[2], 1);
}

#[test]
fn without_a_policy_nobody_has_power() {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let cap = kernel.memory_capability();
    let grant = kernel.kernel().create_grant(INFO, &cap);
    // As upstream's component makes it: no deferred call waits to be registered.
    let driver = leak(ProcessInfo::new(kernel.kernel(), grant, Everything));
    kernel.driver(INFO, driver);
    DeferredCall::verify_setup();
    let boss = App::new(&kernel, memory, "boss");
    let id = boss.id().id();
    assert_eq!(boss.command(INFO, 1, 0, 0), SuccessU32(1));
    for state in 0..7 {
        let answer = boss.command(INFO, 6, id, state);
        assert_eq!(answer, Failure(ErrorCode::NODEVICE));
    }
    assert!(boss.process.process().is_running());
}

#[test]
fn power_is_for_whom_the_board_says() {
    let (kernel, memory) = info();
    let boss = App::new(&kernel, memory, "boss");
    let a = App::new(&kernel, memory, "a");
    for state in 0..7 {
        let answer = a.command(INFO, 6, boss.id().id(), state);
        assert_eq!(answer, Failure(ErrorCode::NODEVICE));
    }
    let set = |id: usize, state| {
        let answer = boss.command(INFO, 6, id, state);
        kernel.run();
        answer
    };
    for state in [0, 6, usize::MAX] {
        assert_eq!(set(a.id().id(), state), Failure(ErrorCode::INVAL));
    }
    assert_eq!(set(99, 4), Failure(ErrorCode::INVAL));
    boss.allow_rw(INFO, 0, OUT, 16);
    let told = || {
        let id = a.process.process().processid().id();
        assert_eq!(boss.command(INFO, 5, id, 0), Success);
        (id, words(&boss, 4)[3])
    };
    let (id, before) = told();
    assert!(before < 3);
    assert_eq!(set(id, 2), Success);
    assert_eq!(told(), (id, 3));
    assert_eq!(set(id, 1), Success);
    assert_eq!(told(), (id, before));
    assert_eq!(set(id, 5), Success);
    assert_eq!(told(), (id, before), "it has not ended");
    assert_eq!(set(id, 4), Success);
    assert_eq!(told(), (id, 5));
    assert_eq!(set(id, 1), Success);
    assert_eq!(told(), (id, 5), "it was not stopped");
    assert_eq!(set(id, 5), Success);
    let (new, state) = told();
    assert!(new != id && state < 3);
    // The policy of the tests restarts it.
    assert_eq!(set(new, 3), Success);
    assert_ne!(told().0, new);
    assert_eq!(set(new, 4), Failure(ErrorCode::INVAL), "another life");
    // A process may end itself.
    assert_eq!(set(boss.id().id(), 4), Success);
    assert!(!boss.id().is_alive());
}

struct Clock(Cell<u64>);
impl Time for Clock {
    type Frequency = Freq1MHz;
    type Ticks = Ticks64;
    fn now(&self) -> Ticks64 {
        Ticks64::from(self.0.get())
    }
}

#[test]
fn the_state_is_written_before_each_switch() {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let clock: &'static Clock = leak(Clock(Cell::new(0x1_0000_0005)));
    let grant = kernel
        .kernel()
        .create_grant(STATE, &kernel.memory_capability());
    let driver: &'static ReadOnlyStateDriver<'static, Clock> =
        leak(ReadOnlyStateDriver::new(clock, grant));
    kernel.driver(STATE, driver);
    let a = App::new(&kernel, memory, "a");
    let b = App::new(&kernel, memory, "b");
    assert_eq!(a.command(STATE, 0, 0, 0), Success);
    assert_eq!(a.command(STATE, 1, 0, 0), SuccessU32(1));
    assert_eq!(a.command(STATE, 2, 0, 0), Failure(ErrorCode::NOSUPPORT));
    let allow = |app: &App<'_>, number, address: usize, length| {
        app.process.call(Syscall::UserspaceReadableAllow {
            driver_number: STATE,
            subdriver_number: number,
            allow_address: address as *mut u8,
            allow_size: length,
        })
    };
    let at = a.process.ram(OUT) as *mut u8;
    let refused = allow(&a, 1, at.addr(), 16);
    assert_eq!(
        refused,
        Some(UserspaceReadableAllowFailure(ErrorCode::NOSUPPORT, at, 16))
    );
    assert!(matches!(
        allow(&a, 0, at.addr(), 16),
        Some(UserspaceReadableAllowSuccess(before, 0)) if before.is_null()
    ));
    let switch = |app: &App<'_>| driver.context_switch_hook(app.process.process());
    let grants = b.process.process().grant_allocated_count();
    switch(&b);
    assert_eq!(
        b.process.process().grant_allocated_count(),
        grants,
        "who never asked pays nothing"
    );
    switch(&a);
    assert_eq!(words(&a, 4), [0, 0, 5, 1]);
    clock.0.set(7);
    switch(&a);
    assert_eq!(words(&a, 4), [1, 0, 7, 0]);
    // As much as fits, in whole fields.
    a.put(OUT, &[0xEE; 16]);
    let swapped: Option<SyscallReturn> = allow(&a, 0, at.addr(), 15);
    assert_eq!(swapped, Some(UserspaceReadableAllowSuccess(at, 16)));
    switch(&a);
    assert_eq!(words(&a, 4), [2, 0, 0xEEEE_EEEE, 0xEEEE_EEEE]);
    // Taken back: nothing is written any more, and the count goes on.
    assert_eq!(
        allow(&a, 0, 0, 0),
        Some(UserspaceReadableAllowSuccess(at, 15))
    );
    a.put(OUT, &[0xEE; 16]);
    switch(&a);
    assert_eq!(words(&a, 1), [0xEEEE_EEEE]);
    assert!(matches!(
        allow(&a, 0, at.addr(), 4),
        Some(UserspaceReadableAllowSuccess(_, 0))
    ));
    switch(&a);
    assert_eq!(words(&a, 2), [4, 0xEEEE_EEEE]);
    a.process.process().terminate(None);
    switch(&a);
}

#[derive(Default)]
struct FakeAlarm {
    client: Cell<Option<&'static dyn AlarmClient>>,
    armed: Cell<Option<u64>>,
    now: Cell<u64>,
}

impl Time for FakeAlarm {
    type Frequency = Freq1MHz;
    type Ticks = Ticks64;
    fn now(&self) -> Ticks64 {
        Ticks64::from(self.now.get())
    }
}
impl Alarm<'static> for FakeAlarm {
    fn set_alarm_client(&self, client: &'static dyn AlarmClient) {
        self.client.set(Some(client));
    }
    fn set_alarm(&self, reference: Ticks64, dt: Ticks64) {
        self.armed.set(Some(reference.wrapping_add(dt).into_u64()));
    }
    fn get_alarm(&self) -> Ticks64 {
        Ticks64::from(self.armed.get().unwrap())
    }
    fn disarm(&self) -> Result<(), ErrorCode> {
        self.armed.set(None);
        Ok(())
    }
    fn is_armed(&self) -> bool {
        self.armed.get().is_some()
    }
    fn minimum_dt(&self) -> Ticks64 {
        Ticks64::from(1u64)
    }
}

#[derive(Default)]
struct Level(Cell<bool>);
impl Input for Level {
    fn read(&self) -> bool {
        self.0.get()
    }
}
impl Output for Level {
    fn set(&self) {}
    fn clear(&self) {}
    fn toggle(&self) -> bool {
        false
    }
}
impl Configure for Level {
    fn configuration(&self) -> Configuration {
        Configuration::Input
    }
    fn make_output(&self) -> Configuration {
        Configuration::Input
    }
    fn disable_output(&self) -> Configuration {
        Configuration::Input
    }
    fn make_input(&self) -> Configuration {
        Configuration::Input
    }
    fn disable_input(&self) -> Configuration {
        Configuration::Input
    }
    fn deactivate_to_low_power(&self) {}
    fn set_floating_state(&self, _: FloatingState) {}
    fn floating_state(&self) -> FloatingState {
        FloatingState::PullNone
    }
}

#[derive(Default)]
struct Counter(Cell<usize>);
impl Client for Counter {
    fn fired(&self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_polled_pin_fires_at_its_edges_and_sleeps_when_nobody_listens() {
    for (edge, expected) in [
        (InterruptEdge::EitherEdge, [1, 1, 2, 3]),
        (InterruptEdge::RisingEdge, [1, 1, 1, 2]),
        (InterruptEdge::FallingEdge, [0, 0, 1, 1]),
    ] {
        let (alarm, level): (&'static FakeAlarm, &'static Level) =
            (leak(FakeAlarm::default()), leak(Level::default()));
        let pin: &'static PolledPin<'static, FakeAlarm, Level> = leak(PolledPin::new(level, alarm));
        let counter: &'static Counter = leak(Counter::default());
        alarm.set_alarm_client(pin);
        pin.set_client(counter);
        assert!(!alarm.is_armed());
        pin.enable_interrupts(edge);
        for (value, expected) in [true, true, false, true].into_iter().zip(expected) {
            level.0.set(value);
            assert_eq!(pin.read(), value);
            let due = alarm.armed.take().unwrap();
            assert_eq!(due - alarm.now.get(), u64::from(PERIOD_MS) * 1000);
            alarm.now.set(due);
            alarm.client.get().unwrap().alarm();
            assert_eq!(counter.0.get(), expected, "{edge:?}");
        }
        assert!(!pin.is_pending());
        level.0.set(false);
        assert!(pin.is_pending());
        pin.disable_interrupts();
        assert!(!alarm.is_armed() && !pin.is_pending());
        alarm.client.get().unwrap().alarm();
        assert!(!alarm.is_armed(), "a late ring changes nothing");
    }
}
