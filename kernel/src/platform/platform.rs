//! What a board composes for the kernel.

use super::chip::Chip;
use super::scheduler_timer::SchedulerTimer;
use super::watchdog::WatchDog;
use crate::ErrorCode;
use crate::process::Process;
use crate::scheduler::Scheduler;
use crate::syscall::{Syscall, SyscallDriver};

/// The board, as the main loop sees it.
pub trait KernelResources<C: Chip> {
    /// Finds drivers.
    type SyscallDriverLookup: SyscallDriverLookup;
    /// Filters calls.
    type SyscallFilter: SyscallFilter;
    /// Handles faults before the policy.
    type ProcessFault: ProcessFault;
    /// Called before a process runs.
    type ContextSwitchCallback: ContextSwitchCallback;
    /// Picks processes.
    type Scheduler: Scheduler<C>;
    /// Ends time slices.
    type SchedulerTimer: SchedulerTimer;
    /// Watches the main loop.
    type WatchDog: WatchDog;

    /// Finds drivers.
    fn syscall_driver_lookup(&self) -> &Self::SyscallDriverLookup;
    /// Filters calls.
    fn syscall_filter(&self) -> &Self::SyscallFilter;
    /// Handles faults before the policy.
    fn process_fault(&self) -> &Self::ProcessFault;
    /// Called before a process runs.
    fn context_switch_callback(&self) -> &Self::ContextSwitchCallback;
    /// Picks processes.
    fn scheduler(&self) -> &Self::Scheduler;
    /// Ends time slices.
    fn scheduler_timer(&self) -> &Self::SchedulerTimer;
    /// Watches the main loop.
    fn watchdog(&self) -> &Self::WatchDog;
}

/// Finds the driver of a number.
pub trait SyscallDriverLookup {
    /// Calls `f` with the driver, if there is one.
    fn with_driver<F, R>(&self, driver_num: usize, f: F) -> R
    where
        F: FnOnce(Option<&dyn SyscallDriver>) -> R;
}

/// Refuses calls before a driver sees them.
pub trait SyscallFilter {
    /// Whether it would refuse a call of this process at all; asked once a turn, so that others do
    /// not pay for it at each call.
    #[inline]
    fn filters(&self, _process: &dyn Process) -> bool {
        true
    }
    /// # Errors
    /// What the process is answered.
    fn filter_syscall(&self, _process: &dyn Process, _syscall: &Syscall) -> Result<(), ErrorCode> {
        Ok(())
    }
}
impl SyscallFilter for () {}

/// Sees faults before the policy does.
pub trait ProcessFault {
    /// # Errors
    /// To let the fault policy act.
    #[allow(clippy::result_unit_err)]
    fn process_fault_hook(&self, _process: &dyn Process) -> Result<(), ()> {
        Err(())
    }
}
impl ProcessFault for () {}

/// Sees switches.
pub trait ContextSwitchCallback {
    /// `process` runs next.
    fn context_switch_hook(&self, process: &dyn Process);
}
impl ContextSwitchCallback for () {
    fn context_switch_hook(&self, _process: &dyn Process) {}
}
