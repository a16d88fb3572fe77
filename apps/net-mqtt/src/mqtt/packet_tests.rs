//! Packets: known bytes, and any bytes at all.

use super::*;

fn good(bytes: &[u8]) -> Incoming<'_> {
    assert_eq!(split(bytes), Ok(Some(bytes.len())));
    parse(bytes).unwrap_or_else(|violation| panic!("{violation}: {bytes:x?}"))
}

#[track_caller]
fn bad(bytes: &[u8], expected: Violation) {
    assert_eq!(parse(bytes), Err(expected), "{bytes:x?}");
}

#[test]
fn a_connack_says_what_the_broker_allows() {
    let Incoming::ConnAck(plain) = good(&[0x20, 3, 0, 0, 0]) else {
        panic!();
    };
    assert_eq!((plain.session_present, plain.reason), (false, 0));
    assert_eq!(plain.receive_maximum, 65535);
    let full = [
        0x20, 28, 1, 0, 25, 0x11, 0, 0, 0x0E, 0x10, 0x21, 0, 10, 0x24, 1, 0x27, 0, 2, 0, 0, 0x13,
        0, 30, 0x28, 0, 0x22, 0, 8, 0x25, 1,
    ];
    let Incoming::ConnAck(ack) = good(&full) else {
        panic!();
    };
    assert!(ack.session_present && !ack.wildcards);
    assert_eq!(ack.session_expiry, Some(3600));
    assert_eq!((ack.receive_maximum, ack.maximum_qos), (10, 1));
    assert_eq!(ack.maximum_packet_size, 128 * 1024);
    assert_eq!(ack.server_keep_alive, Some(30));
}

#[test]
fn a_connack_that_contradicts_itself_is_refused() {
    bad(&[0x20, 3, 2, 0, 0], Violation::Malformed("CONNACK flags"));
    let present = Violation::Protocol("refusal with a session present");
    bad(&[0x20, 3, 1, 0x87, 0], present);
    let zero = Violation::Protocol("limit of zero in CONNACK");
    bad(&[0x20, 6, 0, 0, 3, 0x21, 0, 0], zero);
    bad(&[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 0], zero);
    let twice = Violation::Protocol("property given twice");
    bad(&[0x20, 9, 0, 0, 6, 0x21, 0, 1, 0x21, 0, 1], twice);
    let level = Violation::Protocol("property that is neither 0 nor 1");
    bad(&[0x20, 5, 0, 0, 2, 0x24, 2], level);
    let foreign = Violation::Malformed("property that does not belong there");
    bad(&[0x20, 5, 0, 0, 2, 0x01, 0], foreign);
    bad(&[0x20, 2, 0, 0], Violation::Malformed("properties"));
}

#[test]
fn messages_have_a_topic_a_level_and_an_identifier() {
    let Incoming::Publish(message) = good(&[0x3B, 8, 0, 1, b't', 0, 7, 0, b'h', b'i']) else {
        panic!();
    };
    assert_eq!((message.topic, message.payload), ("t", &b"hi"[..]));
    assert!((message.id, message.dup, message.retain) == (7, true, true));
    let properties = [
        0x30, 22, 0, 1, b't', 18, 0x26, 0, 1, b'k', 0, 1, b'v', 0x26, 0, 1, b'k', 0, 1, b'w', 0x0B,
        1, 0x01, 1,
    ];
    assert!(matches!(good(&properties), Incoming::Publish(m) if m.id == 0 && m.payload.is_empty()));
    bad(
        &[0x34, 5, 0, 1, b't', 0, 7],
        Violation::Protocol("QoS 2 message"),
    );
    bad(&[0x36, 5, 0, 1, b't', 0, 7], Violation::Malformed("QoS 3"));
    let zero = Violation::Malformed("packet identifier 0");
    bad(&[0x32, 6, 0, 1, b't', 0, 0, 0], zero);
    bad(
        &[0x38, 4, 0, 1, b't', 0],
        Violation::Malformed("repetition at QoS 0"),
    );
    bad(&[0x30, 4, 0, 1, b'#', 0], Violation::Malformed("topic"));
    bad(&[0x30, 4, 0, 1, 0xFF, 0], Violation::Malformed("topic"));
    bad(&[0x30, 4, 0, 1, 0, 0], Violation::Malformed("topic"));
    bad(&[0x30, 3, 0, 0, 0], Violation::Malformed("topic"));
}

#[test]
fn a_topic_alias_is_refused() {
    bad(&[0x30, 6, 0, 0, 3, 0x23, 0, 1], Violation::TopicAlias);
    bad(&[0x30, 7, 0, 1, b't', 3, 0x23, 0, 1], Violation::TopicAlias);
}

#[test]
fn acknowledgements_may_be_short_and_have_known_reasons() {
    assert_eq!(good(&[0x40, 2, 0, 9]), Incoming::PubAck(9, 0));
    assert_eq!(good(&[0x40, 3, 0, 9, 0x10]), Incoming::PubAck(9, 0x10));
    assert_eq!(good(&[0x40, 4, 0, 9, 0x87, 0]), Incoming::PubAck(9, 0x87));
    assert_eq!(good(&[0x90, 4, 0, 3, 0, 1]), Incoming::SubAck(3, 1));
    assert_eq!(good(&[0xB0, 4, 0, 3, 0, 0x11]), Incoming::UnsubAck(3, 0x11));
    bad(
        &[0x40, 3, 0, 9, 0x92],
        Violation::Protocol("reason in PUBACK"),
    );
    let reason = Violation::Protocol("reason in SUBACK or UNSUBACK");
    bad(&[0x90, 4, 0, 3, 0, 2], reason);
    let two = Violation::Malformed("SUBACK or UNSUBACK");
    bad(&[0x90, 5, 0, 3, 0, 1, 1], two);
    bad(
        &[0x40, 2, 0, 0],
        Violation::Malformed("packet identifier 0"),
    );
}

#[test]
fn what_a_broker_may_not_send_is_named() {
    let client = Violation::Protocol("packet that only a client sends");
    for kind in [0x10, 0x80, 0xA0, 0xC0] {
        bad(&[kind, 0], client);
    }
    for kind in [0x50, 0x60, 0x70] {
        bad(&[kind, 2, 0, 1], Violation::Protocol("QoS 2 packet"));
    }
    bad(
        &[0xF0, 0],
        Violation::Protocol("AUTH that nobody asked for"),
    );
    bad(&[0xD1, 0], Violation::Malformed("reserved flags"));
    assert_eq!(good(&[0xD0, 0]), Incoming::PingResp);
    assert_eq!(good(&[0xE0, 0]), Incoming::Disconnect(0));
    assert_eq!(good(&[0xE0, 1, 0x8E]), Incoming::Disconnect(0x8E));
    assert_eq!(good(&[0xE0, 2, 0x8B, 0]), Incoming::Disconnect(0x8B));
}

#[test]
fn lengths_need_up_to_four_bytes_and_no_more() {
    assert_eq!(split(&[]), Ok(None));
    assert_eq!(split(&[0x30]), Ok(None));
    assert_eq!(split(&[0x30, 0x80, 0x80]), Ok(None));
    assert_eq!(split(&[0x30, 0x80, 0x01]), Ok(Some(131)));
    let longest = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];
    assert_eq!(split(&longest), Ok(Some(268_435_460)));
    let endless = [0x30, 0xFF, 0xFF, 0xFF, 0xFF];
    assert_eq!(split(&endless), Err(Violation::Malformed("packet length")));
}

#[test]
fn what_we_send_is_what_the_standard_says() {
    let connect_bytes = connect(&Connect {
        client_id: "c",
        clean_start: false,
        keep_alive: 60,
        session_expiry: 3600,
        receive_maximum: 16,
        maximum_packet_size: 6656,
        will: Some(("c/s", b"off")),
    });
    let expected = [
        0x10, 38, 0, 4, b'M', b'Q', b'T', b'T', 5, 0x0C, 0, 60, 13, 0x11, 0, 0, 0x0E, 0x10, 0x21,
        0, 16, 0x27, 0, 0, 0x1A, 0, 0, 1, b'c', 0, 0, 3, b'c', b'/', b's', 0, 3, b'o', b'f', b'f',
    ];
    assert_eq!(connect_bytes, expected);
    let (head, used) = filter_parts("a/b", 5, Some(1));
    assert_eq!(head[..used], [0x82, 9, 0, 5, 0, 0, 3]);
    let (head, used) = filter_parts("a/b", 5, None);
    assert_eq!(head[..used], [0xA2, 8, 0, 5, 0, 0, 3]);
    assert_eq!(pub_ack(0x102), [0x40, 2, 1, 2]);
}

/// A message that we make is one that a client of the same topic would read, whatever its size.
#[test]
fn messages_round_trip() {
    for topic_len in [1, 127, 256] {
        for payload_len in [0, 1, 100, 126, 127, 128, 1760, 16_500] {
            for id in [0, 1, 0xFFFF] {
                let topic = "t".repeat(topic_len);
                let payload: Vec<u8> = (0..payload_len).map(|byte| byte as u8).collect();
                let ((head, used), tail, tail_len) = publish_parts(&topic, payload_len, id);
                let packet = [
                    &head[..used],
                    topic.as_bytes(),
                    &tail[..tail_len],
                    &payload[..],
                ]
                .concat();
                let Incoming::Publish(message) = good(&packet) else {
                    panic!();
                };
                assert_eq!((message.topic, message.id), (topic.as_str(), id));
                assert_eq!(message.payload, payload);
                if id != 0 {
                    let at = id_offset(&packet).unwrap();
                    assert_eq!(packet[at..at + 2], id.to_be_bytes());
                }
            }
        }
    }
}

/// Any bytes parse or are named; what parses lies inside them.
#[test]
fn anything_is_survived() {
    let seeds: [&[u8]; 7] = [
        &[0x20, 8, 0, 0, 5, 0x27, 0, 0, 1, 0],
        &[0x32, 10, 0, 1, b't', 0, 7, 2, 0x01, 1, b'h', b'i'],
        &[0x40, 4, 0, 9, 0x87, 0],
        &[0x90, 4, 0, 3, 0, 1],
        &[0xE0, 2, 0x8B, 0],
        &[0xD0, 0],
        &[0x30, 11, 0, 1, b't', 7, 0x26, 0, 1, b'k', 0, 1, b'v'],
    ];
    let mut x = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    let (mut good, mut bad) = (0, 0);
    for round in 0..300_000 {
        let mut bytes = seeds[next() as usize % seeds.len()].to_vec();
        for _ in 0..next() % 4 {
            let at = next() as usize % bytes.len();
            bytes[at] ^= 1 << (next() % 8);
        }
        if round % 5 == 0 {
            bytes.truncate(next() as usize % (bytes.len() + 1));
        }
        let _ = split(&bytes);
        let _ = id_offset(&bytes);
        match parse(&bytes) {
            Ok(Incoming::Publish(message)) => {
                good += 1;
                assert!(message.topic.len() + message.payload.len() + 4 <= bytes.len());
                assert!(!message.topic.is_empty());
            }
            Ok(_) => good += 1,
            Err(_) => bad += 1,
        }
    }
    assert!(good > 10_000 && bad > 10_000, "{good} {bad}");
}
