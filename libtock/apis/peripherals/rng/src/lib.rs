//! Random number driver.
//!
//! Owns the protocol of driver 0x40001 (tock.md §5.6): RW 0 destination, command 1 get(n),
//! upcall 0 (0, bytes written, 0).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::share::{self, Handle};
use libtock_platform::subscribe::OneId;
use libtock_platform::{AllowRw, DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};
use libtock_platform::{allow_rw, subscribe};

#[cfg(test)]
mod tests;

/// The random number driver.
pub struct Rng<S: Syscalls, C: Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: Config> Rng<S, C> {
    /// Is there such a driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 0, 0, 0).to_result()
    }

    /// Asks for `n` bytes; the listener hears when they are in the buffer.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_bytes_async(n: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 1, n, 0).to_result()
    }

    /// Shares the destination.
    ///
    /// # Errors
    /// The kernel's.
    pub fn allow_buffer<'share>(
        buffer: &'share mut [u8],
        allow: Handle<'_, AllowRw<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::allow_rw::<C, DRIVER_NUM, 0>(allow, buffer)
    }

    /// Registers a listener.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(u32)>(
        listener: &'share RngListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Fills the first `n` bytes of `buffer`.
    ///
    /// # Errors
    /// `NoMem`: `n` is longer than the buffer; `Fail`: the driver gave fewer; else the kernel's.
    pub fn get_bytes_sync(buffer: &mut [u8], n: u32) -> Result<(), ErrorCode> {
        if n as usize > buffer.len() {
            return Err(ErrorCode::NoMem);
        }
        let written: Cell<Option<u32>> = Cell::new(None);
        let listener = RngListener(|n| written.set(Some(n)));
        share::scope::<
            (
                AllowRw<'_, S, DRIVER_NUM, 0>,
                Subscribe<'_, S, DRIVER_NUM, 0>,
            ),
            _,
            _,
        >(|handle| {
            let (allow, subscribe) = handle.split();
            Self::allow_buffer(buffer, allow)?;
            Self::register_listener(&listener, subscribe)?;
            Self::get_bytes_async(n)?;
            loop {
                S::yield_wait();
                if let Some(written) = written.get() {
                    return if written >= n {
                        Ok(())
                    } else {
                        Err(ErrorCode::Fail)
                    };
                }
            }
        })
    }
}

/// Calls a function with the number of bytes written.
pub struct RngListener<F: Fn(u32)>(pub F);

impl<F: Fn(u32)> Upcall<OneId<DRIVER_NUM, 0>> for RngListener<F> {
    fn upcall(&self, _: u32, written: u32, _: u32) {
        self.0(written);
    }
}

/// Reactions to displaced shares.
pub trait Config: allow_rw::Config + subscribe::Config {}
impl<T: allow_rw::Config + subscribe::Config> Config for T {}

/// Number of the driver.
pub const DRIVER_NUM: u32 = 0x40001;
