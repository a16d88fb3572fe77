//! The first slot that is ready runs, until it yields or an earlier one is ready.

use kernel::ProcessId;
use kernel::deferred_call::DeferredCall;
use kernel::platform::chip::Chip;
use kernel::process::{ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

/// The scheduler.
pub struct PrioritySched {
    slots: &'static [ProcessSlot],
}

impl PrioritySched {
    /// Over all slots, the first having the highest priority.
    pub const fn new(slots: &'static [ProcessSlot]) -> Self {
        PrioritySched { slots }
    }
}

impl<C: Chip> Scheduler<C> for PrioritySched {
    fn next(&self) -> SchedulingDecision {
        self.slots
            .iter()
            .find_map(ProcessSlot::ready)
            .map_or(SchedulingDecision::TrySleep, |id| {
                SchedulingDecision::RunProcess((id, None))
            })
    }

    fn result(&self, _: StoppedExecutingReason, _: Option<u32>) {}

    fn continue_process(&self, id: ProcessId, chip: &C) -> bool {
        let first = self.slots.iter().find_map(ProcessSlot::ready);
        !(chip.has_pending_interrupts() || DeferredCall::has_tasks())
            && first.is_none_or(|f| f == id)
    }
}
