//! Policies and schedulers on real processes (`kernel::testing`).

use capsules_system::process_checker::basic::AppIdAssignerNames;
use capsules_system::process_checker::signature::{AppCheckerSignature, CredentialVerifier};
use capsules_system::process_checker::tbf::AppIdAssignerTbfHeader;
use capsules_system::process_policies::{
    StopFaultPolicy, ThresholdRestartFaultPolicy, ThresholdRestartThenPanicFaultPolicy,
};
use capsules_system::scheduler::cooperative::CooperativeSched;
use capsules_system::scheduler::priority::PrioritySched;
use capsules_system::scheduler::round_robin::RoundRobinSched;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::process::{
    FaultAction, ProcessBinary, ProcessFaultPolicy, ShortId, StoppedExecutingReason,
};
use kernel::process_checker::{
    AppCredentialsPolicy, AppCredentialsPolicyClient, AppUniqueness, CheckResult, Compress,
};
use kernel::scheduler::{Scheduler, SchedulingDecision};
use kernel::testing::{TestChip, TestKernel, tbf};
use std::cell::RefCell;
use tock_tbf::parse::parse_tbf_footer;
use tock_tbf::types::TbfFooterV2Credentials;

/// Slot and slice of what runs next.
fn next(s: &impl Scheduler<TestChip>) -> Option<(usize, Option<u32>)> {
    match Scheduler::<TestChip>::next(s) {
        SchedulingDecision::RunProcess((id, slice)) => Some((id.index()?, slice.map(|s| s.get()))),
        SchedulingDecision::TrySleep => None,
    }
}

#[test]
fn round_robin_takes_turns_and_gives_the_rest_of_a_slice_back() {
    let t = TestKernel::new();
    let s = RoundRobinSched::new(t.slots());
    assert_eq!(next(&s), None);
    let (a, b) = (t.process("a"), t.process("b"));
    let c = t.process("c");
    b.process().stop();
    // Each has its start-up call queued.
    let full = Some(10_000);
    let first = next(&s).unwrap();
    assert_eq!(first, (2, full));
    let done = |r, us| Scheduler::<TestChip>::result(&s, r, us);
    done(StoppedExecutingReason::KernelPreemption, Some(4_000));
    assert_eq!(next(&s), Some((2, Some(6_000))), "it goes on");
    done(StoppedExecutingReason::KernelPreemption, Some(5_700));
    assert_eq!(next(&s), Some((0, full)), "too little was left");
    done(StoppedExecutingReason::TimesliceExpired, Some(10_000));
    assert_eq!(next(&s), Some((2, full)), "a stopped one is passed over");
    done(StoppedExecutingReason::NoWorkLeft, Some(10));
    b.process().resume();
    assert_eq!(next(&s), Some((0, full)));
    done(StoppedExecutingReason::NoWorkLeft, Some(10));
    assert_eq!(next(&s), Some((1, full)));
    a.process().terminate(None);
    c.process().terminate(None);
    done(StoppedExecutingReason::NoWorkLeft, Some(10));
    assert_eq!(next(&s), Some((1, full)), "alone, it has every turn");
}

#[test]
fn cooperative_and_priority_choose_as_they_say() {
    let t = TestKernel::new();
    let (coop, prio) = (
        CooperativeSched::new(t.slots()),
        PrioritySched::new(t.slots()),
    );
    let (a, b) = (t.process("a"), t.process("b"));
    assert_eq!(next(&coop), Some((0, None)));
    Scheduler::<TestChip>::result(&coop, StoppedExecutingReason::NoWorkLeft, None);
    assert_eq!(next(&coop), Some((1, None)));
    Scheduler::<TestChip>::result(&coop, StoppedExecutingReason::KernelPreemption, None);
    assert_eq!(next(&coop), Some((1, None)), "an interrupt ends no turn");
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
    let names = AppIdAssignerNames {};
    assert!(names.different_identifier(&a, &b));
    assert!(!names.different_identifier(&a, &binary("a")));
    assert_eq!(names.to_short_id(&a), names.to_short_id(&binary("a")));
    assert!(names.to_short_id(&a) != names.to_short_id(&b));
    // The header has no ShortId, so nothing gives it one.
    let assigner = AppIdAssignerTbfHeader {
        require_credential: false,
    };
    assert!(matches!(assigner.to_short_id(&a), ShortId::LocallyUnique));
    assert!(
        assigner.different_identifier(&a, &a),
        "no name equals no name"
    );
}

/// Good when the signature's first byte is the message's; unable when it is 0xEE.
struct Verifier;
impl CredentialVerifier for Verifier {
    fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<bool, ErrorCode> {
        match signature[0] {
            0xEE => Err(ErrorCode::FAIL),
            first => Ok(message.first() == Some(&first)),
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

fn credential(format: u32, first: u8) -> TbfFooterV2Credentials {
    let mut bytes = 128u16.to_le_bytes().to_vec();
    bytes.extend(68u16.to_le_bytes());
    bytes.extend(format.to_le_bytes());
    bytes.push(first);
    bytes.extend([0; 63]);
    parse_tbf_footer(leak(bytes)).unwrap().0
}

#[test]
fn signatures_are_judged_later_and_one_at_a_time() {
    let checker: &'static AppCheckerSignature<'static, Verifier> =
        Box::leak(Box::new(AppCheckerSignature::new(&Verifier)));
    checker.register();
    let verdicts: &'static Verdicts = Box::leak(Box::default());
    checker.set_client(verdicts);
    assert!(!checker.require_credentials());
    let message = &[7u8, 1, 2][..];
    let other = checker.check_credentials(credential(3, 7), message);
    assert!(
        matches!(other, Err((ErrorCode::NOSUPPORT, ..))),
        "SHA-256 is no signature"
    );
    for first in [7, 8, 0xEE] {
        assert!(
            checker
                .check_credentials(credential(6, first), message)
                .is_ok()
        );
        let second = checker.check_credentials(credential(6, first), message);
        assert!(matches!(second, Err((ErrorCode::BUSY, ..))));
        assert!(DeferredCall::service_next_pending().is_some());
    }
    assert_eq!(
        *verdicts.0.borrow(),
        [
            Ok(CheckResult::Accept(None)),
            Ok(CheckResult::Pass),
            Err(ErrorCode::FAIL)
        ]
    );
}
