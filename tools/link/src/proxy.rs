//! TCP connections of the device, carried on by sockets of the host.
//!
//! Owns one connection on both sides: the router's TCP socket towards the device and the host's
//! towards the listener. A half-close, a reset and a full buffer on one side become the same on
//! the other. A connection is answered to the device only when the host's side stands.

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{self, State};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::Duration;

/// The device's end and the end that it called.
pub(crate) type Key = ((Ipv4Addr, u16), (Ipv4Addr, u16));

/// Bytes under way to the device at most; more than any window of its.
const TO_DEVICE: usize = 256 * 1024;
/// Bytes from the device that the host has not taken: the window that the device sees.
const FROM_DEVICE: usize = 64 * 1024 - 1;

/// A connection whose host side is still being made, and the frame that asked for it.
pub(crate) struct Pending {
    pub(crate) key: Key,
    pub(crate) syn: Vec<u8>,
    host: TcpStream,
}

impl Pending {
    pub(crate) fn start(
        key: Key,
        syn: Vec<u8>,
        to: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Pending> {
        let mut host = TcpStream::connect(to)?;
        registry.register(&mut host, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Pending { key, syn, host })
    }

    /// Whether the host's side stands, or why it never will; `None` while it is open.
    pub(crate) fn outcome(&self) -> Option<io::Result<()>> {
        if let Ok(Some(error)) | Err(error) = self.host.take_error() {
            return Some(Err(error));
        }
        match self.host.peer_addr() {
            Ok(_) => Some(Ok(())),
            Err(e) if e.kind() == io::ErrorKind::NotConnected => None,
            Err(e) => Some(Err(e)),
        }
    }

    /// Listens for the frame that asked, on the router's side.
    pub(crate) fn accept(self, sockets: &mut SocketSet<'static>) -> (Flow, Vec<u8>) {
        let mut socket = tcp::Socket::new(
            tcp::SocketBuffer::new(vec![0; FROM_DEVICE]),
            tcp::SocketBuffer::new(vec![0; TO_DEVICE]),
        );
        socket.set_nagle_enabled(false);
        // As soon as can be told apart from at once: a device that waits for it waits for the wire.
        socket.set_ack_delay(Some(Duration::from_millis(1).into()));
        let (_, (address, port)) = self.key;
        // The port is not 0 (a segment to port 0 is nobody's), and the socket is new.
        let _ = socket.listen((address, port));
        let _ = self.host.set_nodelay(true);
        let flow = Flow {
            key: self.key,
            handle: sockets.add(socket),
            host: Some(self.host),
            host_ended: false,
            device_ended: false,
        };
        (flow, self.syn)
    }
}

/// A connection.
pub(crate) struct Flow {
    pub(crate) key: Key,
    pub(crate) handle: SocketHandle,
    host: Option<TcpStream>,
    /// The host has said its last byte.
    host_ended: bool,
    /// The device has, and the host was told.
    device_ended: bool,
}

impl Flow {
    /// Moves what can move; `false` when the connection is over and its socket may go.
    pub(crate) fn pump(&mut self, socket: &mut tcp::Socket<'static>) -> bool {
        let Some(host) = &mut self.host else {
            return socket.state() != State::Closed;
        };
        let up = to_host(socket, host);
        let over = matches!(
            socket.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
        let mut ended = Ok(());
        if up.is_ok() && over && socket.recv_queue() == 0 && !self.device_ended {
            self.device_ended = true;
            ended = host.shutdown(Shutdown::Write);
        }
        let down = match self.host_ended {
            false => to_device(socket, host),
            true => Ok(false),
        };
        match (up, ended, down) {
            (Ok(()), Ok(()), Ok(false)) => {}
            (Ok(()), Ok(()), Ok(true)) => {
                self.host_ended = true;
                // The end follows what is queued.
                socket.close();
            }
            _ => {
                socket.abort();
                self.host = None;
                return true;
            }
        }
        let both = self.host_ended && self.device_ended;
        if socket.state() == State::Closed && !both {
            // The device has reset, or never came.
            reset(host);
        }
        if both || socket.state() == State::Closed {
            self.host = None;
        }
        self.host.is_some() || socket.state() != State::Closed
    }

    /// Ends both sides with a reset; the device's leaves with the next poll.
    pub(crate) fn reset(&mut self, socket: &mut tcp::Socket<'static>) {
        socket.abort();
        self.forget();
    }

    /// Resets the host's side; the device is told nothing.
    pub(crate) fn forget(&mut self) {
        if let Some(host) = self.host.take() {
            reset(&host);
        }
    }
}

/// The close of this socket, which follows, is to be a reset.
fn reset(host: &TcpStream) {
    // Else it is a plain close, and the peer sees an end instead.
    let _ = SockRef::from(host).set_linger(Some(Duration::ZERO));
}

fn to_host(socket: &mut tcp::Socket<'static>, host: &mut TcpStream) -> io::Result<()> {
    while socket.can_recv() {
        let moved = socket.recv(|bytes| match host.write(bytes) {
            Ok(n) => (n, Ok(n)),
            Err(e) => (0, Err(e)),
        });
        match moved.unwrap_or(Ok(0)) {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Whether the host has ended.
fn to_device(socket: &mut tcp::Socket<'static>, host: &mut TcpStream) -> io::Result<bool> {
    while socket.can_send() {
        let moved = socket.send(|room| match host.read(room) {
            Ok(n) => (n, Ok(n)),
            Err(e) => (0, Err(e)),
        });
        match moved {
            Ok(Ok(0)) => return Ok(true),
            Ok(Ok(_)) => {}
            Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(e)) if e.kind() == io::ErrorKind::WouldBlock => break,
            Ok(Err(e)) => return Err(e),
            // Not open for sending, which `can_send` ruled out.
            Err(_) => break,
        }
    }
    Ok(false)
}
