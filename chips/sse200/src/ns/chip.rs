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
/// UART0, a character received.
pub const UART0_RX: u32 = 32;
/// UART0, a character sent.
pub const UART0_TX: u32 = 33;
/// UART1, a character received.
pub const UART1_RX: u32 = 34;
/// UART1, a character sent.
pub const UART1_TX: u32 = 35;
/// LAN9118.
pub const ETHERNET: u32 = 48;

/// Interrupts that the kernel enables: the combined UART lines would only repeat the others. Those of
/// the UART that is the secure world's stay off all the same.
pub const ENABLED: [u32; 6] = [TIMER0, UART0_RX, UART0_TX, UART1_RX, UART1_TX, ETHERNET];

/// The non-secure peripherals that interrupt.
pub struct Peripherals<'a, B: Bus = MappedBus> {
    /// Console and kernel messages: one of the UARTs, and the only one that interrupts.
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
            UART0_RX | UART0_TX | UART1_RX | UART1_TX => self.uart.handle_interrupt(),
            ETHERNET => self.ethernet.handle_interrupt(),
            _ => return false,
        }
        true
    }
}
