//! A rustls `CryptoProvider` whose every primitive is a PSA call.
//!
//! Owns the mapping from rustls' traits to PSA functions: hash, HMAC (and HKDF over it), AEAD,
//! TLS 1.2's PRF, ECDH on P-256 and X25519, signature verification, random. The client's own key is the
//! caller's affair (net-mqtt's is behind PKCS#11).
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
mod hash;
mod hmac;
mod kx;
mod prf;
mod psa;
mod verify;

pub use psa::{Counters, Psa, Records};

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use psa_client::Transport;
use psa_interface::{Algorithm, KeyType};
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyExchangeAlgorithm, KeyProvider, SecureRandom,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{
    CipherSuite, CipherSuiteCommon, Error, SignatureScheme, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite, crypto::hash::HashAlgorithm,
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
        let sha256 = Hashed::new(psa, Algorithm::SHA_256, HashAlgorithm::SHA256, 32);
        let sha384 = Hashed::new(psa, Algorithm::SHA_384, HashAlgorithm::SHA384, 48);
        let chacha = Aead::new(
            aead::PsaAead::new(psa, KeyType::CHACHA20, Algorithm::CHACHA20_POLY1305, 32),
            u64::MAX,
        );
        let gcm = |len| {
            let aead = aead::PsaAead::new(psa, KeyType::AES, Algorithm::GCM, len);
            Aead::new(aead, GCM_RECORDS)
        };
        let (aes128, aes256) = (gcm(16), gcm(32));
        let (ecdsa, rsa) = (verify::ECDSA_SCHEMES, verify::RSA_SCHEMES);
        use CipherSuite as Suite;
        let crypto = CryptoProvider {
            cipher_suites: vec![
                tls13(Suite::TLS13_CHACHA20_POLY1305_SHA256, &sha256, &chacha),
                tls13(Suite::TLS13_AES_128_GCM_SHA256, &sha256, &aes128),
                tls13(Suite::TLS13_AES_256_GCM_SHA384, &sha384, &aes256),
                tls12(
                    Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                    &sha256,
                    &chacha,
                    ecdsa,
                ),
                tls12(
                    Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                    &sha256,
                    &chacha,
                    rsa,
                ),
                tls12(
                    Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                    &sha256,
                    &aes128,
                    ecdsa,
                ),
                tls12(
                    Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                    &sha256,
                    &aes128,
                    rsa,
                ),
                tls12(
                    Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                    &sha384,
                    &aes256,
                    ecdsa,
                ),
                tls12(
                    Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                    &sha384,
                    &aes256,
                    rsa,
                ),
            ],
            kx_groups: vec![
                Box::leak(Box::new(kx::Group::p256(psa))),
                Box::leak(Box::new(kx::Group::x25519(psa))),
            ],
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

    /// Whether since the last call a signature was refused because its key is none that is
    /// accepted: RSA of other than 2048, 3072 or 4096 bits, a point off its curve.
    pub fn take_weak_key(&self) -> bool {
        self.psa.take_weak_key()
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}

/// A hash and what stands on it.
struct Hashed {
    hash: &'static hash::PsaHash,
    hkdf: &'static HkdfUsingHmac<'static>,
    prf: &'static prf::PsaPrf,
}

impl Hashed {
    fn new(psa: &'static Psa, alg: Algorithm, tls: HashAlgorithm, len: usize) -> Self {
        let hash = hash::PsaHash::leak(psa, alg, tls, len);
        let hmac: &'static hmac::PsaHmac = Box::leak(Box::new(hmac::PsaHmac::new(hash)));
        Hashed {
            hash,
            hkdf: Box::leak(Box::new(HkdfUsingHmac(hmac))),
            prf: Box::leak(Box::new(prf::PsaPrf::new(hash))),
        }
    }

    fn common(&self, suite: CipherSuite, aead: &Aead) -> CipherSuiteCommon {
        CipherSuiteCommon {
            suite,
            hash_provider: self.hash,
            confidentiality_limit: aead.records,
        }
    }
}

/// An AEAD, and how many records one key may protect.
struct Aead {
    aead: &'static aead::PsaAead,
    records: u64,
}

impl Aead {
    fn new(aead: aead::PsaAead, records: u64) -> Self {
        let aead = Box::leak(Box::new(aead));
        Aead { aead, records }
    }
}

fn tls13(suite: CipherSuite, hashed: &Hashed, aead: &Aead) -> SupportedCipherSuite {
    SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
        common: hashed.common(suite, aead),
        hkdf_provider: hashed.hkdf,
        aead_alg: aead.aead,
        quic: None,
    })))
}

fn tls12(
    suite: CipherSuite,
    hashed: &Hashed,
    aead: &Aead,
    sign: &'static [SignatureScheme],
) -> SupportedCipherSuite {
    SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
        common: hashed.common(suite, aead),
        kx: KeyExchangeAlgorithm::ECDHE,
        sign,
        aead_alg: aead.aead,
        prf_provider: hashed.prf,
    })))
}

#[derive(Debug)]
struct Random(&'static Psa);

impl SecureRandom for Random {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.0.random(buf).map_err(|_| GetRandomFailed)
    }
}

/// Private keys are never loaded: the caller's stays in the SPE.
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

/// A PSA status as the rustls error of something that is not the peer's fault; remembered too, so
/// that the pump can tell which it was.
fn general(psa: &Psa, what: &str, status: psa_interface::Status) -> Error {
    psa.note(status);
    Error::General(alloc::format!("{what}: PSA {status}"))
}
