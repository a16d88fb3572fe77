//! Clients among themselves: quotas, fairness, back-pressure, death.

use super::*;
use crate::inbound::CLIENT_MESSAGES;
use mqtt_ipc::{Client as IpcClient, Event, MESSAGE_BUFFER, Page};

type Ipc = IpcClient<&'static Page, fn()>;

/// A service with clients that have opened.
struct Bench {
    service: Service<'static, &'static Page>,
    pages: Vec<&'static Page>,
    clients: Vec<Ipc>,
    now_us: u64,
}

/// What a client was told.
#[derive(Debug, PartialEq)]
enum Heard {
    Result(u32, Status),
    Message(String, Vec<u8>),
    Missed(u16),
}

impl Bench {
    fn new(clients: usize) -> Bench {
        Bench::with_pool(clients, crate::POOL)
    }

    fn with_pool(clients: usize, pool: usize) -> Bench {
        let mut bench = Bench {
            service: Service::new(vec![0; pool].leak()),
            pages: (0..clients)
                .map(|_| &*Box::leak(Box::new(Page::new())))
                .collect(),
            clients: Vec::new(),
            now_us: 0,
        };
        for index in 0..clients {
            assert!(bench.service.attach(index, bench.pages[index]));
            bench
                .clients
                .push(IpcClient::new(bench.pages[index], (|| ()) as fn()));
        }
        while bench.take().is_some() {}
        for index in 0..clients {
            assert_eq!(bench.hear(index), [Heard::Result(1, Status::Ok)]);
        }
        bench
    }

    /// A new life of client `index`.
    fn restart(&mut self, index: usize) {
        self.clients[index] = IpcClient::new(self.pages[index], (|| ()) as fn());
    }

    fn pass(&mut self, us: u64) {
        self.now_us += us;
        self.service.tick(self.now_us);
    }

    fn take(&mut self) -> Option<(Client, u32, bool)> {
        let mut buf = [0; MAX_REQUEST];
        let (client, seq, work) = self.service.take(&mut buf)?;
        Some((client, seq, matches!(work, Work::Publish { .. })))
    }

    /// Everything that waits for a client, but for states.
    fn hear(&mut self, index: usize) -> Vec<Heard> {
        let mut buf = vec![0; MESSAGE_BUFFER];
        let mut heard = Vec::new();
        loop {
            let went = self.service.deliver();
            match self.clients[index].poll(&mut buf).unwrap() {
                Some(Event::Result { seq, status }) => heard.push(Heard::Result(seq, status)),
                Some(Event::Message { topic, payload, .. }) => {
                    heard.push(Heard::Message(topic.into(), payload.into()));
                }
                Some(Event::Missed(count)) => heard.push(Heard::Missed(count)),
                Some(Event::State(_)) => {}
                None if went => {}
                None => return heard,
            }
        }
    }

    /// Client `index` subscribes, and the broker agrees.
    fn subscribe(&mut self, index: usize, filter: &str) {
        let seq = self.clients[index]
            .subscribe(filter, Qos::AtLeastOnce)
            .unwrap();
        self.take().unwrap();
        while let Some(FilterWork::Subscribe(number, ..)) = self.service.next_filter() {
            self.service.filter_done(number, Status::Ok);
        }
        assert!(self.hear(index).contains(&Heard::Result(seq, Status::Ok)));
    }

    fn offer(&mut self, topic: &str, payload: &[u8]) -> Offer {
        self.service.offer(topic, payload, Qos::AtLeastOnce)
    }
}

fn message(topic: &str, payload: &[u8]) -> Heard {
    Heard::Message(topic.into(), payload.into())
}

#[test]
fn filters_are_bounded_for_a_client_and_together() {
    let mut bench = Bench::new(3);
    for client in 0..2 {
        for number in 0..CLIENT_FILTERS {
            bench.subscribe(client, &format!("{client}/{number}"));
        }
    }
    for client in [0, 2] {
        let seq = bench.clients[client]
            .subscribe("more", Qos::AtMostOnce)
            .unwrap();
        bench.take().unwrap();
        let refused = Heard::Result(seq, Status::NoSpace);
        assert_eq!(bench.hear(client), [refused], "{client}");
    }
    // What one has, another may have too.
    bench.subscribe(2, "1/3");
}

#[test]
fn a_filter_is_shared_raised_and_refusable() {
    let mut bench = Bench::new(2);
    let first = bench.clients[0].subscribe("a", Qos::AtMostOnce).unwrap();
    bench.take();
    let work = bench.service.next_filter();
    let expected = FilterWork::Subscribe(0, "a".into(), Qos::AtMostOnce);
    assert_eq!(work, Some(expected));
    bench.service.filter_done(0, Status::Ok);
    assert_eq!(bench.hear(0), [Heard::Result(first, Status::Ok)]);
    // The same level costs nothing.
    let seq = bench.clients[1].subscribe("a", Qos::AtMostOnce).unwrap();
    bench.take();
    assert_eq!(bench.service.next_filter(), None);
    assert_eq!(bench.hear(1), [Heard::Result(seq, Status::Ok)]);
    // A higher one is one more SUBSCRIBE, which the broker may refuse.
    let seq = bench.clients[1].subscribe("a", Qos::AtLeastOnce).unwrap();
    bench.take();
    let expected = FilterWork::Subscribe(0, "a".into(), Qos::AtLeastOnce);
    assert_eq!(bench.service.next_filter(), Some(expected));
    bench.service.filter_done(0, Status::Refused);
    assert_eq!(bench.hear(1), [Heard::Result(seq, Status::Refused)]);
    assert_eq!(bench.offer("a", b"x"), Offer::Taken);
    assert_eq!(bench.hear(1), []);
    assert_eq!(bench.hear(0), [message("a", b"x")], "who had it keeps it");
}

#[test]
fn a_filter_goes_with_its_last_subscriber() {
    let mut bench = Bench::new(2);
    bench.subscribe(0, "a/+");
    bench.subscribe(1, "a/+");
    for client in 0..2 {
        assert_eq!(bench.service.next_filter(), None);
        bench.clients[client].unsubscribe("a/+").unwrap();
        bench.take().unwrap();
    }
    let expected = FilterWork::Unsubscribe(0, "a/+".into());
    assert_eq!(bench.service.next_filter(), Some(expected));
    bench.service.filter_done(0, Status::Ok);
    assert!(!bench.service.has_filters());
}

#[test]
fn nobody_unsubscribes_for_another() {
    let mut bench = Bench::new(2);
    bench.subscribe(0, "a");
    bench.clients[1].unsubscribe("a").unwrap();
    bench.take().unwrap();
    assert_eq!(bench.service.next_filter(), None);
    bench.offer("a", b"x");
    assert_eq!(bench.hear(0), [message("a", b"x")]);
}

#[test]
fn filters_match_per_client() {
    let mut bench = Bench::new(3);
    bench.subscribe(0, "a/+");
    bench.subscribe(1, "a/#");
    bench.subscribe(2, "b");
    bench.offer("a/1", b"x");
    bench.offer("a/1/2", b"y");
    assert_eq!(bench.hear(0), [message("a/1", b"x")]);
    assert_eq!(
        bench.hear(1),
        [message("a/1", b"x"), message("a/1/2", b"y")]
    );
    assert_eq!(bench.hear(2), []);
}

#[test]
fn two_filters_of_one_client_give_one_message() {
    let mut bench = Bench::new(1);
    bench.subscribe(0, "a/+");
    bench.subscribe(0, "a/#");
    bench.offer("a/1", b"x");
    assert_eq!(bench.hear(0), [message("a/1", b"x")]);
}

#[test]
fn requests_are_taken_in_turn() {
    let mut bench = Bench::new(3);
    let mut order = Vec::new();
    for _ in 0..4 {
        // Client 0 floods: it has a request ready whenever anyone looks.
        for client in 0..3 {
            let _ = bench.clients[client].publish("t", b"x", Qos::AtMostOnce);
        }
        let (client, seq, _) = bench.take().unwrap();
        bench.service.published(client, seq, 2, Status::Ok);
        order.push(client.index());
        bench.hear(client.index());
    }
    assert_eq!(order[1], (order[0] + 1) % 3);
    assert_eq!(order[2], (order[0] + 2) % 3);
    assert_eq!(order[3], order[0]);
}

#[test]
fn a_flooding_client_is_busy_at_its_quota_and_others_are_not() {
    let mut bench = Bench::new(2);
    let mut in_flight = Vec::new();
    loop {
        match bench.clients[0].publish("t", b"small", Qos::AtLeastOnce) {
            Ok(_) => {}
            Err(Error::Busy) => break,
            Err(error) => panic!("{error:?}"),
        }
        in_flight.extend(bench.take());
    }
    assert_eq!(in_flight.len(), CLIENT_PUBLISHES);
    assert!(bench.take().is_none());
    bench.clients[1]
        .publish("t", b"y", Qos::AtLeastOnce)
        .unwrap();
    assert_eq!(bench.take().map(|(client, ..)| client.index()), Some(1));
    // One acknowledgement, one more request.
    let (client, seq, _) = in_flight[0];
    bench.service.published(client, seq, 6, Status::Ok);
    assert_eq!(bench.take().map(|(client, ..)| client.index()), Some(0));
    assert!(bench.take().is_none());
}

#[test]
fn a_client_with_large_requests_is_busy_at_its_byte_quota() {
    let mut bench = Bench::new(1);
    let payload = [0; MAX_REQUEST - 4];
    for _ in 0..2 {
        bench.clients[0]
            .publish("t", &payload, Qos::AtLeastOnce)
            .unwrap();
        assert!(bench.take().is_some());
    }
    bench.clients[0]
        .publish("t", b"", Qos::AtLeastOnce)
        .unwrap();
    assert!(bench.take().is_none());
    let again = bench.clients[0].publish("t", b"", Qos::AtLeastOnce);
    assert_eq!(again, Err(Error::Busy));
}

#[test]
fn a_client_that_takes_no_results_sees_a_full_mailbox() {
    let mut bench = Bench::new(1);
    for _ in 0..MAX_OUTSTANDING {
        bench.clients[0].query().unwrap();
        assert!(bench.take().is_some());
    }
    bench.clients[0].query().unwrap();
    assert!(bench.take().is_none());
    assert_eq!(bench.clients[0].query(), Err(Error::Busy));
    assert_eq!(bench.hear(0).len(), MAX_OUTSTANDING);
    assert!(bench.take().is_some());
}

#[test]
fn garbage_in_a_mailbox_is_answered_and_hurts_nobody_else() {
    let mut bench = Bench::new(2);
    bench.subscribe(1, "a");
    let mut x = 0x2545_F491_4F6C_DD1D_u64;
    let mut invalid = 0;
    for round in 0..5_000u32 {
        for word in 1604..1620 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            mqtt_ipc::Memory::store(bench.pages[0], word, x as u32);
        }
        if let Some((client, seq, true)) = bench.take() {
            bench.service.published(client, seq, 0, Status::Ok);
        }
        if round % 3 == 0 {
            mqtt_ipc::Memory::store(bench.pages[0], 1, x as u32);
            let mut buf = [0; MESSAGE_BUFFER];
            let _ = bench.clients[0].poll(&mut buf);
            bench.service.deliver();
            if let Ok(Some(Event::Result { status, .. })) = bench.clients[0].poll(&mut buf) {
                invalid += u32::from(status == Status::Invalid);
            }
        }
        if round % 100 == 0 {
            bench.pass(1000);
            assert_eq!(bench.offer("a", &round.to_le_bytes()), Offer::Taken);
            assert_eq!(bench.hear(1), [message("a", &round.to_le_bytes())]);
            let seq = bench.clients[1].query().unwrap();
            while bench.take().is_some() {}
            assert!(bench.hear(1).contains(&Heard::Result(seq, Status::Ok)));
        }
    }
    assert!(invalid > 100, "{invalid}");
}

/// A message counts as taken when its reader has emptied the mailbox, not before.
#[test]
fn an_acknowledgement_waits_for_the_last_reader() {
    let mut bench = Bench::new(2);
    bench.subscribe(0, "a");
    bench.subscribe(1, "a");
    assert_eq!(bench.offer("a", b"x"), Offer::Taken);
    bench.service.stored_with(Ack::for_tests(7));
    assert_eq!(bench.hear(0), [message("a", b"x")]);
    bench.service.deliver();
    assert_eq!(bench.service.take_ack(), None, "the other has not read");
    assert!(bench.service.holds_messages());
    assert_eq!(bench.hear(1), [message("a", b"x")]);
    bench.service.deliver();
    assert_eq!(bench.service.take_ack(), Some(Ack::for_tests(7)));
    assert!(!bench.service.holds_messages());
}

#[test]
fn a_slow_reader_holds_the_others_up_for_its_patience_only() {
    let mut bench = Bench::new(2);
    bench.subscribe(0, "a/#");
    bench.subscribe(1, "a/#");
    let mut waited = 0;
    let mut heard = 0;
    for number in 0..100u8 {
        while bench.offer("a/b", &[number]) == Offer::Later {
            bench.pass(10_000);
            waited += 10_000;
        }
        heard += bench.hear(1).len();
    }
    assert_eq!(heard, 100, "the reader gets everything");
    assert!(
        (PATIENCE_US..PATIENCE_US + 50_000).contains(&waited),
        "{waited}"
    );
    // When it comes back it is told, and served again.
    let mut told = bench.hear(0);
    assert_eq!(
        told.remove(0),
        message("a/b", &[0]),
        "what lay in its mailbox"
    );
    assert_eq!(told, [Heard::Missed(99)]);
    assert_eq!(bench.service.dropped(), 99);
    assert_eq!(bench.offer("a/b", b"new"), Offer::Taken);
    assert_eq!(bench.hear(0), [message("a/b", b"new")]);
}

#[test]
fn patience_is_given_again_after_a_minute() {
    let mut bench = Bench::new(1);
    bench.subscribe(0, "a");
    let stall = |bench: &mut Bench| {
        let mut waited = 0;
        while bench.service.dropped() == 0 || waited == 0 {
            match bench.offer("a", b"x") {
                Offer::Later => {
                    bench.pass(100_000);
                    waited += 100_000;
                }
                _ if waited > 0 => break,
                _ => {}
            }
        }
        bench.hear(0);
        waited
    };
    let first = stall(&mut bench);
    assert!(first >= PATIENCE_US, "{first}");
    for _ in 0..CLIENT_MESSAGES {
        bench.offer("a", b"y");
    }
    assert_eq!(bench.offer("a", b"y"), Offer::Later, "charged at once …");
    assert_ne!(
        bench.offer("a", b"y"),
        Offer::Later,
        "… and out of patience"
    );
    bench.hear(0);
    bench.pass(PATIENCE_WINDOW_US - 1_000_000);
    bench.clients[0].query().unwrap();
    bench.take().unwrap();
    bench.pass(1_000_000);
    bench.hear(0);
    for _ in 0..CLIENT_MESSAGES {
        bench.offer("a", b"z");
    }
    assert_eq!(bench.offer("a", b"z"), Offer::Later);
    bench.pass(1_000_000);
    assert_eq!(bench.offer("a", b"z"), Offer::Later);
}

/// Large messages: half of the pool is the most that one client can have.
#[test]
fn one_client_never_has_the_whole_pool() {
    let mut bench = Bench::new(2);
    bench.subscribe(0, "slow");
    bench.subscribe(1, "quick");
    let large = vec![1; mqtt_ipc::MAX_PAYLOAD];
    assert_eq!(bench.offer("slow", &large), Offer::Taken);
    assert_eq!(bench.offer("slow", &large), Offer::Later);
    assert_eq!(bench.offer("quick", &large), Offer::Taken);
    assert_eq!(bench.hear(1), [message("quick", &large)]);
}

#[test]
fn oversized_messages_are_dropped_counted_and_told() {
    let mut bench = Bench::new(1);
    bench.subscribe(0, "#");
    let large = vec![0; mqtt_ipc::MAX_PAYLOAD + 1];
    assert_eq!(bench.offer("t", &large), Offer::Unwanted);
    let long = "t".repeat(mqtt_ipc::MAX_TOPIC + 1);
    assert_eq!(bench.offer(&long, b""), Offer::Unwanted);
    assert_eq!(bench.service.dropped(), 2);
    assert_eq!(bench.hear(0), [Heard::Missed(2)]);
}

#[test]
fn a_message_for_nobody_is_not_kept() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.offer("t", b"x"), Offer::Unwanted);
    assert_eq!(bench.service.unwanted(), 1);
    assert!(!bench.service.holds_messages());
}

#[test]
fn a_restarted_client_gets_no_results_of_its_earlier_life() {
    let mut bench = Bench::new(1);
    bench.clients[0]
        .publish("t", b"", Qos::AtLeastOnce)
        .unwrap();
    let (old, seq, _) = bench.take().unwrap();
    bench.restart(0);
    bench.take().unwrap();
    bench.service.published(old, seq, 1, Status::Ok);
    assert_eq!(bench.hear(0), [Heard::Result(1, Status::Ok)], "the opening");
}

#[test]
fn a_restarted_client_finds_the_messages_that_came_meanwhile() {
    let mut bench = Bench::new(1);
    bench.subscribe(0, "a");
    bench.offer("a", b"before");
    bench.restart(0);
    bench.take().unwrap();
    bench.offer("a", b"between");
    assert_eq!(bench.hear(0), [Heard::Result(1, Status::Ok)]);
    assert_eq!(bench.service.next_filter(), None, "still subscribed");
    let seq = bench.clients[0].subscribe("a", Qos::AtLeastOnce).unwrap();
    bench.take().unwrap();
    let mut heard = bench.hear(0);
    assert_eq!(heard.remove(0), Heard::Result(seq, Status::Ok));
    assert_eq!(heard, [message("a", b"before"), message("a", b"between")]);
}

#[test]
fn a_dead_clients_filters_and_messages_go_after_the_grace() {
    let mut bench = Bench::new(2);
    bench.subscribe(0, "a");
    bench.offer("a", b"x");
    bench.service.stored_with(Ack::for_tests(1));
    bench.service.gone(0);
    assert_eq!(bench.service.clients(), 1);
    assert_eq!(bench.service.next_filter(), None);
    assert_eq!(bench.service.take_ack(), None);
    bench.pass(GRACE_US);
    assert_eq!(bench.service.take_ack(), Some(Ack::for_tests(1)));
    assert!(!bench.service.holds_messages());
    let expected = FilterWork::Unsubscribe(0, "a".into());
    assert_eq!(bench.service.next_filter(), Some(expected));
    bench.service.filter_done(0, Status::Ok);
    assert!(!bench.service.has_filters());
}

#[test]
fn what_is_kept_for_the_dead_makes_room_for_the_living() {
    let mut bench = Bench::new(2);
    bench.subscribe(0, "a");
    bench.subscribe(1, "b");
    bench.service.gone(0);
    let large = vec![1; mqtt_ipc::MAX_PAYLOAD];
    while bench.offer("a", &large) == Offer::Taken {}
    assert_eq!(bench.offer("b", &large), Offer::Taken);
    assert_eq!(bench.hear(1), [message("b", &large)]);
}

#[test]
fn a_client_that_is_not_heard_of_is_dead() {
    let mut bench = Bench::new(2);
    for _ in 0..3 {
        bench.pass(LEASE_US / 2);
        bench.clients[1].query().unwrap();
        bench.take().unwrap();
        bench.hear(1);
    }
    assert_eq!(bench.service.clients(), 1);
    // It rings again: it is told that nothing is known of it.
    assert!(bench.service.attach(0, bench.pages[0]));
    let seq = bench.clients[0].query().unwrap();
    bench.take().unwrap();
    assert_eq!(bench.hear(0), [Heard::Result(seq, Status::Lost)]);
    let seq = bench.clients[0].reopen().unwrap();
    bench.take().unwrap();
    assert_eq!(bench.hear(0), [Heard::Result(seq, Status::Ok)]);
}

/// A service that restarted says so to a client that has not noticed.
#[test]
fn a_query_without_opening_is_lost() {
    let mut bench = Bench::new(1);
    bench.service = Service::new(vec![0; 1024].leak());
    bench.service.attach(0, bench.pages[0]);
    let seq = bench.clients[0].query().unwrap();
    bench.take().unwrap();
    assert_eq!(bench.hear(0), [Heard::Result(seq, Status::Lost)]);
}

/// A process dies while its request is half written: the mailbox is not full, so nothing is seen.
#[test]
fn death_in_the_middle_of_a_request_leaves_nothing() {
    let mut bench = Bench::new(2);
    mqtt_ipc::Memory::store(bench.pages[0], 1604, 99);
    mqtt_ipc::Memory::store(bench.pages[0], 1606, 200);
    assert!(bench.take().is_none());
    bench.service.gone(0);
    bench.clients[1]
        .publish("t", b"x", Qos::AtMostOnce)
        .unwrap();
    assert_eq!(bench.take().map(|(client, ..)| client.index()), Some(1));
}

/// The session was there before us: what comes before its subscribers are back is kept for them.
#[test]
fn messages_of_an_inherited_session_wait_for_their_subscribers() {
    let mut bench = Bench::new(1);
    bench.service.session_inherited();
    assert_eq!(bench.offer("a", b"x"), Offer::Taken);
    assert_eq!(bench.hear(0), []);
    bench.subscribe(0, "a");
    let mut seen = Vec::new();
    bench.service.offer("a", b"y", Qos::AtLeastOnce);
    seen.extend(bench.hear(0));
    assert!(seen.contains(&message("a", b"y")));
    bench.pass(GRACE_US);
    assert_eq!(bench.offer("b", b"z"), Offer::Unwanted);
}
