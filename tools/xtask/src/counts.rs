//! Instruction counts that a device prints about itself: boot, TLS handshake; and heap peak.
//!
//! Owns the boots in which they are printed and how a line becomes a number; `demo` and `bench`
//! show them.

use crate::system::System;
use anyhow::{Context, Result, anyhow};
use qemu_harness::{Device, FlashFile};
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
    /// As `tls13_handshake`, with a broker that speaks TLS 1.2 and nothing newer.
    pub tls12_handshake: u64,
    /// Calls of secure services in that handshake.
    pub psa_calls_per_tls12_handshake: u64,
    /// Most bytes of net-mqtt's heap that were in use, when it had connected.
    pub net_mqtt_heap_peak: u64,
}

/// Instructions of so many ticks under `-icount shift=5`: 32 ns an instruction, 31.25 ns a tick.
pub fn instructions(ticks: u64) -> u64 {
    ticks * 125 / 128
}

/// The app whose handshake is counted.
const CLIENT: &str = "net-mqtt";

/// Boots four times: the first boot provisions; the second, counted, is what a device does every
/// day; in the third net-mqtt has the processor to itself, so that no other process's work is
/// counted as its handshake's; in the fourth the broker has no TLS 1.3.
///
/// # Errors
/// When a line does not come.
pub fn run() -> Result<Counts> {
    let mut system = System::new("tockstone-count")?;
    let first = Device::start(&system.config())?;
    first.console.wait("net-mqtt: mqtt connected", CONNECT)?;
    drop(first);
    let alone = system.copy_flash("alone.bin")?;
    for app in system.map.app.iter().filter(|app| app.name != CLIENT) {
        let size = system.map.region(&app.flash).map_err(|e| anyhow!(e))?.size;
        alone.erase(&app.flash)?;
        alone.write(&app.flash, 0, &tock_tbf::parse::padding_header(size))?;
    }
    let number = |device: &Device, prefix: &str| -> Result<u64> {
        let line = device.console.wait(prefix, CONNECT)?.text;
        let number = line
            .split_once(prefix)
            .and_then(|(_, rest)| rest.split(' ').next());
        number
            .and_then(|n| n.parse().ok())
            .with_context(|| line.clone())
    };
    let device = counted(&system, &system.flash)?;
    let boot_to_first_process = instructions(number(&device, "kernel: first process at ")?);
    let net_mqtt_heap_peak = number(&device, "net-mqtt: heap peak ")?;
    drop(device);
    let handshake = |device: &Device, version: &str| -> Result<(u64, u64)> {
        device
            .console
            .wait(&format!("net-mqtt: tls {version} "), CONNECT)?;
        let ticks = number(device, "net-mqtt: handshake took ")?;
        let calls = number(device, " ticks of 31.25 ns, ")?;
        Ok((instructions(ticks), calls))
    };
    let device = counted(&system, &alone)?;
    let (tls13_handshake, psa_calls_per_handshake) = handshake(&device, "TLSv1.3")?;
    drop(device);
    tls12_only(&mut system)?;
    let device = counted(&system, &alone)?;
    let (tls12_handshake, psa_calls_per_tls12_handshake) = handshake(&device, "TLSv1.2")?;
    Ok(Counts {
        boot_to_first_process,
        tls13_handshake,
        psa_calls_per_handshake,
        tls12_handshake,
        psa_calls_per_tls12_handshake,
        net_mqtt_heap_peak,
    })
}

fn counted(system: &System, flash: &FlashFile) -> Result<Device> {
    let mut config = system.config_for(flash);
    config.icount = Some("shift=5".into());
    Device::start(&config)
}

/// Restarts the broker without TLS 1.3.
///
/// # Errors
/// Of the broker.
pub fn tls12_only(system: &mut System) -> Result<()> {
    let broker = &mut system.cloud.broker;
    broker.restrict("tls_version tlsv1.2\n", "MaxProtocol = TLSv1.2\n")
}
