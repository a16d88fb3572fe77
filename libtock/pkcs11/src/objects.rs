//! The objects of the token: a fixed table of labels over PSA keys and Protected Storage.
//!
//! Owns what stands behind a label, which handle it has (its place in the table, from 1) and how
//! an attribute is read. Labels, key ids and uids are corePKCS11's and the reference's
//! (`reference/aws-iot.md` §6.2); the claim objects of fleet provisioning have ids of ours.

use crate::types::*;
use psa_client::{Status, Transport, crypto, ps};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType};

/// `pkcs11configLABEL_DEVICE_PRIVATE_KEY_FOR_TLS`: PSA key 1.
pub const DEVICE_PRIVATE_KEY: &str = "Device Priv TLS Key";
/// `pkcs11configLABEL_DEVICE_PUBLIC_KEY_FOR_TLS`: the other half of PSA key 1.
pub const DEVICE_PUBLIC_KEY: &str = "Device Pub TLS Key";
/// `pkcs11configLABEL_DEVICE_CERTIFICATE_FOR_TLS`: PS uid 5.
pub const DEVICE_CERTIFICATE: &str = "Device Cert";
/// `pkcs11configLABEL_JITP_CERTIFICATE`: PS uid 6.
pub const JITP_CERTIFICATE: &str = "JITP Cert";
/// `pkcs11configLABEL_ROOT_CERTIFICATE`: PS uid 7.
pub const ROOT_CERTIFICATE: &str = "Root Cert";
/// `pkcs11configLABEL_CODE_VERIFICATION_KEY`: PSA key 0x11.
pub const CODE_VERIFICATION_KEY: &str = "Code Verify Key";
/// `pkcs11configLABEL_CLAIM_CERTIFICATE`: PS uid 11 (ours: 8 to 10 are net-mqtt's settings).
pub const CLAIM_CERTIFICATE: &str = "Claim Cert";
/// `pkcs11configLABEL_CLAIM_PRIVATE_KEY`: PSA key 2 (ours).
pub const CLAIM_PRIVATE_KEY: &str = "Claim Key";

/// Uncompressed point, bytes.
pub const POINT: usize = 65;

/// What stands behind a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A key pair; only its private half is meant.
    Private(u32),
    /// The public half of a key pair.
    PublicOf(u32),
    /// A public key.
    Public(u32),
    /// A certificate in Protected Storage.
    Certificate(u64),
}

/// Every object that there can be; its handle is its place, from 1.
pub const OBJECTS: [(&str, Place); 8] = [
    (DEVICE_PRIVATE_KEY, Place::Private(1)),
    (DEVICE_PUBLIC_KEY, Place::PublicOf(1)),
    (DEVICE_CERTIFICATE, Place::Certificate(5)),
    (JITP_CERTIFICATE, Place::Certificate(6)),
    (ROOT_CERTIFICATE, Place::Certificate(7)),
    (CODE_VERIFICATION_KEY, Place::Public(0x11)),
    (CLAIM_CERTIFICATE, Place::Certificate(11)),
    (CLAIM_PRIVATE_KEY, Place::Private(2)),
];

impl Place {
    /// `CKA_CLASS`.
    pub fn class(self) -> u32 {
        match self {
            Place::Private(_) => CKO_PRIVATE_KEY,
            Place::PublicOf(_) | Place::Public(_) => CKO_PUBLIC_KEY,
            Place::Certificate(_) => CKO_CERTIFICATE,
        }
    }

    /// Whether the object is there now.
    pub fn exists(self, psa: &impl Transport) -> Result<bool, CkRv> {
        let found = match self {
            Place::Certificate(uid) => ps::get_info(psa, uid).map(drop),
            Place::Private(key) | Place::PublicOf(key) | Place::Public(key) => {
                crypto::get_key_attributes(psa, key).map(drop)
            }
        };
        match found {
            Ok(()) => Ok(true),
            Err(Status::DOES_NOT_EXIST | Status::INVALID_HANDLE) => Ok(false),
            Err(status) => Err(failure(status)),
        }
    }
}

/// Handle and place of a label.
pub fn by_label(label: &[u8]) -> Option<(ObjectHandle, Place)> {
    let place = OBJECTS.iter().position(|(l, _)| l.as_bytes() == label)?;
    let (_, what) = OBJECTS.get(place)?;
    Some((place as u32 + 1, *what))
}

/// Label and place of a handle.
pub fn by_handle(handle: ObjectHandle) -> Option<(&'static str, Place)> {
    let place = usize::try_from(handle).ok()?.checked_sub(1)?;
    OBJECTS.get(place).copied()
}

/// Longest value that is held in full: an RSA-2048 modulus.
const LONGEST: usize = 256;
/// Longest public key: `RSAPublicKey` of 2048 bits in DER, bytes (generous).
const MAX_PUBLIC: usize = 300;

/// An attribute's value: small ones in full, a certificate as the uid to read it from.
// No heap here, and one at a time on the stack.
#[allow(clippy::large_enum_variant)]
pub enum Value {
    Bytes([u8; LONGEST], usize),
    Stored(u64, usize),
}

impl Value {
    fn of(bytes: &[u8]) -> Value {
        let mut out = [0; LONGEST];
        for (to, from) in out.iter_mut().zip(bytes) {
            *to = *from;
        }
        Value::Bytes(out, bytes.len().min(LONGEST))
    }

    /// Length, bytes.
    pub fn size(&self) -> usize {
        match self {
            Value::Bytes(_, len) | Value::Stored(_, len) => *len,
        }
    }

    /// Copies the value; the caller has seen that it fits.
    pub fn copy(&self, psa: &impl Transport, to: &mut [u8]) -> Result<(), CkRv> {
        match self {
            Value::Bytes(bytes, len) => {
                let from = bytes.get(..*len).ok_or(CKR_FUNCTION_FAILED)?;
                to.get_mut(..*len)
                    .ok_or(CKR_BUFFER_TOO_SMALL)?
                    .copy_from_slice(from);
            }
            Value::Stored(uid, len) => {
                let to = to.get_mut(..*len).ok_or(CKR_BUFFER_TOO_SMALL)?;
                let read = ps::get(psa, *uid, 0, to).map_err(failure)?;
                // It shrank since its length was told.
                if read != *len {
                    return Err(CKR_DEVICE_ERROR);
                }
            }
        }
        Ok(())
    }

    /// Whether the value is `bytes`; a certificate is compared piece by piece.
    pub fn equals(&self, psa: &impl Transport, bytes: &[u8]) -> Result<bool, CkRv> {
        if self.size() != bytes.len() {
            return Ok(false);
        }
        match self {
            Value::Bytes(own, len) => Ok(own.get(..*len) == Some(bytes)),
            Value::Stored(uid, _) => {
                let mut at = 0;
                for wanted in bytes.chunks(64) {
                    let mut piece = [0; 64];
                    let to = piece.get_mut(..wanted.len()).ok_or(CKR_FUNCTION_FAILED)?;
                    let read = ps::get(psa, *uid, at, to).map_err(failure)?;
                    if read != wanted.len() || to != wanted {
                        return Ok(false);
                    }
                    at += wanted.len() as u32;
                }
                Ok(true)
            }
        }
    }
}

/// An attribute of an object that exists.
///
/// # Errors
/// CKR_ATTRIBUTE_SENSITIVE: the value of a private key. CKR_ATTRIBUTE_TYPE_INVALID: no such
/// attribute of such an object.
pub fn attribute(
    psa: &impl Transport,
    label: &str,
    place: Place,
    kind: u32,
) -> Result<Value, CkRv> {
    let word = |value: u32| Ok(Value::of(&value.to_le_bytes()));
    let flag = |value: bool| Ok(Value::of(&[u8::from(value)]));
    let private = matches!(place, Place::Private(_));
    match (kind, place) {
        (CKA_CLASS, _) => word(place.class()),
        (CKA_LABEL, _) => Ok(Value::of(label.as_bytes())),
        (CKA_TOKEN, _) => flag(true),
        (CKA_PRIVATE, _) => flag(private),
        (CKA_CERTIFICATE_TYPE, Place::Certificate(_)) => word(CKC_X_509),
        (CKA_VALUE, Place::Certificate(uid)) => {
            let info = ps::get_info(psa, uid).map_err(failure)?;
            Ok(Value::Stored(uid, info.size as usize))
        }
        (CKA_VALUE, Place::Private(_)) => Err(CKR_ATTRIBUTE_SENSITIVE),
        (CKA_SENSITIVE, Place::Private(_)) => flag(true),
        (CKA_EXTRACTABLE, Place::Private(_)) => flag(false),
        (CKA_SIGN, Place::Private(_)) => flag(true),
        (CKA_VERIFY, Place::PublicOf(_) | Place::Public(_)) => flag(true),
        (_, Place::Certificate(_)) => Err(CKR_ATTRIBUTE_TYPE_INVALID),
        (CKA_ALLOWED_MECHANISMS, Place::Private(key)) => mechanisms(psa, key),
        (_, Place::Private(key) | Place::PublicOf(key) | Place::Public(key)) => {
            key_attribute(psa, key, kind)
        }
    }
}

fn key_attribute(psa: &impl Transport, key: u32, kind: u32) -> Result<Value, CkRv> {
    let attributes = crypto::get_key_attributes(psa, key).map_err(failure)?;
    let ec = is_p256(&attributes);
    match kind {
        CKA_KEY_TYPE if ec => Ok(Value::of(&CKK_EC.to_le_bytes())),
        CKA_KEY_TYPE if attributes.key_type.is_asymmetric() => {
            Ok(Value::of(&CKK_RSA.to_le_bytes()))
        }
        CKA_MODULUS | CKA_PUBLIC_EXPONENT if attributes.key_type.is_rsa() => {
            let mut der = [0; MAX_PUBLIC];
            let len = crypto::export_public_key(psa, key, &mut der).map_err(failure)?;
            let numbers = der.get(..len).and_then(rsa_public);
            let (modulus, exponent) = numbers.ok_or(CKR_DEVICE_ERROR)?;
            Ok(Value::of(match kind {
                CKA_MODULUS => modulus,
                _ => exponent,
            }))
        }
        CKA_EC_PARAMS if ec => Ok(Value::of(&P256_PARAMS)),
        CKA_EC_POINT if ec => {
            let point = public_point(psa, key)?;
            let mut wrapped = [0; POINT + 2];
            // OCTET STRING.
            let [tag, len, rest @ ..] = &mut wrapped;
            (*tag, *len) = (0x04, POINT as u8);
            *rest = point;
            Ok(Value::of(&wrapped))
        }
        _ => Err(CKR_ATTRIBUTE_TYPE_INVALID),
    }
}

/// What the key's policy lets C_Sign do, as an array of mechanisms.
fn mechanisms(psa: &impl Transport, key: u32) -> Result<Value, CkRv> {
    let attributes = crypto::get_key_attributes(psa, key).map_err(failure)?;
    let hash = Algorithm::SHA_256;
    let all = [
        (CKM_ECDSA, Algorithm::ecdsa(hash)),
        (CKM_RSA_PKCS_PSS, Algorithm::rsa_pss(hash)),
        (CKM_RSA_PKCS, Algorithm::rsa_pkcs1v15_sign(hash)),
    ];
    let mut out = [0; 12];
    let mut len = 0;
    for (mechanism, alg) in all {
        let policies = [attributes.alg, attributes.alg2];
        let permits = policies
            .iter()
            .any(|policy| policy.permits(alg, attributes.key_type));
        let fits = attributes.key_type.is_rsa() == (mechanism != CKM_ECDSA);
        if permits
            && fits
            && attributes.usage & usage::SIGN_HASH != 0
            && let Some(to) = out.get_mut(len..len + 4)
        {
            to.copy_from_slice(&mechanism.to_le_bytes());
            len += 4;
        }
    }
    Ok(Value::of(out.get(..len).unwrap_or_default()))
}

/// Modulus and exponent, without leading zeros, of an `RSAPublicKey` (RFC 8017 §A.1.1).
fn rsa_public(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, body, _) = element(der)?;
    let (tag_n, modulus, rest) = element(body)?;
    let (tag_e, exponent, _) = element(rest)?;
    let number = |n: &[u8]| n.iter().position(|b| *b != 0);
    match (tag, tag_n, tag_e) {
        (0x30, 0x02, 0x02) => Some((
            modulus.get(number(modulus)?..)?,
            exponent.get(number(exponent)?..)?,
        )),
        _ => None,
    }
}

/// Tag, content and what follows of a DER element, of up to two octets of length.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (len, at) = match der.get(1)? {
        len @ 0..=0x7F => (usize::from(*len), 2),
        0x81 => (usize::from(*der.get(2)?), 3),
        0x82 => (
            usize::from(*der.get(2)?) << 8 | usize::from(*der.get(3)?),
            4,
        ),
        _ => return None,
    };
    let (content, rest) = der.get(at..)?.split_at_checked(len)?;
    Some((*der.first()?, content, rest))
}

/// Public point of a P-256 key or pair.
pub fn public_point(psa: &impl Transport, key: u32) -> Result<[u8; POINT], CkRv> {
    let mut point = [0; POINT];
    match crypto::export_public_key(psa, key, &mut point).map_err(failure)? {
        POINT => Ok(point),
        _ => Err(CKR_DEVICE_ERROR),
    }
}

/// Whether the key is P-256, pair or public.
pub fn is_p256(attributes: &KeyAttributes) -> bool {
    let ec = [
        KeyType::ECC_KEY_PAIR_SECP_R1,
        KeyType::ECC_PUBLIC_KEY_SECP_R1,
    ];
    ec.contains(&attributes.key_type) && attributes.bits == 256
}

/// What a private key of the token may do: sign, and nothing else.
pub fn signing_key(id: u32) -> KeyAttributes {
    KeyAttributes::volatile(
        KeyType::ECC_KEY_PAIR_SECP_R1,
        256,
        usage::SIGN_HASH,
        Algorithm::ecdsa(Algorithm::SHA_256),
    )
    .persistent(id)
}

/// What a public P-256 key may do.
pub fn verifying_key() -> KeyAttributes {
    KeyAttributes::volatile(
        KeyType::ECC_PUBLIC_KEY_SECP_R1,
        256,
        usage::VERIFY_HASH,
        Algorithm::ecdsa(Algorithm::SHA_256),
    )
}

/// The return code of a PSA status that no rule of a function's own explains.
pub fn failure(status: Status) -> CkRv {
    match status {
        Status::INSUFFICIENT_MEMORY => CKR_HOST_MEMORY,
        Status::INSUFFICIENT_STORAGE => CKR_DEVICE_MEMORY,
        Status::NOT_PERMITTED | Status::ALREADY_EXISTS => CKR_ACTION_PROHIBITED,
        Status::INVALID_ARGUMENT => CKR_ATTRIBUTE_VALUE_INVALID,
        Status::INVALID_HANDLE | Status::DOES_NOT_EXIST => CKR_OBJECT_HANDLE_INVALID,
        Status::STORAGE_FAILURE
        | Status::DATA_CORRUPT
        | Status::DATA_INVALID
        | Status::HARDWARE_FAILURE
        | Status::CORRUPTION_DETECTED => CKR_DEVICE_ERROR,
        _ => CKR_FUNCTION_FAILED,
    }
}
