//! The bare system calls, one method a register shape.
//!
//! Owns the contract between portable code and the two that implement it: the `svc` of
//! `libtock_runtime` and the fake kernel of `libtock_unittest`.

use crate::Register;

/// A platform that can make system calls. All functions are associated: the type is the platform.
///
/// # Safety
/// An implementation hands the registers to a kernel that keeps TRD104, returns what it answered,
/// and tells the compiler which registers and memory a call may change.
pub unsafe trait RawSyscalls: Sized {
    /// Yield with one argument (yield-wait). May run upcalls.
    ///
    /// # Safety
    /// r0 is a yield id that takes no parameter.
    unsafe fn yield1(registers: [Register; 1]);

    /// Yield with two arguments (yield-no-wait). May run upcalls.
    ///
    /// # Safety
    /// r0 is a yield id that takes one parameter, r1 is valid as that parameter.
    unsafe fn yield2(registers: [Register; 2]);

    /// Yield with three arguments and as many answers (yield-wait-for). Runs no upcall.
    ///
    /// # Safety
    /// r0 is a yield id that takes two parameters and runs no upcall.
    ///
    /// # Panics
    /// Unless the platform has it: libtock-rs's platforms (test doubles above all) have not.
    unsafe fn yield3(registers: [Register; 3]) -> [Register; 3] {
        panic!("this platform has no yield-wait-for: {registers:?}")
    }

    /// A call with one argument (memop).
    ///
    /// # Safety
    /// `CLASS` is memop and r0 an operation that takes no argument.
    unsafe fn syscall1<const CLASS: usize>(registers: [Register; 1]) -> [Register; 2];

    /// A call with two arguments (memop, exit).
    ///
    /// # Safety
    /// `CLASS` is memop or exit; the operation must not take away memory that is in use.
    unsafe fn syscall2<const CLASS: usize>(registers: [Register; 2]) -> [Register; 2];

    /// A call with four arguments (subscribe, command, allow).
    ///
    /// # Safety
    /// A pointer given away must stay valid until it is taken back; an upcall given must be a
    /// function of the upcall ABI whose data stays valid as long.
    unsafe fn syscall4<const CLASS: usize>(registers: [Register; 4]) -> [Register; 4];
}
