//! Each process its own data.

use core::marker::PhantomData;
use kernel::capabilities::ApplicationStorageCapability;
use kernel::platform::chip::Chip;
use kernel::process::{
    Process, ProcessStandard, ProcessStandardDebug, ProcessStandardStoragePermissionsPolicy,
    ShortId,
};
use kernel::storage_permissions::StoragePermissions;

/// Each process its own data, if it has a name.
pub struct IndividualStoragePermissions<
    C: Chip,
    D: ProcessStandardDebug,
    CAP: ApplicationStorageCapability,
> {
    capability: CAP,
    _process: PhantomData<(C, D)>,
}

impl<C: Chip, D: ProcessStandardDebug, CAP: ApplicationStorageCapability>
    IndividualStoragePermissions<C, D, CAP>
{
    /// With the board's capability.
    pub const fn new(capability: CAP) -> Self {
        Self {
            capability,
            _process: PhantomData,
        }
    }
}

impl<C: Chip, D: ProcessStandardDebug, CAP: ApplicationStorageCapability>
    ProcessStandardStoragePermissionsPolicy<C, D> for IndividualStoragePermissions<C, D, CAP>
{
    fn get_permissions(&self, process: &ProcessStandard<C, D>) -> StoragePermissions {
        match process.short_app_id() {
            ShortId::Fixed(id) => StoragePermissions::new_self_only(id, &self.capability),
            ShortId::LocallyUnique => StoragePermissions::new_null(),
        }
    }
}
