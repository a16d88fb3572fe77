//! IPC between two real processes (`kernel::testing`): discovery, notification, shared buffers.

use kernel::ErrorCode;
use kernel::ipc::{DRIVER_NUM, IPC};
use kernel::syscall::{Syscall, SyscallReturn, YieldVariant};
use kernel::testing::{Event, TestKernel, TestProcess};

const WAIT: Syscall = Syscall::Yield {
    yield_type: YieldVariant::Wait,
};

fn board() -> (TestKernel, &'static IPC<8>) {
    let mut t = TestKernel::new();
    let cap = t.memory_capability();
    let ipc: &'static IPC<8> = Box::leak(Box::new(IPC::new(t.kernel(), DRIVER_NUM, &cap)));
    t.driver(DRIVER_NUM, ipc);
    (t, ipc)
}

/// A process with 8 KiB open and its name's bytes at offset 512.
fn started<'a>(t: &'a TestKernel, name: &str) -> TestProcess<'a> {
    let p = t.process(name);
    assert_eq!(p.memop(0, p.ram(8192)), SyscallReturn::Success);
    p
}

fn discover(p: &TestProcess, name: &str) -> SyscallReturn {
    for (i, b) in name.bytes().enumerate() {
        let at = core::ptr::with_exposed_provenance_mut(p.ram(512 + i));
        assert!(p.process().set_byte(at, b));
    }
    p.allow_ro(DRIVER_NUM, 0, p.ram(512), name.len());
    p.command(DRIVER_NUM, 1, 0, 0)
}

fn upcalls(p: &TestProcess) -> Vec<(usize, usize, usize)> {
    p.events()
        .iter()
        .filter_map(|e| match e {
            Event::Called(c) => Some((c.argument0, c.argument1, c.argument2)),
            Event::Returned(_) => None,
        })
        .collect()
}

#[test]
fn services_are_found_by_exact_name() {
    let (t, _) = board();
    let (a, b) = (started(&t, "client"), started(&t, "tockstone.mqtt"));
    assert_eq!(
        a.command(DRIVER_NUM, 1, 0, 0),
        SyscallReturn::Failure(ErrorCode::INVAL)
    );
    assert_eq!(discover(&a, "tockstone.mqtt"), SyscallReturn::SuccessU32(1));
    assert_eq!(discover(&b, "tockstone.mqtt"), SyscallReturn::SuccessU32(1));
    for wrong in ["tockstone.mqt", "tockstone.mqttx", "TOCKSTONE.MQTT"] {
        let r = discover(&a, wrong);
        assert_eq!(r, SyscallReturn::Failure(ErrorCode::NODEVICE), "{wrong}");
    }
    b.process().terminate(None);
    assert_eq!(
        discover(&a, "tockstone.mqtt"),
        SyscallReturn::Failure(ErrorCode::NODEVICE)
    );
}

#[test]
fn a_notification_carries_the_shared_buffer_both_ways() {
    let (t, ipc) = board();
    let (client, service) = (started(&t, "client"), started(&t, "service"));
    let f = service.process().get_addresses().flash_non_protected_start;
    // The service listens on its own slot, the client on the service's.
    service.subscribe(DRIVER_NUM, 1, f, 0);
    let f = client.process().get_addresses().flash_non_protected_start;
    client.subscribe(DRIVER_NUM, 1, f, 0);
    let shared = client.ram(1024);
    client.allow_rw(DRIVER_NUM, 1, shared, 2048);
    assert_eq!(client.command(DRIVER_NUM, 2, 1, 0), SyscallReturn::Success);
    service.events();
    service.queue(WAIT);
    t.run_with_ipc(ipc);
    assert_eq!(upcalls(&service), [(0, 2048, shared)]);

    service.wake();
    assert_eq!(service.command(DRIVER_NUM, 3, 0, 0), SyscallReturn::Success);
    client.events();
    client.queue(WAIT);
    t.run_with_ipc(ipc);
    assert_eq!(upcalls(&client), [(1, 0, 0)], "the service shares nothing");
}

#[test]
fn a_buffer_that_cannot_be_opened_is_not_handed_over() {
    let (t, ipc) = board();
    let (client, service) = (started(&t, "client"), started(&t, "service"));
    let f = service.process().get_addresses().flash_non_protected_start;
    service.subscribe(DRIVER_NUM, 1, f, 0);
    client.allow_rw(DRIVER_NUM, 1, client.ram(1000), 100);
    client.command(DRIVER_NUM, 2, 1, 0);
    service.events();
    service.queue(WAIT);
    t.run_with_ipc(ipc);
    assert_eq!(upcalls(&service), [(0, 0, 0)]);
}

#[test]
fn nobody_is_notified_where_nobody_is() {
    let (t, _) = board();
    let p = started(&t, "lonely");
    for slot in [1, 7, 8, usize::MAX] {
        let r = p.command(DRIVER_NUM, 2, slot, 0);
        assert_eq!(r, SyscallReturn::Failure(ErrorCode::INVAL), "{slot}");
    }
    // A full queue is the sender's to know.
    let q = started(&t, "busy");
    for _ in 0..10 {
        assert_eq!(p.command(DRIVER_NUM, 2, 1, 0), SyscallReturn::Success);
    }
    let r = p.command(DRIVER_NUM, 3, 1, 0);
    assert_eq!(r, SyscallReturn::Failure(ErrorCode::NOMEM));
    assert_eq!(q.process().debug_dropped_upcall_count(), 1);
}

/// A client that rings too often must not cost the service the event that it waits for, whether
/// its notices still are notices or the kernel has made calls of them.
#[test]
fn a_full_queue_of_notices_gives_way_to_a_drivers_event() {
    use kernel::process::{FunctionCall, FunctionCallSource, ReturnArguments, Task, UpcallId};
    let of = |driver_num, subscribe_num| UpcallId {
        driver_num,
        subscribe_num,
    };
    for as_calls in [false, true] {
        let (t, _) = board();
        let (client, service) = (started(&t, "client"), started(&t, "service"));
        let ring = || {
            if !as_calls {
                return client.command(DRIVER_NUM, 2, 1, 0) == SyscallReturn::Success;
            }
            let call = Task::FunctionCall(FunctionCall {
                source: FunctionCallSource::Driver(of(DRIVER_NUM, 1)),
                argument0: 0,
                argument1: 2048,
                argument2: 0,
                argument3: 0usize.into(),
                pc: 0usize.into(),
            });
            service.process().enqueue_task(call).is_ok()
        };
        let mut rung = 0;
        while ring() {
            rung += 1;
            assert!(rung <= 10, "the queue is bounded");
        }
        assert!(rung > 1);
        let id = of(0x30007, 1);
        let event = Task::ReturnValue(ReturnArguments {
            upcall_id: id,
            argument0: 7,
            argument1: 0,
            argument2: 0,
        });
        assert_eq!(service.process().enqueue_task(event), Ok(()));
        assert!(service.process().remove_upcall(id).is_some());
    }
}

/// A client of slot 0 and a service of slot 1 that has a window on 2 KiB of it, and stands in the
/// middle of its code.
fn shared<'a>(t: &'a TestKernel, ipc: &'static IPC<8>) -> (TestProcess<'a>, TestProcess<'a>) {
    let (client, service) = (started(t, "client"), started(t, "service"));
    let f = service.process().get_addresses().flash_non_protected_start;
    service.subscribe(DRIVER_NUM, 1, f, 0);
    share(&client, &service, t, ipc);
    (client, service)
}

fn share(client: &TestProcess, service: &TestProcess, t: &TestKernel, ipc: &'static IPC<8>) {
    let slot = client.id().index().unwrap();
    client.allow_rw(DRIVER_NUM, 1, client.ram(1024), 2048);
    assert_eq!(client.command(DRIVER_NUM, 2, 1, 0), SyscallReturn::Success);
    service.events();
    service.queue(WAIT);
    t.run_with_ipc(ipc);
    assert_eq!(upcalls(service), [(slot, 2048, client.ram(1024))]);
    service.wake();
}

fn has_window(holder: &TestProcess, of: &TestProcess) -> bool {
    let a = of.process().get_addresses();
    holder.process().has_share_within(a.sram_start, a.sram_end)
}

#[test]
fn a_share_ends_in_a_yield_that_tells_it_first() {
    let (t, ipc) = board();
    let (client, service) = shared(&t, ipc);
    // What waits already comes after the news, and an opening that was not told is not told.
    assert_eq!(client.command(DRIVER_NUM, 2, 1, 0), SyscallReturn::Success);
    let own = service.command(DRIVER_NUM, 2, 1, 0);
    assert_eq!(own, SyscallReturn::Success);
    client.process().terminate(None);
    assert!(has_window(&service, &client), "it may be using it");
    service.events();
    service.queue(WAIT);
    t.run_with_ipc(ipc);
    assert_eq!(upcalls(&service).first(), Some(&(0, 0, 0)));
    assert!(!has_window(&service, &client));
}

#[test]
fn the_next_life_waits_until_windows_on_the_last_are_closed() {
    let (t, ipc) = board();
    let (client, service) = shared(&t, ipc);
    let before = client.id();
    client.process().try_restart(None);
    assert_ne!(client.id(), before, "it is another run at once");
    assert!(!client.process().ready() && has_window(&service, &client));
    let runs = client.runs();
    // A wait for one event calls nothing, and so takes nothing away.
    service.queue(Syscall::Yield {
        yield_type: YieldVariant::WaitFor {
            driver_number: 0x30007,
            subdriver_number: 1,
        },
    });
    t.run_with_ipc(ipc);
    assert!(has_window(&service, &client) && client.runs() == runs);
    service
        .process()
        .set_syscall_return_value(SyscallReturn::YieldWaitFor(0, 0, 0));
    service.events();
    t.run_with_ipc(ipc);
    assert_eq!(upcalls(&service), [(0, 0, 0)]);
    assert!(!has_window(&service, &client));
    assert!(client.runs() > runs, "it starts");
    // And shares anew.
    client.memop(0, client.ram(8192));
    service.wake();
    share(&client, &service, &t, ipc);
    assert!(has_window(&service, &client));
}

#[test]
fn who_polls_hears_of_the_end_too() {
    let (t, ipc) = board();
    let (client, service) = shared(&t, ipc);
    client.process().terminate(None);
    service.events();
    service.queue(Syscall::Yield {
        yield_type: YieldVariant::NoWait {
            ptr: core::ptr::null_mut(),
        },
    });
    t.run_with_ipc(ipc);
    assert_eq!(upcalls(&service), [(0, 0, 0)]);
}

#[test]
fn each_window_stays_until_its_own_end_was_told() {
    let (t, ipc) = board();
    let (client, service) = shared(&t, ipc);
    let other = started(&t, "other");
    share(&other, &service, &t, ipc);
    client.process().terminate(None);
    other.process().terminate(None);
    service.events();
    // One yield, whose upcall runs on in the middle of the code.
    service.process().set_yielded_state();
    let told = service.process().dequeue_task();
    assert!(told.is_some());
    assert!(!has_window(&service, &client) && has_window(&service, &other));
    service.process().dequeue_task();
    assert!(!has_window(&service, &other));
}

#[test]
fn who_never_yields_or_is_stopped_loses_it_all_the_same() {
    let (t, ipc) = board();
    let (client, service) = shared(&t, ipc);
    client.process().terminate(None);
    for _ in 0..19 {
        service.process().debug_timeslice_expired();
    }
    assert!(has_window(&service, &client));
    service.process().debug_timeslice_expired();
    assert!(!has_window(&service, &client));
    service.events();
    t.run_with_ipc(ipc);
    assert_eq!(upcalls(&service), [(0, 0, 0)], "the news stays");

    let (client, service) = (client, service);
    client.process().start(&kernel::testing::Everything);
    t.run_with_ipc(ipc);
    client.memop(0, client.ram(8192));
    service.wake();
    share(&client, &service, &t, ipc);
    service.process().stop();
    client.process().terminate(None);
    assert!(!has_window(&service, &client));
}

/// The dead have no windows, and nobody waits for them.
#[test]
fn a_holder_that_ends_lets_go() {
    let (t, ipc) = board();
    let (client, service) = shared(&t, ipc);
    client.process().try_restart(None);
    assert!(!client.process().ready());
    service.process().terminate(None);
    assert!(client.process().ready());
}
