//! The end-to-end layer's updates under a cloud that misbehaves.
//!
//! Owns which of the local cloud's hostile modes (docs/cloud-api.md) a device meets, and how the job
//! must end in each.

use super::Case;
use super::kills::{consoles, finish};
use super::ota::{NON_SECURE, built, ended, expect_failed};
use crate::system::System;
use anyhow::{Context, Result, ensure};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The cases, the longest first.
pub const CASES: [Case; 4] = [
    Case {
        id: "ota-rough-jobs",
        run: || {
            succeeds(
                "e2e-rough-jobs",
                "seed=3,drop_job=5,duplicate_job=3,delay_job_ms=200,replay_job=4,other_thing=4,cut=45",
            )
        },
    },
    Case {
        id: "ota-rough-stream",
        run: || {
            succeeds(
                "e2e-rough-stream",
                "seed=7,drop=9,duplicate=7,reorder=5,stray=11,oversize=13,wrong_file=9",
            )
        },
    },
    Case {
        id: "ota-json-streams",
        run: json_streams,
    },
    Case {
        id: "ota-corrupt-block",
        run: corrupt,
    },
];

/// A kernel update ends well all the same.
fn succeeds(thing: &str, modes: &str) -> Result<()> {
    let mut system = System::new(thing)?;
    let files = [built(NON_SECURE)?];
    let cloud = &mut system.cloud;
    let job = cloud.create_ota_update(&system.thing, "rough", &files)?;
    cloud.set_mischief(modes.parse().map_err(anyhow::Error::msg)?);
    let device = system.boot()?;
    finish(&system, &device, &job)
}

fn json_streams() -> Result<()> {
    let mut system = System::new("e2e-json")?;
    let files = [built(NON_SECURE)?];
    let cloud = &mut system.cloud;
    let job = cloud.create_ota_update(&system.thing, "json", &files)?;
    cloud.set_mischief("json_only=1".parse().map_err(anyhow::Error::msg)?);
    let device = system.boot()?;
    finish(&system, &device, &job)?;
    let log = std::fs::read_to_string(system.scratch.path().join("mosquitto.log"))?;
    let sent = |level: &str| {
        let blocks = |l: &&str| l.contains("Received PUBLISH from") && l.contains(level);
        log.lines().filter(blocks).count()
    };
    ensure!(
        sent("/data/json'") > 0 && sent("/data/cbor'") == 0,
        "{} blocks in JSON, {} in CBOR",
        sent("/data/json'"),
        sent("/data/cbor'")
    );
    Ok(())
}

/// A wrong bit in a block is found by the signature; what runs stays, and works on.
fn corrupt() -> Result<()> {
    let mut system = System::new("e2e-corrupt")?;
    let files = [built(NON_SECURE)?];
    let cloud = &mut system.cloud;
    let job = cloud.create_ota_update(&system.thing, "corrupt", &files)?;
    cloud.set_mischief("seed=5,corrupt=6".parse().map_err(anyhow::Error::msg)?);
    let device = system.boot()?;
    let execution = ended(&system, &device, &job)?;
    expect_failed(&execution, "signature")?;
    let position = device.console.position();
    let published = |l: &str| l.starts_with("inference: ");
    device
        .console
        .wait_from(position, LIMIT, published, "a result of inference")
        .with_context(|| consoles(&device))?;
    Ok(())
}
