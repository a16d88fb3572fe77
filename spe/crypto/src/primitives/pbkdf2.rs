//! PBKDF2 over HMAC (RFC 8018 §5.2) as a stream.
//!
//! Each block costs as many HMACs as its caller says, and nothing comes between: who sets the cost
//! bounds it.

use super::hash::Digest;
use super::hmac::Hmac;

/// The stream of one password, salt and cost.
pub struct Pbkdf2 {
    /// Under the password, before any text.
    keyed: Hmac,
    cost: u32,
    block: Digest,
    used: usize,
    /// Blocks so far.
    index: u32,
}

impl Pbkdf2 {
    /// Of the password under which `keyed` is, before any text, with `cost` iterations a block.
    pub fn new(keyed: Hmac, cost: u32) -> Self {
        Pbkdf2 {
            keyed,
            cost,
            block: Digest::zero(0),
            used: 0,
            index: 0,
        }
    }

    /// Iterations that the next `len` bytes take.
    pub fn work(&self, len: usize, hash_len: usize) -> u64 {
        let rest = self.block.len() - self.used;
        let blocks = len.saturating_sub(rest).div_ceil(hash_len);
        blocks as u64 * u64::from(self.cost)
    }

    /// The next bytes of the stream; `salt` is the same each time.
    pub fn read(&mut self, salt: &[u8], out: &mut [u8]) {
        for byte in out {
            if self.used == self.block.len() {
                self.next_block(salt);
            }
            *byte = self.block.get(self.used).copied().unwrap_or_default();
            self.used += 1;
        }
    }

    fn next_block(&mut self, salt: &[u8]) {
        self.index = self.index.wrapping_add(1);
        let mut last = self.keyed.of(&[salt, &self.index.to_be_bytes()]);
        self.block = last.clone();
        for _ in 1..self.cost {
            last = self.keyed.of(&[&last]);
            for (to, byte) in self.block.as_mut().iter_mut().zip(last.iter()) {
                *to ^= *byte;
            }
        }
        self.used = 0;
    }
}
