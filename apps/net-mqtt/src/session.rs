//! The life of the connection: wait for the network, connect, serve, fail, wait, again.
//!
//! Owns the order of things, their time limits, and what each failure is called. Runs as one
//! future without wakers: everything that is waited for is looked at once a turn. What is said
//! over MQTT is `exchange.rs`'s affair.

use crate::app::{Environment, Shared};
use crate::backoff::{Backoff, Class};
use crate::claim::{Claim, Claiming};
use crate::dns::{DnsError, Lookup, Socket, dynamic_port};
use crate::exchange::Exchange;
use crate::rotate;
use crate::service::Service;
use crate::{Channel, Stream, StreamState, Why};
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::net::Ipv4Addr;
use core::pin::pin;
use core::task::Poll;
use mqtt_ipc::Memory;
use psa_client::Transport;
use rustls::client::UnbufferedClientConnection;

/// Time for a time server to answer, before we go on with the clock that we have, milliseconds.
const TIME_MS: u64 = 3_000;
/// Time for TCP to connect, milliseconds.
const TCP_MS: u64 = 10_000;
/// Time for the TLS handshake, milliseconds.
const TLS_MS: u64 = 20_000;

/// Memory for the MQTT session.
pub struct MqttBuffers<'b> {
    /// Holds the largest packet that the broker may send: 6 KiB of payload, topic, properties.
    pub receive: &'b mut [u8],
    /// What is in flight outwards: a few of the largest requests.
    pub send: &'b mut [u8],
}

/// What is said over a connection, and what for.
pub(crate) trait Conversation {
    /// What the console calls the end of a connection that was not made, and of one that was.
    const FAILED: [&'static str; 2];
    /// Begins over a transport that is open.
    fn connect(&mut self, now_us: u64);
    /// Whether the broker has accepted us.
    fn is_up(&self) -> bool;
    /// Whether all is said: no other connection is needed.
    fn is_over(&self) -> bool {
        false
    }
    /// Says goodbye: the process starts anew.
    fn leave(&mut self) {}
    /// What to write next.
    fn output(&mut self, now_us: u64) -> &[u8];
    /// `len` bytes of it were written.
    fn wrote(&mut self, len: usize, now_us: u64);
    /// Where to put what arrives.
    fn room(&mut self) -> &mut [u8];
    /// `len` bytes arrived.
    fn arrived(&mut self, len: usize, now_us: u64);
    /// One turn; whether something happened.
    fn turn<M: Memory>(&mut self, service: &mut Service<'_, M>, now_us: u64) -> Result<bool, Why>;
    /// What the device has to say of its own accord; whether it said anything.
    fn of_its_own<S: Stream, E: Environment, M: Memory>(
        &mut self,
        _shared: &Shared<'_, S, E, M>,
    ) -> bool {
        false
    }
    /// The connection is over, for whatever reason.
    fn disconnected<M: Memory>(&mut self, service: &mut Service<'_, M>, now_us: u64);
}

/// The session: serves the clients, for ever.
pub(crate) async fn serve<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    buffers: MqttBuffers<'_>,
) {
    let mut exchange = Exchange::new(&shared.config.thing, buffers.receive, buffers.send);
    shared.service.borrow_mut().set_thing(&shared.config.thing);
    run(shared, &mut exchange, |shared| {
        shared.online.set(true);
        shared.line(format_args!(
            "net-mqtt: mqtt connected as {}",
            shared.config.thing
        ));
        if shared.config.trial {
            // From here on it is the device's; the next start drops the old one.
            match rotate::accepted(shared.provider.psa().transport()) {
                Ok(()) => shared.line(format_args!("net-mqtt: the new certificate connects")),
                Err(status) => {
                    shared.line(format_args!("net-mqtt: record of changes: PSA {status}"));
                }
            }
            shared.restart.set(true);
        }
    })
    .await;
    shared.over.set(true);
    core::future::pending::<()>().await;
}

/// A claim, until it has become an identity; then nothing more, for ever.
pub(crate) async fn claim<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    claim: Claim,
    psa: &dyn Transport,
    buffers: MqttBuffers<'_>,
) {
    let mut claiming = Claiming::new(claim, psa, buffers.receive, buffers.send);
    run(shared, &mut claiming, |shared| {
        shared.line(format_args!(
            "net-mqtt: claiming an identity as {}",
            shared.config.thing
        ));
    })
    .await;
    shared.line(format_args!(
        "net-mqtt: claimed, this is thing {}",
        claiming.thing()
    ));
    shared.claimed.set(true);
    core::future::pending::<()>().await;
}

/// Connects again and again until all is said; `up` at each time that the broker accepts us.
async fn run<S: Stream, E: Environment, M: Memory, C: Conversation>(
    shared: &Shared<'_, S, E, M>,
    conversation: &mut C,
    up: impl Fn(&Shared<'_, S, E, M>),
) {
    let mut backoff = Backoff::default();
    loop {
        poll_fn(|_| match shared.link.borrow().stream.address() {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        })
        .await;
        let mut online_since = None;
        let end = attempt(shared, conversation, &mut backoff, &up, &mut online_since).await;
        shared.online.set(false);
        shared.link.borrow_mut().drop_connection();
        let Some(why) = end else {
            if shared.restart.get() {
                allowed(shared, &backoff).await;
            }
            return;
        };
        if let Some(since) = online_since {
            backoff.lived(shared.now_us().saturating_sub(since) / 1000);
        }
        if online_since.is_none() {
            shared.failures.set(shared.failures.get().wrapping_add(1));
        }
        let [refused, lost] = C::FAILED;
        let outcome = online_since.map_or(refused, |_| lost);
        if shared.config.trial && matches!(why.class(), Class::Refused | Class::Suspect) {
            let psa = shared.provider.psa().transport();
            shared.line(format_args!("net-mqtt: the new certificate: {why}"));
            if let Err(status) = rotate::give_up(psa, rotate::Reason::Refused) {
                shared.line(format_args!("net-mqtt: record of changes: PSA {status}"));
            }
            return allowed(shared, &backoff).await;
        }
        let delay_ms = backoff.next(why.class(), shared.now_us(), random(shared));
        shared.line(format_args!(
            "net-mqtt: {outcome}: {why}, retry in {delay_ms} ms"
        ));
        let end = shared.now_us().saturating_add(u64::from(delay_ms) * 1000);
        poll_fn(|_| match shared.now_us() >= end {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        if shared.config.trial {
            // Each try is a start of its own, which counts it.
            return allowed(shared, &backoff).await;
        }
    }
}

/// Until another CONNECT may be made: the next process does not know when the last one was.
async fn allowed<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    backoff: &Backoff,
) {
    poll_fn(|_| match backoff.may_connect(shared.now_us()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// One connection from start to end; why it ended, if not because all is said. `online_since` is
/// set once MQTT is up.
async fn attempt<S: Stream, E: Environment, M: Memory, C: Conversation>(
    shared: &Shared<'_, S, E, M>,
    exchange: &mut C,
    backoff: &mut Backoff,
    up: &impl Fn(&Shared<'_, S, E, M>),
    online_since: &mut Option<u64>,
) -> Option<Why> {
    if let Err(why) = secure(shared).await {
        return Some(why);
    }
    // However quick the handshake was: AWS takes one CONNECT a second of a client.
    allowed(shared, backoff).await;
    backoff.connects(shared.now_us());
    exchange.connect(shared.now_us());
    let why = loop {
        if let Err(why) = turn(shared, exchange) {
            break Some(why);
        }
        if exchange.is_over() {
            break None;
        }
        if shared.restart.get() {
            exchange.leave();
            break None;
        }
        if exchange.is_up() && online_since.is_none() {
            *online_since = Some(shared.now_us());
            up(shared);
        }
        next_turn().await;
    };
    // What is left to say: a DISCONNECT that names what the broker did wrong.
    let _ = write(shared, exchange);
    exchange.disconnected(&mut shared.service.borrow_mut(), shared.now_us());
    match why {
        Some(Why::Disconnected) if online_since.is_none() => Some(Why::MqttClosedBeforeConnack),
        why => why,
    }
}

/// Moves bytes between TLS and the exchange, and lets it work.
#[inline(never)]
fn turn<S: Stream, E: Environment, M: Memory, C: Conversation>(
    shared: &Shared<'_, S, E, M>,
    exchange: &mut C,
) -> Result<(), Why> {
    let now_us = shared.now_us();
    let mut busy = false;
    {
        let tls = &mut shared.link.borrow_mut().tls;
        loop {
            let room = exchange.room();
            if room.is_empty() {
                break;
            }
            let len = tls.read(room);
            if len == 0 {
                break;
            }
            exchange.arrived(len, now_us);
            busy = true;
        }
    }
    busy |= exchange.turn(&mut shared.service.borrow_mut(), now_us)?;
    busy |= exchange.of_its_own(shared);
    busy |= write(shared, exchange)?;
    if busy {
        shared.busy.set(true);
    }
    let link = &mut *shared.link.borrow_mut();
    if let Some(why) = link.tls.failure() {
        return Err(why.clone());
    }
    // What came before the end has been looked at: nothing waits in `plain`.
    match link.tls.has_ended() && !busy {
        true => Err(Why::Disconnected),
        false => Ok(()),
    }
}

/// Writes what TLS takes now; whether that was anything.
fn write<S: Stream, E: Environment, M: Memory, C: Conversation>(
    shared: &Shared<'_, S, E, M>,
    exchange: &mut C,
) -> Result<bool, Why> {
    let now_us = shared.now_us();
    let link = &mut *shared.link.borrow_mut();
    let mut wrote = false;
    loop {
        let output = exchange.output(now_us);
        if output.is_empty() {
            return Ok(wrote);
        }
        match link.tls.write(&mut link.stream, output)? {
            0 => return Ok(wrote),
            len => exchange.wrote(len, now_us),
        }
        wrote = true;
    }
}

/// TCP to one address.
async fn open<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    address: Ipv4Addr,
) -> Result<(), Why> {
    let source_port = dynamic_port(random(shared));
    shared
        .link
        .borrow_mut()
        .stream
        .connect(address, shared.config.endpoint.port, source_port)?;
    let opened = poll_fn(|_| match shared.link.borrow().stream.state() {
        StreamState::Open => Poll::Ready(Ok(())),
        StreamState::Closed => Poll::Ready(Err(Why::Refused)),
        StreamState::Connecting => Poll::Pending,
    });
    within(shared, TCP_MS, opened)
        .await
        .ok_or(Why::TimedOut("TCP connect"))?
}

/// TCP to the endpoint by its name: each of its addresses in turn, the next attempt beginning
/// where this one ends.
async fn resolve_and_open<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
) -> Result<(), Why> {
    if shared.addresses.borrow().is_stale(shared.now_us()) {
        let host = &shared.config.endpoint.host;
        let mut lookup = Lookup::new(host);
        let found = poll_fn(|_| {
            let stream = &mut shared.link.borrow_mut().stream;
            let servers = stream.name_servers();
            let mut socket = Socket {
                stream,
                channel: Channel::Names,
                random: || random(shared),
            };
            match lookup.poll(&mut socket, servers, shared.now_us()) {
                Some(end) => Poll::Ready(end),
                None => Poll::Pending,
            }
        })
        .await?;
        let (count, ttl) = (found.len(), found.ttl());
        shared.line(format_args!(
            "net-mqtt: {host} has {count} addresses for {ttl} s"
        ));
        shared.addresses.borrow_mut().learn(found, shared.now_us());
    }
    let count = shared.addresses.borrow().len();
    let mut why = Why::Dns(DnsError::NoAddress);
    for _ in 0..count {
        let Some(address) = shared.addresses.borrow_mut().take_turn() else {
            break;
        };
        match open(shared, address).await {
            Ok(()) => return Ok(()),
            Err(failed) => {
                if count > 1 {
                    shared.line(format_args!("net-mqtt: {address}: {failed}"));
                }
                why = failed;
            }
        }
    }
    shared.addresses.borrow_mut().forget();
    Err(why)
}

/// TCP and TLS.
async fn secure<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
) -> Result<(), Why> {
    // A time server that answers does so at once; a certificate may hang on it.
    within(shared, TIME_MS, async {
        poll_fn(|_| match shared.is_asking_time() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
    })
    .await;
    match shared.config.endpoint.address {
        Some(address) => open(shared, address).await?,
        None => resolve_and_open(shared).await?,
    }

    shared.refresh_wall_clock();
    shared.environment.handshake(true);
    let connection = UnbufferedClientConnection::new(Arc::clone(&shared.tls), shared.name.clone())?;
    shared.link.borrow_mut().tls.start(connection);
    let established = poll_fn(|_| {
        let link = &mut *shared.link.borrow_mut();
        link.pump();
        match link.tls.failure() {
            Some(why) => Poll::Ready(Err(why.clone())),
            None if link.tls.is_established() => Poll::Ready(Ok(())),
            None if link.tls.has_ended() => Poll::Ready(Err(Why::Closed("TLS handshake"))),
            None => Poll::Pending,
        }
    });
    within(shared, TLS_MS, established)
        .await
        .ok_or(Why::TimedOut("TLS handshake"))??;
    shared.environment.handshake(false);
    shared.environment.time_learned(shared.wall_time());
    shared
        .handshakes
        .set(shared.handshakes.get().wrapping_add(1));
    let link = shared.link.borrow();
    if let Some(connection) = link.tls.connection() {
        let version = connection
            .protocol_version()
            .and_then(|version| version.as_str())
            .unwrap_or("?");
        let suite = connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("?");
        shared.line(format_args!(
            "net-mqtt: tls {} {suite}, key in SPE (id {})",
            version.replace('_', "."),
            shared.key_id
        ));
    }
    Ok(())
}

/// A random word; the low bits of the clock if the SPE has none to give.
pub(crate) fn random<S: Stream, E: Environment, M: Memory>(shared: &Shared<'_, S, E, M>) -> u32 {
    let mut word = [0; 4];
    match shared.provider.psa().random(&mut word) {
        Ok(()) => u32::from_le_bytes(word),
        Err(_) => (shared.now_us() as u32).wrapping_mul(0x9E37_79B9),
    }
}

impl<S: Stream, E: Environment, M: Memory> Shared<'_, S, E, M> {
    pub(crate) fn now_us(&self) -> u64 {
        self.environment.now_us()
    }

    pub(crate) fn line(&self, text: core::fmt::Arguments<'_>) {
        self.environment.line(text);
    }
}

/// `future`'s output, or `None` after `ms` milliseconds.
async fn within<S: Stream, E: Environment, M: Memory, F: Future>(
    shared: &Shared<'_, S, E, M>,
    ms: u64,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let end = shared.now_us().saturating_add(ms * 1000);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if shared.now_us() >= end => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Lets the loop turn once.
async fn next_turn() {
    let mut turned = false;
    poll_fn(|_| {
        if core::mem::replace(&mut turned, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
