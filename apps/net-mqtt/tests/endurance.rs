//! A day of the session's life in simulated time: publishes, messages, reconnections, clients that
//! crash; the heap is in the evening what it was in the morning.
//!
//! Session, IPC service and mailboxes only: TLS and PSA handles over reconnections are `life.rs`'s,
//! jobs and flash wear the update agent's (`life.rs` there).

mod scripted;

use mqtt_ipc::{Client, Page, Qos, Status};
use net_mqtt::exchange::KEEP_ALIVE_S;
use scripted::{Bench, Heard, kinds, messages};

const SECOND: u64 = 1_000_000;
/// Place of the client that crashes.
const CRASHES: usize = 2;

#[derive(Default)]
struct Day {
    acknowledged: u32,
    received: u32,
    reconnections: u32,
    crashes: u32,
    pings: u32,
}

impl Day {
    /// An hour: a publish and a message a minute, three reconnections, a crash.
    fn hour(&mut self, bench: &mut Bench, page: &'static Page) {
        for minute in 0..60 {
            for _ in 0..6 {
                bench.now += 10 * SECOND;
                let sent = bench.run().expect("the connection holds");
                self.pings += kinds(&sent).iter().filter(|kind| **kind == 0xC0).count() as u32;
            }
            let lost = minute % 20 == 19;
            bench.mute = lost;
            let seq = bench.clients[0]
                .publish("thing-1/ml/inference", b"yes", Qos::AtLeastOnce)
                .unwrap();
            bench.run().unwrap();
            if lost {
                // The publish is in flight; the session is resumed twice out of three times.
                bench.lose();
                bench.mute = false;
                bench.now += 5 * SECOND;
                let sent = bench.connect(minute != 59);
                assert!(messages(&sent).iter().any(|message| message.2 == b"yes"));
                self.reconnections += 1;
            }
            let heard = bench.hear(0);
            assert!(heard.contains(&Heard::Result(seq, Status::Ok)), "{heard:?}");
            self.acknowledged += 1;
            if minute == 30 {
                self.crash(bench, page);
            }
            for topic in ["in", "own"] {
                bench.message(topic, &[minute as u8; 64]);
                bench.run().unwrap();
            }
            for client in [1, CRASHES] {
                let heard = bench.hear(client);
                let message = Heard::Message(vec![minute as u8; 64]);
                let times = heard.iter().filter(|heard| **heard == message).count();
                assert_eq!(times, 1, "client {client}, minute {minute}: {heard:?}");
                self.received += 1;
                bench.clients[client].query().unwrap();
            }
            bench.run().unwrap();
            for client in [1, CRASHES] {
                bench.hear(client);
            }
            assert!(bench.run().unwrap().iter().all(|packet| packet[0] != 0x32));
        }
    }

    /// A client is gone and comes back on the same page; what came meanwhile it gets.
    fn crash(&mut self, bench: &mut Bench, page: &'static Page) {
        bench.service.gone(CRASHES);
        bench.message("own", b"meanwhile");
        bench.run().unwrap();
        bench.now += 2 * SECOND;
        bench.run().unwrap();
        assert!(bench.service.attach(CRASHES, page));
        bench.clients[CRASHES] = Client::new(page, (|| ()) as fn());
        bench.run().unwrap();
        bench.hear(CRASHES);
        let again = bench.clients[CRASHES].subscribe("own", Qos::AtLeastOnce);
        bench.run().unwrap();
        let mut heard = bench.hear(CRASHES);
        bench.run().unwrap();
        heard.extend(bench.hear(CRASHES));
        assert!(heard.contains(&Heard::Result(again.unwrap(), Status::Ok)));
        assert!(
            heard.contains(&Heard::Message(b"meanwhile".into())),
            "kept for the one that crashed: {heard:?}"
        );
        bench.run().unwrap();
        self.crashes += 1;
    }
}

fn lives(hours: u32) {
    let mut bench = Bench::new(2);
    let page: &'static Page = Box::leak(Box::new(Page::new()));
    assert!(bench.service.attach(CRASHES, page));
    bench.clients.push(Client::new(page, (|| ()) as fn()));
    bench.connect(false);
    bench.subscribe(1, "in");
    bench.subscribe(CRASHES, "own");
    let mut day = Day::default();
    // Queues reach the size that they keep.
    day.hour(&mut bench, page);
    let heap = allocation_counter::measure(|| {
        for _ in 1..hours {
            day.hour(&mut bench, page);
        }
    });
    println!(
        "{hours} h: {} publishes acknowledged, {} messages read, {} reconnections, {} crashes of a \
         client, {} pings; heap {:+} bytes, at most {} above the first hour's",
        day.acknowledged,
        day.received,
        day.reconnections,
        day.crashes,
        day.pings,
        heap.bytes_current,
        heap.bytes_max
    );
    assert_eq!(heap.bytes_current, 0);
    assert_eq!(day.acknowledged, hours * 60);
    assert_eq!(day.reconnections, hours * 3);
    // With traffic each minute at least one PINGREQ in two keep-alives would be too many.
    assert!(day.pings <= hours * 3600 / u32::from(KEEP_ALIVE_S) * 2);
}

#[test]
fn a_day() {
    lives(24);
}

/// Thirty days: `cargo xtask test host --long --case thirty_days`.
#[test]
#[ignore = "long"]
fn thirty_days() {
    lives(30 * 24);
}
