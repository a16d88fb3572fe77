//! What TF-M's and Arm's suites ask beside the ordinary: keys, hashes, MACs, derivations,
//! signatures with what does not belong there, and each call after one that failed.

use crate::hash::{on, raw};
use crate::keys::{POINT, SECRET, volatile};
use crate::{Broken, Outcome, Rule};
use psa_client::crypto::{
    HashOperation, KeyDerivation, MacOperation, copy_key, destroy_key, hash_compute, import_key,
    mac_compute, mac_verify, sign_hash, sign_message, verify_hash, verify_message,
};
use psa_client::{Algorithm, KeyType, Transport};
use psa_interface::crypto::{CryptoIovec, function as f, step};
use psa_interface::key::usage;

/// The rules.
pub const RULES: [Rule; 10] = [
    rule("key-no-such-id", no_such_id),
    rule("hash-not-there", hashes),
    rule("mac-not-there", macs),
    rule("mac-finished-once", mac_once),
    rule("kdf-not-there", derivations),
    rule("kdf-key-steps", key_steps),
    rule("kdf-agreement-again", agreement_again),
    rule("kdf-output-asymmetric", output_asymmetric),
    rule("kdf-capacity-kept", capacity_kept),
    rule("sign-other-keys", other_keys),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

/// Ids of the user's range that no key has.
const NO_KEYS: [u32; 6] = [0, 8, 10, 11, 13, 16];
/// An algorithm of no category, and a hash that does not exist.
const NOTHING: Algorithm = Algorithm(u32::MAX);
const NO_HASH: Algorithm = Algorithm(0x02FF_FFFF);
const HKDF: Algorithm = Algorithm::hkdf(Algorithm::SHA_256);
const HMAC: Algorithm = Algorithm::HMAC_SHA_256;
const BOTH: u32 = usage::SIGN_MESSAGE | usage::VERIFY_MESSAGE;
const BYTES: [u8; 32] = [0x49; 32];

/// Small ids are a user's, and nobody's before a key is made of them.
fn no_such_id(t: &dyn Transport) -> Outcome {
    let attributes = volatile(KeyType::AES, 128, usage::COPY, Algorithm::CTR);
    for id in NO_KEYS.into_iter().filter(|id| *id != 0) {
        refused!(destroy_key(&t, id), INVALID_HANDLE);
        refused!(copy_key(&t, id, &attributes), INVALID_HANDLE);
    }
    Ok(())
}

fn hashes(t: &dyn Transport) -> Outcome {
    let mut out = [0; 64];
    refused!(hash_compute(&t, NO_HASH, b"", &mut out), NOT_SUPPORTED);
    refused!(HashOperation::setup(t, NO_HASH).map(drop), NOT_SUPPORTED);
    refused!(HashOperation::setup(t, NOTHING).map(drop), INVALID_ARGUMENT);
    // A hash that finds no room for its end is over.
    for (alg, room) in [(Algorithm::SHA_256, 31), (Algorithm::SHA_256, 0)] {
        let setup = CryptoIovec {
            alg: alg.0,
            ..CryptoIovec::new(f::HASH_SETUP)
        };
        let mut handle = 0;
        need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
        let finish = on(f::HASH_FINISH, handle);
        let short = out.get_mut(..room).unwrap_or_default();
        same!(
            raw(t, &finish, &[], Some(&mut handle), short).is_err(),
            true
        );
        refused!(raw(t, &finish, &[], Some(&mut handle), &mut out), BAD_STATE);
    }
    Ok(())
}

fn macs(t: &dyn Transport) -> Outcome {
    // (key type, algorithm): INVALID_ARGUMENT, or NOT_SUPPORTED.
    let cases = [
        (KeyType::HMAC, HMAC.truncated_mac(33), true),
        (KeyType::HMAC, HMAC.truncated_mac(1), false),
        (KeyType::HMAC, Algorithm::HMAC_BASE, false),
        (KeyType::HMAC, Algorithm::hmac(NO_HASH), false),
        (KeyType::AES, Algorithm::CBC_NO_PADDING, true),
        (KeyType::AES, Algorithm::SHA_256, true),
        (KeyType::RAW_DATA, HMAC, true),
    ];
    for (key_type, alg, argument) in cases {
        let id = need!(import_key(&t, &volatile(key_type, 0, BOTH, alg), &BYTES));
        let got = [
            mac_compute(&t, id, alg, b"text", &mut [0; 64]).map(drop),
            mac_verify(&t, id, alg, b"text", &[0; 32]),
            MacOperation::sign_setup(t, id, alg).map(drop),
            MacOperation::verify_setup(t, id, alg).map(drop),
        ];
        for got in got {
            match argument {
                true => refused!(got, INVALID_ARGUMENT),
                false => refused!(got, NOT_SUPPORTED),
            }
        }
        need!(destroy_key(&t, id));
    }
    for id in NO_KEYS {
        refused!(
            MacOperation::sign_setup(t, id, HMAC).map(drop),
            INVALID_HANDLE
        );
        refused!(mac_verify(&t, id, HMAC, b"", &[0; 32]), INVALID_HANDLE);
    }
    // A key that may verify hashes alone, of a hash that is not offered.
    let sha1 = Algorithm::hmac(Algorithm::SHA_1);
    let attributes = volatile(KeyType::HMAC, 0, usage::VERIFY_HASH, sha1);
    let id = need!(import_key(&t, &attributes, &BYTES));
    refused!(
        MacOperation::verify_setup(t, id, sha1).map(drop),
        NOT_SUPPORTED
    );
    need!(destroy_key(&t, id));
    Ok(())
}

/// A MAC that was finished, well or not, is over.
fn mac_once(t: &dyn Transport) -> Outcome {
    let id = need!(import_key(
        &t,
        &volatile(KeyType::HMAC, 0, BOTH, HMAC),
        &BYTES
    ));
    let start = |function_id| -> Result<u32, Broken> {
        let setup = CryptoIovec {
            key_id: id,
            alg: HMAC.0,
            ..CryptoIovec::new(function_id)
        };
        let mut handle = 0;
        need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
        let update = on(f::MAC_UPDATE, handle);
        need!(raw(t, &update, &[b"text"], None, &mut []));
        Ok(handle)
    };
    let mut mac = [0; 32];
    need!(mac_compute(&t, id, HMAC, b"text", &mut mac));
    for room in [32, 31, 30, 1] {
        let mut out = [0; 32];
        let mut handle = start(f::MAC_SIGN_SETUP)?;
        let finish = on(f::MAC_SIGN_FINISH, handle);
        let short = out.get_mut(..room).unwrap_or_default();
        match raw(t, &finish, &[], Some(&mut handle), short) {
            Ok(length) => same!((length, out), (32, mac)),
            other => refused!(other, BUFFER_TOO_SMALL),
        }
        refused!(raw(t, &finish, &[], Some(&mut handle), &mut out), BAD_STATE);
    }
    for length in [32, 30, 0] {
        let mut handle = start(f::MAC_VERIFY_SETUP)?;
        let verify = on(f::MAC_VERIFY_FINISH, handle);
        let given = mac.get(..length).unwrap_or_default();
        match raw(t, &verify, &[given], Some(&mut handle), &mut []) {
            Ok(_) => same!(length, 32),
            other => refused!(other, INVALID_SIGNATURE),
        }
        refused!(
            raw(t, &verify, &[given], Some(&mut handle), &mut []),
            BAD_STATE
        );
    }
    need!(destroy_key(&t, id));
    Ok(())
}

fn derivations(t: &dyn Transport) -> Outcome {
    for alg in [NOTHING, Algorithm(0x0BFF_FFFF)] {
        refused!(KeyDerivation::setup(t, alg).map(drop), INVALID_ARGUMENT);
    }
    // HKDF over no hash, alone and behind an agreement.
    for alg in [
        Algorithm::HKDF_BASE,
        Algorithm::ECDH.with_kdf(Algorithm::HKDF_BASE),
    ] {
        refused!(KeyDerivation::setup(t, alg).map(drop), NOT_SUPPORTED);
    }
    Ok(())
}

fn key_steps(t: &dyn Transport) -> Outcome {
    let import = |key_type, alg| {
        let attributes = volatile(key_type, 0, usage::DERIVE, alg);
        import_key(&t, &attributes, &BYTES)
    };
    let start = || KeyDerivation::setup(t, HKDF);
    let secret = need!(import(KeyType::DERIVE, HKDF));
    for which in [step::LABEL, step::INFO, step::SEED, step::SALT, 0, 0xFFFF] {
        refused!(need!(start()).input_key(which, secret), INVALID_ARGUMENT);
    }
    let none = CryptoIovec {
        key_id: secret,
        step: step::SECRET,
        ..on(f::KEY_DERIVATION_INPUT_KEY, 0)
    };
    refused!(raw(t, &none, &[], None, &mut []), BAD_STATE);
    // Not of a type that is derived from; not for this algorithm.
    let other = need!(import(KeyType::AES, HKDF));
    refused!(
        need!(start()).input_key(step::SECRET, other),
        INVALID_ARGUMENT
    );
    need!(destroy_key(&t, other));
    let other = need!(import(KeyType::DERIVE, Algorithm::CTR));
    refused!(need!(start()).input_key(step::SECRET, other), NOT_PERMITTED);
    need!(destroy_key(&t, other));
    // The key is looked for before the order is.
    let mut derivation = need!(start());
    need!(derivation.input_key(step::SECRET, secret));
    need!(destroy_key(&t, secret));
    refused!(derivation.input_key(step::SECRET, secret), INVALID_HANDLE);
    for id in NO_KEYS {
        refused!(need!(start()).input_key(step::SECRET, id), INVALID_HANDLE);
    }
    Ok(())
}

/// An agreement whose key was not there may be asked for again with another.
fn agreement_again(t: &dyn Transport) -> Outcome {
    let alg = Algorithm::ECDH.with_kdf(HKDF);
    let attributes = volatile(KeyType::ECC_KEY_PAIR_SECP_R1, 256, usage::DERIVE, alg);
    let id = need!(import_key(&t, &attributes, &SECRET));
    let mut derivation = need!(KeyDerivation::setup(t, alg));
    for none in NO_KEYS {
        refused!(
            derivation.key_agreement(step::SECRET, none, &POINT),
            INVALID_HANDLE
        );
    }
    need!(derivation.key_agreement(step::SECRET, id, &POINT));
    need!(derivation.input_bytes(step::INFO, b"info"));
    need!(derivation.output_bytes(&mut [0; 32]));
    // A peer that is none ends it.
    let mut derivation = need!(KeyDerivation::setup(t, alg));
    refused!(
        derivation.key_agreement(step::SECRET, id, &POINT[1..]),
        INVALID_ARGUMENT
    );
    refused!(
        derivation.key_agreement(step::SECRET, id, &POINT),
        BAD_STATE
    );
    need!(destroy_key(&t, id));
    Ok(())
}

fn output_asymmetric(t: &dyn Transport) -> Outcome {
    // The policy of an agreement with a derivation stands for the derivation.
    let policy = Algorithm::ECDH.with_kdf(HKDF);
    let attributes = volatile(KeyType::DERIVE, 0, usage::DERIVE, policy);
    let secret = need!(import_key(&t, &attributes, &BYTES[..16]));
    let ready = |capacity| -> Result<KeyDerivation<&dyn Transport>, Broken> {
        let mut derivation = need!(KeyDerivation::setup(t, policy));
        need!(derivation.set_capacity(capacity));
        need!(derivation.input_key(step::SECRET, secret));
        need!(derivation.input_bytes(step::INFO, b"info"));
        Ok(derivation)
    };
    let any = |key_type, bits| volatile(key_type, bits, usage::EXPORT, Algorithm::ECDSA_ANY);
    for (key_type, bits) in [
        (KeyType::ECC_PUBLIC_KEY_SECP_R1, 256),
        (KeyType::ECC_KEY_PAIR_SECP_R1, 224),
        (KeyType::ECC_KEY_PAIR_SECP_R1, 2046),
        (KeyType::RSA_PUBLIC_KEY, 2048),
        (KeyType::AES, 144),
    ] {
        let mut derivation = ready(256)?;
        refused!(
            derivation.output_key(&any(key_type, bits)),
            INVALID_ARGUMENT
        );
    }
    let mut derivation = ready(256)?;
    refused!(
        derivation.output_key(&any(KeyType::RSA_KEY_PAIR, 2048)),
        NOT_SUPPORTED
    );
    refused!(
        ready(16)?.output_key(&any(KeyType::AES, 256)),
        INSUFFICIENT_DATA
    );
    // What took all leaves nothing.
    let mut derivation = ready(32)?;
    let id = need!(derivation.output_key(&any(KeyType::AES, 256)));
    need!(destroy_key(&t, id));
    refused!(
        derivation.output_key(&any(KeyType::AES, 256)),
        INSUFFICIENT_DATA
    );
    need!(destroy_key(&t, secret));
    Ok(())
}

fn capacity_kept(t: &dyn Transport) -> Outcome {
    let mut derivation = need!(KeyDerivation::setup(t, HKDF));
    need!(derivation.set_capacity(8160));
    for more in [8161, 10_000, u32::MAX] {
        refused!(derivation.set_capacity(more), INVALID_ARGUMENT);
        want!(derivation.capacity(), Ok(8160));
    }
    Ok(())
}

fn other_keys(t: &dyn Transport) -> Outcome {
    let every = usage::SIGN_HASH | usage::VERIFY_HASH;
    let rsa = Algorithm::rsa_pkcs1v15_sign(Algorithm::SHA_256);
    let id = need!(import_key(
        &t,
        &volatile(KeyType::AES, 0, every, rsa),
        &BYTES
    ));
    let (mut out, hash) = ([0; 128], [0x2A; 32]);
    refused!(sign_hash(&t, id, rsa, &hash, &mut out), INVALID_ARGUMENT);
    refused!(verify_hash(&t, id, rsa, &hash, &out[..64]), NOT_SUPPORTED);
    need!(destroy_key(&t, id));
    let pair = KeyType::ECC_KEY_PAIR_SECP_R1;
    let id = need!(import_key(&t, &volatile(pair, 0, every, rsa), &SECRET));
    refused!(sign_hash(&t, id, rsa, &hash, &mut out), INVALID_ARGUMENT);
    refused!(
        verify_hash(&t, id, rsa, &hash, &out[..64]),
        INVALID_ARGUMENT
    );
    need!(destroy_key(&t, id));
    // A message is hashed: an algorithm without a hash has no use for one.
    for alg in [Algorithm::RSA_PKCS1V15_SIGN_BASE, Algorithm::ECDSA_ANY] {
        let id = need!(import_key(
            &t,
            &volatile(KeyType::AES, 0, every, alg),
            &BYTES
        ));
        refused!(
            sign_message(&t, id, alg, b"text", &mut out),
            INVALID_ARGUMENT
        );
        refused!(verify_message(&t, id, alg, b"text", &out), INVALID_ARGUMENT);
        need!(destroy_key(&t, id));
    }
    let ecdsa = Algorithm::ecdsa(Algorithm::SHA_256);
    let id = need!(import_key(&t, &volatile(pair, 0, every, ecdsa), &SECRET));
    for length in [0, 1, 63, 65, 127, 128] {
        let signature = out.get(..length).unwrap_or_default();
        refused!(
            verify_message(&t, id, ecdsa, b"text", signature),
            INVALID_SIGNATURE
        );
    }
    need!(destroy_key(&t, id));
    for id in NO_KEYS {
        refused!(sign_hash(&t, id, ecdsa, &hash, &mut out), INVALID_HANDLE);
        refused!(verify_hash(&t, id, ecdsa, &hash, &out), INVALID_HANDLE);
    }
    Ok(())
}
