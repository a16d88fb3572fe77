//! Randomness: the trait that the service draws from, and a generator over a stored seed.
//!
//! Does not own the seed: who stores it derives the next boot's, and writes it before the generator
//! is made.

use psa_interface::Status;
use symmetric::chacha20::ChaCha20;
use zeroize::Zeroize;

use crate::primitives::hash::{self, HashAlg};
use crate::primitives::hmac::hmac;

/// A cryptographically secure source of random bytes.
pub trait Entropy {
    /// Fills `out`.
    ///
    /// # Errors
    /// INSUFFICIENT_ENTROPY, or HARDWARE_FAILURE; `out` is then unspecified.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Status>;
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Status> {
        (**self).fill(out)
    }
}

/// A deterministic generator with fast key erasure: ChaCha20 whose key is replaced by its own
/// first output before any other output is given away.
pub struct Drbg {
    key: [u8; 32],
}

impl Drbg {
    /// From the seed of this boot, 64 bytes, and other inputs (boot counter, device id).
    pub fn from_seed(seed: &[u8; 64], inputs: &[&[u8]]) -> Self {
        // HKDF-Extract over length-prefixed inputs, keyed by the seed; then a label.
        let mut extract = crate::primitives::hmac::Hmac::new(HashAlg::Sha256, seed);
        for input in inputs {
            extract.update(&(input.len() as u64).to_le_bytes());
            extract.update(input);
        }
        let root = extract.finish();
        let mut key = [0; 32];
        let derived = hmac(HashAlg::Sha256, &root, &[b"generator"]);
        for (to, byte) in key.iter_mut().zip(derived.iter()) {
            *to = *byte;
        }
        Drbg { key }
    }

    /// Mixes in fresh entropy; never makes the state weaker.
    pub fn reseed(&mut self, entropy: &[u8]) {
        let mixed = hash::digest(HashAlg::Sha256, &[b"reseed", &self.key, entropy]);
        for (to, byte) in self.key.iter_mut().zip(mixed.iter()) {
            *to = *byte;
        }
    }
}

impl Entropy for Drbg {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Status> {
        // A fresh key each time: the nonce may stay zero. 2^32 blocks are more than memory holds.
        let mut stream = ChaCha20::new(&self.key, &[0; 12], 0);
        self.key.fill(0);
        stream.apply(&mut self.key);
        out.fill(0);
        stream.apply(out);
        Ok(())
    }
}

impl Drop for Drbg {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_and_never_repeat() {
        let mut a = Drbg::from_seed(&[7; 64], &[b"boot 1"]);
        let mut same = Drbg::from_seed(&[7; 64], &[b"boot 1"]);
        let mut other_input = Drbg::from_seed(&[7; 64], &[b"boot 2"]);
        let mut split_input = Drbg::from_seed(&[7; 64], &[b"boot", b" 1"]);
        let mut other_seed = Drbg::from_seed(&[8; 64], &[b"boot 1"]);
        let draw = |d: &mut Drbg| {
            let mut out = [0; 48];
            d.fill(&mut out).unwrap();
            out
        };
        let first = draw(&mut a);
        assert_eq!(first, draw(&mut same));
        let others = [
            draw(&mut a),
            draw(&mut other_input),
            draw(&mut split_input),
            draw(&mut other_seed),
        ];
        for (i, other) in others.iter().enumerate() {
            assert_ne!(*other, first);
            assert!(others[..i].iter().all(|o| o != other));
        }
        same.reseed(b"x");
        assert_ne!(draw(&mut same), others[0]);
    }
}
