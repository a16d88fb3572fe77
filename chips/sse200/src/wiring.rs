//! What the AN521 FPGA image wires where, as the loader and the secure image see it.
//!
//! Owns addresses, clock rates and port bits (`reference/qemu-an547.md` §1.6), under the names that
//! every chip crate gives them.

use crate::protection::Peripherals;

/// UART0, secure: the secure log, where the console is UART1.
pub const SECURE_LOG: usize = secure_log(1);
/// What tells the secure alias of an address.
pub const SECURE_ALIAS: u32 = 1 << 28;
/// Clock of the UARTs, Hz.
pub const UART_CLOCK: u32 = 20_000_000;
/// The S32K watchdog, secure.
pub const WATCHDOG: usize = 0x5002_E000;
/// Second half of the dual timer, secure: its control register.
const DUAL_TIMER_2_CONTROL: usize = 0x5000_2028;
/// Enabled, free running, 32 bits, a sixteenth of 20 MHz.
const FREE_RUNNING: u32 = 1 << 7 | 1 << 2 | 1 << 1;

/// The secure log's UART, secure, where the kernel's console is UART `console`: the other one.
pub const fn secure_log(console: u32) -> usize {
    0x5020_0000 + if console == 0 { 0x1000 } else { 0 }
}

/// What the kernel drives: its console, timers 0 and 1 and the dual timer, Ethernet and FPGAIO. There
/// is no RTC.
pub const fn non_secure(console: u32) -> Peripherals {
    Peripherals {
        apb0: 1 << 0 | 1 << 1 | 1 << 2,
        apb_exp1: 1 << (5 + console),
        apb_exp2: 1 << 2,
        ahb_exp0: 1 << 5,
        // Timers 3, 4, 5; UART0 receive 32, transmit 33, combined 42, or UART1's; Ethernet 48.
        interrupts: if console == 0 {
            &[3, 4, 5, 32, 33, 42, 48]
        } else {
            &[3, 4, 5, 34, 35, 43, 48]
        },
    }
}

/// With UART2, which nobody drives, for the other world.
pub const fn spare(of: Peripherals) -> Peripherals {
    Peripherals {
        apb_exp1: of.apb_exp1 | 1 << 7,
        ..of
    }
}

/// Starts the counter that the kernel reads as time, if it stands.
///
/// # Safety
/// Secure code only, before the timers are given away.
pub unsafe fn start_time() {
    let control = DUAL_TIMER_2_CONTROL as *mut u32;
    // SAFETY: a register of a secure timer, by its secure address.
    unsafe {
        if control.read_volatile() & FREE_RUNNING != FREE_RUNNING {
            control.write_volatile(FREE_RUNNING);
        }
    }
}
