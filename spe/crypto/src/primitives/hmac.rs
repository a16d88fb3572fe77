//! HMAC (RFC 2104) over the hashes of [`super::hash`].

use symmetric::Erased;

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
        let mut block = Erased::new([0; MAX_BLOCK]);
        let block = block.get_mut(..alg.block_len()).unwrap_or_default();
        for (to, byte) in block.iter_mut().zip(key) {
            *to = *byte;
        }
        let mut start = |pad: u8| {
            for byte in block.iter_mut() {
                *byte ^= pad;
            }
            let mut hash = Hash::new(alg);
            hash.update(block);
            hash
        };
        let inner = start(0x36);
        let outer = start(0x36 ^ 0x5C);
        Hmac { inner, outer }
    }

    /// Appends `data`.
    pub fn update(&mut self, data: &[u8]) {
        self.inner.update(data);
    }

    /// What [`Hmac::finish`] would give after these texts; itself it stays as it is.
    #[cfg(any(feature = "tls12", feature = "PSA_WANT_ALG_PBKDF2_HMAC"))]
    pub(crate) fn of(&self, parts: &[&[u8]]) -> Digest {
        let mut mac = self.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finish()
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
