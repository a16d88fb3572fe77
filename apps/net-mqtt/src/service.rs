//! Who asked for what: the clients of `tockstone.mqtt`, their quotas, filters and queues.
//!
//! Owns the client slots, the filter table, results, and the rules by which clients share what
//! there is. Does not own the MQTT session: `exchange.rs` asks what to do next and reports back.
//!
//! Bounds: [`MAX_CLIENTS`] clients, [`MAX_FILTERS`] filters together. Per client
//! [`CLIENT_FILTERS`] filters, [`CLIENT_PUBLISHES`] publishes in flight with [`CLIENT_BYTES`],
//! [`MAX_OUTSTANDING`] requests whose result it has not taken; past each of these its next request
//! stays in the mailbox, so the client sees BUSY. Requests are taken round-robin, one a turn.
//!
//! A message is put into the mailboxes of all clients with a filter that matches; each has its own
//! queue (`inbound.rs`), and the broker gets its acknowledgement when the last of them has taken
//! it. A client whose queue is full holds the broker back, and with it the other clients, for
//! [`PATIENCE_US`] in each [`PATIENCE_WINDOW_US`] at most; past that it loses messages, is told how
//! many, and gets none, until it has emptied its mailbox.
//!
//! A client is dead when the kernel says so, or when nothing was heard of it for [`LEASE_US`]; it
//! begins a new life with `Open`. Its filters stay subscribed for [`GRACE_US`], and what comes for
//! them at QoS 1 is kept for its next life, as far as the pool goes.

use crate::filter;
use crate::inbound::{Inbound, Serial};
use crate::mqtt::Ack;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use mqtt_ipc::{Error, Link, MAX_REQUEST, Memory, Port, Qos, Request, Status};

/// Clients served at once; a Tock slot index is below this.
pub const MAX_CLIENTS: usize = 8;
/// Filters of all clients together, each counted once (AWS: 50 a connection).
pub const MAX_FILTERS: usize = 32;
/// Filters of one client.
pub const CLIENT_FILTERS: usize = 16;
/// Requests of one client whose result it has not taken.
pub const MAX_OUTSTANDING: usize = 8;
/// Publishes of one client that the broker has not acknowledged.
pub const CLIENT_PUBLISHES: usize = 6;
/// Their bytes: two of the largest.
pub const CLIENT_BYTES: usize = 2 * (MAX_REQUEST + PACKET_OVERHEAD);
/// What a packet adds to topic and payload, at most.
pub const PACKET_OVERHEAD: usize = 16;
/// How long one client may hold up the others by not reading, microseconds …
pub const PATIENCE_US: u64 = 2_000_000;
/// … in each time as long as this.
pub const PATIENCE_WINDOW_US: u64 = 60_000_000;
/// A client that was not heard of for so long is dead.
pub const LEASE_US: u64 = 120_000_000;
/// A dead client's subscriptions and messages wait for its next life for so long.
pub const GRACE_US: u64 = 30_000_000;

/// A client, in one of its lives: results for an earlier life are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    index: u8,
    epoch: u32,
}

impl Client {
    /// Its slot.
    pub fn index(self) -> usize {
        self.index.into()
    }
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

/// What became of a message from the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Kept; its acknowledgement comes by [`Service::take_ack`].
    Taken,
    /// Not now: a queue is full. Offer it again.
    Later,
    /// Nobody gets it: acknowledge it, if it wants that.
    Unwanted,
}

struct Slot<M> {
    port: Port<M>,
    /// It has sent Open since we started; otherwise it takes us for an earlier life of ours.
    opened: bool,
    epoch: u32,
    outstanding: usize,
    results: VecDeque<(u32, Status)>,
    /// The state it should be told, if not told yet.
    state: Option<Link>,
    /// Messages it lost and was not told of.
    missed: u16,
    /// What lies in its mailbox.
    reading: Option<Serial>,
    publishes: usize,
    bytes: usize,
    heard_us: u64,
    /// How long it has held up the others since `held_since_us`.
    held_us: u64,
    held_since_us: u64,
    /// It used up its patience: messages pass it by until it has read what was in its mailbox.
    stalled: bool,
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
    /// With no client: not given up before this time.
    lingers_until: u64,
}

/// All clients.
pub struct Service<'b, M> {
    slots: [Option<Slot<M>>; MAX_CLIENTS],
    filters: [Option<Filter>; MAX_FILTERS],
    inbound: Inbound<'b>,
    link: Link,
    /// The thing's name, for clients to know; empty while there is none.
    thing: String,
    notify: u8,
    dropped: u32,
    unwanted: u32,
    /// Whose request is looked at first.
    turn: usize,
    lives: u32,
    /// Since when a message has been offered in vain, if it has.
    waiting_since: Option<u64>,
    /// Messages that match nothing are kept until then: subscribers of an earlier life of ours.
    newcomers_until: u64,
    now_us: u64,
}

impl<'b, M: Memory> Service<'b, M> {
    /// No clients, offline; messages to clients wait in `pool`.
    pub fn new(pool: &'b mut [u8]) -> Self {
        Service {
            slots: [const { None }; MAX_CLIENTS],
            filters: [const { None }; MAX_FILTERS],
            inbound: Inbound::new(pool),
            link: Link::Offline,
            thing: String::new(),
            notify: 0,
            dropped: 0,
            unwanted: 0,
            turn: 0,
            lives: 0,
            waiting_since: None,
            newcomers_until: 0,
            now_us: 0,
        }
    }

    /// Client `index` shares `page`; later calls replace the page and keep what it asked for.
    /// False when the index is out of range.
    pub fn attach(&mut self, index: usize, page: M) -> bool {
        let Some(slot) = self.slots.get_mut(index) else {
            return false;
        };
        match slot {
            Some(slot) => {
                slot.port.replace(page);
                slot.heard_us = self.now_us;
            }
            None => {
                *slot = Some(Slot {
                    port: Port::new(page),
                    opened: false,
                    epoch: 0,
                    outstanding: 0,
                    results: VecDeque::new(),
                    state: None,
                    missed: 0,
                    reading: None,
                    publishes: 0,
                    bytes: 0,
                    heard_us: self.now_us,
                    held_us: 0,
                    held_since_us: self.now_us,
                    stalled: false,
                });
            }
        }
        true
    }

    /// The kernel says that the process in slot `index` does not run.
    pub fn gone(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index)
            && slot.take().is_some()
        {
            self.forget(index as u8);
        }
    }

    /// Number of clients.
    pub fn clients(&self) -> usize {
        self.slots.iter().flatten().count()
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

    /// Messages that a client lost by not reading, or because they fit no mailbox.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Messages that matched no filter.
    pub fn unwanted(&self) -> u32 {
        self.unwanted
    }

    /// Whether a client waits for something from the broker.
    pub fn is_waiting(&self) -> bool {
        self.slots.iter().flatten().any(|slot| slot.outstanding > 0)
    }

    /// Clients are told this name of the thing with the state of the link.
    pub fn set_thing(&mut self, name: &str) {
        self.thing = name.into();
    }

    /// The link went up or down: every client is told.
    pub fn set_link(&mut self, link: Link) {
        self.link = link;
        self.waiting_since = None;
        for slot in self.slots.iter_mut().flatten() {
            slot.state = Some(link);
        }
    }

    /// What the time is; whoever is overdue is dead, whatever nobody wants is dropped.
    pub fn tick(&mut self, now_us: u64) {
        self.now_us = now_us;
        for index in 0..MAX_CLIENTS {
            let dead = self.slots.get(index).is_some_and(|slot| {
                slot.as_ref()
                    .is_some_and(|slot| now_us.saturating_sub(slot.heard_us) >= LEASE_US)
            });
            if dead {
                self.gone(index);
            }
        }
        let lost = self.inbound.sweep(now_us);
        self.dropped = self.dropped.saturating_add(lost);
    }

    /// Takes one request from a mailbox into `buf` ([`MAX_REQUEST`] bytes), of each client in
    /// turn. Everything but a publish is handled at once.
    pub fn take<'r>(&mut self, buf: &'r mut [u8; MAX_REQUEST]) -> Option<(Client, u32, Work<'r>)> {
        let may = |slot: &Slot<M>| {
            slot.outstanding < MAX_OUTSTANDING
                && slot.publishes < CLIENT_PUBLISHES
                && slot.bytes + MAX_REQUEST + PACKET_OVERHEAD <= CLIENT_BYTES
                && slot.port.has_request()
        };
        let index = (self.turn..self.turn + MAX_CLIENTS)
            .map(|index| index % MAX_CLIENTS)
            .find(|index| {
                let slot = self.slots.get(*index).and_then(Option::as_ref);
                slot.is_some_and(may)
            })?;
        self.turn = (index + 1) % MAX_CLIENTS;
        let now_us = self.now_us;
        let slot = self.slots.get_mut(index)?.as_mut()?;
        let mut client = Client {
            index: index as u8,
            epoch: slot.epoch,
        };
        let (seq, request) = slot.port.take(buf)?;
        self.notify |= 1 << index;
        slot.outstanding += 1;
        slot.heard_us = now_us;
        match request {
            Ok(Request::Publish {
                topic,
                payload,
                qos,
            }) => {
                slot.publishes += 1;
                slot.bytes += topic.len() + payload.len() + PACKET_OVERHEAD;
                let work = Work::Publish {
                    topic,
                    payload,
                    qos,
                };
                return Some((client, seq, work));
            }
            Ok(Request::Open) => {
                self.lives = self.lives.wrapping_add(1);
                slot.opened = true;
                slot.epoch = self.lives;
                client.epoch = slot.epoch;
                slot.results.clear();
                slot.outstanding = 1;
                // What is in flight still is; it is nobody's now.
                slot.publishes = 0;
                slot.bytes = 0;
                slot.missed = 0;
                slot.reading = None;
                slot.stalled = false;
                slot.state = Some(self.link);
                self.forget(client.index);
                self.answer(client, seq, Status::Ok);
            }
            Ok(Request::Query) => {
                slot.state = Some(self.link);
                // Not opened in this life of ours: what it asked an earlier one is gone.
                let known = slot.opened;
                self.answer(client, seq, if known { Status::Ok } else { Status::Lost });
            }
            Ok(Request::Subscribe { filter, qos }) => self.subscribe(client, seq, filter, qos),
            Ok(Request::Unsubscribe { filter }) => {
                let bit = 1 << client.index;
                for known in self.filters.iter_mut().flatten() {
                    if known.text == filter && known.clients & bit != 0 {
                        known.clients &= !bit;
                        known.lingers_until = 0;
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
        if let Some(Some(slot)) = self.slots.get_mut(client.index())
            && slot.epoch == client.epoch
            && slot.results.len() < MAX_OUTSTANDING
        {
            slot.results.push_back((seq, status));
        }
    }

    /// The result of a publish of `len` bytes of topic and payload, which is off our hands.
    pub fn published(&mut self, client: Client, seq: u32, len: usize, status: Status) {
        if let Some(Some(slot)) = self.slots.get_mut(client.index())
            && slot.epoch == client.epoch
        {
            slot.publishes = slot.publishes.saturating_sub(1);
            slot.bytes = slot.bytes.saturating_sub(len + PACKET_OVERHEAD);
        }
        self.answer(client, seq, status);
    }

    /// Client `index` is dead, or begins anew.
    fn forget(&mut self, index: u8) {
        let until = self.now_us.saturating_add(GRACE_US);
        for filter in self.filters.iter_mut().flatten() {
            if filter.clients & 1 << index != 0 {
                filter.clients &= !(1 << index);
                filter.lingers_until = until;
            }
            filter.waiters.retain(|(waiter, _)| waiter.index != index);
        }
        self.inbound.abandon(index.into(), until);
    }

    fn subscribe(&mut self, client: Client, seq: u32, text: &str, qos: Qos) {
        let bit = 1 << client.index;
        let filters = || self.filters.iter().flatten();
        let own = filters().filter(|known| known.clients & bit != 0).count();
        let has = filters().any(|known| known.clients & bit != 0 && known.text == text);
        if own >= CLIENT_FILTERS && !has {
            return self.answer(client, seq, Status::NoSpace);
        }
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
            self.inbound
                .claim(client.index(), |topic| filter::matches(text, topic));
            match known.state {
                State::Active if !raise => return self.answer(client, seq, Status::Ok),
                State::Active => known.state = State::Wanted,
                _ => {}
            }
            known.waiters.push((client, seq));
            return;
        }
        let place = self.filters.iter().position(Option::is_none).or_else(|| {
            // One that only waits for a client's next life.
            self.filters.iter().position(|filter| {
                filter
                    .as_ref()
                    .is_some_and(|f| f.clients == 0 && f.state == State::Wanted)
            })
        });
        match place.and_then(|place| self.filters.get_mut(place)) {
            Some(place) => {
                *place = Some(Filter {
                    text: String::from(text),
                    qos,
                    clients: bit,
                    state: State::Wanted,
                    waiters: alloc::vec![(client, seq)],
                    lingers_until: 0,
                });
                self.inbound
                    .claim(client.index(), |topic| filter::matches(text, topic));
            }
            None => self.answer(client, seq, Status::NoSpace),
        }
    }

    /// The next SUBSCRIBE or UNSUBSCRIBE to send while connected.
    pub fn next_filter(&mut self) -> Option<FilterWork> {
        let now_us = self.now_us;
        for (number, place) in self.filters.iter_mut().enumerate() {
            let Some(filter) = place else { continue };
            let unwanted = filter.clients == 0 && now_us >= filter.lingers_until;
            match filter.state {
                State::Wanted if unwanted => *place = None,
                State::Wanted => {
                    filter.state = State::Subscribing;
                    return Some(FilterWork::Subscribe(
                        number,
                        filter.text.clone(),
                        filter.qos,
                    ));
                }
                State::Active if unwanted => {
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
        let now_us = self.now_us;
        for place in &mut self.filters {
            if let Some(filter) = place {
                filter.state = State::Wanted;
                if filter.clients == 0 && now_us >= filter.lingers_until {
                    *place = None;
                }
            }
        }
    }

    /// The broker has a session of an earlier life of ours: what comes for its subscribers before
    /// they have asked again is kept for a while.
    pub fn session_inherited(&mut self) {
        self.newcomers_until = self.now_us.saturating_add(GRACE_US);
    }

    /// Whether a subscription exists.
    pub fn has_filters(&self) -> bool {
        self.filters.iter().any(Option::is_some)
    }

    /// A message from the broker, for every client with a filter that matches. One at QoS 1 that
    /// was taken is acknowledged in time: [`Service::stored_with`] has to follow.
    pub fn offer(&mut self, topic: &str, payload: &[u8], qos: Qos) -> Offer {
        let now_us = self.now_us;
        let mut clients = 0;
        let mut lingers = 0;
        for known in self.filters.iter().flatten() {
            if filter::matches(&known.text, topic) {
                clients |= known.clients;
                if known.clients == 0 {
                    lingers = lingers.max(known.lingers_until);
                }
            }
        }
        let len = topic.len() + payload.len();
        let fits = topic.len() <= mqtt_ipc::MAX_TOPIC
            && payload.len() <= mqtt_ipc::MAX_PAYLOAD
            && self.inbound.could_fit(len);
        if clients == 0 {
            let kept_until = lingers.max(self.newcomers_until);
            if qos == Qos::AtLeastOnce && kept_until > now_us && fits && self.inbound.has_room(len)
            {
                self.inbound.store(topic, payload, qos, 0, kept_until);
                return Offer::Taken;
            }
            self.unwanted = self.unwanted.saturating_add(1);
            return Offer::Unwanted;
        }
        if !fits {
            for index in bits(clients) {
                self.miss(index, 1);
            }
            return Offer::Unwanted;
        }
        let stalled = self.stalled();
        let mut full = clients & stalled;
        for index in bits(clients) {
            if self.inbound.is_full_for(index, len) {
                full |= 1 << index;
            }
        }
        let blocked = full & !stalled;
        let mut culprits = blocked;
        if blocked == 0 && !self.inbound.has_room(len) {
            // What is kept for nobody goes first; then it is the fault of who holds most.
            let lost = self.inbound.sweep(u64::MAX);
            self.dropped = self.dropped.saturating_add(lost);
            if !self.inbound.has_room(len) {
                let most = (0..MAX_CLIENTS).max_by_key(|index| self.inbound.held_for(*index).1);
                culprits |= most.map_or(0, |index| 1 << index);
            }
        }
        if culprits != 0 {
            self.charge(culprits);
            return Offer::Later;
        }
        self.waiting_since = None;
        for index in bits(full) {
            self.miss(index, 1);
        }
        let takers = clients & !full;
        if takers == 0 {
            return Offer::Unwanted;
        }
        self.inbound.store(topic, payload, qos, takers, 0);
        Offer::Taken
    }

    /// The broker's claim to an acknowledgement of the message that was just taken.
    pub fn stored_with(&mut self, ack: Ack) {
        self.inbound.stored_with(ack);
    }

    /// Bit i: client i has used up its patience.
    fn stalled(&self) -> u8 {
        let mut stalled = 0;
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.as_ref().is_none_or(|slot| slot.stalled) {
                stalled |= 1 << index;
            }
        }
        stalled
    }

    /// These clients hold up a message: time passes at their expense.
    fn charge(&mut self, culprits: u8) {
        let now_us = self.now_us;
        let passed = now_us.saturating_sub(self.waiting_since.unwrap_or(now_us));
        self.waiting_since = Some(now_us);
        for index in bits(culprits) {
            let Some(Some(slot)) = self.slots.get_mut(index) else {
                // Nobody: nothing is kept for it.
                self.inbound.abandon(index, 0);
                continue;
            };
            if now_us.saturating_sub(slot.held_since_us) >= PATIENCE_WINDOW_US {
                slot.held_since_us = now_us;
                slot.held_us = 0;
            }
            slot.held_us = slot.held_us.saturating_add(passed);
            if slot.held_us >= PATIENCE_US {
                slot.stalled = true;
                // What lies in its mailbox it can still read.
                let in_mailbox = u32::from(slot.reading.take().is_some());
                let lost = self.inbound.abandon(index, 0);
                self.miss(index, lost.saturating_sub(in_mailbox));
            }
        }
    }

    fn miss(&mut self, index: usize, count: u32) {
        self.dropped = self.dropped.saturating_add(count);
        if let Some(Some(slot)) = self.slots.get_mut(index) {
            slot.missed = slot
                .missed
                .saturating_add(u16::try_from(count).unwrap_or(u16::MAX));
        }
    }

    /// A message that all its readers have taken: to be acknowledged.
    pub fn take_ack(&mut self) -> Option<Ack> {
        self.inbound.take_ack()
    }

    /// Whether messages wait for clients.
    pub fn holds_messages(&self) -> bool {
        !self.inbound.is_empty()
    }

    /// Puts what waits into mailboxes that are free; whether anything went.
    pub fn deliver(&mut self) -> bool {
        let mut went = false;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            if !slot.port.can_send() {
                continue;
            }
            if let Some(serial) = slot.reading.take() {
                // The mailbox is empty again: it has read the message.
                self.inbound.taken(index, serial);
                slot.heard_us = self.now_us;
                went = true;
            }
            let sent = if let Some(&(seq, status)) = slot.results.front() {
                let sent = slot.port.send_result(seq, status);
                if sent.is_ok() {
                    slot.results.pop_front();
                    slot.outstanding = slot.outstanding.saturating_sub(1);
                }
                sent
            } else if let Some(link) = slot.state {
                let sent = slot.port.send_state(link, &self.thing);
                sent.inspect(|()| slot.state = None)
            } else if slot.missed > 0 {
                let missed = slot.missed;
                slot.stalled = false;
                slot.port.send_missed(missed).inspect(|()| slot.missed = 0)
            } else if let Some((serial, topic, payload, qos)) = self.inbound.next_for(index) {
                slot.port
                    .send_message(topic, payload, qos)
                    .inspect(|()| slot.reading = Some(serial))
            } else {
                slot.stalled = false;
                continue;
            };
            match sent {
                Ok(()) => {
                    self.notify |= 1 << index;
                    went = true;
                }
                Err(Error::Busy) => {}
                // It fits by construction; whatever it is, it cannot be delivered.
                Err(_) => {
                    self.inbound.abandon(index, 0);
                }
            }
        }
        went
    }
}

/// The numbers of the bits that are set.
fn bits(set: u8) -> impl Iterator<Item = usize> {
    (0..MAX_CLIENTS).filter(move |index| set & 1 << index != 0)
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
