//! Signature verification for handshakes and certificate chains.
//!
//! The signer's public key is imported as a volatile key for one `psa_verify_hash`.

use crate::psa::Psa;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, Status};
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

/// Longest digest, bytes.
const MAX_HASH: usize = 64;

/// One signature algorithm of the service.
struct Verifier {
    psa: &'static Psa,
    name: &'static str,
    key_type: KeyType,
    hash: Algorithm,
    alg: Algorithm,
    key_id: AlgorithmIdentifier,
    signature_id: AlgorithmIdentifier,
}

/// Schemes of a TLS 1.2 server key exchange signed by an EC key; TLS 1.2 fixes the hash only.
pub(crate) const ECDSA_SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
];
/// The same for an RSA key.
pub(crate) const RSA_SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// Every algorithm, and the TLS schemes that they serve, in order of preference.
pub(crate) fn algorithms(psa: &'static Psa) -> WebPkiSupportedAlgorithms {
    type Dyn = &'static dyn SignatureVerificationAlgorithm;
    let leak = |verifier: Verifier| -> Dyn { Box::leak(Box::new(verifier)) };
    let (sha256, sha384, sha512) = (Algorithm::SHA_256, Algorithm::SHA_384, Algorithm::SHA_512);
    let ecdsa = |name, hash, key_id, signature_id| {
        leak(Verifier {
            psa,
            name,
            key_type: KeyType::ECC_PUBLIC_KEY_SECP_R1,
            hash,
            alg: Algorithm::ecdsa(hash),
            key_id,
            signature_id,
        })
    };
    let rsa = |name, hash, alg: fn(Algorithm) -> Algorithm, signature_id| {
        leak(Verifier {
            psa,
            name,
            key_type: KeyType::RSA_PUBLIC_KEY,
            hash,
            alg: alg(hash),
            key_id: alg_id::RSA_ENCRYPTION,
            signature_id,
        })
    };
    let (p256, p384) = (alg_id::ECDSA_P256, alg_id::ECDSA_P384);
    let (with_sha256, with_sha384) = (alg_id::ECDSA_SHA256, alg_id::ECDSA_SHA384);
    let p256_sha256 = ecdsa("ECDSA P-256 SHA-256", sha256, p256, with_sha256);
    let p256_sha384 = ecdsa("ECDSA P-256 SHA-384", sha384, p256, with_sha384);
    let p384_sha256 = ecdsa("ECDSA P-384 SHA-256", sha256, p384, with_sha256);
    let p384_sha384 = ecdsa("ECDSA P-384 SHA-384", sha384, p384, with_sha384);
    use SignatureScheme as Scheme;
    let (pss, pkcs1) = (Algorithm::rsa_pss, Algorithm::rsa_pkcs1v15_sign);
    let single = [
        (
            Scheme::RSA_PSS_SHA256,
            rsa("RSA-PSS SHA-256", sha256, pss, alg_id::RSA_PSS_SHA256),
        ),
        (
            Scheme::RSA_PSS_SHA384,
            rsa("RSA-PSS SHA-384", sha384, pss, alg_id::RSA_PSS_SHA384),
        ),
        (
            Scheme::RSA_PSS_SHA512,
            rsa("RSA-PSS SHA-512", sha512, pss, alg_id::RSA_PSS_SHA512),
        ),
        (
            Scheme::RSA_PKCS1_SHA256,
            rsa("RSA-PKCS1 SHA-256", sha256, pkcs1, alg_id::RSA_PKCS1_SHA256),
        ),
        (
            Scheme::RSA_PKCS1_SHA384,
            rsa("RSA-PKCS1 SHA-384", sha384, pkcs1, alg_id::RSA_PKCS1_SHA384),
        ),
        (
            Scheme::RSA_PKCS1_SHA512,
            rsa("RSA-PKCS1 SHA-512", sha512, pkcs1, alg_id::RSA_PKCS1_SHA512),
        ),
    ];
    let mut all = alloc::vec![p256_sha256, p384_sha384, p256_sha384, p384_sha256];
    // TLS 1.3 takes the first of each: the one whose curve the scheme names.
    let mut mapping: Vec<(SignatureScheme, &'static [Dyn])> = alloc::vec![
        (
            Scheme::ECDSA_NISTP256_SHA256,
            &*Box::leak(Box::new([p256_sha256, p384_sha256])),
        ),
        (
            Scheme::ECDSA_NISTP384_SHA384,
            &*Box::leak(Box::new([p384_sha384, p256_sha384])),
        ),
    ];
    for (scheme, verifier) in single {
        all.push(verifier);
        mapping.push((scheme, Box::leak(Box::new([verifier]))));
    }
    WebPkiSupportedAlgorithms {
        all: Vec::leak(all),
        mapping: Vec::leak(mapping),
    }
}

impl SignatureVerificationAlgorithm for Verifier {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.check(public_key, message, signature)
            .map_err(|status| {
                // What the peer can cause is an invalid signature; anything else is ours to report.
                if !matches!(
                    status,
                    Status::INVALID_SIGNATURE | Status::INVALID_ARGUMENT | Status::NOT_SUPPORTED
                ) {
                    self.psa.note(status);
                }
                InvalidSignature
            })
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key_id
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature_id
    }
}

impl Verifier {
    fn check(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Status> {
        let mut raw = [0; ecdsa_der::MAX_RAW];
        let signature = if self.key_id == alg_id::ECDSA_P256 {
            raw_into::<64>(signature, &mut raw)?
        } else if self.key_id == alg_id::ECDSA_P384 {
            raw_into::<96>(signature, &mut raw)?
        } else {
            signature
        };
        let mut digest = [0; MAX_HASH];
        let len = self.psa.hash(self.hash, message, &mut digest)?;
        let digest = digest.get(..len).ok_or(Status::COMMUNICATION_FAILURE)?;
        let attributes = KeyAttributes::volatile(self.key_type, 0, usage::VERIFY_HASH, self.alg);
        let key = self
            .psa
            .import(&attributes, public_key)
            .inspect_err(|status| {
                if matches!(*status, Status::INVALID_ARGUMENT | Status::NOT_SUPPORTED) {
                    self.psa.note_weak_key();
                }
            })?;
        self.psa.verify_hash(self.alg, key.id, digest, signature)
    }
}

/// r‖s of `SIZE` bytes from DER.
fn raw_into<'a, const SIZE: usize>(der: &[u8], to: &'a mut [u8]) -> Result<&'a [u8], Status> {
    let to = to.get_mut(..SIZE).ok_or(Status::INVALID_SIGNATURE)?;
    ecdsa_der::to_raw(der, to).ok_or(Status::INVALID_SIGNATURE)?;
    Ok(to)
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
