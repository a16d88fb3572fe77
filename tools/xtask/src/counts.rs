//! Instruction counts that a device prints about itself: boot, TLS handshake; and heap peak.
//!
//! Owns the boots in which they are printed and how a line becomes a number; `demo` and `bench`
//! show them.

use crate::system::System;
use anyhow::{Context, Result, anyhow};
use qemu_harness::Device;
use std::time::Duration;

/// Slow hosts count slowly.
const CONNECT: Duration = Duration::from_secs(180);

/// What one boot said.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Instructions from reset to the first process.
    pub boot_to_first_process: u64,
    /// Instructions of a TLS 1.3 handshake with client authentication, sleep excluded.
    pub tls13_handshake: u64,
    /// Calls of secure services in that handshake.
    pub psa_calls_per_handshake: u64,
    /// Most bytes of net-mqtt's heap that were in use, when it had connected.
    pub net_mqtt_heap_peak: u64,
}

/// Instructions of so many ticks under `-icount shift=5`: 32 ns an instruction, 31.25 ns a tick.
pub fn instructions(ticks: u64) -> u64 {
    ticks * 125 / 128
}

/// The app whose handshake is counted.
const CLIENT: &str = "net-mqtt";

/// Boots three times: the first boot provisions; the second, counted, is what a device does every
/// day; in the third net-mqtt has the processor to itself, so that no other process's work is
/// counted as its handshake's.
///
/// # Errors
/// When a line does not come.
pub fn run() -> Result<Counts> {
    let system = System::new("tockstone-count")?;
    let first = Device::start(&system.config())?;
    first.console.wait("net-mqtt: mqtt connected", CONNECT)?;
    drop(first);
    let alone = system.copy_flash("alone.bin")?;
    for app in system.map.app.iter().filter(|app| app.name != CLIENT) {
        let size = system.map.region(&app.flash).map_err(|e| anyhow!(e))?.size;
        alone.erase(&app.flash)?;
        alone.write(&app.flash, 0, &tock_tbf::parse::padding_header(size))?;
    }
    let counted = |flash| {
        let mut config = system.config_for(flash);
        config.icount = Some("shift=5".into());
        Device::start(&config)
    };
    let number = |device: &Device, prefix: &str| -> Result<u64> {
        let line = device.console.wait(prefix, CONNECT)?.text;
        let number = line
            .split_once(prefix)
            .and_then(|(_, rest)| rest.split(' ').next());
        number
            .and_then(|n| n.parse().ok())
            .with_context(|| line.clone())
    };
    let device = counted(&system.flash)?;
    let boot_to_first_process = instructions(number(&device, "kernel: first process at ")?);
    let net_mqtt_heap_peak = number(&device, "net-mqtt: heap peak ")?;
    drop(device);
    let device = counted(&alone)?;
    Ok(Counts {
        boot_to_first_process,
        tls13_handshake: instructions(number(&device, "net-mqtt: handshake took ")?),
        psa_calls_per_handshake: number(&device, " ticks of 31.25 ns, ")?,
        net_mqtt_heap_peak,
    })
}
