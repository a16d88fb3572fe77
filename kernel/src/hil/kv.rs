//! Key-value stores, split-phase.
//!
//! Owns upstream's traits (`reference/tock.md` §4.8). [`KVPermissions`] checks each access against
//! the caller's storage permissions; [`KV`] is the same without them.

use crate::ErrorCode;
use crate::storage_permissions::StoragePermissions;
use crate::utilities::leasable_buffer::SubSliceMut;

/// A key's or value's buffer, with a window on what counts.
type Buffer = SubSliceMut<'static, u8>;

/// Learns how operations ended.
pub trait KVClient {
    /// A value was read. `SIZE`: as much as fitted; `NOSUPPORT`: no such key, or forbidden.
    fn get_complete(&self, result: Result<(), ErrorCode>, key: Buffer, value: Buffer);
    /// A value was set. `NOSUPPORT`: forbidden; `NOMEM`: full.
    fn set_complete(&self, result: Result<(), ErrorCode>, key: Buffer, value: Buffer);
    /// A value was added. `NOSUPPORT`: the key exists; `NOMEM`: full.
    fn add_complete(&self, result: Result<(), ErrorCode>, key: Buffer, value: Buffer);
    /// A value was replaced. `NOSUPPORT`: no such key, or forbidden; `NOMEM`: full.
    fn update_complete(&self, result: Result<(), ErrorCode>, key: Buffer, value: Buffer);
    /// A key was removed. `NOSUPPORT`: no such key, or forbidden.
    fn delete_complete(&self, result: Result<(), ErrorCode>, key: Buffer);
    /// Space was reclaimed.
    fn garbage_collection_complete(&self, result: Result<(), ErrorCode>);
}

/// A store that asks each caller for its permissions.
pub trait KVPermissions<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn KVClient);
    /// Reads a value.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`, with the buffers.
    fn get(
        &self,
        key: SubSliceMut<'static, u8>,
        value: SubSliceMut<'static, u8>,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)>;
    /// Stores a value, new or not. It begins `header_size` bytes into its window.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, `INVAL` (no write id), `FAIL`, with the buffers.
    fn set(
        &self,
        key: SubSliceMut<'static, u8>,
        value: SubSliceMut<'static, u8>,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)>;
    /// Stores a value whose key is new. It begins as in `set`.
    ///
    /// # Errors
    /// As `set`.
    fn add(
        &self,
        key: SubSliceMut<'static, u8>,
        value: SubSliceMut<'static, u8>,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)>;
    /// Stores a value whose key exists. It begins as in `set`.
    ///
    /// # Errors
    /// As `set`.
    fn update(
        &self,
        key: SubSliceMut<'static, u8>,
        value: SubSliceMut<'static, u8>,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)>;
    /// Removes a key.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`, with the buffer.
    fn delete(
        &self,
        key: SubSliceMut<'static, u8>,
        permissions: StoragePermissions,
    ) -> Result<(), (Buffer, ErrorCode)>;
    /// Reclaims space.
    ///
    /// # Errors
    /// `BUSY`, `ALREADY`, `FAIL`.
    fn garbage_collect(&self) -> Result<(), ErrorCode>;
    /// Bytes before a value that the store needs for itself.
    fn header_size(&self) -> usize;
}

/// A store without permissions.
pub trait KV<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn KVClient);
    /// Reads a value.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`, with the buffers.
    fn get(
        &self,
        key: SubSliceMut<'static, u8>,
        value: SubSliceMut<'static, u8>,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)>;
    /// Stores a value, new or not.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`, with the buffers.
    fn set(
        &self,
        key: SubSliceMut<'static, u8>,
        value: SubSliceMut<'static, u8>,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)>;
    /// Stores a value whose key is new.
    ///
    /// # Errors
    /// As `set`.
    fn add(
        &self,
        key: SubSliceMut<'static, u8>,
        value: SubSliceMut<'static, u8>,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)>;
    /// Stores a value whose key exists.
    ///
    /// # Errors
    /// As `set`.
    fn update(
        &self,
        key: SubSliceMut<'static, u8>,
        value: SubSliceMut<'static, u8>,
    ) -> Result<(), (Buffer, Buffer, ErrorCode)>;
    /// Removes a key.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`, with the buffer.
    fn delete(&self, key: SubSliceMut<'static, u8>) -> Result<(), (Buffer, ErrorCode)>;
    /// Reclaims space.
    ///
    /// # Errors
    /// `BUSY`, `ALREADY`, `FAIL`.
    fn garbage_collect(&self) -> Result<(), ErrorCode>;
}
