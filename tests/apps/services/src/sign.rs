//! Signatures and raw key agreement over P-256 (and X25519).

use crate::keys::{POINT, SECRET, volatile};
use crate::{Outcome, Rule};
use psa_client::crypto::{
    destroy_key, export_public_key, generate_key, import_key, raw_key_agreement, sign_hash,
    sign_message, verify_hash, verify_message,
};
use psa_client::{Algorithm, KeyType, Transport};
use psa_interface::key::usage;

/// The rules.
pub const RULES: [Rule; 7] = [
    rule("sign-known", known),
    rule("sign-and-verify", sign_and_verify),
    rule("sign-refusals", refusals),
    rule("sign-policy", policy),
    rule("agree-both-ways", agree),
    rule("agree-refusals", agree_refusals),
    rule("agree-x25519", x25519),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

const PAIR: KeyType = KeyType::ECC_KEY_PAIR_SECP_R1;
const PUBLIC: KeyType = KeyType::ECC_PUBLIC_KEY_SECP_R1;
const ECDSA: Algorithm = Algorithm::ecdsa(Algorithm::SHA_256);
const DETERMINISTIC: Algorithm = Algorithm::deterministic_ecdsa(Algorithm::SHA_256);
const SIGNS: u32 = usage::SIGN_HASH | usage::VERIFY_HASH;
/// RFC 6979 §A.2.5: "sample", SHA-256.
const SAMPLE: [u8; 64] = [
    0xEF, 0xD4, 0x8B, 0x2A, 0xAC, 0xB6, 0xA8, 0xFD, 0x11, 0x40, 0xDD, 0x9C, 0xD4, 0x5E, 0x81, 0xD6,
    0x9D, 0x2C, 0x87, 0x7B, 0x56, 0xAA, 0xF9, 0x91, 0xC3, 0x4D, 0x0E, 0xA8, 0x4E, 0xAF, 0x37, 0x16,
    0xF7, 0xCB, 0x1C, 0x94, 0x2D, 0x65, 0x7C, 0x41, 0xD4, 0x36, 0xC7, 0xA1, 0xB6, 0xE2, 0x9F, 0x65,
    0xF3, 0xE9, 0x00, 0xDB, 0xB9, 0xAF, 0xF4, 0x06, 0x4D, 0xC4, 0xAB, 0x2F, 0x84, 0x3A, 0xCD, 0xA8,
];

/// The same, SHA-224: a nonce of more than one block of its generator.
const SAMPLE_224: [u8; 64] = [
    0x53, 0xB2, 0xFF, 0xF5, 0xD1, 0x75, 0x2B, 0x2C, 0x68, 0x9D, 0xF2, 0x57, 0xC0, 0x4C, 0x40, 0xA5,
    0x87, 0xFA, 0xBA, 0xBB, 0x3F, 0x6F, 0xC2, 0x70, 0x2F, 0x13, 0x43, 0xAF, 0x7C, 0xA9, 0xAA, 0x3F,
    0xB9, 0xAF, 0xB6, 0x4F, 0xDC, 0x03, 0xDC, 0x1A, 0x13, 0x1C, 0x7D, 0x23, 0x86, 0xD1, 0x1E, 0x34,
    0x9F, 0x07, 0x0A, 0xA4, 0x32, 0xA4, 0xAC, 0xC9, 0x18, 0xBE, 0xA9, 0x88, 0xBF, 0x75, 0xC7, 0x4C,
];

fn known(t: &dyn Transport) -> Outcome {
    let mut out = [0; 64];
    let alg = Algorithm::deterministic_ecdsa(Algorithm::SHA_224);
    let attributes = volatile(PAIR, 256, usage::SIGN_MESSAGE, alg);
    let id = need!(import_key(&t, &attributes, &SECRET));
    want!(sign_message(&t, id, alg, b"sample", &mut out), Ok(64));
    same!(out, SAMPLE_224);
    need!(destroy_key(&t, id));
    let attributes = volatile(PAIR, 256, usage::SIGN_MESSAGE, DETERMINISTIC);
    let id = need!(import_key(&t, &attributes, &SECRET));
    want!(
        sign_message(&t, id, DETERMINISTIC, b"sample", &mut out),
        Ok(64)
    );
    same!(out, SAMPLE);
    need!(destroy_key(&t, id));
    let attributes = volatile(PUBLIC, 256, usage::VERIFY_MESSAGE, DETERMINISTIC);
    let id = need!(import_key(&t, &attributes, &POINT));
    need!(verify_message(&t, id, DETERMINISTIC, b"sample", &SAMPLE));
    refused!(
        verify_message(&t, id, DETERMINISTIC, b"Sample", &SAMPLE),
        INVALID_SIGNATURE
    );
    need!(destroy_key(&t, id));
    Ok(())
}

/// What the pair signs, the pair and its public key verify; nothing else.
fn sign_and_verify(t: &dyn Transport) -> Outcome {
    let id = need!(generate_key(&t, &volatile(PAIR, 256, SIGNS, ECDSA)));
    let mut point = [0; 65];
    need!(export_public_key(&t, id, &mut point));
    let public = volatile(PUBLIC, 256, usage::VERIFY_HASH, ECDSA);
    let public = need!(import_key(&t, &public, &point));
    let hash = [0x77; 32];
    let (mut a, mut b) = ([0; 80], [0; 64]);
    want!(sign_hash(&t, id, ECDSA, &hash, &mut a), Ok(64));
    want!(sign_hash(&t, id, ECDSA, &hash, &mut b), Ok(64));
    same!(a[..64] == b, false);
    for key in [id, public] {
        need!(verify_hash(&t, key, ECDSA, &hash, &a[..64]));
        need!(verify_hash(&t, key, ECDSA, &hash, &b));
        for length in [0, 1, 63, 65, 80] {
            refused!(
                verify_hash(&t, key, ECDSA, &hash, &a[..length]),
                INVALID_SIGNATURE
            );
        }
        for at in [0, 31, 32, 63] {
            let mut wrong = b;
            wrong[at] ^= 1;
            refused!(
                verify_hash(&t, key, ECDSA, &hash, &wrong),
                INVALID_SIGNATURE
            );
        }
        refused!(
            verify_hash(&t, key, ECDSA, &[0x78; 32], &b),
            INVALID_SIGNATURE
        );
        refused!(
            verify_hash(&t, key, ECDSA, &hash, &[0; 64]),
            INVALID_SIGNATURE
        );
    }
    refused!(sign_hash(&t, public, ECDSA, &hash, &mut b), NOT_PERMITTED);
    need!(destroy_key(&t, id));
    need!(destroy_key(&t, public));
    Ok(())
}

fn refusals(t: &dyn Transport) -> Outcome {
    let id = need!(import_key(&t, &volatile(PAIR, 256, SIGNS, ECDSA), &SECRET));
    let (mut out, hash) = ([0; 64], [0x55; 65]);
    for length in [0, 1, 31, 33, 48, 64, 65] {
        refused!(
            sign_hash(&t, id, ECDSA, &hash[..length], &mut out),
            INVALID_ARGUMENT
        );
        refused!(
            verify_hash(&t, id, ECDSA, &hash[..length], &SAMPLE),
            INVALID_ARGUMENT
        );
    }
    for room in [0, 1, 63] {
        refused!(
            sign_hash(&t, id, ECDSA, &hash[..32], &mut out[..room]),
            BUFFER_TOO_SMALL
        );
    }
    same!(out, [0; 64]);
    // No signature algorithm, or a policy's word.
    for alg in [
        Algorithm::NONE,
        Algorithm::SHA_256,
        Algorithm::ECDH,
        Algorithm::GCM,
        Algorithm::ecdsa(Algorithm::ANY_HASH),
    ] {
        refused!(
            sign_hash(&t, id, alg, &hash[..32], &mut out),
            INVALID_ARGUMENT
        );
        refused!(
            verify_hash(&t, id, alg, &hash[..32], &SAMPLE),
            INVALID_ARGUMENT
        );
    }
    // Without a hash in it there is no message.
    refused!(
        sign_message(&t, id, Algorithm::ECDSA_ANY, b"text", &mut out),
        INVALID_ARGUMENT
    );
    need!(destroy_key(&t, id));
    refused!(
        sign_hash(&t, id, ECDSA, &hash[..32], &mut out),
        INVALID_HANDLE
    );
    refused!(
        verify_hash(&t, 0, ECDSA, &hash[..32], &SAMPLE),
        INVALID_HANDLE
    );
    // A public key that is said to sign, and a key that is none of a signature.
    let attributes = volatile(PUBLIC, 256, SIGNS, ECDSA);
    let id = need!(import_key(&t, &attributes, &POINT));
    refused!(
        sign_hash(&t, id, ECDSA, &hash[..32], &mut out),
        INVALID_ARGUMENT
    );
    need!(destroy_key(&t, id));
    let id = need!(import_key(
        &t,
        &volatile(KeyType::AES, 0, SIGNS, ECDSA),
        &[1; 16]
    ));
    refused!(
        sign_hash(&t, id, ECDSA, &hash[..32], &mut out),
        INVALID_ARGUMENT
    );
    refused!(
        verify_hash(&t, id, ECDSA, &hash[..32], &SAMPLE),
        NOT_SUPPORTED
    );
    need!(destroy_key(&t, id));
    Ok(())
}

/// Usage of a hash implies that of a message, not the other way; a wildcard stands for each hash.
fn policy(t: &dyn Transport) -> Outcome {
    let sha224 = Algorithm::ecdsa(Algorithm::SHA_224);
    let any = Algorithm::ecdsa(Algorithm::ANY_HASH);
    // (usage, policy, algorithm asked for, signs a hash, signs a message)
    let cases = [
        (usage::SIGN_HASH, ECDSA, ECDSA, true, true),
        (usage::SIGN_MESSAGE, ECDSA, ECDSA, false, true),
        (usage::VERIFY_HASH, ECDSA, ECDSA, false, false),
        (usage::SIGN_HASH, ECDSA, sha224, false, false),
        (usage::SIGN_HASH, any, sha224, true, true),
        (usage::SIGN_HASH, any, DETERMINISTIC, false, false),
        (usage::SIGN_HASH, Algorithm::NONE, ECDSA, false, false),
    ];
    for (usage, policy, alg, hashes, messages) in cases {
        let id = need!(import_key(&t, &volatile(PAIR, 256, usage, policy), &SECRET));
        let hash = [3; 48];
        let length = alg.hash_of().and_then(Algorithm::hash_length).unwrap_or(0);
        let hash = hash.get(..length).unwrap_or_default();
        let mut out = [0; 64];
        match hashes {
            true => want!(sign_hash(&t, id, alg, hash, &mut out), Ok(64)),
            false => refused!(sign_hash(&t, id, alg, hash, &mut out), NOT_PERMITTED),
        }
        match messages {
            true => want!(sign_message(&t, id, alg, b"text", &mut out), Ok(64)),
            false => refused!(sign_message(&t, id, alg, b"text", &mut out), NOT_PERMITTED),
        }
        refused!(
            sign_hash(
                &t,
                id,
                Algorithm::rsa_pss(Algorithm::SHA_256),
                &[3; 32],
                &mut out
            ),
            NOT_PERMITTED
        );
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// Both sides find the same secret.
fn agree(t: &dyn Transport) -> Outcome {
    let attributes = volatile(PAIR, 256, usage::DERIVE, Algorithm::ECDH);
    let a = need!(import_key(&t, &attributes, &SECRET));
    let b = need!(generate_key(&t, &attributes));
    let mut point = [0; 65];
    need!(export_public_key(&t, b, &mut point));
    let (mut x, mut y) = ([0; 32], [0; 40]);
    want!(
        raw_key_agreement(&t, Algorithm::ECDH, a, &point, &mut x),
        Ok(32)
    );
    want!(
        raw_key_agreement(&t, Algorithm::ECDH, b, &POINT, &mut y),
        Ok(32)
    );
    same!(x, y[..32]);
    same!(y[32..], [0; 8]);
    need!(destroy_key(&t, a));
    need!(destroy_key(&t, b));
    Ok(())
}

fn agree_refusals(t: &dyn Transport) -> Outcome {
    let attributes = volatile(PAIR, 256, usage::DERIVE, Algorithm::ECDH);
    let id = need!(import_key(&t, &attributes, &SECRET));
    let mut out = [0; 32];
    let mut off = POINT;
    off[40] ^= 1;
    let mut infinity = [0; 65];
    infinity[0] = 4;
    for peer in [&off[..], &infinity, &POINT[..64], &POINT[..33], &[0], &[]] {
        refused!(
            raw_key_agreement(&t, Algorithm::ECDH, id, peer, &mut out),
            INVALID_ARGUMENT
        );
    }
    refused!(
        raw_key_agreement(&t, Algorithm::ECDH, id, &POINT, &mut out[..31]),
        BUFFER_TOO_SMALL
    );
    let hkdf = Algorithm::hkdf(Algorithm::SHA_256);
    for alg in [Algorithm::NONE, ECDSA, hkdf, Algorithm::ECDH.with_kdf(hkdf)] {
        refused!(
            raw_key_agreement(&t, alg, id, &POINT, &mut out),
            INVALID_ARGUMENT
        );
    }
    same!(out, [0; 32]);
    need!(destroy_key(&t, id));
    refused!(
        raw_key_agreement(&t, Algorithm::ECDH, id, &POINT, &mut out),
        INVALID_HANDLE
    );
    for (key_type, data, usage, alg, status) in [
        (PAIR, &SECRET[..], usage::SIGN_HASH, Algorithm::ECDH, false),
        (PAIR, &SECRET[..], usage::DERIVE, ECDSA, false),
        (PUBLIC, &POINT[..], usage::DERIVE, Algorithm::ECDH, true),
        (
            KeyType::DERIVE,
            &SECRET[..],
            usage::DERIVE,
            Algorithm::ECDH,
            true,
        ),
    ] {
        let id = need!(import_key(&t, &volatile(key_type, 0, usage, alg), data));
        let got = raw_key_agreement(&t, Algorithm::ECDH, id, &POINT, &mut out);
        match status {
            true => refused!(got, INVALID_ARGUMENT),
            false => refused!(got, NOT_PERMITTED),
        }
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// The same over Curve25519.
fn x25519(t: &dyn Transport) -> Outcome {
    let pair = KeyType::ECC_KEY_PAIR_MONTGOMERY;
    let attributes = volatile(pair, 255, usage::DERIVE, Algorithm::ECDH);
    let (a, b) = (
        need!(generate_key(&t, &attributes)),
        need!(generate_key(&t, &attributes)),
    );
    let (mut of_a, mut of_b) = ([0; 32], [0; 32]);
    want!(export_public_key(&t, a, &mut of_a), Ok(32));
    want!(export_public_key(&t, b, &mut of_b), Ok(32));
    let (mut x, mut y) = ([0; 32], [0; 32]);
    want!(
        raw_key_agreement(&t, Algorithm::ECDH, a, &of_b, &mut x),
        Ok(32)
    );
    want!(
        raw_key_agreement(&t, Algorithm::ECDH, b, &of_a, &mut y),
        Ok(32)
    );
    same!(x, y);
    // Points of small order give no secret; a point of another curve is none.
    for peer in [&[0; 32][..], &of_b[..31], &POINT] {
        refused!(
            raw_key_agreement(&t, Algorithm::ECDH, a, peer, &mut x),
            INVALID_ARGUMENT
        );
    }
    need!(destroy_key(&t, a));
    need!(destroy_key(&t, b));
    Ok(())
}
