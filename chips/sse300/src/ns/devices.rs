//! The non-secure devices of the AN547 FPGA image.
//!
//! Owns their addresses (reference qemu-an547.md §1.5). Every chip crate has this module, with
//! these names where it has the device.

use super::bus::MappedBus;
use super::rtc::Pl031;
use super::timer::SystemTimer;

/// Processor clock, Hz.
pub const CLOCK: u32 = 32_000_000;

const fn window(base: usize, size: usize) -> MappedBus {
    // SAFETY: private to this module, and only called for the devices below, which
    // `wiring::non_secure` opens; none of them has DMA.
    unsafe { MappedBus::at(base, size) }
}

/// LAN9118.
pub const ETHERNET: MappedBus = window(0x4140_0000, 0x100);
const TIMER0: MappedBus = window(0x4800_0000, 0x50);
/// System counter, status frame.
const COUNTER: MappedBus = window(0x4810_1000, 0x8);
/// FPGAIO.
pub const FPGAIO: MappedBus = window(0x4930_2000, 0x50);
/// UART1.
pub const UART1: MappedBus = window(0x4930_4000, 0x14);
const RTC: MappedBus = window(0x4930_B000, 0x20);

/// The kernel's UART: 1, whose interrupts are handed on.
pub const fn uart(number: u32) -> MappedBus {
    assert!(number == 1);
    UART1
}

/// What the alarm stands on.
pub type Timer = SystemTimer<'static, MappedBus>;

/// The alarm's timer. One is enough: a second one would drive the same comparator.
pub const fn timer() -> Timer {
    SystemTimer::new(COUNTER, TIMER0)
}

/// The secure world has started the counter that is read as time; no other can.
pub fn start_time() {}

/// Processor clocks since the secure image started the counter.
pub fn ticks() -> u64 {
    timer().counts()
}

/// Seconds since 1970-01-01 UTC; `None` where the board has no clock.
pub fn unix_seconds() -> Option<u32> {
    Some(Pl031::new(RTC).unix_seconds())
}
