//! What becomes of a process that faults on this board: a Cargo feature of the kernel image chooses.
//!
//! | feature | policy |
//! |---|---|
//! | – | restart, later each time, four times; then it stays stopped |
//! | `fault-stop` | it ends |
//! | `fault-threshold` | restart at once, twice; then it ends |
//! | `fault-panic` | the kernel's end, and a reset |
//!
//! With several the first of this table counts. The rules of `tests/rules` fault on purpose: their
//! kernel restarts at once, as often as it takes.

use crate::{capsules, process_console};
use capsules_system::process_policies::{
    PanicFaultPolicy, StopFaultPolicy, ThresholdRestartFaultPolicy,
};
use capsules_system::process_restart::{Backoff, BackoffRestartFaultPolicy};
use kernel::Kernel;
use kernel::process::{FaultAction, Process, ProcessFaultPolicy};

const RULES: bool = cfg!(feature = "rules");
const STOP: bool = cfg!(feature = "fault-stop");
const THRESHOLD: bool = cfg!(feature = "fault-threshold");
const PANIC: bool = cfg!(feature = "fault-panic");

const BACKOFF: Backoff = Backoff {
    first_ms: if RULES { 0 } else { 10 },
    most_ms: 10_000,
    well_ms: 60_000,
    limit: if RULES { 100_000 } else { 4 },
};
/// One restart more than the number says.
const TWICE: ThresholdRestartFaultPolicy = ThresholdRestartFaultPolicy::new(1);

/// Restart with back-off.
pub type BackoffPolicy = BackoffRestartFaultPolicy<
    capsules::VirtualAlarm,
    process_console::Capability,
    { crate::NUM_PROCS as usize },
>;

/// The policy that was chosen.
pub struct FaultPolicy(pub &'static BackoffPolicy);

/// What a process that faulted may expect.
pub struct Prospect {
    /// Milliseconds until its next life; `None`: there is none.
    pub delay_ms: Option<u32>,
    /// Restarts that count against it.
    pub restarts: u32,
    /// Most of them.
    pub limit: u32,
}

impl FaultPolicy {
    /// What it will decide, for what is said of a fault before.
    pub fn prospect(&self, process: &dyn Process) -> Prospect {
        let never = Prospect {
            delay_ms: None,
            restarts: 0,
            limit: 0,
        };
        if STOP {
            never
        } else if THRESHOLD {
            Prospect {
                delay_ms: TWICE.will_restart(process).then_some(0),
                restarts: process.get_restart_count() as u32,
                limit: TWICE.limit() as u32,
            }
        } else if PANIC {
            never
        } else {
            Prospect {
                delay_ms: self.0.will_restart(process),
                restarts: self.0.faults(process),
                limit: BACKOFF.limit,
            }
        }
    }
}

impl ProcessFaultPolicy for FaultPolicy {
    fn action(&self, process: &dyn Process) -> FaultAction {
        if STOP {
            StopFaultPolicy {}.action(process)
        } else if THRESHOLD {
            TWICE.action(process)
        } else if PANIC {
            PanicFaultPolicy {}.action(process)
        } else {
            self.0.action(process)
        }
    }
}

/// Restart with back-off, not yet anybody's client.
pub fn backoff(kernel: &'static Kernel, alarm: &'static capsules::VirtualAlarm) -> BackoffPolicy {
    BackoffPolicy::new(kernel, alarm, BACKOFF, process_console::Capability)
}
