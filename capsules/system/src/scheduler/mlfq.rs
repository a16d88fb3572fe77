//! Three queues: who uses up its slice sinks to a queue of longer slices and lower priority.
//!
//! The slices are upstream's: 10, 20 and 50 ms. All processes rise to the first queue again every
//! 5 s of the alarm's clock, so that none starves.

use core::cell::Cell;
use core::num::NonZeroU32;
use kernel::ProcessId;
use kernel::collections::list::{List, ListLink, ListNode};
use kernel::deferred_call::DeferredCall;
use kernel::hil::time::{self, ConvertTicks, Ticks};
use kernel::platform::chip::Chip;
use kernel::process::{ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

const SLICES_US: [u32; 3] = [10_000, 20_000, 50_000];
/// With less than this of its slice left, the kernel would not enter a process.
const LEAST_US: u32 = 501;

/// A slot in one of the queues.
pub struct MLFQProcessNode<'a> {
    slot: &'static ProcessSlot,
    /// Used of the slice of its queue, microseconds.
    used_us: Cell<u32>,
    next: ListLink<'a, MLFQProcessNode<'a>>,
}

impl MLFQProcessNode<'_> {
    /// For this slot.
    pub const fn new(proc: &'static ProcessSlot) -> Self {
        MLFQProcessNode {
            slot: proc,
            used_us: Cell::new(0),
            next: ListLink::empty(),
        }
    }
}

impl<'a> ListNode<'a, MLFQProcessNode<'a>> for MLFQProcessNode<'a> {
    fn next(&'a self) -> &'a ListLink<'a, MLFQProcessNode<'a>> {
        &self.next
    }
}

/// The scheduler.
pub struct MLFQSched<'a, A: 'static + time::Alarm<'static>> {
    alarm: &'static A,
    /// Who is in which queue. Nodes begin in the first.
    pub processes: [List<'a, MLFQProcessNode<'a>>; 3],
    /// When all rose last.
    raised: Cell<Option<A::Ticks>>,
    /// Queue of the one that runs, which is its head.
    queue: Cell<usize>,
}

impl<'a, A: 'static + time::Alarm<'static>> MLFQSched<'a, A> {
    /// How often all rise.
    pub const PRIORITY_REFRESH_PERIOD_MS: u32 = 5_000;
    /// How many queues there are.
    pub const NUM_QUEUES: usize = 3;

    /// Over nobody, with this clock: nodes are put into the first of [`Self::processes`].
    pub const fn new(alarm: &'static A) -> Self {
        MLFQSched {
            alarm,
            processes: [const { List::new() }; 3],
            raised: Cell::new(None),
            queue: Cell::new(0),
        }
    }

    /// All rise, when it is time.
    fn raise(&self) {
        let now = self.alarm.now();
        let period = self.alarm.ticks_from_ms(Self::PRIORITY_REFRESH_PERIOD_MS);
        match self.raised.get() {
            Some(raised) if now.wrapping_sub(raised) < period => return,
            None => return self.raised.set(Some(now)),
            Some(_) => self.raised.set(Some(now)),
        }
        let [first, lower @ ..] = &self.processes;
        for queue in lower {
            while let Some(node) = queue.pop_head() {
                first.push_tail(node);
            }
        }
        first.iter().for_each(|node| node.used_us.set(0));
    }
}

/// The first of a queue that is ready, which becomes its head: those before it go behind the rest.
fn bring_to_head<'a>(queue: &List<'a, MLFQProcessNode<'a>>) -> Option<(ProcessId, u32)> {
    let at = queue.iter().position(|n| n.slot.ready().is_some())?;
    for _ in 0..at {
        if let Some(node) = queue.pop_head() {
            queue.push_tail(node);
        }
    }
    let node = queue.head()?;
    Some((node.slot.ready()?, node.used_us.get()))
}

impl<A: 'static + time::Alarm<'static>, C: Chip> Scheduler<C> for MLFQSched<'_, A> {
    fn next(&self) -> SchedulingDecision {
        self.raise();
        for (i, (queue, slice)) in self.processes.iter().zip(SLICES_US).enumerate() {
            if let Some((id, used)) = bring_to_head(queue) {
                self.queue.set(i);
                let left = slice.saturating_sub(used).max(LEAST_US);
                return SchedulingDecision::RunProcess((id, NonZeroU32::new(left)));
            }
        }
        SchedulingDecision::TrySleep
    }

    fn result(&self, result: StoppedExecutingReason, execution_time_us: Option<u32>) {
        let at = self.queue.get();
        let (Some(queue), Some(slice)) = (self.processes.get(at), SLICES_US.get(at)) else {
            return;
        };
        let Some(node) = queue.head() else { return };
        let used = node.used_us.get();
        let used = used.saturating_add(execution_time_us.unwrap_or(0));
        let expired = result == StoppedExecutingReason::TimesliceExpired
            || used.saturating_add(LEAST_US) > *slice;
        node.used_us.set(if expired { 0 } else { used });
        if expired || result != StoppedExecutingReason::KernelPreemption {
            queue.pop_head();
            let below = self.processes.get(at + 1).filter(|_| expired);
            below.unwrap_or(queue).push_tail(node);
        }
    }

    fn continue_process(&self, _: ProcessId, chip: &C) -> bool {
        // One of a higher queue goes first.
        let higher = self.processes.iter().take(self.queue.get());
        let mut higher = higher.flat_map(|queue| queue.iter());
        !(chip.has_pending_interrupts()
            || DeferredCall::has_tasks()
            || higher.any(|node| node.slot.ready().is_some()))
    }
}
