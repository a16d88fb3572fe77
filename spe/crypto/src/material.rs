//! Key material: what bytes are a key of which type and size, and how new ones are made.

use psa_interface::{KeyType, Status};
use symmetric::Erased;
use zeroize::Zeroize;

use crate::entropy::Entropy;
use crate::primitives::p256;
#[cfg(feature = "PSA_WANT_ECC_SECP_R1_384")]
use crate::primitives::p384;
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY")]
use crate::primitives::rsa;
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
use crate::primitives::rsa_private;
#[cfg(feature = "PSA_WANT_ECC_MONTGOMERY_255")]
use crate::primitives::x25519;

/// Longest key but RSA pairs, bytes: an RSAPublicKey of 4096 bits (up to 527 in DER).
pub const MAX_SINGLE: usize = 544;
/// Longest key, bytes.
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
pub const MAX_KEY: usize = rsa_private::MAX_DER;
/// Longest key, bytes.
#[cfg(not(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC"))]
pub const MAX_KEY: usize = MAX_SINGLE;

/// A key's bytes on their way; erased when dropped.
pub struct Material {
    bytes: Erased<MAX_KEY>,
    len: usize,
}

impl Material {
    /// All zero.
    ///
    /// # Errors
    /// NOT_SUPPORTED when `len` is longer than any key that can be kept.
    pub fn zero(len: usize) -> Result<Self, Status> {
        if len > MAX_KEY {
            return Err(Status::NOT_SUPPORTED);
        }
        Ok(Material {
            bytes: Erased::new([0; MAX_KEY]),
            len,
        })
    }

    /// A copy.
    ///
    /// # Errors
    /// As [`Material::zero`].
    pub fn copy(from: &[u8]) -> Result<Self, Status> {
        let mut out = Self::zero(from.len())?;
        out.as_mut().copy_from_slice(from);
        Ok(out)
    }

    /// The bytes, to be written.
    pub fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }
}

impl core::ops::Deref for Material {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Checks imported bytes and returns their size in bits.
///
/// # Errors
/// INVALID_ARGUMENT when they are no key of `key_type`, NOT_SUPPORTED when the type or size is
/// not offered.
pub fn check_import(key_type: KeyType, data: &[u8]) -> Result<u16, Status> {
    let bits = u16::try_from(data.len() * 8).map_err(|_| Status::NOT_SUPPORTED)?;
    match key_type {
        KeyType::ECC_KEY_PAIR_SECP_R1 => match <&[u8; p256::SECRET]>::try_from(data) {
            Ok(secret) if p256::is_secret(secret) => Ok(256),
            Ok(_) => Err(Status::INVALID_ARGUMENT),
            // P-384, P-521.
            Err(_) if matches!(data.len(), 48 | 66) => Err(Status::NOT_SUPPORTED),
            Err(_) => Err(Status::INVALID_ARGUMENT),
        },
        KeyType::ECC_PUBLIC_KEY_SECP_R1 => match data.len() {
            p256::PUBLIC if p256::is_public(data) => Ok(256),
            #[cfg(feature = "PSA_WANT_ECC_SECP_R1_384")]
            p384::PUBLIC if p384::is_public(data) => Ok(384),
            #[cfg(not(feature = "PSA_WANT_ECC_SECP_R1_384"))]
            97 => Err(Status::NOT_SUPPORTED),
            133 => Err(Status::NOT_SUPPORTED),
            _ => Err(Status::INVALID_ARGUMENT),
        },
        #[cfg(feature = "PSA_WANT_ECC_MONTGOMERY_255")]
        KeyType::ECC_KEY_PAIR_MONTGOMERY | KeyType::ECC_PUBLIC_KEY_MONTGOMERY => match data.len() {
            x25519::LEN => Ok(255),
            56 => Err(Status::NOT_SUPPORTED),
            _ => Err(Status::INVALID_ARGUMENT),
        },
        #[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
        KeyType::RSA_KEY_PAIR => rsa_private::PrivateKey::parse(data)
            .map(|key| key.bits())
            .ok_or(Status::INVALID_ARGUMENT),
        #[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY")]
        KeyType::RSA_PUBLIC_KEY => rsa::PublicKey::parse(data)
            .map(|key| key.bits())
            .ok_or(Status::INVALID_ARGUMENT),
        _ => {
            check_unstructured(key_type, bits)?;
            Ok(bits)
        }
    }
}

/// Checks type and size of a key that is a run of bytes, and returns its length.
///
/// # Errors
/// INVALID_ARGUMENT for sizes that do not exist, NOT_SUPPORTED for types and sizes not offered.
pub fn check_unstructured(key_type: KeyType, bits: u16) -> Result<usize, Status> {
    if bits == 0 || !bits.is_multiple_of(8) {
        return Err(Status::INVALID_ARGUMENT);
    }
    let len = usize::from(bits / 8);
    match (key_type, bits) {
        (KeyType::AES, 128 | 192 | 256) | (KeyType::CHACHA20, 256) => Ok(len),
        (KeyType::AES | KeyType::CHACHA20, _) => Err(Status::INVALID_ARGUMENT),
        (KeyType::RAW_DATA | KeyType::HMAC | KeyType::DERIVE, _) if len <= MAX_SINGLE => Ok(len),
        #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
        (KeyType::PASSWORD, _) if len <= MAX_SINGLE => Ok(len),
        _ => Err(Status::NOT_SUPPORTED),
    }
}

/// Makes a new key of `key_type` and `bits`.
///
/// # Errors
/// INVALID_ARGUMENT for public keys and impossible sizes, NOT_SUPPORTED for what is not offered,
/// or what the entropy source says.
pub fn generate(
    key_type: KeyType,
    bits: u16,
    entropy: &mut impl Entropy,
) -> Result<Material, Status> {
    if key_type.is_public_key() {
        return Err(Status::INVALID_ARGUMENT);
    }
    if key_type == KeyType::ECC_KEY_PAIR_SECP_R1 {
        return match bits {
            256 => p256_secret(entropy),
            384 | 521 => Err(Status::NOT_SUPPORTED),
            _ => Err(Status::INVALID_ARGUMENT),
        };
    }
    #[cfg(feature = "PSA_WANT_ECC_MONTGOMERY_255")]
    if key_type == KeyType::ECC_KEY_PAIR_MONTGOMERY {
        return match bits {
            255 => {
                let mut material = Material::zero(x25519::LEN)?;
                entropy.fill(material.as_mut())?;
                Ok(material)
            }
            448 => Err(Status::NOT_SUPPORTED),
            _ => Err(Status::INVALID_ARGUMENT),
        };
    }
    let mut material = Material::zero(check_unstructured(key_type, bits)?)?;
    entropy.fill(material.as_mut())?;
    Ok(material)
}

/// Rejection sampling (FIPS 186-5 §A.2.2); a draw fails with probability 2^-32.
fn p256_secret(entropy: &mut impl Entropy) -> Result<Material, Status> {
    let mut secret = [0; p256::SECRET];
    for _ in 0..100 {
        entropy.fill(&mut secret)?;
        if p256::is_secret(&secret) {
            let material = Material::copy(&secret);
            secret.zeroize();
            return material;
        }
    }
    Err(Status::INSUFFICIENT_ENTROPY)
}
