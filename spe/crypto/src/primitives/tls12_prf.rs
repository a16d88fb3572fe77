//! The PRF of TLS 1.2 (RFC 5246 §5) as a stream.

use super::hash::Digest;
use super::hmac::Hmac;

/// P_hash(secret, text) as a stream, where text is label and seed.
pub struct Prf {
    /// Under the secret, before any text.
    keyed: Hmac,
    /// A(i), empty before the first block.
    a: Digest,
    block: Digest,
    used: usize,
}

impl Prf {
    /// Of the secret under which `keyed` is, before any text.
    pub fn new(keyed: Hmac) -> Self {
        Prf {
            keyed,
            a: Digest::zero(0),
            block: Digest::zero(0),
            used: 0,
        }
    }

    /// The next bytes of the stream; `text` is the same each time.
    pub fn read(&mut self, text: &[u8], out: &mut [u8]) {
        for byte in out {
            if self.used == self.block.len() {
                self.next_block(text);
            }
            *byte = self.block.get(self.used).copied().unwrap_or_default();
            self.used += 1;
        }
    }

    fn next_block(&mut self, text: &[u8]) {
        let from: &[u8] = if self.a.is_empty() { text } else { &self.a };
        self.a = self.keyed.of(&[from]);
        self.block = self.keyed.of(&[&self.a, text]);
        self.used = 0;
    }
}
