//! The PRF of TLS 1.2 (RFC 5246 §5) as a stream.

use super::hash::{Digest, HashAlg, MAX_HASH};
use super::hmac::{Hmac, hmac};

/// Longest secret, bytes: a master secret has 48, a shared one of P-521 66 (not offered).
pub const MAX_SECRET: usize = MAX_HASH;

/// P_hash(secret, text) as a stream, where text is label and seed.
pub struct Prf {
    alg: HashAlg,
    secret: Digest,
    /// A(i), empty before the first block.
    a: Digest,
    block: Digest,
    used: usize,
}

impl Prf {
    /// `None` when `secret` is longer than [`MAX_SECRET`].
    pub fn new(alg: HashAlg, secret: &[u8]) -> Option<Self> {
        (secret.len() <= MAX_SECRET).then(|| Prf {
            alg,
            secret: Digest::copy(secret),
            a: Digest::zero(0),
            block: Digest::zero(0),
            used: 0,
        })
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
        self.a = hmac(self.alg, &self.secret, &[from]);
        let mut mac = Hmac::new(self.alg, &self.secret);
        mac.update(&self.a);
        mac.update(text);
        self.block = mac.finish();
        self.used = 0;
    }
}
