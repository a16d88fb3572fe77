//! What an attacker can execute, for `tests/` alone (feature `attack`); unsound on purpose.
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

/// Loads a byte from anywhere.
pub fn read_byte(address: usize) -> u8 {
    // SAFETY: as in `read`.
    unsafe { core::ptr::with_exposed_provenance::<u8>(address).read_volatile() }
}

/// Stores a byte anywhere.
pub fn write_byte(address: usize, value: u8) {
    // SAFETY: as in `read`.
    unsafe { core::ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(value) }
}

/// Executes a call of a class that yields to nobody; r0 to r3 afterwards.
pub fn call_kernel<const CLASS: usize>(registers: [u32; 4]) -> [u32; 4] {
    // SAFETY: none for what the caller shares or subscribes; this module's doc says why.
    let answer = unsafe { TockSyscalls::syscall4::<CLASS>(registers.map(Into::into)) };
    answer.map(|r| r.as_u32())
}

/// Executes `2 * loops` instructions and few more.
#[cfg(target_os = "none")]
pub fn spin(loops: u32) {
    // SAFETY: counts a register down.
    unsafe {
        core::arch::asm!("2:", "subs {n}, {n}, #1", "bne 2b", n = inout(reg) loops => _);
    }
}

/// What a raw call left behind.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RawAnswer {
    /// r0 to r3.
    pub registers: [u32; 4],
    /// Bits of r4 to r11 that the call changed: none, for a good kernel.
    pub saved_changed: u32,
    /// Bits of r12 that the call changed: none, unless an upcall ran.
    pub scratch_changed: u32,
}

/// Executes `svc class` with these r0 to r3, for the classes of [`svc`]'s list; `None` for others.
#[cfg(target_os = "none")]
pub fn svc(class: u8, registers: [u32; 4]) -> Option<RawAnswer> {
    macro_rules! classes {
        ($($class:literal)*) => {
            match class {
                $($class => {
                    #[unsafe(naked)]
                    unsafe extern "C" fn raw(_: *mut RawAnswer) {
                        core::arch::naked_asm!(
                            "push {{r0, r4-r11, lr}}",
                            "ldr r4, =0xA4A4A4A4",
                            "ldr r5, =0x5A5A5A5A",
                            "ldr r6, =0xC3C3C3C3",
                            "ldr r7, =0x3C3C3C3C",
                            "ldr r8, =0x96969696",
                            "ldr r9, =0x69696969",
                            "ldr r10, =0xF0F0F0F0",
                            "ldr r11, =0x0F0F0F0F",
                            "ldr r12, =0xCCCCCCCC",
                            "ldm r0, {{r0-r3}}",
                            "svc {class}",
                            "push {{r0-r3}}",
                            "ldr r0, =0xA4A4A4A4",
                            "eors r0, r4",
                            "ldr r1, =0x5A5A5A5A",
                            "eors r1, r5",
                            "orrs r0, r1",
                            "ldr r1, =0xC3C3C3C3",
                            "eors r1, r6",
                            "orrs r0, r1",
                            "ldr r1, =0x3C3C3C3C",
                            "eors r1, r7",
                            "orrs r0, r1",
                            "ldr r1, =0x96969696",
                            "eor r1, r8",
                            "orrs r0, r1",
                            "ldr r1, =0x69696969",
                            "eor r1, r9",
                            "orrs r0, r1",
                            "ldr r1, =0xF0F0F0F0",
                            "eor r1, r10",
                            "orrs r0, r1",
                            "ldr r1, =0x0F0F0F0F",
                            "eor r1, r11",
                            "orrs r0, r1",
                            "ldr r1, =0xCCCCCCCC",
                            "eor r1, r12",
                            "pop {{r4-r7}}",
                            "ldr r2, [sp]",
                            "stm r2!, {{r4-r7}}",
                            "stm r2!, {{r0, r1}}",
                            "pop {{r0, r4-r11, pc}}",
                            class = const $class,
                        )
                    }
                    let mut answer = RawAnswer { registers, ..RawAnswer::default() };
                    // SAFETY: keeps the C ABI; the kernel is asked for whatever the caller says,
                    // which is the caller's to answer for, as this module's doc says.
                    unsafe { raw(&raw mut answer) };
                    Some(answer)
                })*
                _ => None,
            }
        };
    }
    classes!(0 1 2 3 4 5 6 7 8 9 0x7f 0x80 0xbd 0xff)
}

/// Executes an `svc` of a class that no system call has.
#[cfg(target_os = "none")]
pub fn unknown_svc() {
    // SAFETY: changes nothing when it returns; the kernel must fault this process.
    unsafe {
        core::arch::asm!("svc 0xbd", clobber_abi("C"));
    }
}
