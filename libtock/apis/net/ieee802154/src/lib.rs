//! IEEE 802.15.4 driver: raw frames and the radio's settings.
//!
//! Owns the protocol of driver 0x30001: the commands of [`command`]; RO 0 the frame to send, RW 0 the
//! ring that received ones come in ([`rx`]); upcall 0 frames came, 1 a frame went.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::{AllowRo, DefaultConfig, ErrorCode, Subscribe, Syscalls};
use libtock_platform::{allow_ro, allow_rw, share, subscribe};

mod rx;

pub use rx::{Frame, RxOperator, RxRingBuffer, RxSingleBufferOperator};

#[cfg(test)]
mod tests;

/// The radio.
pub struct Ieee802154<S: Syscalls, C: Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: Config> Ieee802154<S, C> {
    /// Is there such a driver?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, command::EXISTS, 0, 0).is_success()
    }

    /// Is the radio on?
    pub fn is_on() -> bool {
        S::command(DRIVER_NUM, command::STATUS, 0, 0).is_success()
    }

    /// Turns it on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn radio_on() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::TURN_ON, 0, 0).to_result()
    }

    /// Turns it off.
    ///
    /// # Errors
    /// The kernel's.
    pub fn radio_off() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::TURN_OFF, 0, 0).to_result()
    }

    /// The own short address. As all settings, in force after [`Self::commit_config`].
    pub fn set_address_short(short_addr: u16) {
        Self::set(command::SET_SHORT_ADDRESS, one_up(short_addr), 0);
    }

    /// The own long address.
    pub fn set_address_long(long_addr: u64) {
        Self::set(
            command::SET_LONG_ADDRESS,
            long_addr as u32,
            (long_addr >> 32) as u32,
        );
    }

    /// The network.
    pub fn set_pan(pan: u16) {
        Self::set(command::SET_PAN, one_up(pan), 0);
    }

    /// The channel.
    ///
    /// # Errors
    /// `Invalid`: there is no such channel.
    pub fn set_channel(chan: u8) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::SET_CHANNEL, chan.into(), 0).to_result()
    }

    /// The power to send with, in dBm.
    ///
    /// # Errors
    /// `Invalid`: the radio has not got it.
    pub fn set_tx_power(power: i8) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::SET_POWER, i32::from(power) as u32, 0).to_result()
    }

    /// Puts the settings in force.
    pub fn commit_config() {
        Self::set(command::COMMIT, 0, 0);
    }

    /// The own short address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_address_short() -> Result<u16, ErrorCode> {
        Self::get(command::GET_SHORT_ADDRESS).map(one_down)
    }

    /// The own long address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_address_long() -> Result<u64, ErrorCode> {
        S::command(DRIVER_NUM, command::GET_LONG_ADDRESS, 0, 0).to_result()
    }

    /// The network.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_pan() -> Result<u16, ErrorCode> {
        Self::get(command::GET_PAN).map(one_down)
    }

    /// The channel.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_channel() -> Result<u8, ErrorCode> {
        Self::get(command::GET_CHANNEL).map(|channel| channel as u8)
    }

    /// The power to send with, in dBm.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_tx_power() -> Result<i8, ErrorCode> {
        Self::get(command::GET_POWER).map(|power| power as i8)
    }

    /// Sends a frame, which has all but its check sum; returns when it went.
    ///
    /// # Errors
    /// The kernel's.
    pub fn transmit_frame(frame: &[u8]) -> Result<(), ErrorCode> {
        type Shares<'a, S> = (
            AllowRo<'a, S, DRIVER_NUM, FRAME>,
            Subscribe<'a, S, DRIVER_NUM, TRANSMITTED>,
        );
        let sent = Cell::new(false);
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_ro::<C, DRIVER_NUM, FRAME>(allow, frame)?;
            S::subscribe::<_, _, C, DRIVER_NUM, TRANSMITTED>(subscribe, &sent)?;
            S::command(DRIVER_NUM, command::TRANSMIT, 0, 0).to_result::<(), ErrorCode>()?;
            while !sent.get() {
                S::yield_wait();
            }
            Ok(())
        })
    }

    /// For settings that the driver always takes.
    fn set(number: u32, a: u32, b: u32) {
        let _ = S::command(DRIVER_NUM, number, a, b);
    }

    fn get(number: u32) -> Result<u32, ErrorCode> {
        S::command(DRIVER_NUM, number, 0, 0).to_result()
    }
}

/// Short addresses and networks cross the border one too large, so that none is zero.
fn one_up(value: u16) -> u32 {
    u32::from(value) + 1
}

fn one_down(value: u32) -> u16 {
    value.wrapping_sub(1) as u16
}

/// Reactions to displaced shares.
pub trait Config: allow_ro::Config + allow_rw::Config + subscribe::Config {}
impl<T: allow_ro::Config + allow_rw::Config + subscribe::Config> Config for T {}

const DRIVER_NUM: u32 = 0x30001;
const FRAME: u32 = 0;
const RING: u32 = 0;
const RECEIVED: u32 = 0;
const TRANSMITTED: u32 = 1;

/// The driver's commands.
mod command {
    pub const EXISTS: u32 = 0;
    pub const STATUS: u32 = 1;
    pub const SET_SHORT_ADDRESS: u32 = 2;
    pub const SET_PAN: u32 = 4;
    pub const SET_CHANNEL: u32 = 5;
    pub const SET_POWER: u32 = 6;
    pub const COMMIT: u32 = 7;
    pub const GET_SHORT_ADDRESS: u32 = 8;
    pub const GET_PAN: u32 = 10;
    pub const GET_CHANNEL: u32 = 11;
    pub const GET_POWER: u32 = 12;
    pub const TRANSMIT: u32 = 27;
    pub const SET_LONG_ADDRESS: u32 = 28;
    pub const GET_LONG_ADDRESS: u32 = 29;
    pub const TURN_ON: u32 = 30;
    pub const TURN_OFF: u32 = 31;
}
