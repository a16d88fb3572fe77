//! Universal asynchronous receiver and transmitter.

use crate::ErrorCode;

/// Stop bits.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum StopBits {
    /// One.
    One = 1,
    /// Two.
    Two = 2,
}

/// Parity bit.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None = 0,
    /// Odd.
    Odd = 1,
    /// Even.
    Even = 2,
}

/// Data bits of a word.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Width {
    /// Six.
    Six = 6,
    /// Seven.
    Seven = 7,
    /// Eight.
    Eight = 8,
}

/// Line parameters.
#[derive(Copy, Clone, Debug)]
pub struct Parameters {
    /// Bits per second.
    pub baud_rate: u32,
    /// Data bits.
    pub width: Width,
    /// Parity.
    pub parity: Parity,
    /// Stop bits.
    pub stop_bits: StopBits,
    /// RTS/CTS.
    pub hw_flow_control: bool,
}

/// What went wrong on the line.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nothing.
    None,
    /// Parity.
    ParityError,
    /// Framing.
    FramingError,
    /// A byte was lost.
    OverrunError,
    /// Called while in progress.
    RepeatCallError,
    /// The UART was reset.
    ResetError,
    /// Break seen.
    BreakError,
    /// Aborted by its user.
    Aborted,
}

/// All of it.
pub trait Uart<'a>: Configure + Transmit<'a> + Receive<'a> {}
/// Data only.
pub trait UartData<'a>: Transmit<'a> + Receive<'a> {}
/// With the automatic receiver.
pub trait UartAdvanced<'a>: Configure + Transmit<'a> + ReceiveAdvanced<'a> {}
/// Both clients.
pub trait Client: ReceiveClient + TransmitClient {}

impl<'a, T: Configure + Transmit<'a> + Receive<'a>> Uart<'a> for T {}
impl<'a, T: Transmit<'a> + Receive<'a>> UartData<'a> for T {}
impl<'a, T: Configure + Transmit<'a> + ReceiveAdvanced<'a>> UartAdvanced<'a> for T {}
impl<T: ReceiveClient + TransmitClient> Client for T {}

/// Sets line parameters.
pub trait Configure {
    /// # Errors
    /// `INVAL`, `NOSUPPORT` or `OFF`.
    fn configure(&self, params: Parameters) -> Result<(), ErrorCode>;
}

/// Sends.
pub trait Transmit<'a> {
    /// Who learns of completion.
    fn set_transmit_client(&self, client: &'a dyn TransmitClient);
    /// Sends the first `tx_len` bytes.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, `OFF` or `FAIL`, with the buffer.
    fn transmit_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
    /// Sends one word.
    ///
    /// # Errors
    /// As above, and `NOSUPPORT`.
    fn transmit_word(&self, word: u32) -> Result<(), ErrorCode>;
    /// Stops; `Ok` when nothing was in progress.
    ///
    /// # Errors
    /// `BUSY`: a callback follows.
    fn transmit_abort(&self) -> Result<(), ErrorCode>;
}

/// Receives.
pub trait Receive<'a> {
    /// Who gets what arrives.
    fn set_receive_client(&self, client: &'a dyn ReceiveClient);
    /// Receives `rx_len` bytes.
    ///
    /// # Errors
    /// `BUSY`, `SIZE`, `OFF` or `FAIL`, with the buffer.
    fn receive_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
    /// Receives one word.
    ///
    /// # Errors
    /// As above, and `NOSUPPORT`.
    fn receive_word(&self) -> Result<(), ErrorCode>;
    /// Stops; `Ok` when nothing was in progress.
    ///
    /// # Errors
    /// `BUSY`: a callback follows.
    fn receive_abort(&self) -> Result<(), ErrorCode>;
}

/// Learns of transmission.
pub trait TransmitClient {
    /// A word went out.
    fn transmitted_word(&self, _rval: Result<(), ErrorCode>) {}
    /// A buffer went out, or as much of it as `tx_len` says.
    fn transmitted_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
        rval: Result<(), ErrorCode>,
    );
}

/// Learns of reception.
pub trait ReceiveClient {
    /// A word arrived.
    fn received_word(&self, _word: u32, _rval: Result<(), ErrorCode>, _error: Error) {}
    /// A buffer is full, or holds `rx_len` bytes.
    fn received_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
        rval: Result<(), ErrorCode>,
        error: Error,
    );
}

/// Receives until a pause on the line.
pub trait ReceiveAdvanced<'a>: Receive<'a> {
    /// As `receive_buffer`, ending also `interbyte_timeout` bit times after the last byte.
    ///
    /// # Errors
    /// As `receive_buffer`.
    fn receive_automatic(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
        interbyte_timeout: u8,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
}
