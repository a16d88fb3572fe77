//! A day's connections over real TLS, one an hour, of which a minute each is lived: lost connections,
//! a stranger in the broker's place, a broker with a new certificate; keys, operations and heap are in
//! the evening what they were in the morning.
//!
//! The device is the whole library over a socket with the real PSA crypto service; the broker is
//! mosquitto. Many more reconnections without TLS are `endurance.rs`'s.

mod common;

use common::{HOST, Pki, Running, Server, free_port, mosquitto};
use mqtt_ipc::{Qos, Status};

const EC: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

struct Day {
    pki: Pki,
    port: u16,
    device: Running,
    published: u32,
    refused: u32,
}

impl Day {
    /// An hour with a broker: messages, then the connection is lost. Where `authority` is not ours,
    /// somebody with its certificate answers first, then the broker with a new one.
    fn hour(&mut self, authority: &str) {
        // The back-off of the hour before is over.
        self.wait_a_minute();
        if authority != "ca" {
            self.pki.issue("server", authority, &EC, HOST);
            let other = self.broker();
            self.device.expect("unknown issuer", 1);
            assert_eq!(self.device.crypto.in_use(), (0, 0));
            self.refused += 1;
            drop(other);
            self.pki.issue("server", "ca", &EC, HOST);
            // A client that is not heard of for two minutes is dead.
            let query = self.device.ask(0, |client| client.query());
            assert_eq!(self.device.result(0, query).0, Status::Ok);
            self.wait_a_minute();
        }
        let broker = self.broker();
        self.device.expect("mqtt connected", 1);
        for _ in 0..5 {
            let status = self
                .device
                .publish(0, "thing-1/ml/inference", b"yes", Qos::AtLeastOnce);
            assert_eq!(status, Status::Ok);
            self.published += 1;
        }
        assert_eq!(
            self.device.crypto.in_use().1,
            0,
            "operations while connected"
        );
        drop(broker);
        self.device.expect("connection lost", 1);
        assert_eq!(self.device.crypto.in_use(), (0, 0), "after the connection");
        while self.device.take(0).is_some() {}
        // What it said is the test's to keep, not the device's.
        self.device.bench().lines.borrow_mut().clear();
    }

    /// Longer than any pause between two tries.
    fn wait_a_minute(&self) {
        let skipped = &self.device.bench().skipped_us;
        skipped.set(skipped.get() + 65_000_000);
    }

    fn broker(&self) -> Server {
        mosquitto(&self.pki, self.port)
    }
}

#[test]
fn a_day_over_tls() {
    let (pki, port) = (Pki::new(), free_port());
    pki.authority("other");
    let device = Running::new(&pki, "ca.crt", HOST, port, 1);
    let mut day = Day {
        pki,
        port,
        device,
        published: 0,
        refused: 0,
    };
    // Caches and queues reach the size that they keep.
    for authority in ["ca", "other"] {
        day.hour(authority);
    }
    let (mut heap, mut evenings) = (0, Vec::new());
    for hour in 2..24 {
        // At noon somebody else answers, then the broker has a new certificate.
        let authority = if hour == 12 { "other" } else { "ca" };
        heap += allocation_counter::measure(|| day.hour(authority)).bytes_current;
        evenings.push(heap);
    }
    println!(
        "24 h over TLS: {} publishes acknowledged, {} strangers refused; heap since the second hour {evenings:?}",
        day.published, day.refused
    );
    assert_eq!((day.published, day.refused), (24 * 5, 2));
    assert!(
        evenings.iter().all(|evening| *evening == 0),
        "the heap grew: {evenings:?}"
    );
}
