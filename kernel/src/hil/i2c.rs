//! The I2C bus, and SMBus on it.
//!
//! A transfer that was accepted ends in one callback that brings its buffer back; one that was
//! refused gives it back at once.

use crate::ErrorCode;
use core::fmt;

/// Why a transfer did not happen.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Error {
    /// Nobody answered to the address.
    AddressNak,
    /// The device refused data.
    DataNak,
    /// Another controller took the bus.
    ArbitrationLost,
    /// Data came before the last was read.
    Overrun,
    /// The hardware cannot do it.
    NotSupported,
    /// Another transfer is in progress.
    Busy,
}

impl From<Error> for ErrorCode {
    fn from(e: Error) -> Self {
        match e {
            Error::AddressNak | Error::DataNak => ErrorCode::NOACK,
            Error::ArbitrationLost => ErrorCode::RESERVE,
            Error::Overrun => ErrorCode::SIZE,
            Error::NotSupported => ErrorCode::NOSUPPORT,
            Error::Busy => ErrorCode::BUSY,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Error::AddressNak => "I2C: no answer to the address",
            Error::DataNak => "I2C: data refused",
            Error::ArbitrationLost => "I2C: arbitration lost",
            Error::Overrun => "I2C: overrun",
            Error::NotSupported => "I2C: not supported",
            Error::Busy => "I2C: busy",
        })
    }
}

/// What a controller did to a device that we are.
#[derive(Copy, Clone, Debug)]
pub enum SlaveTransmissionType {
    /// It wrote to us.
    Write,
    /// It read from us.
    Read,
}

/// What a refused transfer gives back.
type Transfer = Result<(), (Error, &'static mut [u8])>;

/// A bus controller.
pub trait I2CMaster<'a> {
    /// Whom to tell.
    fn set_master_client(&self, master_client: &'a dyn I2CHwMasterClient);
    /// Powers it.
    fn enable(&self);
    /// Unpowers it.
    fn disable(&self);
    /// Writes, then reads to the start of the same buffer.
    ///
    /// # Errors
    /// `Busy`, `NotSupported`, with the buffer.
    fn write_read(
        &self,
        addr: u8,
        data: &'static mut [u8],
        write_len: usize,
        read_len: usize,
    ) -> Result<(), (Error, &'static mut [u8])>;
    /// Writes.
    ///
    /// # Errors
    /// As above.
    fn write(
        &self,
        addr: u8,
        data: &'static mut [u8],
        len: usize,
    ) -> Result<(), (Error, &'static mut [u8])>;
    /// Reads.
    ///
    /// # Errors
    /// As above.
    fn read(&self, addr: u8, buffer: &'static mut [u8], len: usize) -> Transfer;
}

/// A controller that also speaks SMBus.
pub trait SMBusMaster<'a>: I2CMaster<'a> {
    /// As [`I2CMaster::write_read`].
    ///
    /// # Errors
    /// As there.
    fn smbus_write_read(
        &self,
        addr: u8,
        data: &'static mut [u8],
        write_len: usize,
        read_len: usize,
    ) -> Result<(), (Error, &'static mut [u8])>;
    /// As [`I2CMaster::write`].
    ///
    /// # Errors
    /// As there.
    fn smbus_write(&self, addr: u8, data: &'static mut [u8], len: usize) -> Transfer;
    /// As [`I2CMaster::read`].
    ///
    /// # Errors
    /// As there.
    fn smbus_read(&self, addr: u8, buffer: &'static mut [u8], len: usize) -> Transfer;
}

/// A device on the bus: we.
pub trait I2CSlave<'a> {
    /// Whom to tell.
    fn set_slave_client(&self, slave_client: &'a dyn I2CHwSlaveClient);
    /// Powers it.
    fn enable(&self);
    /// Unpowers it.
    fn disable(&self);
    /// Our address.
    ///
    /// # Errors
    /// As the hardware gives.
    fn set_address(&self, addr: u8) -> Result<(), Error>;
    /// Where to put what a controller writes.
    ///
    /// # Errors
    /// `Busy`, `NotSupported`, with the buffer.
    fn write_receive(
        &self,
        data: &'static mut [u8],
        max_len: usize,
    ) -> Result<(), (Error, &'static mut [u8])>;
    /// What a controller reads.
    ///
    /// # Errors
    /// As above.
    fn read_send(
        &self,
        data: &'static mut [u8],
        max_len: usize,
    ) -> Result<(), (Error, &'static mut [u8])>;
    /// Answers to its address from now on.
    fn listen(&self);
}

/// Both.
pub trait I2CMasterSlave<'a>: I2CMaster<'a> + I2CSlave<'a> {}

/// Learns of a controller's transfers.
pub trait I2CHwMasterClient {
    /// One ended.
    fn command_complete(&self, buffer: &'static mut [u8], status: Result<(), Error>);
}

/// Learns of what controllers do to us.
pub trait I2CHwSlaveClient {
    /// One ended.
    fn command_complete(
        &self,
        buffer: &'static mut [u8],
        length: usize,
        transmission_type: SlaveTransmissionType,
    );
    /// A controller reads, and there is nothing: the clock is stretched until `read_send`.
    fn read_expected(&self);
    /// A controller writes, and there is no room: the clock is stretched until `write_receive`.
    fn write_expected(&self);
}

/// One device on a bus that a virtualiser shares.
pub trait I2CDevice {
    /// Powers the bus.
    fn enable(&self);
    /// Unpowers it when nobody else needs it.
    fn disable(&self);
    /// As [`I2CMaster::write_read`].
    ///
    /// # Errors
    /// As there.
    fn write_read(
        &self,
        data: &'static mut [u8],
        write_len: usize,
        read_len: usize,
    ) -> Result<(), (Error, &'static mut [u8])>;
    /// As [`I2CMaster::write`].
    ///
    /// # Errors
    /// As there.
    fn write(&self, data: &'static mut [u8], len: usize) -> Result<(), (Error, &'static mut [u8])>;
    /// As [`I2CMaster::read`].
    ///
    /// # Errors
    /// As there.
    fn read(&self, buffer: &'static mut [u8], len: usize)
    -> Result<(), (Error, &'static mut [u8])>;
}

/// One device on an SMBus.
pub trait SMBusDevice: I2CDevice {
    /// As [`I2CMaster::write_read`].
    ///
    /// # Errors
    /// As there.
    fn smbus_write_read(
        &self,
        data: &'static mut [u8],
        write_len: usize,
        read_len: usize,
    ) -> Result<(), (Error, &'static mut [u8])>;
    /// As [`I2CMaster::write`].
    ///
    /// # Errors
    /// As there.
    fn smbus_write(&self, data: &'static mut [u8], len: usize) -> Transfer;
    /// As [`I2CMaster::read`].
    ///
    /// # Errors
    /// As there.
    fn smbus_read(&self, buffer: &'static mut [u8], len: usize) -> Transfer;
}

/// Learns of a device's transfers.
pub trait I2CClient {
    /// One ended.
    fn command_complete(&self, buffer: &'static mut [u8], status: Result<(), Error>);
}

/// Where a type needs an SMBus and the board has none: refuses everything.
#[derive(Default)]
pub struct NoSMBus;

impl<'a> I2CMaster<'a> for NoSMBus {
    fn set_master_client(&self, _master_client: &'a dyn I2CHwMasterClient) {}
    fn enable(&self) {}
    fn disable(&self) {}
    fn write_read(&self, _addr: u8, data: &'static mut [u8], _: usize, _: usize) -> Transfer {
        Err((Error::NotSupported, data))
    }
    fn write(&self, _addr: u8, data: &'static mut [u8], _len: usize) -> Transfer {
        Err((Error::NotSupported, data))
    }
    fn read(&self, _addr: u8, buffer: &'static mut [u8], _len: usize) -> Transfer {
        Err((Error::NotSupported, buffer))
    }
}

impl<'a> SMBusMaster<'a> for NoSMBus {
    fn smbus_write_read(&self, _addr: u8, data: &'static mut [u8], _: usize, _: usize) -> Transfer {
        Err((Error::NotSupported, data))
    }
    fn smbus_write(&self, _addr: u8, data: &'static mut [u8], _len: usize) -> Transfer {
        Err((Error::NotSupported, data))
    }
    fn smbus_read(&self, _addr: u8, buffer: &'static mut [u8], _len: usize) -> Transfer {
        Err((Error::NotSupported, buffer))
    }
}
