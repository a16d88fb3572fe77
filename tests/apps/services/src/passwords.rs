//! Derivations from passwords and pre-shared keys: PBKDF2-HMAC, TLS 1.2 PSK-to-MS.

use crate::keys::{POINT, SECRET, volatile};
use crate::{Outcome, Rule};
use psa_client::crypto::{KeyDerivation, destroy_key, export_key, import_key};
use psa_client::{Algorithm, KeyType, Transport};
use psa_interface::crypto::{UNLIMITED_CAPACITY, step};
use psa_interface::key::usage;

/// The rules.
pub const RULES: [Rule; 6] = [
    rule("kdf-pbkdf2", pbkdf2),
    rule("kdf-pbkdf2-order", pbkdf2_order),
    rule("kdf-pbkdf2-keys", pbkdf2_keys),
    rule("kdf-pbkdf2-limits", pbkdf2_limits),
    rule("kdf-psk-to-ms", psk_to_ms),
    rule("kdf-psk-to-ms-order", psk_order),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

const PBKDF2: Algorithm = Algorithm::pbkdf2_hmac(Algorithm::SHA_256);
const PSK: Algorithm = Algorithm::tls12_psk_to_ms(Algorithm::SHA_256);

/// Password, salt, cost, output; the first is RFC 7914's (section 11), the rest RFC 6070's inputs over
/// SHA-256, their outputs by Python's hashlib.
type Known = (&'static [u8], &'static [u8], u64, &'static [u8]);
#[rustfmt::skip]
const KNOWN: [Known; 5] = [
    (
        b"passwd",
        b"salt",
        1,
        &[
    0x55, 0xAC, 0x04, 0x6E, 0x56, 0xE3, 0x08, 0x9F, 0xEC, 0x16, 0x91, 0xC2, 0x25, 0x44,
    0xB6, 0x05, 0xF9, 0x41, 0x85, 0x21, 0x6D, 0xDE, 0x04, 0x65, 0xE6, 0x8B, 0x9D, 0x57,
    0xC2, 0x0D, 0xAC, 0xBC, 0x49, 0xCA, 0x9C, 0xCC, 0xF1, 0x79, 0xB6, 0x45, 0x99, 0x16,
    0x64, 0xB3, 0x9D, 0x77, 0xEF, 0x31, 0x7C, 0x71, 0xB8, 0x45, 0xB1, 0xE3, 0x0B, 0xD5,
    0x09, 0x11, 0x20, 0x41, 0xD3, 0xA1, 0x97, 0x83,
],
    ),
    (
        b"password",
        b"salt",
        2,
        &[
    0xAE, 0x4D, 0x0C, 0x95, 0xAF, 0x6B, 0x46, 0xD3, 0x2D, 0x0A, 0xDF, 0xF9, 0x28, 0xF0,
    0x6D, 0xD0, 0x2A, 0x30, 0x3F, 0x8E, 0xF3, 0xC2, 0x51, 0xDF, 0xD6, 0xE2, 0xD8, 0x5A,
    0x95, 0x47, 0x4C, 0x43,
],
    ),
    (
        b"password",
        b"salt",
        4096,
        &[
    0xC5, 0xE4, 0x78, 0xD5, 0x92, 0x88, 0xC8, 0x41, 0xAA, 0x53, 0x0D, 0xB6, 0x84, 0x5C,
    0x4C, 0x8D, 0x96, 0x28, 0x93, 0xA0, 0x01, 0xCE, 0x4E, 0x11, 0xA4, 0x96, 0x38, 0x73,
    0xAA, 0x98, 0x13, 0x4A,
],
    ),
    (
        b"passwordPASSWORDpassword",
        b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
        4096,
        &[
    0x34, 0x8C, 0x89, 0xDB, 0xCB, 0xD3, 0x2B, 0x2F, 0x32, 0xD8, 0x14, 0xB8, 0x11, 0x6E,
    0x84, 0xCF, 0x2B, 0x17, 0x34, 0x7E, 0xBC, 0x18, 0x00, 0x18, 0x1C, 0x4E, 0x2A, 0x1F,
    0xB8, 0xDD, 0x53, 0xE1, 0xC6, 0x35, 0x51, 0x8C, 0x7D, 0xAC, 0x47, 0xE9,
],
    ),
    (
        b"pass\0word",
        b"sa\0lt",
        4096,
        &[
    0x89, 0xB6, 0x9D, 0x05, 0x16, 0xF8, 0x29, 0x89, 0x3C, 0x69, 0x62, 0x26, 0x65, 0x0A,
    0x86, 0x87,
],
    ),
];

fn pbkdf2(t: &dyn Transport) -> Outcome {
    for (password, salt, cost, expected) in KNOWN {
        for cut in [0, 1, salt.len()] {
            let mut derivation = need!(KeyDerivation::setup(t, PBKDF2));
            need!(derivation.input_integer(step::COST, cost));
            // In parts they are one salt.
            let (a, b) = salt.split_at(cut);
            need!(derivation.input_bytes(step::SALT, a));
            need!(derivation.input_bytes(step::SALT, b));
            need!(derivation.input_bytes(step::PASSWORD, password));
            want!(derivation.capacity(), Ok(UNLIMITED_CAPACITY));
            let mut out = [0; 64];
            let out = out.get_mut(..expected.len()).unwrap_or_default();
            for part in out.chunks_mut(64 - cut) {
                need!(derivation.output_bytes(part));
            }
            same!(*out, *expected);
        }
    }
    // A password longer than a block is hashed.
    let mut derivation = need!(KeyDerivation::setup(t, PBKDF2));
    need!(derivation.input_integer(step::COST, 3));
    need!(derivation.input_bytes(step::SALT, b"salt"));
    need!(derivation.input_bytes(step::PASSWORD, &[b'x'; 100]));
    let mut out = [0; 16];
    need!(derivation.output_bytes(&mut out));
    #[rustfmt::skip]
    let expected = [
    0x59, 0xBF, 0xA4, 0x97, 0x50, 0xDD, 0x54, 0x62, 0xCE, 0x38, 0x37, 0x0A, 0x1E, 0x7A,
    0xBE, 0x07,
];
    same!(out, expected);
    Ok(())
}

/// Cost once and first, then salt, then the password once; an error ends the operation.
fn pbkdf2_order(t: &dyn Transport) -> Outcome {
    let start = || KeyDerivation::setup(t, PBKDF2);
    refused!(need!(start()).input_bytes(step::SALT, b"s"), BAD_STATE);
    refused!(need!(start()).input_bytes(step::PASSWORD, b"p"), BAD_STATE);
    refused!(need!(start()).output_bytes(&mut [0]), BAD_STATE);
    refused!(
        need!(start()).input_integer(step::COST, 0),
        INVALID_ARGUMENT
    );
    refused!(
        need!(start()).input_integer(step::SALT, 1),
        INVALID_ARGUMENT
    );
    refused!(
        need!(start()).input_bytes(step::COST, &[1]),
        INVALID_ARGUMENT
    );
    refused!(
        need!(start()).input_bytes(step::SECRET, b"p"),
        INVALID_ARGUMENT
    );
    refused!(
        need!(start()).input_bytes(step::INFO, b"i"),
        INVALID_ARGUMENT
    );
    let costed = || {
        let mut derivation = start()?;
        derivation.input_integer(step::COST, 2)?;
        Ok(derivation)
    };
    refused!(need!(costed()).input_integer(step::COST, 2), BAD_STATE);
    refused!(need!(costed()).input_bytes(step::PASSWORD, b"p"), BAD_STATE);
    let given = || {
        let mut derivation = costed()?;
        derivation.input_bytes(step::SALT, b"s")?;
        derivation.input_bytes(step::PASSWORD, b"p")?;
        Ok(derivation)
    };
    refused!(need!(given()).input_bytes(step::SALT, b"s"), BAD_STATE);
    refused!(need!(given()).input_bytes(step::PASSWORD, b"p"), BAD_STATE);
    refused!(need!(given()).input_integer(step::COST, 2), BAD_STATE);
    // An error ends it.
    let mut ended = need!(costed());
    refused!(ended.input_integer(step::COST, 2), BAD_STATE);
    refused!(ended.input_bytes(step::SALT, b"s"), BAD_STATE);
    // No integer for the others.
    let mut hkdf = need!(KeyDerivation::setup(t, Algorithm::hkdf(Algorithm::SHA_256)));
    refused!(hkdf.input_integer(step::COST, 2), INVALID_ARGUMENT);
    Ok(())
}

/// A password may be a key, of type PASSWORD or DERIVE; then a key comes out, too.
fn pbkdf2_keys(t: &dyn Transport) -> Outcome {
    let (password, salt, cost, expected) = KNOWN[1];
    let wanted = volatile(KeyType::AES, 128, usage::EXPORT, Algorithm::CCM);
    for (key_type, alg, accepted) in [
        (KeyType::PASSWORD, PBKDF2, true),
        (KeyType::DERIVE, PBKDF2, true),
        (KeyType::RAW_DATA, PBKDF2, false),
        (KeyType::HMAC, PBKDF2, false),
    ] {
        let attributes = volatile(key_type, 0, usage::DERIVE, alg);
        let id = need!(import_key(&t, &attributes, password));
        let mut derivation = need!(KeyDerivation::setup(t, PBKDF2));
        need!(derivation.input_integer(step::COST, cost));
        need!(derivation.input_bytes(step::SALT, salt));
        if accepted {
            need!(derivation.input_key(step::PASSWORD, id));
            let key = need!(derivation.output_key(&wanted));
            let mut out = [0; 16];
            want!(export_key(&t, key, &mut out), Ok(16));
            same!(out, expected[..16]);
            need!(destroy_key(&t, key));
        } else {
            refused!(derivation.input_key(step::PASSWORD, id), INVALID_ARGUMENT);
        }
        need!(destroy_key(&t, id));
    }
    // Policy: another algorithm, another usage.
    for (usage, alg) in [
        (usage::DERIVE, Algorithm::pbkdf2_hmac(Algorithm::SHA_224)),
        (usage::VERIFY_DERIVATION, PBKDF2),
    ] {
        let attributes = volatile(KeyType::PASSWORD, 0, usage, alg);
        let id = need!(import_key(&t, &attributes, password));
        let mut derivation = need!(KeyDerivation::setup(t, PBKDF2));
        need!(derivation.input_integer(step::COST, cost));
        need!(derivation.input_bytes(step::SALT, salt));
        refused!(derivation.input_key(step::PASSWORD, id), NOT_PERMITTED);
        need!(destroy_key(&t, id));
    }
    // A password that was given as bytes gives bytes only; a key of that type is no salt.
    let mut derivation = need!(KeyDerivation::setup(t, PBKDF2));
    need!(derivation.input_integer(step::COST, cost));
    need!(derivation.input_bytes(step::SALT, salt));
    need!(derivation.input_bytes(step::PASSWORD, password));
    refused!(derivation.output_key(&wanted), NOT_PERMITTED);
    let attributes = volatile(KeyType::PASSWORD, 0, usage::DERIVE, PBKDF2);
    let id = need!(import_key(&t, &attributes, password));
    let mut derivation = need!(KeyDerivation::setup(t, PBKDF2));
    need!(derivation.input_integer(step::COST, cost));
    refused!(derivation.input_key(step::SALT, id), INVALID_ARGUMENT);
    need!(destroy_key(&t, id));
    Ok(())
}

/// What one call may cost is bounded, since nobody else is answered meanwhile.
fn pbkdf2_limits(t: &dyn Transport) -> Outcome {
    let start = || KeyDerivation::setup(t, PBKDF2);
    for cost in [10_001, 1 << 32, u64::MAX] {
        refused!(
            need!(start()).input_integer(step::COST, cost),
            NOT_SUPPORTED
        );
    }
    let mut derivation = need!(start());
    need!(derivation.input_integer(step::COST, 10_000));
    need!(derivation.input_bytes(step::SALT, b"salt"));
    need!(derivation.input_bytes(step::PASSWORD, b"password"));
    refused!(derivation.output_bytes(&mut [0; 65]), NOT_SUPPORTED);
    let mut long = need!(start());
    need!(long.input_integer(step::COST, 1));
    refused!(long.input_bytes(step::SALT, &[1; 129]), INSUFFICIENT_MEMORY);
    Ok(())
}

const KEY: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
/// Master secrets of RFC 4279's premaster secrets, by Python's hmac: the key alone, with another secret,
/// and a key of 128 bytes alone.
#[rustfmt::skip]
const MASTER: [[u8; 48]; 3] = [
    [
    0xEC, 0x4E, 0x5A, 0x7B, 0x91, 0x7E, 0xD2, 0xE8, 0x01, 0xE3, 0x3A, 0xA3, 0x20, 0x5F,
    0x79, 0xEC, 0x3D, 0x48, 0xA2, 0x61, 0x95, 0xCC, 0xC4, 0x50, 0x39, 0x5E, 0x7F, 0x8D,
    0x3B, 0xE1, 0xA1, 0xB4, 0x92, 0x9F, 0x14, 0xF3, 0x6D, 0xF2, 0xC6, 0x72, 0xAF, 0x54,
    0x2B, 0xF9, 0x18, 0xA4, 0x1C, 0x03,
],
    [
    0xC0, 0x60, 0x86, 0xFA, 0xA0, 0x87, 0x3B, 0x52, 0xF7, 0xD8, 0x19, 0x33, 0x42, 0x9E,
    0xF9, 0xE3, 0xDC, 0x2C, 0xF9, 0x5E, 0xD5, 0x59, 0x49, 0xE0, 0x81, 0xAC, 0x35, 0x3B,
    0x88, 0xA5, 0x12, 0x4E, 0x9C, 0x69, 0x02, 0xF3, 0x2A, 0x00, 0x91, 0x46, 0xE8, 0x02,
    0xAD, 0xF3, 0xCC, 0x6F, 0xD0, 0xE5,
],
    [
    0x82, 0x17, 0xE5, 0xDB, 0xE7, 0xC5, 0xA7, 0x40, 0x6B, 0xCB, 0xC7, 0x0E, 0x3A, 0x49,
    0x17, 0x96, 0xA8, 0x54, 0xAF, 0x3E, 0x0F, 0x6B, 0xBB, 0x61, 0x11, 0x83, 0xB6, 0xC5,
    0xD6, 0x27, 0x4C, 0xBF, 0x3B, 0xC8, 0x71, 0x07, 0x81, 0x8D, 0x83, 0x7F, 0xEB, 0x55,
    0x0D, 0x9E, 0x12, 0xC4, 0x61, 0x5E,
],
];

/// Bytes from `first` on.
fn counting<const N: usize>(first: u8) -> [u8; N] {
    let mut next = first;
    [(); N].map(|()| {
        next = next.wrapping_add(1);
        next.wrapping_sub(1)
    })
}

fn psk_to_ms(t: &dyn Transport) -> Outcome {
    let (seed, other, long) = (
        counting::<64>(0x20),
        counting::<32>(0x80),
        counting::<128>(0),
    );
    let cases: [(&[u8], Option<&[u8]>); 3] = [(&KEY, None), (&KEY, Some(&other)), (&long, None)];
    for ((psk, other), expected) in cases.into_iter().zip(MASTER) {
        let attributes = volatile(KeyType::DERIVE, 0, usage::DERIVE, PSK);
        let id = need!(import_key(&t, &attributes, psk));
        let mut derivation = need!(KeyDerivation::setup(t, PSK));
        need!(derivation.input_bytes(step::SEED, &seed));
        if let Some(other) = other {
            need!(derivation.input_bytes(step::OTHER_SECRET, other));
        }
        need!(derivation.input_key(step::SECRET, id));
        need!(derivation.input_bytes(step::LABEL, b"master secret"));
        let mut out = [0; 48];
        need!(derivation.output_bytes(&mut out));
        same!(out, expected);
        need!(destroy_key(&t, id));
    }
    // The other secret may come from an agreement.
    let alg = Algorithm::ECDH.with_kdf(PSK);
    let pair = volatile(KeyType::ECC_KEY_PAIR_SECP_R1, 256, usage::DERIVE, alg);
    let id = need!(import_key(&t, &pair, &SECRET));
    let mut agreed = need!(KeyDerivation::setup(t, alg));
    need!(agreed.input_bytes(step::SEED, &seed));
    need!(agreed.key_agreement(step::OTHER_SECRET, id, &POINT));
    need!(agreed.input_bytes(step::SECRET, &KEY));
    need!(agreed.input_bytes(step::LABEL, b"master secret"));
    need!(agreed.output_bytes(&mut [0; 48]));
    need!(destroy_key(&t, id));
    Ok(())
}

/// Seed, other secret or not, secret, label.
fn psk_order(t: &dyn Transport) -> Outcome {
    let start = || KeyDerivation::setup(t, PSK);
    refused!(need!(start()).input_bytes(step::SECRET, &KEY), BAD_STATE);
    refused!(
        need!(start()).input_bytes(step::OTHER_SECRET, &KEY),
        BAD_STATE
    );
    refused!(need!(start()).input_bytes(step::LABEL, &KEY), BAD_STATE);
    refused!(
        need!(start()).input_bytes(step::SALT, &KEY),
        INVALID_ARGUMENT
    );
    let seeded = || {
        let mut derivation = start()?;
        derivation.input_bytes(step::SEED, &KEY)?;
        Ok(derivation)
    };
    refused!(need!(seeded()).input_bytes(step::SEED, &KEY), BAD_STATE);
    refused!(need!(seeded()).input_bytes(step::LABEL, &KEY), BAD_STATE);
    refused!(need!(seeded()).output_bytes(&mut [0]), BAD_STATE);
    refused!(
        need!(seeded()).input_bytes(step::SECRET, &[0; 129]),
        INVALID_ARGUMENT
    );
    let mut twice = need!(seeded());
    need!(twice.input_bytes(step::OTHER_SECRET, &KEY));
    refused!(twice.input_bytes(step::OTHER_SECRET, &KEY), BAD_STATE);
    let mut late = need!(seeded());
    need!(late.input_bytes(step::SECRET, &KEY));
    refused!(late.input_bytes(step::OTHER_SECRET, &KEY), BAD_STATE);
    // The PRF itself has no other secret.
    let prf = Algorithm::tls12_prf(Algorithm::SHA_256);
    let mut other = need!(KeyDerivation::setup(t, prf));
    need!(other.input_bytes(step::SEED, &KEY));
    refused!(
        other.input_bytes(step::OTHER_SECRET, &KEY),
        INVALID_ARGUMENT
    );
    // Raw data is no secret, a key to derive with no seed.
    for (key_type, which) in [
        (KeyType::RAW_DATA, step::SECRET),
        (KeyType::RAW_DATA, step::OTHER_SECRET),
        (KeyType::DERIVE, step::LABEL),
    ] {
        let id = need!(import_key(
            &t,
            &volatile(key_type, 0, usage::DERIVE, PSK),
            &KEY
        ));
        refused!(need!(seeded()).input_key(which, id), INVALID_ARGUMENT);
        need!(destroy_key(&t, id));
    }
    Ok(())
}
