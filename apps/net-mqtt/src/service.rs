//! Who asked for what: the clients of `tockstone.mqtt`, their filters, and what waits for them.
//!
//! Owns the client slots, the filter table, one inbound message on its way to its readers, and
//! results. Does not own the MQTT session: `session.rs` asks what to do next and reports back.
//!
//! Bounds: [`MAX_CLIENTS`] clients; [`MAX_FILTERS`] filters together; per client
//! [`MAX_OUTSTANDING`] requests without a delivered result (the next stays in the mailbox, so the
//! client sees BUSY); one inbound message, and while it waits none is taken from the broker; a
//! client that does not empty its mailbox for [`PATIENCE_US`] loses that message.

use crate::filter;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use mqtt_ipc::{Error, Link, MAX_REQUEST, MESSAGE_BUFFER, Memory, Port, Qos, Request, Status};

/// Clients served at once; a Tock slot index is below this.
pub const MAX_CLIENTS: usize = 8;
/// Filters of all clients together, each counted once.
pub const MAX_FILTERS: usize = 16;
/// Requests of one client whose result it has not taken.
pub const MAX_OUTSTANDING: usize = 8;
/// How long a client may leave its mailbox full while a message waits, microseconds.
pub const PATIENCE_US: u64 = 2_000_000;

/// A client, in one of its lives: results for an earlier life are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    index: u8,
    epoch: u8,
}

/// A request taken from a mailbox; the payload is in the buffer given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work<'b> {
    /// To be published and then answered.
    Publish {
        /// Topic name.
        topic: &'b str,
        /// Payload.
        payload: &'b [u8],
        /// Level.
        qos: Qos,
    },
    /// Was handled here.
    Done,
}

/// What the session should do about a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterWork {
    /// Send SUBSCRIBE, then report under this number.
    Subscribe(usize, String, Qos),
    /// Send UNSUBSCRIBE, then report under this number.
    Unsubscribe(usize, String),
}

struct Slot<M> {
    port: Port<M>,
    /// It has sent Open since we started; otherwise it takes us for an earlier life of ours.
    opened: bool,
    epoch: u8,
    outstanding: usize,
    results: VecDeque<(u32, Status)>,
    /// The state it should be told, if not told yet.
    state: Option<Link>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Wanted,
    Subscribing,
    Active,
    Unsubscribing,
}

struct Filter {
    text: String,
    qos: Qos,
    /// Bit i: client i wants it.
    clients: u8,
    state: State,
    waiters: Vec<(Client, u32)>,
}

struct Inbound {
    buffer: Vec<u8>,
    topic_len: usize,
    qos: Qos,
    /// Bit i: client i has not got it yet.
    waiting: u8,
    since_us: u64,
}

/// All clients.
pub struct Service<M> {
    slots: [Option<Slot<M>>; MAX_CLIENTS],
    filters: [Option<Filter>; MAX_FILTERS],
    inbound: Inbound,
    link: Link,
    notify: u8,
    dropped: u32,
}

impl<M: Memory> Service<M> {
    /// No clients, offline.
    pub fn new() -> Self {
        Service {
            slots: [const { None }; MAX_CLIENTS],
            filters: [const { None }; MAX_FILTERS],
            inbound: Inbound {
                buffer: Vec::new(),
                topic_len: 0,
                qos: Qos::AtMostOnce,
                waiting: 0,
                since_us: 0,
            },
            link: Link::Offline,
            notify: 0,
            dropped: 0,
        }
    }

    /// Client `index` shares `page`; later calls replace the page and keep what it asked for.
    /// False when the index is out of range.
    pub fn attach(&mut self, index: usize, page: M) -> bool {
        let Some(slot) = self.slots.get_mut(index) else {
            return false;
        };
        match slot {
            Some(slot) => slot.port = Port::new(page),
            None => {
                *slot = Some(Slot {
                    port: Port::new(page),
                    opened: false,
                    epoch: 0,
                    outstanding: 0,
                    results: VecDeque::new(),
                    state: None,
                });
            }
        }
        true
    }

    /// Bit i: notify client i now. Clears the set.
    pub fn take_notifications(&mut self) -> u8 {
        core::mem::take(&mut self.notify)
    }

    /// A notification did not go: try again next time.
    pub fn notify_again(&mut self, index: usize) {
        if index < MAX_CLIENTS {
            self.notify |= 1 << index;
        }
    }

    /// Messages that a client lost by not reading.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Whether a client waits for something from the broker.
    pub fn is_waiting(&self) -> bool {
        self.slots.iter().flatten().any(|slot| slot.outstanding > 0)
    }

    /// The link went up or down: every client is told.
    pub fn set_link(&mut self, link: Link) {
        self.link = link;
        for slot in self.slots.iter_mut().flatten() {
            slot.state = Some(link);
        }
    }

    /// Takes one request from a mailbox into `buf` ([`MAX_REQUEST`] bytes). Everything but a
    /// publish is handled at once.
    pub fn take<'b>(&mut self, buf: &'b mut [u8; MAX_REQUEST]) -> Option<(Client, u32, Work<'b>)> {
        let index = self.slots.iter_mut().position(|slot| {
            slot.as_mut()
                .is_some_and(|slot| slot.outstanding < MAX_OUTSTANDING && slot.port.has_request())
        })?;
        let slot = self.slots.get_mut(index)?.as_mut()?;
        let mut client = Client {
            index: index as u8,
            epoch: slot.epoch,
        };
        let (seq, request) = slot.port.take(buf)?;
        self.notify |= 1 << index;
        slot.outstanding += 1;
        match request {
            Ok(Request::Publish {
                topic,
                payload,
                qos,
            }) => {
                return Some((
                    client,
                    seq,
                    Work::Publish {
                        topic,
                        payload,
                        qos,
                    },
                ));
            }
            Ok(Request::Open) => {
                slot.opened = true;
                slot.epoch = slot.epoch.wrapping_add(1);
                client.epoch = slot.epoch;
                slot.results.clear();
                slot.outstanding = 1;
                slot.state = Some(self.link);
                self.forget(client.index);
                self.answer(client, seq, Status::Ok);
            }
            Ok(Request::Query) => {
                slot.state = Some(self.link);
                // Not opened in this life of ours: what it asked an earlier one is gone.
                let known = slot.epoch != 0;
                self.answer(client, seq, if known { Status::Ok } else { Status::Lost });
            }
            Ok(Request::Subscribe { filter, qos }) => self.subscribe(client, seq, filter, qos),
            Ok(Request::Unsubscribe { filter }) => {
                let bit = 1 << client.index;
                for known in self.filters.iter_mut().flatten() {
                    if known.text == filter {
                        known.clients &= !bit;
                        known
                            .waiters
                            .retain(|(waiter, _)| waiter.index != client.index);
                    }
                }
                self.answer(client, seq, Status::Ok);
            }
            Err(_) => self.answer(client, seq, Status::Invalid),
        }
        Some((client, seq, Work::Done))
    }

    /// The result of request `seq`.
    pub fn answer(&mut self, client: Client, seq: u32, status: Status) {
        if let Some(Some(slot)) = self.slots.get_mut(usize::from(client.index))
            && slot.epoch == client.epoch
            && slot.results.len() < MAX_OUTSTANDING
        {
            slot.results.push_back((seq, status));
        }
    }

    fn forget(&mut self, index: u8) {
        for filter in self.filters.iter_mut().flatten() {
            filter.clients &= !(1 << index);
            filter.waiters.retain(|(waiter, _)| waiter.index != index);
        }
        self.inbound.waiting &= !(1 << index);
    }

    fn subscribe(&mut self, client: Client, seq: u32, text: &str, qos: Qos) {
        let bit = 1 << client.index;
        if let Some(known) = self
            .filters
            .iter_mut()
            .flatten()
            .find(|known| known.text == text)
        {
            known.clients |= bit;
            let raise = qos as u8 > known.qos as u8;
            if raise {
                known.qos = qos;
            }
            match known.state {
                State::Active if !raise => return self.answer(client, seq, Status::Ok),
                State::Active => known.state = State::Wanted,
                _ => {}
            }
            known.waiters.push((client, seq));
            return;
        }
        match self.filters.iter_mut().find(|place| place.is_none()) {
            Some(place) => {
                *place = Some(Filter {
                    text: String::from(text),
                    qos,
                    clients: bit,
                    state: State::Wanted,
                    waiters: alloc::vec![(client, seq)],
                });
            }
            None => self.answer(client, seq, Status::NoSpace),
        }
    }

    /// The next SUBSCRIBE or UNSUBSCRIBE to send while connected.
    pub fn next_filter(&mut self) -> Option<FilterWork> {
        for (number, place) in self.filters.iter_mut().enumerate() {
            let Some(filter) = place else { continue };
            match (filter.state, filter.clients) {
                (State::Wanted, 0) => *place = None,
                (State::Wanted, _) => {
                    filter.state = State::Subscribing;
                    return Some(FilterWork::Subscribe(
                        number,
                        filter.text.clone(),
                        filter.qos,
                    ));
                }
                (State::Active, 0) => {
                    filter.state = State::Unsubscribing;
                    return Some(FilterWork::Unsubscribe(number, filter.text.clone()));
                }
                _ => {}
            }
        }
        None
    }

    /// The session could not send it now: ask again.
    pub fn filter_not_sent(&mut self, number: usize) {
        if let Some(Some(filter)) = self.filters.get_mut(number) {
            filter.state = match filter.state {
                State::Subscribing => State::Wanted,
                State::Unsubscribing => State::Active,
                other => other,
            };
        }
    }

    /// The broker acknowledged (or refused) what [`Service::next_filter`] gave out.
    pub fn filter_done(&mut self, number: usize, status: Status) {
        let Some(place) = self.filters.get_mut(number) else {
            return;
        };
        let Some(filter) = place else { return };
        let waiters = match filter.state {
            State::Subscribing => {
                let waiters = core::mem::take(&mut filter.waiters);
                filter.state = State::Active;
                if status != Status::Ok {
                    // Who had it before keeps it, as the broker does: only the askers lose it.
                    for (client, _) in &waiters {
                        filter.clients &= !(1 << client.index);
                    }
                    if filter.clients == 0 {
                        *place = None;
                    }
                }
                waiters
            }
            State::Unsubscribing => {
                match filter.clients {
                    0 => *place = None,
                    _ => filter.state = State::Wanted,
                }
                return;
            }
            _ => return,
        };
        for (client, seq) in waiters {
            self.answer(client, seq, status);
        }
    }

    /// The broker has no session of ours: every filter must be subscribed again.
    pub fn session_lost(&mut self) {
        for place in &mut self.filters {
            if let Some(filter) = place {
                filter.state = State::Wanted;
                if filter.clients == 0 {
                    *place = None;
                }
            }
        }
    }

    /// Whether a message from the broker can be taken.
    pub fn is_free(&self) -> bool {
        self.inbound.waiting == 0
    }

    /// Whether a subscription that the broker knows exists.
    pub fn has_filters(&self) -> bool {
        self.filters.iter().any(Option::is_some)
    }

    /// A message from the broker, for every client with a filter that matches. One too large for
    /// a mailbox is dropped and counted.
    pub fn offer(&mut self, topic: &str, payload: &[u8], qos: Qos, now_us: u64) {
        let clients = self
            .filters
            .iter()
            .flatten()
            .filter(|known| filter::matches(&known.text, topic))
            .fold(0, |clients, known| clients | known.clients);
        if clients == 0 {
            return;
        }
        if topic.len() > mqtt_ipc::MAX_TOPIC || payload.len() > mqtt_ipc::MAX_PAYLOAD {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let inbound = &mut self.inbound;
        if inbound.buffer.capacity() == 0 {
            inbound.buffer.reserve_exact(MESSAGE_BUFFER);
        }
        inbound.buffer.clear();
        inbound.buffer.extend_from_slice(topic.as_bytes());
        inbound.buffer.extend_from_slice(payload);
        inbound.topic_len = topic.len();
        inbound.qos = qos;
        inbound.waiting = clients;
        inbound.since_us = now_us;
    }

    /// Puts what waits into mailboxes that are free; whether anything went.
    pub fn deliver(&mut self, now_us: u64) -> bool {
        let mut went = false;
        let impatient = now_us.saturating_sub(self.inbound.since_us) >= PATIENCE_US;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let bit = 1 << index;
            let Some(slot) = slot else {
                self.inbound.waiting &= !bit;
                continue;
            };
            if slot.port.can_send() {
                if let Some(&(seq, status)) = slot.results.front() {
                    if slot.port.send_result(seq, status).is_ok() {
                        slot.results.pop_front();
                        slot.outstanding = slot.outstanding.saturating_sub(1);
                        self.notify |= bit;
                        went = true;
                    }
                } else if let Some(link) = slot.state {
                    if slot.port.send_state(link).is_ok() {
                        slot.state = None;
                        self.notify |= bit;
                        went = true;
                    }
                } else if self.inbound.waiting & bit != 0 {
                    let (topic, payload) = self
                        .inbound
                        .buffer
                        .split_at_checked(self.inbound.topic_len)
                        .unwrap_or_default();
                    // What was pushed as &str is UTF-8 still.
                    let topic = core::str::from_utf8(topic).unwrap_or_default();
                    match slot.port.send_message(topic, payload, self.inbound.qos) {
                        Err(Error::Busy) => {}
                        _ => {
                            self.inbound.waiting &= !bit;
                            self.notify |= bit;
                            went = true;
                        }
                    }
                }
            } else if self.inbound.waiting & bit != 0 && impatient {
                self.inbound.waiting &= !bit;
                self.dropped = self.dropped.saturating_add(1);
                went = true;
            }
        }
        went
    }
}

impl<M: Memory> Default for Service<M> {
    fn default() -> Self {
        Service::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_ipc::{Client as IpcClient, Event, Page};

    type Pages = Vec<&'static Page>;
    type Clients = Vec<IpcClient<&'static Page, fn()>>;

    fn service(clients: usize) -> (Service<&'static Page>, Pages, Clients) {
        let mut service = Service::<&'static Page>::new();
        let pages: Pages = (0..clients)
            .map(|_| &*Box::leak(Box::new(Page::new())))
            .collect();
        let clients = pages
            .iter()
            .enumerate()
            .map(|(index, &page)| {
                assert!(service.attach(index, page));
                IpcClient::new(page, (|| ()) as fn())
            })
            .collect();
        while service.take(&mut [0; MAX_REQUEST]).is_some() {}
        (service, pages, clients)
    }

    /// Everything that waits for a client, as far as results go.
    fn results(
        service: &mut Service<&'static Page>,
        client: &mut IpcClient<&'static Page, fn()>,
    ) -> Vec<(u32, Status)> {
        let mut buf = vec![0; MESSAGE_BUFFER];
        let mut found = Vec::new();
        loop {
            let went = service.deliver(0);
            match client.poll(&mut buf).unwrap() {
                Some(Event::Result { seq, status }) => found.push((seq, status)),
                Some(_) => {}
                None if went => {}
                None => return found,
            }
        }
    }

    #[test]
    fn filters_are_bounded_shared_and_refusable() {
        let (mut service, _, mut clients) = service(2);
        let mut buf = [0; MAX_REQUEST];
        let (first, second) = clients.split_at_mut(1);
        let (first, second) = (&mut first[0], &mut second[0]);
        assert_eq!(results(&mut service, first), [(1, Status::Ok)]);
        for number in 0..MAX_FILTERS {
            first
                .subscribe(&format!("a/{number}"), Qos::AtMostOnce)
                .unwrap();
            service.take(&mut buf).unwrap();
            let Some(FilterWork::Subscribe(place, _, _)) = service.next_filter() else {
                panic!("nothing to subscribe");
            };
            service.filter_done(place, Status::Ok);
            assert_eq!(
                results(&mut service, first),
                [(number as u32 + 2, Status::Ok)]
            );
        }
        let seq = first.subscribe("a/more", Qos::AtMostOnce).unwrap();
        service.take(&mut buf).unwrap();
        assert_eq!(results(&mut service, first), [(seq, Status::NoSpace)]);

        // The same filter of another client costs nothing, at a higher level one more SUBSCRIBE,
        // which the broker may refuse.
        assert_eq!(results(&mut service, second), [(1, Status::Ok)]);
        let seq = second.subscribe("a/3", Qos::AtMostOnce).unwrap();
        service.take(&mut buf).unwrap();
        assert_eq!(service.next_filter(), None);
        assert_eq!(results(&mut service, second), [(seq, Status::Ok)]);
        let seq = second.subscribe("a/3", Qos::AtLeastOnce).unwrap();
        service.take(&mut buf).unwrap();
        assert_eq!(
            service.next_filter(),
            Some(FilterWork::Subscribe(3, "a/3".into(), Qos::AtLeastOnce))
        );
        service.filter_done(3, Status::Refused);
        assert_eq!(results(&mut service, second), [(seq, Status::Refused)]);
        service.offer("a/3", b"x", Qos::AtMostOnce, 0);
        let mut buf = vec![0; MESSAGE_BUFFER];
        service.deliver(0);
        assert_eq!(second.poll(&mut buf), Ok(None));
        assert!(
            matches!(
                first.poll(&mut buf),
                Ok(Some(Event::Message { topic: "a/3", .. }))
            ),
            "who had it before keeps it"
        );
    }

    #[test]
    fn a_restarted_client_gets_nothing_of_its_earlier_life() {
        let (mut service, pages, mut clients) = service(1);
        let mut buf = [0; MAX_REQUEST];
        results(&mut service, &mut clients[0]);
        clients[0].subscribe("a", Qos::AtMostOnce).unwrap();
        service.take(&mut buf).unwrap();
        service.next_filter().unwrap();
        service.filter_done(0, Status::Ok);
        results(&mut service, &mut clients[0]);
        clients[0].publish("t", b"", Qos::AtLeastOnce).unwrap();
        let (old, seq, _) = service.take(&mut buf).unwrap();

        clients[0] = IpcClient::new(pages[0], (|| ()) as fn());
        service.take(&mut buf).unwrap();
        service.answer(old, seq, Status::Ok);
        assert_eq!(results(&mut service, &mut clients[0]), [(1, Status::Ok)]);
        service.offer("a", b"x", Qos::AtMostOnce, 0);
        assert!(service.is_free());
        assert_eq!(
            service.next_filter(),
            Some(FilterWork::Unsubscribe(0, "a".into()))
        );
        service.filter_done(0, Status::Ok);
        assert_eq!(service.next_filter(), None);
    }

    /// A service that restarted says so to a client that has not noticed.
    #[test]
    fn a_query_without_opening_is_lost() {
        let (_, pages, mut clients) = service(1);
        let mut restarted = Service::new();
        restarted.attach(0, pages[0]);
        let seq = clients[0].query().unwrap();
        restarted.take(&mut [0; MAX_REQUEST]).unwrap();
        assert_eq!(
            results(&mut restarted, &mut clients[0]),
            [(seq, Status::Lost)]
        );
    }

    #[test]
    fn a_client_without_room_for_results_sees_a_full_mailbox() {
        let (mut service, _, mut clients) = service(1);
        let mut buf = [0; MAX_REQUEST];
        // The opening is one of them already.
        for _ in 1..MAX_OUTSTANDING {
            clients[0].publish("t", b"", Qos::AtMostOnce).unwrap();
            assert!(service.take(&mut buf).is_some());
        }
        clients[0].publish("t", b"", Qos::AtMostOnce).unwrap();
        assert!(service.take(&mut buf).is_none());
        assert_eq!(
            clients[0].publish("t", b"", Qos::AtMostOnce),
            Err(Error::Busy)
        );
        assert_eq!(results(&mut service, &mut clients[0]), [(1, Status::Ok)]);
        assert!(service.take(&mut buf).is_some());
    }

    /// A message of any size and any number of clients: delivered to each that asked, or dropped
    /// and counted, never stuck.
    #[test]
    fn oversized_messages_are_dropped_and_counted() {
        let (mut service, _, mut clients) = service(1);
        results(&mut service, &mut clients[0]);
        clients[0].subscribe("#", Qos::AtMostOnce).unwrap();
        service.take(&mut [0; MAX_REQUEST]).unwrap();
        service.offer("t", &[0; mqtt_ipc::MAX_PAYLOAD + 1], Qos::AtMostOnce, 0);
        service.offer(
            &"t".repeat(mqtt_ipc::MAX_TOPIC + 1),
            b"",
            Qos::AtMostOnce,
            0,
        );
        assert!(service.is_free());
        assert_eq!(service.dropped(), 2);
    }
}
