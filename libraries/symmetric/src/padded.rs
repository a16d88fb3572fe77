//! Universal hashes fed with chunks of any length.
//!
//! Owns the gathering of chunks into blocks of 16 bytes, and padding with zeros, as both AEADs
//! (RFC 8439 §2.8, SP 800-38D §6.4) do it at the end of each part.

/// A function that takes whole blocks.
pub trait Blocks {
    /// Takes whole blocks in.
    fn blocks(&mut self, blocks: &[[u8; 16]]);
}

/// A hash over parts, each of which is padded to whole blocks with zeros.
#[derive(Clone)]
pub struct Padded<M> {
    mac: M,
    partial: [u8; 16],
    /// Bytes in `partial`, below 16.
    len: usize,
}

impl<M: Blocks> Padded<M> {
    /// Of nothing yet.
    pub fn new(mac: M) -> Self {
        Padded {
            mac,
            partial: [0; 16],
            len: 0,
        }
    }

    /// Appends to the current part.
    pub fn update(&mut self, mut data: &[u8]) {
        if self.len != 0 {
            data = self.put(data);
            if self.len < self.partial.len() {
                return;
            }
            self.flush();
        }
        let (blocks, tail) = data.as_chunks();
        self.mac.blocks(blocks);
        self.put(tail);
    }

    /// Ends the part.
    pub fn pad(&mut self) {
        if self.len != 0 {
            self.partial.get_mut(self.len..).unwrap_or_default().fill(0);
            self.flush();
        }
    }

    /// Ends the part; the function underneath.
    pub fn into_inner(mut self) -> M {
        self.pad();
        self.mac
    }

    /// Buffers what fits; returns the rest.
    fn put<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = self.partial.get_mut(self.len..).unwrap_or_default();
        let (head, rest) = bytes.split_at(bytes.len().min(room.len()));
        if let Some(to) = room.get_mut(..head.len()) {
            to.copy_from_slice(head);
        }
        self.len += head.len();
        rest
    }

    fn flush(&mut self) {
        self.mac.blocks(core::slice::from_ref(&self.partial));
        self.len = 0;
    }
}
