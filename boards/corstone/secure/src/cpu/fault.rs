//! Faults: whose they are, and what becomes of them (ARCHITECTURE §4).
//!
//! A fault of an unprivileged non-secure thread is the kernel's to deal with: its syndrome goes
//! to the mailbox, the non-secure UsageFault is pended, and the process never gets to run before
//! it. Any other fault is a broken invariant: record and reset.
//!
//! Invariants: the stacked frame of the other world is read only after a range check with the
//! thread's own rights; nothing of the secure world shows in the mailbox.

use super::range::permitted;
use super::{barrier, entry, read, write};
use crate::memory::{FAULT_MAILBOX_BASE, SPE_EXEC_BASE, STOCK_TFM};
use crate::record::{Cause, Fault, reset};
use core::arch::{asm, naked_asm};
use core::sync::atomic::Ordering;
use spm::Access;
use spm::weakened::{Defence, off};

/// `TSNF`.
const MAGIC: u32 = u32::from_le_bytes(*b"TSNF");
/// Where a process goes that called a veneer: the secure image's header, never code.
pub(super) const REFUSED: u32 = SPE_EXEC_BASE;

const CFSR: u32 = 0xE000_ED28;
const HFSR: u32 = 0xE000_ED2C;
const BFAR: u32 = 0xE000_ED38;
const SFSR: u32 = 0xE000_EDE4;
const SHCSR_NS: u32 = 0xE002_ED24;
const USGFAULT_ENABLED: u32 = 1 << 18;
const USGFAULT_PENDED: u32 = 1 << 12;
const BFARVALID: u32 = 1 << 15;
/// EXC_RETURN: the frame is on a secure stack; the exception was taken from thread mode.
const FRAME_SECURE: u32 = 1 << 6;
const FROM_THREAD: u32 = 1 << 3;
const FRAME_SECURE_PSP: u32 = 1 << 2;
/// EXC_RETURN.DCRS: the callee-saved registers are not stacked.
const NO_CALLEE_FRAME: u32 = 1 << 5;

/// Every fault, NMI, and every exception that nobody expects.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn fault() {
    naked_asm!(
        "push {{r4, lr}}",
        "mov r0, lr",
        "mrs r1, psp",
        // MSP before the two words above.
        "add r2, sp, #8",
        "bl {handle}",
        "b {leave}",
        handle = sym handle,
        leave = sym leave,
    )
}

/// The PPC interrupt.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn ppc() {
    naked_asm!("push {{r4, lr}}", "bl {ppc}", "b {leave}", ppc = sym ppc_violation, leave = sym leave)
}

/// Exception return that leaves nothing behind in the scratch registers.
#[unsafe(naked)]
extern "C" fn leave() {
    naked_asm!(
        "pop {{r4, lr}}",
        "movs r0, #0",
        "movs r1, #0",
        "movs r2, #0",
        "movs r3, #0",
        "mov r12, r0",
        "bx lr",
    )
}

extern "C" fn handle(exc_return: u32, psp: u32, msp: u32) {
    let cfsr = read(CFSR);
    let mut fault = Fault {
        exception: exception_number(),
        sfsr: read(SFSR),
        cfsr,
        hfsr: read(HFSR),
        bfar: if cfsr & BFARVALID != 0 { read(BFAR) } else { 0 },
        exc_return,
        ..Fault::default()
    };
    if exc_return & FRAME_SECURE != 0 {
        let base = if exc_return & FRAME_SECURE_PSP != 0 {
            psp
        } else {
            msp
        };
        let skip = if exc_return & NO_CALLEE_FRAME == 0 {
            40
        } else {
            0
        };
        // The status registers say whether stacking went wrong; the stacks are ours.
        (fault.lr, fault.pc) = (read(base + skip + 20), read(base + skip + 24));
        reset(cause(&fault, Cause::SecureFault), &fault)
    }
    let unprivileged = exc_return & FROM_THREAD != 0 && control_ns() & 1 != 0;
    let frame = if exc_return & FROM_THREAD != 0 && control_ns() & 2 != 0 {
        psp_ns()
    } else {
        msp_ns()
    };
    if permitted(frame, 32, Access::Read, !unprivileged) && frame % 4 == 0 {
        (fault.lr, fault.pc) = (read(frame + 20), read(frame + 24));
    }
    // In TF-M's place as TF-M: whoever caused it, the system resets.
    let kernel_listens = !STOCK_TFM && read(SHCSR_NS) & USGFAULT_ENABLED != 0;
    let forwards = kernel_listens && !off(Defence::FaultForward);
    if !unprivileged || !forwards || !(3..=7).contains(&fault.exception) {
        reset(cause(&fault, Cause::NonSecureFault), &fault)
    }
    bounce(&fault);
}

/// Gives the fault to the kernel: the process does not run again before the kernel has it.
fn bounce(fault: &Fault) {
    let at_veneer = fault.pc == REFUSED;
    let words = [
        MAGIC,
        fault.exception,
        fault.sfsr,
        fault.cfsr,
        fault.bfar,
        if at_veneer { fault.lr & !1 } else { fault.pc },
        u32::from(at_veneer),
        fault.hfsr,
    ];
    for (i, word) in words.iter().enumerate() {
        write(FAULT_MAILBOX_BASE + 4 * i as u32, *word);
    }
    // Write one to clear.
    write(SFSR, fault.sfsr);
    write(CFSR, fault.cfsr);
    write(HFSR, fault.hfsr);
    write(SHCSR_NS, read(SHCSR_NS) | USGFAULT_PENDED);
    barrier();
}

fn cause(fault: &Fault, otherwise: Cause) -> Cause {
    if fault.exception == 2 {
        Cause::Watchdog
    } else {
        otherwise
    }
}

extern "C" fn ppc_violation() {
    // SAFETY: the handler of this interrupt.
    let ports = unsafe { chip::protection::ppc_disarm() };
    entry::PPC_DISARMED.store(true, Ordering::Relaxed);
    crate::log::line("peripheral refused, ports ")
        .hex(ports)
        .end();
}

fn exception_number() -> u32 {
    let value: u32;
    // SAFETY: reads a special register.
    unsafe { asm!("mrs {}, ipsr", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

fn control_ns() -> u32 {
    let value: u32;
    // SAFETY: reads a special register.
    unsafe { asm!("mrs {}, control_ns", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

fn psp_ns() -> u32 {
    let value: u32;
    // SAFETY: reads a special register.
    unsafe { asm!("mrs {}, psp_ns", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

fn msp_ns() -> u32 {
    let value: u32;
    // SAFETY: reads a special register.
    unsafe { asm!("mrs {}, msp_ns", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}
