//! DNS (RFC 1035): one question for IPv4 addresses, its answer, and a lookup that asks around.
//!
//! Owns the wire format, the retries, which failure is called what, and the addresses with their
//! time to live. Does not own the socket. The parser is total, and takes nothing that was not asked
//! for: identifier, server and question have to match (with the random port, 32 bits to guess).
//!
//! Not here: IPv6, TCP (an answer that was cut is used as far as it goes), DNSSEC — the server's
//! certificate is what proves that we are at the right place.

use crate::{Channel, Servers, Stream, Why};
use alloc::string::String;
use core::net::Ipv4Addr;

/// Largest message over UDP (§4.2.1), bytes.
pub const MESSAGE: usize = 512;
/// Port of a DNS server.
pub const PORT: u16 = 53;
/// Addresses kept of one answer.
pub const MAX_ADDRESSES: usize = 8;
/// From one question to the next, microseconds.
const PATIENCE_US: u64 = 2_000_000;
/// How often each server is asked.
const ROUNDS: usize = 2;
/// A time to live is never taken for longer, seconds: who moves an endpoint waits a day.
const MAX_TTL_S: u32 = 86_400;
/// CNAMEs that are followed.
const MAX_ALIASES: usize = 8;

/// Record types and class (§3.2.2, §3.2.4).
const A: u16 = 1;
const CNAME: u16 = 5;
const IN: u16 = 1;

/// Why there is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsError {
    /// DHCP gave no server.
    NoServer,
    /// No server answered.
    Silent,
    /// NXDOMAIN: there is no such name.
    NoSuchName,
    /// The name exists, and has no IPv4 address.
    NoAddress,
    /// SERVFAIL.
    ServerFailure,
    /// REFUSED.
    Refused,
    /// Any other response code.
    Code(u8),
    /// The name cannot be asked for.
    BadName,
}

impl core::fmt::Display for DnsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            DnsError::NoServer => "no server known",
            DnsError::Silent => "no server answers",
            DnsError::NoSuchName => "no such name",
            DnsError::NoAddress => "name has no IPv4 address",
            DnsError::ServerFailure => "server failure",
            DnsError::Refused => "server refuses",
            DnsError::Code(code) => return write!(f, "response code {code}"),
            DnsError::BadName => "not a name",
        })
    }
}

/// Addresses of a name, and until when they may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Addresses {
    list: [Option<Ipv4Addr>; MAX_ADDRESSES],
    /// Seconds.
    ttl: u32,
}

impl Addresses {
    /// In the server's order.
    pub fn iter(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.list.iter().flatten().copied()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long they may be used, seconds.
    pub fn ttl(&self) -> u32 {
        self.ttl
    }
}

/// Writes the question for `name`; its length.
///
/// # Errors
/// [`DnsError::BadName`].
pub fn question(id: u16, name: &str, buf: &mut [u8; MESSAGE]) -> Result<usize, DnsError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    // 253 characters of text are 255 bytes on the wire.
    if name.is_empty() || name.len() > 253 {
        return Err(DnsError::BadName);
    }
    let [high, low] = id.to_be_bytes();
    // Recursion desired; one question.
    let header = [high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let mut used = 0;
    let mut put = |bytes: &[u8]| {
        for (to, from) in buf.iter_mut().skip(used).zip(bytes) {
            *to = *from;
        }
        used += bytes.len();
    };
    put(&header);
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err(DnsError::BadName);
        }
        put(&[label.len() as u8]);
        put(label.as_bytes());
    }
    put(&[0, 0, A as u8, 0, IN as u8]);
    Ok(used)
}

/// Reads the answer to question `id` for `name`. `None`: it is no answer to that, so wait on.
///
/// # Errors
/// What the server says instead of addresses.
pub fn answer(id: u16, name: &str, message: &[u8]) -> Option<Result<Addresses, DnsError>> {
    let word = |at: usize| {
        let bytes = message.get(at..at + 2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    };
    let flags = word(2)?;
    // An answer (QR) to a standard query.
    if word(0)? != id || flags & 0xF800 != 0x8000 || word(4)? != 1 {
        return None;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let (asked, mut at) = read_name(message, 12)?;
    if !asked.is(name) || word(at)? != A || word(at + 2)? != IN {
        return None;
    }
    at += 4;
    match flags & 0xF {
        0 => {}
        2 => return Some(Err(DnsError::ServerFailure)),
        3 => return Some(Err(DnsError::NoSuchName)),
        5 => return Some(Err(DnsError::Refused)),
        code => return Some(Err(DnsError::Code(code as u8))),
    }
    let first = at;
    let count = word(6)?;
    let mut addresses = Addresses {
        ttl: MAX_TTL_S,
        ..Addresses::default()
    };
    // Aliases usually come in order, but need not: go through once for each.
    let mut wanted = asked;
    for _ in 0..MAX_ALIASES {
        let mut alias = None;
        let mut at = first;
        for _ in 0..count {
            // What was cut off is not there.
            let Some(record) = read_record(message, at) else {
                break;
            };
            at = record.end;
            if record.class != IN || record.owner != wanted {
                continue;
            }
            match record.kind {
                A => {
                    let bytes: Option<[u8; 4]> = record.data.try_into().ok();
                    let free = addresses.list.iter_mut().find(|place| place.is_none());
                    if let (Some(bytes), Some(free)) = (bytes, free) {
                        *free = Some(Ipv4Addr::from(bytes));
                        addresses.ttl = addresses.ttl.min(record.ttl);
                    }
                }
                CNAME => {
                    addresses.ttl = addresses.ttl.min(record.ttl);
                    alias = read_name(message, record.data_at).map(|(name, _)| name);
                }
                _ => {}
            }
        }
        match alias {
            Some(alias) if addresses.is_empty() => wanted = alias,
            _ => break,
        }
    }
    Some(match addresses.is_empty() {
        true => Err(DnsError::NoAddress),
        false => Ok(addresses),
    })
}

/// A name of at most 255 bytes, in lower case, as text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Name {
    bytes: [u8; 255],
    len: usize,
}

impl Name {
    fn is(&self, text: &str) -> bool {
        self.bytes
            .get(..self.len)
            .is_some_and(|bytes| bytes.eq_ignore_ascii_case(text.as_bytes()))
    }
}

/// The name at `at`, and where what follows it begins. Each pointer (§4.1.4) leads further to the
/// front, so this ends.
fn read_name(message: &[u8], mut at: usize) -> Option<(Name, usize)> {
    let mut name = Name {
        bytes: [0; 255],
        len: 0,
    };
    let mut end = None;
    let mut limit = at;
    loop {
        let len = usize::from(*message.get(at)?);
        match len >> 6 {
            0 if len == 0 => return Some((name, end.unwrap_or(at + 1))),
            0 => {
                let label = message.get(at + 1..at + 1 + len)?;
                if label.contains(&b'.') {
                    // As text it would be another name.
                    return None;
                }
                let dot = usize::from(name.len > 0);
                let to = name.bytes.get_mut(name.len..name.len + dot + len)?;
                if dot == 1 {
                    *to.first_mut()? = b'.';
                }
                for (to, from) in to.iter_mut().skip(dot).zip(label) {
                    *to = from.to_ascii_lowercase();
                }
                name.len += dot + len;
                at += 1 + len;
            }
            3 => {
                let to = (len & 0x3F) << 8 | usize::from(*message.get(at + 1)?);
                end = end.or(Some(at + 2));
                if to >= limit {
                    return None;
                }
                limit = to;
                at = to;
            }
            _ => return None,
        }
    }
}

struct Record<'m> {
    owner: Name,
    kind: u16,
    class: u16,
    ttl: u32,
    data: &'m [u8],
    data_at: usize,
    end: usize,
}

fn read_record(message: &[u8], at: usize) -> Option<Record<'_>> {
    let (owner, at) = read_name(message, at)?;
    let fixed: [u8; 10] = message.get(at..at + 10)?.try_into().ok()?;
    let [k0, k1, c0, c1, t0, t1, t2, t3, l0, l1] = fixed;
    let data_at = at + 10;
    let end = data_at + usize::from(u16::from_be_bytes([l0, l1]));
    let ttl = u32::from_be_bytes([t0, t1, t2, t3]);
    Some(Record {
        owner,
        kind: u16::from_be_bytes([k0, k1]),
        class: u16::from_be_bytes([c0, c1]),
        // The top bit set means zero (RFC 2181 §8).
        ttl: if ttl >> 31 == 1 { 0 } else { ttl },
        data: message.get(data_at..end)?,
        data_at,
        end,
    })
}

/// What a lookup sends, takes and draws.
pub trait Datagrams {
    /// A word that nobody can guess.
    fn random(&mut self) -> u32;
    /// Sends one, from a fresh port; false when it could not leave.
    fn send(&mut self, to: Ipv4Addr, port: u16, bytes: &[u8]) -> bool;
    /// One that came for the last port; its length and sender.
    fn receive(&mut self, buf: &mut [u8]) -> Option<(usize, Ipv4Addr, u16)>;
}

/// One socket of a [`Stream`].
pub(crate) struct Socket<'s, S, R> {
    pub stream: &'s mut S,
    pub channel: Channel,
    pub random: R,
}

/// A port of IANA's dynamic range (RFC 6335 §6).
pub(crate) fn dynamic_port(random: u32) -> u16 {
    49152 + (random % 16384) as u16
}

impl<S: Stream, R: FnMut() -> u32> Datagrams for Socket<'_, S, R> {
    fn random(&mut self) -> u32 {
        (self.random)()
    }

    fn send(&mut self, to: Ipv4Addr, port: u16, bytes: &[u8]) -> bool {
        let source_port = dynamic_port(self.random());
        self.stream
            .send_datagram(self.channel, source_port, (to, port), bytes)
    }

    fn receive(&mut self, buf: &mut [u8]) -> Option<(usize, Ipv4Addr, u16)> {
        let (len, (from, port)) = self.stream.receive_datagram(self.channel, buf)?;
        Some((len, from, port))
    }
}

/// One lookup under way.
pub struct Lookup {
    name: String,
    /// Identifier, server and time of the question that waits for an answer.
    asked: Option<(u16, Ipv4Addr, u64)>,
    attempts: usize,
    /// The worst that was heard: told if nobody has better news.
    heard: DnsError,
}

impl Lookup {
    /// For `name`.
    pub fn new(name: &str) -> Self {
        Lookup {
            name: String::from(name),
            asked: None,
            attempts: 0,
            heard: DnsError::Silent,
        }
    }

    /// Goes on; the end of it, if it has one now.
    pub fn poll(
        &mut self,
        socket: &mut impl Datagrams,
        servers: Servers,
        now_us: u64,
    ) -> Option<Result<Addresses, DnsError>> {
        let mut buf = [0; MESSAGE];
        if let Some((id, server, at)) = self.asked {
            while let Some((len, from, port)) = socket.receive(&mut buf) {
                if from != server || port != PORT {
                    continue;
                }
                let message = buf.get(..len).unwrap_or_default();
                match answer(id, &self.name, message) {
                    None => continue,
                    Some(Ok(addresses)) => return Some(Ok(addresses)),
                    // These are about the name, and the next server would say the same.
                    Some(Err(error @ (DnsError::NoSuchName | DnsError::NoAddress))) => {
                        return Some(Err(error));
                    }
                    Some(Err(error)) => {
                        self.heard = error;
                        self.asked = None;
                        break;
                    }
                }
            }
            if self.asked.is_some() && now_us.saturating_sub(at) < PATIENCE_US {
                return None;
            }
        }
        if servers.is_empty() {
            return Some(Err(DnsError::NoServer));
        }
        if self.attempts >= ROUNDS * servers.len() {
            return Some(Err(self.heard));
        }
        let server = servers.nth(self.attempts)?;
        self.attempts += 1;
        let id = socket.random() as u16;
        match question(id, &self.name, &mut buf) {
            Err(error) => return Some(Err(error)),
            Ok(len) => {
                // One that does not leave is one that is not answered.
                socket.send(server, PORT, buf.get(..len).unwrap_or_default());
                self.asked = Some((id, server, now_us));
            }
        }
        None
    }
}

/// The addresses of one name, and which is next.
#[derive(Debug, Default)]
pub struct Cache {
    addresses: Addresses,
    expires_us: u64,
    next: usize,
}

impl Cache {
    /// Whether a lookup is due.
    pub fn is_stale(&self, now_us: u64) -> bool {
        self.addresses.is_empty() || now_us >= self.expires_us
    }

    /// A lookup's answer. Which address is next goes on: servers that rotate theirs and servers
    /// that do not are both spread over.
    pub fn learn(&mut self, addresses: Addresses, now_us: u64) {
        self.expires_us = now_us.saturating_add(u64::from(addresses.ttl()) * 1_000_000);
        self.addresses = addresses;
    }

    /// The next address to try; each in turn.
    pub fn take_turn(&mut self) -> Option<Ipv4Addr> {
        let count = self.addresses.len();
        if count == 0 {
            return None;
        }
        let address = self.addresses.iter().nth(self.next % count);
        self.next = (self.next + 1) % count;
        address
    }

    /// How many addresses there are.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// None of them leads anywhere: ask again before the time is over.
    pub fn forget(&mut self) {
        self.expires_us = 0;
    }
}

impl From<DnsError> for Why {
    fn from(error: DnsError) -> Why {
        Why::Dns(error)
    }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
