//! Session, clients and mailboxes together against a scripted broker, in time that the test moves:
//! outages of hours, storms of reconnections, and what they leave on the heap.

mod scripted;

use mqtt_ipc::{Page, Qos, Status};
use net_mqtt::Why;
use net_mqtt::backoff::{Backoff, Class};
use scripted::{Bench, Heard, kinds, messages};

#[test]
fn presence_is_told_at_each_connection_and_left_as_a_will() {
    let mut bench = Bench::new(0);
    bench.exchange.connect(1);
    let connect = bench.sent().remove(0);
    let text = String::from_utf8_lossy(&connect).into_owned();
    assert!(text.contains("thing/status") && text.ends_with("offline"));
    bench.says(&[0x20, 3, 0, 0, 0]);
    let sent = bench.run().unwrap();
    assert_eq!(messages(&sent)[0].2, b"online");
}

#[test]
fn a_broker_that_allows_no_will_gets_a_connect_without() {
    let mut bench = Bench::new(0);
    for (round, with_will) in [true, false, true].into_iter().enumerate() {
        bench.exchange.connect(bench.now);
        let connect = bench.sent().remove(0);
        assert_eq!(connect.ends_with(b"offline"), with_will, "{round}");
        bench.says(&[0x20, 3, 0, 0x87, 0]);
        assert_eq!(bench.run(), Err(Why::MqttRefused(0x87)));
        assert_eq!(Why::MqttRefused(0x87).class(), Class::Refused);
        bench.lose();
    }
}

#[test]
fn a_resumed_session_is_not_subscribed_again() {
    let mut bench = Bench::new(1);
    bench.connect(false);
    bench.subscribe(0, "a/+");
    bench.lose();
    let sent = bench.connect(true);
    assert!(!kinds(&sent).contains(&0x82), "{sent:?}");
    bench.message("a/b", b"x");
    bench.run().unwrap();
    assert!(bench.hear(0).contains(&Heard::Message(b"x".into())));
}

/// What stood at a broker that has refused us meanwhile may be gone, whatever it says; once it has
/// been asked for again, it is believed as before.
#[test]
fn a_session_that_outlived_a_refusal_is_subscribed_again() {
    let mut bench = Bench::new(1);
    bench.connect(false);
    bench.subscribe(0, "a/+");
    bench.lose();
    bench.exchange.connect(bench.now);
    bench.sent();
    bench.says(&[0x20, 3, 0, 0x87, 0]);
    assert_eq!(bench.run(), Err(Why::MqttRefused(0x87)));
    bench.lose();
    let sent = bench.connect(true);
    assert_eq!(kinds(&sent).iter().filter(|kind| **kind == 0x82).count(), 1);
    bench.message("a/b", b"x");
    bench.run().unwrap();
    assert!(bench.hear(0).contains(&Heard::Message(b"x".into())));
    bench.lose();
    assert!(!kinds(&bench.connect(true)).contains(&0x82));
}

#[test]
fn a_lost_session_is_subscribed_again_and_nothing_in_flight_is_lost() {
    let mut bench = Bench::new(2);
    bench.connect(false);
    bench.subscribe(0, "a/+");
    bench.subscribe(1, "b");
    bench.mute = true;
    let seq = bench.clients[0]
        .publish("t", b"x", Qos::AtLeastOnce)
        .unwrap();
    let first = bench.run().unwrap();
    bench.lose();
    bench.mute = false;
    let sent = bench.connect(false);
    assert_eq!(kinds(&sent).iter().filter(|kind| **kind == 0x82).count(), 2);
    let again = messages(&sent);
    let again = again.iter().find(|message| message.2 == b"x").unwrap();
    assert!(!again.0 && again.1 != messages(&first)[0].1);
    assert!(bench.hear(0).contains(&Heard::Result(seq, Status::Ok)));
}

#[test]
fn a_subscription_that_was_under_way_is_asked_for_again() {
    let mut bench = Bench::new(1);
    bench.connect(false);
    bench.mute = true;
    let seq = bench.clients[0].subscribe("a", Qos::AtLeastOnce).unwrap();
    assert!(kinds(&bench.run().unwrap()).contains(&0x82));
    bench.lose();
    bench.mute = false;
    assert!(kinds(&bench.connect(true)).contains(&0x82));
    assert!(bench.hear(0).contains(&Heard::Result(seq, Status::Ok)));
}

#[test]
fn the_broker_has_no_acknowledgement_before_the_reader_has_the_message() {
    let mut bench = Bench::new(1);
    bench.connect(false);
    bench.subscribe(0, "a");
    bench.message("a", b"x");
    assert!(!kinds(&bench.run().unwrap()).contains(&0x40));
    assert_eq!(bench.hear(0), [Heard::Message(b"x".into())]);
    assert!(kinds(&bench.run().unwrap()).contains(&0x40));
}

#[test]
fn a_message_for_nobody_is_acknowledged_at_once() {
    let mut bench = Bench::new(0);
    bench.connect(false);
    bench.message("a", b"x");
    assert!(kinds(&bench.run().unwrap()).contains(&0x40));
}

/// Subscriptions of an earlier life that nobody asks for again: the session is made anew.
#[test]
fn strays_of_an_inherited_session_end_it() {
    let mut bench = Bench::new(0);
    bench.connect(true);
    bench.now += 60_000_000;
    let why = loop {
        bench.message("old", b"x");
        match bench.run() {
            Ok(_) => {}
            Err(why) => break why,
        }
    };
    assert!(why.to_string().contains("stale subscriptions"), "{why}");
    assert_eq!(kinds(&bench.sent()), [0xE0]);
    bench.lose();
    bench.exchange.connect(bench.now);
    assert_eq!(bench.sent()[0][9] & 2, 2, "Clean Start");
}

#[test]
fn a_dead_clients_subscription_ends_at_the_broker() {
    let mut bench = Bench::new(2);
    bench.connect(false);
    bench.subscribe(0, "a");
    bench.service.gone(0);
    assert!(!kinds(&bench.run().unwrap()).contains(&0xA2));
    bench.now += 30_000_000;
    assert!(kinds(&bench.run().unwrap()).contains(&0xA2));
}

/// One floods with publishes, one with garbage; two honest ones are served all the while.
#[test]
fn floods_hurt_the_flooder() {
    let mut bench = Bench::new(3);
    let garbage: &'static Page = Box::leak(Box::new(Page::new()));
    bench.service.attach(3, garbage);
    bench.connect(false);
    bench.subscribe(1, "a");
    let (mut busy, mut x) = (0, 0x1234_5678_u32);
    for round in 0..200u32 {
        for _ in 0..20 {
            let flood = bench.clients[0].publish("flood", &[0; 1500], Qos::AtLeastOnce);
            busy += u32::from(flood.is_err());
            for word in 1604..1612 {
                x ^= x << 13;
                x ^= x >> 17;
                x ^= x << 5;
                mqtt_ipc::Memory::store(garbage, word, x);
            }
            mqtt_ipc::Memory::store(garbage, 1, 0);
            bench.exchange.turn(&mut bench.service, bench.now).unwrap();
        }
        bench.now += 10_000;
        let seq = bench.clients[2]
            .publish("honest", &round.to_le_bytes(), Qos::AtLeastOnce)
            .unwrap();
        bench.message("a", &round.to_le_bytes());
        let sent = bench.run().unwrap();
        assert!(messages(&sent).iter().any(|m| m.2 == round.to_le_bytes()));
        let heard = bench.hear(2);
        assert!(heard.contains(&Heard::Result(seq, Status::Ok)), "{heard:?}");
        assert!(
            bench
                .hear(1)
                .contains(&Heard::Message(round.to_le_bytes().into()))
        );
        // It takes its answers now and then, or would have none of its requests taken.
        bench.hear(0);
    }
    assert!(busy > 1000, "{busy}");
}

/// An hour without network: attempts go on and grow rare, publishes are refused by name, and what
/// was in flight arrives in the end.
#[test]
fn an_hour_without_network_is_survived() {
    let mut bench = Bench::new(1);
    bench.connect(false);
    bench.subscribe(0, "a");
    bench.mute = true;
    let kept = bench.clients[0]
        .publish("t", b"kept", Qos::AtLeastOnce)
        .unwrap();
    bench.run().unwrap();
    bench.lose();
    bench.mute = false;
    let (mut backoff, mut x, mut attempts) = (Backoff::default(), 0x2545_F491_u32, 0);
    let back = bench.now + 3_600_000_000;
    let mut refused = 0;
    while bench.now < back {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        let pause = u64::from(backoff.next(Class::Passing, bench.now, x)) * 1000;
        // A client lives on meanwhile, and asks.
        for _ in 0..=pause / 30_000_000 {
            bench.now += (pause % 30_000_000).max(1);
            bench.service.tick(bench.now);
            if bench.clients[0].query().is_ok() {
                bench.service.take(&mut [0; 1760]);
            }
            bench.hear(0);
        }
        if let Ok(seq) = bench.clients[0].publish("t", b"no", Qos::AtLeastOnce)
            && let Some((client, number, _)) = bench.service.take(&mut [0; 1760])
        {
            bench.service.published(client, number, 3, Status::Offline);
            refused += u32::from(bench.hear(0).contains(&Heard::Result(seq, Status::Offline)));
        }
        attempts += 1;
    }
    assert!((50..400).contains(&attempts), "{attempts}");
    assert!(refused > 50, "{refused}");
    // The broker kept the session for an hour, and not a second longer.
    let sent = bench.connect(false);
    assert!(messages(&sent).iter().any(|message| message.2 == b"kept"));
    assert!(kinds(&sent).contains(&0x82));
    assert!(bench.hear(0).contains(&Heard::Result(kept, Status::Ok)));
}

/// A thousand connections made and lost in every state: the heap is what it was, and was never
/// large.
#[test]
fn a_thousand_reconnections_leave_nothing_on_the_heap() {
    let mut bench = Bench::new(3);
    let mut x = 0x2545_F491_u32;
    let mut round = |bench: &mut Bench| {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        bench.now += u64::from(x % 2_000_000);
        bench.exchange.connect(bench.now);
        drop(bench.sent());
        if x & 0x100 != 0 {
            bench.says(&[0x20, 3, (x >> 9 & 1) as u8, 0, 0]);
            bench.mute = x & 0x400 != 0;
            for client in 0..3 {
                let _ = match x >> (11 + client) & 3 {
                    0 => bench.clients[client].subscribe("a/+", Qos::AtLeastOnce),
                    1 => bench.clients[client].unsubscribe("a/+"),
                    2 => bench.clients[client].publish("t", &[1; 500], Qos::AtLeastOnce),
                    _ => bench.clients[client].query(),
                };
            }
            drop(bench.run());
            bench.message("a/1", &[x as u8; 20]);
            drop(bench.run());
            if x & 0x8000 != 0 {
                drop(bench.hear(x as usize % 3));
            }
        }
        bench.lose();
    };
    let settle = |bench: &mut Bench| {
        bench.mute = false;
        bench.lose();
        for client in 0..3 {
            drop(bench.hear(client));
        }
        drop(bench.connect(false));
        for client in 0..3 {
            drop(bench.hear(client));
        }
        drop(bench.run());
        for client in 0..3 {
            let _ = bench.clients[client].unsubscribe("a/+");
            drop(bench.run());
            drop(bench.hear(client));
        }
        drop(bench.run());
        bench.lose();
    };
    // Queues reach the size that they keep.
    for _ in 0..50 {
        round(&mut bench);
    }
    settle(&mut bench);
    let used = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            round(&mut bench);
        }
        settle(&mut bench);
    });
    assert!(
        used.bytes_current.abs() <= 64,
        "{} bytes more than before",
        used.bytes_current
    );
    // With the test's own packets in it.
    assert!(used.bytes_max < 16 * 1024, "{} bytes", used.bytes_max);
}
