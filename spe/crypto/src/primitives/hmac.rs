//! HMAC (RFC 2104) over the hashes of [`super::hash`].

use zeroize::Zeroizing;

use super::hash::{self, Digest, Hash, HashAlg, MAX_BLOCK};

/// A running HMAC.
#[derive(Clone)]
pub struct Hmac {
    inner: Hash,
    outer: Hash,
}

impl Hmac {
    /// With `key` of any length; a key longer than a block is hashed first.
    pub fn new(alg: HashAlg, key: &[u8]) -> Self {
        let hashed;
        let key = if key.len() > alg.block_len() {
            hashed = hash::digest(alg, &[key]);
            &hashed[..]
        } else {
            key
        };
        let pad = |byte: u8| {
            let mut block = Zeroizing::new([byte; MAX_BLOCK]);
            for (to, k) in block.iter_mut().zip(key) {
                *to ^= *k;
            }
            let mut hash = Hash::new(alg);
            hash.update(block.get(..alg.block_len()).unwrap_or_default());
            hash
        };
        Hmac {
            inner: pad(0x36),
            outer: pad(0x5C),
        }
    }

    /// Appends `data`.
    pub fn update(&mut self, data: &[u8]) {
        self.inner.update(data);
    }

    /// The full-length MAC.
    pub fn finish(mut self) -> Digest {
        self.outer.update(&self.inner.finish());
        self.outer.finish()
    }
}

/// HMAC of the concatenation of `parts`.
pub fn hmac(alg: HashAlg, key: &[u8], parts: &[&[u8]]) -> Digest {
    let mut mac = Hmac::new(alg, key);
    for part in parts {
        mac.update(part);
    }
    mac.finish()
}
