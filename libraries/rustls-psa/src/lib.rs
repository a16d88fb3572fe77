//! A rustls `CryptoProvider` whose every primitive is a PSA call.
//!
//! Owns the mapping from rustls' traits to PSA functions: hash, HMAC (and HKDF over it), AEAD,
//! ECDH on P-256, signature verification, signing with a key that stays in the SPE, random.
//! Does not own any primitive, nor the transport of a call, nor TLS itself.
//!
//! Invariants: no PSA key or operation outlives the rustls object that holds it (`Drop` destroys
//! or aborts); a PSA failure where rustls' trait cannot return an error is remembered and
//! [`Provider::take_fault`] gives it to the connection pump, which must then give up.
//!
//! Traffic secrets pass through this process as bytes (rustls hands them from object to object);
//! the device's private key never does.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod aead;
mod der;
mod hash;
mod hmac;
mod kx;
mod psa;
mod sign;
mod verify;

pub use psa::{Counters, Psa};
pub use sign::{DeviceKey, DeviceKeyError};

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use psa_client::Transport;
use psa_interface::{Algorithm, KeyType};
use rustls::crypto::cipher::Tls13AeadAlgorithm;
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{
    CipherSuite, CipherSuiteCommon, Error, SupportedCipherSuite, Tls13CipherSuite,
    crypto::hash::HashAlgorithm,
};

/// Records per key with AES-GCM (draft-irtf-cfrg-aead-limits, as rustls' own providers set it).
const GCM_RECORDS: u64 = 1 << 24;

/// The provider and the PSA client it stands on.
///
/// rustls wants `&'static` parts: they are allocated once and never freed, so make one a process.
#[derive(Clone)]
pub struct Provider {
    psa: &'static Psa,
    crypto: CryptoProvider,
}

impl Provider {
    /// A provider that makes its PSA calls through `transport`.
    pub fn new(transport: &'static (dyn Transport + Send + Sync)) -> Self {
        let psa: &'static Psa = Box::leak(Box::new(Psa::new(transport)));
        let sha256 = hash::PsaHash::leak(psa, Algorithm::SHA_256, HashAlgorithm::SHA256, 32);
        let sha384 = hash::PsaHash::leak(psa, Algorithm::SHA_384, HashAlgorithm::SHA384, 48);
        let suite = |suite, hash: &'static hash::PsaHash, aead: aead::PsaAead, records| {
            let hmac: &'static hmac::PsaHmac = Box::leak(Box::new(hmac::PsaHmac::new(hash)));
            let aead: &'static dyn Tls13AeadAlgorithm = Box::leak(Box::new(aead));
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: CipherSuiteCommon {
                    suite,
                    hash_provider: hash,
                    confidentiality_limit: records,
                },
                hkdf_provider: Box::leak(Box::new(HkdfUsingHmac(hmac))),
                aead_alg: aead,
                quic: None,
            })))
        };
        let crypto = CryptoProvider {
            cipher_suites: vec![
                suite(
                    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
                    sha256,
                    aead::PsaAead::new(psa, KeyType::CHACHA20, Algorithm::CHACHA20_POLY1305, 32),
                    u64::MAX,
                ),
                suite(
                    CipherSuite::TLS13_AES_128_GCM_SHA256,
                    sha256,
                    aead::PsaAead::new(psa, KeyType::AES, Algorithm::GCM, 16),
                    GCM_RECORDS,
                ),
                suite(
                    CipherSuite::TLS13_AES_256_GCM_SHA384,
                    sha384,
                    aead::PsaAead::new(psa, KeyType::AES, Algorithm::GCM, 32),
                    GCM_RECORDS,
                ),
            ],
            kx_groups: vec![Box::leak(Box::new(kx::P256 { psa }))],
            signature_verification_algorithms: verify::algorithms(psa),
            secure_random: Box::leak(Box::new(Random(psa))),
            key_provider: &NoLoading,
        };
        Provider { psa, crypto }
    }

    /// The rustls provider.
    pub fn crypto(&self) -> &CryptoProvider {
        &self.crypto
    }

    /// The PSA client underneath.
    pub fn psa(&self) -> &'static Psa {
        self.psa
    }

    /// The first PSA failure since the last call that rustls could not be told of; the connection
    /// during which it happened must be dropped.
    pub fn take_fault(&self) -> Option<psa_interface::Status> {
        self.psa.take_fault()
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}

#[derive(Debug)]
struct Random(&'static Psa);

impl SecureRandom for Random {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.0.random(buf).map_err(|_| GetRandomFailed)
    }
}

/// Private keys are never loaded: the only one is a key id ([`DeviceKey`]).
#[derive(Debug)]
struct NoLoading;

impl KeyProvider for NoLoading {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<alloc::sync::Arc<dyn SigningKey>, Error> {
        Err(Error::General("private keys stay in the SPE".into()))
    }
}

/// A PSA status as the rustls error of something that is not the peer's fault.
fn general(what: &str, status: psa_interface::Status) -> Error {
    Error::General(alloc::format!("{what}: PSA {status}"))
}
