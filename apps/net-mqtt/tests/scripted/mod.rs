//! The device's session and clients against a broker that a test writes, in time that it moves.
//!
//! Owns no rule: what the broker says and when is the test's affair; it acknowledges unless mute.
#![allow(dead_code)]

use mqtt_ipc::{Client, Event, Link, MESSAGE_BUFFER, Page, Qos, Status};
use net_mqtt::exchange::Exchange;
use net_mqtt::mqtt::{Incoming, parse, split};
use net_mqtt::service::Service;
use net_mqtt::{POOL, Why};

pub type Ipc = Client<&'static Page, fn()>;

/// What a client was told; states are true for online.
#[derive(Debug, PartialEq, Clone)]
pub enum Heard {
    State(bool),
    Result(u32, Status),
    Message(Vec<u8>),
    Missed(u16),
}

/// The device's half, and all that its broker needs.
pub struct Bench {
    pub exchange: Exchange<'static>,
    pub service: Service<'static, &'static Page>,
    pub clients: Vec<Ipc>,
    pub now: u64,
    /// The broker acknowledges nothing.
    pub mute: bool,
    /// Identifier of the broker's next message.
    pub id: u16,
}

impl Bench {
    pub fn new(clients: usize) -> Bench {
        let mut service = Service::new(vec![0; POOL].leak());
        let clients = (0..clients)
            .map(|index| {
                let page: &'static Page = Box::leak(Box::new(Page::new()));
                assert!(service.attach(index, page));
                Client::new(page, (|| ()) as fn())
            })
            .collect();
        Bench {
            exchange: Exchange::new("thing", vec![0; 6656].leak(), vec![0; 6144].leak()),
            service,
            clients,
            now: 1,
            mute: false,
            id: 1,
        }
    }

    /// Everything the device wrote, packet by packet.
    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let output = self.exchange.output(self.now).to_vec();
            if output.is_empty() {
                break;
            }
            bytes.extend_from_slice(&output);
            self.exchange.wrote(output.len(), self.now);
        }
        let mut packets = Vec::new();
        while !bytes.is_empty() {
            let len = split(&bytes).unwrap().unwrap();
            packets.push(bytes.drain(..len).collect());
        }
        packets
    }

    pub fn says(&mut self, bytes: &[u8]) {
        let room = self.exchange.room();
        assert!(room.len() >= bytes.len(), "the device does not read");
        room[..bytes.len()].copy_from_slice(bytes);
        self.exchange.arrived(bytes.len(), self.now);
    }

    /// Turns until nothing happens any more; the broker acknowledges. What the device sent.
    pub fn run(&mut self) -> Result<Vec<Vec<u8>>, Why> {
        let mut all = Vec::new();
        loop {
            let busy = self.exchange.turn(&mut self.service, self.now)?;
            let sent = self.sent();
            let mute = self.mute;
            for packet in sent.iter().filter(|_| !mute) {
                match packet[0] {
                    0x32 | 0x3A => {
                        let Ok(Incoming::Publish(publish)) = parse(packet) else {
                            panic!();
                        };
                        let [high, low] = publish.id.to_be_bytes();
                        self.says(&[0x40, 2, high, low]);
                    }
                    0x82 | 0xA2 => {
                        let (kind, reason) = if packet[0] == 0x82 {
                            (0x90, 1)
                        } else {
                            (0xB0, 0)
                        };
                        let at = packet.len() - filter_tail(packet);
                        self.says(&[kind, 4, packet[at], packet[at + 1], 0, reason]);
                    }
                    0xC0 => self.says(&[0xD0, 0]),
                    _ => {}
                }
            }
            let idle = sent.is_empty();
            all.extend(sent);
            if !busy && idle {
                return Ok(all);
            }
        }
    }

    /// CONNECT and CONNACK; what the device sent after that.
    pub fn connect(&mut self, present: bool) -> Vec<Vec<u8>> {
        self.exchange.connect(self.now);
        let sent = self.sent();
        assert_eq!((sent.len(), sent[0][0]), (1, 0x10));
        self.says(&[0x20, 3, u8::from(present), 0, 0]);
        self.run().unwrap()
    }

    pub fn lose(&mut self) {
        self.exchange.disconnected(&mut self.service, self.now);
        self.service.deliver();
    }

    /// A message of the broker on `topic` (under 256 bytes), at QoS 1.
    pub fn message(&mut self, topic: &str, payload: &[u8]) {
        self.id = self.id.checked_add(1).unwrap_or(1);
        let [high, low] = self.id.to_be_bytes();
        let mut left = topic.len() + payload.len() + 5;
        let mut head = vec![0x32];
        while left >= 128 {
            head.push(left as u8 | 0x80);
            left >>= 7;
        }
        head.extend([left as u8, 0, topic.len() as u8]);
        self.says(&[&head, topic.as_bytes(), &[high, low, 0], payload].concat());
    }

    /// Everything that client `index` is told.
    pub fn hear(&mut self, index: usize) -> Vec<Heard> {
        let mut buf = [0; MESSAGE_BUFFER];
        let mut heard = Vec::new();
        loop {
            let went = self.service.deliver();
            heard.push(match self.clients[index].poll(&mut buf).unwrap() {
                Some(Event::State(link)) => Heard::State(link == Link::Online),
                Some(Event::Result { seq, status }) => Heard::Result(seq, status),
                Some(Event::Message { payload, .. }) => Heard::Message(payload.into()),
                Some(Event::Missed(count)) => Heard::Missed(count),
                None if went => continue,
                None => return heard,
            });
        }
    }

    pub fn subscribe(&mut self, index: usize, filter: &str) {
        self.run().unwrap();
        self.hear(index);
        let seq = self.clients[index]
            .subscribe(filter, Qos::AtLeastOnce)
            .unwrap();
        self.run().unwrap();
        let heard = self.hear(index);
        assert!(heard.contains(&Heard::Result(seq, Status::Ok)), "{heard:?}");
    }
}

/// Bytes from the identifier of a SUBSCRIBE or UNSUBSCRIBE to its end.
pub fn filter_tail(packet: &[u8]) -> usize {
    let len_bytes = 1 + packet[1..].iter().position(|b| b & 0x80 == 0).unwrap();
    packet.len() - 1 - len_bytes
}

/// Payloads of the QoS 1 messages among `packets`, with DUP and identifier.
pub fn messages(packets: &[Vec<u8>]) -> Vec<(bool, u16, Vec<u8>)> {
    let all = packets.iter().filter_map(|packet| match parse(packet) {
        Ok(Incoming::Publish(p)) => Some((p.dup, p.id, p.payload.to_vec())),
        _ => None,
    });
    all.collect()
}

pub fn kinds(packets: &[Vec<u8>]) -> Vec<u8> {
    packets.iter().map(|packet| packet[0]).collect()
}
