//! Storage by byte address.
//!
//! Owns upstream's traits (`reference/tock.md` §4.8). A driver on NOR flash only clears bits when it
//! writes; a write that failed is told by a length that is too small.

/// Reads and writes bytes.
pub trait NonvolatileStorage<'a> {
    /// Whom to call back.
    fn set_client(&self, client: &'a dyn NonvolatileStorageClient);
    /// Reads `length` bytes at `address` to the start of the buffer; `read_done` later.
    ///
    /// # Errors
    /// The buffer is lost: bounds and business are the caller's to know.
    fn read(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), crate::ErrorCode>;
    /// Writes the first `length` bytes of the buffer to `address`; `write_done` later.
    ///
    /// # Errors
    /// The buffer is lost: bounds and business are the caller's to know.
    fn write(
        &self,
        buffer: &'static mut [u8],
        address: usize,
        length: usize,
    ) -> Result<(), crate::ErrorCode>;
}

/// Hears of bytes.
pub trait NonvolatileStorageClient {
    /// So many were read.
    fn read_done(&self, buffer: &'static mut [u8], length: usize);
    /// So many were written.
    fn write_done(&self, buffer: &'static mut [u8], length: usize);
}
