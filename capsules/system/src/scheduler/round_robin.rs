//! Round robin with time slices.
//!
//! A process that the kernel had to interrupt goes on with what is left of its slice; then comes
//! the next slot that is ready. A slow deferred call (of the secure world) waits until each process
//! that is ready has run since the last one, and ends the turn of the process that ran before it.
//! So whoever becomes ready during such a call runs behind that one, not behind several.

use core::cell::Cell;
use core::num::NonZeroU32;
use kernel::ProcessId;
use kernel::deferred_call::DeferredCall;
use kernel::platform::chip::Chip;
use kernel::process::{Process, ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

/// The scheduler.
pub struct RoundRobinSched {
    slots: &'static [ProcessSlot],
    timeslice_us: u32,
    /// Slot that ran last.
    last: Cell<usize>,
    /// What is left of its slice; 0 when its turn is over.
    left_us: Cell<u32>,
    /// The one whose turn it is was entered.
    entered: Cell<bool>,
    /// Slots that were entered since the last slow call, a bit each.
    had_turn: Cell<u32>,
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
            entered: Cell::new(false),
            had_turn: Cell::new(0),
        }
    }

    /// Whether each process that is ready has run since the last slow call.
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn slow_call_may_come(&self) -> bool {
        let had_turn = self.had_turn.get();
        let mut slots = self.slots.iter().enumerate();
        slots.all(|(i, slot)| had_turn & bit(i) != 0 || slot.ready().is_none())
    }

    /// Whether a deferred call comes before processes.
    #[inline(always)]
    fn deferred_now(&self) -> bool {
        DeferredCall::has_tasks() && (DeferredCall::has_prompt_tasks() || self.slow_call_may_come())
    }
}

/// Of a slot; none behind the 32nd, which no slow call waits for.
#[inline(always)]
fn bit(slot: usize) -> u32 {
    u32::try_from(slot)
        .ok()
        .and_then(|n| 1u32.checked_shl(n))
        .unwrap_or(0)
}

impl<C: Chip> Scheduler<C> for RoundRobinSched {
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn next(&self) -> SchedulingDecision {
        let (last, left) = (self.last.get(), self.left_us.get());
        if left > 0
            && let Some(id) = self.slots.get(last).and_then(ProcessSlot::ready)
        {
            return SchedulingDecision::RunProcess((id, NonZeroU32::new(left)));
        }
        // From the slot behind the last one, around to that one again.
        let ready = |slot: &ProcessSlot| slot.get().is_some_and(Process::ready);
        let behind = last + 1;
        let (before, rest) = self.slots.split_at_checked(behind).unwrap_or_default();
        let next = match rest.iter().position(ready) {
            Some(at) => Some(behind + at),
            None => before.iter().position(ready),
        };
        if let Some(next) = next
            && let Some(process) = self.slots.get(next).and_then(ProcessSlot::get)
        {
            self.last.set(next);
            self.left_us.set(self.timeslice_us);
            let slice = NonZeroU32::new(self.timeslice_us);
            return SchedulingDecision::RunProcess((process.processid(), slice));
        }
        SchedulingDecision::TrySleep
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
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
        if self.entered.take() {
            self.had_turn
                .set(self.had_turn.get() | bit(self.last.get()));
        }
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn execute_kernel_work(&self, chip: &C) {
        chip.service_pending_interrupts();
        while !chip.has_pending_interrupts() && DeferredCall::service_next_prompt().is_some() {}
        if DeferredCall::has_tasks() && !chip.has_pending_interrupts() && self.slow_call_may_come()
        {
            DeferredCall::service_next_pending();
            self.had_turn.set(0);
            self.left_us.set(0);
        }
    }

    #[inline(always)]
    fn do_kernel_work_now(&self, chip: &C) -> bool {
        chip.has_pending_interrupts() || self.deferred_now()
    }

    #[inline(always)]
    fn continue_process(&self, _id: ProcessId, chip: &C) -> bool {
        let go_on = !(chip.has_pending_interrupts() || self.deferred_now());
        if go_on {
            self.entered.set(true);
        }
        go_on
    }
}
