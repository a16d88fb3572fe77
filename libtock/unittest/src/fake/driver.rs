//! What a fake driver is.
//!
//! Owns the trait and the handle by which a driver schedules upcalls.

use crate::fake::kernel;
use crate::{RoAllowBuffer, RwAllowBuffer};
use libtock_platform::{CommandReturn, ErrorCode, Register};
use std::cell::Cell;

/// A driver of the fake kernel.
pub trait SyscallDriver: 'static {
    /// Its number and how many upcalls it has.
    fn info(&self) -> DriverInfo;

    /// Called when it is added to a kernel.
    fn register(&self, share_ref: DriverShareRef) {
        let _ = share_ref;
    }

    /// A command; 0 must succeed.
    fn command(&self, command_id: u32, argument0: u32, argument1: u32) -> CommandReturn;

    /// A read-only share; returns the former one.
    ///
    /// # Errors
    /// The refused buffer and why.
    fn allow_readonly(
        &self,
        buffer_num: u32,
        buffer: RoAllowBuffer,
    ) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)> {
        let _ = buffer_num;
        Err((buffer, ErrorCode::NoSupport))
    }

    /// A read-write share; returns the former one.
    ///
    /// # Errors
    /// The refused buffer and why.
    fn allow_readwrite(
        &self,
        buffer_num: u32,
        buffer: RwAllowBuffer,
    ) -> Result<RwAllowBuffer, (RwAllowBuffer, ErrorCode)> {
        let _ = buffer_num;
        Err((buffer, ErrorCode::NoSupport))
    }
}

/// Number and upcall count of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverInfo {
    pub(crate) driver_num: u32,
    pub(crate) upcall_count: u32,
}

impl DriverInfo {
    /// A driver without upcalls.
    pub fn new(driver_num: u32) -> Self {
        DriverInfo {
            driver_num,
            upcall_count: 0,
        }
    }

    /// The same with this many upcalls, numbered from 0.
    #[must_use]
    pub fn upcall_count(mut self, count: u32) -> Self {
        self.upcall_count = count;
        self
    }
}

/// A driver's way into the kernel that it was added to. One that was never added (`default()`)
/// schedules nothing.
#[derive(Clone, Debug, Default)]
pub struct DriverShareRef {
    driver_num: Cell<Option<u32>>,
}

impl DriverShareRef {
    pub(crate) fn of(driver_num: u32) -> Self {
        DriverShareRef {
            driver_num: Cell::new(Some(driver_num)),
        }
    }

    /// Becomes `new`: what a driver's `register` does with what it is given.
    pub fn replace(&self, new: Self) {
        self.driver_num.set(new.driver_num.get());
    }

    /// Queues an upcall.
    ///
    /// # Errors
    /// The driver does not have that many.
    pub fn schedule_upcall(
        &self,
        subscribe_num: u32,
        args: (u32, u32, u32),
    ) -> Result<(), InvalidSubscribeNum> {
        let (a, b, c) = args;
        self.schedule_upcall_registers(subscribe_num, [a.into(), b.into(), c.into()])
    }

    /// As [`DriverShareRef::schedule_upcall`], for upcalls that carry an address (IPC).
    ///
    /// # Errors
    /// As there.
    pub fn schedule_upcall_registers(
        &self,
        subscribe_num: u32,
        arguments: [Register; 3],
    ) -> Result<(), InvalidSubscribeNum> {
        match self.driver_num.get() {
            Some(driver_num) => kernel::schedule(driver_num, subscribe_num, arguments),
            None => Ok(()),
        }
    }

    /// Queues an upcall that the driver says it has.
    pub(crate) fn tell(&self, subscribe_num: u32, args: (u32, u32, u32)) {
        self.schedule_upcall(subscribe_num, args)
            .unwrap_or_else(|e| panic!("{e}"));
    }
}

/// The driver has no upcall of this number.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidSubscribeNum {
    pub(crate) requested: u32,
    pub(crate) upcall_count: u32,
}

impl std::fmt::Display for InvalidSubscribeNum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let InvalidSubscribeNum {
            requested,
            upcall_count,
        } = self;
        write!(f, "upcall {requested} of a driver that has {upcall_count}")
    }
}

impl std::error::Error for InvalidSubscribeNum {}
