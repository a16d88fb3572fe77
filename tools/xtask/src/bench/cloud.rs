//! What the cloud costs over the link: rates, round trips, latencies, bytes on the wire.
//!
//! Owns the runs behind the rows of area `cloud` that need a network of known delay and loss.
//! Times are the host's; each run has a device, a cloud and a link of its own, with one seed.

use super::watch::Watch;
use crate::demo::blocks;
use crate::system::System;
use crate::{paths, sign};
use anyhow::{Context, Result, bail, ensure};
use cloud::OtaFile;
use link::{Conditions, Direction, Record};
use qemu_harness::Device;
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

/// Round trips from the first SYN to the answer to MQTT's CONNECT: how often what the device says
/// (SYN, or payload) is followed by what it is told.
///
/// # Errors
/// When the device does not connect.
pub fn round_trips() -> Result<u64> {
    let system = System::recording("tockstone-trips")?;
    // So that what belongs together arrives together.
    system.link()?.set_rtt(Duration::from_millis(100));
    let device = system.boot()?;
    let connected = connected(&device, 0)?;
    let (mut trips, mut asked) = (0, false);
    for record in system.link()?.records() {
        let Some(segment) = record.tcp.filter(|_| record.at <= connected) else {
            continue;
        };
        match record.direction {
            Direction::Up => asked |= segment.opens || segment.payload > 0,
            // The answer to SYN carries nothing, and nothing else comes before it.
            Direction::Down if asked && (segment.payload > 0 || trips == 0) => {
                (trips, asked) = (trips + 1, false);
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

fn connected(device: &Device, position: usize) -> Result<Instant> {
    let connected = |l: &str| l.starts_with("net-mqtt: mqtt connected");
    let what = "net-mqtt: mqtt connected";
    let (_, line) = device.console.wait_from(position, LIMIT, connected, what)?;
    Ok(line.at)
}
