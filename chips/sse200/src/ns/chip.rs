//! Which interrupt belongs to which driver.
//!
//! Owns the interrupt numbers (reference qemu-an547.md §1.6) and the dispatch table of the
//! non-secure peripherals.

use super::bus::{Bus, MappedBus};
use super::ethernet::Lan9118;
use super::timer::CmsdkTimer;
use super::uart::Uart;
use kernel::platform::chip::InterruptService;

/// Timer 0.
pub const TIMER0: u32 = 3;
/// UART1, a character received.
pub const UART1_RX: u32 = 34;
/// UART1, a character sent.
pub const UART1_TX: u32 = 35;
/// LAN9118.
pub const ETHERNET: u32 = 48;

/// Interrupts that the kernel enables: the combined UART lines would only repeat the others.
pub const ENABLED: [u32; 4] = [TIMER0, UART1_RX, UART1_TX, ETHERNET];

/// The non-secure peripherals that interrupt.
pub struct Peripherals<'a, B: Bus = MappedBus> {
    /// UART1: console and kernel messages.
    pub uart: &'a Uart<'a, B>,
    /// Time.
    pub timer: &'a CmsdkTimer<'a, B>,
    /// Network.
    pub ethernet: &'a Lan9118<'a, B>,
}

impl<B: Bus> InterruptService for Peripherals<'_, B> {
    fn service_interrupt(&self, interrupt: u32) -> bool {
        match interrupt {
            TIMER0 => self.timer.handle_interrupt(),
            UART1_RX | UART1_TX => self.uart.handle_interrupt(),
            ETHERNET => self.ethernet.handle_interrupt(),
            _ => return false,
        }
        true
    }
}
