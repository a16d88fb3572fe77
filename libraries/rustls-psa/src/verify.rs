//! Signature verification for handshakes and certificate chains.
//!
//! The signer's public key is imported as a volatile key for one `psa_verify_hash`.

use crate::der;
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

/// Every algorithm, in order of preference, and the TLS schemes that they serve.
pub(crate) fn algorithms(psa: &'static Psa) -> WebPkiSupportedAlgorithms {
    let hashes = [Algorithm::SHA_256, Algorithm::SHA_384, Algorithm::SHA_512];
    let [sha256, sha384, sha512] = hashes;
    let pss = Algorithm::rsa_pss;
    let pkcs1 = Algorithm::rsa_pkcs1v15_sign;
    let rsa = |name, hash, alg, signature_id| Verifier {
        psa,
        name,
        key_type: KeyType::RSA_PUBLIC_KEY,
        hash,
        alg,
        key_id: alg_id::RSA_ENCRYPTION,
        signature_id,
    };
    let table = [
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            Verifier {
                psa,
                name: "ECDSA P-256 SHA-256",
                key_type: KeyType::ECC_PUBLIC_KEY_SECP_R1,
                hash: sha256,
                alg: Algorithm::ecdsa(sha256),
                key_id: alg_id::ECDSA_P256,
                signature_id: alg_id::ECDSA_SHA256,
            },
        ),
        (
            SignatureScheme::RSA_PSS_SHA256,
            rsa(
                "RSA-PSS SHA-256",
                sha256,
                pss(sha256),
                alg_id::RSA_PSS_SHA256,
            ),
        ),
        (
            SignatureScheme::RSA_PSS_SHA384,
            rsa(
                "RSA-PSS SHA-384",
                sha384,
                pss(sha384),
                alg_id::RSA_PSS_SHA384,
            ),
        ),
        (
            SignatureScheme::RSA_PSS_SHA512,
            rsa(
                "RSA-PSS SHA-512",
                sha512,
                pss(sha512),
                alg_id::RSA_PSS_SHA512,
            ),
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA256,
            rsa(
                "RSA-PKCS1 SHA-256",
                sha256,
                pkcs1(sha256),
                alg_id::RSA_PKCS1_SHA256,
            ),
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA384,
            rsa(
                "RSA-PKCS1 SHA-384",
                sha384,
                pkcs1(sha384),
                alg_id::RSA_PKCS1_SHA384,
            ),
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA512,
            rsa(
                "RSA-PKCS1 SHA-512",
                sha512,
                pkcs1(sha512),
                alg_id::RSA_PKCS1_SHA512,
            ),
        ),
    ];
    type Dyn = &'static dyn SignatureVerificationAlgorithm;
    let mut all: Vec<Dyn> = Vec::new();
    let mut mapping: Vec<(SignatureScheme, &'static [Dyn])> = Vec::new();
    for (scheme, verifier) in table {
        let verifier: Dyn = Box::leak(Box::new(verifier));
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
        let raw;
        let signature = if self.key_type.is_ecc() {
            raw = der::to_raw(signature).ok_or(Status::INVALID_SIGNATURE)?;
            &raw[..]
        } else {
            signature
        };
        let mut digest = [0; MAX_HASH];
        let len = self.psa.hash(self.hash, message, &mut digest)?;
        let digest = digest.get(..len).ok_or(Status::COMMUNICATION_FAILURE)?;
        let attributes = KeyAttributes::volatile(self.key_type, 0, usage::VERIFY_HASH, self.alg);
        let key = self.psa.import(&attributes, public_key)?;
        self.psa.verify_hash(self.alg, key.id, digest, signature)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
