//! SPI driver, as the controller of the bus.
//!
//! Owns the protocol of driver 0x20001: RO 0 what is written, RW 0 what is read; command 2 write and
//! read (length), 11 read, 12 write and read in one buffer; upcall 0 (length, status, 0).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::{AllowRo, AllowRw, DefaultConfig, ErrorCode, Subscribe, Syscalls};
use libtock_platform::{allow_ro, allow_rw, share, subscribe};

/// The bus.
pub struct SpiController<S: Syscalls, C: Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: Config> SpiController<S, C> {
    /// Is there such a driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::EXISTS, 0, 0).to_result()
    }

    /// Writes `len` bytes of `w_buf` and reads as many into `r_buf`, at the same time.
    ///
    /// # Errors
    /// `NoMem`: `len` exceeds a buffer. Else the kernel's.
    pub fn spi_controller_write_read_sync(
        w_buf: &[u8],
        r_buf: &mut [u8],
        len: u32,
    ) -> Result<(), ErrorCode> {
        type Shares<'a, S> = (
            AllowRw<'a, S, DRIVER_NUM, READ>,
            AllowRo<'a, S, DRIVER_NUM, WRITE>,
            Subscribe<'a, S, DRIVER_NUM, 0>,
        );
        if len as usize > w_buf.len() || len as usize > r_buf.len() {
            return Err(ErrorCode::NoMem);
        }
        let ended = Cell::new(None);
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow_rw, allow_ro, subscribe) = handle.split();
            S::allow_rw::<C, DRIVER_NUM, READ>(allow_rw, r_buf)?;
            S::allow_ro::<C, DRIVER_NUM, WRITE>(allow_ro, w_buf)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &ended)?;
            Self::run(command::READ_WRITE_BYTES, len, &ended)
        })
    }

    /// Writes `len` bytes of `w_buf`; what comes back is dropped.
    ///
    /// # Errors
    /// `NoMem`: `len` exceeds the buffer. Else the kernel's.
    pub fn spi_controller_write_sync(w_buf: &[u8], len: u32) -> Result<(), ErrorCode> {
        type Shares<'a, S> = (
            AllowRo<'a, S, DRIVER_NUM, WRITE>,
            Subscribe<'a, S, DRIVER_NUM, 0>,
        );
        if len as usize > w_buf.len() {
            return Err(ErrorCode::NoMem);
        }
        let ended = Cell::new(None);
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_ro::<C, DRIVER_NUM, WRITE>(allow, w_buf)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &ended)?;
            Self::run(command::READ_WRITE_BYTES, len, &ended)
        })
    }

    /// Reads `len` bytes into `r_buf`.
    ///
    /// # Errors
    /// `NoMem`: `len` exceeds the buffer. Else the kernel's.
    pub fn spi_controller_read_sync(r_buf: &mut [u8], len: u32) -> Result<(), ErrorCode> {
        Self::in_one_buffer(r_buf, len, command::READ_BYTES)
    }

    /// Writes `len` bytes of `r_buf`, and reads as many over them.
    ///
    /// # Errors
    /// `NoMem`: `len` exceeds the buffer. Else the kernel's.
    pub fn spi_controller_inplace_write_read_sync(
        r_buf: &mut [u8],
        len: u32,
    ) -> Result<(), ErrorCode> {
        Self::in_one_buffer(r_buf, len, command::INPLACE_READ_WRITE_BYTES)
    }

    fn in_one_buffer(buffer: &mut [u8], len: u32, number: u32) -> Result<(), ErrorCode> {
        type Shares<'a, S> = (
            AllowRw<'a, S, DRIVER_NUM, READ>,
            Subscribe<'a, S, DRIVER_NUM, 0>,
        );
        if len as usize > buffer.len() {
            return Err(ErrorCode::NoMem);
        }
        let ended = Cell::new(None);
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_rw::<C, DRIVER_NUM, READ>(allow, buffer)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &ended)?;
            Self::run(number, len, &ended)
        })
    }

    /// Commands, and waits for the upcall.
    fn run(number: u32, len: u32, ended: &Cell<Option<(u32, u32)>>) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, number, len, 0).to_result::<(), ErrorCode>()?;
        loop {
            S::yield_wait();
            match ended.get() {
                Some((length, status)) if length == len => return ErrorCode::from_status(status),
                Some(_) => return Err(ErrorCode::Fail),
                None => {}
            }
        }
    }
}

/// Reactions to displaced shares.
pub trait Config: allow_ro::Config + allow_rw::Config + subscribe::Config {}
impl<T: allow_ro::Config + allow_rw::Config + subscribe::Config> Config for T {}

const DRIVER_NUM: u32 = 0x20001;
const WRITE: u32 = 0;
const READ: u32 = 0;

mod command {
    pub const EXISTS: u32 = 0;
    pub const READ_WRITE_BYTES: u32 = 2;
    pub const READ_BYTES: u32 = 11;
    pub const INPLACE_READ_WRITE_BYTES: u32 = 12;
}

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};

    type Spi = super::SpiController<fake::Syscalls>;

    #[test]
    fn bytes_go_out_and_in() {
        let kernel = fake::Kernel::new();
        assert_eq!(Spi::exists(), Err(ErrorCode::NoDevice));
        // A device that answers each byte with its complement, and 0xEE when nothing is written.
        let driver = fake::Scripted::new(DRIVER_NUM, |call| {
            let written = call.ro(0);
            call.with_rw(0, |read| {
                for (i, byte) in read.iter_mut().take(call.arg0 as usize).enumerate() {
                    *byte = match call.command {
                        2 => !written[i],
                        11 => 0xEE,
                        _ => !*byte,
                    };
                }
            });
            call.schedule(0, (call.arg0, 0, 0));
            command_return::success()
        });
        kernel.add_driver(&driver);
        assert_eq!(Spi::exists(), Ok(()));
        let mut got = [0; 4];
        assert_eq!(
            Spi::spi_controller_write_read_sync(&[1, 2, 3], &mut got, 3),
            Ok(())
        );
        assert_eq!(got, [0xFE, 0xFD, 0xFC, 0]);
        assert_eq!(Spi::spi_controller_write_sync(&[1, 2, 3], 3), Ok(()));
        assert_eq!(Spi::spi_controller_read_sync(&mut got, 1), Ok(()));
        assert_eq!(
            Spi::spi_controller_inplace_write_read_sync(&mut got, 2),
            Ok(())
        );
        assert_eq!(got, [0x11, 0x02, 0xFC, 0]);
        assert_eq!(
            driver.commands(),
            [(2, 3, 0), (2, 3, 0), (11, 1, 0), (12, 2, 0)]
        );
        let too_long = [
            Spi::spi_controller_write_read_sync(&[1], &mut got, 2),
            Spi::spi_controller_write_read_sync(&[1; 8], &mut got, 5),
            Spi::spi_controller_write_sync(&[], 1),
            Spi::spi_controller_read_sync(&mut got, 5),
            Spi::spi_controller_inplace_write_read_sync(&mut got, 5),
        ];
        assert_eq!(too_long, [Err(ErrorCode::NoMem); 5]);
        assert_eq!((driver.commands().len(), driver.shares()), (4, (0, 0)));
    }

    #[test]
    fn a_transfer_that_ends_short_or_badly_is_an_error() {
        let kernel = fake::Kernel::new();
        kernel.add_driver(&fake::Scripted::new(DRIVER_NUM, |call| {
            let busy = ErrorCode::Busy as u32;
            call.schedule(
                0,
                if call.arg0 == 1 {
                    (1, busy, 0)
                } else {
                    (1, 0, 0)
                },
            );
            command_return::success()
        }));
        assert_eq!(
            Spi::spi_controller_write_sync(&[1, 2], 1),
            Err(ErrorCode::Busy)
        );
        assert_eq!(
            Spi::spi_controller_write_sync(&[1, 2], 2),
            Err(ErrorCode::Fail)
        );
    }
}
