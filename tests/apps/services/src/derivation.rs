//! Key derivation: inputs and their order, capacity, output as bytes and as keys, agreements.

use crate::hash::{life_of_a_handle, on, raw};
use crate::keys::{POINT, SECRET, volatile};
use crate::{Broken, Outcome, Rule};
use psa_client::crypto::{
    KeyDerivation, destroy_key, export_key, get_key_attributes, import_key, raw_key_agreement,
};
use psa_client::{Algorithm, KeyType, Transport};
use psa_interface::crypto::{CryptoIovec, function as f, step};
use psa_interface::key::usage;

/// The rules.
pub const RULES: [Rule; 10] = [
    rule("kdf-known", known),
    rule("kdf-hkdf-halves", halves),
    rule("kdf-tls12-prf", tls12_prf),
    rule("kdf-setup", setup),
    rule("kdf-order", order),
    rule("kdf-capacity", capacity),
    rule("kdf-input-key", input_key),
    rule("kdf-output-key", output_key),
    rule("kdf-agreement", agreement),
    rule("kdf-states", states),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

type Derivation<'a> = KeyDerivation<&'a dyn Transport>;

const HKDF: Algorithm = Algorithm::hkdf(Algorithm::SHA_256);
/// RFC 5869 §A.1.
const IKM: [u8; 22] = [0x0B; 22];
const SALT: [u8; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const INFO: [u8; 10] = [0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9];
const OKM: [u8; 42] = [
    0x3C, 0xB2, 0x5F, 0x25, 0xFA, 0xAC, 0xD5, 0x7A, 0x90, 0x43, 0x4F, 0x64, 0xD0, 0x36, 0x2F, 0x2A,
    0x2D, 0x2D, 0x0A, 0x90, 0xCF, 0x1A, 0x5A, 0x4C, 0x5D, 0xB0, 0x2D, 0x56, 0xEC, 0xC4, 0xC5, 0xBF,
    0x34, 0x00, 0x72, 0x08, 0xD5, 0xB8, 0x87, 0x18, 0x58, 0x65,
];

fn start(t: &dyn Transport) -> Result<Derivation<'_>, Broken> {
    Ok(need!(KeyDerivation::setup(t, HKDF)))
}

/// All inputs of the example, the secret as bytes.
fn given(t: &dyn Transport) -> Result<Derivation<'_>, Broken> {
    let mut derivation = start(t)?;
    need!(derivation.input_bytes(step::SALT, &SALT));
    need!(derivation.input_bytes(step::SECRET, &IKM));
    need!(derivation.input_bytes(step::INFO, &INFO));
    Ok(derivation)
}

fn known(t: &dyn Transport) -> Outcome {
    for size in [42, 32, 21, 7, 1] {
        let mut derivation = given(t)?;
        let mut out = [0; 42];
        for part in out.chunks_mut(size) {
            need!(derivation.output_bytes(part));
        }
        same!(out, OKM);
    }
    Ok(())
}

/// Extract and expand, by themselves.
fn halves(t: &dyn Transport) -> Outcome {
    let extract = Algorithm::hkdf_extract(Algorithm::SHA_256);
    let mut derivation = need!(KeyDerivation::setup(t, extract));
    need!(derivation.input_bytes(step::SALT, &SALT));
    need!(derivation.input_bytes(step::SECRET, &IKM));
    let mut prk = [0; 32];
    need!(derivation.output_bytes(&mut prk));
    let expand = Algorithm::hkdf_expand(Algorithm::SHA_256);
    let mut derivation = need!(KeyDerivation::setup(t, expand));
    need!(derivation.input_bytes(step::SECRET, &prk));
    need!(derivation.input_bytes(step::INFO, &INFO));
    let mut out = [0; 42];
    need!(derivation.output_bytes(&mut out));
    same!(out, OKM);
    Ok(())
}

/// The example that circulates with TLS 1.2's PRF over SHA-256.
fn tls12_prf(t: &dyn Transport) -> Outcome {
    let secret = [
        0x9B, 0xBE, 0x43, 0x6B, 0xA9, 0x40, 0xF0, 0x17, 0xB1, 0x76, 0x52, 0x84, 0x9A, 0x71, 0xDB,
        0x35,
    ];
    let seed = [
        0xA0, 0xBA, 0x9F, 0x93, 0x6C, 0xDA, 0x31, 0x18, 0x27, 0xA6, 0xF7, 0x96, 0xFF, 0xD5, 0x19,
        0x8C,
    ];
    let expected = [
        0xE3, 0xF2, 0x29, 0xBA, 0x72, 0x7B, 0xE1, 0x7B, 0x8D, 0x12, 0x26, 0x20, 0x55, 0x7C, 0xD4,
        0x53, 0xC2, 0xAA, 0xB2, 0x1D, 0x07, 0xC3, 0xD4, 0x95, 0x32, 0x9B, 0x52, 0xD4, 0xE6, 0x1E,
        0xDB, 0x5A,
    ];
    let alg = Algorithm::tls12_prf(Algorithm::SHA_256);
    let mut derivation = need!(KeyDerivation::setup(t, alg));
    need!(derivation.input_bytes(step::SEED, &seed));
    need!(derivation.input_bytes(step::SECRET, &secret));
    refused!(derivation.output_bytes(&mut [0; 1]), BAD_STATE);
    let mut derivation = need!(KeyDerivation::setup(t, alg));
    need!(derivation.input_bytes(step::SEED, &seed));
    need!(derivation.input_bytes(step::SECRET, &secret));
    need!(derivation.input_bytes(step::LABEL, b"test label"));
    let mut out = [0; 32];
    need!(derivation.output_bytes(&mut out));
    same!(out, expected);
    Ok(())
}

fn setup(t: &dyn Transport) -> Outcome {
    for alg in [
        Algorithm::NONE,
        Algorithm::SHA_256,
        Algorithm::CTR,
        Algorithm::ECDH,
        Algorithm::HMAC_SHA_256,
    ] {
        refused!(KeyDerivation::setup(t, alg).map(drop), INVALID_ARGUMENT);
    }
    // HKDF over MD5; finite-field Diffie-Hellman with HKDF.
    for alg in [0x0800_0103, 0x0901_0109].map(Algorithm) {
        refused!(KeyDerivation::setup(t, alg).map(drop), NOT_SUPPORTED);
    }
    Ok(())
}

/// Each input once, the salt before the secret, and none after output.
fn order(t: &dyn Transport) -> Outcome {
    let mut out = [0; 8];
    refused!(start(t)?.output_bytes(&mut out), BAD_STATE);
    let mut derivation = start(t)?;
    need!(derivation.input_bytes(step::SECRET, &IKM));
    refused!(derivation.output_bytes(&mut out), BAD_STATE);
    let mut derivation = start(t)?;
    need!(derivation.input_bytes(step::SECRET, &IKM));
    refused!(derivation.input_bytes(step::SALT, &SALT), BAD_STATE);
    for which in [step::SALT, step::SECRET, step::INFO] {
        let mut derivation = start(t)?;
        need!(derivation.input_bytes(which, b"12345678"));
        refused!(derivation.input_bytes(which, b"12345678"), BAD_STATE);
    }
    for which in [step::SEED, step::LABEL, step::PASSWORD, step::COST, 0] {
        refused!(start(t)?.input_bytes(which, b"1"), INVALID_ARGUMENT);
    }
    for which in [step::SALT, step::SECRET, step::INFO] {
        let mut derivation = given(t)?;
        need!(derivation.output_bytes(&mut out));
        refused!(derivation.input_bytes(which, b"1"), BAD_STATE);
    }
    // Info may come first; a salt may be left out, and is then as many zeros.
    let (mut a, mut b) = ([0; 32], [0; 32]);
    let mut derivation = start(t)?;
    need!(derivation.input_bytes(step::INFO, &INFO));
    need!(derivation.input_bytes(step::SECRET, &IKM));
    need!(derivation.output_bytes(&mut a));
    let mut derivation = start(t)?;
    need!(derivation.input_bytes(step::SALT, &[0; 32]));
    need!(derivation.input_bytes(step::SECRET, &IKM));
    need!(derivation.input_bytes(step::INFO, &INFO));
    need!(derivation.output_bytes(&mut b));
    same!(a, b);
    Ok(())
}

fn capacity(t: &dyn Transport) -> Outcome {
    let mut out = [0; 42];
    want!(start(t)?.capacity(), Ok(255 * 32));
    let mut derivation = given(t)?;
    refused!(derivation.set_capacity(255 * 32 + 1), INVALID_ARGUMENT);
    need!(derivation.set_capacity(20));
    refused!(derivation.set_capacity(21), INVALID_ARGUMENT);
    need!(derivation.output_bytes(&mut out[..15]));
    want!(derivation.capacity(), Ok(5));
    // More than there is gives nothing, now and later.
    refused!(derivation.output_bytes(&mut out[15..21]), INSUFFICIENT_DATA);
    same!(out[15..21], [0; 6]);
    want!(derivation.capacity(), Ok(0));
    refused!(derivation.output_bytes(&mut out[15..16]), INSUFFICIENT_DATA);
    // All of it, to the last byte.
    let mut derivation = given(t)?;
    let mut block = [0; 480];
    for _ in 0..17 {
        need!(derivation.output_bytes(&mut block));
    }
    want!(derivation.capacity(), Ok(0));
    refused!(derivation.output_bytes(&mut block[..1]), INSUFFICIENT_DATA);
    Ok(())
}

/// A secret comes from a key of type DERIVE whose policy says so; salt and info from raw data.
fn input_key(t: &dyn Transport) -> Outcome {
    let import = |key_type, usage, alg, data: &[u8]| {
        import_key(&t, &volatile(key_type, 0, usage, alg), data)
    };
    let secret = need!(import(KeyType::DERIVE, usage::DERIVE, HKDF, &IKM));
    let salt = need!(import(KeyType::RAW_DATA, usage::DERIVE, HKDF, &SALT));
    let mut derivation = start(t)?;
    need!(derivation.input_key(step::SALT, salt));
    need!(derivation.input_key(step::SECRET, secret));
    need!(derivation.input_bytes(step::INFO, &INFO));
    let mut out = [0; 42];
    need!(derivation.output_bytes(&mut out));
    same!(out, OKM);
    refused!(start(t)?.input_key(step::SECRET, salt), INVALID_ARGUMENT);
    refused!(start(t)?.input_key(step::SALT, secret), INVALID_ARGUMENT);
    need!(destroy_key(&t, salt));
    need!(destroy_key(&t, secret));
    refused!(start(t)?.input_key(step::SECRET, secret), INVALID_HANDLE);
    refused!(start(t)?.input_key(step::SECRET, 0), INVALID_HANDLE);
    for (usage, alg) in [
        (usage::EXPORT, HKDF),
        (usage::DERIVE, Algorithm::hkdf(Algorithm::SHA_384)),
        (usage::DERIVE, Algorithm::NONE),
    ] {
        let id = need!(import(KeyType::DERIVE, usage, alg, &IKM));
        refused!(start(t)?.input_key(step::SECRET, id), NOT_PERMITTED);
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// Keys come out only where the secret came from a key.
fn output_key(t: &dyn Transport) -> Outcome {
    let attributes = volatile(KeyType::DERIVE, 0, usage::DERIVE, HKDF);
    let secret = need!(import_key(&t, &attributes, &IKM));
    let ready = || -> Result<Derivation<'_>, Broken> {
        let mut derivation = start(t)?;
        need!(derivation.input_bytes(step::SALT, &SALT));
        need!(derivation.input_key(step::SECRET, secret));
        need!(derivation.input_bytes(step::INFO, &INFO));
        Ok(derivation)
    };
    let aes = |bits| volatile(KeyType::AES, bits, usage::EXPORT, Algorithm::CTR);
    let mut derivation = ready()?;
    let id = need!(derivation.output_key(&aes(256)));
    let got = need!(get_key_attributes(&t, id));
    same!((got.key_type, got.bits), (KeyType::AES, 256));
    let mut out = [0; 32];
    want!(export_key(&t, id, &mut out), Ok(32));
    same!(out, OKM[..32]);
    need!(destroy_key(&t, id));
    // It goes on behind that key.
    let mut rest = [0; 10];
    need!(derivation.output_bytes(&mut rest));
    same!(rest, OKM[32..]);
    refused!(ready()?.output_key(&aes(0)), INVALID_ARGUMENT);
    refused!(ready()?.output_key(&aes(129)), INVALID_ARGUMENT);
    refused!(given(t)?.output_key(&aes(128)), NOT_PERMITTED);
    let mut derivation = ready()?;
    need!(derivation.set_capacity(31));
    refused!(derivation.output_key(&aes(256)), INSUFFICIENT_DATA);
    refused!(derivation.output_key(&aes(128)), INSUFFICIENT_DATA);
    need!(destroy_key(&t, secret));
    Ok(())
}

/// An agreement inside gives what the raw one and the derivation behind it give.
fn agreement(t: &dyn Transport) -> Outcome {
    let both = Algorithm::ECDH.with_kdf(HKDF);
    let pair = KeyType::ECC_KEY_PAIR_SECP_R1;
    // A policy of the raw agreement stands for all that build on it.
    let id = need!(import_key(
        &t,
        &volatile(pair, 256, usage::DERIVE, Algorithm::ECDH),
        &SECRET
    ));
    let (mut shared, mut a, mut b) = ([0; 32], [0; 40], [0; 40]);
    need!(raw_key_agreement(
        &t,
        Algorithm::ECDH,
        id,
        &POINT,
        &mut shared
    ));
    let mut derivation = need!(KeyDerivation::setup(t, both));
    need!(derivation.key_agreement(step::SECRET, id, &POINT));
    need!(derivation.input_bytes(step::INFO, &INFO));
    need!(derivation.output_bytes(&mut a));
    let mut derivation = start(t)?;
    need!(derivation.input_bytes(step::SECRET, &shared));
    need!(derivation.input_bytes(step::INFO, &INFO));
    need!(derivation.output_bytes(&mut b));
    same!(a, b);
    // Not a point; not into a derivation without one; not as another input.
    let begin = || KeyDerivation::setup(t, both);
    refused!(
        need!(begin()).key_agreement(step::SECRET, id, &POINT[..64]),
        INVALID_ARGUMENT
    );
    refused!(
        need!(begin()).key_agreement(step::SALT, id, &POINT),
        INVALID_ARGUMENT
    );
    refused!(
        start(t)?.key_agreement(step::SECRET, id, &POINT),
        INVALID_ARGUMENT
    );
    need!(destroy_key(&t, id));
    refused!(
        need!(begin()).key_agreement(step::SECRET, id, &POINT),
        INVALID_HANDLE
    );
    let id = need!(import_key(
        &t,
        &volatile(pair, 256, usage::SIGN_HASH, both),
        &SECRET
    ));
    refused!(
        need!(begin()).key_agreement(step::SECRET, id, &POINT),
        NOT_PERMITTED
    );
    need!(destroy_key(&t, id));
    Ok(())
}

fn states(t: &dyn Transport) -> Outcome {
    let nothing = |handle: u32| -> Outcome {
        let (mut h, mut out) = (handle, [0; 4]);
        let secret = CryptoIovec {
            step: step::SECRET,
            ..on(f::KEY_DERIVATION_INPUT_BYTES, handle)
        };
        refused!(raw(t, &secret, &[&IKM], None, &mut []), BAD_STATE);
        let call = |id| on(id, handle);
        let capacity = call(f::KEY_DERIVATION_GET_CAPACITY);
        refused!(raw(t, &capacity, &[], None, &mut out), BAD_STATE);
        let set = call(f::KEY_DERIVATION_SET_CAPACITY);
        refused!(raw(t, &set, &[], None, &mut []), BAD_STATE);
        let output = call(f::KEY_DERIVATION_OUTPUT_BYTES);
        refused!(raw(t, &output, &[], None, &mut out), BAD_STATE);
        let abort = call(f::KEY_DERIVATION_ABORT);
        need!(raw(t, &abort, &[], Some(&mut h), &mut []));
        same!(h, 0);
        Ok(())
    };
    let setup = CryptoIovec {
        alg: HKDF.0,
        ..CryptoIovec::new(f::KEY_DERIVATION_SETUP)
    };
    life_of_a_handle(t, setup, f::KEY_DERIVATION_ABORT, &nothing)
}
