//! A fake Tock kernel for host tests of applications and drivers.
//!
//! Owns [`fake::Kernel`] (one a thread), the [`fake::SyscallDriver`] trait that test drivers
//! implement, the system call log, and expectations that make a call fail or go astray. Names and
//! shape are libtock-rs's `libtock_unittest`.
//!
//! What it checks by itself: a buffer is inside no other writable share, an upcall runs only in a
//! yield, a process that waits for ever fails its test instead of hanging.
#![forbid(unsafe_code)]

pub mod command_return;
mod exit_test;
mod expected_syscall;
pub mod fake;
mod syscall_log;

pub use exit_test::{ExitCall, exit_test};
pub use expected_syscall::ExpectedSyscall;
pub use fake::{DriverInfo, DriverShareRef};
pub use libtock_platform::fake::{RoAllowBuffer, RwAllowBuffer};
pub use syscall_log::SyscallLogEntry;
