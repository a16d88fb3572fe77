//! The fake kernel and fake drivers.
//!
//! Owns the driver trait; [`kernel`] owns the state, [`scripted`] a driver made of a closure.

mod driver;
pub(crate) mod kernel;
mod scripted;

pub use driver::{DriverInfo, DriverShareRef, SyscallDriver};
pub use kernel::Kernel;
pub use scripted::{Call, Scripted};

/// System calls to the fake kernel of this thread.
pub type Syscalls = libtock_platform::fake::FakeSyscalls<kernel::ThreadKernel>;
