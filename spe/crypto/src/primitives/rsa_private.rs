//! RSA signatures (RFC 8017) with a private key of 2048 bits, by the Chinese remainder theorem.
//!
//! Time depends on sizes only, as far as the multiplier's does. Each signature is checked with the
//! public key before it leaves, so that a fault in one half tells nobody the primes.

use super::hash::HashAlg;
use super::montgomery::{Field, add_wide, number, product, to_bytes};
use super::rsa::{self, PublicKey, element, positive_integer};
use zeroize::{Zeroize, Zeroizing};

/// Modulus and signature, bytes.
pub const MODULUS: usize = 256;
/// Longest `RSAPrivateKey` in DER, bytes: 4 + 3 + (4+257) + (2+5) + (4+257) + 5·(3+129) = 1196.
pub const MAX_DER: usize = 1200;
/// Longest `RSAPublicKey` in DER, bytes.
pub const MAX_PUBLIC_DER: usize = 4 + (4 + MODULUS + 1) + (2 + 5);
/// A prime, bytes and limbs.
const PRIME: usize = MODULUS / 2;
const N: usize = PRIME / 4;

/// A private key, borrowed from its encoding.
pub struct PrivateKey<'a> {
    public: PublicKey<'a>,
    p: &'a [u8],
    q: &'a [u8],
    dp: &'a [u8],
    dq: &'a [u8],
    q_inverse: &'a [u8],
}

impl<'a> PrivateKey<'a> {
    /// Parses PKCS#1 `RSAPrivateKey` in DER (RFC 8017 §A.1.2). `None` unless it is exactly one,
    /// two-prime, of 2048 bits, with p·q the modulus.
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        let (body, rest) = element(der, 0x30)?;
        let (version, body) = element(body, 0x02)?;
        let (modulus, body) = positive_integer(body)?;
        let (exponent, body) = positive_integer(body)?;
        let (_, body) = positive_integer(body)?; // d: not needed beside dp and dq
        let (p, body) = positive_integer(body)?;
        let (q, body) = positive_integer(body)?;
        let (dp, body) = positive_integer(body)?;
        let (dq, body) = positive_integer(body)?;
        let (q_inverse, end) = positive_integer(body)?;
        let public = PublicKey::from_parts(modulus, exponent)?;
        let sized = modulus.len() == MODULUS && p.len() == PRIME && q.len() == PRIME;
        if version != [0] || !rest.is_empty() || !end.is_empty() || !sized {
            return None;
        }
        let key = PrivateKey {
            public,
            p,
            q,
            dp,
            dq,
            q_inverse,
        };
        key.is_consistent(modulus)?.then_some(key)
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey<'a> {
        &self.public
    }

    /// Size of the modulus, bits.
    pub fn bits(&self) -> u16 {
        self.public.bits()
    }

    /// `RSAPublicKey` of this key in DER.
    pub fn public_der(&self, out: &mut [u8; MAX_PUBLIC_DER]) -> usize {
        self.public.encode(out)
    }

    fn is_consistent(&self, modulus: &[u8]) -> Option<bool> {
        let (p, q) = (self.limbs(self.p)?, self.limbs(self.q)?);
        Field::new(&p[..])?;
        Field::new(&q[..])?;
        self.limbs(self.dp)?;
        self.limbs(self.dq)?;
        self.limbs(self.q_inverse)?;
        let mut n = Zeroizing::new([0; 2 * N]);
        product(&p[..], &q[..], &mut n[..]);
        Some(n[..] == number::<{ 2 * N }>(modulus)?)
    }

    /// A number of at most a prime's length.
    fn limbs(&self, bytes: &[u8]) -> Option<Zeroizing<[u32; N]>> {
        let mut padded = Zeroizing::new([0; PRIME]);
        let at = PRIME.checked_sub(bytes.len())?;
        padded.get_mut(at..)?.copy_from_slice(bytes);
        Some(Zeroizing::new(number::<N>(&padded[..])?))
    }

    /// RSASSA-PSS with a salt as long as the hash, which the caller draws.
    pub fn sign_pss(&self, alg: HashAlg, hash: &[u8], salt: &[u8]) -> Option<[u8; MODULUS]> {
        let mut em = [0; MODULUS];
        rsa::pss_encode(alg, hash, salt, &mut em)?;
        self.apply(&em)
    }

    /// RSASSA-PKCS1-v1_5.
    pub fn sign_pkcs1v15(&self, alg: HashAlg, hash: &[u8]) -> Option<[u8; MODULUS]> {
        let mut em = [0; MODULUS];
        rsa::pkcs1v15_encode(alg, hash, &mut em)?;
        self.apply(&em)
    }

    /// em ^ d mod n (RFC 8017 §5.2.1, second form); `None` when the result does not verify.
    fn apply(&self, em: &[u8; MODULUS]) -> Option<[u8; MODULUS]> {
        let (p, q) = (self.limbs(self.p)?, self.limbs(self.q)?);
        let (modulo_p, modulo_q) = (Field::new(&p[..])?, Field::new(&q[..])?);
        let message = number::<{ 2 * N }>(em)?;

        let mut m1 = half(&modulo_p, &message, &*self.limbs(self.dp)?);
        let mut m2 = half(&modulo_q, &message, &*self.limbs(self.dq)?);
        modulo_q.leave(&mut m2[..]);

        // h = (m1 − m2)/q mod p, out of Montgomery form by the plain factor.
        let mut h = Zeroizing::new(*m2);
        let mut r_squared = Zeroizing::new([0; N]);
        modulo_p.r_squared(&mut r_squared[..]);
        modulo_p.multiply(&mut h[..], &r_squared[..]);
        modulo_p.subtract(&mut m1[..], &h[..]);
        let inverse = self.limbs(self.q_inverse)?;
        modulo_p.multiply(&mut m1[..], &inverse[..]);

        let mut result = Zeroizing::new([0; 2 * N]);
        product(&m1[..], &q[..], &mut result[..]);
        add_wide(&mut result[..], &m2[..]);
        let mut signature = [0; MODULUS];
        to_bytes(&result[..], &mut signature);
        if self.public.opens_to(&signature, em) {
            Some(signature)
        } else {
            signature.zeroize();
            None
        }
    }
}

/// message ^ exponent modulo a prime, in Montgomery form.
fn half(field: &Field<'_>, message: &[u32; 2 * N], exponent: &[u32; N]) -> Zeroizing<[u32; N]> {
    let mut r_squared = Zeroizing::new([0; N]);
    field.r_squared(&mut r_squared[..]);
    // message = high·R + low: high·R² + low·R is its Montgomery form.
    let (low, high) = message.split_at(N);
    let mut base = Zeroizing::new([0; N]);
    base.copy_from_slice(high);
    field.multiply(&mut base[..], &r_squared[..]);
    field.multiply(&mut base[..], &r_squared[..]);
    let mut rest = Zeroizing::new([0; N]);
    rest.copy_from_slice(low);
    field.multiply(&mut rest[..], &r_squared[..]);
    field.add(&mut base[..], &rest[..]);
    let mut bytes = Zeroizing::new([0; PRIME]);
    to_bytes(exponent, &mut bytes[..]);
    let mut out = Zeroizing::new([0; N]);
    field.power_secret(&base, &bytes[..], &mut out);
    out
}
