//! What the code under test asked for, in order.
//!
//! Owns the log's entries; pointers are left out, as they differ from run to run; memop's is the
//! exception, as it is all that says what was asked for.

use libtock_platform::Register;

/// One system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SyscallLogEntry {
    YieldNoWait,
    YieldWait,
    YieldWaitFor {
        driver_num: u32,
        subscribe_num: u32,
    },
    Subscribe {
        driver_num: u32,
        subscribe_num: u32,
    },
    Command {
        driver_id: u32,
        command_id: u32,
        argument0: u32,
        argument1: u32,
    },
    AllowRo {
        driver_num: u32,
        buffer_num: u32,
        len: usize,
    },
    AllowRw {
        driver_num: u32,
        buffer_num: u32,
        len: usize,
    },
    Memop {
        memop_num: u32,
        argument0: Register,
    },
}
