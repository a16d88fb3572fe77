//! Policies and schedulers on real processes (`kernel::testing`).

mod clock;

use capsules_system::process_checker::basic::AppIdAssignerNames;
use capsules_system::process_checker::credentials::{
    AppCheckerCredentials, CredentialVerifier, Verdict,
};
use capsules_system::process_checker::tbf::AppIdAssignerTbfHeader;
use capsules_system::process_policies::{
    StopFaultPolicy, ThresholdRestartFaultPolicy, ThresholdRestartThenPanicFaultPolicy,
};
use capsules_system::scheduler::cooperative::{CoopProcessNode, CooperativeSched};
use capsules_system::scheduler::mlfq::{MLFQProcessNode, MLFQSched};
use capsules_system::scheduler::priority::PrioritySched;
use capsules_system::scheduler::round_robin::{RoundRobinProcessNode, RoundRobinSched};
use clock::Clock;
use kernel::ErrorCode;
use kernel::collections::list::{List, ListNode};
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::process::{
    FaultAction, ProcessBinary, ProcessFaultPolicy, ProcessSlot, ShortId, StoppedExecutingReason,
};
use kernel::process_checker::{
    AcceptedCredential, AppCredentialsPolicy, AppCredentialsPolicyClient, AppUniqueness,
    CheckResult, CheckResultAcceptMetadata, Compress, ProcessCheckError, ProcessCheckerMachine,
    ProcessCheckerMachineClient,
};
use kernel::scheduler::{Scheduler, SchedulingDecision};
use kernel::testing::{TestChip, TestKernel, tbf};
use std::cell::{Cell, RefCell};
use tock_tbf::parse::parse_tbf_footer;
use tock_tbf::types::TbfFooterV2Credentials;

/// Slot and slice of what runs next.
fn next(s: &impl Scheduler<TestChip>) -> Option<(usize, Option<u32>)> {
    match Scheduler::<TestChip>::next(s) {
        SchedulingDecision::RunProcess((id, slice)) => Some((id.index()?, slice.map(|s| s.get()))),
        SchedulingDecision::TrySleep => None,
    }
}

/// A node for each slot, in their order.
fn fill<T: ListNode<'static, T>>(
    list: &List<'static, T>,
    t: &TestKernel,
    node: impl Fn(&'static ProcessSlot) -> T,
) {
    for slot in t.slots() {
        list.push_tail(Box::leak(Box::new(node(slot))));
    }
}

fn round_robin(t: &TestKernel) -> RoundRobinSched<'static> {
    let s = RoundRobinSched::new();
    fill(&s.processes, t, RoundRobinProcessNode::new);
    s
}

#[test]
fn round_robin_takes_turns_and_gives_the_rest_of_a_slice_back() {
    let t = TestKernel::new();
    let s = round_robin(&t);
    assert_eq!(next(&s), None);
    let (a, b) = (t.process("a"), t.process("b"));
    let c = t.process("c");
    b.process().stop();
    // Each has its start-up call queued.
    let full = Some(10_000);
    let first = next(&s).unwrap();
    assert_eq!(first, (0, full));
    let done = |r, us| Scheduler::<TestChip>::result(&s, r, us);
    done(StoppedExecutingReason::KernelPreemption, Some(4_000));
    assert_eq!(next(&s), Some((0, Some(6_000))), "it goes on");
    done(StoppedExecutingReason::KernelPreemption, Some(5_700));
    assert_eq!(next(&s), Some((2, full)), "too little was left");
    done(StoppedExecutingReason::TimesliceExpired, Some(10_000));
    assert_eq!(next(&s), Some((0, full)), "a stopped one is passed over");
    done(StoppedExecutingReason::NoWorkLeft, Some(10));
    b.process().resume();
    assert_eq!(next(&s), Some((1, full)));
    done(StoppedExecutingReason::NoWorkLeft, Some(10));
    assert_eq!(next(&s), Some((2, full)));
    a.process().terminate(None);
    c.process().terminate(None);
    done(StoppedExecutingReason::NoWorkLeft, Some(10));
    assert_eq!(next(&s), Some((1, full)), "alone, it has every turn");
}

/// Deferred work that counts its runs.
struct Work {
    call: DeferredCall,
    runs: Cell<u32>,
}

impl Work {
    fn new(call: DeferredCall) -> &'static Self {
        let runs = Cell::new(0);
        let work: &'static Self = Box::leak(Box::new(Work { call, runs }));
        work.register();
        work
    }
}

impl DeferredCallClient for Work {
    fn handle_deferred_call(&self) {
        self.runs.set(self.runs.get() + 1);
    }
    fn register(&'static self) {
        self.call.register(self);
    }
}

#[test]
fn no_slow_call_follows_another_while_a_process_is_ready_that_has_not_run() {
    let t = TestKernel::new();
    let s = round_robin(&t);
    let chip = t.chip();
    let (a, b) = (t.process("a"), t.process("b"));
    let (slow, other) = (
        Work::new(DeferredCall::new_slow()),
        Work::new(DeferredCall::new_slow()),
    );
    let prompt = Work::new(DeferredCall::new());
    let done = |r, us| Scheduler::<TestChip>::result(&s, r, us);
    let waits = || !Scheduler::<TestChip>::do_kernel_work_now(&s, chip);
    // The slot that runs next, entered once and then interrupted.
    let turn = || {
        let (slot, _) = next(&s).unwrap();
        let id = [&a, &b][slot].id();
        assert!(s.continue_process(id, chip), "it runs although calls wait");
        done(StoppedExecutingReason::KernelPreemption, Some(100));
        slot
    };
    let both = (turn(), {
        done(StoppedExecutingReason::NoWorkLeft, None);
        turn()
    });
    assert_eq!(both, (0, 1));
    slow.call.set();
    other.call.set();
    assert!(!s.continue_process(b.id(), chip), "all have run");
    s.execute_kernel_work(chip);
    assert_eq!((slow.runs.get(), other.runs.get()), (1, 0), "one at a time");
    assert!(waits());
    s.execute_kernel_work(chip);
    assert_eq!(other.runs.get(), 0);
    assert_eq!(turn(), 0, "the turn of the one that called is over");
    assert!(waits(), "b has not run");
    prompt.call.set();
    assert!(!waits(), "what is not slow comes first, as ever");
    assert!(!s.continue_process(a.id(), chip));
    s.execute_kernel_work(chip);
    assert_eq!((prompt.runs.get(), other.runs.get()), (1, 0));
    // Chosen but not entered is not run.
    done(StoppedExecutingReason::NoWorkLeft, Some(10));
    assert_eq!(next(&s).map(|n| n.0), Some(1));
    done(StoppedExecutingReason::KernelPreemption, Some(0));
    assert!(waits());
    assert_eq!(turn(), 1);
    assert!(!waits());
    s.execute_kernel_work(chip);
    assert_eq!(other.runs.get(), 1);
    // Nobody is ready: nobody to wait for.
    slow.call.set();
    assert!(waits());
    a.process().stop();
    b.process().stop();
    assert!(!waits());
    s.execute_kernel_work(chip);
    assert_eq!(slow.runs.get(), 2);
}

#[test]
fn cooperative_and_priority_choose_as_they_say() {
    let t = TestKernel::new();
    let coop = CooperativeSched::new();
    fill(&coop.processes, &t, CoopProcessNode::new);
    let prio = PrioritySched::new(t.kernel(), t.management_capability());
    let (a, b) = (t.process("a"), t.process("b"));
    assert_eq!(next(&coop), Some((0, None)));
    Scheduler::<TestChip>::result(&coop, StoppedExecutingReason::NoWorkLeft, None);
    assert_eq!(next(&coop), Some((1, None)));
    Scheduler::<TestChip>::result(&coop, StoppedExecutingReason::KernelPreemption, None);
    assert_eq!(next(&coop), Some((1, None)), "an interrupt ends no turn");
    Scheduler::<TestChip>::result(&coop, StoppedExecutingReason::NoWorkLeft, None);
    assert_eq!(next(&coop), Some((0, None)), "around to the first");
    assert_eq!(next(&prio), Some((0, None)));
    assert!(!prio.continue_process(b.id(), t.chip()));
    a.process().terminate(None);
    assert_eq!(next(&prio), Some((1, None)));
    assert!(prio.continue_process(b.id(), t.chip()));
}

#[test]
fn thresholds_count_restarts() {
    let t = TestKernel::new();
    let p = t.process("a");
    let (stop, panic) = (
        ThresholdRestartFaultPolicy::new(1),
        ThresholdRestartThenPanicFaultPolicy::new(1),
    );
    for round in 0..4 {
        let want = round <= 1;
        assert_eq!(stop.will_restart(p.process()), want);
        assert_eq!(stop.action(p.process()) == FaultAction::Restart, want);
        let then = panic.action(p.process());
        let expected = if want {
            FaultAction::Restart
        } else {
            FaultAction::Panic
        };
        assert_eq!(then, expected);
        p.process().try_restart(None);
    }
    assert_eq!(stop.action(p.process()), FaultAction::Stop);
    assert_eq!(StopFaultPolicy {}.action(p.process()), FaultAction::Stop);
}

fn leak(bytes: Vec<u8>) -> &'static [u8] {
    Box::leak(bytes.into_boxed_slice())
}

fn binary(name: &str) -> ProcessBinary {
    let flash = leak(tbf(name, 4096, 1024));
    let header = usize::from(u16::from_le_bytes([flash[2], flash[3]]));
    ProcessBinary::create(flash, header, 2).ok().unwrap()
}

#[test]
fn names_come_from_names_or_from_accepted_headers() {
    let (a, b) = (binary("a"), binary("b"));
    let hash = |name: &'static str| kernel::utilities::helpers::crc32_posix(name.as_bytes());
    let names = AppIdAssignerNames::new(&hash);
    assert!(names.different_identifier(&a, &b));
    assert!(!names.different_identifier(&a, &binary("a")));
    assert_eq!(names.to_short_id(&a), names.to_short_id(&binary("a")));
    assert!(names.to_short_id(&a) != names.to_short_id(&b));
    // The header has no ShortId, so nothing gives it one.
    let assigner = AppIdAssignerTbfHeader {};
    assert!(matches!(assigner.to_short_id(&a), ShortId::LocallyUnique));
    assert!(
        assigner.different_identifier(&a, &a),
        "no name equals no name"
    );
}

/// Good when the data's first byte is the message's; another is bad when odd, else of another key;
/// unable when it is 0xEE.
struct Verifier;
impl CredentialVerifier for Verifier {
    fn verify(
        &self,
        credential: &TbfFooterV2Credentials,
        message: &[u8],
    ) -> Result<Verdict, ErrorCode> {
        match credential.data()[0] {
            0xEE => Err(ErrorCode::FAIL),
            first if message.first() == Some(&first) => Ok(Verdict::Good),
            first if first & 1 == 1 => Ok(Verdict::Bad),
            _ => Ok(Verdict::Unknown),
        }
    }
}

#[derive(Default)]
struct Verdicts(RefCell<Vec<Result<CheckResult, ErrorCode>>>);
impl AppCredentialsPolicyClient<'static> for Verdicts {
    fn check_done(
        &self,
        result: Result<CheckResult, ErrorCode>,
        _: TbfFooterV2Credentials,
        _: &'static [u8],
    ) {
        self.0.borrow_mut().push(result);
    }
}

fn footer(format: u32, first: u8) -> Vec<u8> {
    let len = [0, 768, 1024, 32, 48, 64, 64][format as usize];
    let mut bytes = 128u16.to_le_bytes().to_vec();
    bytes.extend((4 + len as u16).to_le_bytes());
    bytes.extend(format.to_le_bytes());
    bytes.resize(8 + len, 0);
    if let Some(at) = bytes.get_mut(8) {
        *at = first;
    }
    bytes
}

fn credential(format: u32, first: u8) -> TbfFooterV2Credentials {
    parse_tbf_footer(leak(footer(format, first))).unwrap().0
}

fn checker(required: bool) -> &'static AppCheckerCredentials<'static, Verifier> {
    let checker: &'static AppCheckerCredentials<'static, Verifier> =
        Box::leak(Box::new(AppCheckerCredentials::new(&Verifier, required)));
    checker.register();
    checker
}

#[test]
fn credentials_are_judged_later_and_one_at_a_time() {
    let checker = checker(false);
    let verdicts: &'static Verdicts = Box::leak(Box::default());
    checker.set_client(verdicts);
    assert!(!checker.require_credentials());
    let message = &[7u8, 1, 2][..];
    let room = checker.check_credentials(credential(0, 0), message);
    assert!(matches!(room, Err((ErrorCode::NOSUPPORT, ..))));
    for format in 1..=6 {
        let accepted = CheckResult::Accept(Some(CheckResultAcceptMetadata {
            metadata: format as usize,
        }));
        let cases = [
            (7, Ok(accepted)),
            (9, Ok(CheckResult::Reject)),
            (8, Ok(CheckResult::Pass)),
            (0xEE, Err(ErrorCode::FAIL)),
        ];
        for (first, verdict) in cases {
            let credential = credential(format, first);
            assert!(checker.check_credentials(credential, message).is_ok());
            let second = checker.check_credentials(credential, message);
            assert!(matches!(second, Err((ErrorCode::BUSY, ..))));
            assert!(DeferredCall::service_next_pending().is_some());
            assert_eq!(verdicts.0.borrow_mut().pop(), Some(verdict));
        }
    }
}

#[derive(Default)]
struct Outcome(RefCell<Vec<Result<Option<u32>, ProcessCheckError>>>);
impl ProcessCheckerMachineClient for Outcome {
    fn done(
        &self,
        _: ProcessBinary,
        result: Result<Option<AcceptedCredential>, ProcessCheckError>,
    ) {
        let format = |c: AcceptedCredential| c.credential.format() as u32;
        self.0.borrow_mut().push(result.map(|c| c.map(format)));
    }
}

/// What comes of a binary with these footers; the integrity region's first byte is 2.
fn walked(required: bool, footers: &[(u32, u8)]) -> Result<Option<u32>, ProcessCheckError> {
    let checker = checker(required);
    let machine: &'static ProcessCheckerMachine =
        Box::leak(Box::new(ProcessCheckerMachine::new(checker)));
    machine.register();
    let outcome: &'static Outcome = Box::leak(Box::default());
    machine.set_client(outcome);
    let mut binary = binary("a");
    let all = footers.iter().flat_map(|(f, first)| footer(*f, *first));
    binary.footers = leak(all.collect());
    assert_eq!(machine.check(binary), Ok(()));
    while DeferredCall::service_next_pending().is_some() {}
    outcome.0.take().pop().unwrap()
}

#[test]
fn a_digest_is_kept_while_a_signature_may_follow_and_is_none_where_one_is_required() {
    use ProcessCheckError::{CredentialsNotAccepted, CredentialsRejected};
    const SHA: (u32, u8) = (3, 2);
    const ECDSA: (u32, u8) = (6, 2);
    let table: [(&[(u32, u8)], _, _); 9] = [
        (&[], Ok(None), Err(CredentialsNotAccepted)),
        (&[SHA], Ok(Some(3)), Err(CredentialsNotAccepted)),
        (&[SHA, ECDSA], Ok(Some(6)), Ok(Some(6))),
        (&[SHA, (5, 2), (2, 2)], Ok(Some(2)), Ok(Some(2))),
        (
            &[(3, 9), ECDSA],
            Err(CredentialsRejected(0)),
            Err(CredentialsRejected(0)),
        ),
        (&[ECDSA, (3, 9)], Ok(Some(6)), Ok(Some(6))),
        (
            &[SHA, (1, 9)],
            Err(CredentialsRejected(1)),
            Err(CredentialsRejected(1)),
        ),
        (
            &[SHA, (0, 0), (6, 8)],
            Ok(Some(3)),
            Err(CredentialsNotAccepted),
        ),
        (&[(6, 0xEE)], Ok(None), Err(CredentialsNotAccepted)),
    ];
    for (footers, open, required) in table {
        assert_eq!(walked(false, footers), open, "{footers:?}");
        assert_eq!(walked(true, footers), required, "{footers:?}");
    }
}

#[test]
fn who_uses_up_its_slice_sinks_and_rises_again() {
    let t = TestKernel::new();
    let clock: &Clock = Box::leak(Box::default());
    clock.now.set(u32::MAX - 1_000_000);
    let s = MLFQSched::new(clock);
    fill(&s.processes[0], &t, MLFQProcessNode::new);
    assert_eq!(next(&s), None);
    let (a, b) = (t.process("a"), t.process("b"));
    let done = |r, us| {
        clock.now.set(clock.now.get().wrapping_add(us));
        Scheduler::<TestChip>::result(&s, r, Some(us));
    };
    use StoppedExecutingReason::{KernelPreemption, NoWorkLeft, TimesliceExpired};
    // Both in the first queue: in turn.
    assert_eq!(next(&s), Some((0, Some(10_000))));
    done(NoWorkLeft, 1_000);
    assert_eq!(next(&s), Some((1, Some(10_000))));
    done(KernelPreemption, 4_000);
    assert_eq!(next(&s), Some((1, Some(6_000))), "it goes on");
    done(TimesliceExpired, 6_000);
    // The second one sank.
    assert_eq!(next(&s), Some((0, Some(9_000))));
    done(NoWorkLeft, 1_000);
    assert_eq!(next(&s), Some((0, Some(8_000))), "still above the other");
    done(NoWorkLeft, 0);
    a.process().stop();
    assert_eq!(next(&s), Some((1, Some(20_000))));
    assert!(s.continue_process(b.id(), t.chip()));
    a.process().resume();
    assert!(
        !s.continue_process(b.id(), t.chip()),
        "the first queue is not empty"
    );
    done(KernelPreemption, 0);
    assert_eq!(next(&s), Some((0, Some(8_000))));
    done(TimesliceExpired, 8_000);
    assert_eq!(
        next(&s),
        Some((1, Some(20_000))),
        "the second queue, in turn"
    );
    done(TimesliceExpired, 20_000);
    assert_eq!(next(&s), Some((0, Some(20_000))));
    done(TimesliceExpired, 20_000);
    // Both in the third; nobody sinks further, until all rise.
    let mut turns = [0; 2];
    for _ in 0..98 {
        let (slot, slice) = next(&s).unwrap();
        assert_eq!(slice, Some(50_000));
        turns[slot] += 1;
        done(TimesliceExpired, 50_000);
    }
    assert_eq!(turns, [49, 49]);
    done(KernelPreemption, 50_000);
    done(KernelPreemption, 50_000);
    assert_eq!(next(&s).unwrap().1, Some(10_000), "all rose");
}

/// A TBF that allows command 1 and 65 of driver 5, and nothing else.
#[test]
fn the_filter_allows_what_the_header_lists() {
    use capsules_system::syscall_filter::TbfHeaderFilterDefaultAllow;
    use kernel::platform::SyscallFilter;
    use kernel::syscall::Syscall;
    let t = TestKernel::new();
    let p = t.process("free");
    let filter = TbfHeaderFilterDefaultAllow {};
    let ask = |driver_number, subdriver_number| {
        let call = Syscall::Command {
            driver_number,
            subdriver_number,
            arg0: 0,
            arg1: 0,
        };
        filter.filter_syscall(p.process(), &call)
    };
    assert_eq!(ask(5, 1), Ok(()), "no list: all is allowed");
    assert_eq!(ask(6, 200), Ok(()));

    // Count; driver 5, offset 0, bit 1; driver 5, offset 1, bit 1; padding.
    let mut value = vec![2, 0];
    for words in [[5u32, 0, 0b10, 0], [5, 1, 0b10, 0]] {
        value.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    }
    let mut bytes = tbf("bound", 16 * 1024, 4096);
    let header = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
    let mut entry = vec![6, 0, value.len() as u8, 0];
    entry.extend(value);
    entry.resize(entry.len().next_multiple_of(4), 0);
    bytes.splice(header..header, entry.iter().copied());
    bytes.truncate(4096);
    let header = header + entry.len();
    bytes[2..4].copy_from_slice(&(header as u16).to_le_bytes());
    bytes[12..16].fill(0);
    let words = bytes[..header].chunks_exact(4);
    let sum = words.fold(0, |s, w| s ^ u32::from_le_bytes(w.try_into().unwrap()));
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    let mut store = vec![0u8; 4096 + 32];
    let skip = store.as_ptr().addr().next_multiple_of(32) - store.as_ptr().addr();
    store[skip..skip + 4096].copy_from_slice(&bytes);
    let flash: &'static [u8] = &store.leak()[skip..skip + 4096];
    let memory = vec![0u8; 32 * 1024].leak();
    let cap = t.management_capability();
    kernel::process::load_processes(t.kernel(), t.chip(), flash, memory, &STOP, &cap).unwrap();
    let bound = t.slot(1).unwrap();
    let ask = |call: Syscall| filter.filter_syscall(bound, &call);
    let command = |driver_number, subdriver_number| {
        ask(Syscall::Command {
            driver_number,
            subdriver_number,
            arg0: 0,
            arg1: 0,
        })
    };
    let refused = Err(ErrorCode::NODEVICE);
    for (driver, number, answer) in [
        (5, 1, Ok(())),
        (5, 65, Ok(())),
        (5, 0, refused),
        (5, 2, refused),
        (5, 64, refused),
        (5, 129, refused),
        (6, 1, refused),
    ] {
        assert_eq!(command(driver, number), answer, "{driver} {number}");
    }
    let allow = |driver_number| {
        ask(Syscall::ReadOnlyAllow {
            driver_number,
            subdriver_number: 9,
            allow_address: core::ptr::null(),
            allow_size: 0,
        })
    };
    assert_eq!((allow(5), allow(6)), (Ok(()), refused));
    let memop = Syscall::Memop {
        operand: 0,
        arg0: 0,
    };
    assert_eq!(ask(memop), Ok(()));
}

static STOP: StopFaultPolicy = StopFaultPolicy {};
