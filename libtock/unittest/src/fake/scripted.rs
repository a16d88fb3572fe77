//! A fake driver made of a closure.
//!
//! Owns the bookkeeping that every fake needs (shares, log of commands), so that a test says only
//! what its driver answers.

use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use crate::{RoAllowBuffer, RwAllowBuffer, command_return};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Upcalls that a scripted driver has room for.
const UPCALLS: u32 = 16;

/// One command, as the closure sees it.
pub struct Call<'a> {
    /// Command number, never 0.
    pub command: u32,
    /// First argument.
    pub arg0: u32,
    /// Second argument.
    pub arg1: u32,
    driver: &'a Scripted,
}

impl Call<'_> {
    /// The bytes shared read-only under this number; empty when none are.
    pub fn ro(&self, buffer_num: u32) -> Vec<u8> {
        match self.driver.ro.borrow().get(&buffer_num) {
            Some(b) => b.as_ref().to_vec(),
            None => Vec::new(),
        }
    }

    /// Length of the buffer shared read-write under this number.
    pub fn rw_len(&self, buffer_num: u32) -> usize {
        self.with_rw(buffer_num, |b| b.len())
    }

    /// Works on the buffer shared read-write under this number; empty when none is.
    pub fn with_rw<R>(&self, buffer_num: u32, f: impl FnOnce(&mut [u8]) -> R) -> R {
        match self.driver.rw.borrow_mut().get_mut(&buffer_num) {
            Some(b) => f(b.as_mut()),
            None => f(&mut []),
        }
    }

    /// Queues an upcall.
    pub fn schedule(&self, subscribe_num: u32, arguments: (u32, u32, u32)) {
        self.driver.schedule(subscribe_num, arguments);
    }
}

type Script = Box<dyn Fn(&Call<'_>) -> CommandReturn>;

/// The driver.
pub struct Scripted {
    driver_num: u32,
    script: Script,
    commands: RefCell<Vec<(u32, u32, u32)>>,
    ro: RefCell<HashMap<u32, RoAllowBuffer>>,
    rw: RefCell<HashMap<u32, RwAllowBuffer>>,
    share_ref: DriverShareRef,
}

impl Scripted {
    /// A driver whose commands (but 0) are answered by `script`.
    pub fn new(
        driver_num: u32,
        script: impl Fn(&Call<'_>) -> CommandReturn + 'static,
    ) -> Rc<Scripted> {
        Rc::new(Scripted {
            driver_num,
            script: Box::new(script),
            commands: RefCell::default(),
            ro: RefCell::default(),
            rw: RefCell::default(),
            share_ref: DriverShareRef::default(),
        })
    }

    /// The commands so far (but 0): (number, first argument, second argument).
    pub fn commands(&self) -> Vec<(u32, u32, u32)> {
        self.commands.borrow().clone()
    }

    /// Queues an upcall.
    pub fn schedule(&self, subscribe_num: u32, arguments: (u32, u32, u32)) {
        self.share_ref.tell(subscribe_num, arguments);
    }

    /// The driver's way into the kernel.
    pub fn share_ref(&self) -> &DriverShareRef {
        &self.share_ref
    }

    /// Works on the buffer shared read-write under this number; empty when none is.
    pub fn with_rw<R>(&self, buffer_num: u32, f: impl FnOnce(&mut [u8]) -> R) -> R {
        match self.rw.borrow_mut().get_mut(&buffer_num) {
            Some(b) => f(b.as_mut()),
            None => f(&mut []),
        }
    }

    /// How many buffers are shared with it now, read-only and read-write.
    pub fn shares(&self) -> (usize, usize) {
        let ro = self.ro.borrow().values().filter(|b| !b.is_empty()).count();
        let rw = self.rw.borrow().values().filter(|b| !b.is_empty()).count();
        (ro, rw)
    }
}

impl SyscallDriver for Scripted {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(self.driver_num).upcall_count(UPCALLS)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.replace(share_ref);
    }

    fn command(&self, command_id: u32, argument0: u32, argument1: u32) -> CommandReturn {
        if command_id == 0 {
            return command_return::success();
        }
        self.commands
            .borrow_mut()
            .push((command_id, argument0, argument1));
        (self.script)(&Call {
            command: command_id,
            arg0: argument0,
            arg1: argument1,
            driver: self,
        })
    }

    fn allow_readonly(
        &self,
        buffer_num: u32,
        buffer: RoAllowBuffer,
    ) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)> {
        Ok(self
            .ro
            .borrow_mut()
            .insert(buffer_num, buffer)
            .unwrap_or_default())
    }

    fn allow_readwrite(
        &self,
        buffer_num: u32,
        buffer: RwAllowBuffer,
    ) -> Result<RwAllowBuffer, (RwAllowBuffer, ErrorCode)> {
        Ok(self
            .rw
            .borrow_mut()
            .insert(buffer_num, buffer)
            .unwrap_or_default())
    }
}
