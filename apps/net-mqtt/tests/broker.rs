//! The whole device library against a real mosquitto with mutual TLS, as an observer apart sees it.

mod common;

use common::{
    HOST, Heard, LIMIT, Pki, Running, THING, free_port, mosquitto, persistent_mosquitto, publish,
    subscribe,
};
use mqtt_ipc::{Qos, Status};
use std::time::{Duration, Instant};

/// Reads an observer's log until it has `text`.
fn observed(log: &std::path::Path, text: &str) {
    let end = Instant::now() + LIMIT;
    while !std::fs::read_to_string(log).unwrap().contains(text) {
        assert!(Instant::now() < end, "{text:?} not observed");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the broker on `port` has said.
fn log(pki: &Pki, port: u16) -> String {
    std::fs::read_to_string(pki.dir.join(format!("mosquitto-{port}.log"))).unwrap()
}

#[test]
fn connects_publishes_and_receives() {
    let pki = Pki::new();
    let port = free_port();
    let _broker = mosquitto(&pki, port);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 2);
    device.expect("mqtt connected", 1);
    let lines = device.bench().lines.borrow().clone();
    assert_eq!(
        lines[..3],
        [
            "net-mqtt: dhcp 127.0.0.1".to_string(),
            "net-mqtt: tls TLSv1.3 TLS13_CHACHA20_POLY1305_SHA256, key in SPE (id 1)".to_string(),
            format!("net-mqtt: mqtt connected as {THING}"),
        ]
    );
    assert_eq!(device.hear(0), Heard::Result(1, Status::Ok), "the opening");
    assert_eq!(device.hear(0), Heard::State(true));

    let (_observer, log) = subscribe(&pki, port, "thing-1/#");
    assert_eq!(
        device.publish(0, "thing-1/ml/inference", b"yes", Qos::AtLeastOnce),
        Status::Ok
    );
    assert_eq!(
        device.publish(0, "thing-1/raw", b"unacknowledged", Qos::AtMostOnce),
        Status::Ok
    );
    observed(&log, "thing-1/ml/inference yes");
    observed(&log, "thing-1/raw unacknowledged");

    // A stream block for one client only; the largest payload there is.
    assert_eq!(
        device.subscribe(1, "$aws/things/thing-1/streams/+/data/cbor"),
        Status::Ok
    );
    let block: Vec<u8> = (0..6144u32).map(|i| (i * 7 % 251) as u8).collect();
    for len in [4096, 6144, 0] {
        publish(
            &pki,
            port,
            "$aws/things/thing-1/streams/s1/data/cbor",
            &block[..len],
            "0",
        );
        // This client may not have been told of the connection yet when its block comes.
        let heard = loop {
            match device.hear(1) {
                Heard::State(_) => {}
                heard => break heard,
            }
        };
        let expected = Heard::Message(
            "$aws/things/thing-1/streams/s1/data/cbor".into(),
            block[..len].into(),
        );
        assert!(heard == expected, "block of {len} bytes");
    }
    assert_eq!(device.take(0), None);

    // Unsubscribed is unsubscribed.
    let seq = device.ask(1, |client| {
        client.unsubscribe("$aws/things/thing-1/streams/+/data/cbor")
    });
    assert_eq!(device.result(1, seq).0, Status::Ok);
    publish(
        &pki,
        port,
        "$aws/things/thing-1/streams/s1/data/cbor",
        b"late",
        "1",
    );
    device.run(1, |_| false);
    assert_eq!(device.take(1), None);
}

/// Every PSA key and operation that a connection made is given back, also when it breaks.
#[test]
fn nothing_leaks_in_the_secure_world() {
    let pki = Pki::new();
    let port = free_port();
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 1);
    assert_eq!(device.crypto.in_use(), (0, 0));
    for round in 1..=3 {
        let broker = mosquitto(&pki, port);
        device.expect("mqtt connected", round);
        let (keys, operations) = device.crypto.in_use();
        assert!((2..=6).contains(&keys), "{keys} keys while connected");
        assert_eq!(operations, 0, "while connected");
        drop(broker);
        device.expect("connection lost", round);
        assert_eq!(device.crypto.in_use(), (0, 0), "after the connection");
    }
}

/// The broker goes away and comes back: back-off grows, subscriptions are made again.
#[test]
fn broker_away_and_back() {
    let pki = Pki::new();
    let port = free_port();
    let broker = mosquitto(&pki, port);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 1);
    device.expect("mqtt connected", 1);
    assert_eq!(device.subscribe(0, "thing-1/in"), Status::Ok);
    drop(broker);
    device.expect("connection lost: ", 1);
    device.run(60, |it| it.take(0) == Some(Heard::State(false)));
    assert_eq!(
        device.publish(0, "thing-1/x", b"", Qos::AtLeastOnce),
        Status::Offline
    );

    // Skip the waiting: the delays are what counts.
    for times in 1..=8 {
        device
            .bench()
            .skipped_us
            .set(device.bench().skipped_us.get() + 64_000_000);
        device.expect("connect failed: connection refused, retry in ", times);
        // Alive, as every client shows now and then.
        let seq = device.ask(0, |client| client.query());
        assert_eq!(device.result(0, seq).0, Status::Ok);
    }
    let delays: Vec<u32> = device
        .bench()
        .lines
        .borrow()
        .iter()
        .filter_map(|line| {
            line.split("retry in ")
                .nth(1)?
                .strip_suffix(" ms")?
                .parse()
                .ok()
        })
        .collect();
    for (number, delay) in delays.iter().enumerate() {
        // However small the window: the next CONNECT is a second after the last.
        assert!(*delay <= (1000 << number.min(6)).max(1250), "{delays:?}");
    }
    assert!(
        delays.iter().any(|delay| *delay > 4000),
        "windows never grew: {delays:?}"
    );

    let _broker = mosquitto(&pki, port);
    device
        .bench()
        .skipped_us
        .set(device.bench().skipped_us.get() + 64_000_000);
    device.expect("mqtt connected", 2);
    // A fresh broker knows nothing of us: the filter must come again without being asked.
    let again = || log(&pki, port).contains("thing-1/in (QoS");
    assert!(device.run(60, |_| again()), "{}", log(&pki, port));
    publish(&pki, port, "thing-1/in", b"again", "1");
    let mut heard = Vec::new();
    device.run(60, |it| {
        heard.extend(it.take(0));
        heard.contains(&Heard::Message("thing-1/in".into(), b"again".into()))
    });
    assert!(
        heard.contains(&Heard::Message("thing-1/in".into(), b"again".into())),
        "{heard:?}"
    );
}

/// A client that does not read loses messages after a while, and does not stop the others; it is
/// told, and served again.
#[test]
fn a_sleeping_client_is_not_waited_for() {
    let pki = Pki::new();
    let port = free_port();
    let _broker = mosquitto(&pki, port);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 2);
    device.expect("mqtt connected", 1);
    assert_eq!(device.subscribe(0, "t/#"), Status::Ok);
    assert_eq!(device.subscribe(1, "t/#"), Status::Ok);
    for number in 0..20u8 {
        publish(&pki, port, "t/1", &[number], "1");
        let mut heard = None;
        device.run(60, |it| {
            heard = it.take(1);
            matches!(heard, Some(Heard::Message(..)))
        });
        assert_eq!(heard, Some(Heard::Message("t/1".into(), vec![number])));
    }
    let dropped = device.device.service().borrow().dropped();
    assert!(dropped >= 10, "{dropped}");
    let mut missed = 0;
    device.run(60, |it| {
        if let Some(Heard::Missed(count)) = it.take(0) {
            missed = count;
        }
        missed > 0
    });
    assert_eq!(u32::from(missed), dropped);
    publish(&pki, port, "t/1", b"new", "1");
    while device.hear(0) != Heard::Message("t/1".into(), b"new".into()) {}
}

/// More requests than the queues hold: each is answered, BUSY shows at the mailbox, nothing is
/// lost without a word.
#[test]
fn a_flood_is_answered_to_the_last() {
    let pki = Pki::new();
    let port = free_port();
    let _broker = mosquitto(&pki, port);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 1);
    device.expect("mqtt connected", 1);
    let (_observer, log) = subscribe(&pki, port, "flood/#");
    let (mut busy, mut asked) = (0, 0u32);
    let mut results = Vec::new();
    let end = Instant::now() + LIMIT;
    // The opening is answered too.
    while results.len() < 101 && Instant::now() < end {
        if asked < 100 {
            let payload = vec![b'a' + (asked % 26) as u8; 1500];
            match device.clients[0].publish(&format!("flood/{asked}"), &payload, Qos::AtLeastOnce) {
                Ok(_) => asked += 1,
                Err(mqtt_ipc::Error::Busy) => busy += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        let mut heard = None;
        device.run(1, |it| {
            heard = it.take(0);
            true
        });
        if let Some(Heard::Result(seq, status)) = heard {
            results.push((seq, status));
        }
    }
    results.sort_by_key(|(seq, _)| *seq);
    let expected: Vec<_> = (1..=101).map(|seq| (seq, Status::Ok)).collect();
    assert_eq!(results, expected);
    assert!(busy > 0, "the mailbox was never full");
    observed(&log, "flood/99 ");
    let text = std::fs::read_to_string(&log).unwrap();
    for number in 0..100 {
        assert!(text.contains(&format!("flood/{number} ")), "{number}");
    }
}

/// The broker restarts and has kept its sessions: the device resumes its own, subscribes to nothing
/// again, and gets the QoS 1 message that was published before it was back.
#[test]
fn a_session_outlives_its_brokers_restart() {
    let pki = Pki::new();
    let port = free_port();
    let broker = persistent_mosquitto(&pki, port);
    let mut device = Running::new(&pki, "ca.crt", HOST, port, 1);
    device.expect("mqtt connected", 1);
    assert_eq!(device.subscribe(0, "thing-1/in"), Status::Ok);
    // The broker writes what has changed, the subscription with it.
    publish(&pki, port, "elsewhere", b"", "1");
    let kept = || {
        let file = std::fs::read(pki.dir.join("mosquitto.db")).unwrap_or_default();
        file.windows(10).any(|w| w == b"thing-1/in")
    };
    assert!(device.run(60, |_| kept()), "{}", log(&pki, port));
    drop(broker);
    let _broker = persistent_mosquitto(&pki, port);
    // The device does not run meanwhile.
    publish(&pki, port, "thing-1/in", b"kept", "1");
    device.expect("connection lost", 1);
    let skipped = &device.bench().skipped_us;
    skipped.set(skipped.get() + 64_000_000);
    device.expect("mqtt connected", 2);
    let mut heard = Vec::new();
    device.run(60, |it| {
        heard.extend(it.take(0));
        heard.contains(&Heard::Message("thing-1/in".into(), b"kept".into()))
    });
    assert!(
        heard.contains(&Heard::Message("thing-1/in".into(), b"kept".into())),
        "{heard:?}"
    );
    let log = log(&pki, port);
    assert!(!log.contains("Received SUBSCRIBE from thing-1"), "{log}");
}
