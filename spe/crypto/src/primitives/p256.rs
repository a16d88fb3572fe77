//! P-256 (SP 800-186): key pairs, ECDH, ECDSA. Points are 04‖X‖Y, signatures r‖s, big-endian.
//!
//! Two back ends with one contract: portable Rust (feature `p256-rust`, which wins) and Cortex-M
//! assembler (`p256-asm`). Public points are checked to lie on the curve by both.

use symmetric::sha256::hmac;
use zeroize::Zeroizing;

use super::hash::HashAlg;
use super::rfc6979::Candidates;

/// Private key, bytes.
pub const SECRET: usize = 32;
/// Uncompressed point, bytes.
pub const PUBLIC: usize = 65;
/// Signature, bytes.
pub const SIGNATURE: usize = 64;

#[cfg(feature = "p256-rust")]
use rust as back_end;

#[cfg(all(feature = "p256-asm", not(feature = "p256-rust")))]
use assembler as back_end;

#[cfg(not(any(feature = "p256-rust", feature = "p256-asm")))]
compile_error!("choose a P-256 back end: feature p256-rust or p256-asm");

/// Whether `secret` lies in 1..n.
pub fn is_secret(secret: &[u8; SECRET]) -> bool {
    back_end::is_secret(secret)
}

/// Whether `point` is an uncompressed point of the curve.
pub fn is_public(point: &[u8]) -> bool {
    uncompressed(point).is_some_and(back_end::is_public)
}

/// The public key of `secret`; `None` when it is none.
pub fn public_key(secret: &[u8; SECRET]) -> Option<[u8; PUBLIC]> {
    back_end::public_key(secret)
}

/// ECDH: the shared X coordinate; `None` when either side is no key.
pub fn ecdh(secret: &[u8; SECRET], peer: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    back_end::ecdh(secret, uncompressed(peer)?)
}

/// Signs `hash` (any length: P-256 uses the leftmost 256 bits). The nonce is hedged with up to 64
/// `extra` random bytes: HMAC-SHA256, keyed by them, of the key and what is signed, so that it is
/// unpredictable as long as either secret is. With none it is RFC 6979's over `alg`. `None` when
/// `secret` is no key.
pub fn sign(
    alg: HashAlg,
    secret: &[u8; SECRET],
    hash: &[u8],
    extra: &[u8],
) -> Option<[u8; SIGNATURE]> {
    if !back_end::is_secret(secret) {
        return None;
    }
    let z = leftmost_256(hash);
    // A candidate fails with probability 2^-32: a hundred in a row means something broke.
    let mut attempts = 0..100u8;
    if extra.is_empty() {
        let mut candidates = Candidates::new(alg, secret, &z);
        let mut k = Zeroizing::new([0; 32]);
        return attempts.find_map(|_| {
            candidates.next(&mut k);
            back_end::sign(secret, &z, &k)
        });
    }
    attempts.find_map(|attempt| {
        let k = Zeroizing::new(hmac(extra, &[secret, &z, &[attempt]]));
        back_end::sign(secret, &z, &k)
    })
}

/// Whether `signature` is one of `hash` under `public`.
pub fn verify(public: &[u8], hash: &[u8], signature: &[u8; SIGNATURE]) -> bool {
    uncompressed(public)
        .is_some_and(|point| back_end::verify(point, &leftmost_256(hash), signature))
}

fn uncompressed(point: &[u8]) -> Option<&[u8; PUBLIC]> {
    <&[u8; PUBLIC]>::try_from(point).ok().filter(|p| p[0] == 4)
}

/// bits2int of a hash in whole bytes (FIPS 186-5 §6.4.1), as 32 big-endian bytes.
fn leftmost_256(hash: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let hash = hash.get(..32).unwrap_or(hash);
    for (to, byte) in out.iter_mut().skip(32 - hash.len()).zip(hash) {
        *to = *byte;
    }
    out
}

#[cfg(feature = "p256-rust")]
mod rust {
    //! RustCrypto's arithmetic.

    use ecdsa::hazmat;
    use p256::ecdsa::Signature;
    use p256::elliptic_curve::sec1::ToSec1Point;
    use p256::{NonZeroScalar, PublicKey, SecretKey};
    use zeroize::Zeroizing;

    pub fn is_secret(secret: &[u8; 32]) -> bool {
        SecretKey::from_slice(secret).is_ok()
    }

    pub fn is_public(point: &[u8; 65]) -> bool {
        PublicKey::from_sec1_bytes(point).is_ok()
    }

    pub fn public_key(secret: &[u8; 32]) -> Option<[u8; 65]> {
        let point = SecretKey::from_slice(secret)
            .ok()?
            .public_key()
            .to_sec1_point(false);
        point.as_bytes().try_into().ok()
    }

    pub fn ecdh(secret: &[u8; 32], peer: &[u8; 65]) -> Option<Zeroizing<[u8; 32]>> {
        let secret = SecretKey::from_slice(secret).ok()?;
        let peer = PublicKey::from_sec1_bytes(peer).ok()?;
        let shared = secret.diffie_hellman(&peer);
        Some(Zeroizing::new((*shared.raw_secret_bytes()).into()))
    }

    pub fn sign(secret: &[u8; 32], z: &[u8; 32], k: &[u8; 32]) -> Option<[u8; 64]> {
        let scalar = |bytes: &[u8; 32]| {
            Option::<NonZeroScalar>::from(NonZeroScalar::from_repr((*bytes).into()))
        };
        let (signature, _) = hazmat::sign_prehashed(&scalar(secret)?, &scalar(k)?, z).ok()?;
        Some(signature.to_bytes().into())
    }

    pub fn verify(public: &[u8; 65], z: &[u8; 32], signature: &[u8; 64]) -> bool {
        let (Ok(public), Ok(signature)) = (
            PublicKey::from_sec1_bytes(public),
            Signature::from_slice(signature),
        ) else {
            return false;
        };
        hazmat::verify_prehashed(&public.to_projective(), z, &signature).is_ok()
    }
}

#[cfg(all(feature = "p256-asm", not(feature = "p256-rust")))]
mod assembler {
    //! The assembler of Emill's P256-Cortex-M4 as Rust functions. Words are little-endian.

    use zeroize::Zeroizing;

    fn words(bytes: &[u8]) -> [u32; 8] {
        let mut out = [0; 8];
        for (to, chunk) in out.iter_mut().rev().zip(bytes.chunks_exact(4)) {
            *to = chunk
                .iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        out
    }

    fn bytes(words: &[u32; 8], out: &mut [u8]) {
        for (to, word) in out.chunks_exact_mut(4).zip(words.iter().rev()) {
            to.copy_from_slice(&word.to_be_bytes());
        }
    }

    fn secret_words(secret: &[u8; 32]) -> Zeroizing<[u32; 8]> {
        Zeroizing::new(words(secret))
    }

    fn coordinates(point: &[u8; 65]) -> ([u32; 8], [u32; 8]) {
        let (x, y) = point[1..].split_at(32);
        (words(x), words(y))
    }

    fn point((x, y): ([u32; 8], [u32; 8])) -> [u8; 65] {
        let mut out = [4; 65];
        let (to_x, to_y) = out[1..].split_at_mut(32);
        bytes(&x, to_x);
        bytes(&y, to_y);
        out
    }

    pub fn is_secret(secret: &[u8; 32]) -> bool {
        p256_cm4::is_scalar(&secret_words(secret))
    }

    pub fn is_public(point: &[u8; 65]) -> bool {
        let (x, y) = coordinates(point);
        point[0] == 4 && p256_cm4::is_point(&x, &y)
    }

    pub fn public_key(secret: &[u8; 32]) -> Option<[u8; 65]> {
        p256_cm4::public_key(&secret_words(secret)).map(point)
    }

    pub fn ecdh(secret: &[u8; 32], peer: &[u8; 65]) -> Option<Zeroizing<[u8; 32]>> {
        let (x, y) = coordinates(peer);
        let shared = Zeroizing::new(p256_cm4::ecdh(&secret_words(secret), &x, &y)?);
        let mut out = Zeroizing::new([0; 32]);
        bytes(&shared, &mut *out);
        Some(out)
    }

    pub fn sign(secret: &[u8; 32], z: &[u8; 32], k: &[u8; 32]) -> Option<[u8; 64]> {
        let (r, s) = p256_cm4::sign(&secret_words(secret), &words(z), &secret_words(k))?;
        let mut out = [0; 64];
        let (to_r, to_s) = out.split_at_mut(32);
        bytes(&r, to_r);
        bytes(&s, to_s);
        Some(out)
    }

    pub fn verify(public: &[u8; 65], z: &[u8; 32], signature: &[u8; 64]) -> bool {
        let (x, y) = coordinates(public);
        let (r, s) = signature.split_at(32);
        p256_cm4::verify(&x, &y, &words(z), &words(r), &words(s))
    }
}
