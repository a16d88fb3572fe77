//! MQTT_*: the session's rules, in simulated time.

use crate::Verdict::{self, Differs, Pass};
use crate::scripted::{Bench, Heard, filter_tail, kinds, messages};
use mqtt_ipc::{Qos, Status};
use net_mqtt::Why;
use net_mqtt::backoff::{Backoff, Class};

const SECOND: u64 = 1_000_000;

/// The broker is silent for `seconds`: why the connection ends.
fn silence(bench: &mut Bench, seconds: u64) -> Option<Why> {
    bench.mute = true;
    for _ in 0..seconds {
        bench.now += SECOND;
        if let Err(why) = bench.run() {
            bench.lose();
            bench.mute = false;
            return Some(why);
        }
    }
    None
}

fn identifier(packet: &[u8]) -> [u8; 2] {
    let at = packet.len() - filter_tail(packet);
    [packet[at], packet[at + 1]]
}

/// AWS: the same identifier again, on the same connection. MQTT 5 §4.4 forbids that.
pub fn publish_retry() -> Verdict {
    let mut bench = Bench::new(1);
    bench.connect(false);
    bench.mute = true;
    let seq = bench.clients[0]
        .publish("t", b"x", Qos::AtLeastOnce)
        .unwrap();
    let first = messages(&bench.run().unwrap()).remove(0);
    let start = bench.now;
    assert!(matches!(silence(&mut bench, 60), Some(Why::TimedOut(_))));
    let after = (bench.now - start) / SECOND;
    let again = messages(&bench.connect(true))
        .into_iter()
        .find(|message| message.2 == b"x")
        .unwrap();
    assert_eq!(
        (again.0, again.1),
        (true, first.1),
        "DUP, the same identifier"
    );
    assert!(bench.hear(0).contains(&Heard::Result(seq, Status::Ok)));
    Differs(format!(
        "MQTT 5 §4.4 forbids a repetition within a connection: after {after} s without PUBACK the device \
         reconnects and repeats with DUP and the same identifier"
    ))
}

/// AWS: SUBSCRIBE again on the same connection; no rule of MQTT 5 knows that.
pub fn subscribe_retry() -> Verdict {
    let mut bench = Bench::new(1);
    bench.connect(false);
    bench.mute = true;
    let seq = bench.clients[0].subscribe("a", Qos::AtLeastOnce).unwrap();
    assert!(kinds(&bench.run().unwrap()).contains(&0x82));
    let start = bench.now;
    assert!(matches!(silence(&mut bench, 60), Some(Why::TimedOut(_))));
    let after = (bench.now - start) / SECOND;
    assert!(kinds(&bench.connect(true)).contains(&0x82));
    assert!(bench.hear(0).contains(&Heard::Result(seq, Status::Ok)));
    Differs(format!(
        "after {after} s without SUBACK the device reconnects and subscribes again, under a new identifier"
    ))
}

/// Payloads up to what the device said in CONNECT that it takes.
pub fn puback() -> Verdict {
    let mut bench = Bench::new(1);
    bench.exchange.connect(bench.now);
    let connect = bench.sent().remove(0);
    let announced = connect
        .windows(5)
        .any(|p| p[0] == 0x27 && p[1..] == 6656_u32.to_be_bytes());
    assert!(announced, "Maximum Packet Size: {connect:02x?}");
    bench.says(&[0x20, 3, 0, 0, 0]);
    bench.run().unwrap();
    bench.subscribe(0, "a");
    let sizes = [0, 1, 127, 128, 1024, 4096, 6144];
    for size in sizes {
        bench.message("a", &vec![b'x'; size]);
        assert!(
            !kinds(&bench.run().unwrap()).contains(&0x40),
            "not before it was read"
        );
        assert_eq!(bench.hear(0), [Heard::Message(vec![b'x'; size])]);
        let acks: Vec<Vec<u8>> = bench
            .run()
            .unwrap()
            .into_iter()
            .filter(|packet| packet[0] == 0x40)
            .collect();
        assert_eq!(acks.len(), 1);
        assert_eq!(identifier(&acks[0]), bench.id.to_be_bytes(), "{size}");
    }
    Pass(format!(
        "payloads of {sizes:?} bytes; larger ones a broker may not send: CONNECT says Maximum Packet Size 6656 \
         (AWS's case goes to 128 KB over MQTT 3.1.1, which cannot say so)"
    ))
}

pub fn no_pingresp() -> Verdict {
    let mut bench = Bench::new(0);
    bench.connect(false);
    bench.mute = true;
    let (mut asked, mut gone) = (None, None);
    for second in 1..=120 {
        bench.now += SECOND;
        match bench.run() {
            Ok(sent) if kinds(&sent).contains(&0xC0) => asked = asked.or(Some(second)),
            Ok(_) => {}
            Err(why) => {
                assert_eq!(why, Why::TimedOut("PINGRESP"));
                gone = Some(second);
                break;
            }
        }
    }
    let (asked, gone) = (asked.expect("a PINGREQ"), gone.expect("a disconnection"));
    // Keep-alive is 60 s; the broker would give up after 90 s.
    assert!(asked <= 60 && gone > asked && gone <= 90, "{asked} {gone}");
    Pass(format!(
        "PINGREQ after {asked} s, disconnected after {gone} s; 1.5 × keep-alive is 90 s"
    ))
}

pub fn persistent() -> Verdict {
    let mut bench = Bench::new(1);
    bench.exchange.connect(bench.now);
    let connect = bench.sent().remove(0);
    // Type, length in one or two bytes, "MQTT" with its length, version, flags.
    let flags = connect[connect.windows(4).position(|w| w == b"MQTT").unwrap() + 5];
    assert_eq!(flags & 2, 0, "no Clean Start");
    bench.says(&[0x20, 3, 0, 0, 0]);
    bench.run().unwrap();
    bench.subscribe(0, "a");
    bench.lose();
    let sent = bench.connect(true);
    assert!(!kinds(&sent).contains(&0x82), "{sent:?}");
    bench.message("a", b"stored");
    bench.run().unwrap();
    assert!(bench.hear(0).contains(&Heard::Message(b"stored".into())));
    assert!(kinds(&bench.run().unwrap()).contains(&0x40));
    Pass("resumed without SUBSCRIBE, the stored message acknowledged".into())
}

pub fn expired() -> Verdict {
    let mut bench = Bench::new(1);
    bench.connect(false);
    bench.subscribe(0, "a");
    bench.lose();
    bench.now += 3_600 * SECOND;
    assert!(kinds(&bench.connect(false)).contains(&0x82));
    Pass("session present 0: subscribed again".into())
}

/// Hours of traffic: a minute is a publish of each kind and a message each way.
struct Life {
    bench: Bench,
    published: u32,
    received: u32,
    reconnections: u32,
}

impl Life {
    fn new() -> Life {
        let mut bench = Bench::new(2);
        bench.connect(false);
        bench.subscribe(0, "qos1");
        Life {
            bench,
            published: 0,
            received: 0,
            reconnections: 0,
        }
    }

    fn minute(&mut self, payload: usize) {
        let bench = &mut self.bench;
        for _ in 0..60 {
            bench.now += SECOND;
            bench.run().expect("the connection holds");
        }
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
            let seq = bench.clients[1].publish("t", b"x", qos).unwrap();
            bench.run().unwrap();
            assert!(bench.hear(1).contains(&Heard::Result(seq, Status::Ok)));
            self.published += 1;
        }
        bench.message("qos1", &vec![7; payload]);
        bench.run().unwrap();
        assert!(bench.hear(0).contains(&Heard::Message(vec![7; payload])));
        assert!(kinds(&bench.run().unwrap()).contains(&0x40));
        self.received += 1;
        let seq = bench.clients[0].query().unwrap();
        bench.run().unwrap();
        assert!(bench.hear(0).contains(&Heard::Result(seq, Status::Ok)));
    }

    /// The link goes in the middle of a publish; the session is resumed or not; nothing is lost.
    fn interrupt(&mut self, resumed: bool, away_s: u64) -> u32 {
        let bench = &mut self.bench;
        bench.mute = true;
        let seq = bench.clients[1]
            .publish("t", b"in flight", Qos::AtLeastOnce)
            .unwrap();
        bench.run().unwrap();
        bench.lose();
        bench.mute = false;
        let (mut backoff, mut attempts, mut x) = (Backoff::default(), 0, 0x9E37_79B9_u32);
        let back = bench.now + away_s * SECOND;
        while bench.now < back {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            bench.now += u64::from(backoff.next(Class::Passing, bench.now, x).max(1)) * 1000;
            attempts += 1;
            for client in 0..2 {
                // Alive, as a client shows every five seconds.
                if bench.clients[client].query().is_ok() {
                    bench.service.take(&mut [0; 1760]);
                }
                bench.service.tick(bench.now);
                let heard = bench.hear(client);
                let told = client == 1 && heard.contains(&Heard::Result(seq, Status::Ok));
                assert!(!told, "nobody acknowledged it");
            }
        }
        let sent = bench.connect(resumed);
        assert_eq!(kinds(&sent).contains(&0x82), !resumed);
        assert!(
            messages(&sent)
                .iter()
                .any(|message| message.2 == b"in flight")
        );
        assert!(bench.hear(1).contains(&Heard::Result(seq, Status::Ok)));
        bench.hear(0);
        self.reconnections += 1;
        attempts
    }
}

/// Four hours: QoS 0 and 1, SUBSCRIBE, a reconnection in each half hour.
pub fn long_basic() -> Verdict {
    let mut life = Life::new();
    for half_hour in 0..8 {
        for _ in 0..30 {
            life.minute(20);
        }
        life.interrupt(half_hour % 2 == 0, 30);
    }
    Pass(format!(
        "4 h: {} publishes, {} messages, {} reconnections; repetition is per connection, not within 15 s \
         (see MQTT_Publish_Retry_No_Puback)",
        life.published, life.received, life.reconnections
    ))
}

/// With large payloads, a persistent session, two hours without a server.
pub fn long_advanced() -> Verdict {
    let mut life = Life::new();
    let mut attempts = 0;
    for hour in 0..4 {
        for minute in 0..60 {
            life.minute(if minute % 10 == 0 { 6_144 } else { 100 });
        }
        attempts += match hour {
            1 => life.interrupt(false, 2 * 3_600),
            _ => life.interrupt(true, 60),
        };
    }
    Pass(format!(
        "4 h: {} publishes, {} messages of up to 6,144 bytes, {} interruptions, one of 2 h, {attempts} attempts",
        life.published, life.received, life.reconnections
    ))
}
