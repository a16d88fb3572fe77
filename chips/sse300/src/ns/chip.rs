//! Which interrupt belongs to which driver.
//!
//! Owns the interrupt numbers (reference qemu-an547.md §1.5) and the dispatch table of the
//! non-secure peripherals. What the NVIC does is the architecture's.

use super::bus::{Bus, MappedBus};
use super::ethernet::Lan9118;
use super::timer::SystemTimer;
use super::uart::Uart;
use kernel::platform::chip::InterruptService;

/// System timer 0.
pub const TIMER0: u32 = 3;
/// UART1, a character received.
pub const UART1_RX: u32 = 35;
/// UART1, a character sent.
pub const UART1_TX: u32 = 36;
/// UART1, either.
pub const UART1: u32 = 44;
/// Any UART, overrun.
pub const UART_OVERRUN: u32 = 48;
/// LAN9118.
pub const ETHERNET: u32 = 49;

/// Interrupts that the kernel enables: the combined UART lines would only repeat the others.
pub const ENABLED: [u32; 4] = [TIMER0, UART1_RX, UART1_TX, ETHERNET];

/// The non-secure peripherals that interrupt.
pub struct Peripherals<'a, B: Bus = MappedBus> {
    /// UART1: console and kernel messages.
    pub uart: &'a Uart<'a, B>,
    /// Time.
    pub timer: &'a SystemTimer<'a, B>,
    /// Network.
    pub ethernet: &'a Lan9118<'a, B>,
}

impl<B: Bus> InterruptService for Peripherals<'_, B> {
    fn service_interrupt(&self, interrupt: u32) -> bool {
        match interrupt {
            TIMER0 => self.timer.handle_interrupt(),
            UART1_RX | UART1_TX | UART1 | UART_OVERRUN => self.uart.handle_interrupt(),
            ETHERNET => self.ethernet.handle_interrupt(),
            _ => return false,
        }
        true
    }
}
