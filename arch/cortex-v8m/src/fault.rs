//! What a fault was: from the status registers, or from the secure world's mailbox.
//!
//! Faults that hardware gives to the secure world come back as a UsageFault with an empty status
//! register; the secure world has then left a report in a mailbox (its layout is the secure image's:
//! magic, exception, SFSR, CFSR, BFAR, pc, cause).

use crate::registers::*;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::process::FaultReport;

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
    })
}

/// Collects and clears what is known of the fault that just ended a process; `pc` is what its frame
/// says.
pub(crate) fn collect(pc: usize) -> FaultReport {
    let cfsr = CFSR.read();
    let address = (cfsr & MMARVALID != 0).then(|| MMFAR.read() as usize);
    CFSR.write(cfsr);
    let bounced = take_mailbox().and_then(|words| from_mailbox(&words));
    if bounced.is_some() {
        // A MemManage may have come first; the bounced one must not hit the next process.
        SHCSR.write(SHCSR.read() & !USGFAULTPENDED);
        barrier();
    }
    match (from_cfsr(cfsr), bounced) {
        (None, Some(report)) => FaultReport {
            pc: if report.pc == 0 { pc } else { report.pc },
            ..report
        },
        (Some(reason), _) => FaultReport {
            reason,
            pc,
            address,
        },
        (None, None) => FaultReport {
            reason: "unknown fault",
            pc,
            address,
        },
    }
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
