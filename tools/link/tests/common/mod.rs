//! A guest in the test's process: smoltcp over the link's socket, as QEMU would frame it.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant as Time;
use smoltcp::wire::{EthernetAddress, IpCidr};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const LIMIT: Duration = Duration::from_secs(60);

/// The wire's end at the guest.
pub struct Plug {
    stream: UnixStream,
    bytes: Vec<u8>,
    incoming: VecDeque<Vec<u8>>,
}

impl Plug {
    fn read(&mut self) {
        let mut buffer = [0; 8192];
        while let Ok(n) = self.stream.read(&mut buffer) {
            assert_ne!(n, 0, "the link has gone");
            self.bytes.extend(&buffer[..n]);
        }
        while let Some(length) = self.bytes.first_chunk::<4>() {
            let end = 4 + u32::from_be_bytes(*length) as usize;
            if self.bytes.len() < end {
                break;
            }
            self.incoming.push_back(self.bytes[4..end].to_vec());
            self.bytes.drain(..end);
        }
    }

    pub fn send(&mut self, frame: &[u8]) {
        let mut bytes = (frame.len() as u32).to_be_bytes().to_vec();
        bytes.extend(frame);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(_) => std::thread::yield_now(),
            }
        }
    }
}

pub struct Guest {
    pub plug: Plug,
    interface: Interface,
    pub sockets: SocketSet<'static>,
    start: Instant,
}

impl Guest {
    /// Plugged in, with its address by hand.
    pub fn plug_in(socket: &Path) -> Guest {
        Guest::plug_in_as(socket, 1, GUEST)
    }

    /// As a station whose address ends in `last`.
    pub fn plug_in_as(socket: &Path, last: u8, address: Ipv4Addr) -> Guest {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut plug = Plug {
            stream,
            bytes: Vec::new(),
            incoming: VecDeque::new(),
        };
        let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, last]).into());
        config.random_seed = 42;
        let mut interface = Interface::new(config, &mut plug, Time::ZERO);
        interface.update_ip_addrs(|a| a.push(IpCidr::new(address.into(), 24)).unwrap());
        interface
            .routes_mut()
            .add_default_ipv4_route(ROUTER)
            .unwrap();
        Guest {
            plug,
            interface,
            sockets: SocketSet::new(Vec::new()),
            start: Instant::now(),
        }
    }

    pub fn poll(&mut self) {
        self.plug.read();
        let now = Time::from_micros(self.start.elapsed().as_micros() as i64);
        self.interface.poll(now, &mut self.plug, &mut self.sockets);
    }

    /// Polls until `done` says something.
    pub fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Guest) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            self.poll();
            if let Some(value) = done(self) {
                return value;
            }
            assert!(Instant::now() < deadline, "waited for {what}");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// What `host` gives, on a thread of its own, while the guest goes on.
    pub fn meanwhile<T: Send + 'static>(&mut self, host: impl FnOnce() -> T + Send + 'static) -> T {
        let host = std::thread::spawn(host);
        self.until("the host", |_| host.is_finished().then_some(()));
        host.join().unwrap()
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.poll();
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    pub fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut::<tcp::Socket>(handle)
    }

    /// A connection that is being opened.
    pub fn open(&mut self, to: (Ipv4Addr, u16), from: u16, window: usize) -> SocketHandle {
        let buffer = |size| tcp::SocketBuffer::new(vec![0; size]);
        let mut socket = tcp::Socket::new(buffer(window), buffer(8192));
        socket.connect(self.interface.context(), to, from).unwrap();
        self.sockets.add(socket)
    }

    /// One that is open.
    pub fn connect(&mut self, to: (Ipv4Addr, u16), from: u16, window: usize) -> SocketHandle {
        let handle = self.open(to, from, window);
        self.until("a connection", |g| g.tcp(handle).may_send().then_some(()));
        handle
    }

    pub fn state(&mut self, handle: SocketHandle) -> tcp::State {
        self.tcp(handle).state()
    }

    /// Asks over UDP; the first answer, or `None` after `wait`.
    pub fn ask(&mut self, to: (Ipv4Addr, u16), bytes: &[u8], wait: Duration) -> Option<Vec<u8>> {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 4096]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(50_000).unwrap();
        socket.send_slice(bytes, to).unwrap();
        let handle = self.sockets.add(socket);
        let end = Instant::now() + wait;
        let mut answer = None;
        while answer.is_none() && Instant::now() < end {
            self.run_for(Duration::from_millis(1));
            let socket = self.sockets.get_mut::<udp::Socket>(handle);
            answer = socket.recv().ok().map(|(bytes, from)| {
                assert_eq!(from.endpoint, to.into(), "answered by another");
                bytes.to_vec()
            });
        }
        self.sockets.remove(handle);
        answer
    }
}

impl phy::Device for Plug {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Time) -> Option<(Received, Sending<'_>)> {
        let frame = self.incoming.pop_front()?;
        Some((Received(frame), Sending(self)))
    }

    fn transmit(&mut self, _: Time) -> Option<Sending<'_>> {
        Some(Sending(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

pub struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub struct Sending<'a>(&'a mut Plug);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0.send(&frame);
        result
    }
}
