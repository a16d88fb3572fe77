//! MQTT_Connect*, MQTT_Reconnect*: over real TLS; gaps are what the device waits, whose clock the
//! test moves on instead of waiting.

use crate::Verdict::{self, Pass};
use crate::common::{self, HOST, Pki, Running, THING, free_port, mosquitto};
use crate::endpoint::{Endpoint, now, pause, skip, turn};
use mqtt_ipc::{Qos, Status};
use net_mqtt::backoff::{Backoff, Class};
use std::time::Instant;

/// Retries of a round: AWS wants five or more.
const RETRIES: usize = 7;

pub fn connect() -> Verdict {
    let pki = Pki::new();
    let port = free_port();
    let _broker = mosquitto(&pki, port);
    Running::new(&pki, "ca.crt", HOST, port, 0).expect("mqtt connected", 1);
    Pass("accepted by mosquitto".into())
}

/// Pauses that grow as a full-jitter back-off's do: each in its doubled window, later ones longer.
fn grow(pauses: &[u64]) {
    assert!(pauses.len() >= 5, "{pauses:?}");
    for (number, pause) in pauses.iter().enumerate() {
        // Never two CONNECTs within 1.25 s, so a pause may be that long in a window of one second.
        assert!(
            *pause <= (1_000 << number.min(6)).max(1_250),
            "{number}: {pauses:?}"
        );
    }
    let half = pauses.len() / 2;
    let (early, late): (u64, u64) = (pauses[..half].iter().sum(), pauses[half..].iter().sum());
    // Linear growth would give 2.3 at most.
    assert!(late > 3 * early, "{pauses:?}");
}

/// CONNACK withheld, twice: five retries or more with growing, jittered gaps.
pub fn jitter() -> Verdict {
    let pki = Pki::new();
    let port = free_port();
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 0);
    let (mut rounds, mut first) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        // The second round begins with the pause after the connection that was lost.
        let (mut pauses, mut last) = (first, None);
        while pauses.len() < RETRIES {
            let mut endpoint = Endpoint::open(&pki, port);
            // Only now may the device come: nobody refused it meanwhile.
            skip(&device, pauses.last().copied().unwrap_or(0));
            assert_eq!(endpoint.packet(&mut device)[0], 0x10, "CONNECT");
            let at = now(&device);
            assert!(
                last.is_none_or(|last| at >= last + 1_000),
                "one CONNECT a second"
            );
            last = Some(at);
            skip(&device, 10_000);
            pauses.push(pause(&mut device, "connect failed: CONNACK timed out"));
        }
        grow(&pauses);
        // Then a good connection of over a minute: the next round begins anew.
        let mut endpoint = Endpoint::open(&pki, port);
        skip(&device, pauses.last().copied().unwrap());
        endpoint.accept(&mut device);
        skip(&device, 46_000);
        assert_eq!(endpoint.packet(&mut device), [0xC0, 0], "PINGREQ");
        endpoint.say(&[0xD0, 0]);
        turn(&mut device);
        skip(&device, 16_000);
        turn(&mut device);
        drop(endpoint);
        first = vec![pause(&mut device, "connection lost: ")];
        rounds.push(pauses);
    }
    assert_ne!(rounds[0], rounds[1], "no jitter");
    Pass(format!("2 × {RETRIES} CONNECTs; pauses in ms {rounds:?}"))
}

/// The mean pause doubles with each attempt.
pub fn exponential() -> Verdict {
    const ROUNDS: u64 = 4_000;
    let mut sums = [0u64; 7];
    let mut x = 0x2545_F491_u32;
    for _ in 0..ROUNDS {
        let mut backoff = Backoff::default();
        for sum in &mut sums {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            *sum += u64::from(backoff.next(Class::Passing, 0, x));
        }
    }
    let means = sums.map(|sum| sum / ROUNDS);
    for pair in means.windows(2) {
        let ratio = pair[1] as f64 / pair[0] as f64;
        assert!((1.85..2.15).contains(&ratio), "{means:?}");
    }
    Pass(format!(
        "mean pauses in ms {means:?} over {ROUNDS} outages, jittered: CONNECT gaps as in the case before"
    ))
}

/// After a connection that `ends` in this way, and each one after it: the pauses.
fn reconnects(why: &str, ends: fn(&mut Endpoint)) -> Vec<u64> {
    let pki = Pki::new();
    let port = free_port();
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 0);
    let mut pauses = Vec::new();
    for _ in 0..RETRIES {
        let mut endpoint = Endpoint::open(&pki, port);
        skip(&device, pauses.last().copied().unwrap_or(0));
        endpoint.accept(&mut device);
        device.expect("mqtt connected", 1);
        ends(&mut endpoint);
        if !why.contains("disconnected") {
            drop(endpoint);
        }
        pauses.push(pause(&mut device, why));
    }
    grow(&pauses);
    pauses
}

pub fn server_disconnects() -> Verdict {
    let pauses = reconnects(
        "connection lost: broker disconnected: server shutting down",
        |endpoint| {
            endpoint.say(&[0xE0, 1, 0x8B]);
        },
    );
    Pass(format!(
        "{} reconnections, pauses in ms {pauses:?}",
        pauses.len()
    ))
}

pub fn link_drops() -> Verdict {
    let pauses = reconnects("connection lost: ", |endpoint| {
        // Half a message, and the link is gone.
        endpoint.say(&[0x30, 40, 0, 1, b'x']);
    });
    Pass(format!(
        "{} reconnections, pauses in ms {pauses:?}",
        pauses.len()
    ))
}

pub fn publish() -> Verdict {
    let pki = Pki::new();
    let port = free_port();
    let mut endpoint = Endpoint::open(&pki, port);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 1);
    endpoint.accept(&mut device);
    let topic = format!("{THING}/ml/inference");
    device.ask(0, |client| client.publish(&topic, b"yes", Qos::AtMostOnce));
    let packet = endpoint.packet(&mut device);
    assert!(
        packet[0] == 0x30 && packet.ends_with(b"yes"),
        "{packet:02x?}"
    );
    Pass("PUBLISH at QoS 0 seen".into())
}

pub fn subscribe() -> Verdict {
    let pki = Pki::new();
    let port = free_port();
    let _broker = mosquitto(&pki, port);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 1);
    device.expect("mqtt connected", 1);
    assert_eq!(device.subscribe(0, "thing-1/in"), Status::Ok);
    common::publish(&pki, port, "thing-1/in", b"x", "1");
    let end = Instant::now() + common::LIMIT;
    let message = common::Heard::Message("thing-1/in".into(), b"x".into());
    while device.hear(0) != message {
        assert!(Instant::now() < end);
    }
    Pass("SUBACK from mosquitto, and a message through it".into())
}
