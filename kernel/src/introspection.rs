//! Counts about processes, for management capsules.

use crate::ProcessId;
use crate::capabilities::ProcessManagementCapability;
use crate::kernel::Kernel;
use crate::process::{Process, State};

/// Read-only view of the kernel's processes.
pub struct KernelInfo {
    kernel: &'static Kernel,
}

impl KernelInfo {
    /// Of this kernel.
    pub fn new(kernel: &'static Kernel) -> KernelInfo {
        KernelInfo { kernel }
    }

    fn count(&self, f: impl Fn(&dyn Process) -> bool) -> usize {
        self.kernel.processes().filter(|p| f(*p)).count()
    }

    fn of<R: Default>(&self, app: ProcessId, f: impl FnOnce(&dyn Process) -> R) -> R {
        self.kernel.process_ref(app).map(f).unwrap_or_default()
    }

    /// Processes that were loaded.
    pub fn number_loaded_processes(&self, _cap: &dyn ProcessManagementCapability) -> usize {
        self.count(|_| true)
    }
    /// Processes that run or wait.
    pub fn number_active_processes(&self, _cap: &dyn ProcessManagementCapability) -> usize {
        self.count(|p| {
            matches!(
                p.get_state(),
                State::Running | State::Yielded | State::YieldedFor(_)
            )
        })
    }
    /// Processes that are stopped, terminated or faulted.
    pub fn number_inactive_processes(&self, _cap: &dyn ProcessManagementCapability) -> usize {
        self.count(|p| {
            !matches!(
                p.get_state(),
                State::Running | State::Yielded | State::YieldedFor(_)
            )
        })
    }
    /// Package name.
    pub fn process_name(
        &self,
        app: ProcessId,
        _cap: &dyn ProcessManagementCapability,
    ) -> &'static str {
        self.kernel
            .process_ref(app)
            .map_or("unknown", |p| p.get_process_name())
    }
    /// Calls made.
    pub fn number_app_syscalls(
        &self,
        app: ProcessId,
        _cap: &dyn ProcessManagementCapability,
    ) -> usize {
        self.of(app, |p| p.debug_syscall_count())
    }
    /// Upcalls lost.
    pub fn number_app_dropped_upcalls(
        &self,
        app: ProcessId,
        _cap: &dyn ProcessManagementCapability,
    ) -> usize {
        self.of(app, |p| p.debug_dropped_upcall_count())
    }
    /// Restarts.
    pub fn number_app_restarts(
        &self,
        app: ProcessId,
        _cap: &dyn ProcessManagementCapability,
    ) -> usize {
        self.of(app, |p| p.get_restart_count())
    }
    /// Slices used up.
    pub fn number_app_timeslice_expirations(
        &self,
        app: ProcessId,
        _cap: &dyn ProcessManagementCapability,
    ) -> usize {
        self.of(app, |p| p.debug_timeslice_expiration_count())
    }
    /// Grants allocated, and grants there are.
    pub fn number_app_grant_uses(
        &self,
        app: ProcessId,
        _cap: &dyn ProcessManagementCapability,
    ) -> (usize, usize) {
        let used = self.of(app, |p| p.grant_allocated_count().unwrap_or(0));
        (used, self.kernel.grant_count())
    }
    /// Slices used up by all processes.
    pub fn timeslice_expirations(&self, _cap: &dyn ProcessManagementCapability) -> usize {
        self.kernel
            .processes()
            .map(|p| p.debug_timeslice_expiration_count())
            .sum()
    }
}
