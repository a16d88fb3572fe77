//! How late an alarm comes to its process while another one keeps the secure world busy.
//!
//! Owns the two processes of tests/apps/kernel_bench that play it, on the release kernel with counted
//! instructions, and the bound: the longest single call of the secure world, and one switch.

use super::{Guest, device_flash, released_kernel, start};
use crate::paths;
use crate::system::Scratch;
use anyhow::{Context, Result, bail};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);
const RAM_SIZE: u32 = 0x4000;
const GUESTS: [Guest; 2] = [
    Guest {
        name: "kernel_bench/latency_alarm",
        flash: 0,
        ram: 0,
        ram_size: RAM_SIZE,
    },
    Guest {
        name: "kernel_bench/latency_signer",
        flash: 0x1_0000,
        ram: RAM_SIZE,
        ram_size: RAM_SIZE,
    },
];
/// For the switch: timer interrupt, its upcall, the switch and two reads of the clock, microseconds
/// at 32 instructions each.
const SWITCH_US: u64 = 100;
/// What a verification beside the alarms may take longer than those that were measured alone, in its
/// hundredth parts: its time depends on the signature. A second call in between would be 40 of them.
const SIGNATURE_PERCENT: u64 = 1;

/// What was measured, microseconds.
#[derive(Debug)]
pub struct Latency {
    /// The worst alarm.
    pub worst_us: u64,
    /// Of so many.
    pub alarms: u64,
    /// The longest call.
    pub call: String,
    /// Its time as a process that is alone sees it.
    pub alone_us: u64,
}

/// Plays the two processes.
///
/// # Errors
/// Of QEMU and the tools, and when a line does not come.
pub fn measure() -> Result<Latency> {
    let scratch = Scratch::new("latency")?;
    let flash = device_flash(&scratch, &paths::map()?, &released_kernel(), &GUESTS)?;
    let device = start(&flash, Some("shift=5"))?;
    let last = device.console.wait("latency: worst ", LIMIT)?.text;
    let lines = device.console.lines();
    let at = |what: &str| lines.iter().position(|l| l.text.starts_with(what));
    let (signs, worst) = (at("latency: signs"), at("latency: worst "));
    if signs.is_none() || signs >= worst || at("latency: failed").is_some() {
        bail!("nobody signed beside the alarms: {lines:?}");
    }
    let words: Vec<&str> = last.split(' ').collect();
    let [_, _, worst, "us", "of", alarms] = words[..] else {
        bail!("`{last}`");
    };
    let alone = lines.iter().filter_map(|l| {
        let rest = l.text.strip_prefix("latency: alone ")?;
        let (call, us) = rest.strip_suffix(" us")?.split_once(' ')?;
        Some((us.parse::<u64>().ok()?, call.to_owned()))
    });
    let (alone_us, call) = alone.max().context("no call was measured alone")?;
    Ok(Latency {
        worst_us: worst.parse()?,
        alarms: alarms.parse()?,
        call,
        alone_us,
    })
}

/// The worst alarm is as late as the longest call is long: not later by more than what verifications
/// differ and a switch, and,
/// with so many alarms, not much earlier.
pub fn case() -> Result<()> {
    let latency = measure()?;
    println!("      {latency:?}");
    let call_us = latency.alone_us + latency.alone_us * SIGNATURE_PERCENT / 100;
    if latency.worst_us > call_us + SWITCH_US {
        bail!("later than one call and a switch: {latency:?}");
    }
    if latency.worst_us * 5 < latency.alone_us * 4 {
        bail!("no alarm fell into the longest call: {latency:?}");
    }
    Ok(())
}
