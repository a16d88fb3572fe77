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
const PASSED: usize = 15;

/// The cases.
pub const CASES: [Case; 4] = [
    Case {
        id: "capsules-known-answers",
        run: known_answers,
    },
    Case {
        id: "libtock-blink",
        run: blink,
    },
    Case {
        id: "libtock-keeper",
        run: keeper,
    },
    Case {
        id: "own-flash",
        run: super::state::own_flash,
    },
];

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

/// An app in libtock-rs's idiom greets and drives the LEDs.
fn blink() -> Result<()> {
    let alone = Alone::new(&Process {
        package: "blink",
        short_id: 0xB117,
        ..PROCESS
    })?;
    let device = Device::start(&alone.config)?;
    device.console.wait("Hello world! 2 LEDs", LIMIT)?;
    device.console.wait("blink: all patterns shown", LIMIT)?;
    Ok(())
}

/// One that keeps a count in the key-value store finds it again after a reset.
fn keeper() -> Result<()> {
    let alone = Alone::new(&Process {
        package: "keeper",
        short_id: 0x6EE9,
        ..PROCESS
    })?;
    for boot in 1..=3 {
        let device = Device::start(&alone.config)?;
        let line = device.console.wait("keeper: ", LIMIT)?.text;
        let said: Vec<u32> = line
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|n| n.parse().ok())
            .collect();
        match said[..] {
            [boots, slept, bytes] if boots == boot && slept >= 25 && bytes > 20 => {}
            _ => bail!("boot {boot}: {line}"),
        }
    }
    Ok(())
}
