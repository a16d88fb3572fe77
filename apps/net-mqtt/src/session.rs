//! The life of the connection: wait for the network, connect, serve, fail, wait, again.
//!
//! Owns the order of things, their time limits, and what each failure is called. Runs as one
//! future without wakers: everything that is waited for is looked at once a turn.

use crate::app::{Environment, Shared};
use crate::backoff::Backoff;
use crate::link::{Broken, Pipe};
use crate::service::{Client, FilterWork, Work};
use crate::{Stream, StreamState, Why};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use minimq::{
    Buffers, ConfigBuilder, ConnectEvent, Connection, Error, Op, PeerError, PubError, Publication,
    QoS, ResourceError, Session, SubscriptionOptions, TopicFilter,
};
use mqtt_ipc::{Link as LinkState, MAX_REQUEST, Memory, Qos, Status};
use rustls::client::UnbufferedClientConnection;

/// Time for TCP to connect, milliseconds.
const TCP_MS: u64 = 10_000;
/// Time for the TLS handshake, milliseconds.
const TLS_MS: u64 = 20_000;
/// Time from CONNECT to CONNACK, milliseconds.
const CONNACK_MS: u64 = 10_000;
/// Time for one packet to leave, milliseconds.
const WRITE_MS: u64 = 30_000;
/// Keep-alive, seconds (AWS: 30 to 1200).
const KEEP_ALIVE_S: u16 = 60;
/// How long the broker keeps our session after a lost connection, seconds (AWS's default).
const SESSION_EXPIRY_S: u32 = 3600;
/// What minimq keeps in flight at once.
const MAX_IN_FLIGHT: usize = 8;

/// What a packet adds to topic and payload or filter, and what CONNECT needs in the same memory,
/// bytes (generous).
const PACKET_OVERHEAD: usize = 32;
const CONNECT_WORKSPACE: usize = 256;

/// An operation that the broker has not acknowledged.
struct InFlight {
    op: Op,
    what: What,
    /// Bytes that minimq keeps for it.
    len: usize,
}

/// Whether minimq has room for one more packet of any size that a client can ask for: a request
/// is taken from its mailbox only then, so that a full queue shows as BUSY there.
fn has_room(capacity: usize, in_flight: &[InFlight]) -> bool {
    let used: usize = in_flight.iter().map(|flight| flight.len).sum();
    in_flight.len() < MAX_IN_FLIGHT
        && used + MAX_REQUEST + PACKET_OVERHEAD + CONNECT_WORKSPACE <= capacity
}

enum What {
    Publish(Client, u32),
    Filter(usize),
}

type Conn<'a, 'm, 'p, 'b, S> = Connection<'a, 'm, Pipe<'p, 'b, S>>;

/// Runs for ever.
pub(crate) async fn run<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    buffers: Buffers<'_>,
) {
    let builder = ConfigBuilder::new(buffers)
        .keepalive_interval(KEEP_ALIVE_S)
        .session_expiry_interval(SESSION_EXPIRY_S);
    let mut session = match builder.client_id(&shared.config.thing) {
        Ok(builder) => Session::new(builder),
        Err(_) => {
            // Config::load refuses such a name, so only a test can get here.
            shared.line(format_args!(
                "net-mqtt: thing name too long for a client id"
            ));
            return core::future::pending().await;
        }
    };
    let mut in_flight = Vec::with_capacity(MAX_IN_FLIGHT);
    let mut backoff = Backoff::default();
    loop {
        poll_fn(|_| match shared.link.borrow().stream.address() {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        })
        .await;
        let mut online_since = None;
        let why = attempt(shared, &mut session, &mut in_flight, &mut online_since).await;
        shared.online.set(false);
        shared.link.borrow_mut().drop_connection();
        let outcome = match online_since {
            Some(since) => {
                shared.service.borrow_mut().set_link(LinkState::Offline);
                backoff.lived(shared.now_us().saturating_sub(since) / 1000);
                "connection lost"
            }
            None => "connect failed",
        };
        if why.is_refusal() {
            backoff.refused();
        }
        let delay_ms = backoff.next(random(shared));
        shared.line(format_args!(
            "net-mqtt: {outcome}: {why}, retry in {delay_ms} ms"
        ));
        let end = shared.now_us().saturating_add(u64::from(delay_ms) * 1000);
        poll_fn(|_| match shared.now_us() >= end {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

/// One connection from start to end; why it ended. `online_since` is set once MQTT is up.
async fn attempt<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    session: &mut Session<'_>,
    in_flight: &mut Vec<InFlight>,
    online_since: &mut Option<u64>,
) -> Why {
    if let Err(why) = secure(shared).await {
        return why;
    }
    let connecting = session.connect(Pipe(&shared.link));
    let mut connection = match within(shared, CONNACK_MS, connecting).await {
        None => return Why::TimedOut("MQTT CONNECT"),
        Some(Err(Error::Disconnected)) => return Why::MqttClosedBeforeConnack,
        Some(Err(Error::Transport(Broken(Why::Disconnected)))) => {
            return Why::MqttClosedBeforeConnack;
        }
        Some(Err(error)) => return mqtt_error(error),
        Some(Ok(connection)) => connection,
    };
    *online_since = Some(shared.now_us());
    shared.online.set(true);
    shared.line(format_args!(
        "net-mqtt: mqtt connected as {}",
        shared.config.thing
    ));
    if connection.connect_event() == ConnectEvent::Connected {
        shared.service.borrow_mut().session_lost();
        in_flight.retain(|flight| match flight.what {
            What::Publish(client, seq) => {
                shared
                    .service
                    .borrow_mut()
                    .answer(client, seq, Status::Lost);
                false
            }
            What::Filter(_) => false,
        });
    }
    shared.service.borrow_mut().set_link(LinkState::Online);
    serve(shared, &mut connection, in_flight).await
}

/// TCP and TLS.
async fn secure<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
) -> Result<(), Why> {
    let endpoint = &shared.config.endpoint;
    let address = endpoint.address.ok_or(Why::NoAddress)?;
    // IANA's dynamic ports, RFC 6335 §6.
    let source_port = 49152 + (random(shared) % 16384) as u16;
    shared
        .link
        .borrow_mut()
        .stream
        .connect(address, endpoint.port, source_port)?;
    let opened = poll_fn(|_| match shared.link.borrow().stream.state() {
        StreamState::Open => Poll::Ready(Ok(())),
        StreamState::Closed => Poll::Ready(Err(Why::Refused)),
        StreamState::Connecting => Poll::Pending,
    });
    within(shared, TCP_MS, opened)
        .await
        .ok_or(Why::TimedOut("TCP connect"))??;

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
            crate::config::DEVICE_KEY
        ));
    }
    Ok(())
}

/// Serves clients and the broker until the connection ends; why it did.
async fn serve<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    connection: &mut Conn<'_, '_, '_, '_, S>,
    in_flight: &mut Vec<InFlight>,
) -> Why {
    let mut request = [0; MAX_REQUEST];
    loop {
        let mut busy = false;
        let capacity = connection.session().max_tx_packet_size();
        if has_room(capacity, in_flight) {
            match client_work(shared, connection, in_flight, &mut request).await {
                Ok(did) => busy |= did,
                Err(why) => return why,
            }
        }
        if has_room(capacity, in_flight) {
            match filter_work(shared, connection, in_flight).await {
                Ok(did) => busy |= did,
                Err(why) => return why,
            }
        }
        let mut refused = None;
        if shared.service.borrow().is_free() {
            match once(connection.poll()).await {
                None => {}
                Some(Ok(Some(message))) => {
                    busy = true;
                    let qos = match message.qos() {
                        QoS::AtMostOnce => Qos::AtMostOnce,
                        _ => Qos::AtLeastOnce,
                    };
                    shared.service.borrow_mut().offer(
                        message.topic(),
                        message.payload(),
                        qos,
                        shared.now_us(),
                    );
                }
                Some(Ok(None)) => busy = true,
                // An acknowledgement with a failure code: the connection lives.
                Some(Err(Error::Peer(PeerError::Rejected(code)))) => {
                    busy = true;
                    refused = Some(u8::from(code));
                }
                Some(Err(error)) => return mqtt_error(error),
            }
            if let Some(code) = refused
                && !connection.is_connected()
            {
                return Why::MqttRefused(code);
            }
        }
        busy |= settle(shared, connection, in_flight, refused.is_some());
        busy |= shared.service.borrow_mut().deliver(shared.now_us());
        if busy {
            shared.busy.set(true);
        }
        next_turn().await;
    }
}

/// Takes one request from a client; whether there was one.
async fn client_work<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    connection: &mut Conn<'_, '_, '_, '_, S>,
    in_flight: &mut Vec<InFlight>,
    buf: &mut [u8; MAX_REQUEST],
) -> Result<bool, Why> {
    let Some((client, seq, work)) = shared.service.borrow_mut().take(buf) else {
        return Ok(false);
    };
    let Work::Publish {
        topic,
        payload,
        qos,
    } = work
    else {
        return Ok(true);
    };
    let publication = Publication::bytes(topic, payload).qos(level(qos));
    let answer = match within(shared, WRITE_MS, connection.publish(publication)).await {
        None => Err((Status::Lost, Why::TimedOut("MQTT PUBLISH"))),
        Some(Ok(None)) => Ok(Status::Ok),
        Some(Ok(Some(op))) => {
            in_flight.push(InFlight {
                op,
                what: What::Publish(client, seq),
                len: topic.len() + payload.len() + PACKET_OVERHEAD,
            });
            return Ok(true);
        }
        Some(Err(PubError::Payload(()))) => Ok(Status::Busy),
        Some(Err(PubError::Session(error))) => match error {
            Error::NotReady
            | Error::Resource(ResourceError::InflightExhausted | ResourceError::BufferTooSmall) => {
                Ok(Status::Busy)
            }
            Error::Resource(_) => Ok(Status::TooLarge),
            Error::InvalidRequest => Ok(Status::Invalid),
            Error::Peer(PeerError::Rejected(_)) => Ok(Status::Refused),
            error => Err((Status::Lost, mqtt_error(error))),
        },
    };
    let (status, why) = match answer {
        Ok(status) => (status, None),
        Err((status, why)) => (status, Some(why)),
    };
    shared.service.borrow_mut().answer(client, seq, status);
    why.map_or(Ok(true), Err)
}

/// Sends one SUBSCRIBE or UNSUBSCRIBE that is due; whether there was one. One filter a packet, so
/// that a refusal names its filter.
async fn filter_work<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    connection: &mut Conn<'_, '_, '_, '_, S>,
    in_flight: &mut Vec<InFlight>,
) -> Result<bool, Why> {
    let Some(work) = shared.service.borrow_mut().next_filter() else {
        return Ok(false);
    };
    let (number, len, sent) = match &work {
        FilterWork::Subscribe(number, filter, qos) => {
            let options = SubscriptionOptions::default().maximum_qos(level(*qos));
            let topics = [TopicFilter::new(filter).options(options)];
            let sending = connection.subscribe(&topics, &[]);
            let sent = within(shared, WRITE_MS, sending).await;
            (*number, filter.len() + PACKET_OVERHEAD, sent)
        }
        FilterWork::Unsubscribe(number, filter) => {
            let topics = [filter.as_str()];
            let sending = connection.unsubscribe(&topics, &[]);
            let sent = within(shared, WRITE_MS, sending).await;
            (*number, filter.len() + PACKET_OVERHEAD, sent)
        }
    };
    match sent {
        None => Err(Why::TimedOut("MQTT SUBSCRIBE")),
        Some(Ok(op)) => {
            in_flight.push(InFlight {
                op,
                what: What::Filter(number),
                len,
            });
            Ok(true)
        }
        Some(Err(Error::NotReady | Error::Resource(_))) => {
            shared.service.borrow_mut().filter_not_sent(number);
            Ok(false)
        }
        Some(Err(error)) => Err(mqtt_error(error)),
    }
}

/// Answers what the broker acknowledged; whether anything was. When an acknowledgement carried a
/// failure it is the last one processed, so the latest operation that ended is the refused one.
fn settle<S: Stream, E: Environment, M: Memory>(
    shared: &Shared<'_, S, E, M>,
    connection: &Conn<'_, '_, '_, '_, S>,
    in_flight: &mut Vec<InFlight>,
    refused: bool,
) -> bool {
    let last = in_flight
        .iter()
        .rposition(|flight| !connection.is_pending(&flight.op));
    let Some(last) = last else { return false };
    let mut service = shared.service.borrow_mut();
    let mut number = 0;
    in_flight.retain(|flight| {
        let here = number;
        number += 1;
        if connection.is_pending(&flight.op) {
            return true;
        }
        let status = match refused {
            true if here == last => Status::Refused,
            _ if connection.is_invalidated(&flight.op) => Status::Lost,
            _ => Status::Ok,
        };
        match flight.what {
            What::Publish(client, seq) => service.answer(client, seq, status),
            What::Filter(number) => service.filter_done(number, status),
        }
        false
    });
    true
}

fn level(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
    }
}

fn mqtt_error(error: Error<Broken>) -> Why {
    match error {
        Error::Transport(Broken(why)) => why,
        Error::Peer(PeerError::Rejected(code)) => Why::MqttRefused(code.into()),
        Error::Disconnected | Error::WriteZero => Why::Disconnected,
        Error::Peer(_) | Error::Resource(_) => Why::MqttProtocol,
        _ => Why::Local("MQTT session"),
    }
}

/// A random word; the low bits of the clock if the SPE has none to give.
fn random<S: Stream, E: Environment, M: Memory>(shared: &Shared<'_, S, E, M>) -> u32 {
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

/// `future`'s output if it is ready at once.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
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
