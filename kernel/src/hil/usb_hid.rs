//! Human interface devices over USB: fixed-size packets.

use crate::ErrorCode;

/// A packet.
pub trait UsbHidType: Copy + Clone + Sized {}
impl UsbHidType for [u8; 64] {}
impl UsbHidType for [u8; 32] {}
impl UsbHidType for [u8; 16] {}
impl UsbHidType for [u8; 8] {}

/// Learns of packets.
pub trait Client<'a, T: UsbHidType> {
    /// One came (`SIZE`: cut; `CANCEL`: cancelled too late).
    fn packet_received(
        &'a self,
        result: Result<(), ErrorCode>,
        buffer: &'static mut T,
        endpoint: usize,
    );
    /// One went (`SIZE`: not all of it; `CANCEL`: cancelled too late).
    fn packet_transmitted(
        &'a self,
        result: Result<(), ErrorCode>,
        buffer: &'static mut T,
        endpoint: usize,
    );
}

/// Sends and receives packets.
pub trait UsbHid<'a, T: UsbHidType> {
    /// Sends one; returns its length.
    ///
    /// # Errors
    /// `BUSY`, with the packet.
    fn send_buffer(&'a self, send: &'static mut T) -> Result<usize, (ErrorCode, &'static mut T)>;
    /// Takes it back.
    ///
    /// # Errors
    /// `INVAL` none is sent, `BUSY` too late: the callback follows.
    fn send_cancel(&'a self) -> Result<&'static mut T, ErrorCode>;
    /// Receives one.
    ///
    /// # Errors
    /// `BUSY`, with the buffer.
    fn receive_buffer(&'a self, recv: &'static mut T) -> Result<(), (ErrorCode, &'static mut T)>;
    /// Takes the buffer back.
    ///
    /// # Errors
    /// `INVAL` none is set, `BUSY` too late: the callback follows.
    fn receive_cancel(&'a self) -> Result<&'static mut T, ErrorCode>;
}
