//! Client authentication with a persistent PSA key that never leaves the SPE.

use crate::psa::Psa;
use crate::{der, general};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyType, Status};
use rustls::pki_types::{SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

/// Why a key id cannot sign for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKeyError {
    /// The service refused: absent, not ours, not ready.
    Psa(Status),
    /// Not an ECC P-256 key pair.
    NotP256,
    /// Its policy does not allow ECDSA with SHA-256 over a hash.
    Policy,
}

impl fmt::Display for DeviceKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceKeyError::Psa(status) => write!(f, "PSA {status}"),
            DeviceKeyError::NotP256 => f.write_str("not a P-256 key pair"),
            DeviceKeyError::Policy => f.write_str("policy forbids ECDSA with SHA-256"),
        }
    }
}

/// A P-256 key pair in the SPE, known by its id.
#[derive(Clone)]
pub struct DeviceKey {
    psa: &'static Psa,
    id: u32,
    alg: Algorithm,
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
        if attributes.key_type != KeyType::ECC_KEY_PAIR_SECP_R1 || attributes.bits != 256 {
            return Err(DeviceKeyError::NotP256);
        }
        let alg = [
            Algorithm::ecdsa(Algorithm::SHA_256),
            Algorithm::deterministic_ecdsa(Algorithm::SHA_256),
        ]
        .into_iter()
        .find(|alg| {
            let any = alg.0 | Algorithm::ANY_HASH.0 & 0xFF;
            [attributes.alg, attributes.alg2]
                .iter()
                .any(|policy| policy == alg || policy.0 == any)
        })
        .ok_or(DeviceKeyError::Policy)?;
        if attributes.usage & usage::SIGN_HASH == 0 {
            return Err(DeviceKeyError::Policy);
        }
        let mut point = [0; 65];
        let len = psa
            .export_public(id, &mut point)
            .map_err(DeviceKeyError::Psa)?;
        if len != point.len() {
            return Err(DeviceKeyError::Psa(Status::COMMUNICATION_FAILURE));
        }
        let spki = public_key_to_spki(&alg_id::ECDSA_P256, point);
        Ok(DeviceKey { psa, id, alg, spki })
    }
}

impl SigningKey for DeviceKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.spki.clone())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for DeviceKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut hash = [0; 32];
        let mut raw = [0; 64];
        let signed = self
            .psa
            .hash(Algorithm::SHA_256, message, &mut hash)
            .and_then(|_| self.psa.sign_hash(self.alg, self.id, &hash, &mut raw));
        match signed {
            Ok(64) => Ok(der::from_raw(&raw)),
            Ok(_) => Err(general("device key", Status::COMMUNICATION_FAILURE)),
            Err(status) => Err(general("device key", status)),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey(id {})", self.id)
    }
}
