//! Back-off on real processes (`kernel::testing`), with a clock that the test turns.

mod clock;

use capsules_system::process_restart::{Backoff, BackoffRestartFaultPolicy};
use clock::Clock;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::time::{Alarm, AlarmClient};
use kernel::process::{FaultAction, Process, ProcessFaultPolicy, State};
use kernel::testing::{Everything, TestKernel};

type Policy = BackoffRestartFaultPolicy<Clock, Everything, 8>;

const BACKOFF: Backoff = Backoff {
    first_ms: 10,
    most_ms: 10_000,
    well_ms: 60_000,
    limit: 20,
};

fn policy(t: &TestKernel, backoff: Backoff, now: u32) -> (&'static Policy, &'static Clock) {
    let clock: &Clock = Box::leak(Box::default());
    clock.now.set(now);
    let policy = Policy::new(t.kernel(), clock, backoff, Everything);
    let policy: &Policy = Box::leak(Box::new(policy));
    policy.register();
    (policy, clock)
}

/// Time passes up to the alarm; how much, microseconds.
fn ring(policy: &Policy, clock: &Clock) -> u32 {
    let (reference, dt) = clock.set.take().unwrap();
    let before = clock.now.replace(reference.wrapping_add(dt));
    policy.alarm();
    clock.now.get().wrapping_sub(before)
}

/// As the kernel does it.
fn fault(policy: &Policy, process: &dyn Process) -> FaultAction {
    let action = policy.action(process);
    match action {
        FaultAction::Restart => process.try_restart(None),
        _ => process.terminate(None),
    }
    while DeferredCall::service_next_pending().is_some() {}
    action
}

fn held(process: &dyn Process) -> bool {
    matches!(process.get_state(), State::Stopped(_))
}

#[test]
fn each_restart_waits_twice_as_long_up_to_the_most() {
    let t = TestKernel::new();
    // The clock wraps meanwhile.
    let (policy, clock) = policy(&t, BACKOFF, u32::MAX - 15_000);
    let (a, b) = (t.process("a"), t.process("b"));
    let a = a.process();
    for n in 0..20 {
        let expected = (10u32 << n).min(10_000);
        assert_eq!(policy.will_restart(a), Some(expected));
        assert_eq!(policy.faults(a), n);
        assert_eq!(fault(policy, a), FaultAction::Restart);
        assert!(held(a));
        assert!(!held(b.process()));
        assert_eq!(ring(policy, clock), expected * 1_000);
        assert!(!held(a) && a.is_running());
    }
    assert_eq!(policy.will_restart(a), None);
    assert_eq!(fault(policy, a), FaultAction::Stop);
    assert_eq!(policy.will_restart(b.process()), Some(10), "each its own");
}

#[test]
fn a_minute_without_a_fault_and_it_is_well() {
    let t = TestKernel::new();
    let (policy, clock) = policy(&t, BACKOFF, 0);
    let a = t.process("a");
    let a = a.process();
    for _ in 0..3 {
        fault(policy, a);
        ring(policy, clock);
    }
    clock.now.set(clock.now.get() + 59_999_000);
    assert_eq!(policy.will_restart(a), Some(80));
    assert_eq!(ring(policy, clock), 1_000);
    assert_eq!(policy.will_restart(a), Some(10));
    assert!(!clock.is_armed(), "nobody is waited for");
}

#[test]
fn two_are_held_at_a_time() {
    let t = TestKernel::new();
    let (policy, clock) = policy(&t, BACKOFF, 0);
    let (a, b) = (t.process("a"), t.process("b"));
    let (a, b) = (a.process(), b.process());
    fault(policy, a);
    ring(policy, clock);
    fault(policy, a);
    clock.now.set(clock.now.get() + 4_000);
    fault(policy, b);
    assert_eq!(ring(policy, clock), 10_000);
    assert_eq!((held(a), held(b)), (true, false));
    assert_eq!(ring(policy, clock), 6_000);
    assert_eq!((held(a), held(b)), (false, false));
}

#[test]
fn a_process_that_somebody_ended_meanwhile_is_left_alone() {
    let t = TestKernel::new();
    let (policy, clock) = policy(&t, BACKOFF, 0);
    let a = t.process("a");
    let a = a.process();
    fault(policy, a);
    a.terminate(None);
    ring(policy, clock);
    assert_eq!(a.get_state(), State::Terminated);
    a.start(&Everything);
    a.stop();
    let (_, clock) = (fault(policy, a), clock);
    a.try_restart(None);
    a.stop();
    ring(policy, clock);
    assert!(held(a), "it is another life than the one that was held");
}

#[test]
fn without_a_delay_it_starts_at_once() {
    let t = TestKernel::new();
    let rules = Backoff {
        first_ms: 0,
        ..BACKOFF
    };
    let (policy, _) = policy(&t, rules, 0);
    let a = t.process("a");
    assert_eq!(fault(policy, a.process()), FaultAction::Restart);
    assert!(!held(a.process()));
    assert_eq!(BACKOFF.delay_ms(u32::MAX), 10_000);
}
