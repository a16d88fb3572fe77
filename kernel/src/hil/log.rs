//! A persistent log of entries that are appended and read in order.

use crate::ErrorCode;

/// Reads.
pub trait LogRead<'a> {
    /// Names an entry.
    type EntryID;

    /// Whom to tell.
    fn set_read_client(&'a self, read_client: &'a dyn LogReadClient);
    /// Reads the next entry; `read_done` follows.
    ///
    /// # Errors
    /// `FAIL` (no more), `BUSY`, `INVAL`, `RESERVE`, `SIZE`, with the buffer.
    fn read(
        &self,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
    /// The oldest entry.
    fn log_start(&self) -> Self::EntryID;
    /// The entry that is appended next.
    fn log_end(&self) -> Self::EntryID;
    /// The entry that is read next.
    fn next_read_entry_id(&self) -> Self::EntryID;
    /// Reads from `entry` on; `seek_done` follows.
    ///
    /// # Errors
    /// `INVAL`, `RESERVE`.
    fn seek(&self, entry: Self::EntryID) -> Result<(), ErrorCode>;
    /// Bytes it holds, about.
    fn get_size(&self) -> usize;
}

/// Learns of reads.
pub trait LogReadClient {
    /// An entry of `length` bytes.
    fn read_done(&self, buffer: &'static mut [u8], length: usize, error: Result<(), ErrorCode>);
    /// The read position moved, or not.
    fn seek_done(&self, error: Result<(), ErrorCode>);
}

/// Appends.
pub trait LogWrite<'a> {
    /// Whom to tell.
    fn set_append_client(&'a self, append_client: &'a dyn LogWriteClient);
    /// Appends an entry; `append_done` follows.
    ///
    /// # Errors
    /// `BUSY`, `INVAL`, `SIZE`, with the buffer.
    fn append(
        &self,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
    /// Makes everything persistent; `sync_done` follows.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn sync(&self) -> Result<(), ErrorCode>;
    /// Drops everything; `erase_done` follows.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn erase(&self) -> Result<(), ErrorCode>;
}

/// Learns of appends.
pub trait LogWriteClient {
    /// Appended, or not; `records_lost` says that the oldest entries made room.
    fn append_done(
        &self,
        buffer: &'static mut [u8],
        length: usize,
        records_lost: bool,
        error: Result<(), ErrorCode>,
    );
    /// Persistent, or not.
    fn sync_done(&self, error: Result<(), ErrorCode>);
    /// Empty, or not.
    fn erase_done(&self, error: Result<(), ErrorCode>);
}
