//! Windows on the memory of other processes (IPC), and how they end.
//!
//! Owns a process's shares from their opening to the notice that they are gone. The process that
//! shares may end at any time, also while this one is in the middle of an access: so a share that
//! ended stays in the MPU until this process yields, and the first thing that happens in that yield is
//! the IPC upcall that tells (`crate::ipc`). From then on it can know, and the region is gone.
//! Invariant: memory that a region of an ended share covers belongs to nobody else; what waits for
//! it is told by `Kernel::share_closed`.

use super::*;

/// Slices that a process may use up with a share that ended and no yield.
const PATIENCE: u8 = 20;

/// A region that another process shares.
#[derive(Clone, Copy)]
pub(super) struct Share {
    region: mpu::Region,
    /// The IPC subscription that heard of it.
    which: usize,
    /// Slot of the process that shared it and is dead.
    ended: Option<usize>,
    /// Whether the region is in the MPU's configuration.
    mapped: bool,
}

impl Share {
    pub(super) fn new(region: mpu::Region) -> Self {
        Share {
            region,
            which: 0,
            ended: None,
            mapped: true,
        }
    }

    fn lies_within(&self, start: usize, end: usize) -> bool {
        let (at, size) = (self.region.start_address().addr(), self.region.size());
        self.mapped && at >= start && at.checked_add(size).is_some_and(|e| e <= end)
    }
}

impl<C: 'static + Chip, D: 'static + ProcessStandardDebug> ProcessStandard<C, D> {
    /// The open share of exactly this region.
    pub(super) fn share(&self, region: mpu::Region) -> Option<&Cell<Option<Share>>> {
        let open = |s: &Share| s.region == region && s.ended.is_none();
        self.ipc_regions
            .iter()
            .find(|s| s.get().is_some_and(|s| open(&s)))
    }

    /// Takes a region out of the configuration.
    pub(super) fn close_region(&self, region: mpu::Region) -> Result<(), ErrorCode> {
        self.regions(|c| self.chip.mpu().remove_memory_region(region, c))
            .unwrap_or(Err(()))
            .map_err(|()| ErrorCode::INVAL)
    }

    /// Which subscription hears of an open share.
    pub(super) fn told_by(&self, region: mpu::Region, which: usize) -> bool {
        let Some(share) = self.share(region) else {
            return false;
        };
        share.set(share.get().map(|s| Share { which, ..s }));
        true
    }

    /// The process in `slot` is dead, and what it shared out of this range with it.
    pub(super) fn end_within(&self, slot: usize, start: usize, end: usize) {
        // What was opened and not yet told is not told any more.
        self.tasks.map(|t| {
            t.retain(|task| {
                !matches!(task, Task::FunctionCall(c) if c.argument0 == slot && c.argument1 > 0
                    && event_of(task).is_some_and(|id| id.driver_num == crate::ipc::DRIVER_NUM))
            });
        });
        for cell in &self.ipc_regions {
            if let Some(share) = cell.get()
                && share.ended.is_none()
                && share.lies_within(start, end)
            {
                let ended = Some(slot);
                cell.set(Some(Share { ended, ..share }));
                self.ended_shares.increment();
                self.slices_since.set(0);
            }
        }
        if let State::Stopped(_) = self.state.get() {
            // Nobody knows when it yields again.
            self.close_within(start, end);
        }
    }

    pub(super) fn holds_within(&self, start: usize, end: usize) -> bool {
        let mut all = self.ipc_regions.iter().filter_map(Cell::get);
        all.any(|s| s.lies_within(start, end))
    }

    /// Unmaps shares of the dead in this range; the notice is still to come.
    pub(super) fn close_within(&self, start: usize, end: usize) {
        let mut closed = false;
        for cell in &self.ipc_regions {
            if let Some(share) = cell.get()
                && share.ended.is_some()
                && share.lies_within(start, end)
                && self.close_region(share.region).is_ok()
            {
                let mapped = false;
                cell.set(Some(Share { mapped, ..share }));
                closed = true;
            }
        }
        if closed {
            self.process_id.get().kernel().share_closed();
        }
    }

    /// It is dead itself: it has no windows.
    pub(super) fn drop_shares(&self) {
        let mut closed = false;
        for cell in &self.ipc_regions {
            if let Some(share) = cell.take()
                && share.mapped
            {
                // What is not there needs no removal.
                let _ = self.close_region(share.region);
                closed |= share.ended.is_some();
            }
        }
        self.ended_shares.set(0);
        if closed {
            self.process_id.get().kernel().share_closed();
        }
    }

    fn end_call(&self, share: &Share) -> Option<FunctionCall> {
        let slot = share.ended?;
        let upcall_id = UpcallId {
            driver_num: crate::ipc::DRIVER_NUM,
            subscribe_num: share.which,
        };
        let upcall = crate::grant::upcall(self, upcall_id)?;
        Some(FunctionCall {
            source: FunctionCallSource::Driver(upcall_id),
            argument0: slot,
            argument1: 0,
            argument2: 0,
            argument3: upcall.appdata,
            pc: upcall.fn_ptr,
        })
    }

    /// Whether a yield would call something about a share that ended.
    pub(super) fn hears_of_end(&self) -> bool {
        let mut all = self.ipc_regions.iter().filter_map(Cell::get);
        self.ended_shares.get() > 0 && all.any(|s| self.end_call(&s).is_some())
    }

    /// In a yield: closes the next share that ended; the call that tells.
    #[cold]
    pub(super) fn next_ended(&self) -> Option<FunctionCall> {
        for cell in &self.ipc_regions {
            let Some(share) = cell.get().filter(|s| s.ended.is_some()) else {
                continue;
            };
            cell.set(None);
            self.ended_shares
                .set(self.ended_shares.get().saturating_sub(1));
            if share.mapped && self.close_region(share.region).is_ok() {
                self.process_id.get().kernel().share_closed();
            }
            if let Some(call) = self.end_call(&share) {
                return Some(call);
            }
        }
        None
    }

    /// A slice is used up: too many without a yield, and what ended is closed all the same.
    pub(super) fn slice_used_up(&self) {
        if self.ended_shares.get() > 0 {
            self.slices_since
                .set(self.slices_since.get().saturating_add(1));
            if self.slices_since.get() >= PATIENCE {
                self.close_within(0, usize::MAX);
            }
        }
    }

    /// Queues the first call of a life that waits for the windows on the last one; false when it
    /// cannot be started at all.
    pub(super) fn start_if_free(&self) -> bool {
        let kernel = self.process_id.get().kernel();
        if !self.start_waits.get() || kernel.is_held(self.memory_start.addr(), self.memory_end()) {
            return true;
        }
        self.start_waits.set(false);
        let started = self.initialize();
        if !started {
            self.state.set(State::Faulted);
        }
        started
    }
}
