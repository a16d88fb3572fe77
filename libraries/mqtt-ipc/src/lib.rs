//! Layout of the 8 KiB mailbox page shared with the `tockstone.mqtt` service, and both its ends.
//!
//! Owns the page: two one-message mailboxes, their 16-byte header, limits, and the two state
//! machines ([`Client`] in the process that wants MQTT, [`Port`] in the service). Does not own how
//! the page is shared or how the other side is woken: that is Tock IPC (libtock), reached through
//! [`Memory`] and a `notify` closure; nor MQTT itself: that is net-mqtt.
//!
//! Invariants: each mailbox has one producer and one consumer, and is *full* exactly while its
//! kind byte is not zero; the producer writes that byte last, the consumer clears it last, each
//! then notifies. Nothing that the other side wrote is trusted: a header is read once, checked,
//! and the message copied out before anyone looks at it; every byte pattern of a page decodes to
//! a message or to [`Error::Malformed`].
//!
//! | bytes | mailbox | capacity |
//! |---|---|---|
//! | 0 … 6415 | to the client | topic ≤ 256 and payload ≤ 6144 together |
//! | 6416 … 8191 | to the service | topic, padded to 4, and payload ≤ 1760 together |
//!
//! Header, little-endian: seq u32 · kind u8 · qos u8 · status u16 · topic_len u16 · zero u16 ·
//! payload_len u32; then the topic, padded to a multiple of 4, then the payload.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod client;
mod mailbox;
mod port;
#[cfg(feature = "libtock")]
mod process;

pub use client::{Bell, Client, Event};
pub use mailbox::{Header, Kind, Memory, Page};
pub use port::{Port, Request};
#[cfg(feature = "libtock")]
pub use process::{Connection, ServiceBell};

/// Name of this protocol.
pub const SERVICE: &str = "tockstone.mqtt";
/// Package name of the process that serves it: what Tock IPC discovers is a package.
pub const PACKAGE: &str = "net-mqtt";
/// Size of the shared page, bytes; it must start on a multiple of 1 KiB.
pub const PAGE_SIZE: usize = 8192;
/// Longest topic or filter, bytes (AWS IoT Core's limit, reference/aws-iot.md §1.4).
pub const MAX_TOPIC: usize = 256;
/// Longest name of a thing, bytes (reference/aws-iot.md §1.4).
pub const MAX_THING: usize = 128;
/// Longest payload of a message to a client, bytes: a 4 KiB stream block and what wraps it.
pub const MAX_PAYLOAD: usize = 6144;
/// Topic (padded to 4) and payload of a publish, together, bytes; larger is [`Error::TooLarge`].
pub const MAX_REQUEST: usize = 1760;
/// What a caller of [`Client::poll`] must offer to be able to receive any message, bytes.
pub const MESSAGE_BUFFER: usize = MAX_TOPIC + MAX_PAYLOAD;

/// MQTT quality of service; level 2 does not exist here (AWS IoT Core has none).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Qos {
    /// At most once.
    #[default]
    AtMostOnce = 0,
    /// At least once: the result arrives after the broker's acknowledgement.
    AtLeastOnce = 1,
}

impl Qos {
    /// The level that the byte names, if it is 0 or 1.
    pub fn from_byte(byte: u8) -> Option<Qos> {
        match byte {
            0 => Some(Qos::AtMostOnce),
            1 => Some(Qos::AtLeastOnce),
            _ => None,
        }
    }
}

/// Outcome of a request, as the service reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// Done: written (QoS 0) or acknowledged by the broker (QoS 1, subscribe, unsubscribe).
    Ok = 0,
    /// The service's bounded queues are full; ask again later.
    Busy = 1,
    /// No connection to the broker; a publish was not kept.
    Offline = 2,
    /// The broker refused it (policy, quota); asking again will not help.
    Refused = 3,
    /// The request was malformed: bad topic, bad filter, unknown kind.
    Invalid = 4,
    /// Larger than the broker or the service takes.
    TooLarge = 5,
    /// The session was lost before the broker acknowledged: it may or may not have arrived.
    Lost = 6,
    /// No room for another subscription.
    NoSpace = 7,
}

impl Status {
    /// The status that the number names.
    pub fn from_number(number: u16) -> Option<Status> {
        Some(match number {
            0 => Status::Ok,
            1 => Status::Busy,
            2 => Status::Offline,
            3 => Status::Refused,
            4 => Status::Invalid,
            5 => Status::TooLarge,
            6 => Status::Lost,
            7 => Status::NoSpace,
            _ => return None,
        })
    }
}

/// Connection between net-mqtt and the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Link {
    /// Not connected; net-mqtt is trying.
    Offline = 0,
    /// Connected; the broker resumed the session, or subscriptions were made again.
    Online = 1,
}

/// Why a mailbox operation was refused on this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The other side has not yet taken the previous message.
    Busy,
    /// Topic or payload does not fit in the mailbox (or in the buffer offered).
    TooLarge,
    /// The topic is empty, or longer than [`MAX_TOPIC`].
    BadTopic,
    /// What the other side wrote is not a message; it was thrown away.
    Malformed,
}
