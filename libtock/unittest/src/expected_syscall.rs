//! Calls that a test expects, and what shall come of them.
//!
//! Owns the queue's entries: with any of them queued, the next call must be the first of them.

use libtock_platform::{CommandReturn, ErrorCode, Register, YieldNoWaitReturn};

/// One expectation. The optional field overrides what the fake kernel would do.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum ExpectedSyscall {
    YieldNoWait {
        /// Answer this, whether or not an upcall ran.
        override_return: Option<YieldNoWaitReturn>,
    },
    YieldWait {
        /// Return without having run an upcall.
        skip_upcall: bool,
    },
    Subscribe {
        driver_num: u32,
        subscribe_num: u32,
        skip_with_error: Option<ErrorCode>,
    },
    Command {
        driver_id: u32,
        command_id: u32,
        argument0: u32,
        argument1: u32,
        /// The driver gets the command all the same; the process gets this answer.
        override_return: Option<CommandReturn>,
    },
    AllowRo {
        driver_num: u32,
        buffer_num: u32,
        return_error: Option<ErrorCode>,
    },
    AllowRw {
        driver_num: u32,
        buffer_num: u32,
        return_error: Option<ErrorCode>,
    },
    Memop {
        memop_num: u32,
        argument0: Register,
        return_error: Option<ErrorCode>,
    },
}

impl ExpectedSyscall {
    /// Fails the test: `called` came in this one's place.
    pub(crate) fn instead(&self, called: &str) -> ! {
        panic!("Expected system call {self:?}, but {called} was called instead.")
    }
}
