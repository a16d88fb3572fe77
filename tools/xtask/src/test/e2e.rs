//! The end-to-end layer: device, network, real broker, cloud.
//!
//! Owns the cases that need all of them, and each way in which the connection can go wrong.

use super::Case;
use crate::system::System;
use anyhow::{Result, bail};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

/// The layer's cases.
pub const CASES: [Case; 6] = [
    Case {
        id: "connects-and-publishes",
        run: connects,
    },
    Case {
        id: "expired-server-certificate",
        run: expired,
    },
    Case {
        id: "untrusted-server-certificate",
        run: untrusted,
    },
    Case {
        id: "wrong-host-name",
        run: wrong_host,
    },
    Case {
        id: "broker-away-and-back",
        run: broker_away,
    },
    Case {
        id: "device-key-is-in-no-non-secure-memory",
        run: key_search,
    },
];

fn connects() -> Result<()> {
    let system = System::new("e2e-connects")?;
    let device = system.boot()?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    let topic = format!("{}/ml/inference", system.thing);
    let deadline = std::time::Instant::now() + LIMIT;
    while !system.cloud.messages().iter().any(|m| m.topic == topic) {
        if std::time::Instant::now() > deadline {
            bail!("nothing came on {topic}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The device must name what is wrong, and go on: the retry line proves that it does.
fn refuses(system: &System, why: &str) -> Result<()> {
    let device = system.boot()?;
    let failed = |l: &str| l.starts_with("net-mqtt: connect failed: ") && l.contains(why);
    let (next, _) = device.console.wait_from(0, LIMIT, failed, why)?;
    device.console.wait_from(next, LIMIT, failed, why)?;
    if device
        .console
        .lines()
        .iter()
        .any(|l| l.text.contains("mqtt connected"))
    {
        bail!("the device connected all the same");
    }
    Ok(())
}

fn expired() -> Result<()> {
    let system = System::with(
        "e2e-expired",
        |_| {},
        Some(("20200101000000Z", "20210101000000Z")),
    )?;
    refuses(&system, "expired")
}

fn untrusted() -> Result<()> {
    let other = crate::system::Scratch::new("other-root")?;
    let authority = cloud::pki::Authority::open(other.path(), "Another root")?;
    let root = cloud::pki::der(&authority.certificate())?;
    let system = System::with("e2e-untrusted", |identity| identity.roots = root, None)?;
    refuses(&system, "unknown issuer")
}

fn wrong_host() -> Result<()> {
    let system = System::with(
        "e2e-host",
        |identity| identity.host = "other.tockstone.test".into(),
        None,
    )?;
    refuses(&system, "host name")
}

fn broker_away() -> Result<()> {
    let mut system = System::new("e2e-away")?;
    let device = system.boot()?;
    let connected = |l: &str| l.starts_with("net-mqtt: mqtt connected");
    let (next, _) = device
        .console
        .wait_from(0, LIMIT, connected, "mqtt connected")?;
    system.cloud.broker.stop();
    let (next, _) = device.console.wait_from(
        next,
        LIMIT,
        |l| l.contains("retry in"),
        "net-mqtt: … retry in",
    )?;
    system.cloud.broker.resume()?;
    device
        .console
        .wait_from(next, LIMIT, connected, "mqtt connected")?;
    Ok(())
}

/// Both byte orders, raw and hex; DER holds the raw bytes, so that raw finds it too.
fn key_search() -> Result<()> {
    let mut key = [0; 32];
    let system = System::with("e2e-key", |identity| key = identity.key, None)?;
    let mut device = system.boot()?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    device.pause(true)?;
    let mut reversed = key;
    reversed.reverse();
    let hex = |bytes: &[u8], upper: bool| -> Vec<u8> {
        let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        if upper {
            text.to_uppercase().into_bytes()
        } else {
            text.into_bytes()
        }
    };
    let mut needles = Vec::new();
    for bytes in [&key, &reversed] {
        needles.push(bytes.to_vec());
        needles.push(hex(bytes, false));
        needles.push(hex(bytes, true));
    }
    let mut searched = 0u64;
    for mpc in &system.map.mpc {
        let store = &system.map.store[&mpc.store];
        let memory = device.read_memory(store.base + mpc.base, mpc.limit - mpc.base + 1)?;
        searched += memory.len() as u64;
        for needle in &needles {
            if memory.windows(needle.len()).any(|w| w == needle) {
                bail!("the device key lies in non-secure {}", mpc.store);
            }
        }
    }
    println!("      searched {searched} bytes of non-secure memory");
    Ok(())
}
