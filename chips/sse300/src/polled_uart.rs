//! CMSDK UART, polled transmit.
//!
//! Owns one UART's registers (`reference/qemu-an547.md` §1.5). Nothing is buffered: a written byte
//! has left for the host when the next one is accepted.

use core::fmt;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

register_structs! {
    Registers {
        (0x00 => data: ReadWrite<u32>),
        (0x04 => state: ReadOnly<u32, STATE::Register>),
        (0x08 => ctrl: ReadWrite<u32, CTRL::Register>),
        (0x0C => intstatus: ReadWrite<u32>),
        (0x10 => bauddiv: ReadWrite<u32>),
        (0x14 => @END),
    }
}

register_bitfields![u32,
    STATE [TX_FULL OFFSET(0) NUMBITS(1) []],
    CTRL [TX_ENABLE OFFSET(0) NUMBITS(1) []],
];

/// A UART that waits for each byte.
pub struct PolledUart {
    registers: &'static Registers,
}

impl PolledUart {
    /// Takes the UART at `base`, whose clock has `pclk` Hz, sets 115,200 baud and enables
    /// transmission.
    ///
    /// # Safety
    /// `base` must be the address of a CMSDK UART in the caller's world, valid for the whole run,
    /// and no other driver may use its transmitter meanwhile.
    pub unsafe fn new(base: usize, pclk: u32) -> Self {
        // SAFETY: the contract above; every register is read and written as a volatile word.
        let registers = unsafe { &*(base as *const Registers) };
        registers.bauddiv.set(pclk / 115_200);
        registers.ctrl.write(CTRL::TX_ENABLE::SET);
        PolledUart { registers }
    }

    /// Sends bytes as they are.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            while self.registers.state.is_set(STATE::TX_FULL) {}
            self.registers.data.set(u32::from(*byte));
        }
    }
}

impl fmt::Write for PolledUart {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for part in s.split_inclusive('\n') {
            match part.strip_suffix('\n') {
                Some(line) => {
                    self.write_bytes(line.as_bytes());
                    self.write_bytes(b"\r\n");
                }
                None => self.write_bytes(part.as_bytes()),
            }
        }
        Ok(())
    }
}
