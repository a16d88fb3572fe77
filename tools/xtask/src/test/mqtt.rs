//! The end-to-end layer's MQTT, names and time: a session that outlives its broker's restart, an
//! endpoint without an address, a clock that a time server sets.

use super::{Case, subscribed, until};
use crate::system::System;
use anyhow::{Context, Result, ensure};
use link::{Lookup, Time};
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const LIMIT: Duration = Duration::from_secs(120);

/// The cases.
pub const CASES: [Case; 3] = [
    Case {
        id: "mqtt-session-resume",
        run: session_resume,
    },
    Case {
        id: "dns-endpoint",
        run: dns_endpoint,
    },
    Case {
        id: "sntp-clock",
        run: sntp_clock,
    },
];

fn connected(line: &str) -> bool {
    line.starts_with("net-mqtt: mqtt connected")
}

/// The broker restarts and keeps its sessions: the device comes back to its own, and subscribes
/// to nothing again. A message at QoS 1 that was published before it was back arrives.
fn session_resume() -> Result<()> {
    let mut system = System::new("e2e-session")?;
    let device = system.boot()?;
    let (next, _) = device
        .console
        .wait_from(0, LIMIT, connected, "connection")?;
    let subscribes = format!("Received SUBSCRIBE from {}", system.thing);
    subscribed(&system, LIMIT)?;
    let before = system.cloud.broker.log()?.matches(&subscribes).count();
    ensure!(before > 0, "the device subscribed to nothing");
    system.link()?.set_down(true);
    system.cloud.broker.shut_down();
    system.cloud.broker.resume()?;
    let topic = format!("$aws/things/{}/jobs/notify-next", system.thing);
    let message = ["-p", &system.cloud.broker.plain_port.to_string()].map(String::from);
    let status = std::process::Command::new("mosquitto_pub")
        .args(message)
        .args(["-h", "127.0.0.1", "-q", "1", "-t", &topic, "-m", "{}"])
        .status()
        .context("mosquitto_pub (Debian package mosquitto-clients)")?;
    ensure!(status.success(), "mosquitto_pub: {status}");
    let log_of = |what: &str| -> Result<usize> {
        let what = format!("{what} {}", system.thing);
        Ok(system.cloud.broker.log()?.matches(&what).count())
    };
    let stored = log_of("Sending PUBLISH to")?;
    let acknowledged = log_of("Received PUBACK from")?;
    system.link()?.set_down(false);
    device
        .console
        .wait_from(next, LIMIT, connected, "connection again")?;
    until(LIMIT, "the stored message", || {
        Ok(log_of("Sending PUBLISH to")? > stored)
    })?;
    until(LIMIT, "its acknowledgement", || {
        Ok(log_of("Received PUBACK from")? > acknowledged)
    })?;
    // And life goes on: what it would have subscribed to it has by now.
    let published = log_of("Received PUBLISH from")?;
    until(LIMIT, "two publishes", || {
        Ok(log_of("Received PUBLISH from")? >= published + 2)
    })?;
    let after = system.cloud.broker.log()?.matches(&subscribes).count();
    ensure!(after == before, "{before} subscriptions became {after}");
    Ok(())
}

/// The endpoint has a name only. A server that fails is named and asked again; an address that
/// leads nowhere is followed by the next.
fn dns_endpoint() -> Result<()> {
    let system = System::with("e2e-dns", |identity| identity.address = None, None)?;
    let host = crate::system::HOST;
    let broker = Ipv4Addr::from(crate::system::HOST_ADDRESS);
    let link = system.link()?;
    link.change(|s| {
        s.names.insert(host.into(), Lookup::Failure);
        s.services[0].address = Some(broker);
    });
    let device = system.boot()?;
    let failed = |l: &str| l.contains("name of the endpoint: server failure");
    device.console.wait_from(0, LIMIT, failed, "SERVFAIL")?;
    link.change(|s| {
        s.names.insert(host.into(), Lookup::NoSuchName);
    });
    let failed = |l: &str| l.contains("name of the endpoint: no such name");
    device.console.wait_from(0, LIMIT, failed, "NXDOMAIN")?;
    // Nobody listens on the first.
    let addresses = vec![Ipv4Addr::new(10, 0, 2, 99), broker];
    link.change(|s| {
        s.names.insert(host.into(), Lookup::Addresses(addresses));
    });
    device
        .console
        .wait_from(0, LIMIT, |l| l.contains("has 2 addresses"), "addresses")?;
    let refused = |l: &str| l.starts_with("net-mqtt: 10.0.2.99: ");
    device.console.wait_from(0, LIMIT, refused, "the first")?;
    device
        .console
        .wait_from(0, LIMIT, connected, "connection")?;
    Ok(())
}

/// A time server that is a day ahead: believed on the second answer, and the connection is made by
/// that clock.
fn sntp_clock() -> Result<()> {
    let system = System::new("e2e-sntp")?;
    let link = system.link()?;
    link.change(|s| s.time = Time::Offset(86_400));
    let device = system.boot()?;
    // Beside the host's clock, since not every board has one.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let set = |l: &str| {
        l.strip_prefix("net-mqtt: time ")
            .and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok())
            .is_some_and(|time| (now + 86_300..now + 86_500).contains(&time))
    };
    device.console.wait_from(0, LIMIT, set, "the time")?;
    device
        .console
        .wait_from(0, LIMIT, connected, "connection")?;
    Ok(())
}
