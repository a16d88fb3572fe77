//! SNTP (RFC 4330, RFC 5905): what time a server says it is, and whether to believe it.
//!
//! Owns the 48-byte message, its checks, when to ask, and how far an answer may move our clock.
//! Does not own the socket or the clock underneath, which is the RTC: with no answer it stays as it is.
//!
//! Nobody signs these answers, so they are believed within bounds only: never before the floor, at
//! most [`MAX_AHEAD_S`] after it, and a step of more than [`STEP_S`] only when a second exchange
//! agrees. What that leaves to an attacker on the network is to make certificates seem expired or
//! not: the floor, which moves up only, is what he cannot pass.

use crate::Servers;
use crate::dns::{Datagrams, DnsError, Lookup};
use alloc::string::String;
use core::fmt;
use core::net::Ipv4Addr;

/// Port of a time server.
pub const PORT: u16 = 123;
/// Length of a message without authenticator (RFC 4330 §4), bytes.
const LENGTH: usize = 48;
/// Seconds from 1900 to 1970.
const ERA: u64 = 2_208_988_800;
/// From question to answer, microseconds.
const PATIENCE_US: u64 = 2_000_000;
/// After an answer, until the next question: an RTC drifts seconds a day. Seconds.
pub const INTERVAL_S: u64 = 4 * 3600;
/// After a failure: the first pause, and the longest, seconds (RFC 4330 §10: no less than 15).
pub const RETRY_S: u64 = 16;
/// The longest pause after failures, seconds.
pub const RETRY_MAX_S: u64 = 1024;
/// A larger step than this needs a second exchange that agrees, seconds.
pub const STEP_S: u64 = 600;
/// How well it has to agree, seconds.
const AGREE_S: u64 = 10;
/// No answer is later than the floor and this: 20 years.
pub const MAX_AHEAD_S: u64 = 20 * 365 * 86_400;

/// Why an answer, or the lack of one, is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SntpError {
    /// No answer in time.
    Silent,
    /// The server's name did not resolve.
    Dns(DnsError),
    /// Too short.
    Short,
    /// Not mode 4 (server).
    Mode,
    /// Version 0, or later than 4.
    Version,
    /// Leap indicator 3: the server's clock is not set.
    Unsynchronised,
    /// Stratum 0 with this code: the server wants to be left alone.
    KissOfDeath([u8; 4]),
    /// Stratum over 15.
    Stratum,
    /// Not the answer to our question: the originate timestamp is not ours.
    Originate,
    /// No transmit timestamp.
    NoTime,
    /// Before the floor, or too far after it.
    OutOfBounds,
    /// The second exchange did not agree with the first.
    Disagrees,
}

impl fmt::Display for SntpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SntpError::Silent => "no answer",
            SntpError::Dns(error) => return write!(f, "name of the server: {error}"),
            SntpError::Short => "answer too short",
            SntpError::Mode => "answer of the wrong mode",
            SntpError::Version => "answer of an unknown version",
            SntpError::Unsynchronised => "server's clock is not set",
            SntpError::KissOfDeath(code) => {
                let code = core::str::from_utf8(code).unwrap_or("?");
                return write!(f, "server sends us away ({})", code.escape_default());
            }
            SntpError::Stratum => "stratum out of range",
            SntpError::Originate => "answer to another question",
            SntpError::NoTime => "answer without time",
            SntpError::OutOfBounds => "time before the floor or absurdly late",
            SntpError::Disagrees => "two answers that do not agree",
        })
    }
}

/// The question, `nonce` standing as our transmit timestamp (RFC 4330 §5 asks only that the answer
/// repeats it): it tells nobody what time we believe it is, and an answer has to know it.
pub fn question(nonce: u64) -> [u8; LENGTH] {
    let mut message = [0; LENGTH];
    // Leap 0, version 4, mode 3.
    if let Some(first) = message.first_mut() {
        *first = 4 << 3 | 3;
    }
    if let Some(place) = message.get_mut(40..48) {
        place.copy_from_slice(&nonce.to_be_bytes());
    }
    message
}

/// The server's transmit time in an answer, milliseconds since 1970 (RFC 4330 §5).
///
/// # Errors
/// Which check it fails.
pub fn answer(nonce: u64, message: &[u8]) -> Result<u64, SntpError> {
    let head = message.get(..LENGTH).ok_or(SntpError::Short)?;
    let long = |at: usize| {
        let bytes = head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_be_bytes).ok_or(SntpError::Short)
    };
    // First of all: whoever does not know the question is not the server.
    if long(24)? != nonce {
        return Err(SntpError::Originate);
    }
    let [first, stratum, ..] = *head else {
        return Err(SntpError::Short);
    };
    if first & 7 != 4 {
        return Err(SntpError::Mode);
    }
    if !(1..=4).contains(&(first >> 3 & 7)) {
        return Err(SntpError::Version);
    }
    if stratum == 0 {
        let code = head.get(12..16).and_then(|code| code.try_into().ok());
        return Err(SntpError::KissOfDeath(code.unwrap_or_default()));
    }
    if first >> 6 == 3 {
        return Err(SntpError::Unsynchronised);
    }
    if stratum > 15 {
        return Err(SntpError::Stratum);
    }
    let stamp = long(40)?;
    if stamp == 0 {
        return Err(SntpError::NoTime);
    }
    let (seconds, fraction) = (stamp >> 32, stamp & 0xFFFF_FFFF);
    // With the top bit clear it is the era from 2036 on (RFC 4330 §3).
    let since_1900 = if seconds >> 31 == 1 {
        seconds
    } else {
        seconds + (1 << 32)
    };
    // 1968 to 1970 is below every floor.
    Ok(since_1900.saturating_sub(ERA) * 1000 + ((fraction * 1000) >> 32))
}

/// What a turn of the client came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is this time now, seconds since 1970; the clock was off by so many seconds.
    Time(u64, i64),
    /// Asked in vain; again after so many seconds.
    Failed(SntpError, u64),
}

enum State {
    /// Until this time.
    Idle(u64),
    Resolving(Lookup),
    /// Asked this server with this nonce at this time.
    Waiting(Ipv4Addr, u64, u64),
}

/// The client: asks, believes, asks again.
pub struct Sntp {
    /// Configured server, if DHCP names none.
    name: Option<String>,
    state: State,
    /// Which of several servers is asked.
    turn: usize,
    /// Answers that a step needs before it is believed: what the first said our clock lacks, ms.
    candidate_ms: Option<i64>,
    retry_s: u64,
}

impl Sntp {
    /// Asks those that DHCP names, else `name`.
    pub fn new(name: Option<String>) -> Self {
        Sntp {
            name,
            state: State::Idle(0),
            turn: 0,
            candidate_ms: None,
            retry_s: RETRY_S,
        }
    }

    /// Whether an answer may come soon.
    pub fn is_asking(&self) -> bool {
        !matches!(self.state, State::Idle(_))
    }

    /// Whether [`Sntp::poll`] has anything to do, DHCP having named `servers`.
    pub fn is_due(&self, servers: Servers, now_us: u64) -> bool {
        if servers.is_empty() && self.name.is_none() {
            return false;
        }
        match self.state {
            State::Idle(until) => now_us >= until,
            _ => true,
        }
    }

    /// Does what is due. `clock` is what we take for the time, and what it is at least, seconds
    /// since 1970.
    pub fn poll(
        &mut self,
        socket: &mut impl Datagrams,
        dns: Servers,
        servers: Servers,
        now_us: u64,
        clock: (u64, u64),
    ) -> Option<Outcome> {
        match &mut self.state {
            State::Idle(until) if now_us < *until => None,
            State::Idle(_) => {
                if let Some(server) = servers.nth(self.turn) {
                    self.ask(socket, server, now_us);
                } else if let Some(name) = &self.name {
                    self.state = State::Resolving(Lookup::new(name));
                }
                None
            }
            State::Resolving(lookup) => match lookup.poll(socket, dns, now_us)? {
                Err(error) => Some(self.failed(SntpError::Dns(error), now_us)),
                Ok(addresses) => {
                    let count = addresses.len().max(1);
                    let server = addresses.iter().nth(self.turn % count)?;
                    self.ask(socket, server, now_us);
                    None
                }
            },
            State::Waiting(server, nonce, at) => {
                let (server, nonce, at) = (*server, *nonce, *at);
                let mut buf = [0; 128];
                while let Some((len, from, port)) = socket.receive(&mut buf) {
                    if from != server || port != PORT {
                        continue;
                    }
                    match answer(nonce, buf.get(..len).unwrap_or_default()) {
                        // Somebody guesses; the server may still answer.
                        Err(SntpError::Originate) => continue,
                        Err(error) => return Some(self.failed(error, now_us)),
                        Ok(time_ms) => {
                            // Half of the round trip is how old it is.
                            let age_ms = now_us.saturating_sub(at) / 2000;
                            let time_ms = time_ms.saturating_add(age_ms);
                            return self.judge(socket, server, time_ms, clock, now_us);
                        }
                    }
                }
                match now_us.saturating_sub(at) >= PATIENCE_US {
                    true => Some(self.failed(SntpError::Silent, now_us)),
                    false => None,
                }
            }
        }
    }

    fn ask(&mut self, socket: &mut impl Datagrams, server: Ipv4Addr, now_us: u64) {
        let nonce = u64::from(socket.random()) << 32 | u64::from(socket.random());
        socket.send(server, PORT, &question(nonce));
        self.state = State::Waiting(server, nonce, now_us);
    }

    fn judge(
        &mut self,
        socket: &mut impl Datagrams,
        server: Ipv4Addr,
        time_ms: u64,
        (clock_s, floor_s): (u64, u64),
        now_us: u64,
    ) -> Option<Outcome> {
        let time_s = time_ms / 1000;
        if time_s < floor_s || time_s > floor_s.saturating_add(MAX_AHEAD_S) {
            return Some(self.failed(SntpError::OutOfBounds, now_us));
        }
        let step_ms = time_ms as i64 - (clock_s as i64).saturating_mul(1000);
        if step_ms.unsigned_abs() > STEP_S * 1000 {
            match self.candidate_ms.take() {
                None => {
                    self.candidate_ms = Some(step_ms);
                    self.ask(socket, server, now_us);
                    return None;
                }
                Some(first) if first.abs_diff(step_ms) > AGREE_S * 1000 => {
                    return Some(self.failed(SntpError::Disagrees, now_us));
                }
                Some(_) => {}
            }
        }
        self.candidate_ms = None;
        self.retry_s = RETRY_S;
        self.state = State::Idle(now_us.saturating_add(INTERVAL_S * 1_000_000));
        Some(Outcome::Time(time_s, step_ms / 1000))
    }

    fn failed(&mut self, error: SntpError, now_us: u64) -> Outcome {
        self.candidate_ms = None;
        self.turn = self.turn.wrapping_add(1);
        if matches!(error, SntpError::KissOfDeath(_)) {
            // RFC 4330 §10: stop asking. The longest pause is as near as one server allows.
            self.retry_s = RETRY_MAX_S;
        }
        let pause = self.retry_s;
        self.retry_s = (self.retry_s * 2).min(RETRY_MAX_S);
        self.state = State::Idle(now_us.saturating_add(pause * 1_000_000));
        Outcome::Failed(error, pause)
    }
}

#[cfg(test)]
#[path = "sntp_tests.rs"]
mod tests;
