//! Key-value store driver.
//!
//! Owns the protocol of driver 0x50003 (tock.md §5.8): RO 0 key, RO 1 value, RW 0 destination;
//! command 1 get, 2 set, 3 delete, 4 add, 5 update; upcall 0 (status, length).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::{AllowRo, AllowRw, DefaultConfig, ErrorCode, Subscribe, Syscalls};
use libtock_platform::{allow_ro, allow_rw, share, subscribe};

#[cfg(test)]
mod tests;

/// The store. It is the process's own: it needs a fixed ShortId.
pub struct KeyValue<S: Syscalls, C: Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: Config> KeyValue<S, C> {
    /// Is there a key-value driver?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, 0, 0, 0).is_success()
    }

    /// Reads a value; returns its length.
    ///
    /// # Errors
    /// `NoSupport` no such key, `Size` the value is longer than the buffer, else the kernel's.
    pub fn get(key: &[u8], value: &mut [u8]) -> Result<u32, ErrorCode> {
        type Shares<'a, S> = (
            AllowRo<'a, S, DRIVER_NUM, 0>,
            AllowRw<'a, S, DRIVER_NUM, 0>,
            Subscribe<'a, S, DRIVER_NUM, 0>,
        );
        let called: Cell<Option<Result<(u32,), ErrorCode>>> = Cell::new(None);
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow_key, allow_value, subscribe) = handle.split();
            S::allow_ro::<C, DRIVER_NUM, 0>(allow_key, key)?;
            S::allow_rw::<C, DRIVER_NUM, 0>(allow_value, value)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &called)?;
            Self::run(command::GET, || called.get()).map(|(length,)| length)
        })
    }

    /// Stores a value, new or not.
    ///
    /// # Errors
    /// `NoMem` the store is full, `Size` too long, else the kernel's.
    pub fn set(key: &[u8], value: &[u8]) -> Result<(), ErrorCode> {
        Self::store(command::SET, key, value)
    }

    /// Stores a value whose key is new.
    ///
    /// # Errors
    /// `NoSupport` there is one, else as [`Self::set`].
    pub fn add(key: &[u8], value: &[u8]) -> Result<(), ErrorCode> {
        Self::store(command::ADD, key, value)
    }

    /// Stores a value whose key is there.
    ///
    /// # Errors
    /// `NoSupport` there is none, else as [`Self::set`].
    pub fn update(key: &[u8], value: &[u8]) -> Result<(), ErrorCode> {
        Self::store(command::UPDATE, key, value)
    }

    /// Removes a key.
    ///
    /// # Errors
    /// `NoSupport` no such key, else the kernel's.
    pub fn delete(key: &[u8]) -> Result<(), ErrorCode> {
        type Shares<'a, S> = (
            AllowRo<'a, S, DRIVER_NUM, 0>,
            Subscribe<'a, S, DRIVER_NUM, 0>,
        );
        let called: Cell<Option<Result<(), ErrorCode>>> = Cell::new(None);
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow_key, subscribe) = handle.split();
            S::allow_ro::<C, DRIVER_NUM, 0>(allow_key, key)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &called)?;
            Self::run(command::DELETE, || called.get())
        })
    }

    fn store(number: u32, key: &[u8], value: &[u8]) -> Result<(), ErrorCode> {
        type Shares<'a, S> = (
            AllowRo<'a, S, DRIVER_NUM, 0>,
            AllowRo<'a, S, DRIVER_NUM, 1>,
            Subscribe<'a, S, DRIVER_NUM, 0>,
        );
        let called: Cell<Option<Result<(), ErrorCode>>> = Cell::new(None);
        share::scope::<Shares<'_, S>, _, _>(|handle| {
            let (allow_key, allow_value, subscribe) = handle.split();
            S::allow_ro::<C, DRIVER_NUM, 0>(allow_key, key)?;
            S::allow_ro::<C, DRIVER_NUM, 1>(allow_value, value)?;
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &called)?;
            Self::run(number, || called.get())
        })
    }

    /// Commands, and waits for the upcall.
    fn run<T>(
        number: u32,
        answer: impl Fn() -> Option<Result<T, ErrorCode>>,
    ) -> Result<T, ErrorCode> {
        S::command(DRIVER_NUM, number, 0, 0).to_result::<(), ErrorCode>()?;
        loop {
            S::yield_wait();
            if let Some(result) = answer() {
                return result;
            }
        }
    }
}

/// Reactions to displaced shares.
pub trait Config: allow_ro::Config + allow_rw::Config + subscribe::Config {}
impl<T: allow_ro::Config + allow_rw::Config + subscribe::Config> Config for T {}

const DRIVER_NUM: u32 = 0x50003;

mod command {
    pub const GET: u32 = 1;
    pub const SET: u32 = 2;
    pub const DELETE: u32 = 3;
    pub const ADD: u32 = 4;
    pub const UPDATE: u32 = 5;
}
