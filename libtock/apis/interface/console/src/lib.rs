//! Console driver: write and read text.
//!
//! Owns the protocol of driver 0x1 (tock.md §5.2): write = RO 1, command 1, upcall 1 (bytes, no
//! status); read = RW 1, command 2, upcall 2 (status, bytes); command 3 aborts a read.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use libtock_platform::share;
use libtock_platform::{AllowRo, AllowRw, DefaultConfig, ErrorCode, Subscribe, Syscalls};
use libtock_platform::{allow_ro, allow_rw, subscribe};

#[cfg(test)]
mod tests;

/// The console. `S` is the platform, `C` what to do about displaced shares.
pub struct Console<S: Syscalls, C: Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: Config> Console<S, C> {
    /// Is there a console driver?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, command::EXISTS, 0, 0).is_success()
    }

    /// Writes all of `bytes`; returns when they are out.
    ///
    /// # Errors
    /// The kernel's; bytes before the error may be out.
    pub fn write(bytes: &[u8]) -> Result<(), ErrorCode> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = Self::write_some(rest)?;
            // A driver that takes nothing would keep us here for ever.
            rest = match rest.get(written..) {
                Some(r) if written > 0 => r,
                _ => return Err(ErrorCode::Fail),
            };
        }
        Ok(())
    }

    fn write_some(bytes: &[u8]) -> Result<usize, ErrorCode> {
        let called: Cell<Option<(u32,)>> = Cell::new(None);
        share::scope::<
            (
                AllowRo<'_, S, DRIVER_NUM, { allow_ro_num::WRITE }>,
                Subscribe<'_, S, DRIVER_NUM, { subscribe_num::WRITE }>,
            ),
            _,
            _,
        >(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_ro::<C, DRIVER_NUM, { allow_ro_num::WRITE }>(allow, bytes)?;
            S::subscribe::<_, _, C, DRIVER_NUM, { subscribe_num::WRITE }>(subscribe, &called)?;
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            S::command(DRIVER_NUM, command::WRITE, length, 0).to_result::<(), ErrorCode>()?;
            loop {
                S::yield_wait();
                if let Some((written,)) = called.get() {
                    return Ok(written as usize);
                }
            }
        })
    }

    /// Reads into `buffer`, waiting until it is full or the driver ends the read: (bytes read,
    /// how it ended).
    pub fn read(buffer: &mut [u8]) -> (usize, Result<(), ErrorCode>) {
        let called: Cell<Option<(u32, u32)>> = Cell::new(None);
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let started = share::scope::<
            (
                AllowRw<'_, S, DRIVER_NUM, { allow_rw_num::READ }>,
                Subscribe<'_, S, DRIVER_NUM, { subscribe_num::READ }>,
            ),
            _,
            _,
        >(|handle| {
            let (allow, subscribe) = handle.split();
            S::allow_rw::<C, DRIVER_NUM, { allow_rw_num::READ }>(allow, buffer)?;
            S::subscribe::<_, _, C, DRIVER_NUM, { subscribe_num::READ }>(subscribe, &called)?;
            S::command(DRIVER_NUM, command::READ, length, 0).to_result::<(), ErrorCode>()?;
            loop {
                S::yield_wait();
                if let Some(ended) = called.get() {
                    return Ok(ended);
                }
            }
        });
        match started {
            Ok((status, read)) => (read.min(length) as usize, ErrorCode::from_status(status)),
            Err(e) => (0, Err(e)),
        }
    }

    /// A `core::fmt::Write` over [`Console::write`].
    pub fn writer() -> ConsoleWriter<S> {
        ConsoleWriter(PhantomData)
    }
}

/// See [`Console::writer`].
pub struct ConsoleWriter<S: Syscalls>(PhantomData<S>);

impl<S: Syscalls> fmt::Write for ConsoleWriter<S> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        Console::<S>::write(s.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Reactions to displaced shares.
pub trait Config: allow_ro::Config + allow_rw::Config + subscribe::Config {}
impl<T: allow_ro::Config + allow_rw::Config + subscribe::Config> Config for T {}

const DRIVER_NUM: u32 = 0x1;

mod command {
    pub const EXISTS: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const READ: u32 = 2;
}

mod subscribe_num {
    pub const WRITE: u32 = 1;
    pub const READ: u32 = 2;
}

mod allow_ro_num {
    pub const WRITE: u32 = 1;
}

mod allow_rw_num {
    pub const READ: u32 = 1;
}
