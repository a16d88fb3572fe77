//! Devices whose every exception is recorded: what shows that a race was run, not missed.
//!
//! Owns the reading of QEMU's exception log (`-d int`). Time is counted in instructions, so that a
//! process can choose the one at which an interrupt comes.

use crate::system::loader;
use anyhow::{Context, Result, ensure};
use qemu_harness::{Config, Device, FlashFile};
use std::io::{BufRead, BufReader};
use std::path::Path;

/// An instruction is 32 ns.
const ICOUNT: &str = "shift=5";
/// Number of SVCall, and of the first of SysTick and interrupts.
const SVCALL: u32 = 11;
const SYSTICK: u32 = 15;

/// Starts a device that records its exceptions in a file.
pub fn start(flash: &FlashFile, log: &Path) -> Result<Device> {
    let mut config = Config::new(&loader(), flash.path());
    config.network = false;
    config.icount = Some(ICOUNT.into());
    let log = log.to_str().context("a path that is no text")?;
    config.extra = ["-d", "int", "-D", log].map(str::to_owned).to_vec();
    Device::start(&config)
}

/// What happened how often.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exceptions {
    /// SysTick or an interrupt was taken at SVCall's return to the kernel.
    pub calling: u32,
    /// The same, at its return to a process.
    pub entering: u32,
    /// An interrupt of the non-secure world returned into secure code.
    pub in_secure: u32,
}

impl Exceptions {
    /// Counts in a log.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(log: &Path) -> Result<Self> {
        let file = std::fs::File::open(log).context("QEMU wrote no log of exceptions")?;
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        Ok(Self::count(lines))
    }

    fn count(lines: impl Iterator<Item = String>) -> Self {
        let mut found = Exceptions::default();
        let mut returned = (0, 0);
        let mut chains = false;
        for line in lines {
            if let Some((pc, previous)) = returns(&line) {
                // EXC_RETURN.S says whose stack the frame is on, ES which world took it.
                let from_secure = pc & 0x40 != 0 && pc & 1 == 0;
                found.in_secure += u32::from(from_secure && previous >= SYSTICK);
                returned = (pc, previous);
                chains = false;
            } else if line.contains("tailchaining") {
                chains = true;
            } else if let Some(taken) = takes(&line) {
                if chains && returned.1 == SVCALL && taken >= SYSTICK {
                    // EXC_RETURN.SPSEL: a process's stack.
                    match returned.0 & 4 {
                        0 => found.calling += 1,
                        _ => found.entering += 1,
                    }
                }
                chains = false;
            }
        }
        found
    }

    /// That the races were run.
    ///
    /// # Errors
    /// Names the one that was not.
    pub fn enough(self) -> Result<()> {
        println!(
            "      interrupts: {} chained to a call, {} to the entry of a process, {} in secure code",
            self.calling, self.entering, self.in_secure
        );
        ensure!(self.calling > 0, "no interrupt was chained to a call");
        ensure!(self.entering > 0, "none was chained to an entry");
        ensure!(self.in_secure > 0, "no interrupt landed in secure code");
        Ok(())
    }
}

/// `Exception return: magic PC ffffffbc previous exception 11`
fn returns(line: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix("Exception return: magic PC ")?;
    let (pc, rest) = rest.split_once(' ')?;
    let previous = rest.strip_prefix("previous exception ")?;
    let number = previous.split(' ').next()?;
    Some((u32::from_str_radix(pc, 16).ok()?, number.parse().ok()?))
}

/// `...taking pending nonsecure exception 15`
fn takes(line: &str) -> Option<u32> {
    let rest = line.strip_prefix("...taking pending nonsecure exception ")?;
    rest.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_and_returns_into_secure_code_are_counted() {
        let log = "Exception return: magic PC ffffffbc previous exception 11\n\
            ...tailchaining to pending exception\n\
            ...taking pending nonsecure exception 19\n\
            Exception return: magic PC ffffffb8 previous exception 19\n\
            ...successful exception return\n\
            Exception return: magic PC fffffff8 previous exception 19\n\
            Exception return: magic PC fffffff9 previous exception 7";
        assert_eq!(
            Exceptions::count(log.lines().map(|l| l.trim().to_owned())),
            Exceptions {
                calling: 0,
                entering: 1,
                in_secure: 1
            }
        );
    }
}
