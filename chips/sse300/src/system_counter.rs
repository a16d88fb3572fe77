//! The 64-bit 32 MHz SSE system counter.
//!
//! Owns the secure control frame, which starts the counter, and the status frame, which any world
//! may read (`reference/qemu-an547.md` §1.5).

use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::{ReadOnly, ReadWrite};

/// Secure control frame.
pub const CONTROL_SECURE: usize = 0x5810_0000;
/// Ticks in a second.
pub const FREQUENCY: u32 = 32_000_000;

register_structs! {
    Registers {
        (0x00 => cntcr: ReadWrite<u32>),
        (0x04 => cntsr: ReadOnly<u32>),
        (0x08 => cntcv_low: ReadOnly<u32>),
        (0x0C => cntcv_high: ReadOnly<u32>),
        (0x10 => @END),
    }
}

/// The counter's control frame.
pub struct SystemCounter {
    registers: &'static Registers,
}

impl SystemCounter {
    /// Takes the control frame at `base`.
    ///
    /// # Safety
    /// `base` must be the secure control frame of the SSE system counter, and the caller secure.
    pub unsafe fn new(base: usize) -> Self {
        SystemCounter {
            // SAFETY: the contract above; every register is accessed as a volatile word.
            registers: unsafe { &*(base as *const Registers) },
        }
    }

    /// Starts counting; it goes on from where it stands.
    pub fn start(&self) {
        self.registers.cntcr.set(1);
    }

    /// Ticks since the counter was started.
    pub fn now(&self) -> u64 {
        loop {
            let high = self.registers.cntcv_high.get();
            let low = self.registers.cntcv_low.get();
            // The low word may have wrapped between the two reads.
            if high == self.registers.cntcv_high.get() {
                return (u64::from(high) << 32) | u64::from(low);
            }
        }
    }
}
