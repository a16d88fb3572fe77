//! Cases of upstream's drivers on the device: `cargo xtask test capsule`.
//!
//! Owns what tests/apps/capsules must say on a first boot and on the next.

use super::Case;
use crate::alone::{Alone, Process};
use anyhow::{Result, bail};
use qemu_harness::Device;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// The process that calls the drivers.
const PROCESS: Process = Process {
    package: "capsule-check",
    short_id: 0xCA95,
    flash_size: 0x8000,
    ram_size: 0x4000,
};

/// Lines of passed cases.
const PASSED: usize = 10;

/// The cases.
pub const CASES: [Case; 1] = [Case {
    id: "capsules-known-answers",
    run: known_answers,
}];

/// Each driver gives its known answers and errors; what is stored is there after a reset.
fn known_answers() -> Result<()> {
    let alone = Alone::new(&PROCESS)?;
    for boot in ["first", "next"] {
        let device = Device::start(&alone.config)?;
        device.console.wait("capsules: done", LIMIT)?;
        let lines: Vec<String> = device.console.lines().into_iter().map(|l| l.text).collect();
        let count = |what: &str| lines.iter().filter(|l| l.contains(what)).count();
        let told = count(&format!("capsules: {boot} boot"));
        if count("failed") > 0 || count(" ok") != PASSED || told != 1 {
            bail!("{boot} boot:\n{}", lines.join("\n"));
        }
    }
    Ok(())
}
