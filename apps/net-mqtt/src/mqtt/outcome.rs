//! What a session tells its owner: events, messages, and the ways in which it can end or refuse.

use super::packet::Violation;

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// CONNACK with this reason.
    Refused(u8),
    /// DISCONNECT with this reason.
    Disconnected(u8),
    /// The broker broke the protocol.
    Violation(Violation),
    /// No CONNACK within [`super::client::CONNACK_US`].
    NoConnAck,
    /// No PINGRESP in time.
    NoPingResp,
    /// No acknowledgement within [`super::client::ACK_US`].
    NoAck,
    /// The transport took nothing for [`super::client::STALL_US`].
    Stalled,
}

/// Why a packet cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not connected.
    Offline,
    /// No room for it now.
    Busy,
    /// Larger than the broker or our buffer takes.
    TooLarge,
    /// The broker does not take this level, or no wildcards.
    Unsupported,
}

/// What happened; see [`super::client::Client::next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<T> {
    /// The broker accepted us; whether it resumed our session.
    Connected(bool),
    /// A packet's end: `Some(reason)` from the broker (0 for one at QoS 0 that was written), or
    /// `None`: lost with the connection, and not kept.
    Done(T, Option<u8>),
    /// A message waits: look at it with [`super::client::Client::message`], then [`super::client::Client::take_message`].
    Message,
}

/// A message from the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'b> {
    /// Topic name.
    pub topic: &'b str,
    /// Payload.
    pub payload: &'b [u8],
    /// Whether it is at QoS 1.
    pub acknowledged: bool,
}
