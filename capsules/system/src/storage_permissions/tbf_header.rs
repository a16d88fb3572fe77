//! What the TBF says.

use core::marker::PhantomData;
use kernel::capabilities::ApplicationStorageCapability;
use kernel::platform::chip::Chip;
use kernel::process::{
    Process, ProcessStandard, ProcessStandardDebug, ProcessStandardStoragePermissionsPolicy,
    ShortId,
};
use kernel::storage_permissions::StoragePermissions;

/// What a TBF's StoragePermissions say, if its ShortId counts; without them, its own data.
///
/// Its header is part of what its credential is over, and who has a name has an accepted one: so nobody
/// can write another's id into a header and read what that one stored. Upstream's policy of this
/// name believes any header, and gives nothing to a binary without that list.
pub struct TbfHeaderStoragePermissions<
    C: Chip,
    D: ProcessStandardDebug,
    CAP: ApplicationStorageCapability,
> {
    capability: CAP,
    _process: PhantomData<(C, D)>,
}

impl<C: Chip, D: ProcessStandardDebug, CAP: ApplicationStorageCapability>
    TbfHeaderStoragePermissions<C, D, CAP>
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
    ProcessStandardStoragePermissionsPolicy<C, D> for TbfHeaderStoragePermissions<C, D, CAP>
{
    fn get_permissions(&self, process: &ProcessStandard<C, D>) -> StoragePermissions {
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
