//! The DER of keys: RSA numbers to PKCS#1 and back, and a public key's SubjectPublicKeyInfo.
//!
//! Owns the encodings that PSA and templates do not share. Total: what does not fit is `None`.

/// Longest `RSAPublicKey` of 2048 bits, bytes.
pub const MAX_RSA_PUBLIC: usize = 4 + (4 + 257) + (2 + 5);
/// Longest `RSAPrivateKey` of 2048 bits, bytes.
pub const MAX_RSA_PRIVATE: usize = 4 + 3 + 2 * (4 + 257) + (2 + 5) + 5 * (3 + 129);
/// Longest `SubjectPublicKeyInfo`, bytes: of RSA.
pub const MAX_SPKI: usize = 4 + RSA_ALGORITHM.len() + 5 + MAX_RSA_PUBLIC;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// AlgorithmIdentifier of rsaEncryption, with its NULL (RFC 3279 §2.3.1).
const RSA_ALGORITHM: [u8; 15] = [
    0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00,
];
/// AlgorithmIdentifier of id-ecPublicKey on P-256 (RFC 5480 §2.1).
const P256_ALGORITHM: [u8; 21] = [
    0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
    0xCE, 0x3D, 0x03, 0x01, 0x07,
];

/// Writes from the end to the front, so that a length is known when its header is written.
struct Backwards<'a> {
    to: &'a mut [u8],
    start: usize,
}

impl Backwards<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let start = self.start.checked_sub(bytes.len())?;
        self.to.get_mut(start..self.start)?.copy_from_slice(bytes);
        self.start = start;
        Some(())
    }

    /// Header of what lies between here and `end`.
    fn header(&mut self, tag: u8, end: usize) -> Option<()> {
        let len = end.checked_sub(self.start)?;
        let [high, low] = u16::try_from(len).ok()?.to_be_bytes();
        match len {
            0..0x80 => self.put(&[tag, low]),
            0x80..0x100 => self.put(&[tag, 0x81, low]),
            _ => self.put(&[tag, 0x82, high, low]),
        }
    }

    /// A positive INTEGER; zeros in front do not matter.
    fn integer(&mut self, number: &[u8]) -> Option<()> {
        let end = self.start;
        let first = number.iter().position(|b| *b != 0)?;
        let digits = number.get(first..)?;
        self.put(digits)?;
        if digits.first()? & 0x80 != 0 {
            self.put(&[0])?;
        }
        self.header(INTEGER, end)
    }
}

/// `RSAPublicKey` of two numbers or `RSAPrivateKey` of eight (RFC 8017 §A.1), written at the end
/// of `to`.
pub fn rsa_key<'o>(numbers: &[&[u8]], to: &'o mut [u8]) -> Option<&'o [u8]> {
    let end = to.len();
    let mut out = Backwards { start: end, to };
    for number in numbers.iter().rev() {
        out.integer(number)?;
    }
    if numbers.len() > 2 {
        // Version: two primes.
        out.put(&[INTEGER, 1, 0])?;
    }
    out.header(SEQUENCE, end)?;
    let start = out.start;
    to.get(start..)
}

/// `SubjectPublicKeyInfo` of a public key as PSA exports it: a point or an `RSAPublicKey`.
pub fn spki<'o>(key: &[u8], rsa: bool, to: &'o mut [u8]) -> Option<&'o [u8]> {
    let end = to.len();
    let mut out = Backwards { start: end, to };
    out.put(key)?;
    out.put(&[0])?;
    out.header(BIT_STRING, end)?;
    match rsa {
        true => out.put(&RSA_ALGORITHM)?,
        false => out.put(&P256_ALGORITHM)?,
    }
    out.header(SEQUENCE, end)?;
    let start = out.start;
    to.get(start..)
}

/// Modulus and exponent, without leading zeros, of an `RSAPublicKey`.
pub fn rsa_public(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, body, _) = element(der)?;
    let (tag_n, modulus, rest) = element(body)?;
    let (tag_e, exponent, _) = element(rest)?;
    let number = |n: &[u8]| n.iter().position(|b| *b != 0);
    match (tag, tag_n, tag_e) {
        (SEQUENCE, INTEGER, INTEGER) => Some((
            modulus.get(number(modulus)?..)?,
            exponent.get(number(exponent)?..)?,
        )),
        _ => None,
    }
}

/// Tag, content and what follows of a DER element, of up to two octets of length.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (len, at) = match der.get(1)? {
        len @ 0..=0x7F => (usize::from(*len), 2),
        0x81 => (usize::from(*der.get(2)?), 3),
        0x82 => (
            usize::from(*der.get(2)?) << 8 | usize::from(*der.get(3)?),
            4,
        ),
        _ => return None,
    };
    let (content, rest) = der.get(at..)?.split_at_checked(len)?;
    Some((*der.first()?, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsa_numbers_round_trip_and_keep_to_their_room() {
        let mut x = 9u64;
        for len in (1..257).chain([256; 40]) {
            let mut modulus = vec![0; len];
            for byte in &mut modulus {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                *byte = x as u8;
            }
            modulus[0] |= 1;
            let padded = [&[0, 0][..], &modulus].concat();
            let mut room = [0xEE; MAX_RSA_PUBLIC];
            let der = rsa_key(&[&padded, &[1, 0, 1]], &mut room).unwrap();
            assert_eq!(rsa_public(der), Some((&modulus[..], &[1, 0, 1][..])));
            let mut less = vec![0; der.len() - 1];
            assert_eq!(rsa_key(&[&padded, &[1, 0, 1]], &mut less), None);
            let mut bytes = der.to_vec();
            for _ in 0..50 {
                x = x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                let at = (x >> 33) as usize % bytes.len();
                bytes[at] = (x >> 20) as u8;
                let _ = rsa_public(&bytes[..at]);
                let _ = rsa_public(&bytes);
            }
        }
        assert_eq!(rsa_key(&[&[0, 0], &[3]], &mut [0; 99]), None);
        assert_eq!(rsa_key(&[&[], &[3]], &mut [0; 99]), None);
    }
}
