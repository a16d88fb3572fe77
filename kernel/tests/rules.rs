//! The rules of TRD104, one table or test for each call, on real processes (`kernel::testing`).

use kernel::ErrorCode;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::process::{Error, State};
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{
    CommandReturn, ContextSwitchReason, Syscall, SyscallDriver, SyscallReturn, YieldVariant,
};
use kernel::testing::{APP_RAM, Event, TestKernel, TestProcess};
use kernel::{ProcessId, process};

const NUM: usize = 0x9999;
const OTHER: usize = 0x9998;
const MISSING: usize = 0x7777;

type G = Grant<[u32; 4], UpcallCount<2>, AllowRoCount<1>, AllowRwCount<2>>;

/// Echoes: command 1 adds, 2 schedules upcall 0, 3 sums RO 0, 4 fills RW 1, 5 schedules upcall 1.
struct Echo(G);

impl SyscallDriver for Echo {
    fn command(&self, n: usize, a: usize, b: usize, id: ProcessId) -> CommandReturn {
        match n {
            0 => CommandReturn::success(),
            1 => CommandReturn::success_u32(a.wrapping_add(b) as u32),
            2 | 5 => {
                let which = usize::from(n == 5);
                let queued = self.0.enter(id, |_, k| k.schedule_upcall(which, (a, b, 7)));
                match queued {
                    Ok(Ok(())) => CommandReturn::success(),
                    Ok(Err(_)) => CommandReturn::failure(ErrorCode::BUSY),
                    Err(e) => e.into(),
                }
            }
            3 => {
                let sum = self.0.enter(id, |_, k| {
                    let buffer = k.get_readonly_processbuffer(0).unwrap();
                    buffer.enter(|s| s.iter().map(|b| u32::from(b.get())).sum())
                });
                match sum {
                    Ok(Ok(sum)) => CommandReturn::success_u32(sum),
                    _ => CommandReturn::failure(ErrorCode::FAIL),
                }
            }
            4 => {
                let n = self.0.enter(id, |_, k| {
                    let buffer = k.get_readwrite_processbuffer(1).unwrap();
                    buffer
                        .mut_enter(|s| {
                            s.iter().for_each(|c| c.set(a as u8));
                            s.len() as u32
                        })
                        .unwrap_or(0)
                });
                CommandReturn::success_u32(n.unwrap_or(0))
            }
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, id: ProcessId) -> Result<(), process::Error> {
        self.0.enter(id, |_, _| {})
    }
}

/// A driver that never made a grant.
struct Grantless;
impl SyscallDriver for Grantless {
    fn allocate_grant(&self, _: ProcessId) -> Result<(), process::Error> {
        Ok(())
    }
}

fn board() -> TestKernel {
    let mut t = TestKernel::new();
    let cap = t.memory_capability();
    let echo: &'static Echo = Box::leak(Box::new(Echo(t.kernel().create_grant(NUM, &cap))));
    t.driver(NUM, echo);
    t.driver(OTHER, &Grantless);
    t
}

/// A process that has run its start-up and opened 8 KiB.
fn started<'a>(t: &'a TestKernel, name: &str) -> TestProcess<'a> {
    let p = t.process(name);
    let brk = p.ram(8192);
    assert_eq!(p.memop(0, brk), SyscallReturn::Success);
    p
}

fn function(p: &TestProcess) -> usize {
    p.process().get_addresses().flash_non_protected_start
}

#[test]
fn start_up_hands_over_the_documented_registers() {
    let t = board();
    let p = t.process("app");
    t.run();
    let a = p.process().get_addresses();
    match p.events().as_slice() {
        [Event::Called(c)] => {
            assert_eq!(c.argument0, a.flash_non_protected_start);
            assert_eq!(c.argument1, a.sram_start);
            assert_eq!(c.argument2, a.sram_end - a.sram_start);
            assert_eq!(c.argument3.as_usize(), a.sram_start + 32);
            assert_eq!(c.pc.addr(), a.flash_non_protected_start);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn command_finds_drivers_and_passes_answers_through() {
    let t = board();
    let p = started(&t, "app");
    use SyscallReturn::*;
    assert_eq!(p.command(NUM, 0, 0, 0), Success);
    assert_eq!(p.command(NUM, 1, 40, 2), SuccessU32(42));
    assert_eq!(p.command(NUM, 99, 0, 0), Failure(ErrorCode::NOSUPPORT));
    assert_eq!(p.command(MISSING, 0, 0, 0), Failure(ErrorCode::NODEVICE));
}

#[test]
fn subscribe_swaps_and_refuses_with_two_words() {
    let t = board();
    let p = started(&t, "app");
    let f = function(&p);
    let a = p.process().get_addresses();
    let ok = |r, old: usize, data: usize| match r {
        SyscallReturn::SubscribeSuccess(p, d) => assert_eq!((p.addr(), d), (old, data)),
        other => panic!("{other:?}"),
    };
    let refused = |r, e: ErrorCode, f: usize, data: usize| match r {
        SyscallReturn::SubscribeFailure(got, p, d) => {
            assert_eq!((got, p.addr(), d), (e, f, data));
        }
        other => panic!("{other:?}"),
    };
    ok(p.subscribe(NUM, 0, f, 11), 0, 0);
    ok(p.subscribe(NUM, 0, f + 4, 12), f, 11);
    ok(p.subscribe(NUM, 0, 0, 0), f + 4, 12);
    ok(p.subscribe(NUM, 0, a.sram_app_brk - 4, 1), 0, 0);
    ok(
        p.subscribe(NUM, 0, a.flash_end - 4, 1),
        a.sram_app_brk - 4,
        1,
    );
    refused(p.subscribe(NUM, 2, f, 5), ErrorCode::NOSUPPORT, f, 5);
    refused(p.subscribe(MISSING, 0, f, 5), ErrorCode::NODEVICE, f, 5);
    refused(p.subscribe(OTHER, 0, f, 5), ErrorCode::NOSUPPORT, f, 5);
    for bad in [
        1,
        a.flash_start,
        a.flash_non_protected_start - 1,
        a.flash_end - 3,
        a.flash_end,
        a.sram_app_brk - 3,
        a.sram_end - 4,
        a.sram_start - 4,
        usize::MAX,
    ] {
        refused(p.subscribe(NUM, 0, bad, 5), ErrorCode::INVAL, bad, 5);
    }
}

#[test]
fn subscribe_removes_what_was_queued_for_the_old_function() {
    let t = board();
    let p = started(&t, "app");
    let f = function(&p);
    p.subscribe(NUM, 0, f, 1);
    p.subscribe(NUM, 1, f, 2);
    p.command(NUM, 2, 10, 0);
    p.command(NUM, 5, 20, 0);
    assert_eq!(p.process().pending_tasks(), 2);
    p.subscribe(NUM, 0, f + 8, 3);
    assert_eq!(p.process().pending_tasks(), 1, "only the other one is left");
    // A refused one changes nothing.
    p.subscribe(NUM, 1, 1, 3);
    assert_eq!(p.process().pending_tasks(), 1);
}

#[test]
fn allow_checks_every_edge_and_returns_the_buffer_before() {
    let t = board();
    let p = started(&t, "app");
    let a = p.process().get_addresses();
    let (start, brk) = (a.sram_start, a.sram_app_brk);
    let rw = |addr, len| match p.allow_rw(NUM, 0, addr, len) {
        SyscallReturn::AllowReadWriteSuccess(p, n) => Ok((p.addr(), n)),
        SyscallReturn::AllowReadWriteFailure(e, p, n) => {
            assert_eq!((p.addr(), n), (addr, len), "a refusal echoes");
            Err(e)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(rw(start, 16), Ok((0, 0)));
    assert_eq!(rw(brk - 1, 1), Ok((start, 16)));
    assert_eq!(
        rw(0xDEAD_BEEF, 0),
        Ok((brk - 1, 1)),
        "length 0: any address"
    );
    assert_eq!(rw(start, brk - start), Ok((0xDEAD_BEEF, 0)));
    for (addr, len) in [
        (start - 1, 2),
        (brk, 1),
        (brk - 1, 2),
        (a.sram_end - 4, 4),
        (a.flash_non_protected_start, 4),
        (0, 1),
        (usize::MAX, 2),
        (start, usize::MAX),
    ] {
        assert_eq!(rw(addr, len), Err(ErrorCode::INVAL), "{addr:#x}+{len:#x}");
    }
    let ro = |n, addr, len| match p.allow_ro(NUM, n, addr, len) {
        SyscallReturn::AllowReadOnlySuccess(p, n) => Ok((p.addr(), n)),
        SyscallReturn::AllowReadOnlyFailure(e, ..) => Err(e),
        other => panic!("{other:?}"),
    };
    assert_eq!(ro(0, a.flash_non_protected_start, 4), Ok((0, 0)));
    assert_eq!(
        ro(0, a.flash_end - 1, 1),
        Ok((a.flash_non_protected_start, 4))
    );
    assert_eq!(ro(0, a.flash_start, 4), Err(ErrorCode::INVAL));
    assert_eq!(ro(0, a.flash_end - 1, 2), Err(ErrorCode::INVAL));
    assert_eq!(ro(1, start, 4), Err(ErrorCode::NOSUPPORT));
    match p.allow_rw(NUM, 2, start, 4) {
        SyscallReturn::AllowReadWriteFailure(e, ..) => assert_eq!(e, ErrorCode::NOSUPPORT),
        other => panic!("{other:?}"),
    }
    match p.allow_rw(MISSING, 0, start, 4) {
        SyscallReturn::AllowReadWriteFailure(e, ..) => assert_eq!(e, ErrorCode::NODEVICE),
        other => panic!("{other:?}"),
    }
    // The default of the userspace-readable kind.
    let r = p.call(Syscall::UserspaceReadableAllow {
        driver_number: NUM,
        subdriver_number: 0,
        allow_address: core::ptr::with_exposed_provenance_mut(start),
        allow_size: 8,
    });
    match r {
        Some(SyscallReturn::UserspaceReadableAllowFailure(e, p, n)) => {
            assert_eq!((e, p.addr(), n), (ErrorCode::NOSUPPORT, start, 8));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn drivers_see_the_bytes_and_buffers_may_overlap() {
    let t = board();
    let p = started(&t, "app");
    let at = p.ram(256);
    p.allow_rw(NUM, 1, at, 8);
    p.allow_ro(NUM, 0, at + 4, 8);
    assert_eq!(p.command(NUM, 4, 3, 0), SyscallReturn::SuccessU32(8));
    assert_eq!(p.command(NUM, 3, 0, 0), SyscallReturn::SuccessU32(12));
    p.allow_rw(NUM, 1, 0, 0);
    assert_eq!(p.command(NUM, 4, 9, 0), SyscallReturn::SuccessU32(0));
    assert_eq!(p.command(NUM, 3, 0, 0), SyscallReturn::SuccessU32(12));
}

#[test]
fn memop_answers_by_the_table() {
    use SyscallReturn::*;
    let t = board();
    let p = started(&t, "app");
    let a = p.process().get_addresses();
    assert_eq!(p.memop(2, 0), SuccessAddr(a.sram_start));
    assert_eq!(p.memop(3, 0), SuccessAddr(a.sram_end));
    assert_eq!(p.memop(4, 0), SuccessAddr(a.flash_start));
    assert_eq!(p.memop(5, 0), SuccessAddr(a.flash_end));
    assert_eq!(p.memop(6, 0), SuccessAddr(a.sram_grant_start));
    assert_eq!(p.memop(7, 0), SuccessU32(0));
    assert_eq!(p.memop(8, 0), Failure(ErrorCode::FAIL));
    assert_eq!(p.memop(9, 0), Failure(ErrorCode::FAIL));
    assert_eq!(p.memop(10, a.sram_start + 64), Success);
    assert_eq!(p.memop(11, a.sram_start + 64), Success);
    assert_eq!(p.memop(12, 0), Failure(ErrorCode::NOSUPPORT));
    assert!(a.sram_end - a.sram_start >= APP_RAM as usize);
}

#[test]
fn the_break_stays_between_shared_buffers_and_grants_and_grows_zeroed() {
    use SyscallReturn::*;
    let t = board();
    let p = started(&t, "app");
    let nomem = Failure(ErrorCode::NOMEM);
    let base = p.ram(0);
    // Dirty what is about to be given up, through a driver.
    p.allow_rw(NUM, 1, base + 4096, 4096);
    p.command(NUM, 4, 0xEE, 0);
    assert_eq!(p.memop(0, base + 8191), nomem, "below what was ever shared");
    assert_eq!(p.memop(1, usize::MAX), nomem, "sbrk(-1) as well");
    let grants = p.process().get_addresses().sram_grant_start;
    assert_eq!(p.memop(0, grants + 1), nomem);
    assert_eq!(p.memop(0, usize::MAX), nomem);
    assert_eq!(p.memop(0, base - 1), nomem);
    assert_eq!(p.memop(0, grants & !31), Success);
    let expected = p.process().get_addresses().sram_app_brk;
    assert_eq!(expected, grants & !31);

    // A process that shared nothing may shrink, and finds zeros when it grows again.
    let q = started(&t, "other");
    let base = q.ram(0);
    let byte = |offset: usize| {
        let at: *mut u8 = core::ptr::with_exposed_provenance_mut(base + offset);
        at
    };
    assert!(q.process().set_byte(byte(5000), 0x55));
    match q.memop(1, (-8000i32) as u32 as usize) {
        SuccessPtr(old) => assert_eq!(old.addr(), base + 8192),
        other => panic!("{other:?}"),
    }
    assert!(
        !q.process().set_byte(byte(5000), 0x55),
        "not its own any more"
    );
    q.memop(0, base + 8192);
    q.allow_ro(NUM, 0, base + 5000, 1);
    assert_eq!(q.command(NUM, 3, 0, 0), SuccessU32(0));
}

fn wait_for(sub: usize) -> Syscall {
    Syscall::Yield {
        yield_type: YieldVariant::WaitFor {
            driver_number: NUM,
            subdriver_number: sub,
        },
    }
}

const WAIT: Syscall = Syscall::Yield {
    yield_type: YieldVariant::Wait,
};

#[test]
fn yield_wait_delivers_one_upcall_with_appdata_and_skips_null_ones() {
    let t = board();
    let p = started(&t, "app");
    let f = function(&p);
    p.subscribe(NUM, 0, f, 0xABCD);
    // Upcall 1 is null: its event must not end the wait.
    p.command(NUM, 5, 1, 1);
    p.command(NUM, 2, 30, 31);
    p.command(NUM, 2, 40, 41);
    p.events();
    p.queue(WAIT);
    t.run();
    let calls: Vec<_> = p
        .events()
        .iter()
        .filter_map(|e| match e {
            Event::Called(c) => Some((
                c.pc.addr(),
                c.argument0,
                c.argument1,
                c.argument2,
                c.argument3.as_usize(),
            )),
            Event::Returned(_) => None,
        })
        .collect();
    assert_eq!(calls, [(f, 30, 31, 7, 0xABCD), (f, 40, 41, 7, 0xABCD)]);
    assert_eq!(p.process().get_state(), State::Yielded);
}

#[test]
fn yield_no_wait_writes_its_flag_and_never_blocks_on_null_events() {
    let t = board();
    let p = started(&t, "app");
    let flag = p.ram(100);
    let read = |p: &TestProcess| {
        p.allow_ro(NUM, 0, flag, 1);
        p.command(NUM, 3, 0, 0)
    };
    let no_wait = |ptr: usize| Syscall::Yield {
        yield_type: YieldVariant::NoWait {
            ptr: core::ptr::with_exposed_provenance_mut(ptr),
        },
    };
    let set = |v| {
        assert!(
            p.process()
                .set_byte(core::ptr::with_exposed_provenance_mut(flag), v)
        )
    };
    set(9);
    p.call(no_wait(flag));
    assert_eq!(p.process().get_state(), State::Running);
    assert_eq!(read(&p), SyscallReturn::SuccessU32(0));
    // A null event in the queue is no upcall.
    set(9);
    p.command(NUM, 5, 1, 1);
    p.call(no_wait(flag));
    assert_eq!(p.process().get_state(), State::Running);
    assert_eq!(read(&p), SyscallReturn::SuccessU32(0));
    p.subscribe(NUM, 0, function(&p), 0);
    p.command(NUM, 2, 1, 1);
    set(9);
    p.call(no_wait(flag));
    assert_eq!(p.process().get_state(), State::Yielded);
    t.run();
    p.wake();
    assert_eq!(read(&p), SyscallReturn::SuccessU32(1));
    // Null, foreign and kernel-owned addresses are left alone.
    for bad in [0, p.process().get_addresses().sram_end - 1, 8] {
        p.call(no_wait(bad));
        assert_eq!(p.process().get_state(), State::Running);
    }
}

#[test]
fn yield_wait_for_takes_the_one_event_and_runs_no_function() {
    let t = board();
    let p = started(&t, "app");
    p.subscribe(NUM, 0, function(&p), 0);
    // Awaited event first, then another one: neither order may lose the wake-up.
    p.command(NUM, 5, 50, 51);
    p.command(NUM, 2, 60, 61);
    p.events();
    p.queue(wait_for(1));
    p.queue(wait_for(0));
    t.run();
    let events = p.events();
    let returned: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            Event::Returned(r) => Some(*r),
            Event::Called(_) => None,
        })
        .collect();
    assert_eq!(
        returned,
        [
            SyscallReturn::YieldWaitFor(50, 51, 7),
            SyscallReturn::YieldWaitFor(60, 61, 7)
        ]
    );
    assert_eq!(events.len(), 2, "no function ran");
}

#[test]
fn waiting_for_one_event_is_not_ended_by_others() {
    let t = board();
    let p = started(&t, "app");
    p.subscribe(NUM, 0, function(&p), 0);
    p.call(wait_for(1));
    assert!(!p.process().ready());
    let grant = |sub: usize| {
        p.process().enqueue_task(kernel::process::Task::ReturnValue(
            kernel::process::ReturnArguments {
                upcall_id: kernel::process::UpcallId {
                    driver_num: NUM,
                    subscribe_num: sub,
                },
                argument0: sub,
                argument1: 0,
                argument2: 0,
            },
        ))
    };
    grant(0).unwrap();
    assert!(!p.process().ready());
    grant(1).unwrap();
    grant(0).unwrap();
    assert!(p.process().ready());
}

#[test]
fn unknown_yields_return_and_unknown_exits_are_refused() {
    let t = board();
    let p = started(&t, "app");
    p.events();
    p.call(Syscall::Yield {
        yield_type: YieldVariant::Unknown,
    });
    assert_eq!(p.process().get_state(), State::Running);
    let exit = Syscall::Exit {
        which: 2,
        completion_code: 0,
    };
    assert_eq!(
        p.call(exit),
        Some(SyscallReturn::Failure(ErrorCode::NOSUPPORT))
    );
}

#[test]
fn the_queue_holds_ten_and_counts_what_it_drops() {
    let t = board();
    let p = started(&t, "app");
    p.subscribe(NUM, 0, function(&p), 0);
    for i in 0..10 {
        assert_eq!(p.command(NUM, 2, i, 0), SyscallReturn::Success, "{i}");
    }
    assert_eq!(
        p.command(NUM, 2, 10, 0),
        SyscallReturn::Failure(ErrorCode::BUSY)
    );
    assert_eq!(p.process().debug_dropped_upcall_count(), 1);
}

#[test]
fn exit_frees_what_it_had_and_restart_is_a_new_identity() {
    let t = board();
    let p = started(&t, "app");
    let first = p.id();
    p.subscribe(NUM, 0, function(&p), 0);
    p.command(NUM, 2, 1, 1);
    p.call(Syscall::Exit {
        which: 1,
        completion_code: 42,
    });
    assert_ne!(p.id(), first, "a restart is another run");
    assert!(!first.is_alive());
    assert_eq!(p.process().get_restart_count(), 1);
    assert_eq!(p.process().get_completion_code(), Some(Some(42)));
    assert_eq!(p.process().grant_allocated_count(), Some(0));
    let a = p.process().get_addresses();
    assert_eq!(a.sram_app_brk, a.sram_start + 32);
    assert_eq!(p.process().pending_tasks(), 1, "only the start-up call");

    p.call(Syscall::Exit {
        which: 0,
        completion_code: 7,
    });
    assert_eq!(p.process().get_state(), State::Terminated);
    assert_eq!(p.process().get_completion_code(), Some(Some(7)));
    let task = kernel::process::Task::ReturnValue(kernel::process::ReturnArguments {
        upcall_id: kernel::process::UpcallId {
            driver_num: NUM,
            subscribe_num: 0,
        },
        argument0: 0,
        argument1: 0,
        argument2: 0,
    });
    assert_eq!(p.process().enqueue_task(task), Err(ErrorCode::NODEVICE));
    p.process().try_restart(None);
    assert_eq!(p.process().get_state(), State::Terminated, "ended is ended");
}

#[test]
fn a_fault_restarts_by_policy_and_the_others_live() {
    let t = board();
    let p = started(&t, "bad");
    let q = started(&t, "good");
    let before = p.id();
    p.queue_reason(ContextSwitchReason::Fault);
    p.wake();
    t.run();
    assert_ne!(p.id(), before);
    assert_eq!(p.process().get_restart_count(), 1);
    assert_eq!(q.command(NUM, 1, 1, 2), SyscallReturn::SuccessU32(3));
}

#[test]
fn grants_are_separate_and_entered_once() {
    let mut t = TestKernel::new();
    let cap = t.memory_capability();
    let g: &'static G = Box::leak(Box::new(t.kernel().create_grant(NUM, &cap)));
    t.driver(OTHER, &Grantless);
    let (p, q) = (t.process("a"), t.process("b"));
    assert_eq!(g.iter().count(), 0, "nothing is allocated before use");
    g.enter(p.id(), |d, _| d[0] = 1).unwrap();
    g.enter(q.id(), |d, _| d[0] = 2).unwrap();
    let mut seen = vec![];
    g.each(|id, d, _| seen.push((id, d[0])));
    assert_eq!(seen, [(p.id(), 1), (q.id(), 2)]);
    let again = g.enter(p.id(), |_, _| g.enter(p.id(), |_, _| ())).unwrap();
    assert_eq!(again, Err(Error::AlreadyInUse));
    assert!(g.enter(p.id(), |_, _| ()).is_ok(), "and free afterwards");
    // The grant lies above everything the process can reach.
    let a = p.process().get_addresses();
    assert!(a.sram_grant_start < a.sram_end && a.sram_app_brk <= a.sram_grant_start);
    // Stale identities match nothing.
    let stale = p.id();
    p.process().try_restart(None);
    assert_eq!(g.enter(stale, |_, _| ()), Err(Error::NoSuchApp));
    g.enter(p.id(), |d, _| assert_eq!(d[0], 0)).unwrap();
}

#[test]
fn a_process_without_room_for_a_grant_is_told_so() {
    let mut t = TestKernel::new();
    let cap = t.memory_capability();
    type Big = Grant<Huge, UpcallCount<1>, AllowRoCount<0>, AllowRwCount<0>>;
    struct Huge([u8; 64 * 1024]);
    impl Default for Huge {
        fn default() -> Self {
            Huge([0; 64 * 1024])
        }
    }
    struct D(Big);
    impl SyscallDriver for D {
        fn allocate_grant(&self, id: ProcessId) -> Result<(), process::Error> {
            self.0.enter(id, |d, _| d.0[0] = 1)
        }
    }
    let d: &'static D = Box::leak(Box::new(D(t.kernel().create_grant(NUM, &cap))));
    t.driver(NUM, d);
    let p = started(&t, "app");
    match p.subscribe(NUM, 0, 0, 0) {
        SyscallReturn::SubscribeFailure(e, ..) => assert_eq!(e, ErrorCode::NOMEM),
        other => panic!("{other:?}"),
    }
    assert_eq!(d.0.enter(p.id(), |_, _| ()), Err(Error::OutOfMemory));
}

/// Whatever a process asks, the kernel answers with one of the call's variants, and the process's
/// memory keeps its order.
#[test]
fn random_calls_keep_the_invariants() {
    let t = board();
    let p = started(&t, "fuzz");
    let mut x = 0x1234_5678_9ABC_DEF1u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    for i in 0..50_000 {
        let a = p.process().get_addresses();
        let mut word = || {
            let r = next();
            match r % 8 {
                0 => 0,
                1 => (r >> 8) as usize % 16,
                2 => a.sram_start + (r >> 8) as usize % (a.sram_end - a.sram_start + 64),
                3 => a.flash_start + (r >> 8) as usize % 5000,
                4 => NUM,
                5 => usize::MAX - (r >> 8) as usize % 64,
                6 => a
                    .sram_app_brk
                    .wrapping_add((r >> 8) as usize % 64)
                    .wrapping_sub(32),
                _ => (r >> 8) as usize,
            }
        };
        let (r0, r1, r2, r3) = (word(), word(), word(), word());
        let class = (next() % 8) as u8;
        // Exits would end the run, and waits would need someone to wake it.
        if class == 6 || (class == 0 && (r0 == 1 || r0 == 2)) {
            continue;
        }
        // Half of the calls are for a driver that is there.
        let r0 = if class != 0 && class != 5 && next() % 2 == 0 {
            NUM
        } else {
            r0
        };
        let r1 = if next() % 2 == 0 { r1 % 3 } else { r1 };
        let syscall = Syscall::from_register_arguments(class, r0, r1.into(), r2.into(), r3.into());
        let answer = p.call(syscall.unwrap());
        use SyscallReturn::*;
        let fits = match class {
            0 => answer.is_none(),
            1 => matches!(answer, Some(SubscribeSuccess(..) | SubscribeFailure(..))),
            2 => matches!(answer, Some(Success | SuccessU32(_) | Failure(_))),
            3 => matches!(
                answer,
                Some(AllowReadWriteSuccess(..) | AllowReadWriteFailure(..))
            ),
            4 => matches!(
                answer,
                Some(AllowReadOnlySuccess(..) | AllowReadOnlyFailure(..))
            ),
            5 => matches!(
                answer,
                Some(Success | SuccessAddr(_) | SuccessPtr(_) | SuccessU32(_) | Failure(_))
            ),
            _ => matches!(
                answer,
                Some(UserspaceReadableAllowSuccess(..) | UserspaceReadableAllowFailure(..))
            ),
        };
        assert!(fits, "call {i}, class {class}: {answer:?}");
        let a = p.process().get_addresses();
        assert!(a.sram_start < a.sram_app_brk);
        assert!(a.sram_app_brk <= a.sram_grant_start && a.sram_grant_start < a.sram_end);
        if p.process().get_state() != State::Running {
            p.wake();
        }
    }
}
