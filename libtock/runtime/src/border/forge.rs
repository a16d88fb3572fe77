//! What an attacker can do to the core's state, for `tests/` alone (feature `attack`).
//!
//! Owns stack pointers, exception returns, special registers and vectors, as `attack` owns wild
//! memory. The same holds: sound for the rest of the system exactly when its defences hold.

use super::attack::{call, read, write};
use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Calls `svc 0` (Yield-NoWait, no result) with this stack pointer; comes back if the kernel lets it.
pub fn svc_at(sp: usize) {
    // SAFETY: the stack pointer is put back before anything else uses it; where it points to
    // meanwhile is what the kernel has to look at.
    unsafe {
        asm!(
            "mov r4, sp",
            "movs r0, #0",
            "movs r1, #0",
            "mov sp, r5",
            "svc 0",
            "mov sp, r4",
            in("r5") sp,
            out("r4") _,
            clobber_abi("C"),
        );
    }
}

/// Executes `2 * loops` instructions, one more if `odd`, then a command to driver 0 that only asks
/// whether it is there; r0 and CONTROL right after it. `loops` is not 0.
pub fn call_after(loops: u32, odd: bool) -> (u32, u32) {
    macro_rules! call {
        ($($nop:literal)?) => {{
            let (answer, control);
            // SAFETY: counts down and calls; the kernel keeps every register but r0 to r3.
            unsafe {
                asm!(
                    "2:", "subs r4, r4, #1", "bne 2b", $($nop,)? "svc 2", "mrs r4, control",
                    inout("r4") loops => control,
                    inout("r0") 0 => answer,
                    in("r1") 0, in("r2") 0, in("r3") 0,
                    clobber_abi("C"),
                );
            }
            (answer, control)
        }};
    }
    if odd { call!("nop") } else { call!() }
}

/// Branches to a value that means an exception return, once by `bx` with it in lr.
pub fn return_by_lr(value: u32) {
    // SAFETY: in thread mode no such return exists; the core must fault this process.
    unsafe {
        asm!("mov lr, {v}", "bx lr", v = in(reg) value, out("lr") _, clobber_abi("C"));
    }
}

/// As [`return_by_lr`], by popping it into pc.
pub fn return_by_pc(value: u32) {
    // SAFETY: as in `return_by_lr`.
    unsafe {
        asm!("push {{{v}}}", "pop {{pc}}", v = in(reg) value, clobber_abi("C"));
    }
}

/// Executes a floating-point instruction (`vmov s0, r0`).
pub fn floating_point() {
    // SAFETY: changes a register that this target's code never uses.
    unsafe { asm!(".inst.w 0xEE000A10", options(nostack)) }
}

/// Executes a vector instruction (MVE `vdup.32 q0, r0`).
pub fn vector() {
    // SAFETY: as in `floating_point`.
    unsafe { asm!(".inst.w 0xEEA00B10", options(nostack)) }
}

/// Pushes down to this address, and comes back if nothing stops it.
pub fn push_down_to(lowest: usize) {
    // SAFETY: the stack pointer is put back; what lies below the stack is what the MPU guards.
    unsafe {
        asm!(
            "mov r4, sp",
            "movs r0, #0",
            "movs r1, #0",
            "movs r2, #0",
            "movs r3, #0",
            "2:",
            "push {{r0-r3}}",
            "cmp sp, r5",
            "bhi 2b",
            "mov sp, r4",
            in("r5") lowest,
            out("r4") _,
            clobber_abi("C"),
        );
    }
}

/// CONTROL, which unprivileged code may read.
pub fn control() -> u32 {
    let value: u32;
    // SAFETY: reads a special register.
    unsafe { asm!("mrs {}, control", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Makes itself privileged by CONTROL, and masks interrupts by every mask: ignored for unprivileged
/// code. The masks are taken back, so that who succeeds can tell.
pub fn take_over() {
    // SAFETY: the core must ignore each of them.
    unsafe {
        asm!(
            "movs {r}, #2",
            "msr control, {r}",
            "isb",
            "cpsid i",
            "cpsid f",
            "movs {r}, #1",
            "msr primask, {r}",
            "msr faultmask, {r}",
            "movs {r}, #32",
            "msr basepri, {r}",
            "movs {r}, #0",
            "msr basepri, {r}",
            "msr primask, {r}",
            "msr faultmask, {r}",
            r = out(reg) _,
            options(nostack),
        );
    }
}

/// The kernel's stack pointer, which reads as 0 for unprivileged code.
pub fn main_stack() -> u32 {
    let value: u32;
    // SAFETY: reads a special register.
    unsafe { asm!("mrs {}, msp", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// A permanently undefined instruction.
pub fn undefined() {
    // SAFETY: the kernel must fault this process.
    unsafe { asm!("udf #1", options(nostack)) }
}

/// What a handler of the attacker's own does: calls `HANDLER[0]` with the four words behind it,
/// puts what comes back into `HANDLER[5]`.
static HANDLER: [AtomicU32; 6] = [const { AtomicU32::new(0) }; 6];
const VTOR: usize = 0xE000_ED08;
const ICSR: usize = 0xE000_ED04;
const PENDSVSET: u32 = 1 << 28;
const PENDSV: usize = 14;
const SYSTICK: usize = 15;

/// Calls a function from handler mode, by a vector of the kernel's that it takes over for so long:
/// what privileged code can do. r0 on return.
pub fn call_in_handler(target: usize, arguments: [u32; 4]) -> u32 {
    #[unsafe(naked)]
    unsafe extern "C" fn handler() {
        core::arch::naked_asm!(
            "push {{r4, lr}}",
            "ldr r4, ={cells}",
            "ldr r12, [r4]",
            "ldr r0, [r4, #4]",
            "ldr r1, [r4, #8]",
            "ldr r2, [r4, #12]",
            "ldr r3, [r4, #16]",
            "blx r12",
            "str r0, [r4, #20]",
            "pop {{r4, pc}}",
            cells = sym HANDLER,
        )
    }
    let words = [target as u32].into_iter().chain(arguments);
    for (cell, word) in HANDLER.iter().zip(words) {
        cell.store(word, Relaxed);
    }
    with_vector(PENDSV, handler as *const () as u32, || {
        write(ICSR, PENDSVSET);
        // SAFETY: waits until the exception was taken.
        unsafe { asm!("dsb", "isb", options(nostack)) };
    });
    HANDLER.get(5).map_or(0, |c| c.load(Relaxed))
}

/// Has `value` written to `at` by an interrupt so many ticks from now, and calls meanwhile.
pub fn write_during(ticks: u32, at: usize, value: u32, target: usize, arguments: [u32; 4]) -> u32 {
    const CSR: usize = 0xE000_E010;
    const RVR: usize = 0xE000_E014;
    const CVR: usize = 0xE000_E018;
    #[unsafe(naked)]
    unsafe extern "C" fn handler() {
        core::arch::naked_asm!(
            "ldr r0, ={cells}",
            "ldr r1, [r0]",
            "ldr r2, [r0, #4]",
            "str r2, [r1]",
            "ldr r0, =0xE000E010",
            "movs r1, #0",
            "str r1, [r0]",
            "bx lr",
            cells = sym HANDLER,
        )
    }
    for (cell, word) in HANDLER.iter().zip([at as u32, value]) {
        cell.store(word, Relaxed);
    }
    with_vector(SYSTICK, handler as *const () as u32, || {
        let before = (read(CSR), read(RVR));
        write(CSR, 0);
        write(RVR, ticks);
        write(CVR, 0);
        write(CSR, 7);
        let answer = call(target, arguments);
        write(CSR, 0);
        write(RVR, before.1);
        write(CVR, 0);
        write(CSR, before.0 & 7);
        answer
    })
}

/// Does something while a vector of the kernel's is another.
fn with_vector<R>(number: usize, handler: u32, f: impl FnOnce() -> R) -> R {
    let at = read(VTOR) as usize + 4 * number;
    let vector = read(at);
    write(at, handler | 1);
    // SAFETY: barriers touch no state of the program.
    unsafe { asm!("dsb", "isb", options(nostack)) };
    let result = f();
    write(at, vector);
    result
}
