//! The router behind the wire: ARP, ICMP, DHCP, DNS, SNTP, and where TCP connections go.
//!
//! Owns smoltcp's interface, the three servers' sockets and the connections. Frames come in and go
//! out as bytes; the wire and its faults are not its business. Every address but the device's own
//! and its neighbours' is behind this router; what a connection to it means is a [`Service`].

use crate::dhcp::{self, Lease, Leases};
use crate::proxy::{Flow, Key, Pending};
use crate::wire::segment;
use crate::{Answer, Cut, Settings, dns, sntp};
use mio::{Registry, Token};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpCidr,
    IpEndpoint, Ipv4Address,
};
use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::SystemTime;

/// The router's own station address, locally administered.
const MAC: EthernetAddress = EthernetAddress([0x52, 0x55, 0x0A, 0, 2, 2]);
/// Largest frame, bytes, without check sequence.
const MTU: usize = 1514;
/// Ports of the servers.
const DHCP: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const DNS: u16 = 53;
const NTP: u16 = 123;

pub(crate) struct Router {
    interface: Interface,
    sockets: SocketSet<'static>,
    phy: Phy,
    lease: Lease,
    leases: Leases,
    servers: [SocketHandle; 3],
    pending: Vec<Pending>,
    flows: Vec<Flow>,
    /// Connections that were cut without a word: nothing of them is answered.
    silenced: BTreeSet<Key>,
}

#[derive(Default)]
struct Phy {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Router {
    pub(crate) fn new(lease: Lease, devices: usize, seed: u64, now: Instant) -> Router {
        let mut phy = Phy::default();
        let mut config = Config::new(MAC.into());
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut phy, now);
        let prefix = u32::from(lease.mask).count_ones() as u8;
        interface.update_ip_addrs(|addresses| {
            // The list is empty and has room for two.
            let _ = addresses.push(IpCidr::new(lease.router.into(), prefix));
        });
        // Whatever is not on this wire is ours to answer.
        let _ = interface.routes_mut().add_default_ipv4_route(lease.router);
        interface.set_any_ip(true);
        let mut sockets = SocketSet::new(Vec::new());
        let servers = [DHCP, DNS, NTP].map(|port| {
            let buffer =
                || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 32], vec![0; 16 * 1024]);
            let mut socket = udp::Socket::new(buffer(), buffer());
            // The port is not 0, and the socket is new.
            let _ = socket.bind(port);
            sockets.add(socket)
        });
        Router {
            interface,
            sockets,
            phy,
            lease,
            leases: Leases::new(lease, devices),
            servers,
            pending: Vec::new(),
            flows: Vec::new(),
            silenced: BTreeSet::new(),
        }
    }

    /// A frame of the device.
    pub(crate) fn input(
        &mut self,
        frame: Vec<u8>,
        settings: &Settings,
        registry: &Registry,
        mut token: impl FnMut() -> Token,
    ) {
        if self.is_foreign_arp(&frame) {
            return;
        }
        let Some(segment) = segment(&frame) else {
            self.phy.incoming.push_back(frame);
            return;
        };
        let key = (segment.source, segment.destination);
        if segment.opens {
            self.silenced.remove(&key);
            if self.pending.iter().any(|p| p.key == key) {
                // Asked again, while the host's side is being made.
                return;
            }
            self.forget_finished(key);
            if !self.flows.iter().any(|f| f.key == key) {
                match settings.answer(segment.destination) {
                    Answer::Proxy(to) => {
                        let pending = Pending::start(key, frame, to, registry, token());
                        // A host that has no socket left: as if the frame were lost.
                        self.pending.extend(pending);
                        return;
                    }
                    Answer::Blackhole => return,
                    // No socket listens there: smoltcp refuses.
                    Answer::Refuse => {}
                }
            }
        }
        if !self.silenced.contains(&key) && !blackholed(settings, segment.destination) {
            self.phy.incoming.push_back(frame);
        }
    }

    /// An ARP request for an address that is not the router's to answer.
    fn is_foreign_arp(&self, frame: &[u8]) -> bool {
        let Ok(frame) = EthernetFrame::new_checked(frame) else {
            return true;
        };
        if frame.ethertype() != EthernetProtocol::Arp {
            return false;
        }
        let arp = ArpPacket::new_checked(frame.payload());
        match arp.as_ref().map(ArpRepr::parse) {
            Ok(Ok(ArpRepr::EthernetIpv4 {
                target_protocol_addr,
                ..
            })) => {
                ![self.lease.router, self.lease.dns, self.lease.ntp].contains(&target_protocol_addr)
            }
            _ => true,
        }
    }

    /// A connection with these ends that only waits for stray segments makes room for a new one.
    fn forget_finished(&mut self, key: Key) {
        let sockets = &mut self.sockets;
        self.flows.retain(|flow| {
            let state = sockets.get::<tcp::Socket>(flow.handle).state();
            let finished = matches!(state, tcp::State::TimeWait | tcp::State::Closed);
            if flow.key == key && finished {
                sockets.remove(flow.handle);
                return false;
            }
            true
        });
    }

    /// Does what is due.
    pub(crate) fn poll(&mut self, now: Instant, settings: &Settings) {
        self.settle_pending();
        self.interface.poll(now, &mut self.phy, &mut self.sockets);
        self.serve(settings);
        let sockets = &mut self.sockets;
        self.flows.retain_mut(|flow| {
            let lives = flow.pump(sockets.get_mut::<tcp::Socket>(flow.handle));
            if !lives {
                sockets.remove(flow.handle);
            }
            lives
        });
        self.interface.poll(now, &mut self.phy, &mut self.sockets);
    }

    /// When smoltcp wants to be called again.
    pub(crate) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.interface.poll_at(now, &self.sockets)
    }

    /// The next frame for the device.
    pub(crate) fn output(&mut self) -> Option<Vec<u8>> {
        self.phy.outgoing.pop_front()
    }

    fn settle_pending(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            match pending.outcome() {
                None => self.pending.push(pending),
                Some(Ok(())) => {
                    let (flow, syn) = pending.accept(&mut self.sockets);
                    self.flows.push(flow);
                    self.phy.incoming.push_back(syn);
                }
                // Refused by the host: refused by the router.
                Some(Err(_)) => self.phy.incoming.push_back(pending.syn),
            }
        }
    }

    fn serve(&mut self, settings: &Settings) {
        let [dhcp, dns, ntp] = self.servers;
        let lease = self.lease;
        let broadcast = |(to, bytes): (Ipv4Addr, Vec<u8>)| {
            let to = IpEndpoint::new(IpAddress::Ipv4(to), DHCP_CLIENT);
            let from: Ipv4Address = lease.router;
            (to, Some(from.into()), bytes)
        };
        let mut leases = std::mem::replace(&mut self.leases, Leases::new(lease, 1));
        self.each(dhcp, |_, request| {
            dhcp::answer(&mut leases, request).map(broadcast)
        });
        self.leases = leases;
        self.each(dns, |from, request| {
            let bytes = dns::answer(&settings.names, request)?;
            Some((from.endpoint, from.local_address, bytes))
        });
        self.each(ntp, |from, request| {
            let bytes = sntp::answer(settings.time, request, SystemTime::now())?;
            Some((from.endpoint, from.local_address, bytes))
        });
    }

    fn each(
        &mut self,
        server: SocketHandle,
        mut answer: impl FnMut(
            &udp::UdpMetadata,
            &[u8],
        ) -> Option<(IpEndpoint, Option<IpAddress>, Vec<u8>)>,
    ) {
        let socket = self.sockets.get_mut::<udp::Socket>(server);
        while let Ok((request, from)) = socket.recv() {
            if let Some((to, local_address, bytes)) = answer(&from, request) {
                let mut metadata = udp::UdpMetadata::from(to);
                metadata.local_address = local_address;
                // A full buffer loses the answer, as a busy server would.
                let _ = socket.send_slice(&bytes, metadata);
            }
        }
    }

    /// The device with this address is gone, or, with none, every one: so is all that it opened.
    pub(crate) fn unplugged(&mut self, address: Option<Ipv4Addr>) {
        let Some(address) = address else {
            self.cut(Cut::Silence);
            return self.silenced.clear();
        };
        let its = |key: &Key| key.0.0 == address;
        self.pending.retain(|pending| !its(&pending.key));
        let sockets = &mut self.sockets;
        self.flows.retain_mut(|flow| {
            if its(&flow.key) {
                flow.forget();
                sockets.remove(flow.handle);
            }
            !its(&flow.key)
        });
        self.silenced.retain(|key| !its(key));
    }

    /// Ends every connection.
    pub(crate) fn cut(&mut self, how: Cut) {
        self.pending.clear();
        let sockets = &mut self.sockets;
        match how {
            Cut::Reset => {
                for flow in &mut self.flows {
                    flow.reset(sockets.get_mut::<tcp::Socket>(flow.handle));
                }
            }
            Cut::Silence => {
                for mut flow in self.flows.drain(..) {
                    flow.forget();
                    sockets.remove(flow.handle);
                    self.silenced.insert(flow.key);
                }
            }
        }
    }
}

fn blackholed(settings: &Settings, to: (Ipv4Addr, u16)) -> bool {
    settings.answer(to) == Answer::Blackhole
}

impl phy::Device for Phy {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending<'_>)> {
        let frame = self.incoming.pop_front()?;
        Some((Received(frame), Sending(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Sending<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}
