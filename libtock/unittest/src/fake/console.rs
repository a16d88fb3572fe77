//! Console: driver 0x1.

use crate::command_return::{failure, success};
use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use crate::{RoAllowBuffer, RwAllowBuffer};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The driver: it keeps what is written, and reads what the test put in.
#[derive(Default)]
pub struct Console {
    written: RefCell<Vec<u8>>,
    input: RefCell<VecDeque<u8>>,
    write_buffer: RefCell<RoAllowBuffer>,
    read_buffer: RefCell<RwAllowBuffer>,
    share_ref: DriverShareRef,
}

impl Console {
    /// One without input.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<Console> {
        Rc::default()
    }

    /// One with input.
    pub fn new_with_input(input: &[u8]) -> Rc<Console> {
        let console = Console::new();
        console.input.borrow_mut().extend(input);
        console
    }

    /// What was written since the last time.
    pub fn take_bytes(&self) -> Vec<u8> {
        self.written.take()
    }

    fn tell(&self, subscribe_num: u32, told: (u32, u32, u32)) -> CommandReturn {
        self.share_ref.tell(subscribe_num, told);
        success()
    }

    fn write(&self, limit: u32) -> CommandReturn {
        let buffer = self.write_buffer.borrow();
        let n = buffer.len().min(limit as usize);
        self.written.borrow_mut().extend(&buffer[..n]);
        self.tell(1, (n as u32, 0, 0))
    }

    fn read(&self, limit: u32) -> CommandReturn {
        let mut buffer = self.read_buffer.borrow_mut();
        let mut input = self.input.borrow_mut();
        let n = buffer.len().min(limit as usize).min(input.len());
        for (to, from) in buffer.iter_mut().zip(input.drain(..n)) {
            *to = from;
        }
        // A read that the input falls short of ends with what there is, as on a terminal.
        self.tell(2, (0, n as u32, 0))
    }
}

impl SyscallDriver for Console {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x1).upcall_count(3)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.replace(share_ref);
    }

    fn command(&self, command: u32, limit: u32, _: u32) -> CommandReturn {
        match command {
            0 | 3 => success(),
            1 => self.write(limit),
            2 => self.read(limit),
            _ => failure(ErrorCode::NoSupport),
        }
    }

    fn allow_readonly(
        &self,
        buffer_num: u32,
        buffer: RoAllowBuffer,
    ) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)> {
        match buffer_num {
            1 => Ok(self.write_buffer.replace(buffer)),
            _ => Err((buffer, ErrorCode::Invalid)),
        }
    }

    fn allow_readwrite(
        &self,
        buffer_num: u32,
        buffer: RwAllowBuffer,
    ) -> Result<RwAllowBuffer, (RwAllowBuffer, ErrorCode)> {
        match buffer_num {
            1 => Ok(self.read_buffer.replace(buffer)),
            _ => Err((buffer, ErrorCode::Invalid)),
        }
    }
}
