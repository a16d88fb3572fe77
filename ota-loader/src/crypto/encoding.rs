//! The encodings that imgtool puts into PUBKEY and signature TLVs.
//!
//! Owns exactly the forms that a key of this loader can have. A key is compared with the
//! provisioned hash before it is looked at, so that anything else is a key nobody provisioned.

/// SubjectPublicKeyInfo of an uncompressed P-256 point, up to and with the 0x04.
const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// RSAPublicKey with a 3072-bit modulus, up to the modulus.
const RSA_PREFIX: [u8; 9] = [0x30, 0x82, 0x01, 0x8a, 0x02, 0x82, 0x01, 0x81, 0x00];
/// INTEGER 65537.
const RSA_SUFFIX: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// x ‖ y of a DER SubjectPublicKeyInfo.
pub(crate) fn p256_public_key(der: &[u8]) -> Option<&[u8; 64]> {
    der.strip_prefix(&P256_PREFIX)?.try_into().ok()
}

/// Modulus of a DER RSAPublicKey with exponent 65537.
pub(crate) fn rsa3072_modulus(der: &[u8]) -> Option<&[u8; 384]> {
    der.strip_prefix(&RSA_PREFIX)?
        .strip_suffix(&RSA_SUFFIX)?
        .try_into()
        .ok()
}

/// r ‖ s of a DER ECDSA-Sig-Value; imgtool's `--pad-sig` appends zeros.
pub(crate) fn ecdsa_signature(der: &[u8]) -> Option<[u8; 64]> {
    let (body, padding) = element(der, 0x30)?;
    if padding.iter().any(|b| *b != 0) {
        return None;
    }
    let (r, rest) = element(body, 0x02)?;
    let (s, rest) = element(rest, 0x02)?;
    if !rest.is_empty() {
        return None;
    }
    let mut out = [0; 64];
    for (number, to) in [r, s].into_iter().zip(out.chunks_exact_mut(32)) {
        let magnitude = positive(number)?;
        let at = to.len().checked_sub(magnitude.len())?;
        to.get_mut(at..)?.copy_from_slice(magnitude);
    }
    Some(out)
}

/// Content of a DER element with a one-byte length, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, len @ 0..=0x7F, rest @ ..] = bytes else {
        return None;
    };
    if *found != tag {
        return None;
    }
    rest.split_at_checked(usize::from(*len))
}

/// Magnitude of a minimally encoded, positive INTEGER.
fn positive(number: &[u8]) -> Option<&[u8]> {
    match number {
        [0, rest @ ..] if rest.first().is_some_and(|b| *b >= 0x80) => Some(rest),
        [1..=0x7F, ..] => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let mut body = vec![0x02, r.len() as u8];
        body.extend(r);
        body.extend([0x02, s.len() as u8]);
        body.extend(s);
        let mut out = vec![0x30, body.len() as u8];
        out.extend(body);
        out
    }

    #[test]
    fn signatures_are_left_padded() {
        let mut long = vec![0];
        long.extend([0x80; 32]);
        let out = ecdsa_signature(&der(&[0x7F, 1], &long)).unwrap();
        assert_eq!(out[..30], [0; 30]);
        assert_eq!(out[30..32], [0x7F, 1]);
        assert_eq!(out[32..], [0x80; 32]);
        let mut padded = der(&[1], &[2]);
        padded.extend([0, 0]);
        assert!(ecdsa_signature(&padded).is_some());
    }

    #[test]
    fn malformed_signatures_are_refused() {
        let ok = der(&[1], &[2]);
        for len in 0..ok.len() {
            assert_eq!(ecdsa_signature(&ok[..len]), None);
        }
        let mut trailing = ok.clone();
        trailing.push(1);
        assert_eq!(ecdsa_signature(&trailing), None);
        // Negative, zero, not minimal, empty, too long.
        for r in [&[0x80][..], &[0], &[0, 1], &[], &[1; 33], &[0x7F; 40]] {
            assert_eq!(ecdsa_signature(&der(r, &[1])), None);
            assert_eq!(ecdsa_signature(&der(&[1], r)), None);
        }
        let mut random = 0xD00D_F00D_0000_0001u64;
        for _ in 0..20_000 {
            let mut bytes = der(&[1; 32], &[2; 32]);
            for _ in 0..3 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let at = random as usize % bytes.len();
                bytes[at] = (random >> 32) as u8;
            }
            ecdsa_signature(&bytes);
        }
    }
}
