//! What a board decides about processes. Implementations are in `capsules-system`.

use super::{FaultAction, Process, ProcessId, ProcessStandard, ProcessStandardDebug};
use crate::capabilities::ProcessRestartCapability;
use crate::platform::chip::Chip;
use crate::storage_permissions::StoragePermissions;

/// Decides what becomes of a process that faulted.
pub trait ProcessFaultPolicy {
    /// The decision.
    fn action(&self, process: &dyn Process) -> FaultAction;
}

/// Decides what of storage a process may use.
pub trait ProcessStandardStoragePermissionsPolicy<C: Chip, D: ProcessStandardDebug> {
    /// The decision.
    fn get_permissions(&self, process: &ProcessStandard<C, D>) -> StoragePermissions;
}

/// Restarts processes for those that may do that and nothing else to them.
pub trait ProcessRestart {
    /// Restarts `pid` if it is there and its policy allows.
    fn try_restart(&self, pid: ProcessId, capability: &dyn ProcessRestartCapability);
}

/// Nothing.
impl<C: Chip, D: ProcessStandardDebug> ProcessStandardStoragePermissionsPolicy<C, D> for () {
    fn get_permissions(&self, _process: &ProcessStandard<C, D>) -> StoragePermissions {
        StoragePermissions::new_null()
    }
}
