//! The client's end: a process that publishes and subscribes through net-mqtt.
//!
//! Owns the request sequence and what a service's answer may look like. Does not wait: `poll`
//! after each IPC upcall (and once after start), retry on [`Error::Busy`].

use crate::mailbox::{Header, Kind, Mailbox, Memory};
use crate::{Error, Link, MAX_THING, MAX_TOPIC, Qos, Status};

/// Something the service reported; `'b` is the buffer given to [`Client::poll`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'b> {
    /// The link to the broker went up or down, or answered a query.
    State(Link),
    /// The request with this `seq` (from [`Client::publish`] and its kin) ended.
    Result {
        /// What the request returned.
        seq: u32,
        /// How it ended.
        status: Status,
    },
    /// So many messages that match our filters were dropped (65535: or more), because we left the
    /// mailbox full for too long; those that come now are newer.
    Missed(u16),
    /// A message arrived that matches one of our filters.
    Message {
        /// Its topic.
        topic: &'b str,
        /// Its payload.
        payload: &'b [u8],
        /// The level it was delivered at.
        qos: Qos,
    },
}

/// Wakes the service: Tock IPC command 2 on the device, any closure in a test.
pub trait Bell {
    /// Tells the service that a mailbox changed. One that does not arrive is made up by the next.
    fn ring(&mut self);
}

impl<F: FnMut()> Bell for F {
    fn ring(&mut self) {
        self();
    }
}

/// Fruitless polls from one ring to the next.
const RING_AGAIN: u8 = 2;

/// One client of the service; `notify` wakes the service.
pub struct Client<M, N> {
    page: M,
    notify: N,
    seq: u32,
    /// Polls since the last ring that found our request still there.
    unheard: u8,
    thing: [u8; MAX_THING],
    thing_len: usize,
}

impl<M: Memory, N: Bell> Client<M, N> {
    /// Takes over the shared page, empties it, and asks the service to forget an earlier life of
    /// this process. Share the page with the service before this, so that it sees the request.
    pub fn new(page: M, notify: N) -> Self {
        Mailbox::ToClient.clear(&page);
        Mailbox::ToService.clear(&page);
        let mut client = Client {
            page,
            notify,
            seq: 0,
            unheard: 0,
            thing: [0; MAX_THING],
            thing_len: 0,
        };
        // The mailbox was emptied just now, so this cannot find it full.
        let _ = client.request(Kind::Open, Qos::AtMostOnce, b"", b"");
        client
    }

    /// Asks the service to forget what this process asked before, as [`Client::new`] does: after
    /// the service answered [`Status::Lost`] to a query, which says that it has restarted.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn reopen(&mut self) -> Result<u32, Error> {
        self.request(Kind::Open, Qos::AtMostOnce, b"", b"")
    }

    /// Whether a request can be made now (the service took the previous one).
    pub fn is_ready(&self) -> bool {
        !Mailbox::ToService.is_full(&self.page)
    }

    /// Publishes; the returned number comes back in an [`Event::Result`].
    ///
    /// # Errors
    /// [`Error::Busy`] while the service has not taken the previous request, [`Error::TooLarge`]
    /// past [`crate::MAX_REQUEST`], [`Error::BadTopic`] if empty, too long or with a wildcard.
    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: Qos) -> Result<u32, Error> {
        if topic.contains(['+', '#']) {
            return Err(Error::BadTopic);
        }
        self.request(Kind::Publish, qos, check(topic)?, payload)
    }

    /// Subscribes; messages come as [`Event::Message`], across reconnections, until
    /// [`Client::unsubscribe`].
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::BadTopic`].
    pub fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<u32, Error> {
        self.request(Kind::Subscribe, qos, check(filter)?, b"")
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::BadTopic`].
    pub fn unsubscribe(&mut self, filter: &str) -> Result<u32, Error> {
        self.request(Kind::Unsubscribe, Qos::AtMostOnce, check(filter)?, b"")
    }

    /// Asks for an [`Event::State`]. The result is [`Status::Lost`] when the service has
    /// restarted since [`Client::new`] and knows nothing of us.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn query(&mut self) -> Result<u32, Error> {
        self.request(Kind::Query, Qos::AtMostOnce, b"", b"")
    }

    /// Takes the message that waits for this client, if any, into `buf`
    /// ([`crate::MESSAGE_BUFFER`] bytes hold every one), and frees the mailbox. With nothing to
    /// take and a request that the service has not taken, rings again at every second call: poll
    /// now and then, not only on notices.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::TooLarge`]: that message is gone.
    pub fn poll<'b>(&mut self, buf: &'b mut [u8]) -> Result<Option<Event<'b>>, Error> {
        let taken = Mailbox::ToClient.peek(&self.page, buf);
        if matches!(taken, Ok(None)) {
            if !self.is_ready() {
                // The service may not have been listening when we asked: ring again, but not so
                // often that a busy service's queue fills up.
                self.unheard = (self.unheard + 1) % RING_AGAIN;
                if self.unheard == 0 {
                    self.notify.ring();
                }
            }
            return Ok(None);
        }
        Mailbox::ToClient.clear(&self.page);
        self.notify.ring();
        let Some(header) = taken? else {
            return Ok(None);
        };
        match header.kind {
            Kind::State => {
                let thing = buf.get(..header.topic_len.into());
                self.learn(thing.ok_or(Error::Malformed)?)?;
                match header.status {
                    0 => Ok(Some(Event::State(Link::Offline))),
                    1 => Ok(Some(Event::State(Link::Online))),
                    _ => Err(Error::Malformed),
                }
            }
            Kind::Result => Ok(Some(Event::Result {
                seq: header.seq,
                status: Status::from_number(header.status).ok_or(Error::Malformed)?,
            })),
            Kind::Missed => Ok(Some(Event::Missed(header.status))),
            Kind::Message => {
                let (topic, rest) = buf
                    .split_at_checked(header.topic_len.into())
                    .ok_or(Error::Malformed)?;
                Ok(Some(Event::Message {
                    topic: core::str::from_utf8(topic).map_err(|_| Error::Malformed)?,
                    payload: rest
                        .get(..header.payload_len as usize)
                        .ok_or(Error::Malformed)?,
                    qos: header.qos,
                }))
            }
            _ => Err(Error::Malformed),
        }
    }

    /// The name of this thing, once the service has told it; it comes with each
    /// [`Event::State`].
    pub fn thing(&self) -> Option<&str> {
        let name = self.thing.get(..self.thing_len)?;
        core::str::from_utf8(name).ok().filter(|n| !n.is_empty())
    }

    fn learn(&mut self, thing: &[u8]) -> Result<(), Error> {
        let to = self.thing.get_mut(..thing.len());
        to.ok_or(Error::Malformed)?.copy_from_slice(thing);
        self.thing_len = thing.len();
        Ok(())
    }

    fn request(
        &mut self,
        kind: Kind,
        qos: Qos,
        topic: &[u8],
        payload: &[u8],
    ) -> Result<u32, Error> {
        let seq = self.seq.wrapping_add(1);
        let header = Header {
            seq,
            kind,
            qos,
            status: 0,
            topic_len: 0,
            payload_len: 0,
        };
        Mailbox::ToService.put(&self.page, header, topic, payload)?;
        self.seq = seq;
        self.notify.ring();
        Ok(seq)
    }
}

fn check(topic: &str) -> Result<&[u8], Error> {
    if topic.is_empty() || topic.len() > MAX_TOPIC || topic.contains('\0') {
        return Err(Error::BadTopic);
    }
    Ok(topic.as_bytes())
}
