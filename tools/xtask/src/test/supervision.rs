//! The end-to-end layer's crashes: what restarts, what is not lost, what the cloud hears of it.
//!
//! Owns the cases in which a process faults or misbehaves on a device that works, and how the labels
//! that inference says are found again at the broker: in order, none missing, one perhaps twice (QoS
//! 1 is at least once).

use super::Case;
use super::kills::consoles;
use crate::alone::Process;
use crate::build::{FACTORY, World, firmware};
use crate::system::System;
use crate::{apps, attest, paths, setup};
use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qemu_harness::{Device, said_by};
use serde_json::Value;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(90);

/// The cases.
pub const CASES: [Case; 5] = [
    Case {
        id: "crash-of-net-mqtt",
        run: crash_of_net_mqtt,
    },
    Case {
        id: "crash-of-inference",
        run: crash_of_inference,
    },
    Case {
        id: "crash-reports-outlive-a-reset",
        run: reports_outlive_a_reset,
    },
    Case {
        id: "diagnostics-attested",
        run: diagnostics_attested,
    },
    Case {
        id: "mqtt-flooding-client",
        run: flooding_client,
    },
];

/// `tests/apps/flood`.
const FLOOD: Process = Process {
    package: "flood",
    short_id: 0xF100,
    flash_size: 0x8000,
    ram_size: 0x8000,
};

/// Labels that inference said on the console, all of them so far.
fn said(device: &Device) -> Vec<String> {
    let lines = device.console.lines();
    let labels = lines.iter().filter_map(|line| {
        let label = said_by("inference", &line.text)?;
        (!label.contains(' ')).then(|| label.to_owned())
    });
    labels.collect()
}

/// Payloads that came on `<thing>/<rest>`.
pub fn came(system: &System, rest: &str) -> Vec<String> {
    let topic = format!("{}/{rest}", system.thing);
    let messages = system.cloud.messages().into_iter();
    let ours = messages.filter(|m| m.topic == topic);
    ours.map(|m| String::from_utf8_lossy(&m.payload).into_owned())
        .collect()
}

/// Waits until what was said up to now, and `more` labels behind it, has come to the broker.
///
/// # Errors
/// Names the first label that is missing.
pub fn nothing_is_lost(system: &System, device: &Device, more: usize) -> Result<()> {
    let wanted = said(device).len() + more;
    let deadline = Instant::now() + LIMIT;
    loop {
        let (said, published) = (said(device), came(system, "ml/inference"));
        let mut behind = published.iter();
        let missing = said
            .iter()
            .take(wanted)
            .position(|label| !behind.any(|p| p == label));
        if said.len() >= wanted && missing.is_none() && published.len() >= wanted {
            break;
        }
        if Instant::now() > deadline {
            bail!("label {missing:?} of {said:?} is missing in {published:?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let lines = device.console.lines();
    let given_up = lines.iter().find(|l| l.text.contains("not published"));
    ensure!(given_up.is_none(), "{given_up:?}");
    Ok(())
}

/// The first crash report that `wanted` accepts.
fn report(system: &System, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let all = came(system, "crash");
        for text in &all {
            let report: Value = serde_json::from_str(text).with_context(|| text.clone())?;
            if wanted(&report) {
                return Ok(report);
            }
        }
        if Instant::now() > deadline {
            bail!("no crash report of {what}, but {all:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What every report of a process of the factory's images says.
fn is_of_the_factory(report: &Value) -> Result<()> {
    let version = format!("{FACTORY}+0");
    for image in ["secure", "nonSecure"] {
        ensure!(report["versions"][image] == *version, "{report}");
    }
    ensure!(report["versions"]["app"] == 1, "{report}");
    if !paths::map()?.rtc {
        ensure!(report["time"].is_null(), "{report}");
        return Ok(());
    }
    let now = std::time::UNIX_EPOCH.elapsed()?.as_secs();
    let time = report["time"].as_u64().context("no time")?;
    ensure!(time.abs_diff(now) < 300, "{time} is not {now}");
    Ok(())
}

fn connected(line: &str) -> bool {
    said_by("net-mqtt", line).is_some_and(|l| l.starts_with("mqtt connected"))
}

/// The broker's lines with `what` and the thing's name so far.
fn at_broker(system: &System, what: &str) -> Result<usize> {
    let line = format!("{what} {}", system.thing);
    Ok(system.cloud.broker.log()?.matches(&line).count())
}

/// Somebody at the process console ends net-mqtt: its next life resumes the session, messages at
/// QoS 1 of both directions get through, and its own report arrives.
fn crash_of_net_mqtt() -> Result<()> {
    let system = System::new("e2e-crash-net")?;
    let device = system.boot()?;
    let console = &device.console;
    console.wait_from(0, LIMIT, connected, "connection")?;
    let inference = "ml/inference";
    while came(&system, inference).is_empty() {
        std::thread::sleep(Duration::from_millis(50));
        ensure!(device.uptime() < LIMIT, "nothing was published");
    }
    // The agent's topics.
    std::thread::sleep(Duration::from_secs(2));
    let acknowledged = at_broker(&system, "Received PUBACK from")?;
    let position = console.position();
    console.send("\rfault net-mqtt\r")?;
    console.wait_from(
        position,
        LIMIT,
        |l| l.contains("net-mqtt now faulted"),
        "fault",
    )?;
    let topic = format!("$aws/things/{}/jobs/notify-next", system.thing);
    system.cloud.core().publish(&topic, b"{}", 1, false)?;
    console.wait_from(position, LIMIT, connected, "connection again")?;
    let found = report(&system, "net-mqtt", |r| r["process"] == "net-mqtt")?;
    is_of_the_factory(&found)?;
    ensure!(
        found["reason"] == "asked for" && found["restarts"] == 0 && found["restartInMs"] == 10,
        "{found}"
    );
    let resumed = format!("Sending CONNACK to {} (1, 0)", system.thing);
    ensure!(
        system.cloud.broker.log()?.contains(&resumed),
        "the session was not resumed"
    );
    nothing_is_lost(&system, &device, 4)?;
    let now = at_broker(&system, "Received PUBACK from")?;
    ensure!(now > acknowledged, "the message to the agent was not taken");
    Ok(())
}

/// The connection does not notice; the label that comes after the restart is published, too.
fn crash_of_inference() -> Result<()> {
    let system = System::new("e2e-crash-app")?;
    let device = system.boot()?;
    let console = &device.console;
    console.wait_from(0, LIMIT, connected, "connection")?;
    for restarts in 0..2 {
        let position = console.position();
        console.send("\rfault inference\r")?;
        let faulted = |l: &str| l.contains("inference now faulted");
        console.wait_from(position, LIMIT, faulted, "fault")?;
        let found = report(&system, "inference", |r| {
            r["process"] == "inference" && r["restarts"] == restarts
        })?;
        is_of_the_factory(&found)?;
        // Twice as long each time.
        ensure!(found["restartInMs"] == 10 << restarts, "{found}");
        let published = came(&system, "ml/inference").len();
        let deadline = Instant::now() + LIMIT;
        while came(&system, "ml/inference").len() < published + 2 {
            ensure!(Instant::now() < deadline, "inference publishes nothing");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let lines = device.console.lines();
    let connections = lines.iter().filter(|l| connected(&l.text)).count();
    ensure!(connections == 1, "{connections} connections");
    Ok(())
}

/// A process that reads the kernel's memory faults until the kernel has enough of it, while there is
/// no network; then the device is reset. The reports of before the reset arrive with what the core
/// said, those of after it too.
fn reports_outlive_a_reset() -> Result<()> {
    let system = System::new("e2e-crash-reset")?;
    let attacker = "read_kernel_ram";
    super::hostile::install_guest(&system.flash, &system.map, attacker)?;
    system.link()?.set_down(true);
    let mut device = system.boot()?;
    let stopped = |l: &str| l.contains(attacker) && l.ends_with("; stopped");
    let (next, _) = device
        .console
        .wait_from(0, LIMIT, stopped, "its last fault")?;
    // The line comes first, then the report.
    std::thread::sleep(Duration::from_secs(1));
    device.reset()?;
    device
        .console
        .wait_from(next, LIMIT, stopped, "its last fault after the reset")?;
    system.link()?.set_down(false);
    let base = system
        .map
        .region("kernel-ram")
        .map_err(|e| anyhow!(e))?
        .base;
    let mut numbers = Vec::new();
    for before_reset in [true, false] {
        let found = report(&system, attacker, |r| {
            r["process"] == attacker
                && r["beforeReset"] == before_reset
                && r["restartInMs"] == Value::Null
        })?;
        is_of_the_factory(&found)?;
        let registers = &found["registers"];
        // DACCVIOL and MMARVALID.
        ensure!(registers["cfsr"] == "0x00000082", "{found}");
        ensure!(registers["mmfar"] == format!("0x{base:08x}"), "{found}");
        for register in ["pc", "lr", "sp"] {
            ensure!(registers[register] != "0x00000000", "{found}");
        }
        ensure!(found["restarts"] == 4, "{found}");
        // Ten reports, eight places.
        ensure!(found["lost"] == 2, "{found}");
        numbers.push(found["report"].as_u64());
    }
    ensure!(numbers[0] < numbers[1], "numbers {numbers:?}");
    Ok(())
}

/// The answer to what is asked next on `<thing>/diagnostics/request`.
///
/// # Errors
/// When none comes.
pub fn ask(system: &System, request: &[u8]) -> Result<Value> {
    let before = came(system, "diagnostics").len();
    let topic = format!("{}/diagnostics/request", system.thing);
    system.cloud.core().publish(&topic, request, 1, false)?;
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(text) = came(system, "diagnostics").get(before) {
            return serde_json::from_str(text).with_context(|| text.clone());
        }
        ensure!(Instant::now() < deadline, "no answer to {request:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The cloud asks, the answer's token is believed for that nonce and no other, and names the images
/// that were flashed; what is no request is refused by name.
fn diagnostics_attested() -> Result<()> {
    let system = System::new("e2e-diagnostics")?;
    let device = system.boot()?;
    device
        .console
        .wait_from(0, LIMIT, connected, "connection")?;
    let subscribed = format!("{}/diagnostics/request (QoS 1)", system.thing);
    while !system.cloud.broker.log()?.contains(&subscribed) {
        ensure!(device.uptime() < LIMIT, "no subscription to requests");
        std::thread::sleep(Duration::from_millis(50));
    }
    for size in [32u8, 48, 64] {
        let nonce: Vec<u8> = (0..size).map(|i| i ^ size).collect();
        let digits = attestation_verifier::hex(&nonce);
        let answer = ask(&system, format!("{{\"nonce\":\"{digits}\"}}").as_bytes())?;
        ensure!(answer["nonce"] == digits, "{answer}");
        let token = STANDARD.decode(answer["attestation"].as_str().unwrap_or_default())?;
        let key = &system.attestation_key;
        let claims = attestation_verifier::verify(&token, &nonce, key)?;
        attest::compare(&claims)?;
        let other = attestation_verifier::verify(&token, &[7; 32], key);
        ensure!(
            other == Err(attestation_verifier::Refused::Nonce),
            "another nonce: {other:?}"
        );
        let processes = answer["processes"].as_array().context("no processes")?;
        for name in ["net-mqtt", "inference", "ota-agent"] {
            let process = processes.iter().find(|p| p["name"] == name);
            let process = process.with_context(|| format!("no {name} in {answer}"))?;
            ensure!(process["restarts"] == 0, "{process}");
            ensure!(process["stackUsed"].as_u64() > Some(0), "{process}");
        }
        ensure!(answer["mqtt"]["connections"] == 1, "{answer}");
        ensure!(answer["tls"]["handshakes"] == 1, "{answer}");
        ensure!(answer["ota"]["nonSecure"]["state"] == "ready", "{answer}");
        ensure!(answer["memory"]["heapPeak"].as_u64() > Some(0), "{answer}");
        if size == 32 {
            println!(
                "      {} bytes: {}",
                answer.to_string().len(),
                answer["memory"]
            );
        }
    }
    let long = format!("{{\"nonce\":\"{}\"}}", "00".repeat(200));
    for (request, name) in [
        (long.as_str(), "OversizeRequest"),
        ("{}", "MalformedRequest"),
        ("{\"nonce\":12}", "MalformedRequest"),
        ("{\"nonce\":\"0011\"}", "InvalidNonceSize"),
    ] {
        let answer = ask(&system, request.as_bytes())?;
        ensure!(answer["error"] == name, "{request}: {answer}");
        ensure!(answer.get("attestation").is_none(), "{answer}");
        let line = format!("request for diagnostics refused: {name}");
        device.console.wait(&line, LIMIT)?;
    }
    Ok(())
}

/// A client that asks without end hurts itself alone: it is told to wait, and what inference says is
/// at the broker as before.
fn flooding_client() -> Result<()> {
    let system = System::new("e2e-flood")?;
    let (toolchain, _) = setup::everything()?;
    let elf = firmware(&toolchain, World::NonSecure, FLOOD.package, &[])?;
    let base = |name: &str| {
        system
            .map
            .region(name)
            .map_err(|e| anyhow!(e))
            .map(|r| r.base)
    };
    let row = (base("flash-pool")?, base("ram-pool")?, FLOOD.ram_size);
    let tbf = apps::pack(&system.map, FLOOD.package, FLOOD.short_id, &elf, row)?;
    system.flash.write("flash-pool", 0, &std::fs::read(tbf)?)?;
    let device = system.boot()?;
    let console = &device.console;
    let (next, _) = console.wait_from(0, LIMIT, connected, "connection")?;
    let counts = |line: &str| -> Option<[u64; 3]> {
        let mut words = line.strip_prefix("flood: ")?.split(' ').step_by(2);
        let mut count = || words.next()?.parse().ok();
        Some([count()?, count()?, count()?])
    };
    let floods = |l: &str| {
        counts(l).is_some_and(|[acknowledged, ..]| acknowledged > 0) || l.contains(" faulted: ")
    };
    let flood = console.wait_from(0, LIMIT, floods, "a flood");
    let (_, line) = flood.with_context(|| consoles(&device))?;
    ensure!(counts(&line.text).is_some(), "{}", line.text);
    nothing_is_lost(&system, &device, 8)?;
    let lines = console.lines();
    let last = lines.iter().rev().find_map(|l| counts(&l.text));
    let [acknowledged, busy, other] = last.context("no counts")?;
    println!("      flood: {acknowledged} acknowledged, {busy} busy, {other} other");
    ensure!(busy > acknowledged, "it was never told to wait");
    let trouble = lines[next..]
        .iter()
        .find(|l| l.text.contains("connection lost") || l.text.contains("faulted"));
    ensure!(trouble.is_none(), "{trouble:?}");
    Ok(())
}
