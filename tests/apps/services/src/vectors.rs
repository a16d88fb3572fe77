//! Project Wycheproof's vectors, as the build packed them, through a service.
//!
//! Owns the packed form (build.rs writes it, this reads it) and what a vector must do. A vector is
//! one byte of kind, one of result, its number in two, then fields of a length in two bytes each.

use psa_client::crypto::{
    KeyDerivation, aead_decrypt, aead_encrypt, destroy_key, import_key, raw_key_agreement,
    verify_message,
};
use psa_client::{Algorithm, KeyAttributes, KeyType, Status, Transport};
use psa_interface::crypto::step;
use psa_interface::key::usage;

/// The packed vectors.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/vectors.bin"));

/// What a vector is for, by its number in the packed form.
pub const KINDS: [&str; 6] = [
    "ecdsa-p256-sha256",
    "aes-gcm",
    "chacha20-poly1305",
    "hkdf-sha256",
    "ecdh-p256",
    "x25519",
];

/// Whether a vector must be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It must.
    Valid,
    /// It must not.
    Invalid,
    /// Either way; but what comes out must be right.
    Acceptable,
}

/// One vector.
#[derive(Debug, Clone, Copy)]
pub struct Vector<'a> {
    /// Index into [`KINDS`].
    pub kind: usize,
    /// What it must do.
    pub expected: Expected,
    /// Its number in Wycheproof's file.
    pub number: u16,
    fields: [&'a [u8]; FIELDS],
}

/// Most fields of a vector.
const FIELDS: usize = 6;

/// All vectors, in the order of the packed form.
pub fn all() -> impl Iterator<Item = Vector<'static>> {
    let mut rest = PACKED;
    core::iter::from_fn(move || {
        let (vector, behind) = parse(rest)?;
        rest = behind;
        Some(vector)
    })
}

fn parse(bytes: &[u8]) -> Option<(Vector<'_>, &[u8])> {
    let (&[kind, expected, low, high], mut rest) = bytes.split_first_chunk()?;
    let mut fields: [&[u8]; FIELDS] = [&[]; FIELDS];
    for field in fields.iter_mut().take(fields_of(kind.into())) {
        let (length, behind) = rest.split_first_chunk()?;
        (*field, rest) = behind.split_at_checked(u16::from_le_bytes(*length).into())?;
    }
    let vector = Vector {
        kind: kind.into(),
        expected: match expected {
            0 => Expected::Valid,
            1 => Expected::Invalid,
            _ => Expected::Acceptable,
        },
        number: u16::from_le_bytes([low, high]),
        fields,
    };
    Some((vector, rest))
}

/// Fields of a kind: see [`run`].
const fn fields_of(kind: usize) -> usize {
    match kind {
        1 | 2 => 6,
        3 => 4,
        _ => 3,
    }
}

/// Puts a vector through the service; whether it did what it must.
///
/// # Errors
/// The status of a call that has nothing to do with the vector.
pub fn run(t: &dyn Transport, vector: &Vector<'_>) -> Result<bool, Status> {
    let [a, b, c, d, e, f] = vector.fields;
    let taken = match vector.kind {
        0 => ecdsa(t, a, b, c)?,
        1 => aead(t, (KeyType::AES, Algorithm::GCM), a, (b, c), (d, e, f))?,
        2 => {
            let alg = (KeyType::CHACHA20, Algorithm::CHACHA20_POLY1305);
            aead(t, alg, a, (b, c), (d, e, f))?
        }
        3 => hkdf(t, (a, b, c), d)?,
        4 => agree(t, KeyType::ECC_KEY_PAIR_SECP_R1, a, b, c)?,
        _ => agree(t, KeyType::ECC_KEY_PAIR_MONTGOMERY, a, b, c)?,
    };
    Ok(match (vector.expected, taken) {
        (Expected::Valid, Some(right)) => right,
        (Expected::Valid, None) => false,
        (Expected::Invalid, taken) => taken.is_none(),
        (Expected::Acceptable, taken) => taken.unwrap_or(true),
    })
}

/// Refused, or whether what came out was right.
type Taken = Result<Option<bool>, Status>;

/// Public key, message, signature.
fn ecdsa(t: &dyn Transport, key: &[u8], message: &[u8], signature: &[u8]) -> Taken {
    let alg = Algorithm::ecdsa(Algorithm::SHA_256);
    let key_type = KeyType::ECC_PUBLIC_KEY_SECP_R1;
    let attributes = KeyAttributes::volatile(key_type, 256, usage::VERIFY_MESSAGE, alg);
    let id = import_key(&t, &attributes, key)?;
    let verified = verify_message(&t, id, alg, message, signature);
    destroy_key(&t, id)?;
    Ok(verified.is_ok().then_some(true))
}

/// Longest text of a vector, and its tag.
const MAX: usize = 1100;

/// Key, (nonce, additional data), (text, sealed text, tag).
fn aead(
    t: &dyn Transport,
    (key_type, base): (KeyType, Algorithm),
    key: &[u8],
    (nonce, ad): (&[u8], &[u8]),
    (text, sealed, tag): (&[u8], &[u8], &[u8]),
) -> Taken {
    let alg = base.with_tag_length(tag.len() as u8);
    let flags = usage::ENCRYPT | usage::DECRYPT;
    let id = import_key(&t, &KeyAttributes::volatile(key_type, 0, flags, alg), key)?;
    let (mut both, mut out) = ([0; MAX], [0; MAX]);
    let n = sealed.len() + tag.len();
    let whole = both.get_mut(..n).ok_or(Status::INSUFFICIENT_MEMORY)?;
    let (head, tail) = whole.split_at_mut(sealed.len());
    head.copy_from_slice(sealed);
    tail.copy_from_slice(tag);
    let opened = aead_decrypt(&t, id, alg, nonce, ad, whole, &mut out);
    let result = match opened {
        Err(_) => None,
        Ok(n) if out.get(..n) != Some(text) => Some(false),
        Ok(_) => {
            let n = aead_encrypt(&t, id, alg, nonce, ad, text, &mut out)?;
            Some(out.get(..n) == Some(whole))
        }
    };
    destroy_key(&t, id)?;
    Ok(result)
}

/// (Secret, salt, info), output; its length first, as text of four bytes, where it is too long.
fn hkdf(t: &dyn Transport, (secret, salt, info): (&[u8], &[u8], &[u8]), okm: &[u8]) -> Taken {
    let mut derivation = KeyDerivation::setup(t, Algorithm::hkdf(Algorithm::SHA_256))?;
    derivation.input_bytes(step::SALT, salt)?;
    derivation.input_bytes(step::SECRET, secret)?;
    derivation.input_bytes(step::INFO, info)?;
    let mut right = true;
    let mut out = [0; 512];
    for part in okm.chunks(out.len()) {
        let out = out.get_mut(..part.len()).unwrap_or_default();
        match derivation.output_bytes(out) {
            Ok(()) => right &= out == part,
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(right))
}

/// Private key, peer's public key, shared secret.
fn agree(t: &dyn Transport, key_type: KeyType, key: &[u8], peer: &[u8], shared: &[u8]) -> Taken {
    let attributes = KeyAttributes::volatile(key_type, 0, usage::DERIVE, Algorithm::ECDH);
    let id = import_key(&t, &attributes, key)?;
    let mut out = [0; 32];
    let agreed = raw_key_agreement(&t, Algorithm::ECDH, id, peer, &mut out);
    destroy_key(&t, id)?;
    Ok(agreed.ok().map(|n| out.get(..n) == Some(shared)))
}
