//! The network stack: smoltcp with DHCP, one TCP and two UDP sockets over a device of Ethernet
//! frames.
//!
//! Owns the interface, its address, the servers that DHCP named, and the sockets. Does not own the device (a system call, or a
//! test's wire) or time.

use crate::{Channel, Servers, Stream, StreamState, Why};
use core::net::Ipv4Addr;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{dhcpv4, tcp, udp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Cidr};

/// Largest frame without its check sequence, bytes.
pub const FRAME: usize = 1514;
/// TCP receive buffer, bytes, and so the window: what can be under way at once. At 100 ms round
/// trip it allows 180 KB/s, and two windows hold eight blocks of an update with all that is around
/// them (docs/link.md has the figures).
pub const TCP_RECEIVE: usize = 18 * 1024;
/// One buffer of received frames with the tap driver, bytes. It and the receive FIFO of the LAN9118
/// (10,560 bytes, reference/qemu-an547.md §5) each hold 8 ms of a 10 Mbit/s line, in frames with 256
/// bytes of payload or more; what comes faster than it is taken out is lost without a word, and
/// TCP sends it again.
pub const FRAMES: usize = 12 * 1024;
/// TCP send buffer, bytes.
pub const TCP_SEND: usize = 4 * 1024;
/// An unanswered segment is given up after this time.
const TCP_TIMEOUT_MS: u64 = 30_000;

/// Room for the four sockets, empty.
pub const SOCKETS: [SocketStorage<'static>; 4] = [SocketStorage::EMPTY; 4];

/// What we ask of DHCP: mask, router, name servers, time servers (RFC 2132).
const DHCP_OPTIONS: [u8; 4] = [1, 3, 6, OPTION_NTP];
const OPTION_NTP: u8 = 42;
/// A DHCP message (RFC 2131 §2), bytes.
const DHCP_MESSAGE: usize = 576;
/// The largest DNS message, and another that somebody else sends.
const UDP_RECEIVE: usize = 1024;
/// The largest question.
const UDP_SEND: usize = 320;

/// Memory for datagrams.
pub struct UdpBuffers {
    dhcp: [u8; DHCP_MESSAGE],
    sockets: [UdpBuffer; 2],
}

struct UdpBuffer {
    received: [udp::PacketMetadata; 4],
    receive: [u8; UDP_RECEIVE],
    sent: [udp::PacketMetadata; 2],
    send: [u8; UDP_SEND],
}

impl UdpBuffers {
    /// Empty.
    pub const fn new() -> Self {
        UdpBuffers {
            dhcp: [0; DHCP_MESSAGE],
            sockets: [const {
                UdpBuffer {
                    received: [udp::PacketMetadata::EMPTY; 4],
                    receive: [0; UDP_RECEIVE],
                    sent: [udp::PacketMetadata::EMPTY; 2],
                    send: [0; UDP_SEND],
                }
            }; 2],
        }
    }
}

impl Default for UdpBuffers {
    fn default() -> Self {
        UdpBuffers::new()
    }
}

/// A device of whole Ethernet frames.
pub trait FrameDevice {
    /// The next frame that arrived, into `buf` ([`FRAME`] bytes); its length.
    fn receive(&mut self, buf: &mut [u8]) -> Option<usize>;
    /// Whether a frame can be sent now.
    fn can_send(&mut self) -> bool;
    /// Sends a frame; one that does not go is lost, as on any wire.
    fn send(&mut self, frame: &[u8]);
}

/// Memory for the stack.
pub struct StackBuffers<'b> {
    /// [`TCP_RECEIVE`] bytes.
    pub receive: &'b mut [u8],
    /// [`TCP_SEND`] bytes.
    pub send: &'b mut [u8],
    /// [`FRAME`] bytes: the frame being read.
    pub frame_in: &'b mut [u8],
    /// [`FRAME`] bytes: the frame being made.
    pub frame_out: &'b mut [u8],
    /// Datagrams.
    pub udp: &'b mut UdpBuffers,
    /// Four sockets.
    pub sockets: &'b mut [SocketStorage<'b>; 4],
}

/// The stack over `D`.
pub struct Stack<'b, D> {
    phy: Phy<'b, D>,
    interface: Interface,
    sockets: SocketSet<'b>,
    dhcp: SocketHandle,
    tcp: SocketHandle,
    names: SocketHandle,
    time: SocketHandle,
    address: Option<Ipv4Addr>,
    name_servers: Servers,
    time_servers: Servers,
    /// `connect` was called and the socket has not been open yet.
    connecting: bool,
    now: Instant,
}

impl<'b, D: FrameDevice> Stack<'b, D> {
    /// A stack that starts to ask for an address. `seed` must be unpredictable (sequence numbers).
    pub fn new(device: D, mac: [u8; 6], seed: u64, now_us: u64, buffers: StackBuffers<'b>) -> Self {
        let mut phy = Phy {
            device,
            receive: buffers.frame_in,
            send: buffers.frame_out,
        };
        let mut config = Config::new(EthernetAddress(mac).into());
        config.random_seed = seed;
        let now = instant(now_us);
        let interface = Interface::new(config, &mut phy, now);
        let mut sockets = SocketSet::new(&mut buffers.sockets[..]);
        let mut tcp = tcp::Socket::new(
            tcp::SocketBuffer::new(buffers.receive),
            tcp::SocketBuffer::new(buffers.send),
        );
        tcp.set_timeout(Some(Duration::from_millis(TCP_TIMEOUT_MS)));
        tcp.set_nagle_enabled(false);
        let mut dhcp = dhcpv4::Socket::new();
        dhcp.set_receive_packet_buffer(&mut buffers.udp.dhcp);
        dhcp.set_parameter_request_list(&DHCP_OPTIONS);
        let dhcp = sockets.add(dhcp);
        let tcp = sockets.add(tcp);
        let [names, time] = &mut buffers.udp.sockets;
        let [names, time] = [names, time].map(|memory| {
            sockets.add(udp::Socket::new(
                udp::PacketBuffer::new(&mut memory.received[..], &mut memory.receive[..]),
                udp::PacketBuffer::new(&mut memory.sent[..], &mut memory.send[..]),
            ))
        });
        Stack {
            phy,
            interface,
            sockets,
            dhcp,
            tcp,
            names,
            time,
            address: None,
            name_servers: Servers::default(),
            time_servers: Servers::default(),
            connecting: false,
            now,
        }
    }

    /// The device underneath.
    pub fn device(&mut self) -> &mut D {
        &mut self.phy.device
    }

    fn udp(&self, channel: Channel) -> SocketHandle {
        match channel {
            Channel::Names => self.names,
            Channel::Time => self.time,
        }
    }

    fn configure(&mut self) {
        let event = self.sockets.get_mut::<dhcpv4::Socket>(self.dhcp).poll();
        let (address, router) = match event {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => (None, None),
            Some(dhcpv4::Event::Configured(lease)) => {
                self.name_servers = Servers::new(lease.dns_servers.iter().copied());
                let packet = lease.packet.as_ref();
                let option = packet
                    .and_then(|packet| packet.options().find(|option| option.kind == OPTION_NTP));
                let (addresses, _) = option
                    .map_or(&[][..], |option| option.data)
                    .as_chunks::<4>();
                self.time_servers = Servers::new(addresses.iter().copied().map(Ipv4Addr::from));
                (Some(lease.address), lease.router)
            }
        };
        self.set_address(address, router);
    }

    fn set_address(&mut self, address: Option<Ipv4Cidr>, router: Option<Ipv4Addr>) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            if let Some(address) = address {
                // Two fit (iface-max-addr-count-2), and the list is empty.
                let _ = addresses.push(IpCidr::Ipv4(address));
            }
        });
        self.interface.routes_mut().remove_default_ipv4_route();
        if let Some(router) = router {
            // The table was just emptied of the only route that we make.
            let _ = self.interface.routes_mut().add_default_ipv4_route(router);
        }
        self.address = address.map(|address| address.address());
    }
}

impl<D: FrameDevice> Stream for Stack<'_, D> {
    fn poll(&mut self, now_us: u64) -> Option<u64> {
        self.now = instant(now_us);
        self.interface
            .poll(self.now, &mut self.phy, &mut self.sockets);
        self.configure();
        if self.connecting && self.sockets.get::<tcp::Socket>(self.tcp).may_send() {
            self.connecting = false;
        }
        self.interface
            .poll_delay(self.now, &self.sockets)
            .map(|delay| delay.total_micros())
    }

    fn address(&self) -> Option<Ipv4Addr> {
        self.address
    }

    fn connect(&mut self, to: Ipv4Addr, port: u16, source_port: u16) -> Result<(), Why> {
        let socket = self.sockets.get_mut::<tcp::Socket>(self.tcp);
        if socket.state() != tcp::State::Closed {
            socket.abort();
            // The reset leaves with the next poll; a socket that connects again forgets it.
            self.interface
                .poll(self.now, &mut self.phy, &mut self.sockets);
        }
        let socket = self.sockets.get_mut::<tcp::Socket>(self.tcp);
        socket
            .connect(
                self.interface.context(),
                (IpAddress::Ipv4(to), port),
                source_port,
            )
            .map_err(|_| Why::Local("address not usable"))?;
        self.connecting = true;
        Ok(())
    }

    fn state(&self) -> StreamState {
        let socket = self.sockets.get::<tcp::Socket>(self.tcp);
        if socket.may_recv() || socket.can_recv() {
            StreamState::Open
        } else if socket.is_active() && self.connecting {
            StreamState::Connecting
        } else {
            StreamState::Closed
        }
    }

    fn receive(&mut self, buf: &mut [u8]) -> usize {
        self.sockets
            .get_mut::<tcp::Socket>(self.tcp)
            .recv_slice(buf)
            .unwrap_or(0)
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        self.sockets
            .get_mut::<tcp::Socket>(self.tcp)
            .send_slice(bytes)
            .unwrap_or(0)
    }

    fn abort(&mut self) {
        self.connecting = false;
        // What TLS said last (an alert, close_notify) leaves first, as far as the window allows.
        self.interface
            .poll(self.now, &mut self.phy, &mut self.sockets);
        self.sockets.get_mut::<tcp::Socket>(self.tcp).abort();
    }

    fn name_servers(&self) -> Servers {
        self.name_servers
    }

    fn time_servers(&self) -> Servers {
        self.time_servers
    }

    fn send_datagram(
        &mut self,
        channel: Channel,
        source_port: u16,
        (to, port): (Ipv4Addr, u16),
        bytes: &[u8],
    ) -> bool {
        let handle = self.udp(channel);
        let socket = self.sockets.get_mut::<udp::Socket>(handle);
        // What came for the port before is not the answer to this.
        socket.close();
        socket.bind(source_port).is_ok()
            && socket
                .send_slice(bytes, (IpAddress::Ipv4(to), port))
                .is_ok()
    }

    fn receive_datagram(
        &mut self,
        channel: Channel,
        buf: &mut [u8],
    ) -> Option<(usize, (Ipv4Addr, u16))> {
        let handle = self.udp(channel);
        let socket = self.sockets.get_mut::<udp::Socket>(handle);
        loop {
            // One too large for `buf` is no answer to anything that we ask.
            match socket.recv_slice(buf) {
                Ok((len, from)) => {
                    let IpAddress::Ipv4(address) = from.endpoint.addr;
                    return Some((len, (address, from.endpoint.port)));
                }
                Err(udp::RecvError::Exhausted) => return None,
                Err(udp::RecvError::Truncated) => {}
            }
        }
    }
}

fn instant(now_us: u64) -> Instant {
    Instant::from_micros(i64::try_from(now_us).unwrap_or(i64::MAX))
}

/// smoltcp's view of a [`FrameDevice`].
struct Phy<'b, D> {
    device: D,
    receive: &'b mut [u8],
    send: &'b mut [u8],
}

impl<D: FrameDevice> Device for Phy<'_, D> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Sending<'a, D>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_, D>)> {
        // An answer may have to leave at once: do not take a frame before it can.
        if !self.device.can_send() {
            return None;
        }
        let len = self.device.receive(self.receive)?;
        Some((
            Received(self.receive.get(..len)?),
            Sending {
                device: &mut self.device,
                buffer: self.send,
            },
        ))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_, D>> {
        self.device.can_send().then_some(Sending {
            device: &mut self.device,
            buffer: self.send,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME.min(self.send.len());
        capabilities
    }
}

struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

struct Sending<'a, D> {
    device: &'a mut D,
    buffer: &'a mut [u8],
}

impl<D: FrameDevice> TxToken for Sending<'_, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        // smoltcp keeps to the MTU given above; the shortest slice keeps this total all the same.
        let len = len.min(self.buffer.len());
        let frame = self.buffer.get_mut(..len).unwrap_or_default();
        let result = f(frame);
        self.device.send(frame);
        result
    }
}
