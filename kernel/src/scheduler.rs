//! What a scheduler decides. Implementations are in `capsules-system`.

use crate::ProcessId;
use crate::deferred_call::DeferredCall;
use crate::platform::chip::Chip;
use crate::process::StoppedExecutingReason;
use core::num::NonZeroU32;

/// What to do next.
#[derive(Copy, Clone, Debug)]
pub enum SchedulingDecision {
    /// Run a process, for so many microseconds or until it yields.
    RunProcess((ProcessId, Option<NonZeroU32>)),
    /// Nothing is ready.
    TrySleep,
}

/// Picks processes.
pub trait Scheduler<C: Chip> {
    /// Decides.
    fn next(&self) -> SchedulingDecision;
    /// How the last one ended, after how many microseconds (if it had a slice).
    fn result(&self, result: StoppedExecutingReason, execution_time_us: Option<u32>);

    /// Runs bottom halves and deferred calls.
    fn execute_kernel_work(&self, chip: &C) {
        chip.service_pending_interrupts();
        while DeferredCall::has_tasks() && !chip.has_pending_interrupts() {
            DeferredCall::service_next_pending();
        }
    }

    /// Whether the kernel has work that comes before processes.
    fn do_kernel_work_now(&self, chip: &C) -> bool {
        chip.has_pending_interrupts() || DeferredCall::has_tasks()
    }

    /// Whether the running process may go on.
    fn continue_process(&self, _id: ProcessId, chip: &C) -> bool {
        !(chip.has_pending_interrupts() || DeferredCall::has_tasks())
    }
}
