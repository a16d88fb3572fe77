//! X25519 (RFC 7748): key pairs and key agreement. Everything is little-endian, 32 bytes.
//!
//! The ladder of `curve25519-dalek`, for the base point too: its tables would cost 30 KiB.

use curve25519_dalek::montgomery::MontgomeryPoint;
use zeroize::Zeroizing;

/// Private key, public key and shared secret, bytes.
pub const LEN: usize = 32;

/// The u-coordinate 9 (RFC 7748 §4.1).
const BASE: MontgomeryPoint = {
    let mut u = [0; LEN];
    u[0] = 9;
    MontgomeryPoint(u)
};

/// The public key of `secret`. Any 32 bytes are a private key: they are clamped when used.
pub fn public_key(secret: &[u8; LEN]) -> [u8; LEN] {
    BASE.mul_clamped(*secret).0
}

/// The shared secret; `None` when it is zero, which a point of small order makes it (§6.1).
pub fn agree(secret: &[u8; LEN], peer: &[u8; LEN]) -> Option<Zeroizing<[u8; LEN]>> {
    let shared = Zeroizing::new(MontgomeryPoint(*peer).mul_clamped(*secret).0);
    (!super::equal(&shared[..], &[0; LEN])).then_some(shared)
}
