//! The TLS/MQTT client process, as a library that also runs whole on the host.
//!
//! Owns the connection to the broker: network, TLS, MQTT session, retries, and who among the
//! other processes asked for which topic. Does not own primitives (PSA calls through
//! `rustls-psa`), the ethernet driver, time or IPC: those come in through [`stack::FrameDevice`],
//! [`Stream`], [`Environment`] and [`mqtt_ipc::Memory`], which `main.rs` fills with system calls
//! and the tests with sockets and a secure service linked in.
//!
//! Invariants: no byte from the network, the broker or another process can make it panic; a
//! failed connection is named ([`Why`]) and tried again for ever with full-jitter back-off; no
//! queue is unbounded.
//!
//! One thread, no executor: [`App::step`] polls the network, pumps TLS, polls the session's
//! future once with a waker that does nothing, and says how long the process may sleep.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod app;
pub mod backoff;
pub mod claim;
mod clock;
pub mod config;
mod crash;
mod desk;
mod diagnostics;
pub mod dns;
pub mod exchange;
mod filter;
pub mod floor;
pub mod identity;
mod inbound;
mod json;
pub mod key;
mod link;
pub mod mqtt;
pub mod pem;
pub mod request;
pub mod rotate;
mod rotation;
pub mod service;
mod session;
pub mod sntp;
pub mod stack;
mod tls;
mod why;
#[cfg(test)]
mod world;

pub use app::{App, Environment, Memory, POOL, Shared};
pub use claim::Claim;
pub use config::{Config, ConfigError, Endpoint};
pub use diagnostics::Image;
pub use session::MqttBuffers;
pub use tls::{INCOMING, OUTGOING, TlsBuffers};
pub use why::Why;

use core::net::Ipv4Addr;

/// Where a byte stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamState {
    /// Not connected, and not trying; or closed by either side.
    Closed,
    /// Connecting.
    Connecting,
    /// Open in at least the receiving direction.
    Open,
}

/// What datagrams are for: each use has its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The broker's name.
    Names,
    /// Time, and the time server's name.
    Time,
}

/// Addresses of servers that DHCP named: at most three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Servers {
    list: [Option<Ipv4Addr>; 3],
}

impl Servers {
    /// The first three of `addresses`.
    pub fn new(addresses: impl Iterator<Item = Ipv4Addr>) -> Self {
        let mut servers = Servers::default();
        for (place, address) in servers.list.iter_mut().zip(addresses) {
            *place = Some(address);
        }
        servers
    }

    /// Address number `index`, counted around.
    pub fn nth(&self, index: usize) -> Option<Ipv4Addr> {
        let index = index.checked_rem(self.len())?;
        self.list.iter().flatten().nth(index).copied()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.iter().flatten().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A network that gives one non-blocking TCP connection at a time, and datagrams.
pub trait Stream {
    /// Lets the network make progress at monotonic time `now_us`; how long it can wait for the
    /// next call if nothing arrives, microseconds (`None`: for ever).
    fn poll(&mut self, now_us: u64) -> Option<u64>;
    /// Whether there is an address to connect from; the address once it is known.
    fn address(&self) -> Option<Ipv4Addr>;
    /// Starts to connect; an earlier connection is dropped. `source_port` is the local port.
    ///
    /// # Errors
    /// Why it cannot even start.
    fn connect(&mut self, to: Ipv4Addr, port: u16, source_port: u16) -> Result<(), Why>;
    /// Where the connection stands.
    fn state(&self) -> StreamState;
    /// Takes bytes that arrived; 0 when there are none now.
    fn receive(&mut self, buf: &mut [u8]) -> usize;
    /// Queues bytes to send; how many were taken.
    fn send(&mut self, bytes: &[u8]) -> usize;
    /// Drops the connection at once.
    fn abort(&mut self);
    /// Name servers that DHCP named.
    fn name_servers(&self) -> Servers {
        Servers::default()
    }
    /// Time servers that DHCP named (option 42).
    fn time_servers(&self) -> Servers {
        Servers::default()
    }
    /// Sends a datagram from local port `source_port`, where answers then arrive, and no longer at
    /// an earlier one; false when it could not leave.
    fn send_datagram(
        &mut self,
        _channel: Channel,
        _source_port: u16,
        _to: (Ipv4Addr, u16),
        _bytes: &[u8],
    ) -> bool {
        false
    }
    /// A datagram that arrived: its length, and its sender.
    fn receive_datagram(
        &mut self,
        _channel: Channel,
        _buf: &mut [u8],
    ) -> Option<(usize, (Ipv4Addr, u16))> {
        None
    }
}
