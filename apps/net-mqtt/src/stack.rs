//! The network stack: smoltcp with DHCP and one TCP socket over a device of Ethernet frames.
//!
//! Owns the interface, its address and the socket. Does not own the device (a system call, or a
//! test's wire) or time.

use crate::{Stream, StreamState, Why};
use core::net::Ipv4Addr;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{dhcpv4, tcp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Cidr};

/// Largest frame without its check sequence, bytes.
pub const FRAME: usize = 1514;
/// TCP receive buffer, bytes, and so the window. All of it may arrive at once, faster than any
/// process or driver runs (QEMU's user network delivers a window in one go): it has to fit the
/// receive FIFO of the LAN9118, 10,560 bytes (reference/qemu-an547.md §5), in frames with 256
/// bytes of payload or more. What does not fit is lost without a word, and the sender's
/// retransmission takes a second or more.
pub const TCP_RECEIVE: usize = 8 * 1024;
/// One buffer of received frames with the tap driver, bytes: a whole window with the headers of
/// frames and chunks, since none is taken out before the process runs.
pub const FRAMES: usize = 12 * 1024;
/// TCP send buffer, bytes.
pub const TCP_SEND: usize = 4 * 1024;
/// An unanswered segment is given up after this time.
const TCP_TIMEOUT_MS: u64 = 30_000;

/// Room for the two sockets, empty.
pub const SOCKETS: [SocketStorage<'static>; 2] = [SocketStorage::EMPTY; 2];

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
    /// Two sockets.
    pub sockets: &'b mut [SocketStorage<'b>; 2],
}

/// The stack over `D`.
pub struct Stack<'b, D> {
    phy: Phy<'b, D>,
    interface: Interface,
    sockets: SocketSet<'b>,
    dhcp: SocketHandle,
    tcp: SocketHandle,
    address: Option<Ipv4Addr>,
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
        let dhcp = sockets.add(dhcpv4::Socket::new());
        let tcp = sockets.add(tcp);
        Stack {
            phy,
            interface,
            sockets,
            dhcp,
            tcp,
            address: None,
            connecting: false,
            now,
        }
    }

    /// The device underneath.
    pub fn device(&mut self) -> &mut D {
        &mut self.phy.device
    }

    fn configure(&mut self) {
        let event = self.sockets.get_mut::<dhcpv4::Socket>(self.dhcp).poll();
        let (address, router) = match event {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => (None, None),
            Some(dhcpv4::Event::Configured(lease)) => (Some(lease.address), lease.router),
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
