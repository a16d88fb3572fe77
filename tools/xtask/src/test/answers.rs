//! Known answers of the crypto service on the device: its assembler against the portable twins.
//!
//! Owns what tests/apps/answers must print; the numbers are that package's, whose host test has
//! them from the portable service.

use super::Case;
use crate::alone::{Alone, Process};
use anyhow::{Result, ensure};
use qemu_harness::Device;
use std::time::Duration;

/// The process that asks.
const PROCESS: Process = Process {
    package: "answers",
    short_id: 0xA45E,
    flash_size: 0x1_0000,
    ram_size: 0x8000,
};

/// The cases.
pub const CASES: [Case; 1] = [Case {
    id: "crypto-known-answers",
    run: known_answers,
}];

/// Every row gives the portable primitives' number.
fn known_answers() -> Result<()> {
    let alone = Alone::new(&PROCESS)?;
    let device = Device::start(&alone.config)?;
    device
        .console
        .wait("answers: done", Duration::from_secs(120))?;
    let given: Vec<String> = device
        .console
        .lines()
        .into_iter()
        .filter_map(|l| l.text.strip_prefix("answers: ").map(str::to_owned))
        .filter(|l| l != "done")
        .collect();
    let expected: Vec<String> = answers::ROWS
        .iter()
        .map(|r| format!("{} {:016x}", r.name, r.expected))
        .collect();
    ensure!(given == expected, "{given:#?} instead of {expected:#?}");
    Ok(())
}
