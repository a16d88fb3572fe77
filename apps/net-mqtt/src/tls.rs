//! The TLS client connection over rustls' unbuffered API.
//!
//! Owns what the client offers and demands (versions, ALPN, roots, its own certificate), the three
//! byte buffers, and the loop that moves bytes between them, rustls and the stream. Does not own
//! the stream or time.
//!
//! Invariant behind the sizes: bytes are taken from the stream only while no plaintext waits, so
//! all plaintext that can come out of `incoming` fits in `plain`, and rustls can always be asked
//! for a state in which it encrypts: a reader that is busy writing never blocks itself.

use crate::app::StartError;
use crate::config::{Config, Endpoint};
use crate::key::TokenKey;
use crate::{Stream, Why};
use alloc::sync::Arc;
use alloc::vec::Vec;
use rustls::client::{ClientConfig, Resumption, UnbufferedClientConnection, WebPkiServerVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{CertificateError, Error as TlsError, InconsistentKeys, RootCertStore};
use rustls_psa::Provider;

/// The port on which AWS tells MQTT from HTTPS by ALPN (reference/aws-iot.md §1.1).
const SHARED_PORT: u16 = 443;
/// What names MQTT with a client certificate there.
const ALPN_MQTT: &[u8] = b"x-amzn-mqtt-ca";

/// Bytes for a whole record from the peer: 5 + 2¹⁴ + 256 (RFC 8446 §5.2), and room to go on.
pub const INCOMING: usize = 17 * 1024;
/// Bytes for our own flights and records.
pub const OUTGOING: usize = 4 * 1024;
/// What one record adds to its plaintext: header, content type, tag.
const RECORD_OVERHEAD: usize = 5 + 1 + 16;
/// Room kept free in `outgoing` for what rustls itself wants to say (key update, alert).
const RESERVE: usize = 128;
/// Largest plaintext of one of our records, bytes: about one Ethernet frame.
const RECORD: usize = 1400;

/// TLS 1.3 and 1.2 with our certificate and key, trusting the provisioned roots only.
///
/// # Errors
/// What is wrong with key or certificates.
pub(crate) fn client_config(
    config: &Config,
    provider: &Provider,
    wall: &Arc<impl TimeProvider + 'static>,
) -> Result<Arc<ClientConfig>, StartError> {
    let tls_error = |error: TlsError| StartError::Tls(error.into());
    let key = TokenKey::open(provider.psa().transport(), config.key).map_err(StartError::Key)?;
    let certified = CertifiedKey::new(config.certificates.clone(), Arc::new(key));
    match certified.keys_match() {
        Ok(()) => {}
        Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            return Err(StartError::KeyMismatch);
        }
        Err(error) => return Err(tls_error(error)),
    }
    let mut roots = RootCertStore::empty();
    for root in &config.roots {
        roots.add(root.clone()).map_err(tls_error)?;
    }
    let crypto = Arc::new(provider.crypto().clone());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto))
            .build()
            .map_err(|_| StartError::Tls(Why::Local("root certificates")))?;
    let mut tls = ClientConfig::builder_with_details(crypto, wall.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(tls_error)?
        .with_webpki_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    // AWS resumes no session (reference/aws-iot.md §1.2), and a ticket is a secret to keep.
    tls.resumption = Resumption::disabled();
    tls.alpn_protocols = alpn(&config.endpoint);
    Ok(Arc::new(tls))
}

/// What is offered by ALPN: nothing on 8883, where AWS needs none.
fn alpn(endpoint: &Endpoint) -> Vec<Vec<u8>> {
    match endpoint.port {
        SHARED_PORT => alloc::vec![ALPN_MQTT.to_vec()],
        _ => Vec::new(),
    }
}

/// Memory for one connection.
pub struct TlsBuffers<'b> {
    /// At least [`INCOMING`] bytes.
    pub incoming: &'b mut [u8],
    /// At least [`INCOMING`] bytes.
    pub plain: &'b mut [u8],
    /// At least [`OUTGOING`] bytes.
    pub outgoing: &'b mut [u8],
}

/// One connection at a time.
pub(crate) struct Tls<'b> {
    provider: Provider,
    connection: Option<UnbufferedClientConnection>,
    incoming: Queue<'b>,
    plain: Queue<'b>,
    outgoing: Queue<'b>,
    /// Something changed since rustls last looked at `incoming`.
    stale: bool,
    established: bool,
    /// The peer sent close_notify, or the stream ended.
    ended: bool,
    failed: Option<Why>,
}

/// What one pass through rustls did.
#[derive(Default)]
struct Pass {
    moved: bool,
    written: usize,
}

impl<'b> Tls<'b> {
    pub(crate) fn new(provider: Provider, buffers: TlsBuffers<'b>) -> Self {
        Tls {
            provider,
            connection: None,
            incoming: Queue::new(buffers.incoming),
            plain: Queue::new(buffers.plain),
            outgoing: Queue::new(buffers.outgoing),
            stale: false,
            established: false,
            ended: false,
            failed: None,
        }
    }

    /// Drops the present connection, if any, and everything buffered.
    pub(crate) fn reset(&mut self) {
        self.connection = None;
        self.incoming.clear();
        self.plain.clear();
        self.outgoing.clear();
        self.established = false;
        self.ended = false;
        self.failed = None;
        // What an earlier connection left behind is not this one's fault.
        let _ = (self.provider.take_fault(), self.provider.take_weak_key());
    }

    /// Starts a handshake.
    pub(crate) fn start(&mut self, connection: UnbufferedClientConnection) {
        self.reset();
        self.connection = Some(connection);
        self.stale = true;
    }

    pub(crate) fn connection(&self) -> Option<&UnbufferedClientConnection> {
        self.connection.as_ref()
    }

    /// Whether the handshake is complete.
    pub(crate) fn is_established(&self) -> bool {
        self.established
    }

    /// Whether nothing more will come to read.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended && self.plain.is_empty()
    }

    /// Why the connection is of no further use, if so.
    pub(crate) fn failure(&self) -> Option<&Why> {
        self.failed.as_ref()
    }

    /// Moves whatever can move.
    pub(crate) fn pump(&mut self, stream: &mut impl Stream, open: bool) {
        if self.connection.is_none() || self.failed.is_some() {
            return;
        }
        loop {
            let mut moved = self.send(stream);
            if self.plain.is_empty() {
                let taken = stream.receive(self.incoming.room());
                self.incoming.commit(taken);
                moved |= taken > 0;
                self.stale |= taken > 0;
            }
            match self.pass(stream, &[]) {
                Ok(pass) => moved |= pass.moved,
                Err(why) => {
                    self.send(stream); // the alert, if rustls made one
                    self.failed = Some(why);
                    return;
                }
            }
            if !moved {
                break;
            }
        }
        if self.plain.is_empty() {
            if !open {
                self.ended = true;
            } else if self.incoming.is_full() {
                // A record or handshake message that will never be whole here.
                self.failed = Some(Why::TlsBuffer);
            }
        }
    }

    /// Plaintext that arrived; 0 when there is none now.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> usize {
        let len = buf.len().min(self.plain.filled().len());
        for (to, from) in buf.iter_mut().zip(self.plain.filled()) {
            *to = *from;
        }
        self.plain.consume(len);
        len
    }

    /// Encrypts up to one record of `bytes`; how many were taken, 0 when there is no room now.
    pub(crate) fn write(&mut self, stream: &mut impl Stream, bytes: &[u8]) -> Result<usize, Why> {
        if let Some(why) = &self.failed {
            return Err(why.clone());
        }
        self.send(stream);
        let room = self.outgoing.room().len();
        let len = room
            .saturating_sub(RECORD_OVERHEAD + RESERVE)
            .min(RECORD)
            .min(bytes.len());
        // Do not make tiny records because the buffer is nearly full.
        if !self.established || len == 0 || (len < bytes.len() && len < RECORD / 2) {
            return Ok(0);
        }
        let result = self.pass(stream, bytes.get(..len).unwrap_or_default());
        self.send(stream);
        match result {
            Ok(pass) => Ok(pass.written),
            Err(why) => {
                self.failed = Some(why.clone());
                Err(why)
            }
        }
    }

    /// Queues close_notify and hands it over if there is room; best effort.
    pub(crate) fn close(&mut self, stream: &mut impl Stream) {
        if let Some(connection) = &mut self.connection
            && self.established
            && self.failed.is_none()
            && let UnbufferedStatus {
                state: Ok(ConnectionState::WriteTraffic(mut traffic)),
                ..
            } = connection.process_tls_records(self.incoming.filled_mut())
            && let Ok(len) = traffic.queue_close_notify(self.outgoing.room())
        {
            self.outgoing.commit(len);
        }
        self.send(stream);
    }

    fn send(&mut self, stream: &mut impl Stream) -> bool {
        let mut moved = false;
        while !self.outgoing.is_empty() {
            match stream.send(self.outgoing.filled()) {
                0 => break,
                len => self.outgoing.consume(len),
            }
            moved = true;
        }
        moved
    }

    /// Lets rustls work until it waits for the peer; encrypts `data` when it can.
    fn pass(&mut self, stream: &mut impl Stream, data: &[u8]) -> Result<Pass, Why> {
        let mut pass = Pass::default();
        let Some(connection) = &mut self.connection else {
            return Ok(pass);
        };
        if !self.stale && data.is_empty() {
            return Ok(pass);
        }
        self.stale = false;
        loop {
            let UnbufferedStatus { mut discard, state } =
                connection.process_tls_records(self.incoming.filled_mut());
            let mut done = false;
            let mut error = None;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                discard += record.discard;
                                if !self.plain.push(record.payload) {
                                    error = Some(Why::TlsBuffer);
                                }
                            }
                            Err(failure) => error = Some(named(&self.provider, failure)),
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut encode)) => loop {
                    match encode.encode(self.outgoing.room()) {
                        Ok(len) => self.outgoing.commit(len),
                        Err(EncodeError::InsufficientSize(_)) if !self.outgoing.is_empty() => {
                            match stream.send(self.outgoing.filled()) {
                                0 => error = Some(Why::TlsBuffer),
                                len => {
                                    self.outgoing.consume(len);
                                    continue;
                                }
                            }
                        }
                        Err(_) => error = Some(Why::TlsBuffer),
                    }
                    break;
                },
                Ok(ConnectionState::TransmitTlsData(transmit)) => transmit.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    self.established = true;
                    if !data.is_empty() {
                        match traffic.encrypt(data, self.outgoing.room()) {
                            Ok(len) => {
                                self.outgoing.commit(len);
                                pass.written = data.len();
                            }
                            Err(_) => error = Some(Why::TlsBuffer),
                        }
                    }
                    done = true;
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    done = true;
                }
                Ok(ConnectionState::BlockedHandshake) => done = true,
                Ok(_) => error = Some(Why::TlsInternal),
                Err(failure) => {
                    error = Some(named(&self.provider, failure));
                    // What rustls queued tells the peer. Only while there is some: it must not
                    // look at the peer's bytes again, where it panics on its own leftovers.
                    self.incoming.consume(discard);
                    discard = 0;
                    while connection.wants_write() {
                        let status = connection.process_tls_records(self.incoming.filled_mut());
                        let Ok(ConnectionState::EncodeTlsData(mut encode)) = status.state else {
                            break;
                        };
                        match encode.encode(self.outgoing.room()) {
                            Ok(len) => self.outgoing.commit(len),
                            Err(_) => break, // no room: the peer learns nothing
                        }
                    }
                }
            }
            self.incoming.consume(discard);
            if let Some(status) = self.provider.take_fault() {
                return Err(Why::Psa(status));
            }
            if let Some(why) = error {
                return Err(why);
            }
            if done {
                return Ok(pass);
            }
            pass.moved = true;
        }
    }
}

/// The failure by name; webpki has one name for signatures that are wrong and keys that are none.
fn named(provider: &Provider, failure: TlsError) -> Why {
    match failure {
        TlsError::InvalidCertificate(CertificateError::BadSignature)
            if provider.take_weak_key() =>
        {
            Why::Certificate("weak or malformed key")
        }
        failure => failure.into(),
    }
}

/// Bytes in a fixed buffer, first in, first out.
struct Queue<'b> {
    bytes: &'b mut [u8],
    start: usize,
    end: usize,
}

impl<'b> Queue<'b> {
    fn new(bytes: &'b mut [u8]) -> Self {
        Queue {
            bytes,
            start: 0,
            end: 0,
        }
    }

    fn clear(&mut self) {
        self.bytes.fill(0);
        (self.start, self.end) = (0, 0);
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn is_full(&self) -> bool {
        self.end - self.start == self.bytes.len()
    }

    fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn filled_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// All free space, behind what is there.
    fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `len` bytes of [`Queue::room`] hold data now.
    fn commit(&mut self, len: usize) {
        self.end = (self.end + len).min(self.bytes.len());
    }

    fn consume(&mut self, len: usize) {
        self.start = (self.start + len).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    fn push(&mut self, data: &[u8]) -> bool {
        match self.room().get_mut(..data.len()) {
            Some(to) => to.copy_from_slice(data),
            None => return false,
        }
        self.commit(data.len());
        true
    }
}
