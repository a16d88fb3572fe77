//! The end-to-end layer's updates that only a whole device can show: resets, swaps, crashes.
//!
//! Owns the Device Tester cases about a reboot (the other ones, and these again, run on the host:
//! `cargo test -p ota-agent --test idt`), the resumed download and the joint update of both images.

use super::kills::{consoles, finish, verified};
use super::{Case, until};
use crate::build::{FACTORY, UPDATE};
use crate::demo::blocks;
use crate::sign::Image;
use crate::system::System;
use crate::{paths, sign};
use anyhow::{Context, Result, bail, ensure};
use cloud::jobs::{Execution, Status};
use cloud::{Mischief, OtaFile};
use qemu_harness::Device;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
const UPDATE_LIMIT: Duration = Duration::from_secs(400);
pub const NON_SECURE: &str = "non_secure image";

/// The cases, the longest first.
pub const CASES: [Case; 5] = [
    Case {
        id: "idt-ota-rollback-if-unable-to-connect-after-update",
        run: unable_to_connect,
    },
    Case {
        id: "idt-ota-image-crashed",
        run: image_crashed,
    },
    Case {
        id: "idt-ota-back-to-back-downloads",
        run: back_to_back,
    },
    Case {
        id: "ota-both-images-in-one-job",
        run: both_images,
    },
    Case {
        id: "ota-resumes-after-kill",
        run: resumes,
    },
];

fn file(path: &str, file: &PathBuf) -> Result<OtaFile> {
    let (bytes, signature) = (std::fs::read(file)?, sign::update_signature(file)?);
    Ok(OtaFile::rsa(path, bytes, &signature))
}

/// What the build made for `path`.
pub fn built(path: &str) -> Result<OtaFile> {
    let name = if path == NON_SECURE {
        "kernel"
    } else {
        "secure"
    };
    file(
        path,
        &paths::build().join(format!("{name}-update_signed.bin")),
    )
}

/// Waits for a job's end.
pub fn ended(system: &System, device: &Device, job: &str) -> Result<Execution> {
    system
        .cloud
        .wait_job(&system.thing, job, UPDATE_LIMIT, |e| e.status.is_terminal())
        .with_context(|| consoles(device))
}

pub fn expect_failed(execution: &Execution, reason: &str) -> Result<()> {
    let details = format!("{:?}", execution.details);
    ensure!(
        execution.status == Status::Failed && details.contains(reason),
        "job {} is {} {details}, not FAILED with `{reason}`",
        execution.job,
        execution.status.name()
    );
    Ok(())
}

/// QEMU is killed in the download; the next boot fetches what is missing, and nothing twice.
fn resumes() -> Result<()> {
    let mut system = System::new("e2e-resume")?;
    let files = [built(NON_SECURE)?];
    let job = system
        .cloud
        .create_ota_update(&system.thing, "resume", &files)?;
    system.cloud.set_mischief(Mischief {
        delay_ms: 20,
        stall_after: 16,
        ..Mischief::default()
    });
    let device = system.boot()?;
    let reached = |l: &str| blocks(l, &job).is_some_and(|(done, _)| done >= 8);
    device.console.wait_from(0, LIMIT, reached, "8 blocks")?;
    device.kill();
    // Behind everything that the device had still asked for.
    until(LIMIT, "the broker to miss the device", || {
        let presence = system.cloud.core().presence();
        Ok(presence.get(&system.thing).is_some_and(|p| !p.connected))
    })?;
    let before = system.cloud.core().blocks_asked().len();
    system.cloud.set_mischief(Mischief::default());
    let device = system.boot()?;
    let prefix = format!("ota-agent: job {job}: resumed, ");
    let line = device.console.wait(&prefix, LIMIT);
    let line = line.with_context(|| consoles(&device))?;
    let counts = line.text[prefix.len()..].split(' ').collect::<Vec<_>>();
    let [done, "of", total, ..] = counts[..] else {
        bail!("{}", line.text);
    };
    let (done, total): (u64, u64) = (done.parse()?, total.parse()?);
    ensure!(done >= 8 && done < total, "{}", line.text);
    finish(&system, &device, &job)?;
    // One whose answer is late is asked for again; one that is kept never is.
    let asked = &system.cloud.core().blocks_asked()[before..];
    let fetched: BTreeSet<usize> = asked.iter().copied().collect();
    ensure!(
        fetched.len() as u64 == total - done,
        "{fetched:?} were asked for, and {} were missing",
        total - done
    );
    println!(
        "      killed with {done} of {total} blocks kept; {} fetched after the reboot",
        fetched.len()
    );
    Ok(())
}

/// Both images, one reboot: the loader verifies both new versions in the same boot.
fn both_images() -> Result<()> {
    let mut system = System::new("e2e-both")?;
    let files = [built(NON_SECURE)?, built("secure image")?];
    let job = system
        .cloud
        .create_ota_update(&system.thing, "both", &files)?;
    let device = system.boot()?;
    let done = ended(&system, &device, &job)?;
    ensure!(done.status == Status::Succeeded, "{:?}", done.history);
    let lines = device.secure.lines();
    for image in ["secure", "non-secure"] {
        let prefix = format!("loader: {image} image ");
        let versions: Vec<&str> = lines
            .iter()
            .filter_map(|l| l.text.strip_prefix(&prefix)?.split('+').next())
            .collect();
        ensure!(versions == [FACTORY, UPDATE], "{image}: {versions:?}");
    }
    drop(device);
    verified(&system.boot()?, UPDATE)
}

/// Three updates that wait in the queue.
fn back_to_back() -> Result<()> {
    let mut system = System::new("e2e-three")?;
    let mut jobs = Vec::new();
    for version in ["1.0.1", "1.0.2", "1.0.3"] {
        let image = system.scratch.path().join(version);
        sign::image(&system.map, Image::NonSecure, version, &image)?;
        let files = [file(NON_SECURE, &image)?];
        let id = format!("three-{}", version.replace('.', "-"));
        let job = system.cloud.create_ota_update(&system.thing, &id, &files)?;
        jobs.push((job, version));
    }
    let device = system.boot()?;
    for (job, version) in jobs {
        let done = ended(&system, &device, &job)?;
        ensure!(done.status == Status::Succeeded, "{:?}", done.history);
        verified(&device, version)?;
    }
    Ok(())
}

/// A rightly signed kernel that faults at its first instruction: reverted each time, then failed.
fn image_crashed() -> Result<()> {
    let mut system = System::new("e2e-crash")?;
    let mut bare = std::fs::read(paths::build().join("kernel.bin"))?;
    // The vector table's second word leads to the reset handler; `udf #0` takes its place.
    let base = system
        .map
        .region("kernel-exec")
        .map_err(anyhow::Error::msg)?
        .base
        + system.map.image_header;
    let reset = bare[4..8].try_into().map(u32::from_le_bytes)? & !1;
    let at = reset.checked_sub(base).context("reset handler")? as usize;
    bare[at..at + 2].copy_from_slice(&[0x00, 0xDE]);
    let (crashing, image) = (
        system.scratch.path().join("crashing.bin"),
        system.scratch.path().join("crashing_signed.bin"),
    );
    std::fs::write(&crashing, bare)?;
    let key = Image::NonSecure.key();
    sign::image_of(
        &system.map,
        Image::NonSecure,
        &crashing,
        "1.0.2",
        &key,
        &image,
    )?;
    let files = [file(NON_SECURE, &image)?];
    let job = system
        .cloud
        .create_ota_update(&system.thing, "crash", &files)?;
    let device = system.boot()?;
    let done = ended(&system, &device, &job)?;
    expect_failed(&done, "rolled back")?;
    verified(&device, FACTORY)?;
    let lines = device.secure.lines();
    let trials = lines
        .iter()
        .filter(|l| l.text.starts_with("loader: non-secure image 1.0.2"))
        .count();
    ensure!(trials >= 1, "the new image never ran");
    // And the next good update is taken.
    let files = [built(NON_SECURE)?];
    let job = system
        .cloud
        .create_ota_update(&system.thing, "good", &files)?;
    finish(&system, &device, &job)?;
    println!("      {trials} trials before the job failed");
    Ok(())
}

/// The broker is away when the new image starts: it is rolled back after its two minutes, and the
/// job is taken up again when the broker is back.
fn unable_to_connect() -> Result<()> {
    let mut system = System::new("e2e-away-trial")?;
    let files = [built(NON_SECURE)?];
    let job = system
        .cloud
        .create_ota_update(&system.thing, "away", &files)?;
    let mut device = system.boot()?;
    // The new image does not start before the broker is away.
    device.halt_at_reset(true)?;
    let installed = format!("ota-agent: job {job} installed, rebooting");
    device.console.wait(&installed, UPDATE_LIMIT)?;
    until(LIMIT, "the reset", || device.is_halted())?;
    system.cloud.broker.stop();
    device.go_on()?;
    device
        .console
        .wait("ota-agent: self-test failed", Duration::from_secs(200))?;
    let begin = "loader: image 1 swap begin (revert)";
    device.secure.wait(begin, LIMIT)?;
    system.cloud.broker.resume()?;
    finish(&system, &device, &job)
}
