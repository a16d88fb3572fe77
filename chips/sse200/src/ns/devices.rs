//! The non-secure devices of the AN521 FPGA image.
//!
//! Owns their addresses (reference qemu-an547.md §1.6).

use super::bus::MappedBus;
use super::timer::CmsdkTimer;

/// Processor clock, Hz.
pub const CLOCK: u32 = 20_000_000;

const fn window(base: usize, size: usize) -> MappedBus {
    // SAFETY: private to this module, and only called for the devices below, which
    // `wiring::non_secure` opens; none of them has DMA.
    unsafe { MappedBus::at(base, size) }
}

const TIMER0: MappedBus = window(0x4000_0000, 0x10);
const DUAL_TIMER_2: MappedBus = window(0x4000_2020, 0x1C);
/// FPGAIO.
pub const FPGAIO: MappedBus = window(0x4030_2000, 0x50);
/// LAN9118.
pub const ETHERNET: MappedBus = window(0x4200_0000, 0x100);

/// UART 0 or 1.
pub const fn uart(number: u32) -> MappedBus {
    assert!(number <= 1);
    window(0x4020_0000 + 0x1000 * number as usize, 0x14)
}

/// What the alarm stands on.
pub type Timer = CmsdkTimer<'static, MappedBus>;

/// The alarm's timer. One is enough: a second one would drive the same registers.
pub const fn timer() -> Timer {
    CmsdkTimer::new(DUAL_TIMER_2, TIMER0)
}

/// Starts the counter that is read as time, unless the secure world has: only ours does.
pub fn start_time() {
    timer().start();
}

/// Processor clocks since the counter was started, in steps of 16; wraps after 57 minutes.
pub fn ticks() -> u64 {
    u64::from(timer().counts()) << 4
}

/// Seconds since 1970-01-01 UTC: this board has no clock.
pub fn unix_seconds() -> Option<u32> {
    None
}
