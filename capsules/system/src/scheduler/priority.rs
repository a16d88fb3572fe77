//! The first slot that is ready runs, until it yields or an earlier one is ready.

use kernel::capabilities::ProcessManagementCapability;
use kernel::deferred_call::DeferredCall;
use kernel::platform::chip::Chip;
use kernel::process::{Process, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};
use kernel::{Kernel, ProcessId};

/// The scheduler.
pub struct PrioritySched<CAP: ProcessManagementCapability> {
    kernel: &'static Kernel,
    cap: CAP,
}

impl<CAP: ProcessManagementCapability> PrioritySched<CAP> {
    /// Over all slots of the kernel, the first having the highest priority.
    pub const fn new(kernel: &'static Kernel, cap: CAP) -> Self {
        PrioritySched { kernel, cap }
    }

    fn first(&self) -> Option<ProcessId> {
        let mut processes = self.kernel.process_iter_capability(&self.cap);
        processes.find(|p| p.ready()).map(Process::processid)
    }
}

impl<C: Chip, CAP: ProcessManagementCapability> Scheduler<C> for PrioritySched<CAP> {
    fn next(&self) -> SchedulingDecision {
        self.first().map_or(SchedulingDecision::TrySleep, |id| {
            SchedulingDecision::RunProcess((id, None))
        })
    }

    fn result(&self, _: StoppedExecutingReason, _: Option<u32>) {}

    fn continue_process(&self, id: ProcessId, chip: &C) -> bool {
        !(chip.has_pending_interrupts() || DeferredCall::has_tasks())
            && self.first().is_none_or(|first| first == id)
    }
}
