//! Process policies, schedulers, credential checking.
//!
//! Owns decisions only: what becomes of a process that faulted, who runs next, which credential is
//! worth something, what an application is called. Mechanisms are the kernel's.
#![cfg_attr(not(test), no_std)]
// The scheduler is built for speed (`optimize(speed)`).
#![cfg_attr(optimize_attribute, feature(optimize_attribute))]
#![forbid(unsafe_code)]

pub mod process_checker;
pub mod process_policies;
pub mod process_printer;
pub mod process_restart;
pub mod scheduler;
pub mod storage_permissions;
pub mod syscall_filter;
pub mod virtual_scheduler_timer;
