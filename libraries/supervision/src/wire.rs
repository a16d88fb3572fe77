//! Words and names in a row of bytes.
//!
//! Owns the two cursors and the padded text; who reads past the end gets `None`.

use core::fmt;

/// Text of at most `N` bytes, zeros behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// The beginning of `text`, as much as fits.
    pub fn new(text: &str) -> Self {
        let mut bytes = [0; N];
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        for (to, from) in bytes.iter_mut().zip(text.bytes().take(end)) {
            *to = from;
        }
        Text(bytes)
    }

    /// The text; what is no UTF-8 ends it.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(N);
        let bytes = self.0.get(..end).unwrap_or_default();
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => bytes
                .get(..error.valid_up_to())
                .and_then(|bytes| core::str::from_utf8(bytes).ok())
                .unwrap_or_default(),
        }
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Reads from the front.
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl Reader<'_> {
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub(crate) fn word(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(crate) fn text<const N: usize>(&mut self) -> Option<Text<N>> {
        self.bytes().map(Text)
    }
}

/// Writes to the front; what does not fit is dropped, which no wire form of this crate does.
pub(crate) struct Writer<'b>(pub(crate) &'b mut [u8]);

impl Writer<'_> {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let room = core::mem::take(&mut self.0);
        let (to, rest) = room.split_at_mut(bytes.len().min(room.len()));
        for (to, from) in to.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.0 = rest;
    }

    pub(crate) fn word(&mut self, word: u32) {
        self.bytes(&word.to_le_bytes());
    }

    pub(crate) fn text<const N: usize>(&mut self, text: &Text<N>) {
        self.bytes(&text.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(Text::<4>::new("abcé").as_str(), "abc");
        assert_eq!(Text::<4>::new("abcd").as_str(), "abcd");
        assert_eq!(Text::<4>(*b"a\xFFcd").as_str(), "a");
        assert_eq!(Text::<4>(*b"a\0cd").as_str(), "a");
        assert_eq!(Text::<0>::new("x").as_str(), "");
    }
}
