//! The Tock kernel: processes, grants, syscalls, loader, scheduler, HIL traits.
//!
//! Names, signatures and module paths are Tock's (`reference/tock.md` §4), so that capsules compile
//! against either crate. It owns no address and no register: chips and boards bring those through
//! `platform`. `unsafe` is confined to the modules that touch process memory (`grant`,
//! `processbuffer`, `process::standard`, `process::loading`), to single-threaded statics and to the
//! two places where the main loop crosses into userspace.
//!
//! Feature `std` (host tests only; enable it as a dev-dependency feature): statics become per
//! thread, and `testing` offers a whole kernel with processes whose code is the test itself.
#![cfg_attr(not(any(test, feature = "std")), no_std)]
// Firmware is built for size; the way of a system call is built for speed (`optimize(speed)`, where the
// build passes `--cfg optimize_attribute`: a stable compiler has no such attribute).
#![cfg_attr(optimize_attribute, feature(optimize_attribute))]

/// Compatible with binaries that ask for this major version.
pub const KERNEL_MAJOR_VERSION: u16 = 2;
/// Compatible with binaries that ask for this minor version or a lower one.
pub const KERNEL_MINOR_VERSION: u16 = 3;
/// Patch version.
pub const KERNEL_PATCH_VERSION: u16 = 0;
/// Pre-release version.
pub const KERNEL_PRERELEASE_VERSION: u16 = 1;

pub mod capabilities;
pub mod collections;
pub mod component;
pub mod debug;
pub mod deferred_call;
pub mod dynamic_binary_storage;
pub mod errorcode;
pub mod grant;
pub mod hil;
pub mod introspection;
pub mod ipc;
pub mod platform;
pub mod process;
pub mod process_checker;
pub mod processbuffer;
pub mod scheduler;
pub mod storage_permissions;
pub mod syscall;
#[cfg(feature = "std")]
pub mod testing;
pub mod upcall;
pub mod utilities;
pub mod weakened;

#[allow(clippy::module_inception)]
mod kernel;
mod memop;

pub use crate::errorcode::ErrorCode;
pub use crate::kernel::Kernel;
pub use crate::process::ProcessId;
pub use crate::scheduler::Scheduler;
