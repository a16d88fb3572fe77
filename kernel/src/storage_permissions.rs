//! What of persistent storage a process may read and write.

use crate::capabilities::{ApplicationStorageCapability, KerneluserStorageCapability};
use core::num::NonZeroU32;

#[derive(Clone, Copy)]
enum Kind {
    SelfOnly(NonZeroU32),
    FixedSize {
        id: NonZeroU32,
        write: bool,
        own: bool,
        read: ([u32; 8], usize),
        modify: ([u32; 8], usize),
    },
    Listed {
        id: NonZeroU32,
        write: bool,
        own: bool,
        read: &'static [u32],
        modify: &'static [u32],
    },
    Kernel,
    Null,
}

/// The permissions of one process. Stored data carries the writer's 32-bit id.
#[derive(Clone, Copy)]
pub struct StoragePermissions(Kind);

impl StoragePermissions {
    /// Its own data only.
    pub fn new_self_only(id: NonZeroU32, _cap: &dyn ApplicationStorageCapability) -> Self {
        Self(Kind::SelfOnly(id))
    }

    /// Its own data as the flags say, and what up to eight others wrote.
    #[allow(clippy::too_many_arguments)]
    pub fn new_fixed_size(
        id: NonZeroU32,
        write: bool,
        read_modify_self: bool,
        read_count: usize,
        read: [u32; 8],
        modify_count: usize,
        modify: [u32; 8],
        _cap: &dyn ApplicationStorageCapability,
    ) -> Self {
        Self(Kind::FixedSize {
            id,
            write,
            own: read_modify_self,
            read: (read, read_count),
            modify: (modify, modify_count),
        })
    }

    /// Its own data as the flags say, and what the listed others wrote.
    pub fn new_listed(
        id: NonZeroU32,
        write: bool,
        read_modify_self: bool,
        read: &'static [u32],
        modify: &'static [u32],
        _cap: &dyn ApplicationStorageCapability,
    ) -> Self {
        Self(Kind::Listed {
            id,
            write,
            own: read_modify_self,
            read,
            modify,
        })
    }

    /// The kernel's: write id 0, everything allowed.
    pub fn new_kernel(_cap: &dyn KerneluserStorageCapability) -> Self {
        Self(Kind::Kernel)
    }

    /// Nothing.
    pub fn new_null() -> Self {
        Self(Kind::Null)
    }

    fn check(&self, stored_id: u32, modify: bool) -> bool {
        match &self.0 {
            Kind::SelfOnly(id) => id.get() == stored_id,
            Kind::FixedSize {
                id,
                own,
                read,
                modify: m,
                ..
            } => {
                let (ids, n) = if modify { m } else { read };
                (*own && id.get() == stored_id) || ids.iter().take(*n).any(|i| *i == stored_id)
            }
            Kind::Listed {
                id,
                own,
                read,
                modify: m,
                ..
            } => {
                let ids = if modify { m } else { read };
                (*own && id.get() == stored_id) || ids.contains(&stored_id)
            }
            Kind::Kernel => true,
            Kind::Null => false,
        }
    }

    /// Whether it may read what `stored_id` wrote.
    pub fn check_read_permission(&self, stored_id: u32) -> bool {
        self.check(stored_id, false)
    }

    /// Whether it may change what `stored_id` wrote.
    pub fn check_modify_permission(&self, stored_id: u32) -> bool {
        self.check(stored_id, true)
    }

    /// Under which id it writes, if it may.
    pub fn get_write_id(&self) -> Option<u32> {
        match &self.0 {
            Kind::SelfOnly(id) => Some(id.get()),
            Kind::FixedSize { id, write, .. } | Kind::Listed { id, write, .. } => {
                write.then_some(id.get())
            }
            Kind::Kernel => Some(0),
            Kind::Null => None,
        }
    }
}
