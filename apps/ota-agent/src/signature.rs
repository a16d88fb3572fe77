//! The operator's signature over a file, as the device is provisioned.
//!
//! Owns which algorithm verifies it: the job names RSA or ECDSA, the key (PSA id
//! [`VERIFY_KEY`]) and its policy decide the padding. Both must agree before anything is downloaded.

use crate::document::{OtaFile, SignatureKind};
use crate::update::Reason;
use crate::{VERIFY_KEY, document};
use heapless::Vec;
use psa_client::{Algorithm, KeyType, Status, Transport, crypto};

/// Longest raw ECDSA signature, bytes: P-384.
const RAW: usize = 96;
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// How the device verifies a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Rsa(Algorithm),
    /// Bytes of one coordinate.
    Ecdsa(usize),
}

/// Whether the device could verify this kind of signature at all.
///
/// # Errors
/// Why it could not.
pub fn check_kind(transport: &impl Transport, kind: SignatureKind) -> Result<(), Reason> {
    scheme(transport, kind).map(|_| ())
}

/// Verifies the file's signature over the digest of what is staged.
///
/// # Errors
/// Why it must not be installed.
pub fn verify(transport: &impl Transport, file: &OtaFile, digest: &[u8; 32]) -> Result<(), Reason> {
    const BAD: Reason = "signature does not verify";
    let (algorithm, raw);
    let signature: &[u8] = match scheme(transport, file.kind)? {
        Scheme::Rsa(of_key) => {
            algorithm = of_key;
            &file.signature
        }
        Scheme::Ecdsa(width) => {
            algorithm = Algorithm::ecdsa(Algorithm::SHA_256);
            raw = raw_ecdsa(&file.signature, width).ok_or(BAD)?;
            &raw
        }
    };
    match crypto::verify_hash(transport, VERIFY_KEY, algorithm, digest, signature) {
        Ok(()) => Ok(()),
        Err(Status::NOT_PERMITTED) => Err("the update key's policy forbids it"),
        Err(_) => Err(BAD),
    }
}

fn scheme(transport: &impl Transport, kind: SignatureKind) -> Result<Scheme, Reason> {
    let key = crypto::get_key_attributes(transport, VERIFY_KEY)
        .map_err(|_| "no key to verify the signature")?;
    match (kind, key.key_type) {
        (SignatureKind::Rsa, KeyType::RSA_PUBLIC_KEY) => {
            let sha256 = Algorithm::SHA_256;
            Ok(Scheme::Rsa(if key.alg.is_rsa_pkcs1v15_sign() {
                Algorithm::rsa_pkcs1v15_sign(sha256)
            } else if key.alg.is_rsa_pss_any_salt() {
                Algorithm::rsa_pss_any_salt(sha256)
            } else {
                Algorithm::rsa_pss(sha256)
            }))
        }
        (SignatureKind::Ecdsa, KeyType::ECC_PUBLIC_KEY_SECP_R1) => {
            Ok(Scheme::Ecdsa(usize::from(key.bits).div_ceil(8)))
        }
        (SignatureKind::Rsa, _) => Err("signed by RSA, the update key is ECDSA"),
        (SignatureKind::Ecdsa, _) => Err("signed by ECDSA, the update key is RSA"),
    }
}

/// r‖s of a DER signature (RFC 3279 §2.2.3); `None` unless it is one SEQUENCE of two minimal,
/// positive INTEGERs that fit `width` bytes each.
fn raw_ecdsa(der: &[u8], width: usize) -> Option<Vec<u8, RAW>> {
    let (body, rest) = element(der, SEQUENCE)?;
    let (r, after) = element(body, INTEGER)?;
    let (s, end) = element(after, INTEGER)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    for number in [r, s] {
        let digits = match number {
            [0, more @ ..] if more.first().is_some_and(|b| b & 0x80 != 0) => more,
            [first, ..] if first & 0x80 == 0 && *first != 0 => number,
            _ => return None,
        };
        for _ in 0..width.checked_sub(digits.len())? {
            out.push(0).ok()?;
        }
        out.extend_from_slice(digits).ok()?;
    }
    Some(out)
}

/// Content of a short-form element, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk::<2>()?;
    (found == tag && length & 0x80 == 0).then_some(())?;
    rest.split_at_checked(length.into())
}

// The longest signature that a job may carry fits what DER may take here.
const _: () = assert!(document::SIGNATURE >= 2 + 2 * (2 + RAW / 2 + 1));

#[cfg(test)]
mod tests {
    use super::*;

    fn der(r: &[u8], s: &[u8]) -> std::vec::Vec<u8> {
        let mut out = vec![
            SEQUENCE,
            (4 + r.len() + s.len()) as u8,
            INTEGER,
            r.len() as u8,
        ];
        out.extend(r);
        out.extend([INTEGER, s.len() as u8]);
        out.extend(s);
        out
    }

    #[test]
    fn numbers_are_padded_to_their_width() {
        let raw = raw_ecdsa(&der(&[1], &[0, 0x80, 2]), 32).unwrap();
        assert_eq!((raw.len(), raw[31], &raw[62..]), (64, 1, &[0x80, 2][..]));
        assert_eq!(raw_ecdsa(&der(&[1; 48], &[2; 48]), 48).unwrap().len(), 96);
    }

    #[test]
    fn what_is_not_minimal_and_positive_is_none() {
        for (r, s) in [
            (&[0, 1][..], &[1][..]),
            (&[0x80], &[1]),
            (&[], &[1]),
            (&[0], &[1]),
            (&[1; 33], &[1]),
        ] {
            assert_eq!(raw_ecdsa(&der(r, s), 32), None, "{r:?}");
        }
        let mut long = der(&[1], &[1]);
        long.push(0);
        assert_eq!(raw_ecdsa(&long, 32), None);
    }

    #[test]
    fn any_bytes_are_survived() {
        let good = der(&[0x11; 32], &[0x22; 32]);
        let mut state = 5u32;
        for _ in 0..50_000 {
            let mut bytes = good.clone();
            for _ in 0..2 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let at = state as usize % bytes.len();
                bytes[at] = (state >> 16) as u8;
            }
            bytes.truncate(state as usize % bytes.len() + 1);
            for width in [32, 48] {
                assert!(raw_ecdsa(&bytes, width).is_none_or(|raw| raw.len() == 2 * width));
            }
        }
    }
}
