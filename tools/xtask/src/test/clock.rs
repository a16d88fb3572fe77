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

const CONNECTED: &str = "net-mqtt: mqtt connected";
const EXPIRED: &str = "net-mqtt: connect failed: server certificate expired";

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
    match paths::map()?.rtc {
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
    device.console.wait(CONNECTED, LIMIT)?;
    drop(device);

    let device = start(&system, "1970-01-02T00:00:00")?;
    device.console.wait("net-mqtt: the clock says 864", LIMIT)?;
    device.console.wait(CONNECTED, LIMIT)?;
    drop(device);

    system.cloud.broker.reissue(Some(OLD))?;
    says(&system, EXPIRED)?;
    let fresh = System::with("e2e-clock-fresh", |identity| identity.made = 0, Some(OLD))?;
    says(&fresh, CONNECTED)?;
    let made = System::with("e2e-clock-made", |_| {}, Some(OLD))?;
    says(&made, EXPIRED)
}

/// A board without a clock knows the day of its provisioning, and when it was connected last. One
/// that knows neither cannot tell a certificate that is not valid yet from a good one, and refuses.
fn without_clock() -> Result<()> {
    let mut system = System::new("e2e-clock")?;
    says(&system, CONNECTED)?;
    system.cloud.broker.reissue(Some(OLD))?;
    says(&system, EXPIRED)?;
    let fresh = System::with("e2e-clock-fresh", |identity| identity.made = 0, None)?;
    says(
        &fresh,
        "net-mqtt: connect failed: server certificate not yet valid",
    )
}

/// It says so with the RTC at [`THEN`].
fn says(system: &System, line: &str) -> Result<()> {
    start(system, THEN)?.console.wait(line, LIMIT)?;
    Ok(())
}

/// With this RTC, and a time server that says nothing.
fn start(system: &System, rtc: &str) -> Result<Device> {
    system.link()?.change(|s| s.time = Time::Silence);
    let mut config = system.config();
    config.rtc = Some(rtc.into());
    Device::start(&config)
}
