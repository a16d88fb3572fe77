//! `cargo xtask test`: every layer, or one, or one case of it.
//!
//! Owns how cases run and are counted. A QEMU layer is a list of named cases; two run at a time,
//! since the machine has two cores; each starts from files of its own.

mod answers;
mod app_ota;
mod audio;
mod boards;
mod capsule;
mod claim;
mod clock;
mod cloud;
mod console;
mod credentials;
mod e2e;
mod host;
pub mod hostile;
mod identity;
mod install;
pub mod kernel;
mod kills;
mod loader;
mod mischief;
mod mqtt;
mod network;
mod ota;
mod rotate;
mod rsa;
mod services;
mod state;
pub mod supervision;
mod sweep;
mod tbf_tools;
mod tockloader;

use crate::system::System;
use crate::{build, paths, setup};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What `test` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// One layer; all of them when absent
    #[arg(value_parser = ["host", "cloud", "kernel", "capsule", "hostile", "spe", "loader", "tockloader", "e2e", "boards"])]
    pub layer: Option<String>,
    /// Only the case with this id
    #[arg(long)]
    pub case: Option<String>,
    /// Sweeps at full length
    #[arg(long)]
    pub long: bool,
    /// Write the results to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// A test that needs a device.
pub struct Case {
    /// Name, for `--case`.
    pub id: &'static str,
    /// Runs it.
    pub run: fn() -> Result<()>,
}

/// What a layer found.
#[derive(Debug, Default)]
pub struct Outcome {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    /// Layer's own figures.
    pub counters: serde_json::Map<String, Value>,
}

impl Outcome {
    /// Both together; the first one's figures, where both have one.
    fn and(mut self, other: Outcome) -> Outcome {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        for (name, value) in other.counters {
            self.counters.entry(name).or_insert(value);
        }
        self
    }
}

/// Runs what was asked for.
///
/// # Errors
/// When a case failed.
pub fn run(options: &Options) -> Result<()> {
    paths::check_report(options.json.as_deref())?;
    let start = Instant::now();
    setup::everything()?;
    let wanted = |name: &str| options.layer.as_deref().is_none_or(|l| l == name);
    let mut results: Vec<(&str, Outcome, f64)> = Vec::new();
    let mut timed = |name: &'static str, run: &mut dyn FnMut() -> Result<Outcome>| -> Result<()> {
        if !wanted(name) {
            return Ok(());
        }
        println!("== {name}");
        let start = Instant::now();
        let outcome = run()?;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{name}: {} passed, {} failed, {} skipped in {seconds:.0} s",
            outcome.passed, outcome.failed, outcome.skipped
        );
        results.push((name, outcome, seconds));
        Ok(())
    };
    timed("host", &mut || {
        host::run(options.case.as_deref(), options.long)
    })?;
    timed("cloud", &mut || {
        Ok(cases(&[&cloud::CASES], options.case.as_deref()))
    })?;
    if !["host", "cloud", boards::LAYER]
        .map(Some)
        .contains(&options.layer.as_deref())
    {
        let start = Instant::now();
        build::all()?;
        println!("build: {:.0} s", start.elapsed().as_secs_f64());
    }
    timed("kernel", &mut || {
        let only = options.case.as_deref();
        Ok(kernel::run(only)?.and(cases(
            // One list a line.
            &[
                &install::CASES,
                &credentials::CASES,
                crate::tfm::check::cases(),
            ],
            only,
        )))
    })?;
    timed("capsule", &mut || {
        Ok(cases(&[&capsule::CASES], options.case.as_deref()))
    })?;
    timed("hostile", &mut || {
        hostile::run(options.case.as_deref(), options.long)
    })?;
    timed("spe", &mut || services::run(options.case.as_deref()))?;
    timed("loader", &mut || {
        Ok(cases(&[&loader::CASES], options.case.as_deref()))
    })?;
    timed("tockloader", &mut || {
        Ok(cases(
            &[&tockloader::CASES, &tbf_tools::CASES],
            options.case.as_deref(),
        ))
    })?;
    timed("e2e", &mut || {
        // The longest first: two at a time then end together.
        let outcome = cases(
            // One list a line, so that additions do not meet.
            &[
                &ota::CASES,
                &app_ota::CASES,
                &kills::CASES,
                &mischief::CASES,
                &network::CASES,
                &mqtt::CASES,
                &supervision::CASES,
                &e2e::CASES,
                &identity::CASES,
                &claim::CASES,
                &rotate::CASES,
                &clock::CASES,
                &rsa::CASES,
                &audio::CASES,
                &console::CASES,
            ],
            options.case.as_deref(),
        );
        Ok(match options.long {
            true => outcome.and(sweep::run(options.case.as_deref())),
            false => outcome,
        })
    })?;

    let first = paths::board_name() == paths::BOARDS[0];
    let others = match wanted(boards::LAYER) && options.case.is_none() && first {
        true => boards::run()?,
        false => Vec::new(),
    };

    if let Some(file) = &options.json {
        let board = paths::board_name();
        let layers: Vec<Value> = results
            .iter()
            .map(|(name, o, seconds)| {
                json!({"name": name, "passed": o.passed, "failed": o.failed, "skipped": o.skipped,
                    "seconds": seconds, "counters": o.counters, "board": board})
            })
            .chain(others.iter().cloned())
            .collect();
        std::fs::write(
            file,
            serde_json::to_vec_pretty(&json!({ "layers": layers }))?,
        )?;
    }
    let sum = |f: fn(&Outcome) -> usize, name| {
        results.iter().map(|(_, o, _)| f(o)).sum::<usize>() + boards::sum(&others, name)
    };
    let (passed, failed, skipped) = (
        sum(|o| o.passed, "passed"),
        sum(|o| o.failed, "failed"),
        sum(|o| o.skipped, "skipped"),
    );
    println!("all layers in {:.0} s", start.elapsed().as_secs_f64());
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed > 0 {
        bail!("{failed} cases failed");
    }
    if passed == 0 {
        match &options.case {
            Some(case) => bail!("no case `{case}`: a run of the layer prints the ids"),
            None => bail!("no case ran"),
        }
    }
    Ok(())
}

/// Waits until `done` says so.
///
/// # Errors
/// Its own; after `limit`, what was waited for.
fn until(limit: Duration, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !done()? {
        if Instant::now() > deadline {
            bail!("waited {} s for {what}", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Waits until the broker's log says this.
fn logged(system: &System, limit: Duration, line: &str) -> Result<()> {
    let what = format!("`{line}` in the broker's log");
    until(limit, &what, || {
        Ok(system.cloud.broker.log()?.contains(line))
    })
}

/// Waits until a device has made all its subscriptions: the cloud's commands and requests are
/// net-mqtt's, and the agent asks for a job when it has its own.
fn subscribed(system: &System, limit: Duration) -> Result<()> {
    let thing = &system.thing;
    for line in [
        format!("$aws/commands/things/{thing}/executions/+/request/json (QoS"),
        format!("{thing}/diagnostics/request (QoS"),
        format!("'$aws/things/{thing}/jobs/start-next/accepted'"),
    ] {
        logged(system, limit, &line)?;
    }
    Ok(())
}

/// Runs cases, two at a time.
fn cases(lists: &[&[Case]], only: Option<&str>) -> Outcome {
    let all = lists.iter().map(|list| list.len()).sum::<usize>();
    let chosen: Vec<&Case> = lists
        .iter()
        .copied()
        .flatten()
        .filter(|c| only.is_none_or(|id| id == c.id))
        .collect();
    let next = AtomicUsize::new(0);
    let failures: Mutex<Vec<String>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let result = (case.run)();
                    let seconds = start.elapsed().as_secs_f64();
                    match result {
                        Ok(()) => println!("ok    {} ({seconds:.1} s)", case.id),
                        Err(e) => {
                            println!("FAIL  {} ({seconds:.1} s): {e:#}", case.id);
                            if let Ok(mut list) = failures.lock() {
                                list.push(case.id.to_owned());
                            }
                        }
                    }
                }
            });
        }
    });
    let failed = failures.lock().map_or(1, |list| list.len());
    let mut counters = serde_json::Map::new();
    counters.insert("seed".into(), 0.into());
    let ids = chosen.iter().map(|c| c.id);
    counters.insert("digest".into(), digest(ids).into());
    Outcome {
        passed: chosen.len() - failed,
        failed,
        skipped: all - chosen.len(),
        counters,
    }
}

/// SHA-256 over the ordered case ids, a line each.
fn digest<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for id in ids {
        digest.update(id.as_bytes());
        digest.update([b'\n']);
    }
    let digest = digest.finalize();
    digest.iter().map(|b| format!("{b:02x}")).collect()
}
