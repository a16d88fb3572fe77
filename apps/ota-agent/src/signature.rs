//! The operator's signature over a file, as the device is provisioned.
//!
//! Owns which algorithm verifies it: the job names RSA or ECDSA, the key (PSA id
//! [`VERIFY_KEY`]) and its policy decide the padding. Both must agree before anything is downloaded.

use crate::document::{OtaFile, SignatureKind};
use crate::update::Reason;
use crate::{VERIFY_KEY, document};
use psa_client::{Algorithm, KeyType, Status, Transport, crypto};

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
    let mut raw = [0; ecdsa_der::MAX_RAW];
    let algorithm;
    let signature: &[u8] = match scheme(transport, file.kind)? {
        Scheme::Rsa(of_key) => {
            algorithm = of_key;
            &file.signature
        }
        Scheme::Ecdsa(width) => {
            algorithm = Algorithm::ecdsa(Algorithm::SHA_256);
            let raw = raw.get_mut(..2 * width).ok_or(BAD)?;
            ecdsa_der::to_raw(&file.signature, raw).ok_or(BAD)?;
            raw
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

// The longest signature that a job may carry fits what DER may take here.
const _: () = assert!(document::SIGNATURE >= ecdsa_der::MAX_DER);
