//! Tock userspace platform traits: syscalls, sharing, error codes.
//!
//! Owns the API that process code and driver crates are written against: names, signatures and
//! module paths are libtock-rs's, so that code for either compiles against the other. Ours on
//! top: yield-wait-for, buffers shared for ever ([`StaticAllowRw`]), memory another process
//! shares ([`SharedMemory`]).
//!
//! Does not own the `svc` instruction (`libtock_runtime`) nor the fake kernel
//! (`libtock_unittest`): both implement [`RawSyscalls`].
//!
//! Invariant: all `unsafe` is in [`border`]; a safe caller cannot make the kernel keep a pointer
//! to memory that is gone or mutably borrowed.
#![no_std]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod allow_ro;
pub mod allow_rw;
mod border;
pub mod command_return;
mod default_config;
mod error_code;
mod event;
pub mod exit_on_drop;
mod raw_syscalls;
mod register;
pub mod return_variant;
pub mod share;
pub mod subscribe;
mod syscalls;
mod termination;
mod yield_types;

pub use allow_ro::AllowRo;
pub use allow_rw::AllowRw;
#[cfg(feature = "fake")]
pub use border::fake;
pub use border::{IpcInbox, IpcNotice, SharedMemory, StaticAllowRw, StaticBuffer};
pub use command_return::{CommandReturn, FailureData, SuccessData};
pub use default_config::DefaultConfig;
pub use error_code::ErrorCode;
pub use event::Event;
pub use raw_syscalls::RawSyscalls;
pub use register::Register;
pub use return_variant::ReturnVariant;
pub use subscribe::{Subscribe, Upcall};
pub use syscalls::Syscalls;
pub use termination::Termination;
pub use yield_types::YieldNoWaitReturn;

/// System call classes: the number in the `svc` instruction (TRD104 §4).
pub mod syscall_class {
    #![allow(missing_docs)]
    pub const YIELD: usize = 0;
    pub const SUBSCRIBE: usize = 1;
    pub const COMMAND: usize = 2;
    pub const ALLOW_RW: usize = 3;
    pub const ALLOW_RO: usize = 4;
    pub const MEMOP: usize = 5;
    pub const EXIT: usize = 6;
}

/// Which exit is asked for (TRD104 §4.7).
pub mod exit_id {
    #![allow(missing_docs)]
    pub const TERMINATE: u32 = 0;
    pub const RESTART: u32 = 1;
}

/// Which yield is asked for (TRD104 §4.1).
pub mod yield_id {
    #![allow(missing_docs)]
    pub const NO_WAIT: u32 = 0;
    pub const WAIT: u32 = 1;
    /// Returns when an event of one (driver, subscribe number) is there; runs no upcall.
    pub const WAIT_FOR: u32 = 2;
}
