//! What the AN547 FPGA image wires where, as the loader and the secure image see it.
//!
//! Owns addresses, clock rates and port bits (`reference/qemu-an547.md` §1.3, §1.5), under the
//! names that every chip crate gives them, so that one composition serves all boards.

use crate::protection::Peripherals;
use crate::system_counter::{CONTROL_SECURE, FREQUENCY, SystemCounter};

/// UART0, secure: the secure log.
pub const SECURE_LOG: usize = 0x5930_3000;
/// What tells the secure alias of an address.
pub const SECURE_ALIAS: u32 = 1 << 28;
/// Clock of the UARTs, Hz.
pub const UART_CLOCK: u32 = 25_000_000;
/// The S32K watchdog, secure.
pub const WATCHDOG: usize = 0x5802_E000;
/// System timers 0 and 1, while they are secure; CNTFRQ at +0x10.
const TIMERS: [usize; 2] = [0x5800_0000, 0x5800_1000];
const CNTFRQ: usize = 0x10;

/// The secure log's UART where the kernel's console is UART1, which it is here.
pub const fn secure_log(console: u32) -> usize {
    assert!(console == 1);
    SECURE_LOG
}

/// What the kernel drives where its console is UART1.
pub const fn non_secure(console: u32) -> Peripherals {
    assert!(console == 1);
    NON_SECURE
}

/// What the kernel drives: UART1, system timers 0 and 1, Ethernet, RTC and FPGAIO.
const NON_SECURE: Peripherals = Peripherals {
    apb0: 1 << 0 | 1 << 1,
    apb_exp1: 0,
    apb_exp2: 1 << 2 | 1 << 4 | 1 << 11,
    ahb_exp0: 1 << 8,
    // Timers 3, 4; UART1 receive 35, transmit 36, combined 44; Ethernet 49.
    interrupts: &[3, 4, 35, 36, 44, 49],
};

/// With UART2, which nobody drives, for the other world.
pub const fn spare(of: Peripherals) -> Peripherals {
    Peripherals {
        apb_exp2: of.apb_exp2 | 1 << 5,
        ..of
    }
}

/// Starts the counter that both worlds read as time, if it stands.
///
/// # Safety
/// Secure code only, before the timers are given away.
pub unsafe fn start_time() {
    // SAFETY: the secure control frame by its secure address, and CNTFRQ of two secure timers.
    unsafe {
        SystemCounter::new(CONTROL_SECURE).start();
        for timer in TIMERS {
            ((timer + CNTFRQ) as *mut u32).write_volatile(FREQUENCY);
        }
    }
}
