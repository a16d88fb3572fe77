//! The network stack against another one over a wire that loses frames: DHCP, TCP, refusals.

use net_mqtt::stack::{
    FRAME, FRAMES, FrameDevice, SOCKETS, Stack, StackBuffers, TCP_RECEIVE, TCP_SEND, UdpBuffers,
};
use net_mqtt::{Stream, StreamState};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, IpAddress, IpCidr, IpEndpoint,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::rc::Rc;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const LEASED: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

/// Frames in flight in one direction; of a thousand, `loss` disappear, `damage` have a bit flipped.
struct Wire {
    frames: VecDeque<Vec<u8>>,
    loss: u64,
    damage: u64,
    random: u64,
    /// The far end is a LAN9118 and the tap driver, with the room they have.
    narrow: bool,
    /// Frames that found no room there.
    overflowed: usize,
    /// What waits for the line to be free.
    held: VecDeque<Vec<u8>>,
}

/// Receive FIFO of QEMU's LAN9118, words, and what a frame takes of it: check sequence, and the
/// start rounded to a word (reference/qemu-an547.md §5).
const FIFO_WORDS: usize = 2640;
fn words(frame: &[u8]) -> usize {
    frame.len().div_ceil(4) + 1
}
/// What a frame takes of a tap buffer (reference/tock.md §5.12), bytes.
const STREAM_HEADER: usize = 8;
/// Bytes that a line of 10 Mbit/s carries in a millisecond.
const LINE: usize = 1250;
fn chunk(frame: &[u8]) -> usize {
    12 + frame.len()
}

impl Wire {
    fn new(loss: u64, damage: u64, seed: u64) -> Rc<RefCell<Wire>> {
        Rc::new(RefCell::new(Wire {
            frames: VecDeque::new(),
            loss,
            damage,
            random: seed,
            narrow: false,
            held: VecDeque::new(),
            overflowed: 0,
        }))
    }

    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn put(&mut self, mut frame: Vec<u8>) {
        let chance = self.next() % 1000;
        if chance < self.loss {
            return;
        }
        if chance < self.loss + self.damage && !frame.is_empty() {
            let bit = self.next();
            let at = (bit >> 3) as usize % frame.len();
            frame[at] ^= 1 << (bit & 7);
        }
        if self.narrow {
            self.held.push_back(frame);
        } else {
            self.frames.push_back(frame);
        }
    }

    /// Lets that many bytes of what a narrow wire holds back arrive; how many did. What the FIFO
    /// or the tap buffer do not hold is lost.
    fn release(&mut self, bytes: usize) -> usize {
        let mut arrived = 0;
        while let Some(frame) = self.held.pop_front() {
            if arrived + frame.len() > bytes {
                self.held.push_front(frame);
                break;
            }
            arrived += frame.len();
            self.arrive(frame);
        }
        arrived
    }

    fn arrive(&mut self, frame: Vec<u8>) {
        self.frames.push_back(frame);
        let fifo: usize = self.frames.iter().map(|frame| words(frame)).sum();
        let tap: usize = self.frames.iter().map(|frame| chunk(frame)).sum();
        if fifo > FIFO_WORDS || STREAM_HEADER + tap > FRAMES {
            self.frames.pop_back();
            self.overflowed += 1;
        }
    }
}

/// One end: takes from one wire, puts on another.
struct End {
    from: Rc<RefCell<Wire>>,
    to: Rc<RefCell<Wire>>,
}

impl FrameDevice for End {
    fn receive(&mut self, buf: &mut [u8]) -> Option<usize> {
        let frame = self.from.borrow_mut().frames.pop_front()?;
        buf[..frame.len()].copy_from_slice(&frame);
        Some(frame.len())
    }

    fn can_send(&mut self) -> bool {
        true
    }

    fn send(&mut self, frame: &[u8]) {
        assert!(frame.len() <= FRAME);
        self.to.borrow_mut().put(frame.to_vec());
    }
}

struct In(Vec<u8>);
struct Out<'a>(&'a RefCell<Wire>);

impl RxToken for In {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.borrow_mut().put(frame);
        result
    }
}

impl Device for End {
    type RxToken<'a> = In;
    type TxToken<'a> = Out<'a>;

    fn receive(&mut self, _: Instant) -> Option<(In, Out<'_>)> {
        let frame = self.from.borrow_mut().frames.pop_front()?;
        Some((In(frame), Out(&self.to)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Out<'_>> {
        Some(Out(&self.to))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }
}

/// A machine that leases one address and echoes what TCP port 7 gets.
struct Peer {
    end: End,
    interface: Interface,
    sockets: SocketSet<'static>,
    dhcp: SocketHandle,
    echo: SocketHandle,
}

impl Peer {
    fn new(mut end: End) -> Peer {
        let mac = EthernetAddress([2, 0, 0, 0, 0, 1]);
        let mut config = Config::new(mac.into());
        config.random_seed = 99;
        let mut interface = Interface::new(config, &mut end, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(SERVER.into(), 24)).unwrap();
        });
        let mut sockets = SocketSet::new(Vec::new());
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 8192]);
        let mut server = udp::Socket::new(buffer(), buffer());
        server.bind(67).unwrap();
        // Larger than the other end's window, which alone then limits a burst.
        let ring = || tcp::SocketBuffer::new(vec![0; 32 * 1024]);
        let mut echo = tcp::Socket::new(ring(), ring());
        echo.set_nagle_enabled(false);
        echo.listen(7).unwrap();
        let (dhcp, echo) = (sockets.add(server), sockets.add(echo));
        Peer {
            end,
            interface,
            sockets,
            dhcp,
            echo,
        }
    }

    fn poll(&mut self, now: Instant) {
        self.interface.poll(now, &mut self.end, &mut self.sockets);
        let server = self.sockets.get_mut::<udp::Socket>(self.dhcp);
        while let Ok((bytes, _)) = server.recv() {
            let bytes = bytes.to_vec();
            if let Some(answer) = lease(&bytes) {
                let all = IpEndpoint::new(IpAddress::v4(255, 255, 255, 255), 68);
                server.send_slice(&answer, all).unwrap();
            }
        }
        let echo = self.sockets.get_mut::<tcp::Socket>(self.echo);
        if !echo.is_open() {
            echo.listen(7).unwrap();
        }
        if echo.can_send() {
            let room = echo.send_capacity() - echo.send_queue();
            let mut bytes = vec![0; room];
            let len = echo.recv_slice(&mut bytes).unwrap_or(0);
            echo.send_slice(&bytes[..len]).unwrap();
        }
        if echo.state() == tcp::State::CloseWait {
            echo.close();
        }
    }
}

/// The server's answer to a DHCP message.
fn lease(bytes: &[u8]) -> Option<Vec<u8>> {
    let packet = DhcpPacket::new_checked(bytes).ok()?;
    let asked = DhcpRepr::parse(&packet).ok()?;
    let message_type = match asked.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request => DhcpMessageType::Ack,
        _ => return None,
    };
    let answer = DhcpRepr {
        message_type,
        your_ip: LEASED,
        server_ip: SERVER,
        router: Some(SERVER),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        server_identifier: Some(SERVER),
        lease_duration: Some(3600),
        requested_ip: None,
        client_identifier: None,
        parameter_request_list: None,
        max_size: None,
        ..asked
    };
    let mut out = vec![0; answer.buffer_len()];
    answer.emit(&mut DhcpPacket::new_unchecked(&mut out)).ok()?;
    Some(out)
}

struct Bench {
    stack: Stack<'static, End>,
    peer: Peer,
    now_us: u64,
}

impl Bench {
    fn new(loss: u64, damage: u64, seed: u64) -> Bench {
        let (there, back) = (
            Wire::new(loss, damage, seed),
            Wire::new(loss, damage, !seed),
        );
        let buffers = StackBuffers {
            receive: vec![0; TCP_RECEIVE].leak(),
            send: vec![0; TCP_SEND].leak(),
            frame_in: vec![0; FRAME].leak(),
            frame_out: vec![0; FRAME].leak(),
            udp: Box::leak(Box::new(UdpBuffers::new())),
            sockets: Box::leak(Box::new(SOCKETS)),
        };
        let near = End {
            from: back.clone(),
            to: there.clone(),
        };
        let far = End {
            from: there,
            to: back,
        };
        let mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
        Bench {
            stack: Stack::new(near, mac, seed, 0, buffers),
            peer: Peer::new(far),
            now_us: 0,
        }
    }

    /// Lets simulated time run, up to `seconds`, until `done`.
    fn run(
        &mut self,
        seconds: u64,
        mut done: impl FnMut(&mut Stack<'static, End>) -> bool,
    ) -> bool {
        let end = self.now_us + seconds * 1_000_000;
        while self.now_us < end {
            self.stack.poll(self.now_us);
            self.peer.poll(Instant::from_micros(self.now_us as i64));
            if done(&mut self.stack) {
                return true;
            }
            self.now_us += 1_000;
        }
        false
    }

    fn connect(&mut self, port: u16, source: u16) {
        assert!(
            self.run(300, |stack| stack.address() == Some(LEASED)),
            "no address"
        );
        self.stack.connect(SERVER, port, source).unwrap();
        assert_eq!(self.stack.state(), StreamState::Connecting);
    }

    /// Sends `len` bytes and reads them back.
    fn echo(&mut self, len: usize) -> Result<(), String> {
        let data: Vec<u8> = (0..len as u32).map(|i| (i * 13 % 241) as u8).collect();
        let (mut sent, mut got) = (0, Vec::new());
        let done = self.run(2000, |stack| {
            sent += stack.send(&data[sent..]);
            let mut bytes = [0; 3000];
            let len = stack.receive(&mut bytes);
            got.extend_from_slice(&bytes[..len]);
            got.len() == data.len()
        });
        match done && got == data {
            true => Ok(()),
            false => Err(format!("sent {sent}, got {} of {len}", got.len())),
        }
    }
}

#[test]
fn leases_connects_and_echoes() {
    let mut bench = Bench::new(0, 0, 1);
    bench.connect(7, 50_000);
    assert!(bench.run(5, |stack| stack.state() == StreamState::Open));
    bench.echo(200_000).unwrap();
    // Again on another connection, as after a back-off.
    bench.stack.abort();
    assert_eq!(bench.stack.state(), StreamState::Closed);
    bench.run(1, |_| false);
    bench.connect(7, 50_001);
    assert!(bench.run(5, |stack| stack.state() == StreamState::Open));
    bench.echo(10_000).unwrap();
}

#[test]
fn a_lossy_and_damaging_wire_only_slows_it_down() {
    for seed in 1..=6 {
        let mut bench = Bench::new(50, 30, seed * 0x9E37_79B9);
        bench.connect(7, 50_000);
        assert!(
            bench.run(60, |stack| stack.state() == StreamState::Open),
            "seed {seed}"
        );
        bench
            .echo(60_000)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

/// A sender that fills the window, in large segments and in small, over a line of 10 Mbit/s: what
/// comes in 8 ms in which neither driver nor process run is not lost between the wire and us.
#[test]
fn eight_milliseconds_of_the_line_fit_the_receive_path() {
    for piece in [32 * 1024, 1000, 256] {
        let mut bench = Bench::new(0, 0, 5);
        bench.connect(7, 50_000);
        assert!(bench.run(5, |stack| stack.state() == StreamState::Open));
        bench.run(1, |_| false);
        bench.peer.end.to.borrow_mut().narrow = true;
        let data: Vec<u8> = (0..100_000u32).map(|i| (i * 13 % 241) as u8).collect();
        let (mut sent, mut got, mut most, mut held) = (0, Vec::new(), 0, 0);
        for _ in 0..1000 {
            // Until ring and window are full.
            while sent < data.len() {
                let next = &data[sent..(sent + piece).min(data.len())];
                let peer = &mut bench.peer;
                let socket = peer.sockets.get_mut::<tcp::Socket>(peer.echo);
                match socket.send_slice(next).unwrap() {
                    0 => break,
                    len => sent += len,
                }
                peer.poll(Instant::from_micros(bench.now_us as i64));
            }
            held = held.max(bench.peer.end.to.borrow().held.len());
            most = most.max(bench.peer.end.to.borrow_mut().release(8 * LINE));
            bench.run(1, |stack| {
                let mut bytes = [0; TCP_RECEIVE];
                let len = stack.receive(&mut bytes);
                got.extend_from_slice(&bytes[..len]);
                true
            });
            bench.now_us += 8_000;
        }
        assert_eq!(
            bench.peer.end.to.borrow().overflowed,
            0,
            "pieces of {piece}"
        );
        assert!(most > LINE * 7, "no burst: {most} bytes at most");
        assert!(held > 10, "the line held nothing back");
        assert!(got == data, "got {} of {}", got.len(), data.len());
    }
}

#[test]
fn a_closed_port_is_refused() {
    let mut bench = Bench::new(0, 0, 3);
    bench.connect(9, 50_000);
    assert!(bench.run(5, |stack| stack.state() == StreamState::Closed));
    assert!(bench.now_us < 20_000_000);
}

/// Whatever a neighbour puts on the wire: no panic, and the lease survives.
#[test]
fn noise_on_the_wire_is_survived() {
    let mut bench = Bench::new(0, 0, 4);
    bench.connect(7, 50_000);
    assert!(bench.run(5, |stack| stack.state() == StreamState::Open));
    let mut x = 0x0BAD_5EED_0BAD_5EED_u64;
    for round in 0..20_000u32 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        let len = 14 + (x >> 20) as usize % 120;
        let mut frame: Vec<u8> = (0..len).map(|i| (x >> (i % 56)) as u8 ^ i as u8).collect();
        // To us, IPv4 or ARP, sometimes a plausible header.
        frame[..6].copy_from_slice(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        frame[12] = 8;
        frame[13] = if round % 5 == 0 { 6 } else { 0 };
        if frame.len() > 34 {
            frame[14] = 0x45;
            frame[30..34].copy_from_slice(&LEASED.octets());
        }
        bench
            .stack
            .device()
            .from
            .borrow_mut()
            .frames
            .push_back(frame);
        bench.stack.poll(bench.now_us);
    }
    assert_eq!(bench.stack.address(), Some(LEASED));
    bench.echo(5_000).unwrap();
}
