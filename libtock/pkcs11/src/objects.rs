//! The objects of the token: a fixed table of labels over PSA keys and Protected Storage.
//!
//! Owns what stands behind a label, which handle it has (its place in the table, from 1) and how
//! an attribute is read. Labels, key ids and uids are corePKCS11's and the reference's
//! (`reference/aws-iot.md` §6.2); the claim objects of fleet provisioning have ids of ours.

use crate::der;
use crate::template::Kind;
use crate::types::*;
use psa_client::{Status, Transport, crypto, ps};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType};

/// `pkcs11configLABEL_DEVICE_PRIVATE_KEY_FOR_TLS`: PSA key 1.
pub const DEVICE_PRIVATE_KEY: &str = "Device Priv TLS Key";
/// `pkcs11configLABEL_DEVICE_PUBLIC_KEY_FOR_TLS`: the other half of PSA key 1; PSA key 0x10 while
/// that is not there.
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

/// Ours: the identity that a device changes to, in the place that is not in use. Which place that
/// is says the first byte of PS [`SLOT_UID`].
pub const NEXT_PRIVATE_KEY: &str = "Next Priv TLS Key";
/// The other half of it.
pub const NEXT_PUBLIC_KEY: &str = "Next Pub TLS Key";
/// Its certificate.
pub const NEXT_CERTIFICATE: &str = "Next Cert";
/// PS uid of the record that says which identity is in use: byte 0, 0 or 1; without it the first.
pub const SLOT_UID: u64 = 16;
/// The two places of an identity: key pair, public half by itself, certificate.
const PLACES: [(u32, u32, u64); 2] = [(1, 0x10, 5), (3, 0x12, 15)];

/// Of the P-256 keys.
pub const ECDSA: Algorithm = Algorithm::ecdsa(Algorithm::SHA_256);
/// CKM_RSA_PKCS_PSS with [`RsaPkcsPssParams::SHA256`].
pub const RSA_PSS: Algorithm = Algorithm::rsa_pss(Algorithm::SHA_256);
/// CKM_RSA_PKCS over the DigestInfo of SHA-256.
pub const RSA_PKCS: Algorithm = Algorithm::rsa_pkcs1v15_sign(Algorithm::SHA_256);
/// Size of an RSA key, as in the reference.
pub const RSA_BITS: u16 = 2048;
/// Uncompressed point, bytes.
pub const POINT: usize = 65;

/// What stands behind a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A key pair; only its private half is meant.
    Private(u32),
    /// The public half of a key pair; while there is no pair, a public key by itself.
    PublicOf(u32, u32),
    /// A public key.
    Public(u32),
    /// A certificate in Protected Storage.
    Certificate(u64),
}

/// Every object that there can be; its handle is its place, from 1.
const OBJECTS: [(&str, Place); 11] = [
    (DEVICE_PRIVATE_KEY, Place::Private(1)),
    (DEVICE_PUBLIC_KEY, Place::PublicOf(1, 0x10)),
    (DEVICE_CERTIFICATE, Place::Certificate(5)),
    (JITP_CERTIFICATE, Place::Certificate(6)),
    (ROOT_CERTIFICATE, Place::Certificate(7)),
    (CODE_VERIFICATION_KEY, Place::Public(0x11)),
    (CLAIM_CERTIFICATE, Place::Certificate(11)),
    (CLAIM_PRIVATE_KEY, Place::Private(2)),
    (NEXT_PRIVATE_KEY, Place::Private(3)),
    (NEXT_PUBLIC_KEY, Place::PublicOf(3, 0x12)),
    (NEXT_CERTIFICATE, Place::Certificate(15)),
];

/// The objects as they are now: the device's labels and the next identity's stand for the place
/// that is in use and the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// The device's identity lies in the second place.
    pub second: bool,
}

impl Table {
    /// As the record says.
    pub fn read(psa: &impl Transport) -> Result<Table, CkRv> {
        let mut first = [0];
        match ps::get(psa, SLOT_UID, 0, &mut first) {
            Ok(1) => Ok(Table {
                second: first == [1],
            }),
            Ok(_) => Err(CKR_DEVICE_ERROR),
            Err(Status::DOES_NOT_EXIST) => Ok(Table { second: false }),
            Err(status) => Err(failure(status)),
        }
    }

    /// All labels and what stands behind them, in the order of their handles.
    pub fn all(self) -> impl Iterator<Item = (&'static str, Place)> {
        OBJECTS.iter().map(move |(label, place)| match self.second {
            true => (*label, place.other()),
            false => (*label, *place),
        })
    }
}

impl Place {
    /// `CKA_CLASS`.
    pub fn class(self) -> u32 {
        match self {
            Place::Private(_) => CKO_PRIVATE_KEY,
            Place::PublicOf(..) | Place::Public(_) => CKO_PUBLIC_KEY,
            Place::Certificate(_) => CKO_CERTIFICATE,
        }
    }

    /// The same in the other of the two places of an identity.
    fn other(self) -> Place {
        let [first, second] = PLACES;
        let swap = |id: u32, (a, b): (u32, u32)| match id {
            id if id == a => b,
            id if id == b => a,
            id => id,
        };
        let key = |id| swap(swap(id, (first.0, second.0)), (first.1, second.1));
        match self {
            Place::Private(id) => Place::Private(key(id)),
            Place::PublicOf(pair, alone) => Place::PublicOf(key(pair), key(alone)),
            Place::Public(id) => Place::Public(id),
            Place::Certificate(uid) if uid == first.2 => Place::Certificate(second.2),
            Place::Certificate(uid) if uid == second.2 => Place::Certificate(first.2),
            Place::Certificate(uid) => Place::Certificate(uid),
        }
    }

    /// Whether the object is there now.
    pub fn exists(self, psa: &impl Transport) -> Result<bool, CkRv> {
        match self {
            Place::Certificate(uid) => there(ps::get_info(psa, uid)),
            Place::Private(key) | Place::Public(key) => there(crypto::get_key_attributes(psa, key)),
            Place::PublicOf(pair, alone) => Ok(there(crypto::get_key_attributes(psa, pair))?
                || there(crypto::get_key_attributes(psa, alone))?),
        }
    }

    /// Id and attributes of the PSA key that has this object's public half.
    pub fn key(self, psa: &impl Transport) -> Result<(u32, KeyAttributes), CkRv> {
        let id = match self {
            Place::Certificate(_) => return Err(CKR_KEY_HANDLE_INVALID),
            Place::Private(key) | Place::Public(key) => key,
            Place::PublicOf(pair, alone) => match crypto::get_key_attributes(psa, pair) {
                Ok(attributes) => return Ok((pair, attributes)),
                Err(_) => alone,
            },
        };
        let attributes = crypto::get_key_attributes(psa, id).map_err(failure)?;
        Ok((id, attributes))
    }
}

/// Whether it was found; of the token otherwise.
pub fn there<T>(found: Result<T, Status>) -> Result<bool, CkRv> {
    match found {
        Ok(_) => Ok(true),
        Err(Status::DOES_NOT_EXIST | Status::INVALID_HANDLE) => Ok(false),
        Err(status) => Err(failure(status)),
    }
}

/// Handle and place of a label.
pub fn by_label(table: Table, label: &[u8]) -> Option<(ObjectHandle, Place)> {
    let mut all = table.all().enumerate();
    let (at, (_, place)) = all.find(|(_, (l, _))| l.as_bytes() == label)?;
    Some((at as u32 + 1, place))
}

/// Place of the public half of a pair, if it has a label.
pub fn public_of(pair: u32) -> Option<Place> {
    let mut places = OBJECTS.iter().map(|(_, place)| *place);
    places.find(|place| matches!(place, Place::PublicOf(of, _) if *of == pair))
}

/// Label and place of a handle.
pub fn by_handle(table: Table, handle: ObjectHandle) -> Option<(&'static str, Place)> {
    let at = usize::try_from(handle).ok()?.checked_sub(1)?;
    table.all().nth(at)
}

/// Longest value that is held in full.
const LONGEST: usize = der::MAX_SPKI;

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
        (
            CKA_VALUE | CKA_PRIVATE_EXPONENT | CKA_PRIME_1 | CKA_PRIME_2 | CKA_EXPONENT_1
            | CKA_EXPONENT_2 | CKA_COEFFICIENT,
            Place::Private(_),
        ) => Err(CKR_ATTRIBUTE_SENSITIVE),
        (CKA_SENSITIVE, Place::Private(_)) => flag(true),
        (CKA_EXTRACTABLE, Place::Private(_)) => flag(false),
        (CKA_SIGN, Place::Private(_)) => flag(true),
        (CKA_VERIFY, Place::PublicOf(..) | Place::Public(_)) => flag(true),
        (_, Place::Certificate(_)) => Err(CKR_ATTRIBUTE_TYPE_INVALID),
        (CKA_ALLOWED_MECHANISMS, Place::Private(key)) => mechanisms(psa, key),
        _ => key_attribute(psa, place, kind),
    }
}

fn key_attribute(psa: &impl Transport, place: Place, kind: u32) -> Result<Value, CkRv> {
    let (key, attributes) = place.key(psa)?;
    let (ec, rsa) = (is_p256(&attributes), attributes.key_type.is_rsa());
    // What the reference gives as the value of a public key, too.
    let info = kind == CKA_PUBLIC_KEY_INFO || kind == CKA_VALUE;
    match kind {
        CKA_KEY_TYPE if ec => Ok(Value::of(&CKK_EC.to_le_bytes())),
        CKA_KEY_TYPE if rsa => Ok(Value::of(&CKK_RSA.to_le_bytes())),
        CKA_MODULUS | CKA_PUBLIC_EXPONENT if rsa => {
            let mut public = [0; der::MAX_RSA_PUBLIC];
            let (modulus, exponent) =
                der::rsa_public(public_key(psa, key, &mut public)?).ok_or(CKR_DEVICE_ERROR)?;
            Ok(Value::of(match kind {
                CKA_MODULUS => modulus,
                _ => exponent,
            }))
        }
        CKA_EC_PARAMS if ec => Ok(Value::of(&P256_PARAMS)),
        CKA_EC_POINT if ec => {
            let mut wrapped = [0; POINT + 2];
            // OCTET STRING.
            let [tag, len, rest @ ..] = &mut wrapped;
            (*tag, *len) = (0x04, POINT as u8);
            public_key(psa, key, rest)?;
            Ok(Value::of(&wrapped))
        }
        _ if info && (ec || rsa) => {
            let (mut public, mut spki) = ([0; der::MAX_RSA_PUBLIC], [0; der::MAX_SPKI]);
            let public = public_key(psa, key, &mut public)?;
            let spki = der::spki(public, rsa, &mut spki).ok_or(CKR_DEVICE_ERROR)?;
            Ok(Value::of(spki))
        }
        _ => Err(CKR_ATTRIBUTE_TYPE_INVALID),
    }
}

/// What the key's policy lets C_Sign do, as an array of mechanisms.
fn mechanisms(psa: &impl Transport, key: u32) -> Result<Value, CkRv> {
    let attributes = crypto::get_key_attributes(psa, key).map_err(failure)?;
    let all = [
        (CKM_ECDSA, ECDSA),
        (CKM_RSA_PKCS_PSS, RSA_PSS),
        (CKM_RSA_PKCS, RSA_PKCS),
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

/// The public half of a key as PSA exports it: a point, or an `RSAPublicKey`.
pub fn public_key<'o>(psa: &impl Transport, key: u32, to: &'o mut [u8]) -> Result<&'o [u8], CkRv> {
    let len = crypto::export_public_key(psa, key, to).map_err(failure)?;
    to.get(..len).ok_or(CKR_DEVICE_ERROR)
}

/// Whether the key is P-256, pair or public.
pub fn is_p256(attributes: &KeyAttributes) -> bool {
    let ec = [
        KeyType::ECC_KEY_PAIR_SECP_R1,
        KeyType::ECC_PUBLIC_KEY_SECP_R1,
    ];
    ec.contains(&attributes.key_type) && attributes.bits == 256
}

/// What a private key of the token may do: sign, and nothing else. RSA signs by PSS, for TLS 1.3,
/// and by PKCS#1 v1.5, as the reference does.
pub fn signing_key(kind: Kind) -> KeyAttributes {
    match kind {
        Kind::Ec => {
            let pair = KeyType::ECC_KEY_PAIR_SECP_R1;
            KeyAttributes::volatile(pair, 256, usage::SIGN_HASH, ECDSA)
        }
        Kind::Rsa => KeyAttributes {
            alg2: RSA_PKCS,
            ..KeyAttributes::volatile(KeyType::RSA_KEY_PAIR, RSA_BITS, usage::SIGN_HASH, RSA_PSS)
        },
    }
}

/// What a public key may do.
pub fn verifying_key(kind: Kind) -> KeyAttributes {
    let verify = usage::VERIFY_HASH;
    match kind {
        Kind::Ec => KeyAttributes::volatile(KeyType::ECC_PUBLIC_KEY_SECP_R1, 256, verify, ECDSA),
        Kind::Rsa => KeyAttributes {
            alg2: RSA_PKCS,
            ..KeyAttributes::volatile(KeyType::RSA_PUBLIC_KEY, RSA_BITS, verify, RSA_PSS)
        },
    }
}

/// Which kind of key the token takes it for; `None`: none that it uses.
pub fn kind(attributes: &KeyAttributes) -> Option<Kind> {
    match attributes.key_type.is_rsa() {
        true => (attributes.bits == RSA_BITS).then_some(Kind::Rsa),
        false => is_p256(attributes).then_some(Kind::Ec),
    }
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
