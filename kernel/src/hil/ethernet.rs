//! Raw Ethernet frames.

use crate::ErrorCode;

/// Learns of frames.
pub trait EthernetAdapterDatapathClient {
    /// A transmission ended; `timestamp` if the hardware took one.
    fn transmit_frame_done(
        &self,
        err: Result<(), ErrorCode>,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
        timestamp: Option<u64>,
    );
    /// A frame arrived (without its checksum).
    fn received_frame(&self, frame: &[u8], timestamp: Option<u64>);
}

/// Moves frames.
pub trait EthernetAdapterDatapath<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn EthernetAdapterDatapathClient);
    /// Starts reception.
    fn enable_receive(&self);
    /// Stops reception.
    fn disable_receive(&self);
    /// Sends the first `len` bytes of a frame (without checksum).
    ///
    /// # Errors
    /// `BUSY`, `SIZE` or `OFF`, with the buffer.
    fn transmit_frame(
        &self,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
}
