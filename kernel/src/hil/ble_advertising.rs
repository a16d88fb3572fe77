//! Bluetooth Low Energy advertisements.

use crate::ErrorCode;

/// Sends and hears advertisements.
pub trait BleAdvertisementDriver<'a> {
    /// Sends the first `len` bytes on a channel.
    fn transmit_advertisement(&self, buf: &'static mut [u8], len: usize, channel: RadioChannel);
    /// Listens on a channel.
    fn receive_advertisement(&self, channel: RadioChannel);
    /// Whom to tell of what was heard.
    fn set_receive_client(&self, client: &'a dyn RxClient);
    /// Whom to tell of what was sent.
    fn set_transmit_client(&self, client: &'a dyn TxClient);
}

/// Settings of the radio.
pub trait BleConfig {
    /// Transmission power, dBm.
    ///
    /// # Errors
    /// `NOSUPPORT`.
    fn set_tx_power(&self, power: u8) -> Result<(), ErrorCode>;
}

/// Learns of reception.
pub trait RxClient {
    /// An advertisement.
    fn receive_event(&self, buf: &'static mut [u8], len: u8, result: Result<(), ErrorCode>);
}

/// Learns of transmission.
pub trait TxClient {
    /// Sent, or not.
    fn transmit_event(&self, buf: &'static mut [u8], result: Result<(), ErrorCode>);
}

/// A channel; its value is the distance from 2400 MHz (Core specification, vol. 6, part B, 1.4.1).
#[derive(PartialEq, Debug, Copy, Clone)]
#[allow(missing_docs)]
pub enum RadioChannel {
    DataChannel0 = 4,
    DataChannel1 = 6,
    DataChannel2 = 8,
    DataChannel3 = 10,
    DataChannel4 = 12,
    DataChannel5 = 14,
    DataChannel6 = 16,
    DataChannel7 = 18,
    DataChannel8 = 20,
    DataChannel9 = 22,
    DataChannel10 = 24,
    DataChannel11 = 28,
    DataChannel12 = 30,
    DataChannel13 = 32,
    DataChannel14 = 34,
    DataChannel15 = 36,
    DataChannel16 = 38,
    DataChannel17 = 40,
    DataChannel18 = 42,
    DataChannel19 = 44,
    DataChannel20 = 46,
    DataChannel21 = 48,
    DataChannel22 = 50,
    DataChannel23 = 52,
    DataChannel24 = 54,
    DataChannel25 = 56,
    DataChannel26 = 58,
    DataChannel27 = 60,
    DataChannel28 = 62,
    DataChannel29 = 64,
    DataChannel30 = 66,
    DataChannel31 = 68,
    DataChannel32 = 70,
    DataChannel33 = 72,
    DataChannel34 = 74,
    DataChannel35 = 76,
    DataChannel36 = 78,
    AdvertisingChannel37 = 2,
    AdvertisingChannel38 = 26,
    AdvertisingChannel39 = 80,
}

impl RadioChannel {
    /// Its index, 0 to 39.
    pub fn get_channel_index(&self) -> u32 {
        match *self {
            Self::DataChannel0 => 0,
            Self::DataChannel1 => 1,
            Self::DataChannel2 => 2,
            Self::DataChannel3 => 3,
            Self::DataChannel4 => 4,
            Self::DataChannel5 => 5,
            Self::DataChannel6 => 6,
            Self::DataChannel7 => 7,
            Self::DataChannel8 => 8,
            Self::DataChannel9 => 9,
            Self::DataChannel10 => 10,
            Self::DataChannel11 => 11,
            Self::DataChannel12 => 12,
            Self::DataChannel13 => 13,
            Self::DataChannel14 => 14,
            Self::DataChannel15 => 15,
            Self::DataChannel16 => 16,
            Self::DataChannel17 => 17,
            Self::DataChannel18 => 18,
            Self::DataChannel19 => 19,
            Self::DataChannel20 => 20,
            Self::DataChannel21 => 21,
            Self::DataChannel22 => 22,
            Self::DataChannel23 => 23,
            Self::DataChannel24 => 24,
            Self::DataChannel25 => 25,
            Self::DataChannel26 => 26,
            Self::DataChannel27 => 27,
            Self::DataChannel28 => 28,
            Self::DataChannel29 => 29,
            Self::DataChannel30 => 30,
            Self::DataChannel31 => 31,
            Self::DataChannel32 => 32,
            Self::DataChannel33 => 33,
            Self::DataChannel34 => 34,
            Self::DataChannel35 => 35,
            Self::DataChannel36 => 36,
            Self::AdvertisingChannel37 => 37,
            Self::AdvertisingChannel38 => 38,
            Self::AdvertisingChannel39 => 39,
        }
    }
}
