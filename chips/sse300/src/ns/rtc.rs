//! PL031 real-time clock, read only.
//!
//! Owns the data register (ARM DDI0224, RTCDR at 0: seconds). The non-secure world never sets it.

use super::bus::Bus;

const RTCDR: usize = 0x00;

/// The wall clock.
#[derive(Debug)]
pub struct Pl031<B> {
    bus: B,
}

impl<B: Bus> Pl031<B> {
    /// Over the registers `bus`.
    pub const fn new(bus: B) -> Self {
        Pl031 { bus }
    }

    /// Seconds since 1970-01-01 UTC.
    pub fn unix_seconds(&self) -> u32 {
        self.bus.read(RTCDR)
    }
}
