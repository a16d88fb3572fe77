//! Asymmetric calls: sign, verify, and raw key agreement.

use psa_interface::key::{ECC_FAMILY_MONTGOMERY, usage};
use psa_interface::{Algorithm, CryptoIovec, KeyType, Status};
use spm::Call;
use zeroize::Zeroizing;

use crate::arguments::{Small, hash_input, put, require_room};
use crate::entropy::Entropy;
use crate::keys::{Key, KeyStore};
use crate::primitives::hash::{Digest, Hash, HashAlg, MAX_HASH};
use crate::primitives::p256;
#[cfg(feature = "PSA_WANT_ECC_SECP_R1_384")]
use crate::primitives::p384;
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY")]
use crate::primitives::rsa;
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
use crate::primitives::rsa_private;
#[cfg(feature = "PSA_WANT_ECC_MONTGOMERY_255")]
use crate::primitives::x25519;
use crate::service::CryptoService;

/// Longest signature, bytes.
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY")]
const MAX_SIGNATURE: usize = rsa::MAX_MODULUS;
/// Longest signature, bytes: P-384's.
#[cfg(not(feature = "PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY"))]
const MAX_SIGNATURE: usize = 96;

/// Whether input 1 is a message or its hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Message,
    Hash,
}

impl<K: KeyStore, R: Entropy> CryptoService<K, R> {
    pub(crate) fn sign(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
        over: Over,
    ) -> Result<(), Status> {
        let alg = sign_algorithm(iov, over)?;
        let flag = match over {
            Over::Message => usage::SIGN_MESSAGE,
            Over::Hash => usage::SIGN_HASH,
        };
        let key = self.keys.get_for(call.client.0, iov.key_id, flag, alg)?;
        let key_type = key.attributes.key_type;
        if !key_type.is_key_pair() {
            return Err(Status::INVALID_ARGUMENT);
        }
        #[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
        if key_type == KeyType::RSA_KEY_PAIR {
            let signature = sign_rsa(key, alg, over, call, &mut self.entropy)?;
            return put(call, 0, &signature);
        }
        if key_type != KeyType::ECC_KEY_PAIR_SECP_R1 || !alg.is_ecdsa() {
            return Err(mismatch(key_type, alg));
        }
        require_room(call, 0, p256::SIGNATURE)?;
        let secret: &[u8; p256::SECRET] = key.data.try_into().map_err(|_| Status::NOT_SUPPORTED)?;
        let hash = hash_to_sign(alg, call, over)?;
        let mut extra = Zeroizing::new([0; 32]);
        let extra: &[u8] = if alg.is_deterministic_ecdsa() {
            &[]
        } else {
            self.entropy.fill(&mut extra[..])?;
            &extra[..]
        };
        // ECDSA_ANY names no hash; the nonce then comes from SHA-256.
        let nonce_hash = HashAlg::inside(alg).unwrap_or(HashAlg::Sha256);
        let signature =
            p256::sign(nonce_hash, secret, &hash, extra).ok_or(Status::CORRUPTION_DETECTED)?;
        put(call, 0, &signature)
    }

    pub(crate) fn verify(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
        over: Over,
    ) -> Result<(), Status> {
        let alg = sign_algorithm(iov, over)?;
        let flag = match over {
            Over::Message => usage::VERIFY_MESSAGE,
            Over::Hash => usage::VERIFY_HASH,
        };
        let key = self.keys.get_for(call.client.0, iov.key_id, flag, alg)?;
        let hash = hash_to_sign(alg, call, over)?;
        let signature =
            Small::<MAX_SIGNATURE>::read(call.input(2)).ok_or(Status::INVALID_SIGNATURE)?;
        if verify_hash(key, alg, &hash, &signature)? {
            Ok(())
        } else {
            Err(Status::INVALID_SIGNATURE)
        }
    }

    pub(crate) fn raw_key_agreement(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let alg = Algorithm(iov.alg);
        if !alg.is_raw_key_agreement() {
            return Err(Status::INVALID_ARGUMENT);
        }
        let key = self
            .keys
            .get_for(call.client.0, iov.key_id, usage::DERIVE, alg)?;
        require_room(call, 0, 32)?;
        let secret = agree(key, alg, call)?;
        put(call, 0, &secret[..])
    }
}

/// Key agreement of `key` with the public key in input 1.
pub(crate) fn agree(
    key: Key<'_>,
    alg: Algorithm,
    call: &Call<'_, '_>,
) -> Result<Zeroizing<[u8; 32]>, Status> {
    if alg.agreement_of() != Some(Algorithm::ECDH) {
        return Err(Status::NOT_SUPPORTED);
    }
    #[cfg(feature = "PSA_WANT_ECC_MONTGOMERY_255")]
    if key.attributes.key_type == KeyType::ECC_KEY_PAIR_MONTGOMERY {
        let secret = key.data.try_into().map_err(|_| Status::NOT_SUPPORTED)?;
        let peer = call
            .input(1)
            .array::<{ x25519::LEN }>()
            .ok_or(Status::INVALID_ARGUMENT)?;
        return x25519::agree(secret, &peer).ok_or(Status::INVALID_ARGUMENT);
    }
    if key.attributes.key_type != KeyType::ECC_KEY_PAIR_SECP_R1 {
        return Err(Status::INVALID_ARGUMENT);
    }
    let secret = key.data.try_into().map_err(|_| Status::NOT_SUPPORTED)?;
    let peer = call
        .input(1)
        .array::<{ p256::PUBLIC }>()
        .ok_or(Status::INVALID_ARGUMENT)?;
    p256::ecdh(secret, &peer).ok_or(Status::INVALID_ARGUMENT)
}

fn sign_algorithm(iov: &CryptoIovec, over: Over) -> Result<Algorithm, Status> {
    let alg = Algorithm(iov.alg);
    if !alg.is_sign() || alg.is_wildcard() {
        return Err(Status::INVALID_ARGUMENT);
    }
    if over == Over::Message && alg.hash_of().is_none() {
        return Err(if alg.is_hash_and_sign() {
            Status::INVALID_ARGUMENT
        } else {
            Status::NOT_SUPPORTED
        });
    }
    Ok(alg)
}

/// The hash that is signed: of the message, or as given, and then of the right length.
fn hash_to_sign(alg: Algorithm, call: &Call<'_, '_>, over: Over) -> Result<Digest, Status> {
    let input = call.input(1);
    match (over, alg.hash_of()) {
        (Over::Message, Some(hash)) => {
            let hash = HashAlg::from_alg(hash).ok_or(Status::NOT_SUPPORTED)?;
            let mut hash = Hash::new(hash);
            hash_input(&mut hash, input);
            Ok(hash.finish())
        }
        (Over::Message, None) => Err(Status::INVALID_ARGUMENT),
        (Over::Hash, expected) => {
            let given = Small::<MAX_HASH>::read(input).ok_or(Status::INVALID_ARGUMENT)?;
            if expected.is_some_and(|hash| hash.hash_length() != Some(given.len())) {
                return Err(Status::INVALID_ARGUMENT);
            }
            Ok(Digest::copy(&given))
        }
    }
}

fn verify_hash(
    key: Key<'_>,
    alg: Algorithm,
    hash: &[u8],
    signature: &[u8],
) -> Result<bool, Status> {
    let key_type = key.attributes.key_type;
    match key_type {
        KeyType::ECC_KEY_PAIR_SECP_R1 if alg.is_ecdsa() => {
            let secret = key.data.try_into().map_err(|_| Status::NOT_SUPPORTED)?;
            let public = p256::public_key(secret).ok_or(Status::CORRUPTION_DETECTED)?;
            Ok(verify_p256(&public, hash, signature))
        }
        KeyType::ECC_PUBLIC_KEY_SECP_R1 if alg.is_ecdsa() => match key.attributes.bits {
            256 => Ok(verify_p256(key.data, hash, signature)),
            #[cfg(feature = "PSA_WANT_ECC_SECP_R1_384")]
            384 => Ok(p384::verify(key.data, hash, signature)),
            _ => Err(Status::NOT_SUPPORTED),
        },
        #[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
        KeyType::RSA_KEY_PAIR if is_rsa_signature(alg) => {
            let hash_alg = HashAlg::inside(alg).ok_or(Status::NOT_SUPPORTED)?;
            let pair =
                rsa_private::PrivateKey::parse(key.data).ok_or(Status::CORRUPTION_DETECTED)?;
            Ok(verify_rsa(pair.public(), hash_alg, alg, hash, signature))
        }
        #[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY")]
        KeyType::RSA_PUBLIC_KEY if is_rsa_signature(alg) => {
            let hash_alg = HashAlg::inside(alg).ok_or(Status::NOT_SUPPORTED)?;
            let public = rsa::PublicKey::parse(key.data).ok_or(Status::CORRUPTION_DETECTED)?;
            Ok(verify_rsa(&public, hash_alg, alg, hash, signature))
        }
        // What signs nothing at all is told apart from what signs otherwise, as in Mbed TLS.
        _ if !key_type.is_asymmetric() => Err(Status::NOT_SUPPORTED),
        _ => Err(mismatch(key_type, alg)),
    }
}

fn is_rsa_signature(alg: Algorithm) -> bool {
    alg.is_rsa_pss() || alg.is_rsa_pkcs1v15_sign()
}

#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY")]
fn verify_rsa(
    public: &rsa::PublicKey<'_>,
    hash_alg: HashAlg,
    alg: Algorithm,
    hash: &[u8],
    signature: &[u8],
) -> bool {
    if alg.is_rsa_pss() {
        public.verify_pss(hash_alg, hash, signature, alg.is_rsa_pss_any_salt())
    } else {
        public.verify_pkcs1v15(hash_alg, hash, signature)
    }
}

/// RSASSA-PSS (salt as long as the hash, freshly drawn) or RSASSA-PKCS1-v1_5.
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
fn sign_rsa(
    key: Key<'_>,
    alg: Algorithm,
    over: Over,
    call: &Call<'_, '_>,
    entropy: &mut impl Entropy,
) -> Result<[u8; rsa_private::MODULUS], Status> {
    if !is_rsa_signature(alg) {
        return Err(mismatch(key.attributes.key_type, alg));
    }
    let hash_alg = HashAlg::inside(alg).ok_or(Status::NOT_SUPPORTED)?;
    require_room(call, 0, rsa_private::MODULUS)?;
    let pair = rsa_private::PrivateKey::parse(key.data).ok_or(Status::CORRUPTION_DETECTED)?;
    let hash = hash_to_sign(alg, call, over)?;
    let signature = if alg.is_rsa_pss() {
        let mut salt = Digest::zero(hash_alg.len());
        entropy.fill(salt.as_mut())?;
        pair.sign_pss(hash_alg, &hash, &salt)
    } else {
        pair.sign_pkcs1v15(hash_alg, &hash)
    };
    signature.ok_or(Status::CORRUPTION_DETECTED)
}

fn verify_p256(public: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    signature
        .try_into()
        .is_ok_and(|signature| p256::verify(public, hash, signature))
}

/// Why a key and a signature algorithm do not go together.
fn mismatch(key_type: KeyType, alg: Algorithm) -> Status {
    let montgomery = key_type.ecc_family() == Some(ECC_FAMILY_MONTGOMERY);
    let ecdsa = key_type.is_ecc() && !montgomery && alg.is_ecdsa();
    let rsa = key_type.is_rsa() && is_rsa_signature(alg);
    if ecdsa || rsa {
        Status::NOT_SUPPORTED
    } else {
        Status::INVALID_ARGUMENT
    }
}
