//! The page, its two mailboxes, and moving one message through one of them.
//!
//! Owns offsets, the header's coding and the full/empty protocol. Does not own which kinds travel
//! in which direction: [`crate::client`] and [`crate::port`] do.

use crate::{Error, MAX_PAYLOAD, MAX_REQUEST, MAX_TOPIC, PAGE_SIZE, Qos};
use core::sync::atomic::{AtomicU32, Ordering, fence};

/// Words in a page.
pub const PAGE_WORDS: usize = PAGE_SIZE / 4;
/// Words of a header.
const HEADER_WORDS: usize = 4;
/// Word of the header that holds kind, qos and status: written last, cleared last.
const KIND_WORD: usize = 1;

/// Memory that two processes see at once, as 32-bit words; an access never tears a word.
///
/// Reads and writes may be reordered by the compiler: the mailboxes put fences where order
/// matters. An out-of-range word reads 0 and ignores writes.
pub trait Memory {
    /// Reads word `index` (byte offset `4 * index`), little-endian.
    fn load(&self, index: usize) -> u32;
    /// Writes word `index`.
    fn store(&self, index: usize, value: u32);
}

impl Memory for [AtomicU32] {
    fn load(&self, index: usize) -> u32 {
        self.get(index)
            .map_or(0, |word| u32::from_le(word.load(Ordering::Relaxed)))
    }

    fn store(&self, index: usize, value: u32) {
        if let Some(word) = self.get(index) {
            word.store(value.to_le(), Ordering::Relaxed);
        }
    }
}

/// A page of shared memory owned by a client: fit for a `static`, aligned as the MPU likes it.
#[repr(C, align(1024))]
pub struct Page(pub [AtomicU32; PAGE_WORDS]);

impl Page {
    /// An empty page: both mailboxes empty.
    pub const fn new() -> Page {
        Page([const { AtomicU32::new(0) }; PAGE_WORDS])
    }
}

impl Default for Page {
    fn default() -> Self {
        Page::new()
    }
}

impl Memory for Page {
    fn load(&self, index: usize) -> u32 {
        self.0[..].load(index)
    }

    fn store(&self, index: usize, value: u32) {
        self.0[..].store(index, value);
    }
}

#[cfg(feature = "libtock")]
impl Memory for libtock_platform::SharedMemory {
    fn load(&self, index: usize) -> u32 {
        let mut bytes = [0; 4];
        // Past the end: reads as 0, as the trait says.
        let _ = self.read(index * 4, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn store(&self, index: usize, value: u32) {
        let [first, rest @ ..] = value.to_le_bytes();
        // Past the end: ignored, as the trait says. Bytes go one by one, and the other process may
        // run in between: the first, which says that a mailbox is full, comes last (and `load`
        // reads it first).
        let _ = self.write(index * 4 + 1, &rest);
        let _ = self.write(index * 4, &[first]);
    }
}

impl<M: Memory + ?Sized> Memory for &M {
    fn load(&self, index: usize) -> u32 {
        (**self).load(index)
    }

    fn store(&self, index: usize, value: u32) {
        (**self).store(index, value);
    }
}

/// What a message is. Zero is an empty mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// To service: forget what this client asked before, and report the link state.
    Open = 1,
    /// To service: publish topic and payload.
    Publish = 2,
    /// To service: subscribe to the filter in the topic field, at most at `qos`.
    Subscribe = 3,
    /// To service: give up the filter in the topic field.
    Unsubscribe = 4,
    /// To service: report the link state.
    Query = 5,
    /// To client: a message that matches one of its filters.
    Message = 16,
    /// To client: `status` answers the request whose seq this repeats.
    Result = 17,
    /// To client: `status` is the link state.
    State = 18,
    /// To client: `status` messages for it were dropped, because it did not read.
    Missed = 19,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            1 => Kind::Open,
            2 => Kind::Publish,
            3 => Kind::Subscribe,
            4 => Kind::Unsubscribe,
            5 => Kind::Query,
            16 => Kind::Message,
            17 => Kind::Result,
            18 => Kind::State,
            19 => Kind::Missed,
            _ => return None,
        })
    }
}

/// The 16 bytes before each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The producer's count; a result repeats the request's.
    pub seq: u32,
    /// What the message is.
    pub kind: Kind,
    /// Quality of service asked for, or of the message.
    pub qos: Qos,
    /// A [`crate::Status`] or [`crate::Link`] number, or a count, by kind.
    pub status: u16,
    /// Bytes of topic.
    pub topic_len: u16,
    /// Bytes of payload.
    pub payload_len: u32,
}

impl Header {
    /// The four words, in order.
    pub fn emit(&self) -> [u32; 4] {
        [
            self.seq,
            self.kind as u32 | (self.qos as u32) << 8 | u32::from(self.status) << 16,
            u32::from(self.topic_len),
            self.payload_len,
        ]
    }

    /// The header in four words, if each field is in range; the exact inverse of [`Header::emit`].
    ///
    /// # Errors
    /// [`Error::Malformed`] on an unknown kind or qos, or a reserved bit that is set.
    pub fn parse(words: [u32; 4]) -> Result<Header, Error> {
        let [seq, second, third, payload_len] = words;
        let [kind, qos, status_low, status_high] = second.to_le_bytes();
        let topic_len = u16::try_from(third).map_err(|_| Error::Malformed)?;
        Ok(Header {
            seq,
            kind: Kind::from_byte(kind).ok_or(Error::Malformed)?,
            qos: Qos::from_byte(qos).ok_or(Error::Malformed)?,
            status: u16::from_le_bytes([status_low, status_high]),
            topic_len,
            payload_len,
        })
    }
}

/// One of the two mailboxes of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mailbox {
    /// Service writes, client reads.
    ToClient,
    /// Client writes, service reads.
    ToService,
}

impl Mailbox {
    /// First word of the header.
    const fn base(self) -> usize {
        match self {
            Mailbox::ToClient => 0,
            Mailbox::ToService => HEADER_WORDS + (MAX_TOPIC + MAX_PAYLOAD) / 4,
        }
    }

    /// Whether topic and payload of these lengths fit.
    fn fits(self, topic_len: usize, payload_len: usize) -> bool {
        let within = match self {
            Mailbox::ToClient => payload_len <= MAX_PAYLOAD,
            Mailbox::ToService => {
                topic_len.next_multiple_of(4) + payload_len.min(PAGE_SIZE) <= MAX_REQUEST
            }
        };
        topic_len <= MAX_TOPIC && within
    }

    /// Whether a message waits for the consumer.
    pub(crate) fn is_full(self, page: &impl Memory) -> bool {
        page.load(self.base() + KIND_WORD) & 0xFF != 0
    }

    /// Empties the mailbox (the consumer's last act).
    pub(crate) fn clear(self, page: &impl Memory) {
        fence(Ordering::Release);
        page.store(self.base() + KIND_WORD, 0);
    }

    /// Puts a message in; lengths in `header` are overwritten with the real ones.
    ///
    /// # Errors
    /// [`Error::Busy`] when full, [`Error::TooLarge`] when it does not fit.
    pub(crate) fn put(
        self,
        page: &impl Memory,
        header: Header,
        topic: &[u8],
        payload: &[u8],
    ) -> Result<(), Error> {
        if !self.fits(topic.len(), payload.len()) {
            return Err(Error::TooLarge);
        }
        if self.is_full(page) {
            return Err(Error::Busy);
        }
        let header = Header {
            topic_len: topic.len() as u16,
            payload_len: payload.len() as u32,
            ..header
        };
        // Do not let the body be written before the mailbox was seen empty.
        fence(Ordering::Acquire);
        let base = self.base();
        let body = base + HEADER_WORDS;
        copy_in(page, body, topic);
        copy_in(page, body + topic.len().div_ceil(4), payload);
        let [seq, kind, lengths, payload_len] = header.emit();
        page.store(base, seq);
        page.store(base + 2, lengths);
        page.store(base + 3, payload_len);
        fence(Ordering::Release);
        page.store(base + KIND_WORD, kind);
        Ok(())
    }

    /// Copies the waiting message out: topic, then payload, at the start of `buf`, without padding.
    /// Leaves the mailbox full: the caller clears it. `Ok(None)` when empty.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no message, [`Error::TooLarge`] if `buf` is too small.
    pub(crate) fn peek(self, page: &impl Memory, buf: &mut [u8]) -> Result<Option<Header>, Error> {
        let base = self.base();
        let second = page.load(base + KIND_WORD);
        if second & 0xFF == 0 {
            return Ok(None);
        }
        fence(Ordering::Acquire);
        let header = Header::parse([
            page.load(base),
            second,
            page.load(base + 2),
            page.load(base + 3),
        ])?;
        let topic_len = usize::from(header.topic_len);
        let payload_len = usize::try_from(header.payload_len).map_err(|_| Error::Malformed)?;
        if !self.fits(topic_len, payload_len) {
            return Err(Error::Malformed);
        }
        let Some((topic, rest)) = buf.split_at_mut_checked(topic_len) else {
            return Err(Error::TooLarge);
        };
        let Some(payload) = rest.get_mut(..payload_len) else {
            return Err(Error::TooLarge);
        };
        let body = base + HEADER_WORDS;
        copy_out(page, body, topic);
        copy_out(page, body + topic_len.div_ceil(4), payload);
        Ok(Some(header))
    }
}

fn copy_in(page: &impl Memory, mut word: usize, bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<4>();
    for chunk in whole {
        page.store(word, u32::from_le_bytes(*chunk));
        word += 1;
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        page.store(word, u32::from_le_bytes(last));
    }
}

fn copy_out(page: &impl Memory, mut word: usize, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(4) {
        for (to, from) in chunk.iter_mut().zip(page.load(word).to_le_bytes()) {
            *to = from;
        }
        word += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two mailboxes share the page exactly.
    #[test]
    fn layout_fills_the_page() {
        assert_eq!(Mailbox::ToService.base() * 4, 6416);
        assert_eq!(6416 + HEADER_WORDS * 4 + MAX_REQUEST, PAGE_SIZE);
    }

    #[test]
    fn header_round_trips_and_parse_is_total() {
        let mut x = 0x2545_F491_4F6C_DD1D_u64;
        let mut accepted = 0;
        for round in 0..200_000u32 {
            let mut words = [0u32; 4];
            for word in &mut words {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                *word = x as u32;
            }
            if round % 2 == 0 {
                words[1] &= 0xFFFF_011F; // near enough to be accepted now and then
                words[2] &= 0xFFFF;
            }
            if let Ok(header) = Header::parse(words) {
                accepted += 1;
                assert_eq!(header.emit(), words);
            }
        }
        assert!(accepted > 1000, "{accepted}");
    }

    /// Random bytes in the whole page: never a panic, and what is accepted lies inside its mailbox.
    #[test]
    fn any_page_decodes_or_is_malformed() {
        let page = Page::new();
        let mut x = 0x9E37_79B9_7F4A_7C15_u64;
        let mut buf = [0u8; crate::MESSAGE_BUFFER];
        let (mut good, mut bad) = (0, 0);
        for round in 0..20_000u32 {
            for mailbox in [Mailbox::ToClient, Mailbox::ToService] {
                for word in 0..4 {
                    x ^= x << 13;
                    x ^= x >> 7;
                    x ^= x << 17;
                    let mask = match (round % 2, word) {
                        (0, 1) => 0xFFFF_0113,
                        (0, 2) => 0x1FF,
                        (0, 3) => 0x1FFF,
                        _ => u32::MAX,
                    };
                    page.store(mailbox.base() + word, x as u32 & mask);
                }
                match mailbox.peek(&page, &mut buf) {
                    Ok(Some(header)) => {
                        good += 1;
                        assert!(mailbox.fits(header.topic_len.into(), header.payload_len as usize));
                    }
                    Ok(None) => {}
                    Err(_) => bad += 1,
                }
            }
        }
        assert!(good > 100 && bad > 100, "{good} {bad}");
    }

    #[test]
    fn full_mailbox_is_busy_and_keeps_its_message() {
        let page = Page::new();
        let header = Header {
            seq: 7,
            kind: Kind::Publish,
            qos: Qos::AtLeastOnce,
            status: 0,
            topic_len: 0,
            payload_len: 0,
        };
        let mut buf = [0u8; 64];
        Mailbox::ToService
            .put(&page, header, b"a/b", b"12345")
            .unwrap();
        assert_eq!(
            Mailbox::ToService.put(&page, header, b"c", b""),
            Err(Error::Busy)
        );
        let got = Mailbox::ToService.peek(&page, &mut buf).unwrap().unwrap();
        assert_eq!((got.seq, got.topic_len, got.payload_len), (7, 3, 5));
        assert_eq!(&buf[..8], b"a/b12345");
        Mailbox::ToService.clear(&page);
        assert_eq!(Mailbox::ToService.peek(&page, &mut buf), Ok(None));
    }
}
