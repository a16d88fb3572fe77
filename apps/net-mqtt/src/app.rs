//! What the whole process shares, and one turn of its loop.
//!
//! Owns the state behind the cells and the order of a turn. Does not own the session's logic
//! (`session.rs`), which runs as one future between turns.

use crate::claim::Claim;
use crate::config::Config;
use crate::dns::{Cache, Socket};
use crate::key::KeyError;
use crate::link::Link;
use crate::service::{Service, Work};
use crate::session::{self, MqttBuffers};
use crate::sntp::{Outcome, Sntp};
use crate::tls::{self, Tls, TlsBuffers};
use crate::{Channel, Image, Stream, Why, clock};
use alloc::sync::Arc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::net::Ipv4Addr;
use core::pin::Pin;
use core::task::{Context, Waker};
use mqtt_ipc::{MAX_REQUEST, Memory as PageMemory, Status};
use psa_client::{Status as PsaStatus, Transport};
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_psa::Provider;
use supervision::{CrashReport, ProcessInfo};

/// Longest sleep while the socket expects data, microseconds: QEMU delivers late to a halted CPU.
const EXPECTING_US: u64 = 10_000;
/// Longest sleep otherwise.
const IDLE_US: u64 = 100_000;
/// How long after the last byte more are expected, microseconds.
const LINGER_US: u64 = 1_000_000;

/// Bytes of [`Memory::pool`]: one of the largest messages for one client that does not read, and
/// one for the others. The process's RAM has to hold the kernel's grants besides.
pub const POOL: usize = 2 * mqtt_ipc::MESSAGE_BUFFER + 1600;

/// What the process takes from its surroundings.
pub trait Environment {
    /// Monotonic time, microseconds.
    fn now_us(&self) -> u64;
    /// Wall time, seconds since 1970; `None` when there is no clock.
    fn unix_seconds(&self) -> Option<u64>;
    /// Prints one line on the console.
    fn line(&self, text: fmt::Arguments<'_>);
    /// Wall time is never before this, seconds since 1970: what was learnt in earlier lives, kept
    /// where nobody can set it back. 0 when nothing is kept.
    fn time_floor(&self) -> u64 {
        0
    }
    /// A server proved itself with certificates that are valid at this time, seconds since 1970,
    /// which is what we take for the time.
    fn time_learned(&self, _unix_seconds: u64) {}
    /// The oldest crash report that the kernel keeps, and how many gave way to newer ones.
    fn crash(&self) -> Option<(CrashReport, u32)> {
        None
    }
    /// How many crash reports the kernel keeps, and how many gave way to newer ones.
    fn crashes(&self) -> (u32, u32) {
        (0, 0)
    }
    /// The process with this index, if there are so many.
    fn process(&self, _index: u32) -> Option<ProcessInfo> {
        None
    }
    /// What of the heap is used, was at most, and may be, bytes.
    fn heap(&self) -> [usize; 3] {
        [0; 3]
    }
    /// Version and update state of an image: 0 the secure one, 1 the kernel's.
    fn image(&self, _component: u8) -> Option<Image> {
        None
    }
    /// An attestation token over `nonce` (32, 48 or 64 bytes) into `token`; its length.
    ///
    /// # Errors
    /// Of the secure world.
    fn attest(&self, _nonce: &[u8], _token: &mut [u8]) -> Result<usize, PsaStatus> {
        Err(PsaStatus::NOT_SUPPORTED)
    }
    /// The broker has the report with this number.
    fn crash_published(&self, _serial: u32) {}
    /// The TLS handshake starts (`true`) or is complete (`false`): for a bench to read a counter.
    fn handshake(&self, _starts: bool) {}
}

/// Memory for the process, apart from its heap.
pub struct Memory<'b> {
    /// For TLS.
    pub tls: TlsBuffers<'b>,
    /// For messages on their way to clients, [`POOL`] bytes.
    pub pool: &'b mut [u8],
}

/// Everything that the loop and the session's future both touch.
pub struct Shared<'b, S, E, M> {
    pub(crate) link: RefCell<Link<'b, S>>,
    pub(crate) environment: E,
    pub(crate) service: RefCell<Service<'b, M>>,
    pub(crate) config: Config,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) wall: Arc<clock::WallClock>,
    pub(crate) name: ServerName<'static>,
    pub(crate) provider: Provider,
    /// The session's future made progress this turn: poll again before sleeping.
    pub(crate) busy: Cell<bool>,
    pub(crate) online: Cell<bool>,
    /// The claim has become an identity.
    pub(crate) claimed: Cell<bool>,
    pub(crate) key_id: u32,
    /// The process has to start anew: with a new identity, or with the one that was tried.
    pub(crate) restart: Cell<bool>,
    /// Nothing is connected any more, and nothing will be.
    pub(crate) over: Cell<bool>,
    /// Data is expected until this time, microseconds.
    pub(crate) expecting_until: Cell<u64>,
    /// Addresses of the endpoint's name.
    pub(crate) addresses: RefCell<Cache>,
    sntp: RefCell<Sntp>,
    /// TLS handshakes that succeeded.
    pub(crate) handshakes: Cell<u32>,
    /// Connections that were not made.
    pub(crate) failures: Cell<u32>,
    /// What has to be added to the clock, seconds.
    clock_lacks_s: Cell<i64>,
    address: Cell<Option<Ipv4Addr>>,
    /// Wall time is never before this, seconds since 1970.
    floor: u64,
}

/// Why the process cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The device key.
    Key(KeyError),
    /// The device certificate is for another key.
    KeyMismatch,
    /// A certificate or the endpoint's name.
    Tls(Why),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Key(error) => write!(f, "device key: {error}"),
            StartError::KeyMismatch => f.write_str("device certificate is for another key"),
            StartError::Tls(why) => write!(f, "{why}"),
        }
    }
}

/// Name for the pieces put together; see [`Shared::new`] and [`Shared::step`].
pub type App<'b, S, E, M> = Shared<'b, S, E, M>;

impl<'b, S: Stream, E: Environment, M: PageMemory> Shared<'b, S, E, M> {
    /// Puts the process together; `key_id` is the device key's as the console names it, `floor` the earliest wall time,
    /// seconds since 1970.
    ///
    /// # Errors
    /// What is wrong with key, certificates or name.
    pub fn new(
        config: Config,
        key_id: u32,
        floor: u64,
        provider: Provider,
        stream: S,
        environment: E,
        memory: Memory<'b>,
    ) -> Result<Self, StartError> {
        let wall = Arc::new(clock::WallClock::default());
        let tls = tls::client_config(&config, &provider, &wall)?;
        let name = ServerName::try_from(config.endpoint.host.clone())
            .map_err(|_| StartError::Tls(Why::Local("endpoint name")))?;
        // A clock that lags behind what was known before runs on from there.
        let now = match environment.unix_seconds() {
            Some(seconds) => seconds,
            None => environment.now_us() / 1_000_000,
        };
        let lowest = floor.max(environment.time_floor());
        let lacks = lowest.saturating_sub(now);
        if lacks > 0 && environment.unix_seconds().is_some() {
            environment.line(format_args!(
                "net-mqtt: the clock says {now}, before the floor: taken for {lowest}"
            ));
        }
        Ok(Shared {
            link: RefCell::new(Link {
                stream,
                tls: Tls::new(provider.clone(), memory.tls),
            }),
            environment,
            service: RefCell::new(Service::new(memory.pool)),
            tls,
            wall,
            name,
            provider,
            busy: Cell::new(false),
            online: Cell::new(false),
            claimed: Cell::new(false),
            restart: Cell::new(false),
            over: Cell::new(false),
            key_id,
            expecting_until: Cell::new(0),
            addresses: RefCell::default(),
            sntp: RefCell::new(Sntp::new(config.time_server.clone())),
            clock_lacks_s: Cell::new(i64::try_from(lacks).unwrap_or(0)),
            handshakes: Cell::new(0),
            failures: Cell::new(0),
            config,
            address: Cell::new(None),
            floor,
        })
    }

    /// The session, to be pinned and given to each [`Shared::step`].
    pub fn session<'a>(&'a self, mqtt: MqttBuffers<'a>) -> impl Future<Output = ()> + 'a {
        session::serve(self, mqtt)
    }

    /// In place of the session for a device whose configuration is a claim's: makes an identity of
    /// it, stored through `psa`, and then does nothing more.
    pub fn claim<'a>(
        &'a self,
        claim: Claim,
        psa: &'a dyn Transport,
        mqtt: MqttBuffers<'a>,
    ) -> impl Future<Output = ()> + 'a {
        session::claim(self, claim, psa, mqtt)
    }

    /// Whether the process has to start anew, with its connection closed: the claim has become an
    /// identity, or the identity changes.
    pub fn is_over(&self) -> bool {
        self.claimed.get() || self.over.get()
    }

    /// The clients of the IPC service.
    pub fn service(&self) -> &RefCell<Service<'b, M>> {
        &self.service
    }

    /// The surroundings given at start.
    pub fn environment(&self) -> &E {
        &self.environment
    }

    /// Whether the broker accepted us.
    pub fn is_online(&self) -> bool {
        self.online.get()
    }

    /// One turn: network, TLS, session, clients. How long the process may sleep at most,
    /// microseconds; a frame or an IPC notification should end the sleep early.
    pub fn step<F>(&self, session: Pin<&mut F>) -> u64
    where
        F: Future<Output = ()> + ?Sized,
    {
        let now = self.environment.now_us();
        self.busy.set(false);
        let poll_delay = {
            let link = &mut *self.link.borrow_mut();
            let delay = link.stream.poll(now);
            link.pump();
            let address = link.stream.address();
            if self.address.replace(address) != address
                && let Some(address) = address
            {
                self.environment
                    .line(format_args!("net-mqtt: dhcp {address}"));
            }
            delay
        };
        self.keep_time(now);
        if !self.online.get() {
            self.serve_offline();
        }
        // The future never ends, and nothing wakes it but this loop.
        let _ = session.poll(&mut Context::from_waker(Waker::noop()));
        if self.service.borrow_mut().deliver() {
            self.busy.set(true);
        }
        self.link.borrow_mut().pump();
        if self.busy.get() {
            self.expecting_until.set(now.saturating_add(LINGER_US));
            return 0;
        }
        let expecting = !self.online.get()
            || now < self.expecting_until.get()
            || self.service.borrow().is_waiting();
        let longest = if expecting { EXPECTING_US } else { IDLE_US };
        poll_delay.unwrap_or(longest).min(longest)
    }

    /// Without a connection: subscriptions are noted, publishes refused. Not inlined: its buffer
    /// must not lie on the stack under a handshake.
    #[inline(never)]
    fn serve_offline(&self) {
        let mut service = self.service.borrow_mut();
        service.tick(self.environment.now_us());
        let mut buf = [0; MAX_REQUEST];
        while let Some((client, seq, work)) = service.take(&mut buf) {
            self.busy.set(true);
            if let Work::Publish { topic, payload, .. } = work {
                let len = topic.len() + payload.len();
                service.published(client, seq, len, Status::Offline);
            }
        }
    }

    /// What time it is, seconds since 1970: the clock, as time servers have corrected it, and
    /// never before the floor. Without a clock, time runs from when we started.
    pub(crate) fn wall_time(&self) -> u64 {
        self.clock()
            .saturating_add_signed(self.clock_lacks_s.get())
            .max(self.time_floor())
    }

    /// What has to be added to the clock, seconds.
    pub(crate) fn clock_lacks_s(&self) -> i64 {
        self.clock_lacks_s.get()
    }

    /// The clock as it runs, right or not, seconds.
    fn clock(&self) -> u64 {
        let clock = self.environment.unix_seconds();
        clock.unwrap_or(self.environment.now_us() / 1_000_000)
    }

    fn time_floor(&self) -> u64 {
        self.floor.max(self.environment.time_floor())
    }

    /// Whether a time server may answer soon.
    pub(crate) fn is_asking_time(&self) -> bool {
        self.sntp.borrow().is_asking()
    }

    /// Asks a time server when it is due.
    #[inline(never)]
    fn keep_time(&self, now_us: u64) {
        if self.address.get().is_none() {
            return;
        }
        let outcome = {
            let mut sntp = self.sntp.borrow_mut();
            let stream = &mut self.link.borrow_mut().stream;
            let (names, servers) = (stream.name_servers(), stream.time_servers());
            if !sntp.is_due(servers, now_us) {
                return;
            }
            let mut socket = Socket {
                stream,
                channel: Channel::Time,
                random: || session::random(self),
            };
            let clock = (self.wall_time(), self.time_floor());
            sntp.poll(&mut socket, names, servers, now_us, clock)
        };
        match outcome {
            None => {}
            Some(Outcome::Failed(error, pause)) => self.environment.line(format_args!(
                "net-mqtt: time server: {error}, again in {pause} s"
            )),
            Some(Outcome::Time(time, step)) => {
                // Not by `step`, which counts from the floor where the clock lies below it.
                let lacks = time
                    .cast_signed()
                    .saturating_sub(self.clock().cast_signed());
                self.clock_lacks_s.set(lacks);
                self.environment.line(format_args!(
                    "net-mqtt: time {time} from a time server, clock was off by {step} s"
                ));
            }
        }
    }

    /// Lets certificate checks know what time it is.
    pub(crate) fn refresh_wall_clock(&self) {
        self.wall.set(self.wall_time());
    }
}
