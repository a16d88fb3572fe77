//! IEEE 802.15.4 radios.
//!
//! A frame's buffer: one byte for the driver, the PHY header, then the frame. Settings take effect
//! with `config_commit`.

use crate::ErrorCode;

/// Learns of transmission.
pub trait TxClient {
    /// Sent, or not; `acked` only when an acknowledgement was asked for and came.
    fn send_done(&self, buf: &'static mut [u8], acked: bool, result: Result<(), ErrorCode>);
}

/// Learns of reception.
pub trait RxClient {
    /// A frame of `frame_len` bytes without its footer, with its link quality.
    fn receive(
        &self,
        buf: &'static mut [u8],
        frame_len: usize,
        lqi: u8,
        crc_valid: bool,
        result: Result<(), ErrorCode>,
    );
}

/// Learns of settings.
pub trait ConfigClient {
    /// They took effect, or not.
    fn config_done(&self, result: Result<(), ErrorCode>);
}

/// Learns of power.
pub trait PowerClient {
    /// It is on, or off.
    fn changed(&self, on: bool);
}

/// Bytes of the PHY header.
pub const PHR_SIZE: usize = 1;
/// Bytes of the frame control field.
pub const MHR_FC_SIZE: usize = 2;
/// Bytes of the footer (CRC).
pub const MFR_SIZE: usize = 2;
/// Longest frame.
pub const MAX_MTU: usize = 127;
/// Shortest frame that is no acknowledgement.
pub const MIN_FRAME_SIZE: usize = 9;
/// Longest frame.
pub const MAX_FRAME_SIZE: usize = MAX_MTU;
/// Where the PHY header lies in a buffer.
pub const PHR_OFFSET: usize = 1;
/// Where the frame lies in a buffer.
pub const PSDU_OFFSET: usize = 2;
/// Bytes before the PHY header that are the driver's.
pub const SPI_HEADER_SIZE: usize = 1;
/// Bytes behind the frame for its link quality.
pub const LQI_SIZE: usize = 1;
/// Bytes that a buffer needs.
pub const MAX_BUF_SIZE: usize = SPI_HEADER_SIZE + PHR_SIZE + MAX_MTU + LQI_SIZE;

/// Settings and data.
pub trait Radio<'a>: RadioConfig<'a> + RadioData<'a> {}
impl<'a, T: RadioConfig<'a> + RadioData<'a>> Radio<'a> for T {}

/// Settings.
pub trait RadioConfig<'a> {
    /// Prepares it; stays off.
    ///
    /// # Errors
    /// `FAIL`.
    fn initialize(&self) -> Result<(), ErrorCode>;
    /// Resets it.
    ///
    /// # Errors
    /// `FAIL`.
    fn reset(&self) -> Result<(), ErrorCode>;
    /// Turns it on, receiving.
    ///
    /// # Errors
    /// `FAIL`.
    fn start(&self) -> Result<(), ErrorCode>;
    /// Turns it off.
    ///
    /// # Errors
    /// `FAIL`.
    fn stop(&self) -> Result<(), ErrorCode>;
    /// Whether it is on.
    fn is_on(&self) -> bool;
    /// Whether it sends or receives.
    fn busy(&self) -> bool;
    /// Whom to tell of power.
    fn set_power_client(&self, client: &'a dyn PowerClient);
    /// Makes the settings below take effect; `config_done` follows.
    fn config_commit(&self);
    /// Whom to tell of settings.
    fn set_config_client(&self, client: &'a dyn ConfigClient);
    /// Short address.
    fn get_address(&self) -> u16;
    /// Extended address.
    fn get_address_long(&self) -> [u8; 8];
    /// PAN id.
    fn get_pan(&self) -> u16;
    /// Transmission power, dBm.
    fn get_tx_power(&self) -> i8;
    /// Channel, 11 to 26.
    fn get_channel(&self) -> u8;
    /// Short address.
    fn set_address(&self, addr: u16);
    /// Extended address.
    fn set_address_long(&self, addr: [u8; 8]);
    /// PAN id.
    fn set_pan(&self, id: u16);
    /// Transmission power, dBm.
    ///
    /// # Errors
    /// `INVAL`, `NOSUPPORT`.
    fn set_tx_power(&self, power: i8) -> Result<(), ErrorCode>;
    /// Channel.
    fn set_channel(&self, chan: RadioChannel);
}

/// Data.
pub trait RadioData<'a> {
    /// Whom to tell of transmission.
    fn set_transmit_client(&self, client: &'a dyn TxClient);
    /// Whom to tell of reception.
    fn set_receive_client(&self, client: &'a dyn RxClient);
    /// Where the next frame goes; at least [`MAX_BUF_SIZE`].
    fn set_receive_buffer(&self, receive_buffer: &'static mut [u8]);
    /// Sends a frame of `frame_len` bytes (without footer) at [`PSDU_OFFSET`].
    ///
    /// # Errors
    /// `OFF`, `BUSY`, `SIZE`, with the buffer.
    fn transmit(
        &self,
        buf: &'static mut [u8],
        frame_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
}

/// A channel; its value is the distance from 2400 MHz.
#[derive(PartialEq, Debug, Copy, Clone)]
#[allow(missing_docs)]
pub enum RadioChannel {
    Channel11 = 5,
    Channel12 = 10,
    Channel13 = 15,
    Channel14 = 20,
    Channel15 = 25,
    Channel16 = 30,
    Channel17 = 35,
    Channel18 = 40,
    Channel19 = 45,
    Channel20 = 50,
    Channel21 = 55,
    Channel22 = 60,
    Channel23 = 65,
    Channel24 = 70,
    Channel25 = 75,
    Channel26 = 80,
}

impl RadioChannel {
    /// Its number, 11 to 26.
    pub fn get_channel_number(&self) -> u8 {
        match *self {
            Self::Channel11 => 11,
            Self::Channel12 => 12,
            Self::Channel13 => 13,
            Self::Channel14 => 14,
            Self::Channel15 => 15,
            Self::Channel16 => 16,
            Self::Channel17 => 17,
            Self::Channel18 => 18,
            Self::Channel19 => 19,
            Self::Channel20 => 20,
            Self::Channel21 => 21,
            Self::Channel22 => 22,
            Self::Channel23 => 23,
            Self::Channel24 => 24,
            Self::Channel25 => 25,
            Self::Channel26 => 26,
        }
    }
}

impl TryFrom<u8> for RadioChannel {
    type Error = ();
    fn try_from(val: u8) -> Result<RadioChannel, ()> {
        Ok(match val {
            11 => Self::Channel11,
            12 => Self::Channel12,
            13 => Self::Channel13,
            14 => Self::Channel14,
            15 => Self::Channel15,
            16 => Self::Channel16,
            17 => Self::Channel17,
            18 => Self::Channel18,
            19 => Self::Channel19,
            20 => Self::Channel20,
            21 => Self::Channel21,
            22 => Self::Channel22,
            23 => Self::Channel23,
            24 => Self::Channel24,
            25 => Self::Channel25,
            26 => Self::Channel26,
            _ => return Err(()),
        })
    }
}
