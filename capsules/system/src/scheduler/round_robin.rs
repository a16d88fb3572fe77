//! Round robin with time slices.
//!
//! A process that the kernel had to interrupt goes on with what is left of its slice; then comes
//! the next slot that is ready.

use core::cell::Cell;
use core::num::NonZeroU32;
use kernel::platform::chip::Chip;
use kernel::process::{ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

/// The scheduler.
pub struct RoundRobinSched {
    slots: &'static [ProcessSlot],
    timeslice_us: u32,
    /// Slot that ran last.
    last: Cell<usize>,
    /// What is left of its slice; 0 when its turn is over.
    left_us: Cell<u32>,
}

impl RoundRobinSched {
    /// Upstream's slice.
    pub const DEFAULT_TIMESLICE_US: u32 = 10_000;
    /// With less than this, a turn is over: the kernel would not enter the process.
    const LEAST_US: u32 = 501;

    /// Over all slots.
    pub const fn new(slots: &'static [ProcessSlot]) -> Self {
        Self::new_with_time(slots, Self::DEFAULT_TIMESLICE_US)
    }

    /// With slices of this length.
    pub const fn new_with_time(slots: &'static [ProcessSlot], timeslice_us: u32) -> Self {
        RoundRobinSched {
            slots,
            timeslice_us,
            last: Cell::new(0),
            left_us: Cell::new(0),
        }
    }
}

impl<C: Chip> Scheduler<C> for RoundRobinSched {
    fn next(&self) -> SchedulingDecision {
        let (last, left) = (self.last.get(), self.left_us.get());
        if left > 0
            && let Some(id) = self.slots.get(last).and_then(ProcessSlot::ready)
        {
            return SchedulingDecision::RunProcess((id, NonZeroU32::new(left)));
        }
        // From the slot behind the last one, around to that one again.
        let (behind, before) = match self.slots.split_at_checked(last + 1) {
            Some((before, behind)) => (behind, before),
            None => (self.slots, self.slots),
        };
        for (slots, first) in [(behind, last + 1), (before, 0)] {
            for (i, slot) in slots.iter().enumerate() {
                if let Some(id) = slot.ready() {
                    self.last.set(first + i);
                    self.left_us.set(self.timeslice_us);
                    let slice = NonZeroU32::new(self.timeslice_us);
                    return SchedulingDecision::RunProcess((id, slice));
                }
            }
        }
        SchedulingDecision::TrySleep
    }

    fn result(&self, result: StoppedExecutingReason, execution_time_us: Option<u32>) {
        let left = match result {
            StoppedExecutingReason::KernelPreemption => self
                .left_us
                .get()
                .saturating_sub(execution_time_us.unwrap_or(self.timeslice_us)),
            _ => 0,
        };
        self.left_us
            .set(if left < Self::LEAST_US { 0 } else { left });
    }
}
