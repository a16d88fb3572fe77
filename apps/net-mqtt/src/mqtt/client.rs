//! One MQTT session: what is in flight, what is owed to the broker, and when to speak or give up.
//!
//! Owns packet identifiers, replay, acknowledgements, the broker's limits and all timers. Does not
//! own bytes' transport: the caller writes [`Client::output`], and puts what arrived into
//! [`Client::room`]; nor who asked for a packet: that is its tag `T`.
//!
//! Rules, by section of MQTT 5: nothing but CONNECT leaves before CONNACK (AWS asks that, too). A
//! QoS 1 PUBLISH is kept until its PUBACK; on a connection whose session the broker resumed it
//! goes out again with DUP and its identifier, in the first order and before anything new (§4.4);
//! where the broker has no session it goes out as a new message with a new identifier: at least
//! once, never silently lost. Within a connection nothing is repeated (§4.4 forbids it): a broker
//! that does not acknowledge for [`ACK_US`] has a dead connection. SUBSCRIBE and UNSUBSCRIBE are
//! no part of a session: they come back as not done, to be asked again. A QoS 1 message from the
//! broker is acknowledged when the caller says so; one that the broker repeats meanwhile, under
//! the same identifier and with the same content, is recognised, also across a resumed session;
//! AWS may repeat under a new identifier, and then it is delivered twice.

use super::outcome::{Event, Failure, Message, Refusal};
use super::packed::Packed;
use super::packet::{self, ConnAck, Incoming, Publish, Violation};
use alloc::string::String;
use alloc::vec::Vec;

/// Packets of ours that wait for an answer or for their turn.
pub const MAX_FLIGHTS: usize = 16;
/// Our Receive Maximum: QoS 1 messages of the broker that we have not acknowledged.
pub const RECEIVE_MAXIMUM: usize = 16;

/// From CONNECT to CONNACK, microseconds.
pub const CONNACK_US: u64 = 10_000_000;
/// From a packet to its acknowledgement.
pub const ACK_US: u64 = 30_000_000;
/// While output waits and the transport takes none of it.
pub const STALL_US: u64 = 30_000_000;
/// From PINGREQ to PINGRESP, at most; half the keep-alive if that is less, never under 5 s.
pub const PING_US: u64 = 20_000_000;

/// What does not change from one connection to the next.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Client id, at most 128 bytes (reference/aws-iot.md §1.4).
    pub client_id: String,
    /// Keep-alive, seconds, not 0; AWS takes 30 to 1200.
    pub keep_alive: u16,
    /// How long the broker keeps the session of a lost connection, seconds.
    pub session_expiry: u32,
    /// What the broker publishes for us, at QoS 1, when the connection is lost: topic, payload.
    pub will: Option<(String, &'static [u8])>,
}

/// The broker's claim to an acknowledgement; outlives the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack(u32);

#[cfg(test)]
impl Ack {
    /// One that no session gave out.
    pub(crate) fn for_tests(number: u32) -> Ack {
        Ack(number)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Publish,
    Subscribe,
    Unsubscribe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    /// Bytes of it are with the transport.
    Writing(usize),
    /// All of it, since this time.
    Sent(u64),
    /// The broker has answered.
    Done(Option<u8>),
}

struct Flight<T> {
    tag: T,
    kind: Kind,
    /// 0 at QoS 0.
    id: u16,
    progress: Progress,
    /// The broker may have seen it.
    again: bool,
}

/// A QoS 1 message of the broker that is not acknowledged.
#[derive(Debug, Clone, Copy)]
struct Owed {
    serial: u32,
    id: u16,
    content: u32,
    /// The present connection has brought it.
    current: bool,
    /// The caller has taken it, so the acknowledgement goes out when the broker asks again.
    taken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Down,
    /// CONNECT is out, or on its way.
    Connecting,
    Up,
}

/// A small packet on its way out.
#[derive(Default)]
struct Control {
    bytes: Vec<u8>,
    written: usize,
}

/// The session; `T` names the packets in flight.
pub struct Client<'b, T> {
    settings: Settings,
    receive: &'b mut [u8],
    received: usize,
    flights: Packed<'b, Flight<T>>,
    owed: Vec<Owed>,
    /// Identifiers to acknowledge.
    acks: Vec<u16>,
    control: Control,
    ping_wanted: bool,
    phase: Phase,
    next_id: u16,
    next_serial: u32,
    broker: ConnAck,
    keep_alive_us: u64,
    /// CONNECT was written.
    connect_at: u64,
    written_at: u64,
    read_at: u64,
    /// Since when the transport takes none of what it is offered, if so.
    stuck_since: Option<u64>,
    ping_at: Option<u64>,
    clean_start: bool,
}

/// Until CONNACK says otherwise.
const NO_LIMITS: ConnAck = ConnAck {
    session_present: false,
    reason: 0,
    session_expiry: None,
    receive_maximum: u16::MAX,
    maximum_qos: 2,
    maximum_packet_size: u32::MAX,
    server_keep_alive: None,
    wildcards: true,
};

impl<'b, T: Copy> Client<'b, T> {
    /// A session not connected; `receive` holds the largest packet taken, `send` what is in flight.
    pub fn new(settings: Settings, receive: &'b mut [u8], send: &'b mut [u8]) -> Self {
        Client {
            settings,
            receive,
            received: 0,
            flights: Packed::new(send, MAX_FLIGHTS),
            owed: Vec::with_capacity(RECEIVE_MAXIMUM),
            acks: Vec::with_capacity(RECEIVE_MAXIMUM),
            control: Control::default(),
            ping_wanted: false,
            phase: Phase::Down,
            next_id: 1,
            next_serial: 1,
            broker: NO_LIMITS,
            keep_alive_us: 0,
            connect_at: 0,
            written_at: 0,
            read_at: 0,
            stuck_since: None,
            ping_at: None,
            clean_start: false,
        }
    }

    /// Whether the broker has accepted us.
    pub fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// The will goes with the next CONNECT, or not.
    pub fn set_will(&mut self, will: Option<(String, &'static [u8])>) {
        self.settings.will = will;
    }

    /// The next CONNECT asks the broker to forget the session.
    pub fn start_clean(&mut self) {
        self.clean_start = true;
    }

    /// What the broker allows.
    pub fn broker(&self) -> &ConnAck {
        &self.broker
    }

    /// Bytes free for packets; see [`Client::publish`].
    pub fn flight_room(&self) -> usize {
        self.flights.room()
    }

    /// Begins a connection: CONNECT is the next output.
    pub fn connect(&mut self, now_us: u64) {
        self.received = 0;
        self.phase = Phase::Connecting;
        self.broker = NO_LIMITS;
        self.acks.clear();
        self.ping_wanted = false;
        self.ping_at = None;
        for owed in &mut self.owed {
            owed.current = false;
        }
        let will = self.settings.will.as_ref();
        self.control = Control {
            bytes: packet::connect(&packet::Connect {
                client_id: &self.settings.client_id,
                clean_start: self.clean_start,
                keep_alive: self.settings.keep_alive,
                session_expiry: self.settings.session_expiry,
                receive_maximum: RECEIVE_MAXIMUM as u16,
                maximum_packet_size: self.receive.len() as u32,
                will: will.map(|(topic, payload)| (topic.as_str(), *payload)),
            }),
            written: 0,
        };
        self.connect_at = now_us;
        self.written_at = now_us;
        self.read_at = now_us;
        self.stuck_since = None;
    }

    /// The connection is over. What cannot be kept comes as [`Event::Done`] with `None`.
    pub fn disconnected(&mut self) {
        self.phase = Phase::Down;
        self.received = 0;
        self.control = Control::default();
        self.acks.clear();
        for flight in self.flights.tags_mut() {
            let begun = matches!(flight.progress, Progress::Writing(_) | Progress::Sent(_));
            match flight.progress {
                Progress::Done(_) => {}
                _ if flight.id != 0 && flight.kind == Kind::Publish => {
                    flight.again |= begun;
                    flight.progress = Progress::Waiting;
                }
                _ => flight.progress = Progress::Done(None),
            }
        }
    }

    /// The last thing to say on this connection.
    pub fn say_goodbye(&mut self, reason: u8) {
        // In the middle of a packet nothing else can be said.
        let between = !self
            .flights
            .tags()
            .any(|flight| matches!(flight.progress, Progress::Writing(_)));
        if self.phase == Phase::Up && self.control.bytes.is_empty() && between {
            self.control.bytes = packet::disconnect_packet(reason).to_vec();
        }
        self.phase = Phase::Down;
    }

    // Outwards.

    /// Sends a message. [`Event::Done`] follows: at QoS 0 when written, at QoS 1 when acknowledged.
    ///
    /// # Errors
    /// Why not; nothing is kept then.
    pub fn publish(
        &mut self,
        tag: T,
        topic: &str,
        payload: &[u8],
        at_least_once: bool,
    ) -> Result<(), Refusal> {
        if self.phase != Phase::Up {
            return Err(Refusal::Offline);
        }
        if at_least_once && self.broker.maximum_qos == 0 {
            return Err(Refusal::Unsupported);
        }
        let id = if at_least_once { self.free_id() } else { 0 };
        let ((head, used), tail, tail_len) = packet::publish_parts(topic, payload.len(), id);
        let head = head.get(..used).unwrap_or_default();
        let tail = tail.get(..tail_len).unwrap_or_default();
        self.launch(
            Kind::Publish,
            id,
            tag,
            &[head, topic.as_bytes(), tail, payload],
        )
    }

    /// Subscribes to one filter.
    ///
    /// # Errors
    /// Why not.
    pub fn subscribe(&mut self, tag: T, filter: &str, at_least_once: bool) -> Result<(), Refusal> {
        if !self.broker.wildcards && filter.contains(['+', '#']) {
            return Err(Refusal::Unsupported);
        }
        self.filter(Kind::Subscribe, tag, filter, Some(u8::from(at_least_once)))
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// Why not.
    pub fn unsubscribe(&mut self, tag: T, filter: &str) -> Result<(), Refusal> {
        self.filter(Kind::Unsubscribe, tag, filter, None)
    }

    fn filter(&mut self, kind: Kind, tag: T, filter: &str, qos: Option<u8>) -> Result<(), Refusal> {
        if self.phase != Phase::Up {
            return Err(Refusal::Offline);
        }
        let id = self.free_id();
        let (head, used) = packet::filter_parts(filter, id, qos);
        let head = head.get(..used).unwrap_or_default();
        let options = qos.map_or([0; 1], |qos| [qos]);
        let options = options
            .get(..usize::from(qos.is_some()))
            .unwrap_or_default();
        self.launch(kind, id, tag, &[head, filter.as_bytes(), options])
    }

    fn launch(&mut self, kind: Kind, id: u16, tag: T, parts: &[&[u8]]) -> Result<(), Refusal> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len > self.broker.maximum_packet_size as usize {
            return Err(Refusal::TooLarge);
        }
        let flight = Flight {
            tag,
            kind,
            id,
            progress: Progress::Waiting,
            again: false,
        };
        match self.flights.push(flight, parts) {
            true => Ok(()),
            false => Err(Refusal::Busy),
        }
    }

    /// An identifier that is not in use.
    fn free_id(&mut self) -> u16 {
        loop {
            let id = self.next_id;
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            // At most MAX_FLIGHTS are taken, so this ends.
            if !self.flights.tags().any(|flight| flight.id == id) {
                return id;
            }
        }
    }

    /// The caller has done with a message at QoS 1.
    pub fn acknowledge(&mut self, ack: Ack) {
        let Some(at) = self.owed.iter().position(|owed| owed.serial == ack.0) else {
            return;
        };
        let up = self.phase == Phase::Up;
        match self.owed.get_mut(at) {
            Some(owed) if owed.current && up => {
                self.acks.push(owed.id);
                self.owed.remove(at);
            }
            // The broker will send it again, and then hears at once.
            Some(owed) => owed.taken = true,
            None => {}
        }
    }

    /// What to write next; empty when there is nothing.
    pub fn output(&mut self, now_us: u64) -> &[u8] {
        let writing = |flight: &Flight<T>| matches!(flight.progress, Progress::Writing(_));
        let mut flight = self.flights.tags().position(writing);
        if flight.is_none() && self.control.bytes.is_empty() && self.phase == Phase::Up {
            if self.ping_wanted {
                self.ping_wanted = false;
                self.control.bytes = packet::PING.to_vec();
            } else if !self.acks.is_empty() {
                for id in self.acks.drain(..) {
                    self.control.bytes.extend_from_slice(&packet::pub_ack(id));
                }
            } else {
                flight = self.next_flight();
            }
        }
        match flight {
            Some(index) => {
                let mut from = 0;
                if let Some(flight) = self.flights.tag_mut(index) {
                    match flight.progress {
                        Progress::Writing(written) => from = written,
                        _ => flight.progress = Progress::Writing(0),
                    }
                }
                self.stuck_since.get_or_insert(now_us);
                self.flights.bytes(index).get(from..).unwrap_or_default()
            }
            None => {
                if !self.control.bytes.is_empty() {
                    self.stuck_since.get_or_insert(now_us);
                }
                let from = self.control.written;
                self.control.bytes.get(from..).unwrap_or_default()
            }
        }
    }

    /// The oldest packet that has not been sent and may be.
    fn next_flight(&self) -> Option<usize> {
        let unacknowledged = self
            .flights
            .tags()
            .filter(|f| f.kind == Kind::Publish && f.id != 0)
            .filter(|f| matches!(f.progress, Progress::Sent(_)))
            .count();
        let full = unacknowledged >= usize::from(self.broker.receive_maximum);
        self.flights.tags().position(|flight| {
            let counted = flight.kind == Kind::Publish && flight.id != 0;
            flight.progress == Progress::Waiting && !(full && counted)
        })
    }

    /// The transport took the first `len` bytes of [`Client::output`].
    pub fn wrote(&mut self, len: usize, now_us: u64) {
        if len == 0 {
            return;
        }
        self.stuck_since = None;
        self.written_at = now_us;
        let writing = |flight: &Flight<T>| matches!(flight.progress, Progress::Writing(_));
        let writing = self.flights.tags().position(writing);
        if let Some(index) = writing {
            let whole = self.flights.bytes(index).len();
            if let Some(flight) = self.flights.tag_mut(index)
                && let Progress::Writing(written) = flight.progress
            {
                flight.progress = match written + len {
                    all if all >= whole && flight.id == 0 => Progress::Done(Some(0)),
                    all if all >= whole => Progress::Sent(now_us),
                    part => Progress::Writing(part),
                };
            }
            return;
        }
        self.control.written += len;
        if self.control.written >= self.control.bytes.len() {
            if self.control.bytes == packet::PING {
                self.ping_at = Some(now_us);
            }
            // CONNECT is by far the largest: its memory goes back.
            self.control = Control::default();
        }
    }

    // Inwards.

    /// Where to put what arrives; empty while what is there has to be taken first.
    pub fn room(&mut self) -> &mut [u8] {
        self.receive.get_mut(self.received..).unwrap_or_default()
    }

    /// `len` bytes were put into [`Client::room`].
    pub fn arrived(&mut self, len: usize, now_us: u64) {
        self.received = (self.received + len).min(self.receive.len());
        if len > 0 {
            self.read_at = now_us;
        }
    }

    /// The next thing that happened; `Ok(None)` when nothing more did. A message stays the next
    /// thing until it is taken.
    ///
    /// # Errors
    /// The connection is over; [`Client::disconnected`] has to follow.
    pub fn next(&mut self, now_us: u64) -> Result<Option<Event<T>>, Failure> {
        loop {
            let done = |flight: &Flight<T>| matches!(flight.progress, Progress::Done(_));
            let done = self.flights.tags().position(done);
            if let Some(index) = done
                && let Some(flight) = self.flights.remove(index)
                && let Progress::Done(reason) = flight.progress
            {
                return Ok(Some(Event::Done(flight.tag, reason)));
            }
            if self.phase == Phase::Down {
                return Ok(None);
            }
            let bytes = self.receive.get(..self.received).unwrap_or_default();
            let len = match packet::split(bytes) {
                Err(violation) => return Err(self.violated(violation)),
                Ok(Some(len)) if len > self.receive.len() => {
                    return Err(self.violated(Violation::TooLarge));
                }
                Ok(Some(len)) if len <= self.received => len,
                Ok(_) => return self.timers(now_us).map(|()| None),
            };
            let packet = bytes.get(..len).unwrap_or_default();
            let happened = match packet::parse(packet) {
                Err(violation) => return Err(self.violated(violation)),
                Ok(Incoming::Publish(publish)) if self.phase == Phase::Up => {
                    let (id, content) = (publish.id, content(&publish));
                    match self.seen(id, content) {
                        Ok(true) => Ok(None),
                        Ok(false) => return Ok(Some(Event::Message)),
                        Err(violation) => return Err(self.violated(violation)),
                    }
                }
                Ok(Incoming::Publish(_)) => Err(Violation::Protocol("message before CONNACK")),
                Ok(Incoming::ConnAck(ack)) => match self.phase {
                    Phase::Connecting if ack.reason != 0 => {
                        return Err(Failure::Refused(ack.reason));
                    }
                    Phase::Connecting => Ok(Some(self.accepted(ack, now_us))),
                    _ => Err(Violation::Protocol("second CONNACK")),
                },
                Ok(Incoming::Disconnect(reason)) => return Err(Failure::Disconnected(reason)),
                Ok(_) if self.phase != Phase::Up => {
                    Err(Violation::Protocol("packet before CONNACK"))
                }
                Ok(Incoming::PubAck(id, reason)) => self.answered(Kind::Publish, id, reason),
                Ok(Incoming::SubAck(id, reason)) => self.answered(Kind::Subscribe, id, reason),
                Ok(Incoming::UnsubAck(id, reason)) => self.answered(Kind::Unsubscribe, id, reason),
                Ok(Incoming::PingResp) => {
                    self.ping_at = None;
                    Ok(None)
                }
            };
            self.consume(len);
            match happened {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(violation) => return Err(self.violated(violation)),
            }
        }
    }

    fn violated(&mut self, violation: Violation) -> Failure {
        self.say_goodbye(violation.reason());
        Failure::Violation(violation)
    }

    fn consume(&mut self, len: usize) {
        let len = len.min(self.received);
        self.receive.copy_within(len..self.received, 0);
        self.received -= len;
    }

    fn accepted(&mut self, ack: ConnAck, now_us: u64) -> Event<T> {
        self.phase = Phase::Up;
        self.broker = ack;
        self.clean_start = false;
        let seconds = match ack.server_keep_alive {
            Some(server) if server != 0 => server.min(self.settings.keep_alive),
            _ => self.settings.keep_alive,
        };
        self.keep_alive_us = u64::from(seconds) * 1_000_000;
        self.written_at = now_us;
        if !ack.session_present {
            self.owed.clear();
            self.forget_identifiers();
        }
        let limit = ack.maximum_packet_size as usize;
        for index in 0..self.flights.len() {
            let len = self.flights.bytes(index).len();
            let mut mark = None;
            if let Some(flight) = self.flights.tag_mut(index)
                && flight.progress == Progress::Waiting
            {
                if len > limit {
                    // The broker takes less than the one before did.
                    flight.progress = Progress::Done(Some(0x95));
                } else if flight.again {
                    mark = Some(packet::DUP);
                } else {
                    mark = Some(0);
                }
            }
            if let (Some(dup), Some(first)) = (mark, self.flights.bytes_mut(index).first_mut()) {
                *first = *first & !packet::DUP | dup;
            }
        }
        Event::Connected(ack.session_present)
    }

    /// The broker knows nothing of us: what is in flight becomes new.
    fn forget_identifiers(&mut self) {
        for index in 0..self.flights.len() {
            let fresh = self.free_id();
            let mut renamed = false;
            if let Some(flight) = self.flights.tag_mut(index)
                && flight.progress == Progress::Waiting
                && flight.again
            {
                flight.id = fresh;
                flight.again = false;
                renamed = true;
            }
            if renamed {
                let bytes = self.flights.bytes_mut(index);
                let at = packet::id_offset(bytes);
                if let Some(place) = at.and_then(|at| bytes.get_mut(at..at + 2)) {
                    place.copy_from_slice(&fresh.to_be_bytes());
                }
            }
        }
    }

    /// An acknowledgement; one that nobody waits for is ignored: the broker may repeat itself.
    fn answered(&mut self, kind: Kind, id: u16, reason: u8) -> Result<Option<Event<T>>, Violation> {
        for flight in self.flights.tags_mut() {
            if flight.id == id && matches!(flight.progress, Progress::Sent(_)) {
                if flight.kind != kind {
                    return Err(Violation::Protocol("acknowledgement of another kind"));
                }
                flight.progress = Progress::Done(Some(reason));
                break;
            }
        }
        Ok(None)
    }

    /// Whether a message is a repetition of one that we have, and what follows from that.
    fn seen(&mut self, id: u16, content: u32) -> Result<bool, Violation> {
        if id == 0 {
            return Ok(false);
        }
        if let Some(at) = self.owed.iter().position(|owed| owed.id == id)
            && let Some(owed) = self.owed.get_mut(at)
        {
            if owed.content == content {
                owed.current = true;
                if owed.taken {
                    self.acks.push(id);
                    self.owed.remove(at);
                }
                return Ok(true);
            }
            if owed.current {
                return Err(Violation::Protocol("packet identifier in use"));
            }
            // A new message under an old number: the old claim is void.
            self.owed.remove(at);
        }
        let current = self.owed.iter().filter(|owed| owed.current).count();
        if current >= RECEIVE_MAXIMUM {
            return Err(Violation::ReceiveMaximum);
        }
        Ok(false)
    }

    /// The message that waits.
    pub fn message(&self) -> Option<Message<'_>> {
        let publish = self.waiting()?.1;
        Some(Message {
            topic: publish.topic,
            payload: publish.payload,
            acknowledged: publish.id != 0,
        })
    }

    fn waiting(&self) -> Option<(usize, Publish<'_>)> {
        let bytes = self.receive.get(..self.received)?;
        let len = packet::split(bytes).ok()??;
        match packet::parse(bytes.get(..len)?) {
            Ok(Incoming::Publish(publish)) => Some((len, publish)),
            _ => None,
        }
    }

    /// The message is the caller's now; at QoS 1 it owes [`Client::acknowledge`].
    pub fn take_message(&mut self) -> Option<Ack> {
        let (len, id, content) = {
            let (len, publish) = self.waiting()?;
            (len, publish.id, content(&publish))
        };
        self.consume(len);
        if id == 0 {
            return None;
        }
        if self.owed.len() >= RECEIVE_MAXIMUM {
            // Of an earlier connection, and the broker has not asked again: it may have another
            // number for it by now.
            let stale = self.owed.iter().position(|owed| !owed.current);
            self.owed.remove(stale.unwrap_or(0));
        }
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        self.owed.push(Owed {
            serial,
            id,
            content,
            current: true,
            taken: false,
        });
        Some(Ack(serial))
    }

    fn timers(&mut self, now_us: u64) -> Result<(), Failure> {
        let since = |then: u64| now_us.saturating_sub(then);
        if self.phase == Phase::Connecting {
            return match since(self.connect_at) >= CONNACK_US {
                true => Err(Failure::NoConnAck),
                false => Ok(()),
            };
        }
        if self.stuck_since.is_some_and(|at| since(at) >= STALL_US) {
            return Err(Failure::Stalled);
        }
        if let Some(at) = self.ping_at {
            let patience = (self.keep_alive_us / 2).clamp(5_000_000, PING_US);
            if since(at) >= patience {
                self.say_goodbye(0);
                return Err(Failure::NoPingResp);
            }
        } else if since(self.written_at) >= self.keep_alive_us / 4 * 3
            || since(self.read_at) >= self.keep_alive_us
        {
            // Early, so that it is there in time; and also when we talk but hear nothing.
            self.ping_wanted |= self.control.bytes != packet::PING;
        }
        let late = self.flights.tags().any(|flight| match flight.progress {
            Progress::Sent(at) => since(at) >= ACK_US,
            _ => false,
        });
        if late {
            self.say_goodbye(0);
            return Err(Failure::NoAck);
        }
        Ok(())
    }
}

/// A message's content in a word (FNV-1a), to tell a repetition from another message.
fn content(publish: &Publish<'_>) -> u32 {
    let bytes = publish.topic.bytes().chain([0]);
    bytes
        .chain(publish.payload.iter().copied())
        .fold(0x811C_9DC5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
