//! Keys: import, generation, export, copies, attributes, destruction, persistence.

use crate::{Outcome, Rule};
use psa_client::crypto::{
    copy_key, destroy_key, export_key, export_public_key, generate_key, generate_random,
    get_key_attributes, hash_compute, import_key, purge_key, sign_hash,
};
use psa_client::{Algorithm, KeyAttributes, KeyType, Lifetime, Status, Transport};
use psa_interface::key::usage;

/// The rules.
pub const RULES: [Rule; 15] = [
    rule("key-import-attributes", import_attributes),
    rule("key-import-refusals", import_refusals),
    rule("key-import-nothing", import_nothing),
    rule("key-export", export),
    rule("key-export-public", export_public),
    rule("key-destroy", destroy),
    rule("key-generate", generate),
    rule("key-generate-refusals", generate_refusals),
    rule("key-copy", copy),
    rule("key-copy-refusals", copy_refusals),
    rule("key-copy-policy", copy_policy),
    rule("key-persistent", persistent),
    rule("key-ids", ids),
    rule("key-slots-come-back", slots),
    rule("random", random),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

/// A point of P-256 (RFC 6979 §A.2.5, the public key of its secret).
pub(crate) const POINT: [u8; 65] = [
    0x04, 0x60, 0xFE, 0xD4, 0xBA, 0x25, 0x5A, 0x9D, 0x31, 0xC9, 0x61, 0xEB, 0x74, 0xC6, 0x35, 0x6D,
    0x68, 0xC0, 0x49, 0xB8, 0x92, 0x3B, 0x61, 0xFA, 0x6C, 0xE6, 0x69, 0x62, 0x2E, 0x60, 0xF2, 0x9F,
    0xB6, 0x79, 0x03, 0xFE, 0x10, 0x08, 0xB8, 0xBC, 0x99, 0xA4, 0x1A, 0xE9, 0xE9, 0x56, 0x28, 0xBC,
    0x64, 0xF2, 0xF1, 0xB2, 0x0C, 0x2D, 0x7E, 0x9F, 0x51, 0x77, 0xA3, 0xC2, 0x94, 0xD4, 0x46, 0x22,
    0x99,
];
/// Its secret.
pub(crate) const SECRET: [u8; 32] = [
    0xC9, 0xAF, 0xA9, 0xD8, 0x45, 0xBA, 0x75, 0x16, 0x6B, 0x5C, 0x21, 0x57, 0x67, 0xB1, 0xD6, 0x93,
    0x4E, 0x50, 0xC3, 0xDB, 0x36, 0xE8, 0x9B, 0x12, 0x7B, 0x8A, 0x62, 0x2B, 0x12, 0x0F, 0x67, 0x21,
];

const PAIR: KeyType = KeyType::ECC_KEY_PAIR_SECP_R1;
const PUBLIC: KeyType = KeyType::ECC_PUBLIC_KEY_SECP_R1;
const ECDSA: Algorithm = Algorithm::ecdsa(Algorithm::SHA_256);
const BYTES: [u8; 64] = [0x3C; 64];

/// Attributes of a volatile key.
pub(crate) fn volatile(key_type: KeyType, bits: u16, usage: u32, alg: Algorithm) -> KeyAttributes {
    KeyAttributes::volatile(key_type, bits, usage, alg)
}

fn bytes(length: usize) -> &'static [u8] {
    BYTES.get(..length).unwrap_or_default()
}

/// What was given comes back; a size that was left open is filled in.
fn import_attributes(t: &dyn Transport) -> Outcome {
    let cases: [(KeyType, &[u8], u16); 8] = [
        (KeyType::AES, bytes(16), 128),
        (KeyType::AES, bytes(32), 256),
        (KeyType::HMAC, bytes(64), 512),
        (KeyType::HMAC, bytes(1), 8),
        (KeyType::DERIVE, bytes(32), 256),
        (KeyType::RAW_DATA, bytes(33), 264),
        (PAIR, &SECRET, 256),
        (PUBLIC, &POINT, 256),
    ];
    for (key_type, data, bits) in cases {
        for given in [0, bits] {
            let attributes = volatile(key_type, given, usage::EXPORT | usage::COPY, ECDSA);
            let id = need!(import_key(&t, &attributes, data));
            let got = need!(get_key_attributes(&t, id));
            same!((got.key_type, got.bits, got.id), (key_type, bits, id));
            same!((got.usage, got.alg), (attributes.usage, ECDSA));
            same!(got.lifetime, Lifetime::VOLATILE);
            let mut out = [0; 80];
            want!(export_key(&t, id, &mut out), Ok(data.len()));
            same!(out[..data.len()], *data);
            need!(destroy_key(&t, id));
        }
    }
    Ok(())
}

/// Bytes that are no such key, and sizes that they do not have.
fn import_refusals(t: &dyn Transport) -> Outcome {
    let with = |key_type, bits, data: &[u8]| {
        let attributes = volatile(key_type, bits, usage::EXPORT, Algorithm::NONE);
        import_key(&t, &attributes, data)
    };
    for length in [1, 15, 17, 18, 23, 31, 33, 64] {
        refused!(with(KeyType::AES, 0, bytes(length)), INVALID_ARGUMENT);
    }
    refused!(with(KeyType::AES, 192, bytes(16)), INVALID_ARGUMENT);
    refused!(with(KeyType::AES, 127, bytes(16)), INVALID_ARGUMENT);
    refused!(with(KeyType::HMAC, 16, bytes(1)), INVALID_ARGUMENT);
    refused!(with(PAIR, 224, &SECRET), INVALID_ARGUMENT);
    refused!(with(PAIR, 0, bytes(31)), INVALID_ARGUMENT);
    // Zero and what is not below the order are no secrets.
    refused!(with(PAIR, 256, &[0; 32]), INVALID_ARGUMENT);
    refused!(with(PAIR, 256, &[0xFF; 32]), INVALID_ARGUMENT);
    // Not on the curve; compressed; cut off.
    let mut off = POINT;
    off[64] ^= 1;
    refused!(with(PUBLIC, 256, &off), INVALID_ARGUMENT);
    off[0] = 2;
    refused!(with(PUBLIC, 256, &off[..33]), INVALID_ARGUMENT);
    refused!(with(PUBLIC, 256, &POINT[..64]), INVALID_ARGUMENT);
    // Of no type that there is.
    refused!(with(KeyType(0x8000), 0, bytes(16)), NOT_SUPPORTED);
    refused!(with(KeyType(0x2301), 0, bytes(8)), NOT_SUPPORTED);
    // No key is empty.
    for key_type in [KeyType::AES, KeyType::HMAC, KeyType::RAW_DATA, PAIR] {
        refused!(with(key_type, 0, &[]), INVALID_ARGUMENT);
    }
    let usage = volatile(KeyType::AES, 128, 0x8000_0000, Algorithm::NONE);
    refused!(import_key(&t, &usage, bytes(16)), INVALID_ARGUMENT);
    Ok(())
}

/// Attributes after `psa_reset_key_attributes` make no key.
fn import_nothing(t: &dyn Transport) -> Outcome {
    let attributes = volatile(KeyType::NONE, 0, 0, Algorithm::NONE);
    for length in [1, 16, 32] {
        refused!(import_key(&t, &attributes, bytes(length)), NOT_SUPPORTED);
    }
    Ok(())
}

/// Only with EXPORT, and only whole.
fn export(t: &dyn Transport) -> Outcome {
    let mut out = [0xA5; 64];
    for (key_type, data) in [(KeyType::AES, bytes(16)), (KeyType::HMAC, bytes(64))] {
        let id = need!(import_key(
            &t,
            &volatile(key_type, 0, usage::ENCRYPT, Algorithm::NONE),
            data
        ));
        refused!(export_key(&t, id, &mut out), NOT_PERMITTED);
        need!(destroy_key(&t, id));
        let attributes = volatile(key_type, 0, usage::EXPORT, Algorithm::NONE);
        let id = need!(import_key(&t, &attributes, data));
        refused!(
            export_key(&t, id, &mut out[..data.len() - 1]),
            BUFFER_TOO_SMALL
        );
        refused!(export_key(&t, id, &mut []), BUFFER_TOO_SMALL);
        same!(out, [0xA5; 64]);
        need!(destroy_key(&t, id));
        refused!(export_key(&t, id, &mut out), INVALID_HANDLE);
    }
    // A public key needs no leave.
    let id = need!(import_key(&t, &volatile(PUBLIC, 0, 0, ECDSA), &POINT));
    let mut out = [0; 65];
    want!(export_key(&t, id, &mut out), Ok(65));
    same!(out, POINT);
    need!(destroy_key(&t, id));
    refused!(export_key(&t, 0, &mut out), INVALID_HANDLE);
    Ok(())
}

/// Of a pair without any leave; not of a key that has none.
fn export_public(t: &dyn Transport) -> Outcome {
    let mut out = [0; 65];
    for (key_type, data) in [(PAIR, &SECRET[..]), (PUBLIC, &POINT[..])] {
        let id = need!(import_key(&t, &volatile(key_type, 256, 0, ECDSA), data));
        want!(export_public_key(&t, id, &mut out), Ok(65));
        same!(out, POINT);
        refused!(export_public_key(&t, id, &mut out[..64]), BUFFER_TOO_SMALL);
        need!(destroy_key(&t, id));
        refused!(export_public_key(&t, id, &mut out), INVALID_HANDLE);
    }
    for key_type in [KeyType::AES, KeyType::HMAC, KeyType::RAW_DATA] {
        let attributes = volatile(key_type, 0, usage::EXPORT, Algorithm::NONE);
        let id = need!(import_key(&t, &attributes, bytes(16)));
        refused!(export_public_key(&t, id, &mut out), INVALID_ARGUMENT);
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// Once; the second time there is no such key. No key at all is no error.
fn destroy(t: &dyn Transport) -> Outcome {
    let attributes = volatile(KeyType::AES, 128, usage::EXPORT, Algorithm::CTR);
    let id = need!(import_key(&t, &attributes, bytes(16)));
    need!(destroy_key(&t, id));
    refused!(destroy_key(&t, id), INVALID_HANDLE);
    refused!(get_key_attributes(&t, id), INVALID_HANDLE);
    // The next key does not answer to the old name.
    let next = need!(import_key(&t, &attributes, bytes(16)));
    same!(next == id, false);
    refused!(destroy_key(&t, id), INVALID_HANDLE);
    need!(destroy_key(&t, next));
    need!(destroy_key(&t, 0));
    Ok(())
}

/// Of the size that was asked for, and never twice the same.
fn generate(t: &dyn Transport) -> Outcome {
    let cases = [
        (KeyType::AES, 128, 16),
        (KeyType::AES, 256, 32),
        (KeyType::HMAC, 256, 32),
        (KeyType::DERIVE, 128, 16),
        (KeyType::RAW_DATA, 8, 1),
        (PAIR, 256, 32),
    ];
    for (key_type, bits, length) in cases {
        let mut out = [[0; 32]; 2];
        for out in &mut out {
            let id = need!(generate_key(
                &t,
                &volatile(key_type, bits, usage::EXPORT, ECDSA)
            ));
            let got = need!(get_key_attributes(&t, id));
            same!((got.key_type, got.bits), (key_type, bits));
            want!(export_key(&t, id, out), Ok(length));
            need!(destroy_key(&t, id));
        }
        same!(length > 1 && out[0] == out[1], false);
    }
    Ok(())
}

fn generate_refusals(t: &dyn Transport) -> Outcome {
    let with = |key_type, bits, usage| generate_key(&t, &volatile(key_type, bits, usage, ECDSA));
    refused!(with(KeyType::AES, 0, 0), INVALID_ARGUMENT);
    refused!(with(KeyType::AES, 129, 0), INVALID_ARGUMENT);
    refused!(with(KeyType::AES, 512, 0), INVALID_ARGUMENT);
    refused!(with(PUBLIC, 256, 0), INVALID_ARGUMENT);
    refused!(with(KeyType::RSA_PUBLIC_KEY, 2048, 0), INVALID_ARGUMENT);
    refused!(with(KeyType::AES, 128, 0x8000_0000), INVALID_ARGUMENT);
    refused!(with(KeyType::NONE, 128, 0), NOT_SUPPORTED);
    Ok(())
}

/// A copy has the policy that both have, and the same bytes.
fn copy(t: &dyn Transport) -> Outcome {
    let both = usage::COPY | usage::EXPORT;
    let source = volatile(KeyType::AES, 128, both | usage::ENCRYPT, Algorithm::CTR);
    let id = need!(import_key(&t, &source, bytes(16)));
    // Type and size may be left open.
    for (key_type, bits) in [(KeyType::AES, 128), (KeyType::NONE, 0)] {
        let wanted = volatile(key_type, bits, both | usage::DECRYPT, Algorithm::CTR);
        let new = need!(copy_key(&t, id, &wanted));
        let got = need!(get_key_attributes(&t, new));
        same!((got.key_type, got.bits), (KeyType::AES, 128));
        same!((got.usage, got.alg), (both, Algorithm::CTR));
        let mut out = [0; 16];
        want!(export_key(&t, new, &mut out), Ok(16));
        same!(out, *bytes(16));
        need!(destroy_key(&t, new));
    }
    need!(destroy_key(&t, id));
    // What the source does not allow, the copy cannot.
    let source = volatile(PAIR, 256, usage::COPY | usage::SIGN_HASH, ECDSA);
    let id = need!(import_key(&t, &source, &SECRET));
    let wanted = volatile(PAIR, 256, both, ECDSA);
    let new = need!(copy_key(&t, id, &wanted));
    same!(need!(get_key_attributes(&t, new)).usage, usage::COPY);
    refused!(export_key(&t, new, &mut [0; 32]), NOT_PERMITTED);
    refused!(
        sign_hash(&t, new, ECDSA, &[1; 32], &mut [0; 64]),
        NOT_PERMITTED
    );
    need!(destroy_key(&t, new));
    need!(destroy_key(&t, id));
    Ok(())
}

fn copy_refusals(t: &dyn Transport) -> Outcome {
    let both = usage::COPY | usage::EXPORT;
    let source = volatile(KeyType::AES, 128, both, Algorithm::CTR);
    let id = need!(import_key(&t, &source, bytes(16)));
    let with = |key_type, bits, alg| copy_key(&t, id, &volatile(key_type, bits, both, alg));
    refused!(with(KeyType::HMAC, 128, Algorithm::CTR), INVALID_ARGUMENT);
    refused!(with(KeyType::AES, 127, Algorithm::CTR), INVALID_ARGUMENT);
    refused!(with(KeyType::AES, 256, Algorithm::CTR), INVALID_ARGUMENT);
    refused!(with(KeyType::AES, 128, Algorithm::GCM), INVALID_ARGUMENT);
    // Persistent, and no id.
    let wanted = KeyAttributes {
        lifetime: Lifetime::PERSISTENT,
        ..source
    };
    refused!(copy_key(&t, id, &wanted), INVALID_ARGUMENT);
    need!(destroy_key(&t, id));
    refused!(copy_key(&t, id, &source), INVALID_HANDLE);
    let closed = volatile(KeyType::AES, 128, usage::EXPORT, Algorithm::CTR);
    let id = need!(import_key(&t, &closed, bytes(16)));
    refused!(copy_key(&t, id, &source), NOT_PERMITTED);
    need!(destroy_key(&t, id));
    Ok(())
}

/// A wildcard and a hash have the hash in common, two families nothing.
fn copy_policy(t: &dyn Transport) -> Outcome {
    let any = Algorithm::ecdsa(Algorithm::ANY_HASH);
    let both = usage::COPY | usage::EXPORT;
    let id = need!(import_key(&t, &volatile(PAIR, 256, both, any), &SECRET));
    let new = need!(copy_key(&t, id, &volatile(PAIR, 256, both, ECDSA)));
    same!(need!(get_key_attributes(&t, new)).alg, ECDSA);
    // The other way round it stays the narrower one.
    let back = need!(copy_key(&t, new, &volatile(PAIR, 256, both, any)));
    same!(need!(get_key_attributes(&t, back)).alg, ECDSA);
    let deterministic = Algorithm::deterministic_ecdsa(Algorithm::SHA_256);
    refused!(
        copy_key(&t, id, &volatile(PAIR, 256, both, deterministic)),
        INVALID_ARGUMENT
    );
    for id in [id, new, back] {
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// A persistent key has the id that it was given, once; a purge does not lose it.
fn persistent(t: &dyn Transport) -> Outcome {
    const ID: u32 = 0x0001_5EC1;
    let both = usage::COPY | usage::EXPORT;
    let attributes = volatile(KeyType::AES, 128, both, Algorithm::CTR).persistent(ID);
    want!(import_key(&t, &attributes, bytes(16)), Ok(ID));
    refused!(import_key(&t, &attributes, bytes(16)), ALREADY_EXISTS);
    refused!(generate_key(&t, &attributes), ALREADY_EXISTS);
    let got = need!(get_key_attributes(&t, ID));
    same!((got.id, got.lifetime), (ID, Lifetime::PERSISTENT));
    need!(purge_key(&t, ID));
    let mut out = [0; 16];
    want!(export_key(&t, ID, &mut out), Ok(16));
    same!(out, *bytes(16));
    want!(copy_key(&t, ID, &attributes.persistent(ID + 1)), Ok(ID + 1));
    need!(destroy_key(&t, ID));
    refused!(get_key_attributes(&t, ID), INVALID_HANDLE);
    refused!(purge_key(&t, ID), INVALID_HANDLE);
    want!(export_key(&t, ID + 1, &mut out), Ok(16));
    need!(destroy_key(&t, ID + 1));
    Ok(())
}

/// Ids of others' ranges, and lifetimes of other places.
fn ids(t: &dyn Transport) -> Outcome {
    let plain = volatile(KeyType::AES, 128, usage::EXPORT, Algorithm::CTR);
    for id in [0, 0x4000_0000, 0x7FFF_815C, 0x8000_0000, u32::MAX] {
        refused!(
            import_key(&t, &plain.persistent(id), bytes(16)),
            INVALID_ARGUMENT
        );
    }
    for lifetime in [0xFF, 0x0000_0101, 0xFFFF_FF01] {
        let attributes = KeyAttributes {
            lifetime: Lifetime(lifetime),
            id: 7,
            ..plain
        };
        refused!(import_key(&t, &attributes, bytes(16)), INVALID_ARGUMENT);
    }
    // Keys of the device itself are nobody's here.
    for id in [0x7FFF_815C, 0x7FFF_815D, 0x7FFF_816B] {
        refused!(export_key(&t, id, &mut [0; 64]), INVALID_HANDLE);
        refused!(get_key_attributes(&t, id), INVALID_HANDLE);
        same!(destroy_key(&t, id).is_err(), true);
    }
    Ok(())
}

/// Keys end when there is no room, and every slot comes back.
fn slots(t: &dyn Transport) -> Outcome {
    let attributes = volatile(KeyType::AES, 128, usage::EXPORT, Algorithm::CTR);
    let mut counts = [0; 2];
    for count in &mut counts {
        let mut held = [0; 64];
        let mut last = Status::SUCCESS;
        for id in &mut held {
            match import_key(&t, &attributes, bytes(16)) {
                Ok(new) => *id = new,
                Err(status) => {
                    last = status;
                    break;
                }
            }
            *count += 1;
        }
        same!(last, Status::INSUFFICIENT_MEMORY);
        // What needs no slot goes on.
        need!(hash_compute(&t, Algorithm::SHA_256, b"", &mut [0; 32]));
        for id in held.iter().filter(|id| **id != 0) {
            need!(destroy_key(&t, *id));
        }
    }
    same!(counts[0], counts[1]);
    same!(counts[0] >= 16, true);
    Ok(())
}

/// Any number of bytes, and none.
fn random(t: &dyn Transport) -> Outcome {
    need!(generate_random(&t, &mut []));
    let mut last = [0; 64];
    for length in [1, 16, 31, 64, 300, 1000] {
        let mut out = [0; 1000];
        let part = out.get_mut(..length).unwrap_or_default();
        need!(generate_random(&t, part));
        // Nothing behind; not all zero where that has odds of 2^-128 and less; not the same again.
        same!(out[length..].iter().all(|b| *b == 0), true);
        same!(length >= 16 && out[..length].iter().all(|b| *b == 0), false);
        same!(length >= 16 && out[..16] == last[..16], false);
        last.copy_from_slice(&out[..64]);
    }
    Ok(())
}
