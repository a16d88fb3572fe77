//! The S32K CMSDK watchdog.
//!
//! Owns its registers (`reference/qemu-an547.md` §1.5): NMI when it first runs out, reset when it
//! runs out again. Invariant: outside a method of this driver the registers are locked, so that a
//! stray write does not stop it.

use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

/// Ticks in a second.
pub const FREQUENCY: u32 = 32_000;
const UNLOCK: u32 = 0x1ACC_E551;

register_structs! {
    Registers {
        (0x000 => load: ReadWrite<u32>),
        (0x004 => value: ReadOnly<u32>),
        (0x008 => ctrl: ReadWrite<u32, CTRL::Register>),
        (0x00C => intclr: WriteOnly<u32>),
        (0x010 => _reserved),
        (0xC00 => lock: ReadWrite<u32>),
        (0xC04 => @END),
    }
}

register_bitfields![u32,
    CTRL [
        INTEN OFFSET(0) NUMBITS(1) [],
        RESEN OFFSET(1) NUMBITS(1) [],
    ],
];

/// The watchdog.
pub struct Watchdog {
    registers: &'static Registers,
}

impl Watchdog {
    /// Takes the watchdog at `base`.
    ///
    /// # Safety
    /// `base` must be the address of a CMSDK watchdog, and the caller secure.
    pub unsafe fn new(base: usize) -> Self {
        Watchdog {
            // SAFETY: the contract above; every register is accessed as a volatile word.
            registers: unsafe { &*(base as *const Registers) },
        }
    }

    /// Starts it: NMI after `seconds`, reset after as long again unless stopped.
    pub fn start(&self, seconds: u32) {
        self.unlocked(|r| {
            r.load.set(seconds.saturating_mul(FREQUENCY));
            r.intclr.set(1);
            r.ctrl.write(CTRL::INTEN::SET + CTRL::RESEN::SET);
        });
    }

    /// Stops it and withdraws its NMI.
    pub fn stop(&self) {
        self.unlocked(|r| {
            r.ctrl.set(0);
            r.intclr.set(1);
        });
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.registers.ctrl.is_set(CTRL::INTEN)
    }

    /// Ticks until it runs out.
    pub fn remaining(&self) -> u32 {
        self.registers.value.get()
    }

    fn unlocked(&self, act: impl FnOnce(&Registers)) {
        self.registers.lock.set(UNLOCK);
        act(self.registers);
        self.registers.lock.set(0);
    }
}
