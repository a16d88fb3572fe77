//! What becomes of a process that faulted.

use kernel::process::{FaultAction, Process, ProcessFaultPolicy};

/// The whole system stops.
pub struct PanicFaultPolicy {}

impl ProcessFaultPolicy for PanicFaultPolicy {
    fn action(&self, _process: &dyn Process) -> FaultAction {
        FaultAction::Panic
    }
}

/// The process ends.
pub struct StopFaultPolicy {}

impl ProcessFaultPolicy for StopFaultPolicy {
    fn action(&self, _process: &dyn Process) -> FaultAction {
        FaultAction::Stop
    }
}

/// The process ends, and a line says so.
pub struct StopWithDebugFaultPolicy {}

impl ProcessFaultPolicy for StopWithDebugFaultPolicy {
    fn action(&self, process: &dyn Process) -> FaultAction {
        kernel::debug!(
            "Process {} faulted and was stopped.",
            process.get_process_name()
        );
        FaultAction::Stop
    }
}

/// The process starts again.
pub struct RestartFaultPolicy {}

impl ProcessFaultPolicy for RestartFaultPolicy {
    fn action(&self, _process: &dyn Process) -> FaultAction {
        FaultAction::Restart
    }
}

/// The process starts again, and a line says so.
pub struct RestartWithDebugFaultPolicy {}

impl ProcessFaultPolicy for RestartWithDebugFaultPolicy {
    fn action(&self, process: &dyn Process) -> FaultAction {
        kernel::debug!(
            "Process {} faulted and will be restarted.",
            process.get_process_name()
        );
        FaultAction::Restart
    }
}

/// The process starts again as long as it has not done so more than a number of times.
pub struct ThresholdRestartFaultPolicy {
    threshold: usize,
}

impl ThresholdRestartFaultPolicy {
    /// Restarts while the restart count is at most `threshold`.
    pub const fn new(threshold: usize) -> Self {
        ThresholdRestartFaultPolicy { threshold }
    }

    /// What it will decide, for a fault report that is printed first.
    pub fn will_restart(&self, process: &dyn Process) -> bool {
        process.get_restart_count() <= self.threshold
    }

    /// Restarts that there can be.
    pub fn limit(&self) -> usize {
        self.threshold + 1
    }
}

impl ProcessFaultPolicy for ThresholdRestartFaultPolicy {
    fn action(&self, process: &dyn Process) -> FaultAction {
        if self.will_restart(process) {
            FaultAction::Restart
        } else {
            FaultAction::Stop
        }
    }
}

/// As [`ThresholdRestartFaultPolicy`], then the whole system stops.
pub struct ThresholdRestartThenPanicFaultPolicy {
    threshold: usize,
}

impl ThresholdRestartThenPanicFaultPolicy {
    /// Restarts while the restart count is at most `threshold`.
    pub const fn new(threshold: usize) -> Self {
        ThresholdRestartThenPanicFaultPolicy { threshold }
    }
}

impl ProcessFaultPolicy for ThresholdRestartThenPanicFaultPolicy {
    fn action(&self, process: &dyn Process) -> FaultAction {
        if process.get_restart_count() <= self.threshold {
            FaultAction::Restart
        } else {
            FaultAction::Panic
        }
    }
}
