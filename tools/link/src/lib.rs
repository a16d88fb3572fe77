//! The far end of a device's Ethernet: a user-space router with seeded faults per frame.
//!
//! Owns the socket that QEMU's `-netdev stream` connects to, the thread behind it, and what a
//! person or a test may change while it runs. As many devices as [`Config::devices`] says are
//! plugged in, one as a rule; the next takes the oldest's place. They share one wire, and reach the
//! router, not each other. [`fault`] is the wire, the router behind it serves DHCP, DNS, SNTP and carries TCP
//! connections to listeners of the host. Invariant: nothing of the host is reachable but what a
//! [`Service`] names.
#![forbid(unsafe_code)]

mod dhcp;
mod dns;
pub mod fault;
#[cfg(test)]
mod fuzz;
mod proxy;
mod router;
mod run;
mod sntp;
mod wire;

pub use dhcp::Lease;
pub use dns::{Lookup, Zone};
pub use fault::{Conditions, Counters, Direction};
pub use sntp::Time;
pub use wire::{Record, Segment};

use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens to connections to one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Address that the device calls; any when absent.
    pub address: Option<Ipv4Addr>,
    /// Port that it calls.
    pub port: u16,
    /// What happens.
    pub answer: Answer,
}

/// What happens to a connection that the device opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It goes on to this listener of the host.
    Proxy(SocketAddr),
    /// A reset.
    Refuse,
    /// Nothing at all, to segments of connections that stand either.
    Blackhole,
}

/// How connections that stand are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both sides get a reset.
    Reset,
    /// The device hears nothing, ever; the listener gets a reset.
    Silence,
}

/// What may change while the link runs.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The wire.
    pub conditions: Conditions,
    /// The name server's script.
    pub names: Zone,
    /// The time server's script.
    pub time: Time,
    /// Connections; the first that fits counts, and what none fits is refused.
    pub services: Vec<Service>,
}

impl Settings {
    pub(crate) fn answer(&self, (address, port): (Ipv4Addr, u16)) -> Answer {
        let fits = |s: &&Service| s.port == port && s.address.is_none_or(|a| a == address);
        let service = self.services.iter().find(fits);
        service.map_or(Answer::Refuse, |s| s.answer)
    }
}

/// How a link starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Path of the socket; made anew.
    pub socket: PathBuf,
    /// Decides every fault, and the router's sequence numbers.
    pub seed: u64,
    /// What the device is told of the network; a second device has the next address.
    pub lease: Lease,
    /// Devices that may be plugged in at once.
    pub devices: usize,
    /// Speed of the line to the device, bits a second; as fast as may be when absent.
    pub line_rate: Option<u64>,
    /// What may change later.
    pub settings: Settings,
    /// Capture file of what passes the device's plug.
    pub pcap: Option<PathBuf>,
    /// Keep a [`Record`] of each such frame.
    pub record: bool,
}

impl Config {
    /// A clean, undelayed wire, seed 1, with the addresses of QEMU's user network: the device is
    /// 10.0.2.15, the router and all its servers 10.0.2.2.
    pub fn new(socket: &Path) -> Config {
        let router = Ipv4Addr::new(10, 0, 2, 2);
        Config {
            socket: socket.to_owned(),
            seed: 1,
            lease: Lease {
                address: Ipv4Addr::new(10, 0, 2, 15),
                mask: Ipv4Addr::new(255, 255, 255, 0),
                router,
                dns: router,
                ntp: router,
                duration: 86_400,
            },
            devices: 1,
            line_rate: Some(LINE_RATE),
            settings: Settings::default(),
            pcap: None,
            record: false,
        }
    }
}

/// The slower of the two speeds of a 10/100 controller, bits a second: a full frame takes 1.2 ms,
/// in which any driver empties a FIFO, and so does a process, on a host that is busy otherwise.
pub const LINE_RATE: u64 = 10_000_000;

/// A running link; it stops when dropped.
pub struct Link {
    socket: PathBuf,
    shared: Arc<Mutex<Shared>>,
    waker: Arc<mio::Waker>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What the thread and the handle share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) cut: Option<Cut>,
    pub(crate) stop: bool,
    pub(crate) counters: [Counters; 2],
    pub(crate) records: Vec<Record>,
    pub(crate) plugged: usize,
}

impl Link {
    /// Opens the socket and starts to serve.
    ///
    /// # Errors
    /// Of the socket and the capture file.
    pub fn start(config: Config) -> Result<Link> {
        let socket = config.socket.clone();
        let shared = Arc::new(Mutex::new(Shared {
            settings: config.settings.clone(),
            ..Shared::default()
        }));
        let of_thread = Arc::clone(&shared);
        let runner = run::Runner::new(config, of_thread)
            .with_context(|| format!("link at {}", socket.display()))?;
        let waker = runner.waker();
        let thread = std::thread::Builder::new()
            .name("link".into())
            .spawn(move || runner.run())?;
        Ok(Link {
            socket,
            shared,
            waker,
            thread: Some(thread),
        })
    }

    /// Path of the socket, for QEMU.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Changes what may be changed; from the next frame on.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.shared).settings);
        self.wake();
    }

    /// The round-trip time.
    pub fn set_rtt(&self, rtt: std::time::Duration) {
        self.change(|s| s.conditions.rtt = rtt);
    }

    /// The loss, in frames of a million each way; see [`Conditions::percent`].
    pub fn set_loss(&self, loss: u32) {
        self.change(|s| s.conditions.loss = loss);
    }

    /// Takes the wire down or up.
    pub fn set_down(&self, down: bool) {
        self.change(|s| s.conditions.down = down);
    }

    /// Cuts every connection that stands; they are cut when this returns.
    pub fn cut(&self, how: Cut) {
        lock(&self.shared).cut = Some(how);
        self.wake();
        // Whoever takes it holds the lock until it is done.
        while lock(&self.shared).cut.is_some() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// What passed in one direction since the start.
    pub fn counters(&self, direction: Direction) -> Counters {
        lock(&self.shared).counters[direction as usize]
    }

    /// Frames at the device's plug so far, when they are recorded.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.shared).records.clone()
    }

    /// Devices that are plugged in.
    pub fn plugged(&self) -> usize {
        lock(&self.shared).plugged
    }

    fn wake(&self) {
        // The thread is there until this handle goes.
        let _ = self.waker.wake();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        lock(&self.shared).stop = true;
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
