//! SHA-224, SHA-256, SHA-384 and SHA-512 (FIPS 180-4) behind one type that a caller chooses at run time.

use core::ops::Deref;

use psa_interface::Algorithm;
use symmetric::erase;
use symmetric::sha256::Sha256;

#[cfg(feature = "long-hash")]
use super::sha512::Sha512;

/// Longest digest, bytes.
pub const MAX_HASH: usize = 64;
/// Longest block, bytes.
pub const MAX_BLOCK: usize = 128;

/// A hash that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlg {
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    #[cfg(feature = "long-hash")]
    Sha384,
    /// SHA-512.
    #[cfg(feature = "long-hash")]
    Sha512,
}

impl HashAlg {
    /// The hash `alg` is; `None` when it is not a hash, or not offered.
    pub const fn from_alg(alg: Algorithm) -> Option<Self> {
        match alg {
            Algorithm::SHA_224 => Some(HashAlg::Sha224),
            Algorithm::SHA_256 => Some(HashAlg::Sha256),
            #[cfg(feature = "PSA_WANT_ALG_SHA_384")]
            Algorithm::SHA_384 => Some(HashAlg::Sha384),
            #[cfg(feature = "PSA_WANT_ALG_SHA_512")]
            Algorithm::SHA_512 => Some(HashAlg::Sha512),
            _ => None,
        }
    }

    /// The hash inside `alg`; `None` when there is none, or it is not offered.
    pub const fn inside(alg: Algorithm) -> Option<Self> {
        match alg.hash_of() {
            Some(hash) => Self::from_alg(hash),
            None => None,
        }
    }

    /// Digest length, bytes.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(self) -> usize {
        match self {
            HashAlg::Sha224 => 28,
            HashAlg::Sha256 => 32,
            #[cfg(feature = "long-hash")]
            HashAlg::Sha384 => 48,
            #[cfg(feature = "long-hash")]
            HashAlg::Sha512 => 64,
        }
    }

    /// Block length, bytes.
    pub const fn block_len(self) -> usize {
        match self {
            HashAlg::Sha224 | HashAlg::Sha256 => 64,
            #[cfg(feature = "long-hash")]
            HashAlg::Sha384 | HashAlg::Sha512 => 128,
        }
    }
}

/// A digest (or MAC, or pseudorandom key); erased when dropped.
#[derive(Clone)]
pub struct Digest {
    bytes: [u8; MAX_HASH],
    len: usize,
}

impl Digest {
    /// All zero, `len` bytes (at most [`MAX_HASH`]).
    pub(crate) fn zero(len: usize) -> Self {
        Digest {
            bytes: [0; MAX_HASH],
            len: len.min(MAX_HASH),
        }
    }

    /// The first bytes of `from`, at most [`MAX_HASH`].
    pub(crate) fn copy(from: &[u8]) -> Self {
        let mut out = Self::zero(from.len());
        for (to, byte) in out.bytes.iter_mut().zip(from) {
            *to = *byte;
        }
        out
    }

    pub(crate) fn fill(&mut self, byte: u8) {
        self.bytes.fill(byte);
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }
}

impl Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        erase(self.as_mut());
    }
}

/// A running hash; the state is erased when dropped.
#[derive(Clone)]
#[allow(clippy::large_enum_variant)] // The small one is inside the same slot anyway.
pub enum Hash {
    /// SHA-224.
    Sha224(Sha256),
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    #[cfg(feature = "long-hash")]
    Sha384(Sha512),
    /// SHA-512.
    #[cfg(feature = "long-hash")]
    Sha512(Sha512),
}

impl Hash {
    /// An empty hash.
    pub fn new(alg: HashAlg) -> Self {
        match alg {
            HashAlg::Sha224 => Hash::Sha224(Sha256::new_224()),
            HashAlg::Sha256 => Hash::Sha256(Sha256::new()),
            #[cfg(feature = "long-hash")]
            HashAlg::Sha384 => Hash::Sha384(Sha512::new_384()),
            #[cfg(feature = "long-hash")]
            HashAlg::Sha512 => Hash::Sha512(Sha512::new_512()),
        }
    }

    /// Which one it is.
    pub fn alg(&self) -> HashAlg {
        match self {
            Hash::Sha224(_) => HashAlg::Sha224,
            Hash::Sha256(_) => HashAlg::Sha256,
            #[cfg(feature = "long-hash")]
            Hash::Sha384(_) => HashAlg::Sha384,
            #[cfg(feature = "long-hash")]
            Hash::Sha512(_) => HashAlg::Sha512,
        }
    }

    /// Appends `data`.
    pub fn update(&mut self, data: &[u8]) {
        match self {
            Hash::Sha224(h) | Hash::Sha256(h) => h.update(data),
            #[cfg(feature = "long-hash")]
            Hash::Sha384(h) => h.update(data),
            #[cfg(feature = "long-hash")]
            Hash::Sha512(h) => h.update(data),
        }
    }

    /// The digest.
    pub fn finish(self) -> Digest {
        match self {
            Hash::Sha224(h) => Digest::copy(&h.finish()[..28]),
            Hash::Sha256(h) => Digest::copy(&h.finish()),
            #[cfg(feature = "long-hash")]
            Hash::Sha384(h) => Digest::copy(&h.finish()[..48]),
            #[cfg(feature = "long-hash")]
            Hash::Sha512(h) => Digest::copy(&h.finish()),
        }
    }
}

/// The digest of the concatenation of `parts`.
pub fn digest(alg: HashAlg, parts: &[&[u8]]) -> Digest {
    let mut hash = Hash::new(alg);
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}
