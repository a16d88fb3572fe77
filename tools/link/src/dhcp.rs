//! The router's DHCP server: an address for each device, always the same.
//!
//! Owns who gets which address: the first of [`Leases`] is the first device's, and a station that
//! had one gets it again. Owns what is offered (RFC 2131, options of RFC 2132); the wire format is smoltcp's. Total: what
//! does not parse, or is no client's request, gets no answer.

use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};
use std::net::Ipv4Addr;

/// Which station has which address; as many as there may be devices on the wire.
#[derive(Debug)]
pub(crate) struct Leases {
    first: Lease,
    stations: Vec<EthernetAddress>,
    most: usize,
}

impl Leases {
    pub(crate) fn new(first: Lease, most: usize) -> Leases {
        Leases {
            first,
            stations: Vec::new(),
            most: most.max(1),
        }
    }

    /// The lease of a station. A single device may change its station; of several, one too many
    /// gets none.
    pub(crate) fn of(&mut self, station: EthernetAddress) -> Option<Lease> {
        let known = self.stations.iter().position(|s| *s == station);
        let place = match known {
            Some(place) => place,
            None if self.most == 1 => 0,
            None if self.stations.len() < self.most => {
                self.stations.push(station);
                self.stations.len() - 1
            }
            None => return None,
        };
        let mut lease = self.first;
        lease.address = Ipv4Addr::from(u32::from(lease.address) + place as u32);
        Some(lease)
    }
}

/// What the device is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its address.
    pub address: Ipv4Addr,
    /// Subnet mask.
    pub mask: Ipv4Addr,
    /// Router, DHCP server, name server and time server.
    pub router: Ipv4Addr,
    /// Name server.
    pub dns: Ipv4Addr,
    /// Time server, option 42.
    pub ntp: Ipv4Addr,
    /// Seconds.
    pub duration: u32,
}

/// NTP servers (RFC 2132 §8.3).
const OPTION_NTP: u8 = 42;

/// The answer to a request, and the address to send it to.
pub(crate) fn answer(leases: &mut Leases, message: &[u8]) -> Option<(Ipv4Addr, Vec<u8>)> {
    let packet = DhcpPacket::new_checked(message).ok()?;
    let request = DhcpRepr::parse(&packet).ok()?;
    let lease = leases.of(request.client_hardware_address)?;
    let ours = request
        .server_identifier
        .is_none_or(|server| server == lease.router);
    let message_type = match request.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        // Another server's offer was taken.
        DhcpMessageType::Request if !ours => return None,
        DhcpMessageType::Request => {
            let bound = Some(request.client_ip).filter(|ip| !ip.is_unspecified());
            match request.requested_ip.or(bound) {
                Some(wanted) if wanted == lease.address => DhcpMessageType::Ack,
                _ => DhcpMessageType::Nak,
            }
        }
        _ => return None,
    };
    let granted = message_type != DhcpMessageType::Nak;
    let unspecified = Ipv4Addr::UNSPECIFIED;
    let ntp = lease.ntp.octets();
    let options = [DhcpOption {
        kind: OPTION_NTP,
        data: &ntp,
    }];
    let reply = DhcpRepr {
        message_type,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: if granted {
            request.client_ip
        } else {
            unspecified
        },
        your_ip: if granted { lease.address } else { unspecified },
        server_ip: lease.router,
        router: granted.then_some(lease.router),
        subnet_mask: granted.then_some(lease.mask),
        relay_agent_ip: unspecified,
        broadcast: request.broadcast,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(lease.router),
        parameter_request_list: None,
        dns_servers: granted.then(|| [lease.dns].into_iter().collect()),
        max_size: None,
        lease_duration: granted.then_some(lease.duration),
        renew_duration: None,
        rebind_duration: None,
        additional_options: if granted { &options } else { &[] },
    };
    let mut out = vec![0; reply.buffer_len()];
    reply.emit(&mut DhcpPacket::new_unchecked(&mut out)).ok()?;
    let to = if granted && !request.client_ip.is_unspecified() {
        request.client_ip
    } else {
        Ipv4Addr::BROADCAST
    };
    Some((to, out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Random;

    const LEASE: Lease = Lease {
        address: Ipv4Addr::new(10, 0, 2, 15),
        mask: Ipv4Addr::new(255, 255, 255, 0),
        router: Ipv4Addr::new(10, 0, 2, 2),
        dns: Ipv4Addr::new(10, 0, 2, 3),
        ntp: Ipv4Addr::new(10, 0, 2, 4),
        duration: 86_400,
    };

    fn leases() -> Leases {
        Leases::new(LEASE, 1)
    }

    fn request(message_type: DhcpMessageType, wanted: Option<Ipv4Addr>) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let repr = DhcpRepr {
            message_type,
            transaction_id: 0x1234_5678,
            secs: 0,
            client_hardware_address: EthernetAddress([2, 0, 0, 0, 0, 1]),
            client_ip: none,
            your_ip: none,
            server_ip: none,
            router: None,
            subnet_mask: None,
            relay_agent_ip: none,
            broadcast: false,
            requested_ip: wanted,
            client_identifier: Some(EthernetAddress([2, 0, 0, 0, 0, 1])),
            server_identifier: None,
            parameter_request_list: Some(&[1, 3, 6, 42]),
            dns_servers: None,
            max_size: Some(1432),
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut out = vec![0; repr.buffer_len()];
        repr.emit(&mut DhcpPacket::new_unchecked(&mut out)).unwrap();
        out
    }

    #[test]
    fn an_offer_names_router_name_server_and_time_server() {
        let (to, bytes) = answer(&mut leases(), &request(DhcpMessageType::Discover, None)).unwrap();
        assert_eq!(to, Ipv4Addr::BROADCAST);
        let packet = DhcpPacket::new_checked(&bytes[..]).unwrap();
        let repr = DhcpRepr::parse(&packet).unwrap();
        assert_eq!(repr.message_type, DhcpMessageType::Offer);
        assert_eq!(repr.transaction_id, 0x1234_5678);
        assert_eq!(repr.your_ip, LEASE.address);
        assert_eq!(repr.router, Some(LEASE.router));
        assert_eq!(repr.dns_servers.unwrap()[..], [LEASE.dns]);
        let ntp = packet.options().find(|o| o.kind == OPTION_NTP).unwrap();
        assert_eq!(ntp.data, LEASE.ntp.octets());
    }

    #[test]
    fn only_the_offered_address_is_acknowledged() {
        let kind = |wanted| {
            let request = request(DhcpMessageType::Request, wanted);
            let (_, bytes) = answer(&mut leases(), &request).unwrap();
            let packet = DhcpPacket::new_checked(&bytes[..]).unwrap();
            DhcpRepr::parse(&packet).unwrap().message_type
        };
        assert_eq!(kind(Some(LEASE.address)), DhcpMessageType::Ack);
        let other = Ipv4Addr::new(10, 0, 2, 16);
        assert_eq!(kind(Some(other)), DhcpMessageType::Nak);
        assert_eq!(
            answer(&mut leases(), &request(DhcpMessageType::Release, None)),
            None
        );
    }

    #[test]
    fn each_station_keeps_its_address() {
        let station = |last| EthernetAddress([2, 0, 0, 0, 0, last]);
        let address = |leases: &mut Leases, last| leases.of(station(last)).map(|l| l.address);
        let mut two = Leases::new(LEASE, 2);
        let (first, second) = (LEASE.address, Ipv4Addr::new(10, 0, 2, 16));
        for (last, wanted) in [
            (7, Some(first)),
            (8, Some(second)),
            (7, Some(first)),
            (9, None),
            (8, Some(second)),
        ] {
            assert_eq!(address(&mut two, last), wanted);
        }
        let mut one = Leases::new(LEASE, 1);
        assert_eq!(address(&mut one, 7), Some(first));
        assert_eq!(address(&mut one, 8), Some(first));
    }

    #[test]
    fn no_bytes_make_it_fall() {
        let mut random = Random(11);
        for wanted in [None, Some(LEASE.address)] {
            let whole = request(DhcpMessageType::Request, wanted);
            for _ in 0..20_000 {
                if let Some((_, out)) = answer(&mut leases(), &random.damage(&whole)) {
                    assert!(DhcpPacket::new_checked(&out[..]).is_ok());
                }
            }
        }
    }
}
