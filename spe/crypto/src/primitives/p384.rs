//! ECDSA verification on P-384 (for certificate chains). Points are 04‖X‖Y, signatures r‖s.

use ecdsa::hazmat;
use p384::PublicKey;
use p384::ecdsa::Signature;

/// Uncompressed point, bytes.
pub const PUBLIC: usize = 97;
/// Signature, bytes.
pub const SIGNATURE: usize = 96;

/// Whether `point` is an uncompressed point of the curve.
pub fn is_public(point: &[u8]) -> bool {
    point.len() == PUBLIC && point.first() == Some(&4) && PublicKey::from_sec1_bytes(point).is_ok()
}

/// Whether `signature` is one of `hash` under `public`.
pub fn verify(public: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    if !is_public(public) {
        return false;
    }
    let (Ok(public), Ok(signature)) = (
        PublicKey::from_sec1_bytes(public),
        Signature::from_slice(signature),
    ) else {
        return false;
    };
    // bits2int wants 48 bytes: pad a shorter hash on the left, cut a longer one on the right.
    let mut z = [0; 48];
    let hash = hash.get(..48).unwrap_or(hash);
    for (to, byte) in z.iter_mut().skip(48 - hash.len()).zip(hash) {
        *to = *byte;
    }
    hazmat::verify_prehashed(&public.to_projective(), &z, &signature).is_ok()
}
