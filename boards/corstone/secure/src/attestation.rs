//! What the attestation service computes with on this board.
//!
//! Owns the name of the implementation and the way to the attestation key, which is read from the
//! `otp` region for each use and erased behind it.

use crate::otp::Otp;
use provisioning::{Lifecycle, otp};
use spe_attestation::{Constants, Device};
use spe_crypto::primitives::hash::HashAlg;
use spe_crypto::primitives::p256;
use symmetric::sha256::Sha256;

/// The immutable part of the root of trust: our loader as this board's mask ROM. The board's name
/// is that of the package, which is its secure image.
const IMPLEMENTATION_ID: [u8; 32] = padded(&[b"tockstone/", env!("CARGO_PKG_NAME").as_bytes()]);

/// The pieces one behind the other, then zeros.
const fn padded(pieces: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    let (mut piece, mut at) = (0, 0);
    while piece < pieces.len() {
        let mut i = 0;
        while i < pieces[piece].len() {
            // Evaluated by the compiler: a name too long does not build.
            out[at] = pieces[piece][i];
            (i, at) = (i + 1, at + 1);
        }
        piece += 1;
    }
    out
}

/// The claims that this board makes in every boot.
pub fn constants(boot_seed: [u8; 32]) -> Constants {
    Constants {
        implementation_id: IMPLEMENTATION_ID,
        boot_seed,
        // Nobody offers either for this board.
        verification_service: None,
        certificate_reference: None,
    }
}

/// The attestation key in `otp`.
pub struct Root(pub Otp);

impl Root {
    fn with_key<R>(&self, f: impl FnOnce(&[u8; 32]) -> Option<R>) -> Option<R> {
        f(&otp::root_of_trust(&self.0).ok()??.iak)
    }
}

impl Device for Root {
    fn lifecycle(&self) -> Option<Lifecycle> {
        otp::lifecycle(&self.0).ok()
    }

    fn public_key(&self) -> Option<[u8; 65]> {
        self.with_key(p256::public_key)
    }

    fn sign(&self, digest: &[u8; 32]) -> Option<[u8; 64]> {
        self.with_key(|key| p256::sign(HashAlg::Sha256, key, digest, &[]))
    }

    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        hash.finish()
    }
}
