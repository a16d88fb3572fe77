//! The end-to-end layer's bad networks: loss, delay, reordering, a wire that is down.
//!
//! Owns what the link does in each case and what has to come of it all the same: the device
//! connects and downloads an update whole. The link's seed decides every fault; each case compares
//! the digest of what was decided with the one that the seed says.

use super::{Case, subscribed};
use crate::demo::blocks;
use crate::system::System;
use crate::{paths, sign};
use anyhow::{Context, Result, ensure};
use cloud::OtaFile;
use cloud::jobs::Status;
use link::fault::Decision;
use link::{Conditions, Direction};
use std::time::Duration;

/// A connection may need its second try, after a minute.
const LIMIT: Duration = Duration::from_secs(240);

/// The cases.
pub const CASES: [Case; 4] = [
    Case {
        id: "link-loss-5",
        run: || {
            downloads(Conditions {
                loss: Conditions::percent(5),
                ..Conditions::default()
            })
        },
    },
    Case {
        id: "link-rtt-300",
        run: || {
            downloads(Conditions {
                rtt: Duration::from_millis(300),
                ..Conditions::default()
            })
        },
    },
    Case {
        id: "link-reorder-dup",
        run: || {
            downloads(Conditions {
                duplicate: Conditions::percent(10),
                reorder: Conditions::percent(10),
                late_by: Duration::from_millis(5),
                ..Conditions::default()
            })
        },
    },
    Case {
        id: "link-down-10s",
        run: down,
    },
];

/// Connects and downloads an update over such a wire, from the first frame on.
fn downloads(conditions: Conditions) -> Result<()> {
    let mut system = System::new("e2e-network")?;
    system.link()?.change(|s| s.conditions = conditions);
    let device = system.boot()?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    let file = paths::build().join("kernel-update_signed.bin");
    let (bytes, signature) = (std::fs::read(&file)?, sign::update_signature(&file)?);
    let files = [OtaFile::rsa("non_secure image", bytes, &signature)];
    let job = system
        .cloud
        .create_ota_update(&system.thing, "network", &files)?;
    let complete = |l: &str| blocks(l, &job).is_some_and(|(done, total)| done == total);
    device
        .console
        .wait_from(0, LIMIT, complete, "the last block")?;
    // Verified as a whole: nothing that the wire did is in it.
    let installed = format!("ota-agent: job {job} installed, rebooting");
    device.console.wait(&installed, LIMIT)?;
    let link = system.link()?;
    for direction in [Direction::Up, Direction::Down] {
        let counters = link.counters(direction);
        let decided =
            Decision::digest(crate::system::SEED, direction, counters.frames, &conditions);
        ensure!(
            counters.digest == decided,
            "{direction:?}: the seed decides otherwise than was done: {counters:?}"
        );
        let happened = [counters.lost, counters.duplicated, counters.late];
        let wanted = [conditions.loss, conditions.duplicate, conditions.reorder];
        for (happened, wanted) in happened.into_iter().zip(wanted) {
            ensure!(
                (happened > 0) == (wanted > 0),
                "{direction:?}: {counters:?} is no {conditions:?}"
            );
        }
        println!("      {direction:?}: {counters:?}");
    }
    Ok(())
}

/// Ten seconds without a wire: the session outlives them, and a job that came meanwhile is done.
fn down() -> Result<()> {
    let mut system = System::new("e2e-down")?;
    let device = system.boot()?;
    let connected = |l: &str| l.starts_with("net-mqtt: mqtt connected");
    let (next, _) = device
        .console
        .wait_from(0, LIMIT, connected, "mqtt connected")?;
    subscribed(&system, LIMIT)?;
    system.link()?.set_down(true);
    std::thread::sleep(Duration::from_secs(5));
    let document = serde_json::json!({"afr_ota": {"protocols": 7, "files": "none"}});
    let (thing, job) = (system.thing.clone(), "AFR_OTA-down");
    system.cloud.create_job(&thing, job, document)?;
    std::thread::sleep(Duration::from_secs(5));
    let execution = system.cloud.execution(&thing, job).context("no job")?;
    ensure!(
        execution.status == Status::Queued,
        "a wire that is down carried a job"
    );
    system.link()?.set_down(false);
    system
        .cloud
        .wait_job(&thing, job, LIMIT, |e| e.status == Status::Failed)?;
    let lines = device.console.lines();
    let again = lines.iter().skip(next).any(|l| connected(&l.text));
    ensure!(!again, "the session did not outlive ten seconds");
    Ok(())
}
