//! The SPI bus, as its controller, also for drivers written against embedded-hal.
//!
//! Owns [`EmbeddedHalSpi`]: each operation of a transaction is a transfer of its own, so the chip
//! select that the board gave the bus goes up between them.

use crate::alarm::{Alarm, Milliseconds};
use crate::platform::ErrorCode;
use embedded_hal::spi::{ErrorType, Operation, SpiDevice};

pub use libtock_spi_controller as driver;

pub type SpiController = libtock_spi_controller::SpiController<super::TockSyscalls>;

/// The device that the board's kernel selected.
pub struct EmbeddedHalSpi;

impl ErrorType for EmbeddedHalSpi {
    type Error = ErrorCode;
}

impl SpiDevice for EmbeddedHalSpi {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorCode> {
        for operation in operations {
            match operation {
                Operation::Read(read) => {
                    SpiController::spi_controller_read_sync(read, length(read)?)?;
                }
                Operation::Write(write) => {
                    SpiController::spi_controller_write_sync(write, length(write)?)?;
                }
                Operation::Transfer(read, write) => transfer(read, write)?,
                Operation::TransferInPlace(both) => {
                    SpiController::spi_controller_inplace_write_read_sync(both, length(both)?)?;
                }
                Operation::DelayNs(ns) => {
                    Alarm::sleep_for(Milliseconds(ns.div_ceil(1_000_000)))?;
                }
            }
        }
        Ok(())
    }
}

/// The one may be longer than the other: its rest goes alone.
fn transfer(read: &mut [u8], write: &[u8]) -> Result<(), ErrorCode> {
    let both = read.len().min(write.len());
    let ((read, rest_to_read), (write, rest_to_write)) =
        (read.split_at_mut(both), write.split_at(both));
    SpiController::spi_controller_write_read_sync(write, read, length(write)?)?;
    if !rest_to_read.is_empty() {
        return SpiController::spi_controller_read_sync(rest_to_read, length(rest_to_read)?);
    }
    if !rest_to_write.is_empty() {
        return SpiController::spi_controller_write_sync(rest_to_write, length(rest_to_write)?);
    }
    Ok(())
}

fn length(bytes: &[u8]) -> Result<u32, ErrorCode> {
    u32::try_from(bytes.len()).map_err(|_| ErrorCode::Size)
}
