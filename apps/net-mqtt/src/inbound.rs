//! Messages from the broker on their way to their readers.
//!
//! Owns the pool: bounded in bytes and in number, each message kept until every client that it is
//! for has taken it (or has lost its claim), and only then acknowledged to the broker. Does not
//! own who is subscribed, or the mailboxes.
//!
//! Bounds: one client's messages take at most [`CLIENT_MESSAGES`] places and half of the pool's
//! bytes, so that a client that does not read leaves room for the others.

use crate::mqtt::{Ack, Packed};
use mqtt_ipc::Qos;

/// Messages in the pool.
pub const MAX_MESSAGES: usize = 12;
/// Messages that wait for one client.
pub const CLIENT_MESSAGES: usize = 6;

/// A message, apart from its bytes.
struct Stored {
    serial: u32,
    topic_len: usize,
    qos: Qos,
    ack: Option<Ack>,
    /// Bit i: client i has not taken it.
    waiting: u8,
    /// Until then it is kept for a subscriber who is not there, microseconds.
    kept_until: u64,
}

/// Which message; see [`Inbound::next_for`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Serial(u32);

/// The pool.
pub(crate) struct Inbound<'b> {
    messages: Packed<'b, Stored>,
    capacity: usize,
    next_serial: u32,
    /// Acknowledgements that are due.
    due: alloc::vec::Vec<Ack>,
}

impl<'b> Inbound<'b> {
    pub(crate) fn new(bytes: &'b mut [u8]) -> Self {
        Inbound {
            capacity: bytes.len(),
            messages: Packed::new(bytes, MAX_MESSAGES),
            next_serial: 0,
            due: alloc::vec::Vec::with_capacity(MAX_MESSAGES),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Number of messages and bytes that wait for client `index`.
    pub(crate) fn held_for(&self, index: usize) -> (usize, usize) {
        let mut held = (0, 0);
        for (number, stored) in self.messages.tags().enumerate() {
            if stored.waiting & 1 << index != 0 {
                held.0 += 1;
                held.1 += self.messages.bytes(number).len();
            }
        }
        held
    }

    /// Whether client `index` has its full share, or would with `len` bytes more.
    pub(crate) fn is_full_for(&self, index: usize, len: usize) -> bool {
        let (count, bytes) = self.held_for(index);
        count >= CLIENT_MESSAGES || (count > 0 && bytes + len > self.capacity / 2)
    }

    /// Whether `len` bytes fit.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.messages.room() >= len.max(1)
    }

    /// Whether `len` bytes would fit an empty pool.
    pub(crate) fn could_fit(&self, len: usize) -> bool {
        len <= self.capacity
    }

    /// Stores a message for `clients`, or without any until `kept_until`.
    pub(crate) fn store(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        clients: u8,
        kept_until: u64,
    ) -> bool {
        let stored = Stored {
            serial: self.next_serial,
            topic_len: topic.len(),
            qos,
            ack: None,
            waiting: clients,
            kept_until,
        };
        self.next_serial = self.next_serial.wrapping_add(1);
        self.messages.push(stored, &[topic.as_bytes(), payload])
    }

    /// The last message stored is to be acknowledged as `ack`.
    pub(crate) fn stored_with(&mut self, ack: Ack) {
        if let Some(stored) = self.messages.tags_mut().last() {
            stored.ack = Some(ack);
        }
    }

    /// The oldest message for client `index`.
    pub(crate) fn next_for(&self, index: usize) -> Option<(Serial, &str, &[u8], Qos)> {
        let bit = 1 << index;
        let (number, stored) = self
            .messages
            .tags()
            .enumerate()
            .find(|(_, stored)| stored.waiting & bit != 0)?;
        let (topic, payload) = self
            .messages
            .bytes(number)
            .split_at_checked(stored.topic_len)?;
        // What was pushed as &str is UTF-8 still.
        let topic = core::str::from_utf8(topic).ok()?;
        Some((Serial(stored.serial), topic, payload, stored.qos))
    }

    /// Client `index` has taken the message, or will never.
    pub(crate) fn taken(&mut self, index: usize, serial: Serial) {
        for stored in self.messages.tags_mut() {
            if stored.serial == serial.0 {
                stored.waiting &= !(1 << index);
            }
        }
        self.sweep(0);
    }

    /// Client `index` gets nothing of what waits for it; how much that was. With `kept_until` in
    /// the future what is at QoS 1 is kept for its next life.
    pub(crate) fn abandon(&mut self, index: usize, kept_until: u64) -> u32 {
        let mut count = 0;
        for stored in self.messages.tags_mut() {
            if stored.waiting & 1 << index != 0 {
                stored.waiting &= !(1 << index);
                count += 1;
                if stored.waiting == 0 && stored.qos == Qos::AtLeastOnce {
                    stored.kept_until = kept_until;
                }
            }
        }
        self.sweep(0);
        count
    }

    /// Client `index` has come (back) and reads what `matches`.
    pub(crate) fn claim(&mut self, index: usize, matches: impl Fn(&str) -> bool) {
        for number in 0..self.messages.len() {
            let Some(stored) = self.messages.tag_mut(number) else {
                continue;
            };
            let (orphan, topic_len) = (stored.waiting == 0, stored.topic_len);
            let topic = self.messages.bytes(number).get(..topic_len);
            let wanted = topic
                .and_then(|topic| core::str::from_utf8(topic).ok())
                .is_some_and(&matches);
            if let Some(stored) = self.messages.tag_mut(number)
                && orphan
                && wanted
            {
                stored.waiting |= 1 << index;
            }
        }
    }

    /// Drops what nobody wants any more at `now_us`, and owes its acknowledgement. `u64::MAX`
    /// drops what is kept for a subscriber who is not there, too. How many of those went.
    pub(crate) fn sweep(&mut self, now_us: u64) -> u32 {
        let mut orphans = 0;
        let mut number = 0;
        while let Some(stored) = self.messages.tag_mut(number) {
            if stored.waiting != 0 || stored.kept_until > now_us {
                number += 1;
                continue;
            }
            orphans += u32::from(stored.kept_until != 0);
            if let Some(ack) = self.messages.remove(number).and_then(|stored| stored.ack) {
                self.due.push(ack);
            }
        }
        orphans
    }

    /// An acknowledgement that is due.
    pub(crate) fn take_ack(&mut self) -> Option<Ack> {
        self.due.pop()
    }
}
