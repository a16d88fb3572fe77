//! RSA signatures (RFC 8017): RSASSA-PSS and RSASSA-PKCS1-v1_5, encoding and verification.
//!
//! Moduli of 2048, 3072 and 4096 bits. Nothing here is secret, so time may depend on all of it;
//! private keys are in `rsa_private`.

use super::hash::{Hash, HashAlg, digest};
use super::montgomery;

/// Longest modulus and signature, bytes.
pub const MAX_MODULUS: usize = 512;

/// A public key, borrowed from its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey<'a> {
    /// Big-endian, no leading zero.
    modulus: &'a [u8],
    exponent: u32,
}

impl<'a> PublicKey<'a> {
    /// Parses PKCS#1 `RSAPublicKey` in DER (RFC 8017 §A.1.1). `None` unless it is exactly one, with
    /// an odd modulus of an offered size and an odd exponent of 3 to 2^32 − 1.
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        let (body, rest) = element(der, 0x30)?;
        let (modulus, body) = positive_integer(body)?;
        let (exponent, end) = positive_integer(body)?;
        if !rest.is_empty() || !end.is_empty() {
            return None;
        }
        Self::from_parts(modulus, exponent)
    }

    /// From big-endian numbers without leading zeros, under the same conditions.
    pub(super) fn from_parts(modulus: &'a [u8], exponent: &[u8]) -> Option<Self> {
        if exponent.len() > 4 {
            return None;
        }
        let exponent = exponent
            .iter()
            .fold(0, |e: u32, byte| e << 8 | u32::from(*byte));
        let top_bit = modulus.first()? & 0x80 != 0;
        let odd = modulus.last()? & 1 == 1;
        let sized = matches!(modulus.len(), 256 | 384 | 512);
        (top_bit && odd && sized && exponent >= 3 && exponent & 1 == 1)
            .then_some(PublicKey { modulus, exponent })
    }

    /// Size of the modulus, bits.
    pub fn bits(&self) -> u16 {
        (self.modulus.len() * 8) as u16
    }

    /// RSASSA-PSS with MGF1 over the same hash; the salt is as long as the hash, or of any length.
    pub fn verify_pss(&self, alg: HashAlg, hash: &[u8], signature: &[u8], any_salt: bool) -> bool {
        let mut buffer = [0; MAX_MODULUS];
        let Some(em) = self.open(signature, &mut buffer) else {
            return false;
        };
        pss_matches(alg, hash, em, any_salt).unwrap_or(false)
    }

    /// RSASSA-PKCS1-v1_5 with a DigestInfo of `alg`.
    pub fn verify_pkcs1v15(&self, alg: HashAlg, hash: &[u8], signature: &[u8]) -> bool {
        let mut buffer = [0; MAX_MODULUS];
        let Some(em) = self.open(signature, &mut buffer) else {
            return false;
        };
        pkcs1v15_matches(alg, hash, em).unwrap_or(false)
    }

    /// `RSAPublicKey` in DER; its length, 0 when `out` is too small.
    #[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
    pub(super) fn encode(&self, out: &mut [u8]) -> usize {
        let exponent = self.exponent.to_be_bytes();
        let skip = self.exponent.leading_zeros() as usize / 8;
        let exponent = exponent.get(skip..).unwrap_or_default();
        let pad = usize::from(exponent.first().is_some_and(|byte| byte & 0x80 != 0));
        // Every modulus offered has its top bit set and 256 to 512 bytes: two bytes of length.
        let (modulus_len, exponent_len) = (self.modulus.len() + 1, exponent.len() + pad);
        let body_len = 4 + modulus_len + 2 + exponent_len;
        let [high, low] = (body_len as u16).to_be_bytes();
        let [modulus_high, modulus_low] = (modulus_len as u16).to_be_bytes();
        let parts: [&[u8]; 5] = [
            &[
                0x30,
                0x82,
                high,
                low,
                0x02,
                0x82,
                modulus_high,
                modulus_low,
                0,
            ],
            self.modulus,
            &[0x02, exponent_len as u8],
            [0].get(..pad).unwrap_or_default(),
            exponent,
        ];
        let mut at = 0;
        for part in parts {
            let Some(to) = out.get_mut(at..at + part.len()) else {
                return 0;
            };
            to.copy_from_slice(part);
            at += part.len();
        }
        at
    }

    /// Whether `signature` opens to exactly `em`.
    #[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
    pub(super) fn opens_to(&self, signature: &[u8], em: &[u8]) -> bool {
        let mut buffer = [0; MAX_MODULUS];
        self.open(signature, &mut buffer)
            .is_some_and(|opened| super::equal(opened, em))
    }

    /// signature ^ exponent mod modulus, as long as the modulus.
    fn open<'b>(&self, signature: &[u8], out: &'b mut [u8; MAX_MODULUS]) -> Option<&'b mut [u8]> {
        if signature.len() != self.modulus.len() {
            return None;
        }
        let out = out.get_mut(..self.modulus.len())?;
        montgomery::power(self.modulus, signature, self.exponent, out)?;
        Some(out)
    }
}

/// EMSA-PSS-VERIFY (RFC 8017 §9.1.2) where the modulus has a whole number of bytes: emBits is
/// 8·len − 1. Unmasks `em` in place.
fn pss_matches(alg: HashAlg, hash: &[u8], em: &mut [u8], any_salt: bool) -> Option<bool> {
    let h_len = alg.len();
    if hash.len() != h_len || em.last() != Some(&0xBC) {
        return Some(false);
    }
    let db_len = em.len().checked_sub(h_len + 1)?;
    let (db, rest) = em.split_at_mut_checked(db_len)?;
    let h = rest.get(..h_len)?;
    if db.first()? & 0x80 != 0 {
        return Some(false);
    }
    mgf1_xor(alg, h, db);
    *db.first_mut()? &= 0x7F;
    let one = db.iter().position(|byte| *byte != 0)?;
    if db.get(one) != Some(&1) {
        return Some(false);
    }
    let salt = db.get(one + 1..)?;
    if !any_salt && salt.len() != h_len {
        return Some(false);
    }
    Some(*digest(alg, &[&[0; 8], hash, salt]) == *h)
}

/// EMSA-PSS-ENCODE (RFC 8017 §9.1.1) over the whole of `em`, under the same condition; `None` when
/// hash and salt do not fit.
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
pub(super) fn pss_encode(alg: HashAlg, hash: &[u8], salt: &[u8], em: &mut [u8]) -> Option<()> {
    let h_len = alg.len();
    if hash.len() != h_len {
        return None;
    }
    let h = digest(alg, &[&[0; 8], hash, salt]);
    let (db, rest) = em.split_at_mut_checked(em.len().checked_sub(h_len + 1)?)?;
    let (padding, tail) = db.split_at_mut_checked(db.len().checked_sub(salt.len() + 1)?)?;
    padding.fill(0);
    let (one, to) = tail.split_first_mut()?;
    *one = 1;
    to.copy_from_slice(salt);
    mgf1_xor(alg, &h, db);
    *db.first_mut()? &= 0x7F;
    let (last, to) = rest.split_last_mut()?;
    to.copy_from_slice(&h);
    *last = 0xBC;
    Some(())
}

/// XORs MGF1(seed) onto `data` (RFC 8017 §B.2.1).
fn mgf1_xor(alg: HashAlg, seed: &[u8], data: &mut [u8]) {
    let mut seeded = Hash::new(alg);
    seeded.update(seed);
    for (counter, chunk) in data.chunks_mut(alg.len()).enumerate() {
        let mut hash = seeded.clone();
        hash.update(&(counter as u32).to_be_bytes());
        for (to, mask) in chunk.iter_mut().zip(hash.finish().iter()) {
            *to ^= *mask;
        }
    }
}

/// DigestInfo up to the hash (RFC 8017 §9.2, note 1).
fn digest_info(alg: HashAlg) -> [u8; 19] {
    let (oid, len) = match alg {
        HashAlg::Sha224 => (4, 28),
        HashAlg::Sha256 => (1, 32),
        #[cfg(feature = "long-hash")]
        HashAlg::Sha384 => (2, 48),
        #[cfg(feature = "long-hash")]
        HashAlg::Sha512 => (3, 64),
    };
    [
        0x30,
        17 + len,
        0x30,
        0x0D,
        0x06,
        0x09,
        0x60,
        0x86,
        0x48,
        0x01,
        0x65,
        0x03,
        0x04,
        0x02,
        oid,
        0x05,
        0x00,
        0x04,
        len,
    ]
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2) over the whole of `em`; `None` when it does not fit.
pub(super) fn pkcs1v15_encode(alg: HashAlg, hash: &[u8], em: &mut [u8]) -> Option<()> {
    if hash.len() != alg.len() {
        return None;
    }
    let (padding, end) = em.split_at_mut_checked(em.len().checked_sub(20 + hash.len())?)?;
    let (start, filler) = padding.split_at_mut_checked(2)?;
    if filler.len() < 8 {
        return None;
    }
    start.copy_from_slice(&[0, 1]);
    filler.fill(0xFF);
    let (info, digest) = end.split_at_mut_checked(20)?;
    let (zero, info) = info.split_first_mut()?;
    *zero = 0;
    info.copy_from_slice(&digest_info(alg));
    digest.copy_from_slice(hash);
    Some(())
}

/// The encoded message is built anew and compared, never parsed.
fn pkcs1v15_matches(alg: HashAlg, hash: &[u8], em: &[u8]) -> Option<bool> {
    let mut expected = [0; MAX_MODULUS];
    let expected = expected.get_mut(..em.len())?;
    pkcs1v15_encode(alg, hash, expected)?;
    Some(*expected == *em)
}

/// One DER element with a definite, minimal length: its contents, and what follows.
pub(super) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let len = if first < 0x80 {
        usize::from(first)
    } else {
        let count = usize::from(first & 0x7F);
        let (bytes, after) = rest.split_at_checked(count)?;
        if !(1..=2).contains(&count) {
            return None;
        }
        rest = after;
        let len = bytes
            .iter()
            .fold(0, |len, byte| len << 8 | usize::from(*byte));
        if len < if count == 1 { 0x80 } else { 0x100 } {
            return None;
        }
        len
    };
    rest.split_at_checked(len)
}

/// A positive DER integer without its sign byte, and what follows.
pub(super) fn positive_integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (bytes, rest) = element(der, 0x02)?;
    match bytes {
        [0, next, ..] if next & 0x80 != 0 => Some((bytes.get(1..)?, rest)),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Some((bytes, rest)),
        _ => None,
    }
}
