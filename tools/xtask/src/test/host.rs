//! The host layer: format, clippy (of the device's binaries too), the audit, and every crate's unit and property tests.
//!
//! Owns which cargo calls make it up, and the counting of their results.

use super::Outcome;
use crate::paths;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Runs the layer; `only` is a filter for test names, `long` brings what a test marks as such.
///
/// # Errors
/// When cargo cannot run, or format or lints are off, of a host build or of a device's.
pub fn run(only: Option<&str>, long: bool) -> Result<Outcome> {
    if only.is_none() {
        for args in [
            &["fmt", "--all", "--check"][..],
            &[
                "clippy",
                "--quiet",
                "--locked",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ][..],
        ] {
            let status = cargo().args(args).status().context("cargo")?;
            if !status.success() {
                bail!("`cargo {}` failed", args.join(" "));
            }
        }
    }
    if only.is_none() {
        crate::build::lint().context("clippy of the device's binaries")?;
        crate::audit::run(&crate::audit::Options { json: None })?;
    }
    let mut command = cargo();
    command.args(["test", "--quiet", "--locked", "--no-fail-fast"]);
    command.arg("--").args(only);
    if long {
        // The mark is libtest's own: `#[ignore = "long"]`.
        command.arg("--include-ignored");
    }
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo test")?;
    let mut outcome = Outcome::default();
    for line in BufReader::new(child.stdout.take().context("piped")?).lines() {
        let line = line?;
        if let Some((passed, failed, ignored)) = result(&line) {
            outcome.passed += passed;
            outcome.failed += failed;
            outcome.skipped += ignored;
        } else if !line.is_empty()
            && !line.bytes().all(|b| b == b'.')
            && !line.starts_with("running ")
        {
            println!("{line}");
        }
    }
    if !child.wait()?.success() && outcome.failed == 0 {
        outcome.failed = 1;
    }
    Ok(outcome)
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn result(line: &str) -> Option<(usize, usize, usize)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut numbers = counts
        .split("; ")
        .map(|part| part.split(' ').next()?.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(paths::root()).stdin(Stdio::null());
    command
}
