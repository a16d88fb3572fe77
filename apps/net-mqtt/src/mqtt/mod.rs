//! MQTT 5 for one client: the packets, and the session as a state machine without input or output.
//!
//! Owns what the OASIS standard "MQTT Version 5.0" asks of a client at QoS 0 and 1, and what AWS
//! IoT Core adds to it (reference/aws-iot.md §1.3). Does not own bytes' way to the broker, time,
//! or who asked for what: [`Client`] is fed bytes and the time, and gives bytes and [`Event`]s.
//!
//! Why not a crate: `minimq` (0.13.5), which we began with, acknowledges a QoS 1 message as it
//! parses it, so a slow reader could not hold its messages back at the broker; it holds a client
//! id of at most 64 bytes (AWS: 128); it tells that *some* request was refused, not which; it
//! drops the broker's DISCONNECT reason; and it needs an async runtime's clock for timers that
//! tests want to move by hand. The other crates of reference/crates.md §2 are 3.1.1 only, or bring
//! 70 KB of code. What is left of MQTT 5 without QoS 2, authentication and aliases is small.
//!
//! Not here: QoS 2 (AWS has none), enhanced authentication, topic aliases, server redirection,
//! subscription identifiers, request/response and user properties (accepted and ignored).

mod client;
mod outcome;
mod packed;
mod packet;
mod reason;

pub use client::{Ack, Client, MAX_FLIGHTS, RECEIVE_MAXIMUM, Settings};
pub use outcome::{Event, Failure, Message, Refusal};
pub use packed::Packed;
pub use packet::{ConnAck, Incoming, Publish, Violation, parse, split};
pub use reason::reason_name;
