//! The MQTT session and the clients together: what a client asks goes to the broker, what the
//! broker says goes to the clients.
//!
//! Owns which packet is whose, and the presence message. Does not own protocol state
//! (`mqtt::Client`), queues and quotas (`service.rs`), or the connection's life (`session.rs`):
//! bytes go in and out through the session, and time is an argument, so that a test can be the
//! broker of an hour in a millisecond.

use crate::app::{Environment, Shared};
use crate::desk::{self, Desk, Own};
use crate::mqtt::{Client as Session, Event, Failure, Refusal, Settings};
use crate::service::{Client, FilterWork, Offer, PACKET_OVERHEAD, Service, Work};
use crate::session::Conversation;
use crate::{Stream, Why};
use alloc::format;
use alloc::string::String;
use mqtt_ipc::{Link, MAX_REQUEST, MAX_TOPIC, Memory, Qos, Status};

/// Keep-alive that we ask for, seconds (AWS: 30 to 1200).
pub const KEEP_ALIVE_S: u16 = 60;
/// How long the broker keeps our session after a lost connection, seconds (AWS's default).
pub const SESSION_EXPIRY_S: u32 = 3600;
/// Last level of the topic that tells whether the device is there.
const STATUS: &str = "status";
/// What the broker publishes there when the connection is lost …
const OFFLINE: &[u8] = b"offline";
/// … and we, once it is made.
const ONLINE: &[u8] = b"online";
/// Messages of an inherited session for nobody after which the session is made anew.
const STRAYS: u32 = 8;

/// Whose a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    /// Client, its request, bytes of topic and payload.
    Publish(Client, u32, usize),
    Filter(usize),
    Status,
    Own(Own),
}

/// Session and bookkeeping.
pub struct Exchange<'b> {
    session: Session<'b, Tag>,
    status_topic: String,
    /// The broker may not let us have a will: leave it out of the next CONNECT.
    without_will: bool,
    /// The present session began before this process did, and messages for nobody so far.
    inherited: Option<u32>,
    first: bool,
    /// The broker has refused a CONNECT since it last took one. What it then calls present may be a
    /// session without its subscriptions (seen of mosquitto 2.0).
    refused: bool,
    desk: Desk,
}

impl<'b> Exchange<'b> {
    /// For `thing`; `receive` holds the largest packet taken, `send` what is in flight.
    pub fn new(thing: &str, receive: &'b mut [u8], send: &'b mut [u8]) -> Self {
        let settings = Settings {
            client_id: String::from(thing),
            keep_alive: KEEP_ALIVE_S,
            session_expiry: SESSION_EXPIRY_S,
            will: None,
        };
        Exchange {
            session: Session::new(settings, receive, send),
            status_topic: format!("{thing}/{STATUS}"),
            without_will: false,
            inherited: None,
            first: true,
            refused: false,
            desk: Desk::new(thing),
        }
    }

    /// Begins a connection over a transport that is open.
    pub fn connect(&mut self, now_us: u64) {
        let will = (!self.without_will).then(|| (self.status_topic.clone(), OFFLINE));
        self.session.set_will(will);
        self.session.connect(now_us);
    }

    /// Whether the broker has accepted us.
    pub fn is_up(&self) -> bool {
        self.session.is_up()
    }

    /// Whether the connection asks for a will.
    pub fn has_will(&self) -> bool {
        !self.without_will
    }

    /// What to write next.
    pub fn output(&mut self, now_us: u64) -> &[u8] {
        self.session.output(now_us)
    }

    /// `len` bytes of it were written.
    pub fn wrote(&mut self, len: usize, now_us: u64) {
        self.session.wrote(len, now_us);
    }

    /// Where to put what arrives.
    pub fn room(&mut self) -> &mut [u8] {
        self.session.room()
    }

    /// `len` bytes arrived.
    pub fn arrived(&mut self, len: usize, now_us: u64) {
        self.session.arrived(len, now_us);
    }

    /// One turn while there is a connection; whether something happened. Clients may be served
    /// less than there is to do: call again.
    ///
    /// # Errors
    /// Why the connection is over; write what [`Exchange::output`] still has, then
    /// [`Exchange::disconnected`].
    pub fn turn<M: Memory>(
        &mut self,
        service: &mut Service<'_, M>,
        now_us: u64,
    ) -> Result<bool, Why> {
        service.tick(now_us);
        let mut busy = false;
        if self.session.is_up() {
            busy |= self.client_work(service);
            busy |= self.filter_work(service);
        }
        while let Some(event) = self.session.next(now_us).map_err(|f| self.failed(f))? {
            match event {
                Event::Connected(resumed) => self.connected(service, resumed),
                Event::Done(tag, reason) => done(service, &mut self.desk, tag, reason),
                Event::Message => {
                    if !self.message(service)? {
                        break;
                    }
                }
            }
            busy = true;
        }
        busy |= service.deliver();
        while let Some(ack) = service.take_ack() {
            self.session.acknowledge(ack);
            busy = true;
        }
        Ok(busy)
    }

    /// The connection is over, for whatever reason.
    pub fn disconnected<M: Memory>(&mut self, service: &mut Service<'_, M>, now_us: u64) {
        self.session.disconnected();
        // With the connection gone these are ends of packets only, and no failure can come.
        while let Ok(Some(Event::Done(tag, reason))) = self.session.next(now_us) {
            done(service, &mut self.desk, tag, reason);
        }
        service.set_link(Link::Offline);
    }

    fn connected<M: Memory>(&mut self, service: &mut Service<'_, M>, resumed: bool) {
        if !resumed {
            service.session_lost();
            self.inherited = None;
        } else if self.first {
            service.session_lost();
            service.session_inherited();
            self.inherited = Some(0);
        }
        let known = resumed && !self.first && !self.refused;
        if resumed && self.refused {
            // Asked for once more, which changes nothing where they stand.
            service.session_lost();
        }
        (self.first, self.refused) = (false, false);
        self.desk.connected(resumed, known);
        service.set_link(Link::Online);
        // At QoS 1, because AWS closes the connection of a publisher at QoS 0 who may not.
        // Without room there is traffic enough to tell that we are there.
        let _ = self
            .session
            .publish(Tag::Status, &self.status_topic, ONLINE, true);
    }

    /// Where the device's own messages stand.
    pub(crate) fn desk(&mut self) -> &mut Desk {
        &mut self.desk
    }

    /// Room for a message of the device's own, bytes.
    pub(crate) fn own_room(&self) -> usize {
        self.session.flight_room()
    }

    /// Subscribes for the device itself, if there is room; whether there was.
    pub(crate) fn subscribe_own(&mut self, own: Own, filter: &str) -> bool {
        self.session.subscribe(Tag::Own(own), filter, true).is_ok()
    }

    /// Publishes a message of the device's own at QoS 1, if there is room; whether there was.
    pub(crate) fn publish_own(&mut self, own: Own, topic: &str, payload: &[u8]) -> bool {
        self.session
            .publish(Tag::Own(own), topic, payload, true)
            .is_ok()
    }

    /// Room for one more packet of any size that a client can ask for: a request is taken from
    /// its mailbox only then, so that a full queue shows as BUSY there.
    fn has_room(&self) -> bool {
        self.session.flight_room() >= MAX_REQUEST + PACKET_OVERHEAD
    }

    /// Takes one request from a client.
    fn client_work<M: Memory>(&mut self, service: &mut Service<'_, M>) -> bool {
        if !self.has_room() {
            return false;
        }
        let mut buf = [0; MAX_REQUEST];
        let Some((client, seq, work)) = service.take(&mut buf) else {
            return false;
        };
        if let Work::Publish {
            topic,
            payload,
            qos,
        } = work
        {
            self.desk.noticed(topic);
            let len = topic.len() + payload.len();
            let tag = Tag::Publish(client, seq, len);
            let sent = self
                .session
                .publish(tag, topic, payload, qos == Qos::AtLeastOnce);
            if let Err(refusal) = sent {
                service.published(client, seq, len, status(refusal));
            }
        }
        true
    }

    /// Sends one SUBSCRIBE or UNSUBSCRIBE that is due. One filter a packet, so that a refusal
    /// names its filter.
    fn filter_work<M: Memory>(&mut self, service: &mut Service<'_, M>) -> bool {
        if self.session.flight_room() < MAX_TOPIC + PACKET_OVERHEAD {
            return false;
        }
        let Some(work) = service.next_filter() else {
            return false;
        };
        let (number, sent) = match &work {
            FilterWork::Subscribe(number, filter, qos) => {
                let qos = *qos == Qos::AtLeastOnce;
                let tag = Tag::Filter(*number);
                (*number, self.session.subscribe(tag, filter, qos))
            }
            FilterWork::Unsubscribe(number, filter) => {
                let tag = Tag::Filter(*number);
                (*number, self.session.unsubscribe(tag, filter))
            }
        };
        match sent {
            Ok(()) => true,
            Err(Refusal::Busy | Refusal::Offline) => {
                service.filter_not_sent(number);
                false
            }
            Err(refusal) => {
                service.filter_done(number, status(refusal));
                true
            }
        }
    }

    /// The message that waits, to whom it concerns; whether it could be.
    fn message<M: Memory>(&mut self, service: &mut Service<'_, M>) -> Result<bool, Why> {
        let Some(message) = self.session.message() else {
            return Ok(false);
        };
        let block = message.topic.contains("/streams/");
        if self.desk.takes(message.topic, message.payload) {
            if let Some(ack) = self.session.take_message() {
                self.session.acknowledge(ack);
            }
            self.desk.received(false);
            return Ok(true);
        }
        let qos = match message.acknowledged {
            true => Qos::AtLeastOnce,
            false => Qos::AtMostOnce,
        };
        match service.offer(message.topic, message.payload, qos) {
            Offer::Later => return Ok(false),
            Offer::Taken => {
                if let Some(ack) = self.session.take_message() {
                    service.stored_with(ack);
                }
                self.desk.received(block);
            }
            Offer::Unwanted => {
                if let Some(ack) = self.session.take_message() {
                    self.session.acknowledge(ack);
                }
                self.desk.received(false);
                if let Some(strays) = &mut self.inherited {
                    *strays += 1;
                    if *strays >= STRAYS {
                        // Subscriptions of an earlier life that nobody has asked for again, and
                        // whose filters nobody knows: only a new session ends them.
                        self.session.start_clean();
                        self.session.say_goodbye(0);
                        return Err(Why::Local("stale subscriptions, session made anew"));
                    }
                }
            }
        }
        Ok(true)
    }

    fn failed(&mut self, failure: Failure) -> Why {
        if let Failure::Refused(reason) = failure {
            self.refused = true;
            // Not authorised may mean the will's topic: the next CONNECT tells.
            self.without_will = reason == 0x87 && !self.without_will;
        }
        failure.into()
    }
}

impl Conversation for Exchange<'_> {
    const FAILED: [&'static str; 2] = ["connect failed", "connection lost"];

    fn connect(&mut self, now_us: u64) {
        self.connect(now_us);
    }

    fn is_up(&self) -> bool {
        self.is_up()
    }

    fn output(&mut self, now_us: u64) -> &[u8] {
        self.output(now_us)
    }

    fn wrote(&mut self, len: usize, now_us: u64) {
        self.wrote(len, now_us);
    }

    fn room(&mut self) -> &mut [u8] {
        self.room()
    }

    fn arrived(&mut self, len: usize, now_us: u64) {
        self.arrived(len, now_us);
    }

    fn turn<M: Memory>(&mut self, service: &mut Service<'_, M>, now_us: u64) -> Result<bool, Why> {
        self.turn(service, now_us)
    }

    fn leave(&mut self) {
        self.session.say_goodbye(0);
    }

    fn of_its_own<S: Stream, E: Environment, M: Memory>(
        &mut self,
        shared: &Shared<'_, S, E, M>,
    ) -> bool {
        desk::turn(shared, self)
    }

    fn disconnected<M: Memory>(&mut self, service: &mut Service<'_, M>, now_us: u64) {
        self.disconnected(service, now_us);
    }
}

fn done<M: Memory>(service: &mut Service<'_, M>, desk: &mut Desk, tag: Tag, reason: Option<u8>) {
    let status = match reason {
        None => Status::Lost,
        Some(reason) if reason < 0x80 => Status::Ok,
        Some(0x95) => Status::TooLarge,
        Some(_) => Status::Refused,
    };
    match tag {
        Tag::Publish(client, seq, len) => {
            desk.published(reason);
            service.published(client, seq, len, status);
        }
        Tag::Filter(number) if reason.is_none() => service.filter_not_sent(number),
        Tag::Filter(number) => service.filter_done(number, status),
        Tag::Status => {}
        Tag::Own(own) => desk.done(own, reason),
    }
}

fn status(refusal: Refusal) -> Status {
    match refusal {
        Refusal::Offline => Status::Offline,
        Refusal::Busy => Status::Busy,
        Refusal::TooLarge => Status::TooLarge,
        Refusal::Unsupported => Status::Refused,
    }
}
