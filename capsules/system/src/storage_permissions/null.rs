//! Nothing for anybody.

use core::marker::PhantomData;
use kernel::platform::chip::Chip;
use kernel::process::{
    ProcessStandard, ProcessStandardDebug, ProcessStandardStoragePermissionsPolicy,
};
use kernel::storage_permissions::StoragePermissions;

/// No process may store anything.
pub struct NullStoragePermissions<C: Chip, D: ProcessStandardDebug> {
    _process: PhantomData<(C, D)>,
}

impl<C: Chip, D: ProcessStandardDebug> NullStoragePermissions<C, D> {
    /// Gives nothing.
    pub const fn new() -> Self {
        Self {
            _process: PhantomData,
        }
    }
}

impl<C: Chip, D: ProcessStandardDebug> Default for NullStoragePermissions<C, D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Chip, D: ProcessStandardDebug> ProcessStandardStoragePermissionsPolicy<C, D>
    for NullStoragePermissions<C, D>
{
    fn get_permissions(&self, _process: &ProcessStandard<C, D>) -> StoragePermissions {
        StoragePermissions::new_null()
    }
}
