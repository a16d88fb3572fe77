//! Cases of the end-to-end layer about what the device hears.
//!
//! Owns the comparison of device and host: the same ROM must give the same labels in the same
//! order, at the broker and in the host's recogniser, whatever the ROM holds.

use super::Case;
use crate::flash;
use crate::system::System;
use anyhow::{Result, bail};
use inference::{Label, Recogniser, STEP, WINDOW};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(90);

/// The cases.
pub const CASES: [Case; 3] = [
    Case {
        id: "audio-words-as-the-host-hears-them",
        run: words,
    },
    Case {
        id: "audio-swapped-words-swap-the-labels",
        run: swapped,
    },
    Case {
        id: "audio-silence-and-noise-name-no-word",
        run: no_word,
    },
];

/// Labels that the host's recogniser gives for `samples`, played once.
fn on_host(samples: &[i16]) -> Vec<Label> {
    let mut recogniser = Recogniser::new();
    (0..samples.len().saturating_sub(WINDOW))
        .step_by(STEP)
        .filter_map(|at| recogniser.window(samples[at..].first_chunk()?))
        .collect()
}

/// Labels that reach the broker from a device with `samples` in its ROM: `count` of them, or
/// as many as come in `limit`.
fn at_broker(name: &str, samples: &[i16], count: usize, limit: Duration) -> Result<Vec<String>> {
    let system = System::new(name)?;
    flash::audio(&system.flash, samples)?;
    let device = system.boot()?;
    device.console.wait("net-mqtt: mqtt connected", LIMIT)?;
    let topic = format!("{name}/ml/inference");
    let deadline = Instant::now() + limit;
    loop {
        let labels: Vec<String> = system
            .cloud
            .messages()
            .iter()
            .filter(|m| m.topic == topic)
            .map(|m| String::from_utf8_lossy(&m.payload).into_owned())
            .collect();
        if labels.len() >= count || Instant::now() > deadline {
            return Ok(labels.into_iter().take(count).collect());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn same(name: &str, samples: &[i16]) -> Result<Vec<String>> {
    let expected: Vec<String> = on_host(samples)
        .iter()
        .map(|l| l.text().to_owned())
        .collect();
    let seen = at_broker(name, samples, expected.len(), LIMIT)?;
    if seen != expected {
        bail!("the broker got {seen:?}, the host hears {expected:?}");
    }
    Ok(seen)
}

fn clip(words: &[(&str, &str)]) -> Result<Vec<i16>> {
    let mut samples = clips::silence(1.0);
    for (voice, word) in words {
        samples.extend(clips::speak(voice, word)?);
    }
    samples.extend(clips::silence(2.0));
    Ok(samples)
}

fn words() -> Result<()> {
    let samples = clip(&[
        ("en-us", "yes"),
        ("en-us+f3", "no"),
        ("en-gb-scotland", "yes"),
    ])?;
    let labels = same("audio-words", &samples)?;
    if !labels.contains(&"yes".to_owned()) || !labels.contains(&"no".to_owned()) {
        bail!("neither word may be missing: {labels:?}");
    }
    Ok(())
}

fn swapped() -> Result<()> {
    let word = |list: &[String]| list.iter().find(|l| *l != "silence").cloned();
    let one = same("audio-order", &clip(&[("en-us", "yes"), ("en-us", "no")])?)?;
    let other = same(
        "audio-swapped",
        &clip(&[("en-us", "no"), ("en-us", "yes")])?,
    )?;
    match (word(&one).as_deref(), word(&other).as_deref()) {
        (Some("yes"), Some("no")) => Ok(()),
        found => bail!("first words {found:?}"),
    }
}

fn no_word() -> Result<()> {
    let mut samples = clips::silence(2.0);
    samples.extend(clips::noise(3.0, 8_000, 7));
    let labels = at_broker("audio-noise", &samples, 6, Duration::from_secs(12))?;
    if labels.iter().any(|l| l == "yes" || l == "no") {
        bail!("a word was heard in silence and noise: {labels:?}");
    }
    Ok(())
}
