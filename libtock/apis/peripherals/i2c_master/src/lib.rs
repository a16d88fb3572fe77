//! I2C driver, as the master of the bus.
//!
//! Owns the protocol of driver 0x20003: RW 1 the bytes, both ways; command 1 write (address, length),
//! 2 read, 3 write, then read (write length << 8 | address, read length); upcall 0 (0, status, 0).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::{AllowRw, DefaultConfig, ErrorCode, Subscribe, Syscalls};
use libtock_platform::{allow_ro, allow_rw, share, subscribe};

/// The bus.
pub struct I2CMaster<S: Syscalls, C: Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: Config> I2CMaster<S, C> {
    /// Is there such a driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::EXISTS, 0, 0).to_result()
    }

    /// Writes the first `w_len` bytes of `buf` to `addr`, then reads `r_len` bytes to the start of
    /// it, with no stop between.
    ///
    /// # Errors
    /// `NoMem`: a length exceeds the buffer. `Invalid`: the address or the write length takes more
    /// than 8 bits, which is the room that the protocol has. Else the bus's and the kernel's.
    pub fn i2c_master_write_read_sync(
        addr: u16,
        buf: &mut [u8],
        w_len: u16,
        r_len: u16,
    ) -> Result<(), ErrorCode> {
        if usize::from(w_len) > buf.len() || usize::from(r_len) > buf.len() {
            return Err(ErrorCode::NoMem);
        }
        if addr > 0xFF || w_len > 0xFF {
            return Err(ErrorCode::Invalid);
        }
        let what = u32::from(w_len) << 8 | u32::from(addr);
        Self::run(command::WRITE_READ, what, r_len.into(), buf)
    }

    /// Writes the first `len` bytes of `buf` to `addr`.
    ///
    /// # Errors
    /// `NoMem`: `len` exceeds the buffer. Else the bus's and the kernel's.
    pub fn i2c_master_write_sync(addr: u16, buf: &mut [u8], len: u16) -> Result<(), ErrorCode> {
        if usize::from(len) > buf.len() {
            return Err(ErrorCode::NoMem);
        }
        Self::run(command::WRITE, addr.into(), len.into(), buf)
    }

    /// Reads `len` bytes from `addr` to the start of `buf`.
    ///
    /// # Errors
    /// `NoMem`: `len` exceeds the buffer. Else the bus's and the kernel's.
    pub fn i2c_master_read_sync(addr: u16, buf: &mut [u8], len: u16) -> Result<(), ErrorCode> {
        if usize::from(len) > buf.len() {
            return Err(ErrorCode::NoMem);
        }
        Self::run(command::READ, addr.into(), len.into(), buf)
    }

    fn run(number: u32, arg0: u32, arg1: u32, buf: &mut [u8]) -> Result<(), ErrorCode> {
        type Shares<'a, S> = (
            AllowRw<'a, S, DRIVER_NUM, BUFFER>,
            Subscribe<'a, S, DRIVER_NUM, 0>,
        );
        let ended: Cell<Option<(u32, u32)>> = Cell::new(None);
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_rw::<C, DRIVER_NUM, BUFFER>(allow, buf)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &ended)?;
            S::command(DRIVER_NUM, number, arg0, arg1).to_result::<(), ErrorCode>()?;
            loop {
                S::yield_wait();
                if let Some((_, status)) = ended.get() {
                    return ErrorCode::from_status(status);
                }
            }
        })
    }
}

/// Reactions to displaced shares.
pub trait Config: allow_ro::Config + allow_rw::Config + subscribe::Config {}
impl<T: allow_ro::Config + allow_rw::Config + subscribe::Config> Config for T {}

const DRIVER_NUM: u32 = 0x20003;
const BUFFER: u32 = 1;

mod command {
    pub const EXISTS: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const READ: u32 = 2;
    pub const WRITE_READ: u32 = 3;
}

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};

    type I2CMaster = super::I2CMaster<fake::Syscalls>;

    #[test]
    fn each_transfer_names_its_address_and_lengths() {
        let kernel = fake::Kernel::new();
        assert_eq!(I2CMaster::exists(), Err(ErrorCode::NoDevice));
        // A device at 0x50 that answers with what it was sent, each byte doubled.
        let driver = fake::Scripted::new(DRIVER_NUM, |call| {
            let status = match call.arg0 & 0xFF {
                0x50 => 0,
                _ => ErrorCode::NoAck as u32,
            };
            if call.command != 1 {
                call.with_rw(BUFFER, |b| b.iter_mut().for_each(|byte| *byte *= 2));
            }
            call.schedule(0, (0, status, 0));
            command_return::success()
        });
        kernel.add_driver(&driver);
        assert_eq!(I2CMaster::exists(), Ok(()));
        let mut buf = [1, 2, 3, 4];
        assert_eq!(I2CMaster::i2c_master_write_sync(0x50, &mut buf, 3), Ok(()));
        assert_eq!(I2CMaster::i2c_master_read_sync(0x50, &mut buf, 4), Ok(()));
        assert_eq!(buf, [2, 4, 6, 8]);
        assert_eq!(
            I2CMaster::i2c_master_write_read_sync(0x50, &mut buf, 2, 4),
            Ok(())
        );
        assert_eq!(
            I2CMaster::i2c_master_read_sync(0x51, &mut buf, 1),
            Err(ErrorCode::NoAck)
        );
        assert_eq!(
            driver.commands(),
            [(1, 0x50, 3), (2, 0x50, 4), (3, 0x250, 4), (2, 0x51, 1)]
        );
        let too_long = [
            I2CMaster::i2c_master_write_sync(0x50, &mut buf, 5),
            I2CMaster::i2c_master_read_sync(0x50, &mut buf, 5),
            I2CMaster::i2c_master_write_read_sync(0x50, &mut buf, 5, 1),
            I2CMaster::i2c_master_write_read_sync(0x50, &mut buf, 1, 5),
        ];
        assert_eq!(too_long, [Err(ErrorCode::NoMem); 4]);
        let no_room = I2CMaster::i2c_master_write_read_sync(0x150, &mut buf, 1, 1);
        assert_eq!(no_room, Err(ErrorCode::Invalid));
        assert_eq!((driver.commands().len(), driver.shares()), (4, (0, 0)));
    }
}
