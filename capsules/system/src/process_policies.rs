//! What becomes of a process that faulted, and what of storage it may use.

use kernel::capabilities::ApplicationStorageCapability;
use kernel::process::{
    FaultAction, Process, ProcessFaultPolicy, ProcessStandardStoragePermissionsPolicy, ShortId,
};
use kernel::storage_permissions::StoragePermissions;

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

/// Each process its own data, if it has a name.
pub struct IndividualStoragePermissions<C: ApplicationStorageCapability> {
    capability: C,
}

impl<C: ApplicationStorageCapability> IndividualStoragePermissions<C> {
    /// With the board's capability.
    pub const fn new(capability: C) -> Self {
        Self { capability }
    }
}

impl<C: ApplicationStorageCapability> ProcessStandardStoragePermissionsPolicy
    for IndividualStoragePermissions<C>
{
    fn get_permissions(&self, process: &dyn Process) -> StoragePermissions {
        match process.short_app_id() {
            ShortId::Fixed(id) => StoragePermissions::new_self_only(id, &self.capability),
            ShortId::LocallyUnique => StoragePermissions::new_null(),
        }
    }
}

/// What a TBF's StoragePermissions say, if its ShortId counts; without them, its own data.
///
/// Its header is part of what its credential is over, and who has a name has an accepted one: so nobody
/// can write another's id into a header and read what that one stored. Upstream's policy of this
/// name believes any header, and gives nothing to a binary without that list.
pub struct TbfHeaderStoragePermissions<C: ApplicationStorageCapability> {
    capability: C,
}

impl<C: ApplicationStorageCapability> TbfHeaderStoragePermissions<C> {
    /// With the board's capability.
    pub const fn new(capability: C) -> Self {
        Self { capability }
    }
}

impl<C: ApplicationStorageCapability> ProcessStandardStoragePermissionsPolicy
    for TbfHeaderStoragePermissions<C>
{
    fn get_permissions(&self, process: &dyn Process) -> StoragePermissions {
        let ShortId::Fixed(id) = process.short_app_id() else {
            return StoragePermissions::new_null();
        };
        let listed = process.get_header().and_then(|header| {
            let (read, modify) = (
                header.get_storage_read_ids(),
                header.get_storage_modify_ids(),
            );
            let write = header.get_storage_write_id();
            (write.is_some() || read.is_some() || modify.is_some()).then(|| {
                let none = ([0; 8], 0);
                (write, read.unwrap_or(none), modify.unwrap_or(none))
            })
        });
        let Some((write, (read, reads), (modify, modifies))) = listed else {
            return StoragePermissions::new_self_only(id, &self.capability);
        };
        let write = write.and_then(core::num::NonZeroU32::new);
        StoragePermissions::new_fixed_size(
            write.unwrap_or(id),
            write.is_some(),
            // Its own are in the lists, or they are not.
            false,
            reads,
            read,
            modifies,
            modify,
            &self.capability,
        )
    }
}
