//! MACs: at once, in parts, policies, states.

use crate::hash::{on, raw};
use crate::keys::volatile;
use crate::{Outcome, Rule};
use psa_client::crypto::{MacOperation, destroy_key, import_key, mac_compute, mac_verify};
use psa_client::{Algorithm, KeyType, Transport};
use psa_interface::crypto::{CryptoIovec, function as f};
use psa_interface::key::usage;

/// The rules.
pub const RULES: [Rule; 6] = [
    rule("mac-known", known),
    rule("mac-verify", verify),
    rule("mac-policy", policy),
    rule("mac-refusals", refusals),
    rule("mac-cmac", cmac),
    rule("mac-states", states),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

const BOTH: u32 = usage::SIGN_MESSAGE | usage::VERIFY_MESSAGE;
const HMAC: Algorithm = Algorithm::HMAC_SHA_256;
/// RFC 4231, test case 2: key, text, HMAC-SHA-256.
const KEY: &[u8] = b"Jefe";
const TEXT: &[u8] = b"what do ya want for nothing?";
const MAC: [u8; 32] = [
    0x5B, 0xDC, 0xC1, 0x46, 0xBF, 0x60, 0x75, 0x4E, 0x6A, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xC7,
    0x5A, 0x00, 0x3F, 0x08, 0x9D, 0x27, 0x39, 0x83, 0x9D, 0xEC, 0x58, 0xB9, 0x64, 0xEC, 0x38, 0x43,
];

fn known(t: &dyn Transport) -> Outcome {
    for length in [32, 20, 16, 4] {
        let alg = HMAC.truncated_mac(if length == 32 { 0 } else { length as u8 });
        let id = need!(import_key(&t, &volatile(KeyType::HMAC, 0, BOTH, alg), KEY));
        let mut mac = [0; 32];
        want!(mac_compute(&t, id, alg, TEXT, &mut mac), Ok(length));
        same!(mac[..length], MAC[..length]);
        same!(mac[length..].iter().all(|b| *b == 0), true);
        let mut parts = need!(MacOperation::sign_setup(t, id, alg));
        need!(parts.update(&TEXT[..9]));
        need!(parts.update(&[]));
        need!(parts.update(&TEXT[9..]));
        let mut mac = [0; 32];
        want!(parts.sign_finish(&mut mac), Ok(length));
        same!(mac[..length], MAC[..length]);
        let short = mac.get_mut(..length - 1).unwrap_or_default();
        refused!(mac_compute(&t, id, alg, TEXT, short), BUFFER_TOO_SMALL);
        let parts = need!(MacOperation::sign_setup(t, id, alg));
        refused!(parts.sign_finish(short), BUFFER_TOO_SMALL);
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// RFC 4493 §4, example 3: AES-CMAC of 40 bytes.
fn cmac(t: &dyn Transport) -> Outcome {
    let key = [
        0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F,
        0x3C,
    ];
    let text = [
        0x6B, 0xC1, 0xBE, 0xE2, 0x2E, 0x40, 0x9F, 0x96, 0xE9, 0x3D, 0x7E, 0x11, 0x73, 0x93, 0x17,
        0x2A, 0xAE, 0x2D, 0x8A, 0x57, 0x1E, 0x03, 0xAC, 0x9C, 0x9E, 0xB7, 0x6F, 0xAC, 0x45, 0xAF,
        0x8E, 0x51, 0x30, 0xC8, 0x1C, 0x46, 0xA3, 0x5C, 0xE4, 0x11,
    ];
    let expected = [
        0xDF, 0xA6, 0x67, 0x47, 0xDE, 0x9A, 0xE6, 0x30, 0x30, 0xCA, 0x32, 0x61, 0x14, 0x97, 0xC8,
        0x27,
    ];
    for length in [16, 8, 4] {
        let alg = Algorithm::CMAC.truncated_mac(if length == 16 { 0 } else { length as u8 });
        let id = need!(import_key(
            &t,
            &volatile(KeyType::AES, 128, BOTH, alg),
            &key
        ));
        let mut mac = [0; 16];
        want!(mac_compute(&t, id, alg, &text, &mut mac), Ok(length));
        same!(mac[..length], expected[..length]);
        need!(mac_verify(&t, id, alg, &text, &mac[..length]));
        mac[0] ^= 1;
        refused!(
            mac_verify(&t, id, alg, &text, &mac[..length]),
            INVALID_SIGNATURE
        );
        for step in [40, 16, 7, 1] {
            let mut parts = need!(MacOperation::sign_setup(t, id, alg));
            for part in text.chunks(step) {
                need!(parts.update(part));
            }
            want!(parts.sign_finish(&mut mac), Ok(length));
            same!(mac[..length], expected[..length]);
        }
        need!(destroy_key(&t, id));
    }
    // A MAC is not longer than a block; its key is AES's.
    let long = Algorithm::CMAC.truncated_mac(17);
    let id = need!(import_key(
        &t,
        &volatile(KeyType::AES, 128, BOTH, long),
        &key
    ));
    refused!(
        mac_compute(&t, id, long, &text, &mut [0; 32]),
        INVALID_ARGUMENT
    );
    need!(destroy_key(&t, id));
    let attributes = volatile(KeyType::HMAC, 0, BOTH, Algorithm::CMAC);
    let id = need!(import_key(&t, &attributes, &key));
    refused!(
        mac_compute(&t, id, Algorithm::CMAC, &text, &mut [0; 32]),
        INVALID_ARGUMENT
    );
    need!(destroy_key(&t, id));
    Ok(())
}

fn verify(t: &dyn Transport) -> Outcome {
    let id = need!(import_key(&t, &volatile(KeyType::HMAC, 0, BOTH, HMAC), KEY));
    need!(mac_verify(&t, id, HMAC, TEXT, &MAC));
    let mut wrong = MAC;
    wrong[31] ^= 1;
    let mut long = [0; 33];
    long[..32].copy_from_slice(&MAC);
    for mac in [&wrong[..], &MAC[..31], &MAC[..1], &[], &long] {
        refused!(mac_verify(&t, id, HMAC, TEXT, mac), INVALID_SIGNATURE);
        let mut parts = need!(MacOperation::verify_setup(t, id, HMAC));
        need!(parts.update(TEXT));
        refused!(parts.verify_finish(mac), INVALID_SIGNATURE);
    }
    let mut parts = need!(MacOperation::verify_setup(t, id, HMAC));
    need!(parts.update(TEXT));
    need!(parts.verify_finish(&MAC));
    need!(destroy_key(&t, id));
    Ok(())
}

/// Usage, algorithm and length of the key's policy hold.
fn policy(t: &dyn Transport) -> Outcome {
    let cut = HMAC.truncated_mac(16);
    let least = HMAC.at_least_this_length(16);
    // (usage, policy, algorithm asked for, may sign, may verify)
    let cases = [
        (usage::SIGN_MESSAGE, HMAC, HMAC, true, false),
        (usage::VERIFY_MESSAGE, HMAC, HMAC, false, true),
        (usage::SIGN_HASH, HMAC, HMAC, true, false),
        (usage::ENCRYPT, HMAC, HMAC, false, false),
        (0, HMAC, HMAC, false, false),
        (BOTH, Algorithm::HMAC_SHA_384, HMAC, false, false),
        (BOTH, Algorithm::NONE, HMAC, false, false),
        (BOTH, HMAC, cut, false, false),
        (BOTH, cut, HMAC, false, false),
        (BOTH, least, cut, true, true),
        (BOTH, least, HMAC, true, true),
        (BOTH, least, HMAC.truncated_mac(15), false, false),
        (BOTH, HMAC, HMAC.truncated_mac(32), true, true),
    ];
    for (usage, policy, alg, signs, verifies) in cases {
        let attributes = volatile(KeyType::HMAC, 0, usage, policy);
        let id = need!(import_key(&t, &attributes, KEY));
        let length = alg.mac_length(KeyType::HMAC).unwrap_or(32);
        match signs {
            true => {
                want!(mac_compute(&t, id, alg, TEXT, &mut [0; 32]), Ok(length));
                need!(MacOperation::sign_setup(t, id, alg));
            }
            false => {
                refused!(mac_compute(&t, id, alg, TEXT, &mut [0; 32]), NOT_PERMITTED);
                refused!(
                    MacOperation::sign_setup(t, id, alg).map(drop),
                    NOT_PERMITTED
                );
            }
        }
        match verifies {
            true => want!(mac_verify(&t, id, alg, TEXT, &MAC[..length]), Ok(())),
            false => {
                refused!(mac_verify(&t, id, alg, TEXT, &MAC[..length]), NOT_PERMITTED);
                refused!(
                    MacOperation::verify_setup(t, id, alg).map(drop),
                    NOT_PERMITTED
                );
            }
        }
        need!(destroy_key(&t, id));
    }
    Ok(())
}

fn refusals(t: &dyn Transport) -> Outcome {
    let id = need!(import_key(&t, &volatile(KeyType::HMAC, 0, BOTH, HMAC), KEY));
    for alg in [Algorithm::NONE, Algorithm::SHA_256, Algorithm::GCM] {
        refused!(
            mac_compute(&t, id, alg, TEXT, &mut [0; 64]),
            INVALID_ARGUMENT
        );
        refused!(
            MacOperation::sign_setup(t, id, alg).map(drop),
            INVALID_ARGUMENT
        );
    }
    need!(destroy_key(&t, id));
    refused!(
        mac_compute(&t, id, HMAC, TEXT, &mut [0; 32]),
        INVALID_HANDLE
    );
    refused!(
        MacOperation::verify_setup(t, 0, HMAC).map(drop),
        INVALID_HANDLE
    );
    // A key of another type.
    for key_type in [KeyType::RAW_DATA, KeyType::AES, KeyType::DERIVE] {
        let attributes = volatile(key_type, 0, BOTH, HMAC);
        let id = need!(import_key(&t, &attributes, &[1; 16]));
        refused!(
            mac_compute(&t, id, HMAC, TEXT, &mut [0; 32]),
            INVALID_ARGUMENT
        );
        refused!(
            MacOperation::sign_setup(t, id, HMAC).map(drop),
            INVALID_ARGUMENT
        );
        need!(destroy_key(&t, id));
    }
    Ok(())
}

fn states(t: &dyn Transport) -> Outcome {
    let id = need!(import_key(&t, &volatile(KeyType::HMAC, 0, BOTH, HMAC), KEY));
    let setup = |function_id| CryptoIovec {
        key_id: id,
        alg: HMAC.0,
        ..CryptoIovec::new(function_id)
    };
    let nothing = |handle: u32| -> Outcome {
        let (mut h, mut out) = (handle, [0; 32]);
        refused!(
            raw(t, &on(f::MAC_UPDATE, handle), &[b"a"], None, &mut []),
            BAD_STATE
        );
        refused!(
            raw(
                t,
                &on(f::MAC_SIGN_FINISH, handle),
                &[],
                Some(&mut h),
                &mut out
            ),
            BAD_STATE
        );
        refused!(
            raw(
                t,
                &on(f::MAC_VERIFY_FINISH, handle),
                &[&MAC],
                Some(&mut h),
                &mut []
            ),
            BAD_STATE
        );
        need!(raw(
            t,
            &on(f::MAC_ABORT, handle),
            &[],
            Some(&mut h),
            &mut []
        ));
        Ok(())
    };
    nothing(0)?;
    // What signs does not verify, and the other way round; both are over then.
    let (mut handle, mut out) = (0, [0; 32]);
    need!(raw(
        t,
        &setup(f::MAC_SIGN_SETUP),
        &[],
        Some(&mut handle),
        &mut []
    ));
    let old = handle;
    refused!(
        raw(
            t,
            &on(f::MAC_VERIFY_FINISH, old),
            &[&MAC],
            Some(&mut handle),
            &mut []
        ),
        BAD_STATE
    );
    nothing(old)?;
    handle = 0;
    need!(raw(
        t,
        &setup(f::MAC_VERIFY_SETUP),
        &[],
        Some(&mut handle),
        &mut []
    ));
    let old = handle;
    refused!(
        raw(
            t,
            &on(f::MAC_SIGN_FINISH, old),
            &[],
            Some(&mut handle),
            &mut out
        ),
        BAD_STATE
    );
    nothing(old)?;
    // A second setup; and an operation outlives its key.
    handle = 0;
    need!(raw(
        t,
        &setup(f::MAC_SIGN_SETUP),
        &[],
        Some(&mut handle),
        &mut []
    ));
    let again = CryptoIovec {
        op_handle: handle,
        ..setup(f::MAC_SIGN_SETUP)
    };
    refused!(raw(t, &again, &[], Some(&mut handle), &mut []), BAD_STATE);
    need!(destroy_key(&t, id));
    need!(raw(t, &on(f::MAC_UPDATE, handle), &[TEXT], None, &mut []));
    let finish = on(f::MAC_SIGN_FINISH, handle);
    want!(raw(t, &finish, &[], Some(&mut handle), &mut out), Ok(32));
    same!(out, MAC);
    Ok(())
}
