//! The reset record: why the secure world gave up, in memory that survives the reset.
//!
//! Owns what the record's words mean ([`Fault`] in order, EXC_RETURN last) and the way down. The
//! loader copies a sound record into the boot data and clears it.

use crate::{cpu, log};
use boot_data::{ResetReason, ResetRecord};

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
    /// The other world returned, or a state that cannot be.
    Invariant = 6,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::Panic => "panic",
            Cause::SecureFault => "fault in secure code",
            Cause::NonSecureFault => "fault of privileged non-secure code",
            Cause::Watchdog => "watchdog",
            Cause::Invariant => "a state that cannot be",
        }
    }
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
    let reason = match cause {
        Cause::SecureFault => ResetReason::SecureFault,
        Cause::NonSecureFault => ResetReason::NonSecureAttack,
        Cause::Watchdog => ResetReason::Watchdog,
        Cause::Panic | Cause::Invariant => ResetReason::Panic,
    };
    let record = ResetRecord {
        reason,
        words: [
            fault.exception,
            fault.sfsr,
            fault.cfsr,
            fault.hfsr,
            fault.bfar,
            fault.pc,
            fault.lr,
            // Without an exception there is no EXC_RETURN: the cause takes its place.
            if fault.exception == 0 {
                cause as u32
            } else {
                fault.exc_return
            },
        ],
    };
    cpu::write_reset_record(&record.emit());
    log::line("reset: ")
        .text(cause.name())
        .text(", exception ")
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
