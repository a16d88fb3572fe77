//! Storage by byte address.
//!
//! Owns upstream's traits (`reference/tock.md` §4.8). A driver on NOR flash only clears bits when it
//! writes; a write that failed is told by a length that is too small.

use crate::ErrorCode;

/// Reads and writes bytes.
pub trait NonvolatileStorage<'a> {
    /// Whom to call back.
    fn set_client(&self, client: &'a dyn NonvolatileStorageClient);
    /// Reads `length` bytes at `address` to the start of the buffer; `read_done` later.
    ///
    /// # Errors
    /// Comes back with the buffer, and no callback follows.
    fn read(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
    /// Writes the first `length` bytes of the buffer to `address`; `write_done` later.
    ///
    /// # Errors
    /// Comes back with the buffer, and no callback follows.
    fn write(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
}

/// Hears of bytes.
pub trait NonvolatileStorageClient {
    /// So many were read.
    fn read_done(&self, buffer: &'static mut [u8], length: usize);
    /// So many were written.
    fn write_done(&self, buffer: &'static mut [u8], length: usize);
}
