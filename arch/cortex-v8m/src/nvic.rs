//! Interrupts that the kernel serves.
//!
//! Owns which interrupts are ours. The top half (in `switch`) disables an interrupt and leaves it
//! pending; the bottom half, run from the main loop, serves it, clears it and enables it again. A
//! line that is not ours may pend without effect.

use crate::registers::*;
use core::cell::Cell;

/// Priority of every interrupt, SVCall, PendSV and SysTick: below faults, so that none of them
/// delays a fault's report, and equal, so that none nests in another.
pub(crate) const PRIORITY: u32 = 0x80;

/// The interrupts of the kernel.
pub struct Nvic {
    ours: [Cell<u32>; NVIC_WORDS],
}

impl Nvic {
    /// None are ours yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Nvic {
            ours: [const { Cell::new(0) }; NVIC_WORDS],
        }
    }

    /// Gives every interrupt the same priority, below faults.
    pub fn initialize(&self) {
        let four = PRIORITY * 0x0101_0101;
        for word in 0..8 * NVIC_WORDS {
            ipr(word).write(four);
        }
    }

    /// Takes an interrupt (0 to 127) and enables it.
    pub fn enable(&self, interrupt: u32) {
        let (word, bit) = (interrupt as usize / 32, 1 << (interrupt % 32));
        if let Some(ours) = self.ours.get(word) {
            ours.set(ours.get() | bit);
            iser(word).write(bit);
        }
    }

    /// Gives an interrupt up.
    pub fn disable(&self, interrupt: u32) {
        let (word, bit) = (interrupt as usize / 32, 1 << (interrupt % 32));
        if let Some(ours) = self.ours.get(word) {
            ours.set(ours.get() & !bit);
            icer(word).write(bit);
            icpr(word).write(bit);
        }
    }

    /// The lowest of ours that is pending.
    #[inline]
    pub fn next_pending(&self) -> Option<u32> {
        for (word, ours) in self.ours.iter().enumerate() {
            if ours.get() == 0 {
                continue;
            }
            let pending = ispr(word).read() & ours.get();
            if pending != 0 {
                return Some(word as u32 * 32 + pending.trailing_zeros());
            }
        }
        None
    }

    /// Clears an interrupt before it is served, so that one that comes meanwhile is not lost.
    pub fn clear_pending(&self, interrupt: u32) {
        icpr(interrupt as usize / 32).write(1 << (interrupt % 32));
    }

    /// Lets a served interrupt come again.
    pub fn enable_again(&self, interrupt: u32) {
        iser(interrupt as usize / 32).write(1 << (interrupt % 32));
    }
}
