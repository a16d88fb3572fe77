//! Low-level debug: driver 0x8.

use crate::command_return::{failure, success};
use crate::fake::{DriverInfo, SyscallDriver};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::RefCell;
use std::rc::Rc;

/// What a process told.
#[derive(Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum Message {
    AlertCode(u32),
    Print1(u32),
    Print2(u32, u32),
}

/// The driver; it keeps what it is told.
#[derive(Default)]
pub struct LowLevelDebug {
    messages: RefCell<Vec<Message>>,
}

impl LowLevelDebug {
    /// One that was told nothing.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<LowLevelDebug> {
        Rc::default()
    }

    /// What it was told since the last time.
    pub fn take_messages(&self) -> Vec<Message> {
        self.messages.take()
    }
}

impl SyscallDriver for LowLevelDebug {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x8)
    }

    fn command(&self, command: u32, a: u32, b: u32) -> CommandReturn {
        let message = match command {
            0 => return success(),
            1 => Message::AlertCode(a),
            2 => Message::Print1(a),
            3 => Message::Print2(a, b),
            _ => return failure(ErrorCode::NoSupport),
        };
        self.messages.borrow_mut().push(message);
        success()
    }
}
