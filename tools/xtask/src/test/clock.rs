//! The clock's floor on the device: a wrong RTC, or none, and a silent time server cannot take it
//! back.
//!
//! Owns the dates. What the floor is and when it is written are `net-mqtt`'s.

use super::Case;
use crate::paths;
use crate::system::System;
use anyhow::Result;
use link::Time;
use qemu_harness::Device;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

/// The cases.
pub const CASES: [Case; 1] = [Case {
    id: "clock-floor",
    run: floor,
}];

/// A time within [`OLD`].
const THEN: &str = "2025-03-01T00:00:00";
/// Dates of a server's certificate that is long over.
const OLD: (&str, &str) = ("20250201000000Z", "20250601000000Z");

/// See the two below.
fn floor() -> Result<()> {
    match paths::has_clock() {
        true => with_clock(),
        false => without_clock(),
    }
}

/// A device that was connected once connects with an RTC that says 1970; it refuses a certificate
/// that is over, although the RTC has been set back to when it was not. One that never knew better
/// believes the RTC: it is the floor that refuses, and that is the day of provisioning to begin with.
fn with_clock() -> Result<()> {
    let mut system = System::with("e2e-clock", |identity| identity.made = 0, None)?;
    let device = system.boot()?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    drop(device);

    let device = start(&system, "1970-01-02T00:00:00")?;
    let line = "net-mqtt: the clock says 864";
    device.console.wait(line, LIMIT)?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    drop(device);

    system.cloud.broker.reissue(Some(OLD))?;
    let device = start(&system, THEN)?;
    let line = "net-mqtt: connect failed: server certificate expired";
    device.console.wait(line, LIMIT)?;
    drop(device);

    let fresh = System::with("e2e-clock-fresh", |identity| identity.made = 0, Some(OLD))?;
    let device = start(&fresh, THEN)?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    drop(device);

    let made = System::with("e2e-clock-made", |_| {}, Some(OLD))?;
    let device = start(&made, THEN)?;
    device.console.wait(line, LIMIT)?;
    Ok(())
}

/// A board without a clock knows the day of its provisioning, and when it was connected last. One
/// that knows neither cannot tell a certificate that is not valid yet from a good one, and refuses.
fn without_clock() -> Result<()> {
    let mut system = System::new("e2e-clock")?;
    let device = start(&system, THEN)?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    drop(device);
    system.cloud.broker.reissue(Some(OLD))?;
    let device = start(&system, THEN)?;
    let line = "net-mqtt: connect failed: server certificate expired";
    device.console.wait(line, LIMIT)?;
    drop(device);

    let fresh = System::with("e2e-clock-fresh", |identity| identity.made = 0, None)?;
    let device = start(&fresh, THEN)?;
    let line = "net-mqtt: connect failed: server certificate not yet valid";
    device.console.wait(line, LIMIT)?;
    Ok(())
}

/// With this RTC, and a time server that says nothing.
fn start(system: &System, rtc: &str) -> Result<Device> {
    system.link()?.change(|s| s.time = Time::Silence);
    let mut config = system.config();
    config.rtc = Some(rtc.into());
    Device::start(&config)
}
