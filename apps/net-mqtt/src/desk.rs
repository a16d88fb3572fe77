//! What the device itself has to say, beside its processes: crash reports, and diagnostics when the
//! cloud asks.
//!
//! Owns when a message goes out and when it is done with, and the one subscription of the device's own.
//! The kernel keeps a report until we say that the broker has it: one that was under way when this
//! process crashed is read again by its next life, and may arrive twice under the same number. One
//! message at a time, so that they never take much of what is in flight; of requests the newest waits.
//! Does not own the kernel's memory of crashes ([`Environment::crash`]) nor the session
//! (`exchange.rs`).

use crate::app::{Environment, Shared};
use crate::exchange::Exchange;
use crate::mqtt::reason_name;
use crate::request::{Nonce, Refusal};
use crate::rotation::{self, Rotation};
use crate::service::PACKET_OVERHEAD;
use crate::{Stream, crash, diagnostics};
use alloc::format;
use alloc::string::String;
use mqtt_ipc::Memory;

/// From one look at what the kernel keeps to the next, microseconds.
const LOOK_US: u64 = 1_000_000;
/// While there is no room for an answer, from one try to the next, microseconds.
const ROOM_US: u64 = 100_000;
/// Last level of the topic of crash reports.
const CRASH: &str = "crash";
/// Last level of the topic of diagnostics.
const DIAGNOSTICS: &str = "diagnostics";

/// Whose a packet of the device's own is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// The crash report with this number.
    Crash(u32),
    /// An answer.
    Diagnostics,
    /// The subscription to requests.
    Requests,
    /// Of a change of certificate.
    Rotation,
}

/// What went over the connections since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Accepted by the broker.
    pub(crate) connections: u32,
    /// Of them with the session of before.
    pub(crate) resumed: u32,
    /// Messages that the broker has.
    pub(crate) published: u32,
    /// Messages that it refused.
    pub(crate) refused: u32,
    /// Messages of the broker.
    pub(crate) received: u32,
    /// Of them blocks of files.
    pub(crate) blocks: u32,
    /// Changes of a job's state that processes published.
    pub(crate) updates: u32,
}

/// Where the subscription stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Requests {
    #[default]
    Wanted,
    /// Asked for, had, or refused on this connection.
    Settled,
}

/// Where the device's own messages stand.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    requests_topic: String,
    requests: Requests,
    /// The newest request that is not answered.
    request: Option<Result<Nonce, Refusal>>,
    /// Something is under way.
    sent: Option<Own>,
    /// What ended: the broker's reason, or lost.
    ended: Option<(Own, Option<u8>)>,
    /// The broker takes no reports on this connection.
    refused: bool,
    /// When to look again.
    look_us: u64,
    /// There was no room for the answer: not before then.
    answer_us: u64,
    pub(crate) counts: Counts,
    pub(crate) rotation: Rotation,
}

impl Desk {
    /// For `thing`.
    pub(crate) fn new(thing: &str) -> Self {
        Desk {
            requests_topic: format!("{thing}/{DIAGNOSTICS}/request"),
            rotation: Rotation::new(thing),
            ..Desk::default()
        }
    }

    /// A connection is up: what was refused on the last may be taken on this. `known`: the broker
    /// has our subscription still.
    pub(crate) fn connected(&mut self, resumed: bool, known: bool) {
        self.counts.connections = self.counts.connections.wrapping_add(1);
        if resumed {
            self.counts.resumed = self.counts.resumed.wrapping_add(1);
        }
        self.refused = false;
        self.look_us = 0;
        if !known {
            self.requests = Requests::Wanted;
        }
        self.rotation.connected(known);
    }

    /// A packet of ours came to its end.
    pub(crate) fn done(&mut self, own: Own, reason: Option<u8>) {
        if matches!(own, Own::Crash(_) | Own::Diagnostics) {
            self.published(reason);
        }
        self.ended = Some((own, reason));
    }

    /// A message of the broker is off its hands; `block`: of a file.
    pub(crate) fn received(&mut self, block: bool) {
        self.counts.received = self.counts.received.wrapping_add(1);
        self.counts.blocks = self.counts.blocks.wrapping_add(block.into());
    }

    /// A message at QoS 1 came to its end.
    pub(crate) fn published(&mut self, reason: Option<u8>) {
        match reason {
            Some(reason) if reason < 0x80 => {
                self.counts.published = self.counts.published.wrapping_add(1);
            }
            Some(_) => self.counts.refused = self.counts.refused.wrapping_add(1),
            None => {}
        }
    }

    /// Takes a message that is for the device itself; whether it is.
    pub(crate) fn takes(&mut self, topic: &str, payload: &[u8]) -> bool {
        let ours = topic == self.requests_topic;
        if ours {
            self.request = Some(Nonce::parse(payload));
        }
        ours || self.rotation.takes(topic, payload)
    }

    /// A process publishes on `topic`.
    pub(crate) fn noticed(&mut self, topic: &str) {
        if topic.contains("/jobs/") && topic.ends_with("/update") {
            self.counts.updates = self.counts.updates.wrapping_add(1);
        }
    }
}

/// Does what is due while the broker has us; whether that was anything. Not inlined: its documents
/// must not lie on the stack under a handshake.
#[inline(never)]
pub(crate) fn turn<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    exchange: &mut Exchange<'_>,
) -> bool {
    if let Some((own, reason)) = exchange.desk().ended.take() {
        ended(shared, exchange.desk(), own, reason);
    }
    if !exchange.is_up() || exchange.desk().sent.is_some() {
        return false;
    }
    if exchange.desk().requests == Requests::Wanted {
        let topic = exchange.desk().requests_topic.clone();
        let sent = exchange.subscribe_own(Own::Requests, &topic);
        if sent {
            exchange.desk().requests = Requests::Settled;
            exchange.desk().sent = Some(Own::Requests);
        }
        return sent;
    }
    if exchange.desk().request.is_some() {
        return answer(shared, exchange);
    }
    if rotation::turn(shared, exchange) {
        exchange.desk().sent = Some(Own::Rotation);
        return true;
    }
    report(shared, exchange)
}

/// A packet of the device's own is off our hands.
fn ended<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    desk: &mut Desk,
    own: Own,
    reason: Option<u8>,
) {
    desk.sent = None;
    if own == Own::Rotation {
        desk.rotation.done(reason);
    }
    let what = match own {
        Own::Crash(_) => "crash report",
        Own::Diagnostics => "diagnostics",
        Own::Requests => "requests for diagnostics",
        Own::Rotation => "change of certificate",
    };
    match (own, reason) {
        (_, Some(reason)) if reason >= 0x80 => {
            desk.refused |= matches!(own, Own::Crash(_));
            shared.line(format_args!(
                "net-mqtt: {what} refused: {} (0x{reason:02x})",
                reason_name(reason)
            ));
        }
        (Own::Crash(serial), Some(_)) => {
            shared.environment.crash_published(serial);
            shared.line(format_args!("net-mqtt: crash report {serial} published"));
            desk.look_us = 0;
        }
        // It did not survive the connection.
        (Own::Requests, None) => desk.requests = Requests::Wanted,
        _ => {}
    }
}

/// The answer to the request that waits, once there is room for it.
fn answer<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    exchange: &mut Exchange<'_>,
) -> bool {
    let topic = format!("{}/{DIAGNOSTICS}", shared.config.thing);
    let desk = exchange.desk();
    let (request, not_before) = (desk.request, desk.answer_us);
    let document = match request {
        None => return false,
        Some(Err(refusal)) => diagnostics::refused(refusal),
        Some(Ok(_)) if shared.now_us() < not_before => return false,
        Some(Ok(nonce)) => {
            let counts = &exchange.desk().counts;
            let mut text = diagnostics::begin(shared, counts, &nonce);
            // Before the token is made: that is dear.
            let len = topic.len() + text.len() + diagnostics::TOKEN + PACKET_OVERHEAD;
            if exchange.own_room() < len {
                exchange.desk().answer_us = shared.now_us().saturating_add(ROOM_US);
                return false;
            }
            match diagnostics::finish(&shared.environment, &nonce, &mut text) {
                Ok(()) => text,
                Err(status) => diagnostics::not_attested(status),
            }
        }
    };
    let sent = exchange.publish_own(Own::Diagnostics, &topic, document.as_bytes());
    if sent {
        let desk = exchange.desk();
        desk.sent = Some(Own::Diagnostics);
        match desk.request.take() {
            Some(Err(refusal)) => shared.line(format_args!(
                "net-mqtt: request for diagnostics refused: {}: {refusal}",
                refusal.name()
            )),
            _ => shared.line(format_args!(
                "net-mqtt: diagnostics sent, {} bytes",
                document.len()
            )),
        }
    }
    sent
}

/// The oldest crash report, when it is time to look for one.
fn report<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    exchange: &mut Exchange<'_>,
) -> bool {
    let now_us = shared.now_us();
    let desk = exchange.desk();
    if desk.refused || now_us < desk.look_us {
        return false;
    }
    desk.look_us = now_us.saturating_add(LOOK_US);
    let Some((report, lost)) = shared.environment.crash() else {
        return false;
    };
    let own = Own::Crash(report.serial);
    let topic = format!("{}/{CRASH}", shared.config.thing);
    let document = crash::document(&report, shared.clock_lacks_s(), lost);
    let sent = exchange.publish_own(own, &topic, document.as_bytes());
    if sent {
        exchange.desk().sent = Some(own);
    }
    sent
}
