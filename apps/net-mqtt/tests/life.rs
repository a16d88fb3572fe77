//! A day's connections over real TLS, one an hour, of which a minute each is lived: lost connections,
//! a stranger in the broker's place, a broker with a new certificate, and the device's own changed at
//! the cloud's command; keys, operations and heap are in the evening what they were in the morning.
//!
//! The device is the whole library over a socket with the real PSA crypto service; the broker is
//! mosquitto, under the local cloud while the certificate changes. Many more reconnections without
//! TLS are `endurance.rs`'s.

mod common;

use cloud::{Cloud, broker};
use common::{HOST, Pki, Running, Server, THING, World, free_port, mosquitto};
use mqtt_ipc::{Qos, Status};
use net_mqtt::Environment;
use serde_json::json;
use std::path::PathBuf;

const EC: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

struct Day {
    pki: Pki,
    port: u16,
    world: &'static World,
    device: Running,
    cloud: PathBuf,
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

    /// The cloud asks for another certificate and gets it; then the old one is revoked. The process
    /// starts anew twice, and keys are what they were.
    fn change(&mut self, execution: &str) {
        let cloud = start(&self.cloud, self.port);
        let core = cloud.core();
        core.create_rotation().unwrap();
        self.device.bench().lines.borrow_mut().clear();
        self.wait_a_minute();
        self.device.expect("mqtt connected", 1);
        let old = core.certificates_of(THING);
        let command = json!({"operation": "rotate-certificate", "template": "tockstone-rotate"});
        // Whoever is not subscribed yet does not hear it; twice is once.
        let mut said = 0;
        let asked = self.device.run(20, |it| {
            if it.bench().now_us() > said {
                core.command(THING, execution, &command).unwrap();
                said = it.bench().now_us() + 300_000;
            }
            it.bench().count("asked for another certificate") > 0
        });
        assert!(asked, "{:#?}", self.device.bench().lines.borrow());
        for _ in 0..2 {
            // With the certificate on trial, then with it as the device's.
            let over = self.device.run(20, |it| it.device.is_over());
            assert!(over, "{:#?}", self.device.bench().lines.borrow());
            self.device = Running::start(self.world, 1);
        }
        let answered = self
            .device
            .run(20, |_| !core.command_answers(THING, execution).is_empty());
        assert!(answered, "{:#?}", self.device.bench().lines.borrow());
        let answer = &core.command_answers(THING, execution)[0];
        assert_eq!(answer["status"], "SUCCEEDED", "{answer}");
        for id in &old {
            core.set_certificate(id, "INACTIVE").unwrap();
        }
        drop(cloud);
        self.device.expect("connection lost", 1);
        assert_eq!(self.device.crypto.in_use(), (0, 0));
        // Name, endpoint, roots, certificate, record.
        assert_eq!(self.world.ps.lock().unwrap().len(), 5);
        // The next hour waits for a connection of its own.
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

/// The local cloud, whose broker devices find on `port`.
fn start(dir: &std::path::Path, port: u16) -> Cloud {
    let config = broker::Config {
        dir,
        host: HOST,
        validity: None,
        port: Some(port),
    };
    Cloud::start(&config).unwrap()
}

#[test]
fn a_day_over_tls() {
    let (pki, port) = (Pki::new(), free_port());
    pki.authority("other");
    // The device is the cloud's, and each side knows the other's authority.
    let cloud = pki.dir.join("cloud");
    std::fs::create_dir_all(&cloud).unwrap();
    let registry = start(&cloud, port);
    let thing = registry.core().create_device(THING).unwrap();
    let authority = std::fs::read(registry.broker.authority().certificate()).unwrap();
    drop(registry);
    let roots = [pki.read("ca.crt"), authority].concat();
    std::fs::write(pki.dir.join("ca.crt"), &roots).unwrap();
    let world = World::provisioned(port, &roots, &thing.certificate, &thing.key);
    let world: &'static World = Box::leak(Box::new(world));
    let device = Running::start(world, 1);
    let mut day = Day {
        pki,
        port,
        world,
        device,
        cloud,
        published: 0,
        refused: 0,
    };
    // Caches and queues reach the size that they keep.
    for authority in ["ca", "other"] {
        day.hour(authority);
    }
    let (mut heap, mut evenings) = (0, Vec::new());
    for hour in 2..24 {
        // In the morning and in the evening the device's own certificate changes. What starts anew
        // reaches the size that it keeps in two hours, too.
        if [8, 18].contains(&hour) {
            day.change(&format!("change-{hour}"));
        }
        if [8, 9, 18, 19].contains(&hour) {
            day.hour("ca");
            continue;
        }
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
