//! Round robin without slices: a process runs until it yields.

use super::next_ready;
use core::cell::Cell;
use kernel::collections::list::{List, ListLink, ListNode};
use kernel::platform::chip::Chip;
use kernel::process::{ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

/// A slot in the scheduler's list.
pub struct CoopProcessNode<'a> {
    slot: &'static ProcessSlot,
    next: ListLink<'a, CoopProcessNode<'a>>,
}

impl CoopProcessNode<'_> {
    /// For this slot.
    pub const fn new(proc: &'static ProcessSlot) -> Self {
        CoopProcessNode {
            slot: proc,
            next: ListLink::empty(),
        }
    }
}

impl<'a> ListNode<'a, CoopProcessNode<'a>> for CoopProcessNode<'a> {
    fn next(&'a self) -> &'a ListLink<'a, CoopProcessNode<'a>> {
        &self.next
    }
}

/// The scheduler.
pub struct CooperativeSched<'a> {
    /// Who takes turns, in this order.
    pub processes: List<'a, CoopProcessNode<'a>>,
    last: Cell<Option<&'a CoopProcessNode<'a>>>,
    /// The last one was interrupted: its turn is not over.
    goes_on: Cell<bool>,
}

impl CooperativeSched<'_> {
    /// Over nobody: nodes are put into [`Self::processes`].
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        CooperativeSched {
            processes: List::new(),
            last: Cell::new(None),
            goes_on: Cell::new(false),
        }
    }
}

impl<C: Chip> Scheduler<C> for CooperativeSched<'_> {
    fn next(&self) -> SchedulingDecision {
        let last = self.last.get();
        if self.goes_on.take()
            && let Some(id) = last.and_then(|node| node.slot.ready())
        {
            return SchedulingDecision::RunProcess((id, None));
        }
        match next_ready(&self.processes, last, |node| node.slot.ready()) {
            Some((node, id)) => {
                self.last.set(Some(node));
                SchedulingDecision::RunProcess((id, None))
            }
            None => SchedulingDecision::TrySleep,
        }
    }

    fn result(&self, result: StoppedExecutingReason, _: Option<u32>) {
        self.goes_on
            .set(result == StoppedExecutingReason::KernelPreemption);
    }
}
