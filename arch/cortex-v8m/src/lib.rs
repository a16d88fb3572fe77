//! ARMv8-M non-secure architecture port: context switch, PMSAv8 MPU, SysTick, NVIC.
//!
//! Owns the core's own registers (the Private Peripheral Bus as the non-secure world sees it) and
//! the handlers of its exceptions. The kernel runs in privileged thread mode on MSP, a process in
//! unprivileged thread mode on PSP. Knows no address of a board: the fault mailbox and the clock
//! come as arguments. `unsafe` stands in `registers` (fixed PPB addresses) and `switch` (handlers
//! and process frames). On a host the crate builds so that the arithmetic can be tested; what
//! needs the core is absent there.
#![cfg_attr(not(test), no_std)]

pub mod chip;
pub mod fault;
pub mod mpu;
pub mod nvic;
pub mod registers;
pub mod switch;
pub mod systick;

pub use chip::{CoreChip, SingleThread, initialize};
