//! Per-signature secret of deterministic ECDSA on P-256 (RFC 6979 §3.2).

use super::hash::{Digest, HashAlg};
use super::hmac::hmac;

/// Order of P-256, big-endian (SP 800-186).
const N: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];

/// The generator; each call of `next` gives another candidate.
pub struct Candidates {
    alg: HashAlg,
    k: Digest,
    v: Digest,
    /// A candidate was given: the state moves on before the next one.
    used: bool,
}

impl Candidates {
    /// For a private key and the hash to be signed as P-256 sees it (32 bytes).
    pub fn new(alg: HashAlg, secret: &[u8; 32], hash: &[u8; 32]) -> Self {
        let h = reduce(hash);
        let mut k = Digest::zero(alg.len());
        let mut v = Digest::zero(alg.len());
        v.fill(1);
        for byte in [0, 1] {
            k = hmac(alg, &k, &[&v, &[byte], secret, &h]);
            v = hmac(alg, &k, &[&v]);
        }
        Candidates {
            alg,
            k,
            v,
            used: false,
        }
    }

    /// The next candidate; the caller checks that it lies in 1..n.
    pub fn next(&mut self, out: &mut [u8; 32]) {
        if self.used {
            self.k = hmac(self.alg, &self.k, &[&self.v, &[0]]);
            self.v = hmac(self.alg, &self.k, &[&self.v]);
        }
        self.used = true;
        // One block is enough, but for SHA-224.
        let mut at = 0;
        while at < out.len() {
            self.v = hmac(self.alg, &self.k, &[&self.v]);
            for (to, byte) in out.iter_mut().skip(at).zip(self.v.iter()) {
                *to = *byte;
            }
            at += self.v.len().max(1);
        }
    }
}

/// bits2octets: the hash modulo the order. A hash is public, so this may branch on it.
fn reduce(hash: &[u8; 32]) -> [u8; 32] {
    if *hash < N {
        return *hash;
    }
    let mut out = [0; 32];
    let mut borrow = 0;
    for ((to, a), b) in out.iter_mut().zip(hash).zip(N).rev() {
        let difference = i16::from(*a) - i16::from(b) - borrow;
        borrow = i16::from(difference < 0);
        *to = difference as u8;
    }
    out
}
