//! What an attacker can execute, for `tests/hostile` alone (feature `attack`); unsound on purpose.
//!
//! Owns wild loads, stores and branches. They are sound for the rest of the system exactly when
//! the kernel's and the secure world's defences hold, which is what the tests ask. It is here so
//! that the list of crates with `unsafe` stays short; no product process turns the feature on.

use crate::TockSyscalls;
use libtock_platform::{RawSyscalls, Syscalls, syscall_class};

/// Loads a word from anywhere.
pub fn read(address: usize) -> u32 {
    // SAFETY: none for a wild address; the MPU must fault this process. A legal one is the control.
    unsafe { core::ptr::with_exposed_provenance::<u32>(address).read_volatile() }
}

/// Stores a word anywhere.
pub fn write(address: usize, value: u32) {
    // SAFETY: as in `read`.
    unsafe { core::ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(value) }
}

/// Calls a function at any address with four arguments, as C would; r0 on return.
#[cfg(target_os = "none")]
pub fn call(address: usize, arguments: [u32; 4]) -> u32 {
    let [a, b, c, d] = arguments;
    let r0;
    // SAFETY: none; a call into the secure world must be refused or fault this process. What a
    // returning function may clobber is declared.
    unsafe {
        core::arch::asm!(
            "blx {target}",
            target = in(reg) address,
            inlateout("r0") a => r0,
            in("r1") b, in("r2") c, in("r3") d,
            clobber_abi("C"),
        );
    }
    r0
}

/// Lends the console a buffer at any address; was it accepted?
pub fn allow_ro_console(address: usize, length: usize) -> bool {
    // SAFETY: none for a wild range; the kernel must refuse it. A legal one is taken back below.
    let [variant, ..] = unsafe {
        TockSyscalls::syscall4::<{ syscall_class::ALLOW_RO }>([
            1u32.into(),
            1u32.into(),
            address.into(),
            length.into(),
        ])
    };
    TockSyscalls::unallow_ro(1, 1);
    variant.as_u32() == 130
}

/// Executes an `svc` of a class that no system call has.
#[cfg(target_os = "none")]
pub fn unknown_svc() {
    // SAFETY: changes nothing when it returns; the kernel must fault this process.
    unsafe {
        core::arch::asm!("svc 0xbd", clobber_abi("C"));
    }
}
