//! The `svc` instruction.
//!
//! Owns what the compiler is told about each call (TRD104 and tock.md §7.2): a yield may run an
//! upcall, so it clobbers whatever a C function may; any other call changes its outputs only.

use libtock_platform::{RawSyscalls, Register};

/// System calls to the kernel that this process runs on.
pub struct TockSyscalls;

#[cfg(target_os = "none")]
mod arm {
    use super::*;
    use core::arch::asm;

    // SAFETY: the registers go to the kernel by `svc` and its answer comes back; clobbers as in
    // the module doc; no `nomem`, so memory the kernel may change is reloaded.
    unsafe impl RawSyscalls for TockSyscalls {
        unsafe fn yield1([Register(r0)]: [Register; 1]) {
            // SAFETY: the upcall follows the C ABI, hence `clobber_abi`.
            unsafe {
                asm!("svc 0", inlateout("r0") r0 => _, clobber_abi("C"));
            }
        }

        unsafe fn yield2([Register(r0), Register(r1)]: [Register; 2]) {
            // SAFETY: as in `yield1`.
            unsafe {
                asm!("svc 0", inlateout("r0") r0 => _, inlateout("r1") r1 => _, clobber_abi("C"));
            }
        }

        unsafe fn yield3(
            [Register(r0), Register(r1), Register(r2)]: [Register; 3],
        ) -> [Register; 3] {
            let (a, b, c);
            // SAFETY: runs no upcall; declared as if it did, which costs nothing.
            unsafe {
                asm!(
                    "svc 0",
                    inlateout("r0") r0 => a, inlateout("r1") r1 => b, inlateout("r2") r2 => c,
                    clobber_abi("C"),
                );
            }
            [Register(a), Register(b), Register(c)]
        }

        unsafe fn syscall1<const CLASS: usize>([Register(r0)]: [Register; 1]) -> [Register; 2] {
            let (a, b);
            // SAFETY: memop and exit answer in r0 and r1 and preserve the rest.
            unsafe {
                asm!(
                    "svc {class}", class = const CLASS,
                    inlateout("r0") r0 => a, lateout("r1") b,
                    options(preserves_flags, nostack),
                );
            }
            [Register(a), Register(b)]
        }

        unsafe fn syscall2<const CLASS: usize>(
            [Register(r0), Register(r1)]: [Register; 2],
        ) -> [Register; 2] {
            let (a, b);
            // SAFETY: as in `syscall1`.
            unsafe {
                asm!(
                    "svc {class}", class = const CLASS,
                    inlateout("r0") r0 => a, inlateout("r1") r1 => b,
                    options(preserves_flags, nostack),
                );
            }
            [Register(a), Register(b)]
        }

        unsafe fn syscall4<const CLASS: usize>(
            [Register(r0), Register(r1), Register(r2), Register(r3)]: [Register; 4],
        ) -> [Register; 4] {
            let (a, b, c, d);
            // SAFETY: subscribe, command and allow answer in r0 to r3 and preserve the rest.
            unsafe {
                asm!(
                    "svc {class}", class = const CLASS,
                    inlateout("r0") r0 => a, inlateout("r1") r1 => b,
                    inlateout("r2") r2 => c, inlateout("r3") r3 => d,
                    options(preserves_flags, nostack),
                );
            }
            [Register(a), Register(b), Register(c), Register(d)]
        }
    }
}

#[cfg(not(target_os = "none"))]
mod host {
    use super::*;

    const NO_KERNEL: &str = "TockSyscalls needs a Tock kernel; host tests use libtock_unittest";

    // SAFETY: never returns, so it promises nothing about an answer.
    unsafe impl RawSyscalls for TockSyscalls {
        unsafe fn yield1(_: [Register; 1]) {
            panic!("{NO_KERNEL}")
        }
        unsafe fn yield2(_: [Register; 2]) {
            panic!("{NO_KERNEL}")
        }
        unsafe fn yield3(_: [Register; 3]) -> [Register; 3] {
            panic!("{NO_KERNEL}")
        }
        unsafe fn syscall1<const CLASS: usize>(_: [Register; 1]) -> [Register; 2] {
            panic!("{NO_KERNEL}")
        }
        unsafe fn syscall2<const CLASS: usize>(_: [Register; 2]) -> [Register; 2] {
            panic!("{NO_KERNEL}")
        }
        unsafe fn syscall4<const CLASS: usize>(_: [Register; 4]) -> [Register; 4] {
            panic!("{NO_KERNEL}")
        }
    }
}
