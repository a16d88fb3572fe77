//! The session against a scripted broker, rule by rule, in time that the test moves.

use super::*;
use crate::mqtt::parse;

const SECOND: u64 = 1_000_000;

/// A session and everything that it wrote, packet by packet.
struct Bench {
    client: Client<'static, u32>,
    now: u64,
}

impl Bench {
    /// Connected, the broker having said `connack` (without its fixed header).
    fn connected(connack: &[u8]) -> Bench {
        let mut bench = Bench::new();
        bench.reconnect(connack);
        bench
    }

    fn new() -> Bench {
        let settings = Settings {
            client_id: "thing".into(),
            keep_alive: 60,
            session_expiry: 3600,
            will: None,
        };
        Bench {
            client: Client::new(settings, vec![0; 512].leak(), vec![0; 1024].leak()),
            now: 0,
        }
    }

    fn reconnect(&mut self, connack: &[u8]) {
        self.client.connect(self.now);
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "nothing but CONNECT before CONNACK");
        assert_eq!(sent[0][0], 0x10);
        self.says(&[&[0x20, connack.len() as u8], connack].concat());
        let present = connack[0] == 1;
        assert_eq!(self.next(), Ok(Some(Event::Connected(present))));
    }

    fn lose(&mut self) {
        self.client.disconnected();
    }

    /// The broker's bytes arrive.
    fn says(&mut self, bytes: &[u8]) {
        let room = self.client.room();
        room[..bytes.len()].copy_from_slice(bytes);
        self.client.arrived(bytes.len(), self.now);
    }

    fn next(&mut self) -> Result<Option<Event<u32>>, Failure> {
        self.client.next(self.now)
    }

    /// All packets that the session has to send.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            // Byte by byte now and then: a transport may take any number.
            let output = self.client.output(self.now);
            let len = output.len().min(1 + bytes.len() % 7);
            if len == 0 {
                break;
            }
            bytes.extend_from_slice(&output[..len]);
            self.client.wrote(len, self.now);
        }
        let mut packets = Vec::new();
        while !bytes.is_empty() {
            let len = crate::mqtt::split(&bytes).unwrap().unwrap();
            packets.push(bytes.drain(..len).collect());
        }
        packets
    }

    fn publish(&mut self, tag: u32, payload: &[u8]) {
        assert_eq!(self.client.publish(tag, "t", payload, true), Ok(()));
    }

    fn pass(&mut self, us: u64) {
        self.now += us;
    }

    /// Takes the message that waits.
    fn take(&mut self) -> (Vec<u8>, Option<Ack>) {
        assert_eq!(self.next(), Ok(Some(Event::Message)));
        let payload = self.client.message().unwrap().payload.to_vec();
        (payload, self.client.take_message())
    }
}

/// Nothing special allowed, no session.
const PLAIN: &[u8] = &[0, 0, 0];
/// The session resumed.
const RESUMED: &[u8] = &[1, 0, 0];

/// A message of the broker at QoS 1.
fn message(id: u8, dup: bool, payload: u8) -> Vec<u8> {
    vec![0x32 | u8::from(dup) << 3, 7, 0, 1, b't', 0, id, 0, payload]
}

/// (identifier, DUP, payload) of a PUBLISH.
fn read(packet: &[u8]) -> (u16, bool, Vec<u8>) {
    match parse(packet) {
        Ok(Incoming::Publish(publish)) => (publish.id, publish.dup, publish.payload.to_vec()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_can_be_sent_before_connack() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.client.publish(1, "t", b"", true),
        Err(Refusal::Offline)
    );
    bench.client.connect(0);
    assert_eq!(
        bench.client.publish(1, "t", b"", true),
        Err(Refusal::Offline)
    );
    assert_eq!(bench.client.subscribe(1, "t", true), Err(Refusal::Offline));
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn connack_has_ten_seconds() {
    let mut bench = Bench::new();
    bench.client.connect(0);
    bench.pass(CONNACK_US - 1);
    assert_eq!(bench.next(), Ok(None));
    bench.pass(1);
    assert_eq!(bench.next(), Err(Failure::NoConnAck));
}

#[test]
fn a_refusal_is_reported_with_its_reason() {
    let mut bench = Bench::new();
    bench.client.connect(0);
    bench.sent();
    bench.says(&[0x20, 3, 0, 0x87, 0]);
    assert_eq!(bench.next(), Err(Failure::Refused(0x87)));
}

#[test]
fn a_message_before_connack_breaks_the_protocol() {
    let mut bench = Bench::new();
    bench.client.connect(0);
    bench.says(&message(1, false, 0));
    let violation = Violation::Protocol("message before CONNACK");
    assert_eq!(bench.next(), Err(Failure::Violation(violation)));
}

#[test]
fn a_second_connack_breaks_the_protocol_and_the_broker_is_told() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&[0x20, 3, 0, 0, 0]);
    let violation = Violation::Protocol("second CONNACK");
    assert_eq!(bench.next(), Err(Failure::Violation(violation)));
    assert_eq!(bench.sent(), [[0xE0, 1, 0x82]]);
}

#[test]
fn a_disconnect_is_reported_with_its_reason() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&[0xE0, 1, 0x8E]);
    assert_eq!(bench.next(), Err(Failure::Disconnected(0x8E)));
}

#[test]
fn qos_0_is_done_when_written() {
    let mut bench = Bench::connected(PLAIN);
    bench.client.publish(5, "t", b"x", false).unwrap();
    assert_eq!(bench.next(), Ok(None));
    assert_eq!(bench.sent(), [[0x30, 5, 0, 1, b't', 0, b'x']]);
    assert_eq!(bench.next(), Ok(Some(Event::Done(5, Some(0)))));
}

#[test]
fn qos_1_is_done_when_acknowledged() {
    let mut bench = Bench::connected(PLAIN);
    bench.publish(5, b"x");
    let (id, dup, _) = read(&bench.sent()[0]);
    assert!(!dup);
    assert_eq!(bench.next(), Ok(None));
    bench.says(&[0x40, 3, 0, id as u8, 0x87]);
    assert_eq!(bench.next(), Ok(Some(Event::Done(5, Some(0x87)))));
}

#[test]
fn each_acknowledgement_answers_its_own_request() {
    let mut bench = Bench::connected(PLAIN);
    for tag in 0..5 {
        bench.publish(tag, b"x");
    }
    let ids: Vec<u16> = bench.sent().iter().map(|packet| read(packet).0).collect();
    for tag in [3, 0, 4, 1, 2] {
        bench.says(&[0x40, 3, 0, ids[tag] as u8, if tag == 4 { 0x97 } else { 0 }]);
        let reason = Some(if tag == 4 { 0x97 } else { 0 });
        assert_eq!(bench.next(), Ok(Some(Event::Done(tag as u32, reason))));
    }
}

#[test]
fn an_acknowledgement_that_nobody_waits_for_is_ignored() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&[0x40, 2, 0, 77]);
    bench.says(&[0x90, 4, 0, 78, 0, 1]);
    assert_eq!(bench.next(), Ok(None));
}

#[test]
fn an_acknowledgement_of_another_kind_breaks_the_protocol() {
    let mut bench = Bench::connected(PLAIN);
    bench.publish(5, b"x");
    let (id, ..) = read(&bench.sent()[0]);
    bench.says(&[0x90, 4, 0, id as u8, 0, 1]);
    let violation = Violation::Protocol("acknowledgement of another kind");
    assert_eq!(bench.next(), Err(Failure::Violation(violation)));
}

#[test]
fn a_resumed_session_repeats_with_dup_and_the_same_identifier_in_order() {
    let mut bench = Bench::connected(PLAIN);
    for tag in 0..3 {
        bench.publish(tag, &[tag as u8]);
    }
    let first: Vec<_> = bench.sent().iter().map(|packet| read(packet)).collect();
    bench.lose();
    bench.reconnect(RESUMED);
    bench.publish(9, b"new");
    let second: Vec<_> = bench.sent().iter().map(|packet| read(packet)).collect();
    assert_eq!(second.len(), 4);
    for (before, after) in first.iter().zip(&second) {
        assert_eq!((before.0, &before.2), (after.0, &after.2));
        assert!(after.1, "DUP");
    }
    assert!(!second[3].1 && second[3].2 == b"new");
    assert!(first.iter().all(|packet| packet.0 != second[3].0));
}

#[test]
fn a_lost_session_repeats_as_new_with_new_identifiers() {
    let mut bench = Bench::connected(PLAIN);
    bench.publish(0, b"a");
    bench.publish(1, b"b");
    let first: Vec<_> = bench.sent().iter().map(|packet| read(packet)).collect();
    bench.lose();
    bench.reconnect(PLAIN);
    let second: Vec<_> = bench.sent().iter().map(|packet| read(packet)).collect();
    assert_eq!(second.len(), 2);
    for (before, after) in first.iter().zip(&second) {
        assert_eq!(before.2, after.2);
        assert_ne!(before.0, after.0);
        assert!(!after.1, "no DUP: it is another message to this broker");
    }
    bench.says(&[0x40, 2, 0, second[0].0 as u8]);
    assert_eq!(bench.next(), Ok(Some(Event::Done(0, Some(0)))));
}

#[test]
fn what_was_never_sent_is_no_repetition() {
    let mut bench = Bench::connected(&[0, 0, 3, 0x21, 0, 1]);
    bench.publish(0, b"a");
    bench.publish(1, b"b");
    assert_eq!(bench.sent().len(), 1, "one at a time");
    bench.lose();
    bench.reconnect(RESUMED);
    let sent: Vec<_> = bench.sent().iter().map(|packet| read(packet)).collect();
    assert_eq!(
        sent.iter().map(|packet| packet.1).collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn half_a_packet_is_repeated_whole() {
    let mut bench = Bench::connected(PLAIN);
    bench.publish(0, b"abc");
    assert!(bench.client.output(0).len() > 3);
    bench.client.wrote(3, 0);
    bench.lose();
    bench.reconnect(RESUMED);
    let sent = bench.sent();
    assert_eq!(read(&sent[0]).2, b"abc");
    assert!(read(&sent[0]).1);
}

#[test]
fn qos_0_and_subscriptions_do_not_outlive_a_connection() {
    let mut bench = Bench::connected(PLAIN);
    bench.client.publish(1, "t", b"x", false).unwrap();
    bench.client.subscribe(2, "a", true).unwrap();
    bench.client.unsubscribe(3, "b").unwrap();
    bench.lose();
    for tag in 1..=3 {
        assert_eq!(bench.next(), Ok(Some(Event::Done(tag, None))));
    }
    bench.reconnect(RESUMED);
    assert_eq!(bench.sent(), [] as [Vec<u8>; 0]);
}

#[test]
fn the_brokers_receive_maximum_is_kept() {
    let mut bench = Bench::connected(&[0, 0, 3, 0x21, 0, 2]);
    for tag in 0..5 {
        bench.publish(tag, b"x");
    }
    // What is not counted passes by.
    bench.client.publish(9, "t", b"0", false).unwrap();
    bench.client.subscribe(8, "a", true).unwrap();
    let sent = bench.sent();
    let counted = |packets: &[Vec<u8>]| packets.iter().filter(|p| p[0] == 0x32).count();
    assert_eq!((counted(&sent), sent.len()), (2, 4));
    bench.says(&[0x40, 2, 0, read(&sent[0]).0 as u8]);
    while let Ok(Some(_)) = bench.next() {}
    assert_eq!(counted(&bench.sent()), 1);
}

#[test]
fn the_brokers_maximum_packet_size_is_kept() {
    let mut bench = Bench::connected(&[0, 0, 5, 0x27, 0, 0, 0, 20]);
    assert_eq!(bench.client.publish(0, "t", &[0; 12], true), Ok(()));
    assert_eq!(
        bench.client.publish(1, "t", &[0; 13], true),
        Err(Refusal::TooLarge)
    );
}

#[test]
fn what_a_new_limit_forbids_ends_and_is_not_sent() {
    let mut bench = Bench::connected(PLAIN);
    bench.publish(3, &[0; 100]);
    bench.sent();
    bench.lose();
    bench.reconnect(&[1, 0, 5, 0x27, 0, 0, 0, 20]);
    assert_eq!(bench.next(), Ok(Some(Event::Done(3, Some(0x95)))));
    assert!(bench.sent().is_empty());
}

#[test]
fn the_brokers_maximum_qos_is_kept() {
    let mut bench = Bench::connected(&[0, 0, 2, 0x24, 0]);
    assert_eq!(
        bench.client.publish(0, "t", b"", true),
        Err(Refusal::Unsupported)
    );
    assert_eq!(bench.client.publish(0, "t", b"", false), Ok(()));
}

#[test]
fn wildcards_that_the_broker_does_not_take_are_not_asked_for() {
    let mut bench = Bench::connected(&[0, 0, 2, 0x28, 0]);
    assert_eq!(
        bench.client.subscribe(0, "a/+", true),
        Err(Refusal::Unsupported)
    );
    assert_eq!(bench.client.subscribe(0, "a/b", true), Ok(()));
}

#[test]
fn a_full_buffer_is_busy_not_lost() {
    let mut bench = Bench::connected(PLAIN);
    let mut kept = 0;
    while bench.client.publish(kept, "t", &[0; 200], true).is_ok() {
        kept += 1;
    }
    assert_eq!(kept, 4);
    assert_eq!(
        bench.client.publish(9, "t", &[0; 200], true),
        Err(Refusal::Busy)
    );
    assert_eq!(bench.sent().len(), 4);
}

#[test]
fn a_message_is_acknowledged_when_the_caller_says_so() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&message(7, false, 1));
    let (payload, ack) = bench.take();
    assert_eq!(payload, [1]);
    assert!(bench.sent().is_empty(), "not before");
    bench.client.acknowledge(ack.unwrap());
    assert_eq!(bench.sent(), [[0x40, 2, 0, 7]]);
}

#[test]
fn a_message_waits_until_it_is_taken() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&message(7, false, 1));
    for _ in 0..3 {
        assert_eq!(bench.next(), Ok(Some(Event::Message)));
    }
    bench.take();
    assert_eq!(bench.next(), Ok(None));
}

#[test]
fn a_repetition_while_we_have_the_message_is_not_delivered_again() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&message(7, false, 1));
    let ack = bench.take().1.unwrap();
    // AWS repeats within a connection, and without DUP.
    bench.says(&message(7, false, 1));
    assert_eq!(bench.next(), Ok(None));
    bench.client.acknowledge(ack);
    assert_eq!(bench.sent(), [[0x40, 2, 0, 7]], "one acknowledgement");
}

#[test]
fn a_repetition_after_a_resumed_session_is_acknowledged_once_and_not_delivered_again() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&message(7, false, 1));
    bench.says(&message(8, false, 2));
    let (first, second) = (bench.take().1.unwrap(), bench.take().1.unwrap());
    bench.lose();
    // The first reader finishes while there is no connection, the second after it is back.
    bench.client.acknowledge(first);
    bench.reconnect(RESUMED);
    bench.says(&message(7, true, 1));
    bench.says(&message(8, true, 2));
    assert_eq!(bench.next(), Ok(None));
    assert_eq!(bench.sent(), [[0x40, 2, 0, 7]]);
    bench.client.acknowledge(second);
    assert_eq!(bench.sent(), [[0x40, 2, 0, 8]]);
}

#[test]
fn another_message_under_an_old_identifier_is_delivered() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&message(7, false, 1));
    let old = bench.take().1.unwrap();
    bench.lose();
    bench.reconnect(RESUMED);
    bench.says(&message(7, false, 2));
    let (payload, new) = bench.take();
    assert_eq!(payload, [2]);
    bench.client.acknowledge(old);
    assert!(bench.sent().is_empty(), "the old claim is void");
    bench.client.acknowledge(new.unwrap());
    assert_eq!(bench.sent(), [[0x40, 2, 0, 7]]);
}

#[test]
fn an_identifier_in_use_for_another_message_breaks_the_protocol() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&message(7, false, 1));
    bench.take();
    bench.says(&message(7, false, 2));
    let violation = Violation::Protocol("packet identifier in use");
    assert_eq!(bench.next(), Err(Failure::Violation(violation)));
}

#[test]
fn acknowledgements_of_a_lost_session_are_not_sent() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&message(7, false, 1));
    let ack = bench.take().1.unwrap();
    bench.lose();
    bench.reconnect(PLAIN);
    bench.client.acknowledge(ack);
    assert!(bench.sent().is_empty());
    bench.says(&message(7, false, 1));
    assert!(bench.take().1.is_some(), "it is a new message");
}

#[test]
fn more_messages_than_our_receive_maximum_break_the_protocol() {
    let mut bench = Bench::connected(PLAIN);
    for id in 1..=RECEIVE_MAXIMUM as u8 {
        bench.says(&message(id, false, id));
        bench.take();
    }
    bench.says(&message(99, false, 0));
    let failure = Failure::Violation(Violation::ReceiveMaximum);
    assert_eq!(bench.next(), Err(failure));
    assert_eq!(bench.sent(), [[0xE0, 1, 0x93]]);
}

#[test]
fn a_packet_over_our_maximum_breaks_the_protocol() {
    let mut bench = Bench::connected(PLAIN);
    bench.says(&[0x30, 0xFE, 0x03]);
    assert_eq!(
        bench.next(),
        Err(Failure::Violation(Violation::TooLarge)),
        "513 bytes into 512"
    );
    assert_eq!(bench.sent(), [[0xE0, 1, 0x95]]);
}

#[test]
fn a_ping_goes_out_when_nothing_else_does() {
    let mut bench = Bench::connected(PLAIN);
    bench.pass(45 * SECOND - 1);
    bench.next().unwrap();
    assert!(bench.sent().is_empty());
    bench.pass(1);
    bench.next().unwrap();
    assert_eq!(bench.sent(), [[0xC0, 0]]);
    bench.says(&[0xD0, 0]);
    assert_eq!(bench.next(), Ok(None));
    bench.pass(44 * SECOND);
    bench.next().unwrap();
    assert!(bench.sent().is_empty());
}

#[test]
fn whatever_we_send_puts_the_ping_off() {
    let mut bench = Bench::connected(PLAIN);
    for tag in 0..4 {
        bench.pass(40 * SECOND);
        bench.says(&[0xD0, 0]);
        bench.next().unwrap();
        bench.client.publish(tag, "t", b"", false).unwrap();
        assert_eq!(bench.sent().len(), 1, "no ping");
        bench.next().unwrap();
    }
}

#[test]
fn who_talks_and_hears_nothing_pings_too() {
    let mut bench = Bench::connected(PLAIN);
    let mut pinged = false;
    for tag in 0..2 {
        bench.pass(30 * SECOND);
        bench.client.publish(tag, "t", b"", false).unwrap();
        while bench.next().unwrap().is_some() {}
        pinged |= bench.sent().contains(&vec![0xC0, 0]);
    }
    assert!(pinged);
}

#[test]
fn a_ping_without_answer_ends_the_connection() {
    let mut bench = Bench::connected(PLAIN);
    bench.pass(45 * SECOND);
    bench.next().unwrap();
    bench.sent();
    bench.pass(PING_US - 1);
    assert_eq!(bench.next(), Ok(None));
    bench.pass(1);
    assert_eq!(bench.next(), Err(Failure::NoPingResp));
    assert!(bench.now <= 90 * SECOND, "within 1.5 × keep-alive");
}

#[test]
fn the_servers_keep_alive_rules_where_it_is_shorter() {
    let mut bench = Bench::connected(&[0, 0, 3, 0x13, 0, 30]);
    bench.pass(22_500_000);
    bench.next().unwrap();
    assert_eq!(bench.sent(), [[0xC0, 0]]);
    // Half of it is the time for the answer.
    bench.pass(15 * SECOND);
    assert_eq!(bench.next(), Err(Failure::NoPingResp));
}

#[test]
fn a_longer_keep_alive_of_the_server_does_not_make_us_slower() {
    for seconds in [0u16, 1200] {
        let [high, low] = seconds.to_be_bytes();
        let mut bench = Bench::connected(&[0, 0, 3, 0x13, high, low]);
        bench.pass(45 * SECOND);
        bench.next().unwrap();
        assert_eq!(bench.sent(), [[0xC0, 0]], "{seconds}");
    }
}

#[test]
fn nothing_is_repeated_within_a_connection_but_it_ends() {
    let mut bench = Bench::connected(PLAIN);
    bench.publish(1, b"x");
    assert_eq!(bench.sent().len(), 1);
    bench.pass(ACK_US - 1);
    assert_eq!(bench.next(), Ok(None));
    assert!(bench.sent().is_empty());
    bench.pass(1);
    assert_eq!(bench.next(), Err(Failure::NoAck));
    bench.lose();
    bench.reconnect(RESUMED);
    assert!(read(&bench.sent()[0]).1, "with DUP on the next connection");
}

#[test]
fn a_transport_that_takes_nothing_ends_the_connection() {
    let mut bench = Bench::connected(PLAIN);
    bench.publish(1, b"x");
    assert!(!bench.client.output(bench.now).is_empty());
    bench.pass(STALL_US - 1);
    assert!(!bench.client.output(bench.now).is_empty());
    assert_eq!(bench.next(), Ok(None));
    bench.pass(1);
    assert_eq!(bench.next(), Err(Failure::Stalled));
}

#[test]
fn a_clean_start_is_asked_for_once() {
    let mut bench = Bench::new();
    let flags = |bench: &mut Bench| {
        bench.client.connect(0);
        let sent = bench.sent();
        bench.says(&[0x20, 3, 0, 0, 0]);
        bench.next().unwrap();
        bench.lose();
        sent[0][9]
    };
    assert_eq!(flags(&mut bench), 0);
    bench.client.start_clean();
    assert_eq!(flags(&mut bench), 2);
    assert_eq!(flags(&mut bench), 0);
}

#[test]
fn a_client_id_of_128_bytes_and_a_will_are_sent_whole() {
    let settings = Settings {
        client_id: "x".repeat(128),
        keep_alive: 60,
        session_expiry: 3600,
        will: Some((format!("{}/status", "x".repeat(128)), b"offline")),
    };
    let mut client: Client<'_, u32> = Client::new(settings, vec![0; 64].leak(), vec![0; 64].leak());
    client.connect(0);
    let output = client.output(0);
    assert_eq!(output.len(), 3 + 10 + 14 + 130 + 1 + 137 + 9);
    assert_eq!(output[10] & 0b0011_1110, 0b0000_1100, "will at QoS 1");
}

/// Identifiers wrap around and never meet one in use.
#[test]
fn identifiers_wrap_around_those_in_use() {
    let mut bench = Bench::connected(PLAIN);
    bench.publish(0, b"stays");
    let stays = read(&bench.sent()[0]).0;
    for round in 0..66_000u32 {
        bench.client.publish(1, "t", b"", true).unwrap();
        let (id, ..) = read(&bench.sent()[0]);
        assert!(id != 0 && id != stays, "round {round}");
        let [high, low] = id.to_be_bytes();
        bench.says(&[0x40, 2, high, low]);
        assert_eq!(bench.next(), Ok(Some(Event::Done(1, Some(0)))));
    }
}

/// Any bytes from the broker, in any pieces, at any time: an event or a named failure, and a good
/// connection afterwards.
#[test]
fn a_broker_that_says_anything_is_survived() {
    let mut bench = Bench::new();
    let mut x = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    let seeds: [&[u8]; 6] = [
        &[0x30, 5, 0, 1, b't', 0, 1],
        &[0x32, 7, 0, 1, b't', 0, 3, 0, 1],
        &[0x40, 2, 0, 1],
        &[0x90, 4, 0, 2, 0, 1],
        &[0xB0, 4, 0, 2, 0, 0],
        &[0xD0, 0],
    ];
    let (mut failures, mut messages, mut done) = (0, 0, 0);
    for _ in 0..3_000 {
        bench.reconnect(if next() & 1 == 0 { PLAIN } else { RESUMED });
        let mut ids = Vec::new();
        'connection: for round in 0..20 {
            let _ = bench.client.publish(round, "t", b"x", next() & 1 == 0);
            let _ = bench.client.subscribe(round, "f", true);
            for packet in bench.sent() {
                match parse(&packet) {
                    Ok(Incoming::Publish(publish)) if publish.id != 0 => ids.push(publish.id),
                    _ => {}
                }
            }
            let mut bytes = seeds[next() as usize % seeds.len()].to_vec();
            match bytes[0] {
                0x32 => bytes[6] = next() as u8 & 0x1F,
                0x40 => {
                    let id = ids.pop().unwrap_or(9);
                    bytes[2..4].copy_from_slice(&id.to_be_bytes());
                }
                _ => {}
            }
            if next() % 8 == 0 {
                let at = next() as usize % bytes.len();
                bytes[at] = next() as u8;
            }
            if bench.client.room().len() >= bytes.len() {
                bench.says(&bytes);
            }
            bench.pass(next() % SECOND);
            loop {
                match bench.next() {
                    Ok(None) => break,
                    Ok(Some(Event::Message)) => {
                        messages += 1;
                        if let Some(ack) = bench.client.take_message() {
                            bench.client.acknowledge(ack);
                        }
                    }
                    Ok(Some(_)) => done += 1,
                    Err(_) => {
                        failures += 1;
                        break 'connection;
                    }
                }
            }
        }
        bench.sent();
        bench.lose();
        while let Ok(Some(_)) = bench.next() {}
    }
    assert!(
        failures > 1000 && messages > 1000 && done > 1000,
        "{failures} {messages} {done}"
    );
}
