//! Cases of a device that changes its own certificate in the field.
//!
//! Owns what an operator must see: one identity at the end, whatever was refused or cut on the way,
//! and the old certificate of no use to the device any more.

use super::Case;
use crate::system::System;
use anyhow::{Context, Result, ensure};
use qemu_harness::{Device, said_by};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(90);

/// The cases.
pub const CASES: [Case; 3] = [
    Case {
        id: "rotate-certificate",
        run: rotates,
    },
    Case {
        id: "rotate-certificate-refused",
        run: refused,
    },
    Case {
        id: "rotate-certificate-power-cut",
        run: power_cuts,
    },
];

fn rotate() -> Value {
    json!({"operation": "rotate-certificate", "template": cloud::ROTATE})
}

/// Says a command until the device has heard it: whoever is not subscribed yet does not. Twice is
/// once.
fn command(system: &System, device: &Device, execution: &str, payload: &Value) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        system
            .cloud
            .core()
            .command(&system.thing, execution, payload)?;
        let heard = |l: &str| {
            let named = l.contains("another certificate by") || l.contains("command");
            named && l.contains(execution)
        };
        let found = device
            .console
            .wait_from(0, Duration::from_millis(500), heard, execution);
        match found {
            Ok(_) => return Ok(()),
            Err(e) if Instant::now() > deadline => return Err(e),
            Err(_) => {}
        }
    }
}

/// The device's answer to a command.
fn answer(system: &System, execution: &str) -> Result<Value> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let answers = system
            .cloud
            .core()
            .command_answers(&system.thing, execution);
        if let Some(answer) = answers.last() {
            return Ok(answer.clone());
        }
        ensure!(Instant::now() < deadline, "no answer to {execution}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn connected(system: &System, device: &Device, position: usize) -> Result<usize> {
    let line = format!("mqtt connected as {}", system.thing);
    let ours = |l: &str| said_by("net-mqtt", l) == Some(&line);
    let (position, _) = device.console.wait_from(position, LIMIT, ours, &line)?;
    Ok(position)
}

/// Ids of the keys that the device's connections were made with.
fn keys(device: &Device) -> Vec<char> {
    let lines = device.console.lines();
    let of = |l: &str| {
        said_by("net-mqtt", l)?
            .rsplit_once("(id ")?
            .1
            .chars()
            .next()
    };
    lines.iter().filter_map(|l| of(&l.text)).collect()
}

/// Succeeded, and the id of the new certificate is one of the thing's other than `old`.
fn succeeded(system: &System, execution: &str, old: &[String]) -> Result<String> {
    let answer = answer(system, execution)?;
    ensure!(answer["status"] == "SUCCEEDED", "{answer}");
    let id = answer["result"]["certificateId"]["s"].as_str();
    let id = id.with_context(|| format!("{answer}"))?.to_owned();
    let all = system.cloud.core().certificates_of(&system.thing);
    ensure!(
        all.contains(&id) && !old.contains(&id),
        "{id} is not new: {all:?}, before {old:?}"
    );
    Ok(id)
}

/// Twice, there and back: each time the old certificate is revoked, and the device goes on, also
/// after a reset. What is no command is rejected.
fn rotates() -> Result<()> {
    let system = System::new("e2e-rotate")?;
    let core = system.cloud.core();
    let mut device = system.boot()?;
    let mut position = connected(&system, &device, 0)?;
    command(&system, &device, "odd", &json!({"operation": "reboot"}))?;
    let odd = answer(&system, "odd")?;
    ensure!(
        odd["status"] == "REJECTED" && odd["statusReason"]["reasonCode"] == "UNKNOWN_COMMAND",
        "{odd}"
    );
    let mut old = core.certificates_of(&system.thing);
    for execution in ["first", "second"] {
        command(&system, &device, execution, &rotate())?;
        // With the new certificate on trial, then as the device's.
        for _ in 0..2 {
            position = connected(&system, &device, position)?;
        }
        let new = succeeded(&system, execution, &old)?;
        for id in &old {
            core.set_certificate(id, "INACTIVE")?;
        }
        old.push(new);
        let from = device.console.position();
        device.reset()?;
        position = connected(&system, &device, from)?;
    }
    let mut keys = keys(&device);
    // The first; on trial, kept, after the reset; and back. A connection may take its second try.
    keys.dedup();
    ensure!(keys == ['1', '3', '1'], "{keys:?}");
    Ok(())
}

/// The cloud has no template; then one whose hook allows nobody; then one whose certificate may not
/// connect. The old one goes on, and the command is answered FAILED.
fn refused() -> Result<()> {
    let system = System::new("e2e-rotate-refused")?;
    let core = system.cloud.core();
    core.enable_template(cloud::ROTATE, false)?;
    let device = system.boot()?;
    let position = connected(&system, &device, 0)?;
    let failed = |execution: &str, code: &str, words: &str| -> Result<()> {
        command(&system, &device, execution, &rotate())?;
        let answer = answer(&system, execution)?;
        let reason = &answer["statusReason"];
        let said = reason["reasonDescription"].as_str().unwrap_or_default();
        ensure!(
            answer["status"] == "FAILED" && reason["reasonCode"] == code && said.contains(words),
            "{answer}"
        );
        Ok(())
    };
    failed("off", "CLOUD_REJECTED", "ResourceNotFound")?;
    let nobody = "def lambda_handler(event, context): return {'allowProvisioning': False}";
    core.create_template(cloud::ROTATE, cloud::ROTATE_TEMPLATE, Some(nobody))?;
    failed("denied", "CLOUD_REJECTED", "ACCESS_DENIED")?;
    let lost = device.console.lines();
    let lost = lost[position..].iter().find(|l| l.text.contains("retry"));
    ensure!(lost.is_none(), "the connection was lost");
    // The same name, but what it attaches has no policy.
    let mut body: Value = serde_json::from_str(cloud::ROTATE_TEMPLATE)?;
    let resources = body["Resources"].as_object_mut();
    resources.context("no Resources")?.remove("policy");
    core.create_template(cloud::ROTATE, &body.to_string(), Some(cloud::ROTATE_HOOK))?;
    failed("bare", "NEW_CERTIFICATE_REFUSED", "")?;
    ensure!(
        keys(&device).last() == Some(&'1'),
        "the old key is not back"
    );
    core.create_rotation()?;
    let old = core.certificates_of(&system.thing);
    command(&system, &device, "good", &rotate())?;
    succeeded(&system, "good", &old)?;
    Ok(())
}

/// The power goes in the middle, at each line that the change has; the next starts finish it by
/// themselves, or the command is simply said again.
fn power_cuts() -> Result<()> {
    for (number, (line, later)) in [
        ("asked for another certificate", 0),
        ("asked for another certificate", 40),
        ("asked for another certificate", 400),
        ("a new certificate is here", 0),
        ("a new certificate is here", 600),
        ("the new certificate connects", 0),
        ("the new certificate connects", 60),
        ("change of certificate: {\"status\":\"SUCCEEDED\"", 0),
    ]
    .into_iter()
    .enumerate()
    {
        let system = System::new(&format!("e2e-rotate-{number}"))?;
        let old = system.cloud.core().certificates_of(&system.thing);
        let device = system.boot()?;
        connected(&system, &device, 0)?;
        command(&system, &device, "cut", &rotate())?;
        let there = |l: &str| said_by("net-mqtt", l).is_some_and(|l| l.starts_with(line));
        device.console.wait_from(0, LIMIT, there, line)?;
        std::thread::sleep(Duration::from_millis(later));
        // QEMU is killed: no buffer of the guest's is written any more.
        drop(device);
        let device = system.boot()?;
        succeeded(&system, "cut", &old).with_context(|| format!("cut at `{line}` + {later} ms"))?;
        // And it is the one that the device uses from now on. Where the change was over before the
        // cut, this start may have said nothing yet.
        drop(device);
        for id in &old {
            system.cloud.core().set_certificate(id, "INACTIVE")?;
        }
        let device = system.boot()?;
        connected(&system, &device, 0)?;
        let used = keys(&device);
        ensure!(
            !used.is_empty() && used.iter().all(|k| *k == '3'),
            "{used:?}"
        );
    }
    Ok(())
}
