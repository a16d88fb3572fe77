//! MQTT 5 packets on the wire: those that a client receives, parsed; those that it sends, made.
//!
//! Owns the coding of OASIS MQTT 5.0 chapters 2 and 3. Does not own order or state: `client.rs`.
//!
//! Invariant: parsing is total. Every byte string is a packet that the broker may send to a client
//! that asked for nothing optional, or a [`Violation`] that names what is wrong with it.

use alloc::vec::Vec;
use core::fmt;

/// Packet types (§2.1.2), in the upper half of the first byte.
mod kind {
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
}

/// Property identifiers (§2.2.2.2).
mod property {
    pub const SESSION_EXPIRY: u8 = 0x11;
    pub const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const TOPIC_ALIAS: u8 = 0x23;
    pub const MAXIMUM_QOS: u8 = 0x24;
    pub const USER: u8 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub const WILDCARD: u8 = 0x28;
    pub const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;

    /// What may stand in a packet, bit by identifier.
    pub const fn set(identifiers: &[u8]) -> u64 {
        let mut bits = 0;
        let mut at = 0;
        while at < identifiers.len() {
            bits |= 1 << identifiers[at];
            at += 1;
        }
        bits
    }
    pub const IN_CONNACK: u64 = set(&[
        0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28,
        0x29, 0x2A,
    ]);
    pub const IN_PUBLISH: u64 = set(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26]);
    pub const IN_ACK: u64 = set(&[0x1F, 0x26]);
    pub const IN_DISCONNECT: u64 = set(&[0x11, 0x1C, 0x1F, 0x26]);
}

/// Flag of a PUBLISH: sent before (§3.3.1.1).
pub(crate) const DUP: u8 = 0b1000;

/// How the broker broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Bytes that are no packet (reason 0x81).
    Malformed(&'static str),
    /// A packet that may not come, or not now, or not so (reason 0x82).
    Protocol(&'static str),
    /// Larger than the Maximum Packet Size that we stated (reason 0x95).
    TooLarge,
    /// More unacknowledged QoS 1 messages than our Receive Maximum (reason 0x93).
    ReceiveMaximum,
    /// A topic alias, of which we stated that we take none (reason 0x94).
    TopicAlias,
}

impl Violation {
    /// The reason for the DISCONNECT that tells the broker (§3.14.2.1).
    pub fn reason(self) -> u8 {
        match self {
            Violation::Malformed(_) => 0x81,
            Violation::Protocol(_) => 0x82,
            Violation::TooLarge => 0x95,
            Violation::ReceiveMaximum => 0x93,
            Violation::TopicAlias => 0x94,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Malformed(what) => write!(f, "malformed {what}"),
            Violation::Protocol(what) => f.write_str(what),
            Violation::TooLarge => f.write_str("packet larger than we take"),
            Violation::ReceiveMaximum => f.write_str("more messages at once than we take"),
            Violation::TopicAlias => f.write_str("topic alias that we did not allow"),
        }
    }
}

/// CONNACK, with what the broker allows; absent properties have the standard's defaults (§3.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnAck {
    /// The broker resumed our session.
    pub session_present: bool,
    /// 0, or why it refused.
    pub reason: u8,
    /// How long it keeps the session after a lost connection, seconds, if not as asked.
    pub session_expiry: Option<u32>,
    /// QoS 1 messages it takes before it has acknowledged one.
    pub receive_maximum: u16,
    /// Highest level it takes.
    pub maximum_qos: u8,
    /// Largest packet it takes, bytes.
    pub maximum_packet_size: u32,
    /// The keep-alive to use instead of ours, seconds.
    pub server_keep_alive: Option<u16>,
    /// Whether it takes filters with wildcards.
    pub wildcards: bool,
}

/// PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'b> {
    /// Topic name.
    pub topic: &'b str,
    /// Payload.
    pub payload: &'b [u8],
    /// Packet identifier: 0 at QoS 0, never at QoS 1.
    pub id: u16,
    /// Marked as a repetition.
    pub dup: bool,
    /// A retained message.
    pub retain: bool,
}

/// What a broker may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'b> {
    /// Answer to CONNECT.
    ConnAck(ConnAck),
    /// A message.
    Publish(Publish<'b>),
    /// Acknowledgement of PUBLISH (identifier, reason).
    PubAck(u16, u8),
    /// Acknowledgement of SUBSCRIBE with one filter.
    SubAck(u16, u8),
    /// Acknowledgement of UNSUBSCRIBE with one filter.
    UnsubAck(u16, u8),
    /// Answer to PINGREQ.
    PingResp,
    /// The broker ends the connection.
    Disconnect(u8),
}

/// Length of the packet that `bytes` begin with: `Ok(None)` while more bytes are needed to tell.
///
/// # Errors
/// A length of more than four bytes (§1.5.5).
pub fn split(bytes: &[u8]) -> Result<Option<usize>, Violation> {
    let mut reader = Reader(bytes.get(1..).unwrap_or_default());
    let before = reader.0.len();
    match reader.varint() {
        Ok(len) => Ok(Some(1 + before - reader.0.len() + len as usize)),
        Err(_) if before < 4 => Ok(None),
        Err(_) => Err(Violation::Malformed("packet length")),
    }
}

/// The packet that is exactly `bytes`.
///
/// # Errors
/// What is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Incoming<'_>, Violation> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Err(Violation::Malformed("empty packet"));
    };
    let mut reader = Reader(rest);
    let len = reader
        .varint()
        .map_err(|Short| Violation::Malformed("packet length"))?;
    if len as usize != reader.0.len() {
        return Err(Violation::Malformed("packet length"));
    }
    let (kind, flags) = (first >> 4, first & 0xF);
    if kind != kind::PUBLISH && flags != 0 {
        return Err(Violation::Malformed("reserved flags"));
    }
    match kind {
        kind::CONNACK => conn_ack(reader),
        kind::PUBLISH => publish(reader, flags),
        kind::PUBACK => ack(reader).map(|(id, reason)| Incoming::PubAck(id, reason)),
        kind::SUBACK => filter_ack(
            reader,
            &[0, 1, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
        )
        .map(|(id, reason)| Incoming::SubAck(id, reason)),
        kind::UNSUBACK => filter_ack(reader, &[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91])
            .map(|(id, reason)| Incoming::UnsubAck(id, reason)),
        kind::PINGRESP if len == 0 => Ok(Incoming::PingResp),
        kind::PINGRESP => Err(Violation::Malformed("PINGRESP")),
        kind::DISCONNECT => disconnect(reader),
        5..=7 => Err(Violation::Protocol("QoS 2 packet")),
        15 => Err(Violation::Protocol("AUTH that nobody asked for")),
        _ => Err(Violation::Protocol("packet that only a client sends")),
    }
}

fn conn_ack(mut reader: Reader<'_>) -> Result<Incoming<'_>, Violation> {
    let short = |Short| Violation::Malformed("CONNACK");
    let flags = reader.byte().map_err(short)?;
    let reason = reader.byte().map_err(short)?;
    if flags > 1 {
        return Err(Violation::Malformed("CONNACK flags"));
    }
    if flags == 1 && reason != 0 {
        return Err(Violation::Protocol("refusal with a session present"));
    }
    let mut ack = ConnAck {
        session_present: flags == 1,
        reason,
        session_expiry: None,
        receive_maximum: u16::MAX,
        maximum_qos: 2,
        maximum_packet_size: u32::MAX,
        server_keep_alive: None,
        wildcards: true,
    };
    let mut zero = false;
    reader.properties(property::IN_CONNACK, |id, value| match id {
        property::SESSION_EXPIRY => ack.session_expiry = Some(value),
        property::RECEIVE_MAXIMUM => {
            zero |= value == 0;
            ack.receive_maximum = value as u16;
        }
        property::MAXIMUM_QOS => ack.maximum_qos = value as u8,
        property::MAXIMUM_PACKET_SIZE => {
            zero |= value == 0;
            ack.maximum_packet_size = value;
        }
        property::SERVER_KEEP_ALIVE => ack.server_keep_alive = Some(value as u16),
        property::WILDCARD => ack.wildcards = value == 1,
        _ => {}
    })?;
    if zero {
        return Err(Violation::Protocol("limit of zero in CONNACK"));
    }
    reader.end("CONNACK")?;
    Ok(Incoming::ConnAck(ack))
}

fn publish(mut reader: Reader<'_>, flags: u8) -> Result<Incoming<'_>, Violation> {
    let short = |Short| Violation::Malformed("PUBLISH");
    let qos = flags >> 1 & 0b11;
    let dup = flags & DUP != 0;
    if qos > 1 {
        return Err(match qos {
            2 => Violation::Protocol("QoS 2 message"),
            _ => Violation::Malformed("QoS 3"),
        });
    }
    if dup && qos == 0 {
        return Err(Violation::Malformed("repetition at QoS 0"));
    }
    let topic = reader.string().map_err(short)?;
    let topic = text(topic).ok_or(Violation::Malformed("topic"))?;
    let id = match qos {
        0 => 0,
        _ => reader.word().map_err(short)?,
    };
    if qos == 1 && id == 0 {
        return Err(Violation::Malformed("packet identifier 0"));
    }
    let mut alias = false;
    reader.properties(property::IN_PUBLISH, |id, _| {
        alias |= id == property::TOPIC_ALIAS;
    })?;
    if alias {
        return Err(Violation::TopicAlias);
    }
    if topic.is_empty() || topic.contains(['+', '#']) {
        return Err(Violation::Malformed("topic"));
    }
    Ok(Incoming::Publish(Publish {
        topic,
        payload: reader.0,
        id,
        dup,
        retain: flags & 1 != 0,
    }))
}

/// PUBACK: reason and properties may be left out (§3.4.2).
fn ack(mut reader: Reader<'_>) -> Result<(u16, u8), Violation> {
    let short = |Short| Violation::Malformed("PUBACK");
    let id = reader.word().map_err(short)?;
    let mut reason = 0;
    if !reader.0.is_empty() {
        reason = reader.byte().map_err(short)?;
    }
    if !reader.0.is_empty() {
        reader.properties(property::IN_ACK, |_, _| {})?;
    }
    reader.end("PUBACK")?;
    known_id(id)?;
    match reason {
        0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99 => Ok((id, reason)),
        _ => Err(Violation::Protocol("reason in PUBACK")),
    }
}

/// SUBACK and UNSUBACK; we send one filter a packet, so one reason comes back.
fn filter_ack(mut reader: Reader<'_>, reasons: &[u8]) -> Result<(u16, u8), Violation> {
    let short = |Short| Violation::Malformed("SUBACK or UNSUBACK");
    let id = reader.word().map_err(short)?;
    reader.properties(property::IN_ACK, |_, _| {})?;
    let reason = reader.byte().map_err(short)?;
    reader.end("SUBACK or UNSUBACK")?;
    known_id(id)?;
    match reasons.contains(&reason) {
        true => Ok((id, reason)),
        // 2 would grant a level that was not asked for.
        false => Err(Violation::Protocol("reason in SUBACK or UNSUBACK")),
    }
}

fn disconnect(mut reader: Reader<'_>) -> Result<Incoming<'_>, Violation> {
    let short = |Short| Violation::Malformed("DISCONNECT");
    let mut reason = 0;
    if !reader.0.is_empty() {
        reason = reader.byte().map_err(short)?;
    }
    if !reader.0.is_empty() {
        reader.properties(property::IN_DISCONNECT, |_, _| {})?;
    }
    reader.end("DISCONNECT")?;
    Ok(Incoming::Disconnect(reason))
}

fn known_id(id: u16) -> Result<(), Violation> {
    match id {
        0 => Err(Violation::Malformed("packet identifier 0")),
        _ => Ok(()),
    }
}

/// UTF-8 without NUL (§1.5.4).
fn text(bytes: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// The bytes ended too early.
struct Short;

/// Reads a packet's fields from front to back.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> Result<&'b [u8], Short> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Short> {
        self.take(1)?.first().copied().ok_or(Short)
    }

    fn word(&mut self) -> Result<u16, Short> {
        let bytes = self.take(2)?.try_into().map_err(|_| Short)?;
        Ok(u16::from_be_bytes(bytes))
    }

    fn long(&mut self) -> Result<u32, Short> {
        let bytes = self.take(4)?.try_into().map_err(|_| Short)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Variable Byte Integer (§1.5.5); one that is longer than it need be is none.
    fn varint(&mut self) -> Result<u32, Short> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return match byte == 0 && shift > 0 {
                    true => Err(Short),
                    false => Ok(value),
                };
            }
        }
        Err(Short)
    }

    fn string(&mut self) -> Result<&'b [u8], Short> {
        let len = self.word()?;
        self.take(len.into())
    }

    /// The property list: each allowed, of its type, and at most once unless the standard lets it
    /// repeat. `each` gets identifier and value of those that are numbers.
    fn properties(&mut self, allowed: u64, mut each: impl FnMut(u8, u32)) -> Result<(), Violation> {
        let short = |Short| Violation::Malformed("properties");
        let len = self.varint().map_err(short)?;
        let mut list = Reader(self.take(len as usize).map_err(short)?);
        let mut seen = 0u64;
        while !list.0.is_empty() {
            let id = list.byte().map_err(short)?;
            if id > 0x2A || allowed & 1 << id == 0 {
                return Err(Violation::Malformed("property that does not belong there"));
            }
            let repeats = matches!(id, property::USER | property::SUBSCRIPTION_IDENTIFIER);
            if seen & 1 << id != 0 && !repeats {
                return Err(Violation::Protocol("property given twice"));
            }
            seen |= 1 << id;
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => {
                    let value = list.byte().map_err(short)?;
                    if value > 1 {
                        return Err(Violation::Protocol("property that is neither 0 nor 1"));
                    }
                    value.into()
                }
                0x13 | 0x21 | 0x22 | 0x23 => list.word().map_err(short)?.into(),
                0x02 | 0x11 | 0x18 | 0x27 => list.long().map_err(short)?,
                property::SUBSCRIPTION_IDENTIFIER => list.varint().map_err(short)?,
                0x09 | 0x16 => {
                    list.string().map_err(short)?;
                    continue;
                }
                property::USER => {
                    for _ in 0..2 {
                        let part = list.string().map_err(short)?;
                        text(part).ok_or(Violation::Malformed("text"))?;
                    }
                    continue;
                }
                _ => {
                    let part = list.string().map_err(short)?;
                    text(part).ok_or(Violation::Malformed("text"))?;
                    continue;
                }
            };
            each(id, value);
        }
        Ok(())
    }

    fn end(&self, packet: &'static str) -> Result<(), Violation> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Violation::Malformed(packet)),
        }
    }
}

/// What CONNECT says of us.
pub(crate) struct Connect<'a> {
    pub client_id: &'a str,
    pub clean_start: bool,
    pub keep_alive: u16,
    pub session_expiry: u32,
    pub receive_maximum: u16,
    pub maximum_packet_size: u32,
    pub will: Option<(&'a str, &'a [u8])>,
}

/// CONNECT (§3.1).
pub(crate) fn connect(what: &Connect<'_>) -> Vec<u8> {
    let mut body = Vec::with_capacity(64 + what.client_id.len());
    string(&mut body, b"MQTT");
    body.push(5);
    // Clean Start, Will Flag, Will QoS 1.
    let will_flags = if what.will.is_some() { 0b0000_1100 } else { 0 };
    body.push(u8::from(what.clean_start) << 1 | will_flags);
    body.extend_from_slice(&what.keep_alive.to_be_bytes());
    body.push(13);
    body.push(property::SESSION_EXPIRY);
    body.extend_from_slice(&what.session_expiry.to_be_bytes());
    body.push(property::RECEIVE_MAXIMUM);
    body.extend_from_slice(&what.receive_maximum.to_be_bytes());
    body.push(property::MAXIMUM_PACKET_SIZE);
    body.extend_from_slice(&what.maximum_packet_size.to_be_bytes());
    string(&mut body, what.client_id.as_bytes());
    if let Some((topic, payload)) = what.will {
        body.push(0);
        string(&mut body, topic.as_bytes());
        string(&mut body, payload);
    }
    let mut packet = Vec::with_capacity(body.len() + 3);
    packet.push(kind::CONNECT << 4);
    let (len, bytes) = varint(body.len());
    packet.extend_from_slice(bytes.get(..len).unwrap_or_default());
    packet.extend_from_slice(&body);
    packet
}

/// The bytes of a packet before its topic or filter, and their number.
type Head = ([u8; 8], usize);

/// Head of a packet with `len` bytes to come; `rest` stand right behind the length.
fn head(first: u8, len: usize, rest: &[u8]) -> Head {
    let mut bytes = [first, 0, 0, 0, 0, 0, 0, 0];
    let (width, encoded) = varint(len);
    let all = encoded.iter().take(width).chain(rest);
    let mut used = 1;
    for (to, from) in bytes.iter_mut().skip(1).zip(all) {
        *to = *from;
        used += 1;
    }
    (bytes, used)
}

/// A PUBLISH in pieces: head, topic, identifier and properties, payload. The identifier of a QoS 1
/// message lies [`id_offset`] bytes from the packet's start.
pub(crate) fn publish_parts(topic: &str, payload: usize, id: u16) -> (Head, [u8; 3], usize) {
    let tail = if id == 0 { 1 } else { 3 };
    let len = 2 + topic.len() + tail + payload;
    let qos = u8::from(id != 0) << 1;
    let head = head(
        kind::PUBLISH << 4 | qos,
        len,
        &(topic.len() as u16).to_be_bytes(),
    );
    let [high, low] = id.to_be_bytes();
    match id {
        0 => (head, [0; 3], tail),
        _ => (head, [high, low, 0], tail),
    }
}

/// A SUBSCRIBE (`qos` given) or UNSUBSCRIBE for one filter: head, filter, options.
pub(crate) fn filter_parts(filter: &str, id: u16, qos: Option<u8>) -> ([u8; 12], usize) {
    let len = 2 + 1 + 2 + filter.len() + usize::from(qos.is_some());
    let first = match qos {
        Some(_) => kind::SUBSCRIBE << 4 | 2,
        None => kind::UNSUBSCRIBE << 4 | 2,
    };
    let (front, used) = head(first, len, &[]);
    let mut bytes = [0; 12];
    let [id_high, id_low] = id.to_be_bytes();
    let [len_high, len_low] = (filter.len() as u16).to_be_bytes();
    let rest = [id_high, id_low, 0, len_high, len_low];
    for (to, from) in bytes.iter_mut().zip(front.iter().take(used).chain(&rest)) {
        *to = *from;
    }
    (bytes, used + rest.len())
}

/// Where the identifier of a QoS 1 PUBLISH stands.
pub(crate) fn id_offset(packet: &[u8]) -> Option<usize> {
    let length_bytes = packet.iter().skip(1).position(|byte| byte & 0x80 == 0)? + 1;
    let topic = 1 + length_bytes;
    let len = [*packet.get(topic)?, *packet.get(topic + 1)?];
    Some(topic + 2 + usize::from(u16::from_be_bytes(len)))
}

/// PUBACK without a failure.
pub(crate) fn pub_ack(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [kind::PUBACK << 4, 2, high, low]
}

/// PINGREQ.
pub(crate) const PING: [u8; 2] = [kind::PINGREQ << 4, 0];

/// DISCONNECT.
pub(crate) fn disconnect_packet(reason: u8) -> [u8; 3] {
    [kind::DISCONNECT << 4, 1, reason]
}

fn string(body: &mut Vec<u8>, bytes: &[u8]) {
    // Callers keep to 16 bits: client id 128, topic 256, will 64.
    body.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    body.extend_from_slice(bytes);
}

fn varint(mut value: usize) -> (usize, [u8; 4]) {
    let mut bytes = [0; 4];
    let mut used = 0;
    for byte in &mut bytes {
        *byte = (value & 0x7F) as u8;
        value >>= 7;
        used += 1;
        if value == 0 {
            break;
        }
        *byte |= 0x80;
    }
    (used, bytes)
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
