//! Three queues: who uses up its slice sinks to a queue of longer slices and lower priority.
//!
//! The slices are upstream's: 10, 20 and 50 ms. All processes rise to the first queue again every
//! 5 s, so that none starves. Time is what processes used, which `result` tells: a system that
//! sleeps has nobody to raise.

use core::cell::Cell;
use core::num::NonZeroU32;
use kernel::ProcessId;
use kernel::deferred_call::DeferredCall;
use kernel::platform::chip::Chip;
use kernel::process::{ProcessSlot, StoppedExecutingReason};
use kernel::scheduler::{Scheduler, SchedulingDecision};

const SLICES_US: [u32; 3] = [10_000, 20_000, 50_000];
const RAISE_US: u32 = 5_000_000;

/// What is known of a slot.
#[derive(Clone, Copy)]
pub struct MLFQProcess {
    queue: usize,
    /// Used of the slice of its queue, microseconds.
    used_us: u32,
    /// When it ran last, in turns.
    turn: u32,
}

impl MLFQProcess {
    /// A slot at the top.
    pub const fn new() -> Self {
        MLFQProcess {
            queue: 0,
            used_us: 0,
            turn: 0,
        }
    }
}

impl Default for MLFQProcess {
    fn default() -> Self {
        Self::new()
    }
}

/// The scheduler.
pub struct MLFQSched<const N: usize> {
    slots: &'static [ProcessSlot],
    known: [Cell<MLFQProcess>; N],
    last: Cell<usize>,
    turn: Cell<u32>,
    since_raise_us: Cell<u32>,
}

impl<const N: usize> MLFQSched<N> {
    /// Over the first `N` slots.
    pub const fn new(slots: &'static [ProcessSlot]) -> Self {
        MLFQSched {
            slots,
            known: [const { Cell::new(MLFQProcess::new()) }; N],
            last: Cell::new(0),
            turn: Cell::new(0),
            since_raise_us: Cell::new(0),
        }
    }

    /// The ready one of the highest queue that waited longest.
    fn best(&self) -> Option<(usize, ProcessId)> {
        let ready = self.slots.iter().zip(&self.known).enumerate();
        ready
            .filter_map(|(i, (slot, known))| Some((i, slot.ready()?, known.get())))
            .min_by_key(|(i, _, k)| (k.queue, self.turn.get().wrapping_sub(k.turn) ^ !0, *i))
            .map(|(i, id, _)| (i, id))
    }
}

impl<C: Chip, const N: usize> Scheduler<C> for MLFQSched<N> {
    fn next(&self) -> SchedulingDecision {
        let Some((i, id)) = self.best() else {
            return SchedulingDecision::TrySleep;
        };
        self.last.set(i);
        let known = self.known.get(i).map(Cell::get).unwrap_or_default();
        let slice = SLICES_US.get(known.queue).copied().unwrap_or(10_000);
        let left = slice.saturating_sub(known.used_us).max(501);
        SchedulingDecision::RunProcess((id, NonZeroU32::new(left)))
    }

    fn result(&self, result: StoppedExecutingReason, execution_time_us: Option<u32>) {
        let used = execution_time_us.unwrap_or(0);
        let Some(cell) = self.known.get(self.last.get()) else {
            return;
        };
        let mut known = cell.get();
        known.used_us = known.used_us.saturating_add(used);
        if result != StoppedExecutingReason::KernelPreemption {
            self.turn.set(self.turn.get().wrapping_add(1));
            known.turn = self.turn.get();
        }
        let slice = SLICES_US.get(known.queue).copied().unwrap_or(10_000);
        // With less than the kernel enters a process for, the slice is used up.
        if result == StoppedExecutingReason::TimesliceExpired || known.used_us + 501 > slice {
            known.queue = (known.queue + 1).min(SLICES_US.len() - 1);
            known.used_us = 0;
        }
        cell.set(known);
        let since = self.since_raise_us.get().saturating_add(used);
        if since >= RAISE_US {
            self.since_raise_us.set(0);
            for cell in &self.known {
                let turn = cell.get().turn;
                cell.set(MLFQProcess {
                    turn,
                    ..MLFQProcess::new()
                });
            }
        } else {
            self.since_raise_us.set(since);
        }
    }

    fn continue_process(&self, id: ProcessId, chip: &C) -> bool {
        // One of a higher queue goes first.
        let queue_of = |i: usize| self.known.get(i).map_or(0, |k| k.get().queue);
        let first = self
            .best()
            .is_none_or(|(i, best)| best == id || queue_of(i) >= queue_of(self.last.get()));
        first && !(chip.has_pending_interrupts() || DeferredCall::has_tasks())
    }
}
