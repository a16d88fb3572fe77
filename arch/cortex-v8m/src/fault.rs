//! What a fault was: from the status registers, or from the secure world's mailbox.
//!
//! Faults that hardware gives to the secure world come back as a UsageFault with an empty status
//! register; the secure world has then left a report in a mailbox (its layout is the secure image's:
//! magic, exception, SFSR, CFSR, BFAR, pc, cause).

use crate::registers::*;
use core::fmt::Write;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::process::{FaultRegisters, FaultReport};

/// `TSNF`.
const MAGIC: u32 = u32::from_le_bytes(*b"TSNF");
const WORDS: usize = 8;
const CAUSE_VENEER: u32 = 1;
const SFSR_INVEP: u32 = 1;
const SFSR_AUVIOL: u32 = 1 << 3;
const MMARVALID: u32 = 1 << 7;
const BFARVALID: u32 = 1 << 15;

/// Bits of CFSR and what they mean, the most telling first.
const CAUSES: [(u32, &str); 13] = [
    (1 << 4, "stack outside its memory"),
    (1 << 3, "stack outside its memory on return"),
    (1 << 20, "stack overflow"),
    (1 << 1, "data access outside its memory"),
    (1 << 0, "instruction fetch outside its code"),
    (1 << 8, "bus error on fetch"),
    (1 << 9, "bus error"),
    (1 << 10, "bus error"),
    (1 << 16, "undefined instruction"),
    (1 << 17, "invalid state"),
    (1 << 18, "invalid exception return"),
    (1 << 19, "coprocessor is off"),
    (1 << 25, "division by zero"),
];

static MAILBOX: AtomicUsize = AtomicUsize::new(0);

/// Names the mailbox's address: 64 bytes of kernel RAM that nothing else uses. Board code, once.
pub fn set_mailbox(address: usize) {
    MAILBOX.store(address, Ordering::Relaxed);
}

fn from_cfsr(cfsr: u32) -> Option<&'static str> {
    CAUSES.iter().find(|(bit, _)| cfsr & bit != 0).map(|c| c.1)
}

fn from_mailbox(words: &[u32; WORDS]) -> Option<FaultReport> {
    let [magic, exception, sfsr, cfsr, bfar, pc, cause, _hfsr] = *words;
    if magic != MAGIC {
        return None;
    }
    let reason = if cause == CAUSE_VENEER {
        "call into the secure world"
    } else if sfsr & SFSR_INVEP != 0 {
        "jump into the secure world"
    } else if sfsr & SFSR_AUVIOL != 0 {
        "access to secure memory"
    } else {
        match (from_cfsr(cfsr), exception) {
            (Some(why), _) => why,
            (None, 3) => "hard fault",
            (None, _) => "secure fault",
        }
    };
    Some(FaultReport {
        reason,
        pc: pc as usize,
        address: (cfsr & BFARVALID != 0).then_some(bfar as usize),
        registers: FaultRegisters::UNKNOWN,
    })
}

/// The status registers as they were at a process's fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    cfsr: u32,
    mmfar: u32,
    bfar: u32,
    /// From the secure world's mailbox, as the next; 0 without a message.
    sfsr: u32,
    hfsr: u32,
}

/// Bits of CFSR by the manual's names (DDI 0553, D1.2.8).
const CFSR_BITS: [(u32, &str); 19] = [
    (1 << 0, "IACCVIOL"),
    (1 << 1, "DACCVIOL"),
    (1 << 3, "MUNSTKERR"),
    (1 << 4, "MSTKERR"),
    (1 << 5, "MLSPERR"),
    (MMARVALID, "MMARVALID"),
    (1 << 8, "IBUSERR"),
    (1 << 9, "PRECISERR"),
    (1 << 10, "IMPRECISERR"),
    (1 << 11, "UNSTKERR"),
    (1 << 12, "STKERR"),
    (1 << 13, "LSPERR"),
    (BFARVALID, "BFARVALID"),
    (1 << 16, "UNDEFINSTR"),
    (1 << 17, "INVSTATE"),
    (1 << 18, "INVPC"),
    (1 << 19, "NOCP"),
    (1 << 20, "STKOF"),
    (1 << 25, "DIVBYZERO"),
];

/// Bits of SFSR by the manual's names.
const SFSR_BITS: [(u32, &str); 7] = [
    (SFSR_INVEP, "INVEP"),
    (1 << 1, "INVIS"),
    (1 << 2, "INVER"),
    (SFSR_AUVIOL, "AUVIOL"),
    (1 << 4, "INVTRAN"),
    (1 << 6, "SFARVALID"),
    (1 << 7, "LSERR"),
];

/// Prints CFSR with the names of its bits, and the addresses that it says are valid.
pub fn print_cfsr(cfsr: u32, mmfar: u32, bfar: u32, w: &mut dyn Write) {
    let _ = write!(w, " CFSR  0x{cfsr:08x}");
    for (_, name) in CFSR_BITS.iter().filter(|(bit, _)| cfsr & bit != 0) {
        let _ = write!(w, " {name}");
    }
    let _ = write!(w, "\r\n");
    if cfsr & MMARVALID != 0 {
        let _ = write!(w, " MMFAR 0x{mmfar:08x}\r\n");
    }
    if cfsr & BFARVALID != 0 {
        let _ = write!(w, " BFAR  0x{bfar:08x}\r\n");
    }
}

impl Status {
    /// Prints the registers and what their bits are called.
    pub fn print(&self, w: &mut dyn Write) {
        print_cfsr(self.cfsr, self.mmfar, self.bfar, w);
        if self.sfsr != 0 {
            let _ = write!(w, " SFSR  0x{:08x}", self.sfsr);
            for (_, name) in SFSR_BITS.iter().filter(|(bit, _)| self.sfsr & bit != 0) {
                let _ = write!(w, " {name}");
            }
            let _ = write!(w, "\r\n");
        }
    }
}

/// Collects and clears what is known of the fault that just ended a process; `pc` is what its frame
/// says.
pub(crate) fn collect(pc: usize) -> (FaultReport, Status) {
    let cfsr = CFSR.read();
    let address = (cfsr & MMARVALID != 0).then(|| MMFAR.read() as usize);
    CFSR.write(cfsr);
    let mut status = Status {
        cfsr,
        mmfar: address.unwrap_or(0) as u32,
        ..Status::default()
    };
    let words = take_mailbox();
    let bounced = words.as_ref().and_then(from_mailbox);
    if let (Some([_, _, sfsr, secure_cfsr, bfar, _, _, hfsr]), Some(_)) = (words, bounced) {
        status.sfsr = sfsr;
        status.hfsr = hfsr;
        status.cfsr |= secure_cfsr;
        status.bfar = bfar;
    }
    if bounced.is_some() {
        // A MemManage may have come first; the bounced one must not hit the next process.
        SHCSR.write(SHCSR.read() & !USGFAULTPENDED);
        barrier();
    }
    let report = match (from_cfsr(cfsr), bounced) {
        (None, Some(report)) => FaultReport {
            pc: if report.pc == 0 { pc } else { report.pc },
            ..report
        },
        (Some(reason), _) => FaultReport {
            reason,
            pc,
            address,
            registers: FaultRegisters::UNKNOWN,
        },
        (None, None) => FaultReport {
            reason: "unknown fault",
            pc,
            address,
            registers: FaultRegisters::UNKNOWN,
        },
    };
    let registers = FaultRegisters {
        cfsr: status.cfsr,
        hfsr: status.hfsr,
        mmfar: status.mmfar,
        bfar: status.bfar,
        sfsr: status.sfsr,
        ..FaultRegisters::UNKNOWN
    };
    (
        FaultReport {
            registers,
            ..report
        },
        status,
    )
}

/// The mailbox's words, if it has a message; it is empty afterwards.
#[cfg(target_os = "none")]
fn take_mailbox() -> Option<[u32; WORDS]> {
    let base = MAILBOX.load(Ordering::Relaxed) as *mut u32;
    if base.is_null() {
        return None;
    }
    // SAFETY: the board named 64 bytes of kernel RAM that no Rust object uses; the secure world
    // writes them only while a process runs.
    unsafe {
        if base.read_volatile() != MAGIC {
            return None;
        }
        let words = core::array::from_fn(|i| base.add(i).read_volatile());
        base.write_volatile(0);
        Some(words)
    }
}

#[cfg(not(target_os = "none"))]
fn take_mailbox() -> Option<[u32; WORDS]> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_print_with_the_names_of_their_bits() {
        let mut text = String::new();
        let status = Status {
            cfsr: 0x8282,
            mmfar: 0x2100_0000,
            bfar: 0xE000_ED08,
            sfsr: 0x48,
            hfsr: 0,
        };
        status.print(&mut text);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            lines,
            [
                " CFSR  0x00008282 DACCVIOL MMARVALID PRECISERR BFARVALID",
                " MMFAR 0x21000000",
                " BFAR  0xe000ed08",
                " SFSR  0x00000048 AUVIOL SFARVALID",
                ""
            ]
        );
    }

    #[test]
    fn mailbox_words_become_reports() {
        let report = |words: [u32; WORDS]| from_mailbox(&words).map(|r| (r.reason, r.address));
        assert_eq!(report([0, 7, 8, 0, 0, 4, 0, 0]), None);
        assert_eq!(
            report([MAGIC, 7, 8, 0, 0, 4, 0, 0]),
            Some(("access to secure memory", None))
        );
        assert_eq!(
            report([MAGIC, 5, 0, 0x8200, 0xE000_ED08, 4, 0, 0]),
            Some(("bus error", Some(0xE000_ED08)))
        );
        assert_eq!(
            report([MAGIC, 7, 0, 0, 0, 4, 1, 0]),
            Some(("call into the secure world", None))
        );
        assert_eq!(
            report([MAGIC, 7, 1, 0, 0, 4, 0, 0]),
            Some(("jump into the secure world", None))
        );
    }
}
