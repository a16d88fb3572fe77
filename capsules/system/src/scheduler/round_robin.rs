//! Round robin with time slices.
//!
//! A process that the kernel had to interrupt goes on with what is left of its slice; then comes
//! the next one that is ready. A slow deferred call (of the secure world) waits until each process
//! that is ready has run since the last one, and ends the turn of the process that ran before it.
//! So whoever becomes ready during such a call runs behind that one, not behind several.

use super::next_ready;
use core::cell::Cell;
use core::num::NonZeroU32;
use kernel::ProcessId;
use kernel::collections::list::{List, ListLink, ListNode};
use kernel::deferred_call::DeferredCall;
use kernel::platform::chip::Chip;
use kernel::process::{ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

/// A slot in the scheduler's list.
pub struct RoundRobinProcessNode<'a> {
    slot: &'static ProcessSlot,
    /// It was entered since the last slow call.
    had_turn: Cell<bool>,
    next: ListLink<'a, RoundRobinProcessNode<'a>>,
}

impl RoundRobinProcessNode<'_> {
    /// For this slot.
    pub const fn new(proc: &'static ProcessSlot) -> Self {
        RoundRobinProcessNode {
            slot: proc,
            had_turn: Cell::new(false),
            next: ListLink::empty(),
        }
    }
}

impl<'a> ListNode<'a, RoundRobinProcessNode<'a>> for RoundRobinProcessNode<'a> {
    #[inline(always)]
    fn next(&'a self) -> &'a ListLink<'a, RoundRobinProcessNode<'a>> {
        &self.next
    }
}

/// The scheduler.
pub struct RoundRobinSched<'a> {
    /// Who takes turns, in this order.
    pub processes: List<'a, RoundRobinProcessNode<'a>>,
    timeslice_us: u32,
    /// Who ran last.
    last: Cell<Option<&'a RoundRobinProcessNode<'a>>>,
    /// What is left of its slice; 0 when its turn is over.
    left_us: Cell<u32>,
    /// The one whose turn it is was entered.
    entered: Cell<bool>,
}

impl RoundRobinSched<'_> {
    /// Upstream's slice.
    pub const DEFAULT_TIMESLICE_US: u32 = 10_000;
    /// With less than this, a turn is over: the kernel would not enter the process.
    const LEAST_US: u32 = 501;

    /// Over nobody: nodes are put into [`Self::processes`].
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self::new_with_time(Self::DEFAULT_TIMESLICE_US)
    }

    /// With slices of this length.
    pub const fn new_with_time(time_us: u32) -> Self {
        RoundRobinSched {
            processes: List::new(),
            timeslice_us: time_us,
            last: Cell::new(None),
            left_us: Cell::new(0),
            entered: Cell::new(false),
        }
    }

    /// Whether each process that is ready has run since the last slow call.
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn slow_call_may_come(&self) -> bool {
        let mut nodes = self.processes.iter();
        nodes.all(|node| node.had_turn.get() || node.slot.ready().is_none())
    }

    /// Whether a deferred call comes before processes.
    #[inline(always)]
    fn deferred_now(&self) -> bool {
        DeferredCall::has_tasks() && (DeferredCall::has_prompt_tasks() || self.slow_call_may_come())
    }
}

impl<C: Chip> Scheduler<C> for RoundRobinSched<'_> {
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn next(&self) -> SchedulingDecision {
        let (last, left) = (self.last.get(), self.left_us.get());
        if left > 0
            && let Some(id) = last.and_then(|node| node.slot.ready())
        {
            return SchedulingDecision::RunProcess((id, NonZeroU32::new(left)));
        }
        match next_ready(&self.processes, last, |node| node.slot.ready()) {
            Some((node, id)) => {
                self.last.set(Some(node));
                self.left_us.set(self.timeslice_us);
                let slice = NonZeroU32::new(self.timeslice_us);
                SchedulingDecision::RunProcess((id, slice))
            }
            None => SchedulingDecision::TrySleep,
        }
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
        if self.entered.take()
            && let Some(last) = self.last.get()
        {
            last.had_turn.set(true);
        }
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn execute_kernel_work(&self, chip: &C) {
        chip.service_pending_interrupts();
        while !chip.has_pending_interrupts() && DeferredCall::service_next_prompt().is_some() {}
        if DeferredCall::has_tasks() && !chip.has_pending_interrupts() && self.slow_call_may_come()
        {
            DeferredCall::service_next_pending();
            self.processes
                .iter()
                .for_each(|node| node.had_turn.set(false));
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
