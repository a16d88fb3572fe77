//! An app on trial: the new version runs, and has to last.
//!
//! Owns what is asked of it: no fault, exit or restart for [`LASTS_MS`] (the kernel ends the trial at
//! the first one), and the cloud's answer to a report that was made after it was started, so that
//! net-mqtt, or this agent, is shown to do its work. Rolling back is the kernel's.

use crate::loader::Loader;
use crate::update::Reason;

/// How long the new version must run, milliseconds.
const LASTS_MS: u64 = 10_000;

/// The trial under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    short_id: u32,
    version: u32,
    earliest: u64,
    /// Whether the cloud has answered since.
    pub told: bool,
}

/// How a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Open,
    /// It was passed, and the version stays.
    Passed,
    /// The old version runs.
    Failed(Reason),
}

impl Trial {
    /// Of an app that was started now.
    pub fn new((short_id, version): (u32, u32), now: u64) -> Trial {
        Trial {
            short_id,
            version,
            earliest: now + LASTS_MS,
            told: false,
        }
    }

    /// Looks at it; confirms it when it is due.
    pub fn look(&self, loader: &impl Loader, online: bool, now: u64) -> Standing {
        let found = loader.installed(self.short_id);
        match found.filter(|i| i.version == self.version) {
            Some(installed) if !installed.trial => Standing::Passed,
            None => Standing::Failed("rolled back"),
            Some(_) if !(self.told && online && now >= self.earliest) => Standing::Open,
            // What it answers is seen at the next look.
            Some(_) => match loader.confirm(self.short_id) {
                Ok(()) => Standing::Passed,
                Err(_) => Standing::Open,
            },
        }
    }

    /// Ends it: the old version runs again.
    pub fn end(&self, loader: &impl Loader) {
        loader.roll_back(self.short_id);
    }
}
