//! I2C driver, as master or as target of the bus.
//!
//! Owns the protocol of driver 0x20006. Buffers: RO 0 master sends, RW 1 master receives, RO 2 target
//! sends, RW 3 target receives. Commands: 1 master write and 2 master read (length << 16 | address),
//! 7 write, then read (write length << 16 | read length << 8 | address), 6 the own address, 3 await a
//! write of a master, 4 answer a read (length). Upcall 0: (0, status, _) after a master write, else
//! (what ended, bytes, status); after 7, 3 and 4 "what" is that number, after 2 it is 1.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::{AllowRo, AllowRw, DefaultConfig, ErrorCode, Subscribe, Syscalls};
use libtock_platform::{allow_ro, allow_rw, share, subscribe};

/// The bus.
pub struct I2CMasterSlave<S: Syscalls, C: Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: Config> I2CMasterSlave<S, C> {
    /// Is there such a driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::EXISTS, 0, 0).to_result()
    }

    /// As master: writes the first `len` bytes of `buffer` to `addr`.
    ///
    /// # Errors
    /// `NoMem`: `len` exceeds the buffer. Else the bus's and the kernel's.
    pub fn i2c_master_slave_write_sync(
        addr: u16,
        buffer: &[u8],
        len: u16,
    ) -> Result<(), ErrorCode> {
        if usize::from(len) > buffer.len() {
            return Err(ErrorCode::NoMem);
        }
        let what = u32::from(len) << 16 | u32::from(addr);
        let (_, status, _) = Self::send::<MASTER_SENDS>(buffer, command::MASTER_WRITE, what)?;
        ErrorCode::from_status(status)
    }

    /// As master: reads `len` bytes from `addr`; how many came, and how it ended.
    pub fn i2c_master_slave_read_sync(
        addr: u16,
        buf: &mut [u8],
        len: u16,
    ) -> (usize, Result<(), ErrorCode>) {
        if usize::from(len) > buf.len() {
            return (0, Err(ErrorCode::NoMem));
        }
        let what = u32::from(len) << 16 | u32::from(addr);
        let ended = Self::receive::<MASTER_RECEIVES>(buf, command::MASTER_READ, what);
        // The kernel does not say how many bytes came: all of them, or it is an error.
        counted(ended.map(|(what, _, status)| (what, len.into(), status)), 1)
    }

    /// As master: writes `w_len` bytes, then reads `r_len`, with no stop between; how many came,
    /// and how it ended. The kernel receives into the room of what it sent, so `w_buf` must be as
    /// long as what is read.
    pub fn i2c_master_slave_write_read_sync(
        addr: u16,
        w_buf: &mut [u8],
        r_buf: &mut [u8],
        w_len: u16,
        r_len: u16,
    ) -> (usize, Result<(), ErrorCode>) {
        let (written, read) = (usize::from(w_len), usize::from(r_len));
        if written > w_buf.len() || read > r_buf.len() || read > w_buf.len() {
            return (0, Err(ErrorCode::NoMem));
        }
        if addr > 0xFF || r_len > 0xFF {
            return (0, Err(ErrorCode::Invalid));
        }
        type Shares<'a, S> = (
            AllowRw<'a, S, DRIVER_NUM, MASTER_RECEIVES>,
            AllowRo<'a, S, DRIVER_NUM, MASTER_SENDS>,
            Subscribe<'a, S, DRIVER_NUM, 0>,
        );
        let what = u32::from(w_len) << 16 | u32::from(r_len) << 8 | u32::from(addr);
        let ended = Cell::new(None);
        let ended = share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow_rw, allow_ro, subscribe) = handle.split();
            S::allow_rw::<C, DRIVER_NUM, MASTER_RECEIVES>(allow_rw, r_buf)?;
            S::allow_ro::<C, DRIVER_NUM, MASTER_SENDS>(allow_ro, w_buf)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &ended)?;
            Self::run(command::MASTER_WRITE_READ, what, &ended)
        });
        counted(
            ended.map(|(what, _, status)| (what, r_len.into(), status)),
            command::MASTER_WRITE_READ,
        )
    }

    /// As target: answers to this address from now on.
    ///
    /// # Errors
    /// `Invalid`: it is over 0x7F. Else the kernel's.
    pub fn i2c_master_slave_set_slave_address(addr: u8) -> Result<(), ErrorCode> {
        if addr > 0x7F {
            return Err(ErrorCode::Invalid);
        }
        S::command(DRIVER_NUM, command::SLAVE_SET_ADDRESS, addr.into(), 0).to_result()
    }

    /// As target: waits for a master's write; how many bytes came, and how it ended.
    pub fn i2c_master_slave_write_recv_sync(buf: &mut [u8]) -> (usize, Result<(), ErrorCode>) {
        let ended = Self::receive::<SLAVE_RECEIVES>(buf, command::SLAVE_LISTEN, 0);
        counted(ended, command::SLAVE_LISTEN)
    }

    /// As target: answers a master's read with the first `len` bytes of `buf`; how many went, and
    /// how it ended.
    pub fn i2c_master_slave_read_send_sync(
        buf: &[u8],
        len: usize,
    ) -> (usize, Result<(), ErrorCode>) {
        let Some(length) = u32::try_from(len).ok().filter(|_| len <= buf.len()) else {
            return (0, Err(ErrorCode::Invalid));
        };
        let ended = Self::send::<SLAVE_SENDS>(buf, command::SLAVE_READ_SEND, length);
        counted(ended, command::SLAVE_READ_SEND)
    }

    fn send<const BUFFER: u32>(buffer: &[u8], number: u32, what: u32) -> Result<Ended, ErrorCode> {
        let ended = Cell::new(None);
        share::scope::<
            (
                AllowRo<'_, S, DRIVER_NUM, BUFFER>,
                Subscribe<'_, S, DRIVER_NUM, 0>,
            ),
            _,
            _,
        >(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_ro::<C, DRIVER_NUM, BUFFER>(allow, buffer)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &ended)?;
            Self::run(number, what, &ended)
        })
    }

    fn receive<const BUFFER: u32>(
        buffer: &mut [u8],
        number: u32,
        what: u32,
    ) -> Result<Ended, ErrorCode> {
        let ended = Cell::new(None);
        share::scope::<
            (
                AllowRw<'_, S, DRIVER_NUM, BUFFER>,
                Subscribe<'_, S, DRIVER_NUM, 0>,
            ),
            _,
            _,
        >(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_rw::<C, DRIVER_NUM, BUFFER>(allow, buffer)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &ended)?;
            Self::run(number, what, &ended)
        })
    }

    /// Commands, and waits for the upcall.
    fn run(number: u32, what: u32, ended: &Cell<Option<Ended>>) -> Result<Ended, ErrorCode> {
        S::command(DRIVER_NUM, number, what, 0).to_result::<(), ErrorCode>()?;
        loop {
            S::yield_wait();
            if let Some(ended) = ended.get() {
                return Ok(ended);
            }
        }
    }
}

/// The words of the upcall.
type Ended = (u32, u32, u32);

/// Bytes and result of what should have ended as `what`. All have the one upcall: another "what" is
/// somebody else's end.
fn counted(ended: Result<Ended, ErrorCode>, what: u32) -> (usize, Result<(), ErrorCode>) {
    match ended {
        Ok((w, bytes, 0)) if w == what => (bytes as usize, Ok(())),
        Ok((w, _, status)) if w == what => (
            0,
            Err(ErrorCode::try_from(status).unwrap_or(ErrorCode::Fail)),
        ),
        Ok(_) => (0, Err(ErrorCode::Fail)),
        Err(e) => (0, Err(e)),
    }
}

/// Reactions to displaced shares.
pub trait Config: allow_ro::Config + allow_rw::Config + subscribe::Config {}
impl<T: allow_ro::Config + allow_rw::Config + subscribe::Config> Config for T {}

const DRIVER_NUM: u32 = 0x20006;
const MASTER_SENDS: u32 = 0;
const MASTER_RECEIVES: u32 = 1;
const SLAVE_SENDS: u32 = 2;
const SLAVE_RECEIVES: u32 = 3;

mod command {
    pub const EXISTS: u32 = 0;
    pub const MASTER_WRITE: u32 = 1;
    pub const MASTER_READ: u32 = 2;
    pub const SLAVE_LISTEN: u32 = 3;
    pub const SLAVE_READ_SEND: u32 = 4;
    pub const SLAVE_SET_ADDRESS: u32 = 6;
    pub const MASTER_WRITE_READ: u32 = 7;
}

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};
    use std::rc::Rc;

    type I2C = super::I2CMasterSlave<fake::Syscalls>;

    /// A bus on which every transfer goes well, or none does.
    fn bus(status: u32) -> Rc<fake::Scripted> {
        fake::Scripted::new(DRIVER_NUM, move |call| {
            match call.command {
                1 => call.schedule(0, (0, status, 0)),
                2 => {
                    call.with_rw(1, |b| b.fill(0xA5));
                    call.schedule(0, (1, 0, status));
                }
                7 => {
                    let sent = call.ro(0);
                    call.with_rw(1, |b| b.copy_from_slice(&sent[..b.len()]));
                    call.schedule(0, (7, 0, status));
                }
                3 => {
                    call.with_rw(3, |b| b[..2].copy_from_slice(b"hi"));
                    call.schedule(0, (3, 2, status));
                }
                4 => call.schedule(0, (4, call.arg0.min(call.ro(2).len() as u32), status)),
                _ => {}
            }
            command_return::success()
        })
    }

    #[test]
    fn as_master() {
        let kernel = fake::Kernel::new();
        assert_eq!(I2C::exists(), Err(ErrorCode::NoDevice));
        let driver = bus(0);
        kernel.add_driver(&driver);
        assert_eq!(I2C::exists(), Ok(()));
        let (mut sent, mut got) = ([1, 2, 3, 4], [0; 2]);
        assert_eq!(I2C::i2c_master_slave_write_sync(0x69, &sent, 3), Ok(()));
        assert_eq!(
            I2C::i2c_master_slave_read_sync(0x69, &mut got, 2),
            (2, Ok(()))
        );
        assert_eq!(got, [0xA5; 2]);
        let both = I2C::i2c_master_slave_write_read_sync(0x69, &mut sent, &mut got, 4, 2);
        assert_eq!((both, got), ((2, Ok(())), [1, 2]));
        assert_eq!(
            driver.commands(),
            [
                (1, 0x0003_0069, 0),
                (2, 0x0002_0069, 0),
                (7, 0x0004_0269, 0)
            ]
        );
        assert_eq!(
            I2C::i2c_master_slave_write_sync(0x69, &sent, 5),
            Err(ErrorCode::NoMem)
        );
        let refused = [
            I2C::i2c_master_slave_read_sync(0x69, &mut got, 3),
            I2C::i2c_master_slave_write_read_sync(0x69, &mut sent, &mut got, 5, 1),
            I2C::i2c_master_slave_write_read_sync(0x69, &mut sent[..1], &mut got, 1, 2),
        ];
        assert_eq!(refused, [(0, Err(ErrorCode::NoMem)); 3]);
        assert_eq!((driver.commands().len(), driver.shares()), (3, (0, 0)));
    }

    #[test]
    fn as_target() {
        let kernel = fake::Kernel::new();
        let driver = bus(0);
        kernel.add_driver(&driver);
        assert_eq!(
            I2C::i2c_master_slave_set_slave_address(0x80),
            Err(ErrorCode::Invalid)
        );
        assert_eq!(I2C::i2c_master_slave_set_slave_address(0x69), Ok(()));
        let mut buf = [0; 8];
        assert_eq!(I2C::i2c_master_slave_write_recv_sync(&mut buf), (2, Ok(())));
        assert_eq!(&buf[..3], b"hi\0");
        assert_eq!(I2C::i2c_master_slave_read_send_sync(&buf, 5), (5, Ok(())));
        assert_eq!(
            I2C::i2c_master_slave_read_send_sync(&buf, 9),
            (0, Err(ErrorCode::Invalid))
        );
        assert_eq!(driver.commands(), [(6, 0x69, 0), (3, 0, 0), (4, 5, 0)]);
    }

    #[test]
    fn a_failed_transfer_counts_no_bytes() {
        let kernel = fake::Kernel::new();
        kernel.add_driver(&bus(ErrorCode::NoAck as u32));
        let mut buf = [0; 8];
        let nothing = (0, Err(ErrorCode::NoAck));
        assert_eq!(
            I2C::i2c_master_slave_write_sync(1, &buf, 1),
            Err(ErrorCode::NoAck)
        );
        assert_eq!(I2C::i2c_master_slave_read_sync(1, &mut buf, 1), nothing);
        assert_eq!(I2C::i2c_master_slave_write_recv_sync(&mut buf), nothing);
        assert_eq!(I2C::i2c_master_slave_read_send_sync(&buf, 1), nothing);
        assert_eq!(counted(Ok((4, 1, 0)), 3), (0, Err(ErrorCode::Fail)));
    }
}
