//! The fake kernel and the typed system calls, against each other.
//!
//! Owns the contract of tock.md §1 as far as a process can see it: what is revoked when a scope
//! ends, which upcalls run when, what a refused call leaves behind.

use libtock_platform::{
    AllowRo, AllowRw, DefaultConfig, ErrorCode, Event, StaticAllowRw, StaticBuffer, Subscribe,
    Syscalls as _, Upcall, YieldNoWaitReturn, share, subscribe,
};
use libtock_unittest::fake::{Kernel, Scripted, Syscalls};
use libtock_unittest::{ExitCall, ExpectedSyscall, SyscallLogEntry, command_return, exit_test};
use std::cell::Cell;
use std::rc::Rc;

const D: u32 = 42;

fn kernel() -> (Kernel, Rc<Scripted>) {
    let kernel = Kernel::new();
    let driver = Scripted::new(D, |_| command_return::success());
    kernel.add_driver(&driver);
    (kernel, driver)
}

#[test]
fn a_scope_revokes_what_it_shared_and_only_that() {
    let (kernel, driver) = kernel();
    let (read, mut written) = ([1u8; 4], [2u8; 8]);
    let called = Cell::new(false);
    type List<'a> = (
        AllowRo<'a, Syscalls, D, 0>,
        AllowRw<'a, Syscalls, D, 1>,
        AllowRw<'a, Syscalls, D, 2>,
        Subscribe<'a, Syscalls, D, 3>,
    );
    share::scope::<List<'_>, _, _>(|h| {
        let (ro, rw, _unused, sub) = h.split();
        Syscalls::allow_ro::<DefaultConfig, D, 0>(ro, &read).unwrap();
        Syscalls::allow_rw::<DefaultConfig, D, 1>(rw, &mut written).unwrap();
        Syscalls::subscribe::<_, _, DefaultConfig, D, 3>(sub, &called).unwrap();
        assert_eq!(driver.shares(), (1, 1));
        driver.with_rw(1, |b| b[7] = 9);
        driver.schedule(3, (0, 0, 0));
    });
    assert_eq!(driver.shares(), (0, 0));
    assert_eq!(written[7], 9);
    // Three shares and their three revocations, in the list's order; none for the unused slot.
    let log = kernel.take_syscall_log();
    assert_eq!(log.len(), 6, "{log:?}");
    assert_eq!(
        log[3..],
        [
            SyscallLogEntry::AllowRo {
                driver_num: D,
                buffer_num: 0,
                len: 0
            },
            SyscallLogEntry::AllowRw {
                driver_num: D,
                buffer_num: 1,
                len: 0
            },
            SyscallLogEntry::Subscribe {
                driver_num: D,
                subscribe_num: 3
            },
        ]
    );
    // The event that was queued went with its upcall.
    assert_eq!(Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
    assert!(!called.get());
}

#[test]
fn upcalls_run_in_order_one_a_yield() {
    static FIRST: Event = Event::new();
    static SECOND: Event = Event::new();
    let (_kernel, driver) = kernel();
    Syscalls::subscribe_static(D, 0, &FIRST).unwrap();
    Syscalls::subscribe_static(D, 1, &SECOND).unwrap();
    driver.schedule(1, (1, 2, 3));
    driver.schedule(0, (4, 5, 6));
    Syscalls::yield_wait();
    assert_eq!((SECOND.take(), FIRST.take()), (Some((1, 2, 3)), None));
    assert_eq!(Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
    assert_eq!(FIRST.take(), Some((4, 5, 6)));
    assert_eq!(Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
}

#[test]
fn waiting_for_one_event_leaves_the_others_and_runs_nothing() {
    static OTHER: Event = Event::new();
    let (_kernel, driver) = kernel();
    Syscalls::subscribe_static(D, 0, &OTHER).unwrap();
    driver.schedule(0, (1, 1, 1));
    driver.schedule(5, (7, 8, 9));
    assert_eq!(Syscalls::yield_wait_for(D, 5), (7, 8, 9));
    assert!(!OTHER.is_raised());
    Syscalls::yield_wait();
    assert_eq!(OTHER.take(), Some((1, 1, 1)));
}

#[test]
fn what_comes_before_an_upcall_is_subscribed_is_not_for_it() {
    static LATE: Event = Event::new();
    let (_kernel, driver) = kernel();
    driver.schedule(0, (1, 2, 3));
    Syscalls::subscribe_static(D, 0, &LATE).unwrap();
    assert!(!Kernel::is_upcall_pending());
    driver.schedule(0, (4, 5, 6));
    assert!(Kernel::is_upcall_pending());
    assert_eq!(Syscalls::yield_wait_for(D, 0), (1, 2, 3));
    Syscalls::yield_wait();
    assert_eq!(LATE.take(), Some((4, 5, 6)));
    // A new subscription takes along what was for the old one.
    driver.schedule(0, (7, 8, 9));
    Syscalls::subscribe_static(D, 0, &LATE).unwrap();
    assert_eq!(Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
}

#[test]
#[should_panic(expected = "for ever")]
fn waiting_for_nothing_fails_the_test_instead_of_hanging() {
    let (_kernel, _driver) = kernel();
    Syscalls::yield_wait();
}

#[test]
fn an_expected_call_reaches_its_driver_whatever_it_answers() {
    let (kernel, driver) = kernel();
    kernel.add_expected_syscall(ExpectedSyscall::Command {
        driver_id: D,
        command_id: 7,
        argument0: 1,
        argument1: 2,
        override_return: Some(command_return::failure(ErrorCode::Busy)),
    });
    let answer = Syscalls::command(D, 7, 1, 2).to_result::<(), ErrorCode>();
    assert_eq!(answer, Err(ErrorCode::Busy));
    assert_eq!(driver.commands(), [(7, 1, 2)]);
    // One that does not come fails nothing: libtock-rs's tests leave some.
    kernel.add_expected_syscall(ExpectedSyscall::YieldWait { skip_upcall: true });
}

#[test]
#[should_panic(expected = "but yield-no-wait was called instead")]
fn another_call_than_the_expected_one_fails_the_test() {
    let (kernel, _driver) = kernel();
    kernel.add_expected_syscall(ExpectedSyscall::YieldWait { skip_upcall: true });
    Syscalls::yield_no_wait();
}

#[test]
fn how_a_process_ends_is_told() {
    let exit = exit_test("how_a_process_ends_is_told", || {
        let (_kernel, _driver) = kernel();
        Syscalls::exit_restart(7);
    });
    assert_eq!(exit, ExitCall::Restart(7));
}

struct Panics;

impl Upcall<subscribe::AnyId> for Panics {
    fn upcall(&self, _: u32, _: u32, _: u32) {
        panic!("it must not unwind into the kernel");
    }
}

#[test]
fn an_upcall_that_panics_ends_its_process() {
    let exit = exit_test("an_upcall_that_panics_ends_its_process", || {
        let (_kernel, driver) = kernel();
        Syscalls::subscribe_static(D, 0, &Panics).unwrap();
        driver.schedule(0, (0, 0, 0));
        Syscalls::yield_wait();
    });
    assert_eq!(exit, ExitCall::Terminate(0));
}

#[test]
#[should_panic(expected = "did not exit")]
fn a_process_that_does_not_end_is_no_exit() {
    exit_test("a_process_that_does_not_end_is_no_exit", || ());
}

thread_local! {
    static DISPLACED: Cell<u32> = const { Cell::new(0) };
}

struct Counting;

impl subscribe::Config for Counting {
    fn returned_nonnull_upcall(driver_num: u32, subscribe_num: u32) {
        assert_eq!((driver_num, subscribe_num), (D, 3));
        DISPLACED.set(DISPLACED.get() + 1);
    }
}

#[test]
fn a_displaced_upcall_is_reported() {
    let (_kernel, _driver) = kernel();
    let (a, b) = (Cell::new(false), Cell::new(false));
    share::scope::<Subscribe<'_, Syscalls, D, 3>, _, _>(|h| {
        Syscalls::subscribe::<_, _, Counting, D, 3>(h, &a).unwrap();
        assert_eq!(DISPLACED.get(), 0);
        Syscalls::subscribe::<_, _, Counting, D, 3>(h, &b).unwrap();
        assert_eq!(DISPLACED.get(), 1);
    });
}

#[test]
fn refusals_are_reported_and_leave_nothing() {
    let (kernel, driver) = kernel();
    let subscribed = Syscalls::subscribe_static(D, 16, {
        static EVENT: Event = Event::new();
        &EVENT
    });
    assert_eq!(subscribed, Err(ErrorCode::NoSupport));
    static EVENT: Event = Event::new();
    assert_eq!(
        Syscalls::subscribe_static(D + 1, 0, &EVENT),
        Err(ErrorCode::NoDevice)
    );
    kernel.add_expected_syscall(ExpectedSyscall::AllowRw {
        driver_num: D,
        buffer_num: 1,
        return_error: Some(ErrorCode::NoMem),
    });
    kernel.take_syscall_log();
    let mut bytes = [0; 4];
    let lent = share::scope::<AllowRw<'_, Syscalls, D, 1>, _, _>(|h| {
        Syscalls::allow_rw::<DefaultConfig, D, 1>(h, &mut bytes)
    });
    assert_eq!(lent, Err(ErrorCode::NoMem));
    assert_eq!(driver.shares(), (0, 0));
    // Asked for, and revoked all the same.
    assert_eq!(kernel.take_syscall_log().len(), 2);
    let absent = Syscalls::command(D + 1, 1, 0, 0).to_result::<(), ErrorCode>();
    assert_eq!(absent, Err(ErrorCode::NoDevice));
}

#[test]
fn buffers_lent_for_ever_come_back_one_by_one() {
    static A: StaticBuffer<32> = StaticBuffer::new();
    static B: StaticBuffer<32> = StaticBuffer::new();
    let (kernel, driver) = kernel();
    let mut slot = StaticAllowRw::<Syscalls, D, 0>::new();
    assert!(slot.swap(A.take().unwrap()).unwrap().is_none());
    driver.with_rw(0, |b| b[0] = 0xA1);
    let a = slot.swap(B.take().unwrap()).unwrap().unwrap();
    assert_eq!(a[0], 0xA1);
    kernel.add_expected_syscall(ExpectedSyscall::AllowRw {
        driver_num: D,
        buffer_num: 0,
        return_error: Some(ErrorCode::Fail),
    });
    let (error, a) = slot.swap(a).unwrap_err();
    assert_eq!((error, a[0]), (ErrorCode::Fail, 0xA1));
    driver.with_rw(0, |b| b[0] = 0xB1);
    assert_eq!(slot.swap(a).unwrap().unwrap()[0], 0xB1);
}

#[test]
fn memory_operations_answer() {
    let (kernel, _driver) = kernel();
    assert_eq!(Syscalls::memop_debug_stack_start(core::ptr::null()), Ok(()));
    assert_eq!(Syscalls::memop_query(99), Err(ErrorCode::NoSupport));
    // The fake's sbrk answers with the new break.
    let first = Syscalls::memop_increment_brk(4).unwrap();
    assert_eq!(Syscalls::memop_increment_brk(8), Ok(first.wrapping_add(8)));
    assert!(Syscalls::memop_app_ram_start().is_ok());
    kernel.add_expected_syscall(ExpectedSyscall::Memop {
        memop_num: 1,
        argument0: 16.into(),
        return_error: Some(ErrorCode::NoMem),
    });
    assert_eq!(Syscalls::memop_increment_brk(16), Err(ErrorCode::NoMem));
    assert_eq!(
        Syscalls::memop_increment_brk(u32::MAX),
        Err(ErrorCode::NoMem)
    );
}
