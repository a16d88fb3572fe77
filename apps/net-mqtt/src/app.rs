//! What the whole process shares, and one turn of its loop.
//!
//! Owns the state behind the cells and the order of a turn. Does not own the session's logic
//! (`session.rs`), which runs as one future between turns.

use crate::config::Config;
use crate::link::Link;
use crate::service::{Service, Work};
use crate::session::{self, MqttBuffers};
use crate::tls::{self, Tls, TlsBuffers};
use crate::{Stream, Why, clock};
use alloc::sync::Arc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::net::Ipv4Addr;
use core::pin::Pin;
use core::task::{Context, Waker};
use mqtt_ipc::{MAX_REQUEST, Memory as PageMemory, Status};
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_psa::Provider;

/// Longest sleep while the socket expects data, microseconds: QEMU delivers late to a halted CPU.
const EXPECTING_US: u64 = 10_000;
/// Longest sleep otherwise.
const IDLE_US: u64 = 100_000;
/// How long after the last byte more are expected, microseconds.
const LINGER_US: u64 = 1_000_000;

/// Bytes of [`Memory::pool`]: one of the largest messages for one client that does not read, and
/// two for the others.
pub const POOL: usize = 3 * mqtt_ipc::MESSAGE_BUFFER;

/// What the process takes from its surroundings.
pub trait Environment {
    /// Monotonic time, microseconds.
    fn now_us(&self) -> u64;
    /// Wall time, seconds since 1970; `None` when there is no clock.
    fn unix_seconds(&self) -> Option<u64>;
    /// Prints one line on the console.
    fn line(&self, text: fmt::Arguments<'_>);
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
    /// Data is expected until this time, microseconds.
    pub(crate) expecting_until: Cell<u64>,
    address: Cell<Option<Ipv4Addr>>,
    /// Wall time is never before this, seconds since 1970.
    floor: u64,
}

/// Why the process cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The device key.
    Key(rustls_psa::DeviceKeyError),
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
    /// Puts the process together; `key_id` is the device key, `floor` the earliest wall time,
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
        let tls = tls::client_config(&config, key_id, &provider, &wall)?;
        let name = ServerName::try_from(config.endpoint.host.clone())
            .map_err(|_| StartError::Tls(Why::Local("endpoint name")))?;
        Ok(Shared {
            link: RefCell::new(Link {
                stream,
                tls: Tls::new(provider.clone(), memory.tls),
            }),
            environment,
            service: RefCell::new(Service::new(memory.pool)),
            config,
            tls,
            wall,
            name,
            provider,
            busy: Cell::new(false),
            online: Cell::new(false),
            expecting_until: Cell::new(0),
            address: Cell::new(None),
            floor,
        })
    }

    /// The session, to be pinned and given to each [`Shared::step`].
    pub fn session<'a>(&'a self, mqtt: MqttBuffers<'a>) -> impl Future<Output = ()> + 'a {
        session::run(self, mqtt)
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

    /// Lets certificate checks know what time it is.
    pub(crate) fn refresh_wall_clock(&self) {
        let seconds = self.environment.unix_seconds().unwrap_or(0);
        self.wall.set(seconds.max(self.floor));
    }
}
