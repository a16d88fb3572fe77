//! The key that proves who we are, behind PKCS#11: the handshake's signature is C_Sign's.
//!
//! Owns which TLS scheme goes with which mechanism of the token. Does not own the key, which is
//! known by its label and never leaves the secure world, nor sessions: each signature opens the
//! token, signs and closes it again.

use crate::identity::Token;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use pkcs11::types::*;
use psa_client::Transport;
use rustls::pki_types::{SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

/// Schemes and mechanisms, the best first. RSA-PSS comes before PKCS#1 v1.5, which TLS 1.3 does
/// not take (RFC 8446 §4.2.3).
const WAYS: [(SignatureScheme, Mechanism); 3] = [
    (
        SignatureScheme::ECDSA_NISTP256_SHA256,
        Mechanism::plain(CKM_ECDSA),
    ),
    (SignatureScheme::RSA_PSS_SHA256, Mechanism::PSS_SHA256),
    (
        SignatureScheme::RSA_PKCS1_SHA256,
        Mechanism::plain(CKM_RSA_PKCS),
    ),
];

/// Why a key cannot sign for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The token refused: absent, not ours, not ready.
    Token(CkRv),
    /// Neither a P-256 nor an RSA-2048 key.
    Unsupported,
    /// Its policy allows no mechanism that TLS signs with.
    Policy,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Token(code) => code.fmt(f),
            KeyError::Unsupported => f.write_str("not a P-256 or RSA-2048 key"),
            KeyError::Policy => f.write_str("policy forbids what TLS signs with"),
        }
    }
}

impl From<CkRv> for KeyError {
    fn from(code: CkRv) -> Self {
        KeyError::Token(code)
    }
}

/// A private key of the token.
#[derive(Clone)]
pub struct TokenKey {
    psa: &'static (dyn Transport + Send + Sync),
    label: &'static str,
    ways: Vec<(SignatureScheme, Mechanism)>,
    rsa: bool,
    spki: SubjectPublicKeyInfoDer<'static>,
}

impl TokenKey {
    /// Looks at the private key of that label: type, mechanisms and public half (which rustls
    /// compares with the certificate).
    ///
    /// # Errors
    /// Why it cannot sign.
    pub fn open(
        psa: &'static (dyn Transport + Send + Sync),
        label: &'static str,
    ) -> Result<Self, KeyError> {
        let mut token = Token::open(psa)?;
        let rsa = token.read(label, CKA_KEY_TYPE)? == CKK_RSA.to_le_bytes();
        let spki = if rsa {
            let modulus = token.read(label, CKA_MODULUS)?;
            if modulus.len() != 256 {
                return Err(KeyError::Unsupported);
            }
            let exponent = token.read(label, CKA_PUBLIC_EXPONENT)?;
            public_key_to_spki(&alg_id::RSA_ENCRYPTION, rsa_public_key(&modulus, &exponent))
        } else {
            // An OCTET STRING of the point.
            let point = token.read(label, CKA_EC_POINT)?;
            let point = point.get(2..).ok_or(KeyError::Unsupported)?;
            public_key_to_spki(&alg_id::ECDSA_P256, point)
        };
        let allowed = token.read(label, CKA_ALLOWED_MECHANISMS)?;
        let allows = |mechanism: Mechanism| {
            let wanted = mechanism.mechanism.to_le_bytes();
            allowed.chunks(4).any(|m| m == wanted)
        };
        let ways: Vec<_> = WAYS.into_iter().filter(|(_, m)| allows(*m)).collect();
        if ways.is_empty() {
            return Err(KeyError::Policy);
        }
        Ok(TokenKey {
            psa,
            label,
            ways,
            rsa,
            spki,
        })
    }
}

/// RSAPublicKey (RFC 8017 §A.1.1); the modulus has its highest bit set.
fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    use crate::identity::tlv;
    tlv(
        0x30,
        &[&tlv(0x02, &[&[0], modulus]), &tlv(0x02, &[exponent])],
    )
}

impl SigningKey for TokenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let way = *self.ways.iter().find(|(s, _)| offered.contains(s))?;
        Some(Box::new(KeySigner {
            psa: self.psa,
            label: self.label,
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

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.label)
    }
}

/// One signature to come.
struct KeySigner {
    psa: &'static (dyn Transport + Send + Sync),
    label: &'static str,
    way: (SignatureScheme, Mechanism),
}

impl KeySigner {
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, CkRv> {
        let mut token = Token::open(self.psa)?;
        let digest = token.digest(message)?;
        token.sign(self.label, self.way.1, &digest)
    }
}

impl Signer for KeySigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = |code| Error::General(format!("{}: {code}", self.label));
        self.signature(message).map_err(refused)
    }

    fn scheme(&self) -> SignatureScheme {
        self.way.0
    }
}

impl fmt::Debug for KeySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySigner({}, {:?})", self.label, self.way.0)
    }
}
