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
    let mut raw = [0; 64];
    let padding = ecdsa_der::padded_to_raw(der, &mut raw)?;
    padding.iter().all(|byte| *byte == 0).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zeros_may_follow_a_signature() {
        let good = [0x30, 6, 2, 1, 1, 2, 1, 2];
        let raw = ecdsa_signature(&good).unwrap();
        assert_eq!((raw[31], raw[63]), (1, 2));
        assert_eq!(ecdsa_signature(&[&good[..], &[0, 0]].concat()), Some(raw));
        assert_eq!(ecdsa_signature(&[&good[..], &[0, 1]].concat()), None);
        assert_eq!(ecdsa_signature(&good[..7]), None);
    }
}
