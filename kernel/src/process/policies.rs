//! What a board decides about processes. Implementations are in `capsules-system`.

use super::{FaultAction, Process};
use crate::storage_permissions::StoragePermissions;

/// Decides what becomes of a process that faulted.
pub trait ProcessFaultPolicy {
    /// The decision.
    fn action(&self, process: &dyn Process) -> FaultAction;
}

/// Decides what of storage a process may use.
pub trait ProcessStandardStoragePermissionsPolicy {
    /// The decision.
    fn get_permissions(&self, process: &dyn Process) -> StoragePermissions;
}

/// Nothing.
impl ProcessStandardStoragePermissionsPolicy for () {
    fn get_permissions(&self, _process: &dyn Process) -> StoragePermissions {
        StoragePermissions::new_null()
    }
}
