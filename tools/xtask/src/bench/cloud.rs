//! What the cloud costs over the link: rates, round trips, latencies, bytes on the wire.
//!
//! Owns the runs behind the rows of area `cloud` that need a network of known delay and loss.
//! Times are the host's; each run has a device, a cloud and a link of its own, with one seed.

use super::watch::Watch;
use crate::demo::blocks;
use crate::system::System;
use crate::test::supervision;
use crate::{counts, paths, sign};
use anyhow::{Context, Result, bail, ensure};
use cloud::OtaFile;
use cloud::jobs::Status;
use link::{Conditions, Direction, Record};
use qemu_harness::{Device, said_by};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(600);

/// What a download did.
#[derive(Debug, Clone, Copy)]
pub struct Download {
    /// Bytes of the image per second, from the first request to the last block.
    pub rate: u64,
    /// MQTT messages of the stream, requests and blocks, per MiB of the image.
    pub messages: u64,
    /// Bytes of all frames, both ways, per KiB of the image.
    pub wire: u64,
    /// Of 1,000 bytes of TCP payload to the device, those that had been sent before.
    pub repeated: u64,
}

/// Downloads the kernel's update over a wire of this round-trip time, milliseconds, and loss, per
/// cent each way from the job's creation on.
///
/// # Errors
/// When a line does not come.
pub fn download(rtt: u64, loss: u32) -> Result<Download> {
    let mut system = System::recording("tockstone-rate")?;
    system.link()?.set_rtt(Duration::from_millis(rtt));
    let device = system.boot()?;
    connected(&device, 0)?;
    // The agent's subscriptions, one after the other, and its question for a job.
    std::thread::sleep(Duration::from_millis(500 + 8 * rtt));
    let watch = Watch::start(system.cloud.broker.plain_port)?;
    let file = paths::build().join("kernel-update_signed.bin");
    let (bytes, signature) = (std::fs::read(&file)?, sign::update_signature(&file)?);
    let size = bytes.len() as u64;
    let (start, before) = (device.console.position(), system.link()?.records().len());
    system.link()?.set_loss(Conditions::percent(loss));
    let files = [OtaFile::rsa("non_secure image", bytes, &signature)];
    let job = system
        .cloud
        .create_ota_update(&system.thing, "rate", &files)?;
    let complete = |l: &str| blocks(l, &job).is_some_and(|(done, total)| done == total);
    let (_, last) = device
        .console
        .wait_from(start, LIMIT, complete, "the last block")?;
    let seen = watch.seen();
    let stream = || seen.iter().filter(|s| s.topic.contains("/streams/"));
    let first = stream().find(|s| s.topic.ends_with("/get/cbor"));
    // It left the device half a round trip before it came to the broker.
    let first = first.context("no block was asked for")?.at - Duration::from_millis(rtt / 2);
    let seconds = (last.at - first).as_secs_f64();
    ensure!(seconds > 0.0, "the download took no time");
    let records = system.link()?.records();
    let new = records.get(before..).unwrap_or_default();
    let during: Vec<&Record> = new
        .iter()
        .filter(|r| r.at >= first && r.at <= last.at)
        .collect();
    let wire: u64 = during.iter().map(|r| r.length as u64).sum();
    Ok(Download {
        rate: (size as f64 / seconds) as u64,
        messages: ((stream().count() as u64) << 20) / size,
        wire: wire * 1024 / size,
        repeated: repeated(&during),
    })
}

/// Thousandths of the payload to the device that lie below what was sent before.
fn repeated(records: &[&Record]) -> u64 {
    let (mut sent, mut again, mut top) = (0, 0, None);
    let down = records.iter().filter(|r| r.direction == Direction::Down);
    for segment in down.filter_map(|r| r.tcp) {
        let end = segment.sequence.wrapping_add(segment.payload as u32);
        let new = end.wrapping_sub(top.unwrap_or(segment.sequence)) as i32;
        let new = u64::try_from(new).unwrap_or(0).min(segment.payload as u64);
        sent += segment.payload as u64;
        again += segment.payload as u64 - new;
        if new > 0 || top.is_none() {
            top = Some(end);
        }
    }
    again * 1000 / sent.max(1)
}

/// Round trips of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Trips {
    /// From the first SYN to the answer to MQTT's CONNECT.
    pub connect: u64,
    /// Behind SYN's, until the TLS handshake was complete.
    pub tls: u64,
}

/// Counts how often what the device says (SYN, or payload) is followed by what it is told.
///
/// # Errors
/// When the device does not connect.
pub fn round_trips(tls12: bool) -> Result<Trips> {
    let mut system = System::recording("tockstone-trips")?;
    if tls12 {
        counts::tls12_only(&mut system)?;
    }
    // So that what belongs together arrives together.
    system.link()?.set_rtt(Duration::from_millis(100));
    let device = system.boot()?;
    let connected = connected(&device, 0)?;
    let version = if tls12 { "TLSv1.2" } else { "TLSv1.3" };
    let secured = device
        .console
        .wait(&format!("net-mqtt: tls {version} "), LIMIT)?
        .at;
    let (mut trips, mut asked) = (Trips { connect: 0, tls: 0 }, false);
    for record in system.link()?.records() {
        let Some(segment) = record.tcp.filter(|_| record.at <= connected) else {
            continue;
        };
        match record.direction {
            Direction::Up => asked |= segment.opens || segment.payload > 0,
            // The answer to SYN carries nothing, and nothing else comes before it.
            Direction::Down if asked && (segment.payload > 0 || trips.connect == 0) => {
                trips.tls += u64::from(trips.connect > 0 && record.at <= secured);
                (trips.connect, asked) = (trips.connect + 1, false);
            }
            Direction::Down => {}
        }
    }
    Ok(trips)
}

/// Median time from the line that says a word to its message at the broker, microseconds.
///
/// # Errors
/// When no words come.
pub fn publish_latency() -> Result<u64> {
    const WORDS: usize = 9;
    let system = System::new("tockstone-latency")?;
    let watch = Watch::start(system.cloud.broker.plain_port)?;
    let device = system.boot()?;
    connected(&device, 0)?;
    // What was heard before the connection stood is published in one go.
    std::thread::sleep(Duration::from_secs(1));
    let topic = format!("{}/ml/inference", system.thing);
    let mut position = device.console.position();
    let mut latencies = Vec::new();
    while latencies.len() < WORDS {
        let word = |l: &str| {
            l.strip_prefix("inference: ")
                .is_some_and(|l| !l.contains(':'))
        };
        let (next, line) = device.console.wait_from(position, LIMIT, word, "a word")?;
        position = next;
        let message = loop {
            // Words are half a second apart and more: the next message is this one's.
            let mut seen = watch.seen().into_iter();
            if let Some(message) = seen.find(|s| s.topic == topic && s.at >= line.at) {
                break message;
            }
            if line.at.elapsed() > LIMIT {
                bail!("`{}` was not published", line.text);
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        latencies.push((message.at - line.at).as_micros() as u64);
    }
    latencies.sort_unstable();
    Ok(latencies[WORDS / 2])
}

/// Time from a reset of the whole device to its session, milliseconds.
///
/// # Errors
/// When it does not come back.
pub fn reset_to_session() -> Result<u64> {
    let system = System::new("tockstone-reset")?;
    let mut device = system.boot()?;
    connected(&device, 0)?;
    std::thread::sleep(Duration::from_secs(1));
    let (position, start) = (device.console.position(), Instant::now());
    device.reset()?;
    Ok((connected(&device, position)? - start).as_millis() as u64)
}

/// Time from the fault of net-mqtt to its session, milliseconds: somebody at the process console
/// lets it fault, the kernel starts it again, the broker says that the session is present, and every
/// label that inference said, before and meanwhile, is at the broker.
///
/// # Errors
/// When the session is another one, or a label is missing.
pub fn crash_to_session() -> Result<u64> {
    let system = System::new("tockstone-crash")?;
    let device = system.boot()?;
    connected(&device, 0)?;
    let deadline = Instant::now() + LIMIT;
    while supervision::came(&system, "ml/inference").is_empty() {
        ensure!(Instant::now() < deadline, "nothing was published");
        std::thread::sleep(Duration::from_millis(50));
    }
    let position = device.console.position();
    device.console.send("\rfault net-mqtt\r")?;
    let faulted = |l: &str| l.contains("net-mqtt now faulted");
    let (position, fault) =
        device
            .console
            .wait_from(position, LIMIT, faulted, "net-mqtt now faulted")?;
    let connected = connected(&device, position)?;
    let resumed = format!("Sending CONNACK to {} (1, 0)", system.thing);
    ensure!(
        system.cloud.broker.log()?.contains(&resumed),
        "the session was not resumed"
    );
    supervision::nothing_is_lost(&system, &device, 2)?;
    Ok((connected - fault.at).as_millis() as u64)
}

/// PSA calls of TLS for application data, in thousandths of a call for each KiB: of what the device
/// received, and of what it sent, in a download.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    pub received: u64,
    pub sent: u64,
    /// All calls of TLS between two requests for diagnostics, for all that passed.
    pub all: u64,
    /// Bytes received and sent.
    pub bytes: (u64, u64),
}

/// Asks the device what it has counted, before and after a download that is refused at its end.
///
/// # Errors
/// When there is no answer, or nothing passed.
pub fn psa_calls() -> Result<Calls> {
    let system = System::new("tockstone-calls")?;
    let device = system.boot()?;
    connected(&device, 0)?;
    let line = format!("{}/diagnostics/request (QoS 1)", system.thing);
    while !system.cloud.broker.log()?.contains(&line) {
        ensure!(device.uptime() < LIMIT, "no subscription to requests");
        std::thread::sleep(Duration::from_millis(50));
    }
    let ask = |digits: &str| {
        let request = format!("{{\"nonce\":\"{}\"}}", digits.repeat(64));
        supervision::ask(&system, request.as_bytes())
    };
    let before = ask("a")?;
    let file = paths::build().join("kernel-update_signed.bin");
    let other = paths::build().join("secure-update_signed.bin");
    let (bytes, signature) = (std::fs::read(&file)?, sign::update_signature(&other)?);
    let files = [OtaFile::rsa("non_secure image", bytes, &signature)];
    let core = system.cloud.core();
    let job = core.create_ota_update(&system.thing, "calls", &files)?;
    system
        .cloud
        .wait_job(&system.thing, &job, LIMIT, |e| e.status == Status::Failed)?;
    let after = ask("b")?;
    let grown = |path: &str| -> Result<u64> {
        let value = |answer: &serde_json::Value| answer["tls"].pointer(path)?.as_u64();
        let (before, after) = value(&before).zip(value(&after)).context("no counters")?;
        after.checked_sub(before).context("a counter went back")
    };
    let per_kib = |calls: u64, bytes: u64| -> Result<u64> {
        ensure!(bytes > 0, "nothing passed");
        Ok(calls * 1000 * 1024 / bytes)
    };
    let (received, sent) = (grown("/received/bytes")?, grown("/sent/bytes")?);
    Ok(Calls {
        received: per_kib(grown("/received/records")?, received)?,
        sent: per_kib(grown("/sent/records")?, sent)?,
        all: per_kib(grown("/secureCalls")?, received + sent)?,
        bytes: (received, sent),
    })
}

fn connected(device: &Device, position: usize) -> Result<Instant> {
    // The prompt of the process console may stand before it.
    let connected =
        |l: &str| said_by("net-mqtt", l).is_some_and(|l| l.starts_with("mqtt connected"));
    let what = "net-mqtt: mqtt connected";
    let (_, line) = device.console.wait_from(position, LIMIT, connected, what)?;
    Ok(line.at)
}
