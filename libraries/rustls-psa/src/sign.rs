//! Client authentication with a persistent PSA key that never leaves the SPE.

use crate::psa::Psa;
use crate::{der, general};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, Status};
use rustls::pki_types::{SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

/// Longest public key: `RSAPublicKey` of 2048 bits in DER, bytes (generous).
const MAX_PUBLIC: usize = 300;
/// Longest signature: RSA-2048, bytes.
const MAX_SIGNATURE: usize = 256;
/// Longest digest, bytes.
const MAX_HASH: usize = 64;

/// Why a key id cannot sign for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKeyError {
    /// The service refused: absent, not ours, not ready.
    Psa(Status),
    /// Neither a P-256 nor an RSA-2048 key pair.
    Unsupported,
    /// Its policy allows no signature over a hash that TLS knows.
    Policy,
}

impl fmt::Display for DeviceKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceKeyError::Psa(status) => write!(f, "PSA {status}"),
            DeviceKeyError::Unsupported => f.write_str("not a P-256 or RSA-2048 key pair"),
            DeviceKeyError::Policy => f.write_str("policy forbids what TLS signs with"),
        }
    }
}

/// A way to sign: what TLS and what PSA call it.
#[derive(Debug, Clone, Copy)]
struct Way {
    scheme: SignatureScheme,
    alg: Algorithm,
    hash: Algorithm,
}

/// What a key of `attributes` may do, the best first. RSA-PSS comes before PKCS#1 v1.5, which
/// TLS 1.3 does not take (RFC 8446 §4.2.3).
fn ways(attributes: &KeyAttributes) -> Vec<Way> {
    let (sha256, sha384, sha512) = (Algorithm::SHA_256, Algorithm::SHA_384, Algorithm::SHA_512);
    let (pss, pkcs1) = (Algorithm::rsa_pss, Algorithm::rsa_pkcs1v15_sign);
    use SignatureScheme as Scheme;
    let way = |scheme, alg, hash| Way { scheme, alg, hash };
    let all = match attributes.key_type {
        KeyType::ECC_KEY_PAIR_SECP_R1 => [
            Algorithm::ecdsa(sha256),
            Algorithm::deterministic_ecdsa(sha256),
        ]
        .map(|alg| way(Scheme::ECDSA_NISTP256_SHA256, alg, sha256))
        .to_vec(),
        _ => alloc::vec![
            way(Scheme::RSA_PSS_SHA256, pss(sha256), sha256),
            way(Scheme::RSA_PSS_SHA384, pss(sha384), sha384),
            way(Scheme::RSA_PSS_SHA512, pss(sha512), sha512),
            way(Scheme::RSA_PKCS1_SHA256, pkcs1(sha256), sha256),
            way(Scheme::RSA_PKCS1_SHA384, pkcs1(sha384), sha384),
            way(Scheme::RSA_PKCS1_SHA512, pkcs1(sha512), sha512),
        ],
    };
    let permits = |alg| {
        [attributes.alg, attributes.alg2]
            .iter()
            .any(|policy| policy.permits(alg, attributes.key_type))
    };
    all.into_iter().filter(|way| permits(way.alg)).collect()
}

/// A key pair in the SPE, known by its id: EC P-256 or RSA-2048.
#[derive(Clone)]
pub struct DeviceKey {
    psa: &'static Psa,
    id: u32,
    ways: Vec<Way>,
    rsa: bool,
    spki: SubjectPublicKeyInfoDer<'static>,
}

impl DeviceKey {
    /// Looks at key `id`: type, policy and public half (which rustls compares with the
    /// certificate).
    ///
    /// # Errors
    /// Why it cannot sign.
    pub fn open(psa: &'static Psa, id: u32) -> Result<Self, DeviceKeyError> {
        let attributes = psa.attributes(id).map_err(DeviceKeyError::Psa)?;
        let (algorithm, public_len) = match (attributes.key_type, attributes.bits) {
            (KeyType::ECC_KEY_PAIR_SECP_R1, 256) => (alg_id::ECDSA_P256, Some(65)),
            (KeyType::RSA_KEY_PAIR, 2048) => (alg_id::RSA_ENCRYPTION, None),
            _ => return Err(DeviceKeyError::Unsupported),
        };
        let ways = ways(&attributes);
        if attributes.usage & usage::SIGN_HASH == 0 || ways.is_empty() {
            return Err(DeviceKeyError::Policy);
        }
        let mut public = [0; MAX_PUBLIC];
        let len = psa
            .export_public(id, &mut public)
            .map_err(DeviceKeyError::Psa)?;
        let public = public.get(..len).unwrap_or_default();
        if public_len.is_some_and(|wanted| wanted != len) {
            return Err(DeviceKeyError::Psa(Status::COMMUNICATION_FAILURE));
        }
        Ok(DeviceKey {
            psa,
            id,
            ways,
            rsa: attributes.key_type.is_rsa(),
            spki: public_key_to_spki(&algorithm, public),
        })
    }
}

impl SigningKey for DeviceKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let way = *self.ways.iter().find(|way| offered.contains(&way.scheme))?;
        Some(Box::new(KeySigner {
            psa: self.psa,
            id: self.id,
            way,
        }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.spki.clone())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.rsa {
            true => SignatureAlgorithm::RSA,
            false => SignatureAlgorithm::ECDSA,
        }
    }
}

/// One signature to come.
struct KeySigner {
    psa: &'static Psa,
    id: u32,
    way: Way,
}

impl KeySigner {
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, Status> {
        let mut digest = [0; MAX_HASH];
        let len = self.psa.hash(self.way.hash, message, &mut digest)?;
        let digest = digest.get(..len).ok_or(Status::COMMUNICATION_FAILURE)?;
        let mut raw = [0; MAX_SIGNATURE];
        let len = self
            .psa
            .sign_hash(self.way.alg, self.id, digest, &mut raw)?;
        let raw = raw.get(..len).ok_or(Status::COMMUNICATION_FAILURE)?;
        match (self.way.alg.is_ecdsa(), len) {
            (true, 64) => Ok(der::from_raw(raw)),
            (false, 1..) => Ok(raw.to_vec()),
            _ => Err(Status::COMMUNICATION_FAILURE),
        }
    }
}

impl Signer for KeySigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.signature(message)
            .map_err(|status| general(self.psa, "device key", status))
    }

    fn scheme(&self) -> SignatureScheme {
        self.way.scheme
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey(id {})", self.id)
    }
}

impl fmt::Debug for KeySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySigner(id {}, {:?})", self.id, self.way)
    }
}
