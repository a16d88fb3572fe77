//! Slots for processes.

use super::Process;
use core::cell::Cell;

/// Room for one process.
#[derive(Clone)]
pub struct ProcessSlot {
    pub(crate) proc: Cell<Option<&'static dyn Process>>,
}

impl ProcessSlot {
    /// An empty one.
    pub const fn empty() -> Self {
        ProcessSlot {
            proc: Cell::new(None),
        }
    }
    /// Its process, if that is ready to run: all that a scheduler needs to know.
    #[inline(always)]
    pub fn ready(&self) -> Option<super::ProcessId> {
        let process = self.proc.get()?;
        process.ready().then(|| process.processid())
    }
    /// Whether the process in it is the run of this number.
    pub fn contains_process_with_id(&self, identifier: usize) -> bool {
        self.get().is_some_and(|p| p.processid().id() == identifier)
    }
    /// The process in it.
    pub fn get(&self) -> Option<&'static dyn Process> {
        self.proc.get()
    }
}

/// Room for `N` processes.
pub struct ProcessArray<const N: usize> {
    slots: [ProcessSlot; N],
}

impl<const N: usize> ProcessArray<N> {
    /// All empty.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        ProcessArray {
            slots: [const { ProcessSlot::empty() }; N],
        }
    }
    /// For [`crate::Kernel::new`].
    pub fn as_slice(&self) -> &[ProcessSlot] {
        &self.slots
    }
}

impl<const N: usize> core::ops::Index<usize> for ProcessArray<N> {
    type Output = ProcessSlot;
    fn index(&self, i: usize) -> &ProcessSlot {
        &self.slots[i]
    }
}
