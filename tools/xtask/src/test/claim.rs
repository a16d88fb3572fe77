//! Fleet provisioning on the device: a claim becomes an identity, and each way it does not.
//!
//! Owns where the power goes in it. What is stored when, and a cut at every change of the storage,
//! is `net-mqtt`'s to test on the host; here real power cuts fall while the device talks to a real
//! broker and stores in real flash.

use super::Case;
use crate::enrol::{self, TEMPLATE};
use crate::system::System;
use anyhow::{Result, bail, ensure};
use qemu_harness::{Device, said_by};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(90);

/// The cases.
pub const CASES: [Case; 3] = [
    Case {
        id: "provision-claim",
        run: claims,
    },
    Case {
        id: "provision-claim-refused",
        run: refused,
    },
    Case {
        id: "provision-claim-power-cut",
        run: power_cuts,
    },
];

/// The claim's identity connects, the device gets its own, drops the claim, and every process of
/// it is the new thing; at the next start there is nothing to claim.
fn claims() -> Result<()> {
    let system = enrol::with_claim("7")?;
    let device = system.boot()?;
    for line in [
        "net-mqtt: tls TLSv1.3",
        "net-mqtt: claiming an identity as 7",
        "net-mqtt: claimed, this is thing fleet-7",
        "net-mqtt: mqtt connected as fleet-7",
    ] {
        device.console.wait(line, LIMIT)?;
    }
    lives(&system, &device, "fleet-7")?;
    ensure!(
        system.cloud.core().certificates_of("fleet-7").len() == 1,
        "one claim, one certificate"
    );
    let mut keys: Vec<String> = said(&device, "tls");
    // A connection may take its second try.
    keys.dedup();
    ensure!(
        keys.len() == 2 && keys[0].ends_with("(id 2)") && keys[1].ends_with("(id 1)"),
        "the connections were made with {keys:?}"
    );
    drop(device);
    let device = system.boot()?;
    device
        .console
        .wait("net-mqtt: mqtt connected as fleet-7", LIMIT)?;
    let again = said(&device, "claim");
    ensure!(again.is_empty(), "the device has not forgotten: {again:?}");
    Ok(())
}

/// Refused by the template and by the claim's policy, in the cloud's words; then mended.
fn refused() -> Result<()> {
    let system = enrol::with_claim("8")?;
    let core = system.cloud.core();
    core.enable_template(TEMPLATE, false)?;
    let device = system.boot()?;
    let why = "net-mqtt: claim failed: refused: ResourceNotFound: no template `fleet`, retry in";
    device.console.wait(why, LIMIT)?;
    drop(device);
    ensure!(
        !core.things().iter().any(|thing| thing == "fleet-8"),
        "a template that is off made a thing"
    );
    core.enable_template(TEMPLATE, true)?;
    let device = system.boot()?;
    device
        .console
        .wait("net-mqtt: mqtt connected as fleet-8", LIMIT)?;
    Ok(())
}

/// Where the power goes.
enum Cut {
    /// So many milliseconds after this line.
    Line(&'static str, u64),
    /// As soon as the cloud has made the thing: its answer is on the way.
    Cloud,
}

const CUTS: [Cut; 6] = [
    Cut::Line("net-mqtt: tls", 0),
    Cut::Line("net-mqtt: claiming", 0),
    Cut::Line("net-mqtt: claiming", 60),
    Cut::Cloud,
    Cut::Cloud,
    Cut::Line("net-mqtt: claimed", 0),
];

/// A device loses its power in each of these places; its next start makes it the same thing, or
/// finds that it is.
fn power_cuts() -> Result<()> {
    let mut wasted = 0;
    for (number, cut) in CUTS.into_iter().enumerate() {
        let serial = format!("cut{number}");
        let thing = format!("fleet-{serial}");
        let system = enrol::with_claim(&serial)?;
        let device = system.boot()?;
        match cut {
            Cut::Line(line, later) => {
                device.console.wait(line, LIMIT)?;
                std::thread::sleep(Duration::from_millis(later));
            }
            Cut::Cloud => {
                device.console.wait("net-mqtt: claiming", LIMIT)?;
                let deadline = Instant::now() + LIMIT;
                while system.cloud.core().certificates_of(&thing).is_empty() {
                    ensure!(Instant::now() < deadline, "the cloud makes no {thing}");
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        // QEMU is killed: no buffer of the guest's is written any more.
        drop(device);
        let device = system.boot()?;
        device
            .console
            .wait(&format!("net-mqtt: mqtt connected as {thing}"), LIMIT)?;
        let claimed = !said(&device, "claimed").is_empty();
        let after = system.cloud.core().certificates_of(&thing).len();
        // Each start makes one at most, the first one's perhaps after the cut, from what was on its
        // way; a claim that was over in the cloud and not on the device is done again.
        let first = after.checked_sub(usize::from(claimed));
        ensure!(
            after >= 1 && first.is_some_and(|first| first <= 1),
            "{thing}: {after} certificates, {claimed} of the second start"
        );
        wasted += after - 1;
        lives(&system, &device, &thing)?;
    }
    println!(
        "      {} cuts, {wasted} certificates made twice",
        CUTS.len()
    );
    Ok(())
}

/// The agent and inference know who they are: a job ends, a label comes.
fn lives(system: &System, device: &Device, thing: &str) -> Result<()> {
    let core = system.cloud.core();
    let document = serde_json::json!({"afr_ota": {"protocols": 7, "files": "none"}});
    core.create_job(thing, "AFR_OTA-alive", document)?;
    let topic = format!("{thing}/ml/inference");
    let deadline = Instant::now() + LIMIT;
    loop {
        let heard = system.cloud.messages().iter().any(|m| m.topic == topic);
        let job = core.execution(thing, "AFR_OTA-alive");
        if heard && job.is_some_and(|job| job.status.is_terminal()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{thing} does not live: {}", super::kills::consoles(device));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What net-mqtt says that begins so.
fn said(device: &Device, prefix: &str) -> Vec<String> {
    let lines = device.console.lines();
    let texts = lines.iter().filter_map(|l| said_by("net-mqtt", &l.text));
    let found = texts.filter(|l| l.starts_with(prefix));
    found.map(str::to_owned).collect()
}
