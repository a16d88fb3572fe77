//! The end-to-end layer's updates of one app alone, beside all others, without a reset.
//!
//! Owns the versions of `inference` and `ota-agent` that the jobs carry and where power goes in the
//! middle of one. Each case counts the device's boots, the faults, and the connections of net-mqtt,
//! which serves the app that is replaced.

use super::Case;
use super::kills::consoles;
use crate::system::System;
use crate::{setup, sign, updates};
use anyhow::{Context, Result, anyhow, ensure};
use cloud::OtaFile;
use cloud::jobs::{Execution, Status};
use object::{Object, ObjectSegment};
use qemu_harness::Device;
use std::path::PathBuf;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
const UPDATE_LIMIT: Duration = Duration::from_secs(300);
const APP: &str = "inference";

/// The cases.
pub const CASES: [Case; 5] = [
    Case {
        id: "ota-app-kill",
        run: killed,
    },
    Case {
        id: "ota-app-three-in-a-row",
        run: three_in_a_row,
    },
    Case {
        id: "ota-app-alone",
        run: alone,
    },
    Case {
        id: "ota-app-rolled-back",
        run: rolled_back,
    },
    Case {
        id: "ota-app-agent-itself",
        run: agent_itself,
    },
];

/// The ELFs that the build left for an app's two places.
fn elfs(name: &str) -> [PathBuf; 2] {
    ["a", "b"].map(|place| {
        let folder = crate::paths::build().join("apps");
        folder.join(format!("{name}-{place}.elf"))
    })
}

/// An update of an app as a job's file.
fn packed(system: &System, name: &str, elfs: &[PathBuf; 2], version: u32) -> Result<OtaFile> {
    let out = system.scratch.path().join(format!("{name}-{version}.tab"));
    updates::pack(&system.map, name, elfs, version, &out)?;
    let (bytes, signature) = (std::fs::read(&out)?, sign::update_signature(&out)?);
    Ok(OtaFile::rsa(&updates::filepath(name), bytes, &signature))
}

/// A job that takes an app to this version.
fn job(system: &mut System, name: &str, version: u32) -> Result<String> {
    let file = packed(system, name, &elfs(name), version)?;
    let id = format!("{name}-{version}");
    let thing = system.thing.clone();
    system.cloud.create_ota_update(&thing, &id, &[file])
}

fn ended(system: &System, device: &Device, job: &str) -> Result<Execution> {
    system
        .cloud
        .wait_job(&system.thing, job, UPDATE_LIMIT, |e| e.status.is_terminal())
        .with_context(|| consoles(device))
}

fn succeeded(system: &System, device: &Device, job: &str) -> Result<()> {
    let end = ended(system, device, job)?;
    ensure!(end.status == Status::Succeeded, "{:?}", end.history);
    Ok(())
}

fn count(device: &Device, prefix: &str) -> usize {
    let lines = device.console.lines();
    lines.iter().filter(|l| l.text.starts_with(prefix)).count()
}

/// One boot, one connection, and nobody but the app itself faulted: the others heard nothing of it.
fn undisturbed_but(device: &Device, app: Option<&str>) -> Result<()> {
    for line in ["kernel: tockstone ", "net-mqtt: mqtt connected as "] {
        let times = count(device, line);
        ensure!(times == 1, "`{line}` {times} times\n{}", consoles(device));
    }
    let faults = device.console.lines().into_iter().filter(|l| {
        let other = app.is_none_or(|app| !l.text.contains(&format!(" {app} faulted")));
        l.text.starts_with("kernel: process ") && l.text.contains(" faulted") && other
    });
    let faults: Vec<String> = faults.map(|l| l.text).collect();
    ensure!(faults.is_empty(), "{faults:?}\n{}", consoles(device));
    Ok(())
}

fn undisturbed(device: &Device) -> Result<()> {
    undisturbed_but(device, None)
}

/// Results reach the broker once more.
fn publishes(system: &System) -> Result<()> {
    let topic = format!("{}/ml/inference", system.thing);
    let messages = || {
        let messages = system.cloud.messages();
        messages.iter().filter(|m| m.topic == topic).count()
    };
    let (before, deadline) = (messages(), std::time::Instant::now() + LIMIT);
    while messages() == before {
        ensure!(std::time::Instant::now() < deadline, "nothing on {topic}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn alone() -> Result<()> {
    setup::everything()?;
    let mut system = System::new("e2e-app")?;
    let job = job(&mut system, APP, 2)?;
    let device = system.boot()?;
    publishes(&system)?;
    succeeded(&system, &device, &job)?;
    publishes(&system)?;
    undisturbed(&device)?;
    // The factory's file is not newer than what runs now, and it is what a reset boots.
    let device = {
        drop(device);
        system.boot()?
    };
    let again = self::job(&mut system, APP, 1)?;
    let end = ended(&system, &device, &again)?;
    let details = format!("{:?}", end.details);
    ensure!(details.contains("not newer: it is older"), "{details}");
    undisturbed(&device)
}

fn three_in_a_row() -> Result<()> {
    let mut system = System::new("e2e-app-three")?;
    let mut jobs = Vec::new();
    for version in 2..=4 {
        jobs.push(job(&mut system, APP, version)?);
    }
    let device = system.boot()?;
    for job in jobs {
        succeeded(&system, &device, &job)?;
    }
    publishes(&system)?;
    undisturbed(&device)
}

/// The entry point, in a copy of the ELF, is an undefined instruction.
fn crashing(elf: &PathBuf, out: PathBuf) -> Result<PathBuf> {
    let mut bytes = std::fs::read(elf)?;
    let at = {
        let file = object::File::parse(&*bytes)?;
        let entry = file.entry() & !1;
        let segment = file.segments().find_map(|s| {
            let offset = entry.checked_sub(s.address())?;
            let (start, size) = s.file_range();
            (offset < size).then_some(start + offset)
        });
        usize::try_from(segment.context("entry point")?)?
    };
    let code = bytes.get_mut(at..at + 2).context("entry point")?;
    code.copy_from_slice(&[0x00, 0xDE]);
    std::fs::write(&out, bytes)?;
    Ok(out)
}

fn rolled_back() -> Result<()> {
    let mut system = System::new("e2e-app-crash")?;
    let copies = elfs(APP);
    let folder = system.scratch.path().to_owned();
    let [a, b] = ["crash-a.elf", "crash-b.elf"].map(|name| folder.join(name));
    let bad = [crashing(&copies[0], a)?, crashing(&copies[1], b)?];
    let file = packed(&system, APP, &bad, 2)?;
    let thing = system.thing.clone();
    let job = system.cloud.create_ota_update(&thing, "crash", &[file])?;
    let device = system.boot()?;
    let end = ended(&system, &device, &job)?;
    let details = format!("{:?}", end.details);
    ensure!(
        end.status == Status::Failed && details.contains("rolled back"),
        "{:?}\n{}",
        end.history,
        consoles(&device)
    );
    publishes(&system)?;
    undisturbed_but(&device, Some(APP))?;
    let good = self::job(&mut system, APP, 3)?;
    succeeded(&system, &device, &good)?;
    undisturbed_but(&device, Some(APP))
}

/// Power goes in the download, before the start, and on trial; each job ends well all the same.
fn killed() -> Result<()> {
    let mut system = System::new("e2e-app-kill")?;
    let points: [(&str, u64); 5] = [
        (": 8/", 0),
        (": 32/", 0),
        (": starting version", 0),
        (": starting version", 1_000),
        (": starting version", 7_000),
    ];
    for (version, (point, delay)) in (2..).zip(points) {
        let job = job(&mut system, APP, version)?;
        let device = system.boot()?;
        let line = format!("ota-agent: job {job}{point}");
        device
            .console
            .wait(&line, LIMIT)
            .with_context(|| consoles(&device))?;
        std::thread::sleep(Duration::from_millis(delay));
        device.kill();
        let device = system.boot()?;
        publishes(&system)?;
        succeeded(&system, &device, &job)?;
        undisturbed(&device)?;
        device.kill();
    }
    Ok(())
}

/// The agent replaces itself: its successor confirms itself and ends the job.
fn agent_itself() -> Result<()> {
    let mut system = System::new("e2e-app-agent")?;
    let jobs = [2, 3].map(|version| job(&mut system, "ota-agent", version));
    let device = system.boot()?;
    for job in jobs {
        let job = job.map_err(|e| anyhow!(e))?;
        succeeded(&system, &device, &job)?;
    }
    undisturbed(&device)
}
