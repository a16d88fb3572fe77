//! The long hostile sweep (`test e2e --long`): an update under every hostile mode of the cloud, every
//! way to lose the link in every state, and power cuts anywhere, each under several seeds.
//!
//! Owns the plan (which fault, how strong, when: all from mode and seed, so that a run can be had
//! again with `--case sweep-<mode>-<seed>`), what a good state is, and the table of a whole run
//! (docs/endurance.md has the last one). A fault lasts until the job has ended, and not longer than
//! [`HOSTILE`]; recovery is counted from then on.

use super::kills::{consoles, finish, verified};
use super::ota::{NON_SECURE, built, ended, expect_failed};
use super::supervision::came;
use super::{Outcome, digest};
use crate::build::{FACTORY, UPDATE};
use crate::demo::blocks;
use crate::system::System;
use anyhow::{Context, Result, ensure};
use cloud::jobs::Status;
use cloud::{Mischief, OtaFile};
use link::Cut;
use qemu_harness::Device;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longest life of a fault.
const HOSTILE: Duration = Duration::from_secs(20);
/// A state that is waited for.
const LIMIT: Duration = Duration::from_secs(120);
/// Seeds of a mode of the cloud, of a way to lose the link in one state, of power cuts.
const CLOUD_SEEDS: u32 = 3;
const LINK_SEEDS: u32 = 2;
const POWER_SEEDS: u32 = 10;
/// The cloud cuts the connection before one of so many messages, each second of them; an update of
/// the kernel takes fewer.
const MESSAGES: u32 = 39;
/// At a time: most of a run is waiting, since a device that was cut off by its broker comes back
/// after half a minute to two.
const TOGETHER: usize = 5;

/// What a cloud does; `N` is a number of the seed.
const CLOUD: [(&str, &str, &[&str]); 19] = [
    ("drop", "drop=N", &[]),
    ("delay", "delay_ms=N0", &[]),
    ("duplicate", "duplicate=N", &[]),
    ("reorder", "reorder=N", &[]),
    ("stray", "stray=N", &[]),
    ("corrupt", "corrupt=N", &[SIGNATURE]),
    ("oversize", "oversize=N", &[]),
    ("wrong-file", "wrong_file=N", &[]),
    ("replay-stream", "replay_stream=N", &[SIGNATURE]),
    ("json-only", "json_only=1", &[]),
    ("stall", "stall_after=N", &[]),
    ("drop-job", "drop_job=N", &[]),
    ("duplicate-job", "duplicate_job=N", &[]),
    ("delay-job", "delay_job_ms=N00", &[]),
    ("replay-job", "replay_job=N", &[]),
    ("other-thing", "other_thing=N", &[]),
    ("oversize-job", "oversize_job=N", &[]),
    ("cut", "cut=N0", &[]),
    (
        "storm",
        "drop=N,duplicate=N,reorder=N,stray=N,delay_ms=N,oversize=N,wrong_file=N,drop_job=N,\
         duplicate_job=N,delay_job_ms=N0,replay_job=N,other_thing=N,cut=N0",
        &[],
    ),
];

const SIGNATURE: &str = "signature does not verify";
const ROLLED_BACK: &str = "rolled back";

/// Where an update stands, by what the device says; the second number is how often it must say so.
const STATES: [(&str, &str, usize); 8] = [
    ("boot", "kernel: first process at ", 1),
    ("tls", "net-mqtt: tls ", 1),
    ("online", "net-mqtt: mqtt connected", 1),
    ("download", " blocks", 2),
    ("installed", "installed, rebooting", 1),
    ("trial-boot", "kernel: first process at ", 2),
    ("trial-tls", "net-mqtt: tls ", 2),
    ("trial-online", "net-mqtt: mqtt connected", 2),
];

/// What befalls the device.
#[derive(Debug, Clone)]
enum Fault {
    /// Hostile modes, from the first message on.
    Cloud(String),
    /// In state number, so many milliseconds later.
    Link(Wire, usize, u64),
    /// In state number the broker shows a certificate that is over.
    Expired(usize),
    /// In state number the device's certificate is made inactive.
    Inactive(usize),
    /// So many milliseconds after each start.
    Power(Vec<u64>),
    /// In state number, so many milliseconds later.
    PowerIn(usize, u64),
}

#[derive(Debug, Clone, Copy)]
enum Wire {
    Reset,
    Silence,
    /// Milliseconds without a wire.
    Down(u64),
}

struct Run {
    mode: String,
    seed: u32,
    fault: Fault,
    /// Reasons for which the job may fail.
    may_fail: &'static [&'static str],
}

impl Run {
    fn id(&self) -> String {
        format!("sweep-{}-{}", self.mode, self.seed)
    }
}

/// What came of it.
struct Ended {
    /// The reason of a job that failed.
    failed: Option<String>,
    recovery: Duration,
}

/// Xorshift: the plan is the same everywhere.
struct Draw(u32);

impl Draw {
    fn new(mode: &str, seed: u32) -> Draw {
        let mix = |h: u32, b: u8| (h ^ u32::from(b)).wrapping_mul(0x0100_0193);
        let state = mode.bytes().fold(0x811C_9DC5 ^ seed, mix);
        Draw(state | 1)
    }

    fn from(&mut self, low: u32, high: u32) -> u32 {
        for _ in 0..3 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
        }
        low + self.0 % (high - low + 1)
    }
}

fn plan() -> Vec<Run> {
    let mut all = Vec::new();
    let mut add = |mode: &str, seed, fault, may_fail| {
        all.push(Run {
            mode: mode.into(),
            seed,
            fault,
            may_fail,
        });
    };
    // What waits longest comes first.
    for seed in 1..=LINK_SEEDS {
        // Online, and in the download.
        let state = 1 + seed as usize;
        add("inactive", seed, Fault::Inactive(state), &[ROLLED_BACK][..]);
        let state = Draw::new("expired", seed).from(0, 7) as usize;
        add("expired", seed, Fault::Expired(state), &[ROLLED_BACK]);
    }
    for (at, (name, ..)) in STATES.iter().enumerate() {
        for seed in 1..=LINK_SEEDS {
            for wire in ["silence", "down", "reset"] {
                let mode = format!("{wire}-{name}");
                let mut draw = Draw::new(&mode, seed);
                let wire = match wire {
                    "silence" => Wire::Silence,
                    "reset" => Wire::Reset,
                    _ => Wire::Down(u64::from(draw.from(500, 15_000))),
                };
                let later = u64::from(draw.from(0, 250));
                add(&mode, seed, Fault::Link(wire, at, later), &[]);
            }
            let mode = format!("power-{name}");
            let later = u64::from(Draw::new(&mode, seed).from(0, 1_000));
            add(&mode, seed, Fault::PowerIn(at, later), &[ROLLED_BACK]);
        }
    }
    for seed in 1..=POWER_SEEDS {
        let mut draw = Draw::new("power", seed);
        let cuts = draw.from(1, 4);
        let cuts = (0..cuts).map(|_| u64::from(draw.from(100, 6_000)));
        add("power", seed, Fault::Power(cuts.collect()), &[ROLLED_BACK]);
    }
    for (mode, text, may_fail) in CLOUD {
        for seed in 1..=CLOUD_SEEDS {
            let mut draw = Draw::new(mode, seed);
            let mut modes = format!("seed={}", draw.from(1, 1 << 30));
            for part in text.split(',') {
                let number = draw.from(3, 12).to_string();
                let _ = write!(modes, ",{}", part.replace('N', &number));
            }
            add(mode, seed, Fault::Cloud(modes), may_fail);
        }
    }
    for message in (1..=MESSAGES).step_by(2) {
        let modes = format!("cut_at={message}");
        add("cut-at", message, Fault::Cloud(modes), &[]);
    }
    all
}

/// Plays the plan, or what of it begins with `only`.
pub fn run(only: Option<&str>) -> Outcome {
    let plan = plan();
    let chosen: Vec<&Run> = plan
        .iter()
        .filter(|run| only.is_none_or(|id| run.id().starts_with(id)))
        .collect();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(&Run, Ended)>> = Mutex::new(Vec::new());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                while let Some(run) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let result = play(run);
                    let seconds = start.elapsed().as_secs_f64();
                    match result {
                        Ok(ended) => {
                            println!(
                                "ok    {} ({seconds:.1} s): {}, good after {:.1} s",
                                run.id(),
                                ended.failed.as_deref().unwrap_or("SUCCEEDED"),
                                ended.recovery.as_secs_f64()
                            );
                            if let Ok(mut done) = done.lock() {
                                done.push((run, ended));
                            }
                        }
                        Err(e) => {
                            println!(
                                "FAIL  {} ({seconds:.1} s): {:?}: {e:#}",
                                run.id(),
                                run.fault
                            )
                        }
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_default();
    let played: Vec<String> = chosen
        .iter()
        .map(|run| format!("{} {:?}", run.id(), run.fault))
        .collect();
    let digest = digest(played.iter().map(String::as_str));
    if !chosen.is_empty() {
        print!("{}", table(&done));
        println!(
            "sweep: {} of {} runs end in a good state, {:.0} s, digest {digest}",
            done.len(),
            chosen.len(),
            start.elapsed().as_secs_f64()
        );
    }
    let mut counters = serde_json::Map::new();
    counters.insert("sweep_runs".into(), chosen.len().into());
    counters.insert("sweep_digest".into(), digest.into());
    Outcome {
        passed: done.len(),
        failed: chosen.len() - done.len(),
        skipped: plan.len() - chosen.len(),
        counters,
    }
}

/// A row a mode, for docs/endurance.md.
fn table(done: &[(&Run, Ended)]) -> String {
    #[derive(Default)]
    struct Row {
        runs: u32,
        failed: BTreeMap<String, u32>,
        longest: (Duration, u32),
    }
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for (run, ended) in done {
        let row = rows.entry(&run.mode).or_default();
        row.runs += 1;
        if let Some(reason) = &ended.failed {
            *row.failed.entry(reason.clone()).or_default() += 1;
        }
        row.longest = row.longest.max((ended.recovery, run.seed));
    }
    let mut text = String::from(
        "| mode | runs | SUCCEEDED | FAILED | longest recovery, seed |\n|---|---:|---:|---|---|\n",
    );
    for (mode, row) in rows {
        let failed: Vec<String> = row
            .failed
            .iter()
            .map(|(r, n)| format!("{n} × {r}"))
            .collect();
        let succeeded = row.runs - row.failed.values().sum::<u32>();
        let _ = writeln!(
            text,
            "| `{mode}` | {} | {succeeded} | {} | {:.1} s, {} |",
            row.runs,
            if failed.is_empty() {
                "–".into()
            } else {
                failed.join(", ")
            },
            row.longest.0.as_secs_f64(),
            row.longest.1
        );
    }
    text
}

fn play(run: &Run) -> Result<Ended> {
    let mut system = System::new("sweep")?;
    let spoilt = ["replay-stream", "replay-job"].contains(&run.mode.as_str());
    let device = if spoilt {
        Some(an_old_job(&mut system)?)
    } else {
        None
    };
    let files = [built(NON_SECURE)?];
    let thing = system.thing.clone();
    // Slow enough for a fault to find each state.
    system.cloud.set_mischief(Mischief {
        delay_ms: 20,
        ..Mischief::default()
    });
    if let Fault::Cloud(modes) = &run.fault {
        let modes = modes.parse().map_err(anyhow::Error::msg)?;
        system.cloud.set_mischief(modes);
    }
    let job = system.cloud.create_ota_update(&thing, "sweep", &files)?;
    let (device, healed) = match &run.fault {
        Fault::Power(cuts) => power(&system, &job, cuts)?,
        Fault::PowerIn(at, later) => {
            let device = system.boot()?;
            reached(&device, &job, *at).with_context(|| consoles(&device))?;
            std::thread::sleep(Duration::from_millis(*later));
            cut_power(&system, &job, device);
            again(&system)?
        }
        fault => {
            let device = match device {
                Some(device) => device,
                None => system.boot()?,
            };
            let healed =
                befall(&mut system, &device, &job, fault).with_context(|| consoles(&device))?;
            (device, healed)
        }
    };
    let outcome = good_again(run, &mut system, &device, &job, healed);
    outcome.with_context(|| broker_log(&system))
}

/// Follows the device into its good state.
fn good_again(
    run: &Run,
    system: &mut System,
    device: &Device,
    job: &str,
    healed: Instant,
) -> Result<Ended> {
    let execution = ended(system, device, job)?;
    let failed = match execution.status {
        Status::Succeeded => None,
        Status::Failed => {
            let details = format!("{:?}", execution.details);
            let known = run.may_fail.iter().find(|r| details.contains(**r));
            let known = known.with_context(|| format!("the job FAILED: {details}"));
            Some((*known.with_context(|| consoles(device))?).to_owned())
        }
        other => anyhow::bail!("the job is {}", other.name()),
    };
    works(system, device).with_context(|| consoles(device))?;
    let recovery = healed.elapsed();
    // What runs is what the job says, and the next job ends as it should.
    verified(device, if failed.is_some() { FACTORY } else { UPDATE })?;
    let (thing, files) = (system.thing.clone(), [built(NON_SECURE)?]);
    let next = system.cloud.create_ota_update(&thing, "next", &files)?;
    if failed.is_some() {
        finish(system, device, &next)?;
    } else {
        expect_failed(&ended(system, device, &next)?, "not newer")?;
    }
    no_accident(device)?;
    Ok(Ended { failed, recovery })
}

/// The end of what the broker says.
fn broker_log(system: &System) -> String {
    let log = system.cloud.broker.log().unwrap_or_default();
    let inference = |l: &&str| !l.contains("ml/inference") && !l.contains("PUBACK");
    let lines: Vec<&str> = log.lines().rev().filter(inference).take(60).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!("the broker says\n  {}", lines.join("\n  "))
}

/// A job of another image, signed for none, which fails: from it a cloud can replay.
fn an_old_job(system: &mut System) -> Result<Device> {
    let device = system.boot()?;
    let kernel = built(NON_SECURE)?;
    let other = OtaFile {
        signature: built("secure image")?.signature,
        ..kernel
    };
    let thing = system.thing.clone();
    let job = system.cloud.create_ota_update(&thing, "old", &[other])?;
    expect_failed(&ended(system, &device, &job)?, SIGNATURE)?;
    Ok(device)
}

/// Lets the fault happen, and takes it away; when that was.
fn befall(system: &mut System, device: &Device, job: &str, fault: &Fault) -> Result<Instant> {
    match fault {
        Fault::Cloud(_) => {
            let deadline = Instant::now() + HOSTILE;
            while Instant::now() < deadline {
                let execution = system.cloud.execution(&system.thing, job);
                if execution.is_some_and(|e| e.status.is_terminal()) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Fault::Link(wire, at, later) => {
            reached(device, job, *at)?;
            std::thread::sleep(Duration::from_millis(*later));
            let link = system.link()?;
            match wire {
                Wire::Reset => link.cut(Cut::Reset),
                Wire::Silence => link.cut(Cut::Silence),
                Wire::Down(milliseconds) => {
                    link.set_down(true);
                    std::thread::sleep(Duration::from_millis(*milliseconds));
                    link.set_down(false);
                }
            }
        }
        Fault::Expired(at) => {
            reached(device, job, *at)?;
            let past = ("20200101000000Z", "20210101000000Z");
            system.cloud.broker.reissue(Some(past))?;
            let position = device.console.position();
            let expired = |l: &str| l.contains("connect failed: server certificate expired");
            let what = "connect failed: server certificate expired";
            device.console.wait_from(position, LIMIT, expired, what)?;
            system.cloud.broker.reissue(None)?;
        }
        Fault::Inactive(at) => {
            reached(device, job, *at)?;
            let position = device.console.position();
            let core = system.cloud.core();
            core.set_certificates(&system.thing, "INACTIVE")?;
            let refused = |l: &str| l.contains("connect failed: ");
            device
                .console
                .wait_from(position, LIMIT, refused, "connect failed")?;
            core.set_certificates(&system.thing, "ACTIVE")?;
        }
        Fault::Power(_) | Fault::PowerIn(..) => {}
    }
    system.cloud.set_mischief(Mischief::default());
    Ok(Instant::now())
}

/// Waits for a state of the update.
fn reached(device: &Device, job: &str, state: usize) -> Result<()> {
    let (name, line, times) = STATES[state];
    let mut position = 0;
    for _ in 0..times {
        let said = |l: &str| match name {
            "download" => blocks(l, job).is_some(),
            _ => l.contains(line),
        };
        (position, _) = device.console.wait_from(position, LIMIT, said, name)?;
    }
    Ok(())
}

/// Cuts the power that long after each start; the device at its last start, and when that was.
fn power(system: &System, job: &str, cuts: &[u64]) -> Result<(Device, Instant)> {
    for milliseconds in cuts {
        let device = system.boot()?;
        std::thread::sleep(Duration::from_millis(*milliseconds));
        cut_power(system, job, device);
    }
    again(system)
}

/// Kills QEMU, and says where the update was.
fn cut_power(system: &System, job: &str, device: Device) {
    let (secure, console) = (device.secure.clone(), device.console.clone());
    let uptime = device.uptime().as_millis();
    device.kill();
    let lines = [secure.lines(), console.lines()].concat();
    let lines = lines.iter().filter(|l| !l.text.starts_with("inference:"));
    let last = lines.max_by_key(|l| l.at);
    let execution = system.cloud.execution(&system.thing, job);
    println!(
        "      power cut {uptime} ms after the start, behind `{}`, job {}",
        last.map_or("", |l| &l.text),
        execution.map_or("gone", |e| e.status.name())
    );
}

/// Power again, and a cloud that does what it should.
fn again(system: &System) -> Result<(Device, Instant)> {
    system.cloud.set_mischief(Mischief::default());
    Ok((system.boot()?, Instant::now()))
}

/// The device is connected: what inference says from now on comes to the broker.
fn works(system: &System, device: &Device) -> Result<()> {
    let before = came(system, "ml/inference").len();
    let deadline = Instant::now() + LIMIT;
    while came(system, "ml/inference").len() == before {
        ensure!(
            Instant::now() < deadline,
            "nothing is published after {} s",
            device.uptime().as_secs()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// No fault of the cloud, the link or the power makes a process fault or the kernel panic.
fn no_accident(device: &Device) -> Result<()> {
    let lines = [device.secure.lines(), device.console.lines()].concat();
    let accident = |text: &str| text.contains(" faulted") || text.contains("panic");
    match lines.iter().find(|l| accident(&l.text)) {
        Some(line) => Err(anyhow::anyhow!("{}", line.text)).with_context(|| consoles(device)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_the_same_each_time_and_no_run_is_there_twice() {
        let ids = |plan: Vec<Run>| -> Vec<String> {
            plan.iter()
                .map(|r| format!("{} {:?}", r.id(), r.fault))
                .collect()
        };
        let all = ids(plan());
        assert_eq!(all, ids(plan()));
        let mut names: Vec<String> = plan().iter().map(Run::id).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn every_hostile_mode_is_known_to_the_cloud() {
        for run in plan() {
            if let Fault::Cloud(modes) = run.fault {
                assert!(modes.parse::<Mischief>().is_ok(), "{modes}");
            }
        }
    }
}
