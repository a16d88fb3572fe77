//! Round robin without slices: a process runs until it yields.

use core::cell::Cell;
use kernel::platform::chip::Chip;
use kernel::process::{ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

/// The scheduler.
pub struct CooperativeSched {
    slots: &'static [ProcessSlot],
    next: Cell<usize>,
}

impl CooperativeSched {
    /// Over all slots.
    pub const fn new(slots: &'static [ProcessSlot]) -> Self {
        CooperativeSched {
            slots,
            next: Cell::new(0),
        }
    }
}

impl<C: Chip> Scheduler<C> for CooperativeSched {
    fn next(&self) -> SchedulingDecision {
        let (first, count) = (self.next.get(), self.slots.len());
        for i in (first..count).chain(0..count.min(first)) {
            if let Some(id) = self.slots.get(i).and_then(ProcessSlot::ready) {
                self.next.set(i);
                return SchedulingDecision::RunProcess((id, None));
            }
        }
        SchedulingDecision::TrySleep
    }

    fn result(&self, result: StoppedExecutingReason, _: Option<u32>) {
        if result != StoppedExecutingReason::KernelPreemption {
            self.next
                .set((self.next.get() + 1) % self.slots.len().max(1));
        }
    }
}
