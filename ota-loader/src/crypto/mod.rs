//! Signature and hash primitives behind one trait.
//!
//! Owns [`Verify`] and its implementation [`Software`]. Everything here is public data: there is
//! no secret to leak by time.

mod encoding;
mod montgomery;
mod pss;

pub(crate) use encoding::{ecdsa_signature, p256_public_key, rsa3072_modulus};

pub use montgomery::{Row, row};
use symmetric::sha256::Sha256;

/// A SHA-256 value.
pub type Digest256 = [u8; 32];

/// What the loader needs of cryptography.
pub trait Verify {
    /// SHA-256.
    fn sha256(&mut self, data: &[u8]) -> Digest256;
    /// ECDSA over P-256; key x ‖ y and signature r ‖ s, big endian.
    fn ecdsa_p256(&mut self, key: &[u8; 64], digest: &Digest256, signature: &[u8; 64]) -> bool;
    /// RSA-3072 PSS with SHA-256, MGF1-SHA-256, salt 32, exponent 65537; all big endian.
    fn rsa3072_pss(
        &mut self,
        modulus: &[u8; 384],
        digest: &Digest256,
        signature: &[u8; 384],
    ) -> bool;
}

/// P-256 by `p256-cm4` or `p256`; hash by `symmetric`, RSA by this crate.
#[derive(Debug, Clone, Copy)]
pub struct Software {
    /// The inner loop of RSA: [`row`], or a board's own.
    pub row: Row,
}

impl Default for Software {
    fn default() -> Self {
        Software { row }
    }
}

impl Verify for Software {
    fn sha256(&mut self, data: &[u8]) -> Digest256 {
        Sha256::of(&[data])
    }

    fn ecdsa_p256(&mut self, key: &[u8; 64], digest: &Digest256, signature: &[u8; 64]) -> bool {
        p256_verify(key, digest, signature)
    }

    fn rsa3072_pss(
        &mut self,
        modulus: &[u8; 384],
        digest: &Digest256,
        signature: &[u8; 384],
    ) -> bool {
        pss::verify(modulus, digest, signature, self)
    }
}

#[cfg(feature = "p256-asm")]
fn p256_verify(key: &[u8; 64], digest: &Digest256, signature: &[u8; 64]) -> bool {
    let (x, y) = halves(key);
    let (r, s) = halves(signature);
    // Ranges of r and s and the point's place on the curve are checked inside.
    p256_cm4::verify(&x, &y, &number(digest), &r, &s)
}

/// Two big-endian 32-byte numbers as little-endian words.
#[cfg(feature = "p256-asm")]
fn halves(bytes: &[u8; 64]) -> (p256_cm4::Words, p256_cm4::Words) {
    let (a, b) = bytes.split_at(32);
    (number(a), number(b))
}

#[cfg(feature = "p256-asm")]
fn number(bytes: &[u8]) -> p256_cm4::Words {
    let mut out = [0; 8];
    for (chunk, word) in bytes.rchunks_exact(4).zip(&mut out) {
        *word = chunk.iter().fold(0, |w, b| (w << 8) | u32::from(*b));
    }
    out
}

#[cfg(all(feature = "p256-portable", not(feature = "p256-asm")))]
fn p256_verify(key: &[u8; 64], digest: &Digest256, signature: &[u8; 64]) -> bool {
    use p256::ecdsa::signature::hazmat::PrehashVerifier;
    use p256::ecdsa::{Signature, VerifyingKey};
    let mut point = [4u8; 65];
    let [_, xy @ ..] = &mut point;
    xy.copy_from_slice(key);
    let Ok(key) = VerifyingKey::from_sec1_bytes(&point) else {
        return false;
    };
    let Ok(signature) = Signature::from_slice(signature) else {
        return false;
    };
    key.verify_prehash(digest, &signature).is_ok()
}

#[cfg(not(any(feature = "p256-portable", feature = "p256-asm")))]
compile_error!("ota-loader needs p256-portable or p256-asm");
