//! The thread of a link: sockets, the two directions of the wire, the router, in one loop.
//!
//! Owns time. A frame for a device is handed to QEMU only when QEMU has taken those before it,
//! and the line is free: QEMU puts all that it finds in its socket into the controller's receive
//! FIFO in one go, and what does not fit there is lost. Several devices share the line, as on a hub:
//! a busy one holds up the others. Owns which plug a frame is for: that of its destination, as the
//! frames that came told it.

use crate::fault::{Direction, Lane};
use crate::router::Router;
use crate::wire::{Capture, Framer, Record, framed, segment};
use crate::{Config, Shared, lock};
use anyhow::Result;
use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token, Waker};
use smoltcp::wire::{EthernetAddress, EthernetFrame};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// The first of the plugs' and the connections'.
const FLOWS: usize = 2;
/// Below this the poller's milliseconds are too coarse.
const FINE: Duration = Duration::from_micros(1500);
/// Send buffer towards QEMU, bytes; the system makes it its least, some 4.6 KiB with its own
/// bookkeeping: room for two full frames.
const SEND_BUFFER: usize = 1;

pub(crate) struct Runner {
    poll: Poll,
    waker: Arc<Waker>,
    listener: UnixListener,
    /// The oldest first.
    plugs: Vec<Plug>,
    shared: Arc<Mutex<Shared>>,
    config: Config,
    lanes: [Lane; 2],
    router: Router,
    capture: Option<Capture>,
    next_token: usize,
    start: Instant,
}

/// A QEMU's connection.
struct Plug {
    /// Of the last frame that came from it.
    station: Option<EthernetAddress>,
    /// Of the last connection that it spoke on.
    address: Option<Ipv4Addr>,
    stream: UnixStream,
    framer: Framer,
    /// What QEMU has not taken of the frame on its way.
    unsent: Vec<u8>,
}

impl Runner {
    pub(crate) fn new(config: Config, shared: Arc<Mutex<Shared>>) -> Result<Runner> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let _ = std::fs::remove_file(&config.socket);
        let mut listener = UnixListener::bind(&config.socket)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let lanes = [
            Lane::new(config.seed, Direction::Up, None),
            Lane::new(config.seed, Direction::Down, config.line_rate),
        ];
        let router = Router::new(
            config.lease,
            config.devices,
            config.seed,
            smoltcp_time(Duration::ZERO),
        );
        let capture = config.pcap.as_deref().map(Capture::create).transpose()?;
        Ok(Runner {
            poll,
            waker,
            listener,
            plugs: Vec::new(),
            shared,
            config,
            lanes,
            router,
            capture,
            next_token: FLOWS,
            start: Instant::now(),
        })
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(64);
        let shared = Arc::clone(&self.shared);
        loop {
            let wait = {
                let mut shared = lock(&shared);
                if shared.stop {
                    return;
                }
                self.step(&mut shared)
            };
            match wait {
                Some(wait) if wait < FINE => {
                    // What came is looked for again after so short a sleep.
                    std::thread::sleep(wait.min(Duration::from_micros(100)));
                    let _ = self.poll.poll(&mut events, Some(Duration::ZERO));
                }
                wait => {
                    // An error is an interrupted wait: the loop looks by itself.
                    let _ = self.poll.poll(&mut events, wait);
                }
            }
        }
    }

    /// Everything that can be done now; how long nothing else is due.
    fn step(&mut self, shared: &mut Shared) -> Option<Duration> {
        if let Some(how) = shared.cut.take() {
            self.router.cut(how);
        }
        self.accept();
        self.receive(shared);
        let now = Instant::now();
        while let Some(frame) = self.lanes[0].pop(now) {
            let (poll, next) = (&self.poll, &mut self.next_token);
            let token = || {
                *next += 1;
                Token(*next)
            };
            self.router
                .input(frame, &shared.settings, poll.registry(), token);
        }
        let time = smoltcp_time(now - self.start);
        self.router.poll(time, &shared.settings);
        while let Some(frame) = self.router.output() {
            self.lanes[1].push(frame, now, &shared.settings.conditions);
        }
        self.transmit(shared);
        shared.counters = [self.lanes[0].counters(), self.lanes[1].counters()];
        shared.plugged = self.plugs.len();

        let now = Instant::now();
        let router = self.router.poll_at(smoltcp_time(now - self.start));
        let router = router.map(|at| {
            self.start + Duration::from_micros(u64::try_from(at.total_micros()).unwrap_or(0))
        });
        // While QEMU is busy, its socket says when it is not.
        let busy = self.plugs.iter().any(|p| !p.unsent.is_empty());
        let down = self.lanes[1].next_at().filter(|_| !busy);
        [router, self.lanes[0].next_at(), down]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_duration_since(now))
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            if self.plugs.len() >= self.config.devices.max(1) {
                self.unplug(0);
            }
            self.next_token += 1;
            let registered = self.poll.registry().register(
                &mut stream,
                Token(self.next_token),
                Interest::READABLE | Interest::WRITABLE,
            );
            // Without the small buffer frames only bunch.
            let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
            if registered.is_ok() {
                self.plugs.push(Plug {
                    station: None,
                    address: None,
                    stream,
                    framer: Framer::default(),
                    unsent: Vec::new(),
                });
            }
        }
    }

    /// The device is gone; its connections end, as those of QEMU's own user network do. With the
    /// last one goes all that was on its way.
    fn unplug(&mut self, place: usize) {
        let plug = self.plugs.remove(place);
        if self.plugs.is_empty() {
            for lane in &mut self.lanes {
                lane.clear();
            }
            self.router.unplugged(None);
        } else if plug.address.is_some() {
            self.router.unplugged(plug.address);
        }
    }

    fn receive(&mut self, shared: &mut Shared) {
        let mut place = 0;
        while place < self.plugs.len() {
            match self.receive_from(place, shared) {
                true => place += 1,
                false => self.unplug(place),
            }
        }
    }

    /// Whether the device is still there, and in step.
    fn receive_from(&mut self, place: usize, shared: &mut Shared) -> bool {
        let plug = &mut self.plugs[place];
        let mut buffer = [0; 16 * 1024];
        let alive = loop {
            match plug.stream.read(&mut buffer) {
                Ok(0) => break false,
                Ok(n) => plug.framer.feed(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        let now = Instant::now();
        loop {
            match plug.framer.next() {
                Ok(Some(frame)) => {
                    if let Ok(header) = EthernetFrame::new_checked(&frame[..]) {
                        plug.station = Some(header.src_addr());
                    }
                    if let Some(segment) = segment(&frame) {
                        plug.address = Some(segment.source.0);
                    }
                    note(
                        &mut self.capture,
                        &self.config,
                        shared,
                        &frame,
                        Direction::Up,
                    );
                    self.lanes[0].push(frame, now, &shared.settings.conditions);
                }
                Ok(None) => return alive,
                Err(_) => return false,
            }
        }
    }

    fn transmit(&mut self, shared: &mut Shared) {
        if self.plugs.is_empty() {
            return self.lanes[1].clear();
        }
        loop {
            for plug in &mut self.plugs {
                while !plug.unsent.is_empty() {
                    match plug.stream.write(&plug.unsent) {
                        Ok(n) => drop(plug.unsent.drain(..n)),
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        // Busy, or gone, which the next read tells.
                        Err(_) => return,
                    }
                }
            }
            let Some(frame) = self.lanes[1].pop(Instant::now()) else {
                return;
            };
            let to = EthernetFrame::new_checked(&frame[..]).map(|header| header.dst_addr());
            let alone = self.plugs.len() == 1;
            for plug in &mut self.plugs {
                let its = to.is_ok_and(|to| !to.is_unicast() || plug.station == Some(to));
                if alone || its {
                    plug.unsent = framed(&frame);
                }
            }
            note(
                &mut self.capture,
                &self.config,
                shared,
                &frame,
                Direction::Down,
            );
        }
    }
}

fn note(
    capture: &mut Option<Capture>,
    config: &Config,
    shared: &mut Shared,
    frame: &[u8],
    direction: Direction,
) {
    if let Some(capture) = capture {
        capture.frame(frame);
    }
    if config.record {
        shared.records.push(Record {
            at: Instant::now(),
            direction,
            length: frame.len(),
            tcp: segment(frame),
        });
    }
}

fn smoltcp_time(since_start: Duration) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(since_start.as_micros()).unwrap_or(i64::MAX))
}
