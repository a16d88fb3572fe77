//! The end-to-end layer's power cuts: QEMU is killed in an update, and the update still ends well.
//!
//! Owns where the cuts fall: in the download, between the loader's first and last swap line (that
//! boot slowed by `-icount shift=10,align=on`), and while the new image is on trial. After each
//! the same flash boots again and the job ends SUCCEEDED, with the new version verified by the
//! loader, then and after one more power cycle.

use super::{Case, until};
use crate::build::{FACTORY, UPDATE};
use crate::system::System;
use crate::{paths, sign};
use anyhow::{Context, Result, bail, ensure};
use cloud::Mischief;
use cloud::OtaFile;
use cloud::jobs::Status;
use qemu_harness::Device;
use std::time::{Duration, Instant};

/// One step of a device at full speed.
const LIMIT: Duration = Duration::from_secs(120);
/// A whole update, a second download after a revert included.
const UPDATE_LIMIT: Duration = Duration::from_secs(300);
/// Of the slowed loader.
const SWAP_LIMIT: Duration = Duration::from_secs(240);

/// Three in the download, four in the swap, three on trial.
pub const CASES: [Case; 10] = [
    Case {
        id: "kill-in-download-at-8-blocks",
        run: || survives(Cut::Download(8)),
    },
    Case {
        id: "kill-in-swap-first-step",
        run: || survives(Cut::Swap(0)),
    },
    Case {
        id: "kill-in-swap-three-quarters",
        run: || survives(Cut::Swap(75)),
    },
    Case {
        id: "kill-in-trial-at-handshake",
        run: || survives(Cut::Trial(TrialAt::Handshake)),
    },
    Case {
        id: "kill-in-download-first-blocks",
        run: || survives(Cut::Download(0)),
    },
    Case {
        id: "kill-in-download-at-16-blocks",
        run: || survives(Cut::Download(16)),
    },
    Case {
        id: "kill-in-swap-quarter",
        run: || survives(Cut::Swap(25)),
    },
    Case {
        id: "kill-in-swap-half",
        run: || survives(Cut::Swap(50)),
    },
    Case {
        id: "kill-in-trial-at-loader",
        run: || survives(Cut::Trial(TrialAt::Loader)),
    },
    Case {
        id: "kill-in-trial-at-first-process",
        run: || survives(Cut::Trial(TrialAt::FirstProcess)),
    },
];

/// Where the power goes.
#[derive(Clone, Copy)]
enum Cut {
    /// Once the device says that this many blocks are there; 0: once the job is its own.
    Download(u64),
    /// Once that many per cent of the swap's steps are marked done in the journal.
    Swap(usize),
    Trial(TrialAt),
}

/// After the reboot into the new image.
#[derive(Clone, Copy)]
enum TrialAt {
    /// The loader has just started it.
    Loader,
    FirstProcess,
    /// TLS stands, MQTT not yet.
    Handshake,
}

fn survives(cut: Cut) -> Result<()> {
    let mut system = System::new("e2e-kill")?;
    let file = paths::build().join("kernel-update_signed.bin");
    let (bytes, signature) = (std::fs::read(&file)?, sign::update_signature(&file)?);
    let size = bytes.len();
    let files = [OtaFile::rsa("non_secure image", bytes, &signature)];
    let job = system
        .cloud
        .create_ota_update(&system.thing, "kill", &files)?;
    match cut {
        Cut::Download(percent) => cut_download(&system, &job, percent)?,
        Cut::Swap(percent) => {
            until_reboot(&system, &job)?;
            cut_swap(&system, size, percent)?;
        }
        Cut::Trial(at) => {
            until_reboot(&system, &job)?;
            cut_trial(&system, at)?;
        }
    }
    let execution = system.cloud.execution(&system.thing, &job);
    let execution = execution.context("the job is gone")?;
    ensure!(
        !execution.status.is_terminal(),
        "the power went too late: job {}",
        execution.status.name()
    );

    let device = system.boot()?;
    finish(&system, &device, &job)?;
    drop(device);
    // For good: not only until the next power cycle.
    verified(&system.boot()?, UPDATE)
}

/// Waits for the job's end; shows what the device said when it is not SUCCEEDED.
pub(super) fn finish(system: &System, device: &Device, job: &str) -> Result<()> {
    let ended = system
        .cloud
        .wait_job(&system.thing, job, UPDATE_LIMIT, |e| e.status.is_terminal());
    let ended = ended.with_context(|| consoles(device))?;
    if ended.status != Status::Succeeded {
        let (name, details) = (ended.status.name(), &ended.details);
        return Err(anyhow::anyhow!("the job ended {name}: {details:?}"))
            .with_context(|| consoles(device));
    }
    verified(device, UPDATE)
}

/// What both UARTs said, but for the words that inference hears.
pub(super) fn consoles(device: &Device) -> String {
    let lines = [device.secure.lines(), device.console.lines()].concat();
    let texts = lines.iter().map(|l| l.text.as_str());
    let texts: Vec<&str> = texts.filter(|l| !l.starts_with("inference:")).collect();
    format!("the UARTs say\n  {}", texts.join("\n  "))
}

/// The loader's last verdict on the non-secure image.
pub(super) fn verified(device: &Device, version: &str) -> Result<()> {
    let prefix = "loader: non-secure image ";
    device.secure.wait(prefix, LIMIT)?;
    let lines = device.secure.lines();
    let verdict = lines.iter().rev().find_map(|l| l.text.strip_prefix(prefix));
    let verdict = verdict.unwrap_or_default();
    // `1.0.1+0 verified (…)`
    let verifies = verdict.contains(" verified") && verdict.split('+').next() == Some(version);
    ensure!(
        verifies,
        "the loader says `{prefix}{verdict}`, not {version}"
    );
    Ok(())
}

fn cut_download(system: &System, job: &str, wanted: u64) -> Result<()> {
    // Slow enough for the power to go between two blocks, and never to the end, however late this
    // thread learns of it.
    let slow = Mischief {
        delay_ms: 50,
        stall_after: wanted as u32 + 8,
        ..Mischief::default()
    };
    system.cloud.set_mischief(match wanted {
        0 => Mischief {
            drop: 1,
            ..Mischief::default()
        },
        _ => slow,
    });
    let device = system.boot()?;
    let prefix = format!("ota-agent: job {job}: ");
    let blocks = |l: &str| -> Option<(u64, u64)> {
        let counts = l.strip_prefix(&prefix)?.strip_suffix(" blocks")?;
        let (done, total) = counts.split_once('/')?;
        Some((done.parse().ok()?, total.parse().ok()?))
    };
    if wanted == 0 {
        let running = |e: &cloud::jobs::Execution| e.status == Status::InProgress;
        let started = system.cloud.wait_job(&system.thing, job, LIMIT, running);
        started.with_context(|| consoles(&device))?;
        std::thread::sleep(Duration::from_millis(250));
    } else {
        let reached = |l: &str| blocks(l).is_some_and(|(done, _)| done >= wanted);
        let what = format!("{prefix}{wanted}/… blocks");
        device.console.wait_from(0, LIMIT, reached, &what)?;
    }
    let console = device.console.clone();
    device.kill();
    until(LIMIT, "the console's end", || Ok(console.is_closed()))?;
    let lines = console.lines();
    let said = lines.iter().rev().find_map(|l| blocks(&l.text));
    let (done, total) = said.unwrap_or((0, u64::MAX));
    let in_time = if wanted == 0 {
        said.is_none()
    } else {
        done < total
    };
    ensure!(in_time, "the power went too late: {done} of {total} blocks");
    println!("      power cut after {done} blocks were reported");
    system.cloud.set_mischief(Mischief::default());
    Ok(())
}

/// Runs a device until it has installed the update and resets; it stays off then.
fn until_reboot(system: &System, job: &str) -> Result<()> {
    let mut config = system.config();
    config.extra.push("-no-reboot".into());
    let mut device = Device::start(&config)?;
    verified(&device, FACTORY)?;
    let installed = format!("ota-agent: job {job} installed, rebooting");
    device.console.wait(&installed, UPDATE_LIMIT)?;
    let deadline = Instant::now() + LIMIT;
    while device.check().is_ok() {
        if Instant::now() > deadline {
            bail!("`{installed}`, but no reset came");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Cuts the swap once `percent` of its steps are marked; sees to it that it had begun and not ended.
fn cut_swap(system: &System, image: usize, percent: usize) -> Result<()> {
    let sector = system.map.sector as usize;
    let scratch = system.map.region("scratch").map_err(anyhow::Error::msg)?;
    let data = scratch.size as usize - sector;
    // Three steps a region of scratch's data size; the trailer's sectors do not move.
    let steps = image.div_ceil(data) * 3;
    let wanted = steps * percent / 100;
    let mut config = system.config();
    config.icount = Some("shift=10,align=on".into());
    config.network = false;
    let device = Device::start(&config)?;
    let begin = "loader: image 1 swap begin (test)";
    device.secure.wait(begin, SWAP_LIMIT)?;
    let started = Instant::now();
    let deadline = started + SWAP_LIMIT;
    let marks = || -> Result<usize> {
        // Status bytes are 1, 2 or 3 in the erased journal; magic, size and info lie behind them.
        let journal = system
            .flash
            .read("scratch", data as u32, sector - JOURNAL_TAIL)?;
        Ok(journal.iter().filter(|b| (1..=3).contains(*b)).count())
    };
    let ended = || {
        let lines = device.secure.lines();
        lines.iter().any(|l| l.text == SWAP_END)
    };
    let mut done = marks()?;
    while done < wanted && !ended() {
        ensure!(
            Instant::now() < deadline,
            "the swap stands still at {done} of {steps} steps"
        );
        std::thread::sleep(Duration::from_millis(5));
        done = marks()?;
    }
    let secure = device.secure.clone();
    device.kill();
    // Lines that were on their way when the power went are counted, too.
    until(LIMIT, "the UART's end", || Ok(secure.is_closed()))?;
    let end = |l: &qemu_harness::Line| l.text == SWAP_END;
    ensure!(
        !secure.lines().iter().any(end),
        "the swap ended before the power went"
    );
    println!(
        "      power cut at {done} of {steps} steps, {} ms after `{begin}`",
        started.elapsed().as_millis()
    );
    Ok(())
}

const SWAP_END: &str = "loader: image 1 swap end";
/// Bytes of the journal's block behind its status bytes, at most: magic, info and size.
const JOURNAL_TAIL: usize = 64;

fn cut_trial(system: &System, at: TrialAt) -> Result<()> {
    // Each step of the self-test takes so long that the power goes before its end, however late this
    // thread learns of the line.
    system.link()?.set_rtt(Duration::from_secs(1));
    let device = system.boot()?;
    let verdict = format!("loader: non-secure image {UPDATE}+0 verified");
    device.secure.wait(&verdict, LIMIT)?;
    match at {
        TrialAt::Loader => {}
        TrialAt::FirstProcess => drop(device.console.wait("kernel: first process at ", LIMIT)?),
        TrialAt::Handshake => drop(device.console.wait("net-mqtt: tls ", LIMIT)?),
    }
    let console = device.console.clone();
    device.kill();
    until(LIMIT, "the console's end", || Ok(console.is_closed()))?;
    system.link()?.set_rtt(Duration::ZERO);
    let accepted = |l: &qemu_harness::Line| l.text.contains("ota-agent: the new image is accepted");
    ensure!(
        !console.lines().iter().any(accepted),
        "the power went too late: the image was accepted"
    );
    println!("      power cut in the trial of {UPDATE}");
    Ok(())
}
