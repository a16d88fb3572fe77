//! The reset record: why the secure world gave up, in memory that survives the reset.
//!
//! Owns the record's layout (sixteen words; magic first, CRC-32 of the fifteen before it last)
//! and the way down. The loader copies a sound record into the boot data and clears it.

use crate::{cpu, log};

/// First word: `TSRR`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"TSRR");
const WORDS: usize = 16;

/// Why the system is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Cause {
    /// A Rust panic in the secure image.
    Panic = 1,
    /// A fault taken while secure code ran.
    SecureFault = 2,
    /// A fault that privileged non-secure code caused.
    NonSecureFault = 3,
    /// The watchdog's first expiry.
    Watchdog = 4,
    /// A service could not start.
    Startup = 5,
    /// The other world returned, or a state that cannot be.
    Invariant = 6,
}

/// What is known of a fault; zero where it is not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fault {
    /// Exception number.
    pub exception: u32,
    /// Secure fault status.
    pub sfsr: u32,
    /// Configurable fault status.
    pub cfsr: u32,
    /// Hard fault status.
    pub hfsr: u32,
    /// Bus fault address, when valid.
    pub bfar: u32,
    /// Stacked program counter.
    pub pc: u32,
    /// Stacked link register.
    pub lr: u32,
    /// EXC_RETURN.
    pub exc_return: u32,
}

/// Writes the record and one line of log, and resets.
pub fn reset(cause: Cause, fault: &Fault) -> ! {
    let mut words = [0u32; WORDS];
    let content = [
        MAGIC,
        cause as u32,
        fault.exception,
        fault.sfsr,
        fault.cfsr,
        fault.hfsr,
        fault.bfar,
        fault.pc,
        fault.lr,
        fault.exc_return,
    ];
    for (to, from) in words.iter_mut().zip(content) {
        *to = from;
    }
    if let Some((crc, rest)) = words.split_last_mut() {
        *crc = crc32(rest);
    }
    cpu::write_reset_record(&words);
    log::line("reset: cause ")
        .hex(cause as u32)
        .text(" exception ")
        .hex(fault.exception)
        .text(" sfsr ")
        .hex(fault.sfsr)
        .text(" cfsr ")
        .hex(fault.cfsr)
        .text(" bfar ")
        .hex(fault.bfar)
        .text(" pc ")
        .hex(fault.pc)
        .end();
    cpu::system_reset()
}

/// CRC-32 (IEEE 802.3, reflected) over little-endian words.
fn crc32(words: &[u32]) -> u32 {
    let mut crc = u32::MAX;
    for word in words {
        crc ^= word;
        for _ in 0..32 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
