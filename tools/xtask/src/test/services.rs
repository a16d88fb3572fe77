//! The secure world's services on the real secure image: `cargo xtask test spe`.
//!
//! Owns how the process tests/apps/services is started and read. The rules and the vectors are that
//! package's, whose host test puts them to the same services in portable form; `answers` adds the
//! known answers of the crypto service.

use super::{Case, Outcome, answers, cases, digest};
use crate::alone::{Alone, Process};
use crate::build;
use anyhow::{Context, Result, ensure};
use provisioning::Item;
use psa_interface::KeyType;
use qemu_harness::Device;
use services::vectors;
use std::collections::BTreeMap;
use std::time::Duration;

/// The process that asks.
const PROCESS: Process = Process {
    package: "services",
    short_id: 0x5E41,
    flash_size: 0xC_0000,
    ram_size: 0x1_0000,
};
/// For all rules and vectors.
const LIMIT: Duration = Duration::from_secs(240);
/// The vectors, as a case.
const VECTORS: &str = "wycheproof";

/// The cases beside the rules.
const CASES: [Case; 1] = [Case {
    id: "medium-set",
    run: medium_set,
}];
/// Rules that ask for what TF-M's Medium set has not.
const BEYOND_MEDIUM: [&str; 6] = [
    "hash-long",
    "cipher-",
    "aead-",
    "mac-cmac",
    "agree-x25519",
    "kdf-hkdf-halves",
];
/// Vectors of what it has.
const OF_MEDIUM: [&str; 3] = ["ecdsa-p256-sha256", "hkdf-sha256", "ecdh-p256"];

/// What a device said.
struct Said {
    /// Of each rule.
    rules: BTreeMap<String, String>,
    /// Vectors of each kind that did what they must.
    passed: BTreeMap<String, usize>,
    /// Lines of those that did not.
    failed: Vec<String>,
}

/// Runs the layer.
///
/// # Errors
/// When the process does not come to an end.
pub fn run(only: Option<&str>) -> Result<Outcome> {
    let wanted = |id: &str| only.is_none_or(|o| o == id);
    let all: Vec<&str> = services::rules().map(|r| r.id).collect();
    let rules: Vec<&str> = all.iter().copied().filter(|id| wanted(id)).collect();
    let mut outcome = Outcome {
        skipped: all.len() - rules.len(),
        ..Outcome::default()
    };
    let mut ids: Vec<String> = rules.iter().map(ToString::to_string).collect();
    if !rules.is_empty() || wanted(VECTORS) {
        let alone = Alone::new(&PROCESS)?;
        let said = play(&alone).context("the services on the board")?;
        for id in &rules {
            match said.rules.get(*id).map(String::as_str) {
                Some("ok") => outcome.passed += 1,
                other => {
                    println!("FAIL  {id}: {}", other.unwrap_or("nothing was said"));
                    outcome.failed += 1;
                }
            }
        }
        if wanted(VECTORS) {
            let run = count(&said, &mut outcome);
            outcome
                .counters
                .insert("wycheproof_qemu".into(), run.into());
            ids.extend(vectors::all().filter_map(|v| {
                let kind = vectors::KINDS.get(v.kind)?;
                Some(format!("{kind}/{}", v.number))
            }));
        } else {
            outcome.skipped += vectors::KINDS.len();
        }
    }
    let counters = &mut outcome.counters;
    counters.insert("rules".into(), rules.len().into());
    // Nothing is drawn: the vectors are Wycheproof's, in their order.
    counters.insert("seed".into(), 0.into());
    let ids = ids.iter().map(String::as_str);
    counters.insert("digest".into(), digest(ids).into());
    Ok(outcome.and(cases(&[&answers::CASES, &CASES], only)))
}

/// Counts a kind of vectors as a case; how many vectors were put to the device.
fn count(said: &Said, outcome: &mut Outcome) -> usize {
    for line in &said.failed {
        println!("FAIL  {line}");
    }
    let mut run = 0;
    for (kind, name) in vectors::KINDS.iter().enumerate() {
        let there = vectors::all().filter(|v| v.kind == kind).count();
        let passed = said.passed.get(*name).copied().unwrap_or(0);
        if passed == there {
            println!("ok    {VECTORS} {name}: {there} vectors");
            outcome.passed += 1;
        } else {
            println!("FAIL  {VECTORS} {name}: {passed} of {there} vectors");
            outcome.failed += 1;
        }
        run += passed;
    }
    run + said.failed.len()
}

/// Boots the device and reads what the process says to its end.
fn play(alone: &Alone) -> Result<Said> {
    let device = Device::start(&alone.config)?;
    device.console.wait("services: done", LIMIT)?;
    let mut said = Said {
        rules: BTreeMap::new(),
        passed: BTreeMap::new(),
        failed: Vec::new(),
    };
    for line in device.console.lines() {
        let Some(rest) = line.text.strip_prefix("services: ") else {
            continue;
        };
        if let Some((id, what)) = rest.strip_prefix("rule ").and_then(|r| r.split_once(' ')) {
            said.rules.insert(id.into(), what.into());
        } else if let Some(vector) = rest.strip_prefix("wycheproof ") {
            match vector.split_once(' ').map(|(k, n)| (k, n.parse())) {
                Some((kind, Ok(n))) => drop(said.passed.insert(kind.into(), n)),
                _ => said.failed.push(vector.into()),
            }
        }
    }
    Ok(said)
}

/// The image with TF-M's Medium set boots, keeps every rule of what it has, and has no more.
fn medium_set() -> Result<()> {
    // Keys of RSA are for an image that has it.
    let no_rsa = |item: &Item| match item {
        Item::Key { attributes, .. } => !KeyType(attributes.key_type).is_rsa(),
        _ => true,
    };
    let said = play(&Alone::beside(&PROCESS, &build::medium()?, no_rsa)?)?;
    let beyond = |id: &str| BEYOND_MEDIUM.iter().any(|b| id.starts_with(b));
    let (mut wrong, mut kept) = (Vec::new(), 0);
    for rule in services::rules() {
        let ok = said.rules.get(rule.id).is_some_and(|s| s == "ok");
        kept += usize::from(ok);
        // Not in the set, and yet there (what only asks about states holds without).
        let asks = !rule.id.ends_with("-states") && rule.id != "cipher-can-do";
        if ok == beyond(rule.id) && asks {
            wrong.push(format!("{}: {:?}", rule.id, said.rules.get(rule.id)));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    for (kind, name) in vectors::KINDS.iter().enumerate() {
        let there = vectors::all().filter(|v| v.kind == kind).count();
        let passed = said.passed.get(*name) == Some(&there);
        ensure!(
            passed == OF_MEDIUM.contains(name),
            "{name}: {:?} of {there}",
            said.passed.get(*name)
        );
    }
    println!("      medium-set: {kept} rules");
    Ok(())
}
