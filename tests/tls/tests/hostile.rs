//! Hostile handshakes: one server that lies in one way each, the device's client against it.
//!
//! Each case runs at least twice on the same device, with a good connection after each. It must end
//! in its named error; nothing of it may stay: no PSA key or operation, and not one byte of heap
//! (a leak would show each time; the harness's own buffers grow once, when packets arrive together).

#[path = "../../../apps/net-mqtt/tests/common/mod.rs"]
mod common;

use common::{HOST, Pki, Running};
use std::sync::{Arc, Mutex};
use tls_hostile::certificates::{faulty, sign};
use tls_hostile::server::Step::*;
use tls_hostile::server::{
    ALERT, CCS, DATA, HANDSHAKE, Hook, Order, Server, Step, Version, extension, handshake, listen,
    record, vector,
};

const DAY: i64 = 86_400;
/// How often a case may run before it must have left nothing.
const ROUNDS: usize = 4;

/// One lie and its name.
struct Case {
    id: &'static str,
    version: Version,
    /// Chain to present; "good" is the honest one.
    chain: &'static str,
    /// Moves the device's wall clock, days.
    days: i64,
    hook: Hook,
    /// What the device must say, after "connect failed: ".
    why: &'static str,
}

fn honest(_: &mut Server, _: Step) {}

const fn chain(id: &'static str, why: &'static str) -> Case {
    Case {
        id,
        version: Version::V13,
        chain: id,
        days: 0,
        hook: honest,
        why,
    }
}

const fn v13(id: &'static str, hook: Hook, why: &'static str) -> Case {
    Case {
        id,
        version: Version::V13,
        chain: "good",
        days: 0,
        hook,
        why,
    }
}

const fn v12(id: &'static str, hook: Hook, why: &'static str) -> Case {
    Case {
        version: Version::V12,
        ..v13(id, hook, why)
    }
}

/// Ends the connection before the given step.
macro_rules! close_at {
    ($step:expr) => {
        |s, step| s.stop |= step == $step
    };
}

/// At one step, does something.
macro_rules! at {
    ($step:expr, $s:ident => $what:expr) => {
        |$s, step| {
            if step == $step {
                $what;
            }
        }
    };
}

/// Replaces the ServerHello of TLS 1.3 by one with these extensions.
macro_rules! hello13 {
    ($s:ident => $extensions:expr) => {
        |$s, step| {
            if step == ServerHello {
                $s.message = $s.server_hello(0x1301, &$extensions);
            }
        }
    };
}

fn key_share(s: &Server) -> Vec<u8> {
    Server::hello13(23, &s.share())
}

#[path = "hostile_cases/table.rs"]
mod table;
use table::{CASES, LEGAL};

/// Runs until a connection has failed; why. Skips the back-off, and, when nothing happens any
/// more, the time limits.
fn outcome(device: &mut Running) -> String {
    for _ in 0..8 {
        let failed = device.run(1, |it| {
            it.bench().count("connect failed: ") + it.bench().count("connection lost: ") > 0
        });
        if failed {
            let lines = std::mem::take(&mut *device.bench().lines.borrow_mut());
            let line = lines.iter().find(|line| line.contains("retry in"));
            skip(device, 300);
            return line.cloned().unwrap_or_default();
        }
        skip(device, 25);
    }
    format!("nothing: {:?}", device.bench().lines.borrow())
}

fn skip(device: &Running, seconds: u64) {
    let skipped = &device.bench().skipped_us;
    skipped.set(skipped.get() + seconds * 1_000_000);
}

/// A good connection: whether the handshake was complete before the server hung up.
fn good(device: &mut Running) -> bool {
    let up = device.run(10, |it| it.bench().count("net-mqtt: tls TLSv1.") > 0);
    outcome(device);
    up
}

fn after_handshake(s: &mut Server, step: Step) {
    if step == Established {
        s.stop = true;
    }
}

#[test]
fn every_lie_is_named_and_leaves_nothing_behind() {
    let pki = Pki::new();
    let scalar = pki.scalar("server");
    let good_chain = vec![tls_hostile::certificates::der(&pki.dir, "server")];
    let mut chains = faulty(&pki.dir, HOST);
    chains.push(("good", good_chain.clone()));
    let order = |version, chain: &str, hook| Order {
        version,
        chain: chains
            .iter()
            .find(|(name, _)| *name == chain)
            .unwrap()
            .1
            .clone(),
        key: scalar,
        hook,
    };
    let current = Arc::new(Mutex::new(order(Version::V13, "good", after_handshake)));
    let port = listen(current.clone());
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 0);
    assert!(good(&mut device), "no first connection");
    assert_eq!(device.crypto.in_use(), (0, 0));

    let only = std::env::var("TLS_CASE").ok();
    let mut wrong = Vec::new();
    let mut ran = 0;
    for case in CASES
        .iter()
        .filter(|case| only.as_deref().is_none_or(|id| id == case.id))
    {
        let mut said = String::with_capacity(1024);
        for round in 0..ROUNDS {
            let mut connected = false;
            let heap = allocation_counter::measure(|| {
                *current.lock().unwrap() = order(case.version, case.chain, case.hook);
                device.bench().wall_offset.set(case.days * DAY);
                said.clear();
                said.push_str(&outcome(&mut device));
                device.bench().wall_offset.set(0);
                *current.lock().unwrap() = order(case.version, "good", after_handshake);
                connected = good(&mut device);
            });
            // The order in `current` is of the same size before and after.
            if !connected {
                wrong.push(format!("{}: no good connection afterwards", case.id));
            }
            if device.crypto.in_use() != (0, 0) {
                wrong.push(format!("{}: holds {:?}", case.id, device.crypto.in_use()));
            }
            if round > 0 && heap.bytes_current <= 0 {
                break;
            }
            if round + 1 == ROUNDS {
                wrong.push(format!("{}: {} bytes of heap", case.id, heap.bytes_current));
            }
        }
        let why = said
            .split_once("connect failed: ")
            .map_or(&said[..], |(_, why)| why);
        println!(
            "{}: {}",
            case.id,
            why.rsplit_once(", retry").map_or(why, |(why, _)| why)
        );
        if case.why.is_empty() || !why.starts_with(case.why) {
            wrong.push(format!("{}: says {why:?}, not {:?}", case.id, case.why));
        }
        ran += 1;
    }
    println!("{ran} hostile handshakes, each named, without leaks, followed by a good one");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(only.is_some() || ran >= 50);
}

/// A leak would show: the counters are live.
#[test]
fn the_counters_count() {
    let heap = allocation_counter::measure(|| std::mem::forget(vec![0u8; 100]));
    assert_eq!(heap.bytes_current, 100);
    let mut ids: Vec<_> = CASES.iter().map(|case| case.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CASES.len(), "ids are unique");
}

/// What sounds hostile and is not: it must connect.
#[test]
fn odd_but_legal() {
    let pki = Pki::new();
    let scalar = pki.scalar("server");
    // As AWS names its servers, and calls them.
    let wildcard = "basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:*.iot.broker.test\n";
    let chain = vec![sign(&pki.dir, "wildcard", "server", "ca", wildcard, &[])];
    let current = Arc::new(Mutex::new(Order {
        version: Version::V13,
        chain: chain.clone(),
        key: scalar,
        hook: after_handshake,
    }));
    let port = listen(current.clone());
    let host = "a1b2c3-ats.iot.broker.test";
    let mut device = Running::new(&pki, "ca.crt", host, port, 0);
    for (id, version, hook) in LEGAL {
        *current.lock().unwrap() = Order {
            version: *version,
            chain: chain.clone(),
            key: scalar,
            hook: *hook,
        };
        device.bench().lines.borrow_mut().clear();
        let up = device.run(10, |it| it.bench().count("net-mqtt: tls TLSv1.") > 0);
        assert!(up, "{id}: {:?}", device.bench().lines.borrow());
        let why = outcome(&mut device);
        // What MQTT makes of it is not TLS's business.
        let tls = ["TLS", "server certificate", "decrypt", "alert", "PSA"];
        assert!(!tls.iter().any(|word| why.contains(word)), "{id}: {why}");
        assert_eq!(device.crypto.in_use(), (0, 0), "{id}");
        println!("{id}: connected");
    }
}
