//! The parallel 8080 bus of displays.

use crate::ErrorCode;

/// Width of one transfer, and its byte order.
pub enum BusWidth {
    /// A byte.
    Bits8,
    /// Two, low one first.
    Bits16LE,
    /// Two, high one first.
    Bits16BE,
}

impl BusWidth {
    /// Bytes of a transfer.
    pub fn width_in_bytes(&self) -> usize {
        match self {
            BusWidth::Bits8 => 1,
            BusWidth::Bits16LE | BusWidth::Bits16BE => 2,
        }
    }
}

/// An address, and its byte order on the bus.
pub enum BusAddr8080 {
    /// A byte.
    BusAddr8(u8),
    /// Two, high one first.
    BusAddr16BE(u16),
    /// Two, low one first.
    BusAddr16LE(u16),
}

/// The bus.
pub trait Bus8080<'a> {
    /// Chooses where the next transfer goes.
    ///
    /// # Errors
    /// `BUSY`.
    fn set_addr(&self, addr: BusAddr8080) -> Result<(), ErrorCode>;
    /// Writes `len` items.
    ///
    /// # Errors
    /// `BUSY`, `NOMEM`, with the buffer.
    fn write(
        &self,
        data_width: BusWidth,
        buffer: &'a mut [u8],
        len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
    /// Reads `len` items.
    ///
    /// # Errors
    /// `BUSY`, `NOMEM`, with the buffer.
    fn read(
        &self,
        data_width: BusWidth,
        buffer: &'a mut [u8],
        len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn Client);
}

/// Learns of the end of each operation.
pub trait Client {
    /// Done; `buffer` is that of a transfer, `len` the items moved.
    fn command_complete(
        &self,
        buffer: Option<&'static mut [u8]>,
        len: usize,
        status: Result<(), ErrorCode>,
    );
}
