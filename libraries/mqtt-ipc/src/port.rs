//! The service's end of one client's page.
//!
//! Owns what a client's request may look like. Does not own subscriptions or queues: net-mqtt
//! keeps them, one [`Port`] per client.

use crate::mailbox::{Header, Kind, Mailbox, Memory};
use crate::{Error, Link, MAX_PAYLOAD, MAX_TOPIC, Qos, Status};

/// What a client asks for; `'b` is the buffer given to [`Port::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'b> {
    /// The client (re)started: drop its subscriptions, report the state.
    Open,
    /// Publish.
    Publish {
        /// Topic name, checked: not empty, no wildcard.
        topic: &'b str,
        /// Payload bytes.
        payload: &'b [u8],
        /// Level asked for.
        qos: Qos,
    },
    /// Subscribe.
    Subscribe {
        /// Topic filter, checked for form.
        filter: &'b str,
        /// Highest level wanted.
        qos: Qos,
    },
    /// Unsubscribe.
    Unsubscribe {
        /// Topic filter.
        filter: &'b str,
    },
    /// Report the link state.
    Query,
}

/// The service's view of one client's page.
pub struct Port<M> {
    page: M,
    seq: u32,
}

impl<M: Memory> Port<M> {
    /// A port over the page that a client shares.
    pub fn new(page: M) -> Self {
        Port { page, seq: 0 }
    }

    /// The client shares another page from now on.
    pub fn replace(&mut self, page: M) {
        self.page = page;
    }

    /// Takes the waiting request, if any, with its number; frees the mailbox (then notify the
    /// client). A request that is no request is taken too, and answered [`Status::Invalid`] by
    /// the caller: `Some((seq, Err(_)))`.
    pub fn take<'b>(&mut self, buf: &'b mut [u8]) -> Option<(u32, Result<Request<'b>, Error>)> {
        let taken = Mailbox::ToService.peek(&self.page, buf);
        if matches!(taken, Ok(None)) {
            return None;
        }
        Mailbox::ToService.clear(&self.page);
        let header = match taken {
            Ok(Some(header)) => header,
            Ok(None) => return None,
            Err(error) => return Some((0, Err(error))),
        };
        Some((header.seq, parse(&header, buf)))
    }

    /// Whether a request (or something malformed) waits.
    pub fn has_request(&self) -> bool {
        Mailbox::ToService.is_full(&self.page)
    }

    /// Whether the client has taken the previous message.
    pub fn can_send(&self) -> bool {
        !Mailbox::ToClient.is_full(&self.page)
    }

    /// Delivers a message (then notify the client).
    ///
    /// # Errors
    /// [`Error::Busy`] when the mailbox is full, [`Error::TooLarge`] past the limits.
    pub fn send_message(&mut self, topic: &str, payload: &[u8], qos: Qos) -> Result<(), Error> {
        if topic.len() > MAX_TOPIC || payload.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge);
        }
        let seq = self.seq.wrapping_add(1);
        self.put(seq, Kind::Message, qos, 0, topic.as_bytes(), payload)?;
        self.seq = seq;
        Ok(())
    }

    /// Answers request `seq` (then notify the client).
    ///
    /// # Errors
    /// [`Error::Busy`] when the mailbox is full.
    pub fn send_result(&mut self, seq: u32, status: Status) -> Result<(), Error> {
        self.put(seq, Kind::Result, Qos::AtMostOnce, status as u16, b"", b"")
    }

    /// Reports the link state and the thing's name, empty while there is none (then notify the
    /// client).
    ///
    /// # Errors
    /// [`Error::Busy`] when the mailbox is full.
    pub fn send_state(&mut self, link: Link, thing: &str) -> Result<(), Error> {
        let (link, thing) = (link as u16, thing.as_bytes());
        self.put(0, Kind::State, Qos::AtMostOnce, link, thing, b"")
    }

    /// Tells that `count` messages were lost because the client did not read (then notify it).
    ///
    /// # Errors
    /// [`Error::Busy`] when the mailbox is full.
    pub fn send_missed(&mut self, count: u16) -> Result<(), Error> {
        self.put(0, Kind::Missed, Qos::AtMostOnce, count, b"", b"")
    }

    fn put(
        &self,
        seq: u32,
        kind: Kind,
        qos: Qos,
        status: u16,
        topic: &[u8],
        payload: &[u8],
    ) -> Result<(), Error> {
        let header = Header {
            seq,
            kind,
            qos,
            status,
            topic_len: 0,
            payload_len: 0,
        };
        Mailbox::ToClient.put(&self.page, header, topic, payload)
    }
}

fn parse<'b>(header: &Header, buf: &'b [u8]) -> Result<Request<'b>, Error> {
    let (topic, rest) = buf
        .split_at_checked(header.topic_len.into())
        .ok_or(Error::Malformed)?;
    let payload = rest
        .get(..header.payload_len as usize)
        .ok_or(Error::Malformed)?;
    let topic = core::str::from_utf8(topic).map_err(|_| Error::BadTopic)?;
    let qos = header.qos;
    match header.kind {
        Kind::Open => Ok(Request::Open),
        Kind::Query => Ok(Request::Query),
        Kind::Publish if is_topic(topic) => Ok(Request::Publish {
            topic,
            payload,
            qos,
        }),
        Kind::Subscribe if is_filter(topic) => Ok(Request::Subscribe { filter: topic, qos }),
        Kind::Unsubscribe if is_filter(topic) => Ok(Request::Unsubscribe { filter: topic }),
        Kind::Publish | Kind::Subscribe | Kind::Unsubscribe => Err(Error::BadTopic),
        _ => Err(Error::Malformed),
    }
}

/// A topic name (MQTT 5 §4.7.1, §4.7.3): not empty, no wildcard, no NUL.
fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#', '\0'])
}

/// A topic filter (MQTT 5 §4.7.1): `+` and `#` only as whole levels, `#` only last.
fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wild = level.contains(['+', '#']);
        if wild && (level.len() != 1 || (level == "#" && levels.peek().is_some())) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, Event, MAX_REQUEST, MESSAGE_BUFFER, Page};
    use std::cell::Cell;

    #[test]
    fn both_ends_talk() {
        let page = Page::new();
        let bells = Cell::new(0);
        let mut client = Client::new(&page, || bells.set(bells.get() + 1));
        let mut port = Port::new(&page);
        let mut buf = [0u8; MESSAGE_BUFFER];

        assert_eq!(port.take(&mut buf), Some((1, Ok(Request::Open))));
        assert_eq!(client.subscribe("a/+", Qos::AtLeastOnce), Ok(2));
        assert_eq!(client.publish("x", b"y", Qos::AtMostOnce), Err(Error::Busy));
        assert_eq!(
            port.take(&mut buf),
            Some((
                2,
                Ok(Request::Subscribe {
                    filter: "a/+",
                    qos: Qos::AtLeastOnce
                })
            ))
        );
        assert_eq!(port.take(&mut buf), None);
        assert_eq!(client.publish("x/y", b"hello", Qos::AtLeastOnce), Ok(3));
        assert_eq!(
            port.take(&mut buf),
            Some((
                3,
                Ok(Request::Publish {
                    topic: "x/y",
                    payload: b"hello",
                    qos: Qos::AtLeastOnce
                })
            ))
        );

        let big = [0xA5; MAX_PAYLOAD];
        port.send_message("a/b", &big, Qos::AtLeastOnce).unwrap();
        assert_eq!(port.send_result(3, Status::Ok), Err(Error::Busy));
        assert_eq!(
            client.poll(&mut buf),
            Ok(Some(Event::Message {
                topic: "a/b",
                payload: &big,
                qos: Qos::AtLeastOnce
            }))
        );
        port.send_result(3, Status::Refused).unwrap();
        assert_eq!(
            client.poll(&mut buf),
            Ok(Some(Event::Result {
                seq: 3,
                status: Status::Refused
            }))
        );
        assert_eq!(client.thing(), None);
        port.send_state(Link::Online, "lamp-7").unwrap();
        assert_eq!(client.poll(&mut buf), Ok(Some(Event::State(Link::Online))));
        assert_eq!(client.thing(), Some("lamp-7"));
        assert_eq!(client.poll(&mut buf), Ok(None));
        assert_eq!(bells.get(), 6, "three requests, three messages taken");
        client.query().unwrap();
        assert_eq!(client.poll(&mut buf), Ok(None));
        assert_eq!(client.poll(&mut buf), Ok(None));
        assert_eq!(
            bells.get(),
            8,
            "a request that was not heard of is rung again"
        );
    }

    #[test]
    fn limits_are_named() {
        let page = Page::new();
        let mut client = Client::new(&page, || ());
        let mut port = Port::new(&page);
        let mut buf = [0u8; MESSAGE_BUFFER];
        port.take(&mut buf);
        let most = [1u8; MAX_REQUEST - 4];
        assert_eq!(
            client.publish("abcde", &most, Qos::AtMostOnce),
            Err(Error::TooLarge)
        );
        assert_eq!(
            client.publish("a/+", b"", Qos::AtMostOnce),
            Err(Error::BadTopic)
        );
        assert_eq!(
            client.publish("", b"", Qos::AtMostOnce),
            Err(Error::BadTopic)
        );
        assert!(client.publish("abcd", &most, Qos::AtMostOnce).is_ok());
        let got = port.take(&mut buf);
        assert!(
            matches!(got, Some((_, Ok(Request::Publish { topic: "abcd", payload, .. }))) if payload == most)
        );
        assert_eq!(
            port.send_message("t", &[0; MAX_PAYLOAD + 1], Qos::AtMostOnce),
            Err(Error::TooLarge)
        );
        // A buffer too small for what waits: the message is gone, the mailbox free.
        port.send_message("t", &[0; 100], Qos::AtMostOnce).unwrap();
        assert_eq!(client.poll(&mut [0; 50]), Err(Error::TooLarge));
        assert!(port.can_send());
    }

    #[test]
    fn filters_have_form() {
        for good in [
            "a",
            "a/b",
            "+",
            "#",
            "a/+/b",
            "a/#",
            "/",
            "$aws/things/t/jobs/notify-next",
        ] {
            assert!(is_filter(good), "{good}");
        }
        for bad in ["", "a+", "a/#/b", "#/a", "a/b#", "a\0b", "++"] {
            assert!(!is_filter(bad), "{bad}");
        }
    }

    /// A client may write anything at any time: `take` never panics, and always frees the box.
    #[test]
    fn hostile_requests_are_taken_and_refused() {
        let page = Page::new();
        let mut port = Port::new(&page);
        let mut buf = [0u8; MESSAGE_BUFFER];
        let mut x = 88_172_645_463_325_252_u64;
        let (mut good, mut bad) = (0, 0);
        for round in 0..20_000u32 {
            for word in 1604..1604 + 64 {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                let mask = match (round % 2, word) {
                    (0, 1605) => 0xFFFF_0107,
                    (0, 1606) => 0x1F,
                    (0, 1607) => 0x7F,
                    (0, _) => 0x7F7F_7F7F,
                    _ => u32::MAX,
                };
                page.store(word, x as u32 & mask);
            }
            match port.take(&mut buf) {
                Some((_, Ok(_))) => good += 1,
                Some((_, Err(_))) => bad += 1,
                None => {}
            }
            assert_eq!(port.take(&mut buf), None);
        }
        assert!(good > 100 && bad > 100, "{good} {bad}");
    }
}
