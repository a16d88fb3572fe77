//! Ciphers: at once and in parts, IVs, blocks in pieces, policies, states.

use crate::hash::{life_of_a_handle, on, raw};
use crate::keys::volatile;
use crate::{Outcome, Rule};
use psa_client::crypto::{
    CipherOperation, cipher_decrypt, cipher_encrypt, destroy_key, import_key,
};
use psa_client::{Algorithm, KeyType, Transport};
use psa_interface::crypto::{CryptoIovec, function as f};
use psa_interface::key::usage;

/// The rules.
pub const RULES: [Rule; 9] = [
    rule("cipher-known", known),
    rule("cipher-aes-192", aes_192),
    rule("cipher-at-once", at_once),
    rule("cipher-pieces", pieces),
    rule("cipher-iv", iv),
    rule("cipher-policy", policy),
    rule("cipher-padding", padding),
    rule("cipher-can-do", can_do),
    rule("cipher-states", states),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

const BOTH: u32 = usage::ENCRYPT | usage::DECRYPT;
/// SP 800-38A, AES-128: the key of all its examples, and the first two blocks of text.
const KEY: [u8; 16] = [
    0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F, 0x3C,
];
const TEXT: [u8; 32] = [
    0x6B, 0xC1, 0xBE, 0xE2, 0x2E, 0x40, 0x9F, 0x96, 0xE9, 0x3D, 0x7E, 0x11, 0x73, 0x93, 0x17, 0x2A,
    0xAE, 0x2D, 0x8A, 0x57, 0x1E, 0x03, 0xAC, 0x9C, 0x9E, 0xB7, 0x6F, 0xAC, 0x45, 0xAF, 0x8E, 0x51,
];
/// IV, or first counter block, and what the second block of the text becomes (§F.1, F.2, F.3, F.5).
type Known = (Algorithm, Option<[u8; 16]>, [u8; 16]);
const KNOWN: [Known; 4] = [
    (
        Algorithm::ECB_NO_PADDING,
        None,
        [
            0xF5, 0xD3, 0xD5, 0x85, 0x03, 0xB9, 0x69, 0x9D, 0xE7, 0x85, 0x89, 0x5A, 0x96, 0xFD,
            0xBA, 0xAF,
        ],
    ),
    (
        Algorithm::CBC_NO_PADDING,
        Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        [
            0x50, 0x86, 0xCB, 0x9B, 0x50, 0x72, 0x19, 0xEE, 0x95, 0xDB, 0x11, 0x3A, 0x91, 0x76,
            0x78, 0xB2,
        ],
    ),
    (
        Algorithm::CFB,
        Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        [
            0xC8, 0xA6, 0x45, 0x37, 0xA0, 0xB3, 0xA9, 0x3F, 0xCD, 0xE3, 0xCD, 0xAD, 0x9F, 0x1C,
            0xE5, 0x8B,
        ],
    ),
    (
        Algorithm::CTR,
        Some([
            0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD,
            0xFE, 0xFF,
        ]),
        [
            0x98, 0x06, 0xF6, 0x6B, 0x79, 0x70, 0xFD, 0xFF, 0x86, 0x17, 0x18, 0x7B, 0xB9, 0xFF,
            0xFD, 0xFF,
        ],
    ),
];

fn key(t: &dyn Transport, usage: u32, alg: Algorithm) -> Result<u32, crate::Broken> {
    let attributes = volatile(KeyType::AES, 128, usage, alg);
    Ok(need!(import_key(&t, &attributes, &KEY)))
}

/// One direction in parts of `step` bytes.
fn run(
    operation: Result<CipherOperation<&dyn Transport>, psa_client::Status>,
    iv: Option<[u8; 16]>,
    step: usize,
    input: &[u8],
    output: &mut [u8],
) -> Result<usize, crate::Broken> {
    let mut operation = need!(operation);
    if let Some(iv) = iv {
        need!(operation.set_iv(&iv));
    }
    let mut written = 0;
    for part in input.chunks(step) {
        let rest = output.get_mut(written..).unwrap_or_default();
        written += need!(operation.update(part, rest));
    }
    let rest = output.get_mut(written..).unwrap_or_default();
    Ok(written + need!(operation.finish(rest)))
}

fn known(t: &dyn Transport) -> Outcome {
    for (alg, iv, second) in KNOWN {
        let id = key(t, BOTH, alg)?;
        for step in [32, 16, 7, 1] {
            let (mut sealed, mut opened) = ([0; 32], [0; 32]);
            let encrypt = CipherOperation::encrypt_setup(t, id, alg);
            same!(run(encrypt, iv, step, &TEXT, &mut sealed)?, 32);
            same!(sealed[16..], second);
            let decrypt = CipherOperation::decrypt_setup(t, id, alg);
            same!(run(decrypt, iv, step, &sealed, &mut opened)?, 32);
            same!(opened, TEXT);
        }
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// SP 800-38A §F.1.3, F.2.3, F.5.3: the first block under AES-192, and back.
fn aes_192(t: &dyn Transport) -> Outcome {
    let key = [
        0x8E, 0x73, 0xB0, 0xF7, 0xDA, 0x0E, 0x64, 0x52, 0xC8, 0x10, 0xF3, 0x2B, 0x80, 0x90, 0x79,
        0xE5, 0x62, 0xF8, 0xEA, 0xD2, 0x52, 0x2C, 0x6B, 0x7B,
    ];
    let first = [
        [
            0xBD, 0x33, 0x4F, 0x1D, 0x6E, 0x45, 0xF2, 0x5F, 0xF7, 0x12, 0xA2, 0x14, 0x57, 0x1F,
            0xA5, 0xCC,
        ],
        [
            0x4F, 0x02, 0x1D, 0xB2, 0x43, 0xBC, 0x63, 0x3D, 0x71, 0x78, 0x18, 0x3A, 0x9F, 0xA0,
            0x71, 0xE8,
        ],
        [
            0x1A, 0xBC, 0x93, 0x24, 0x17, 0x52, 0x1C, 0xA2, 0x4F, 0x2B, 0x04, 0x59, 0xFE, 0x7E,
            0x6E, 0x0B,
        ],
    ];
    let modes = KNOWN.iter().filter(|k| k.0 != Algorithm::CFB);
    for ((alg, iv, _), first) in modes.zip(first) {
        let attributes = volatile(KeyType::AES, 192, BOTH, *alg);
        let id = need!(import_key(&t, &attributes, &key));
        let (mut sealed, mut opened) = ([0; 16], [0; 16]);
        let encrypt = CipherOperation::encrypt_setup(t, id, *alg);
        same!(run(encrypt, *iv, 16, &TEXT[..16], &mut sealed)?, 16);
        same!(sealed, first);
        let decrypt = CipherOperation::decrypt_setup(t, id, *alg);
        same!(run(decrypt, *iv, 16, &sealed, &mut opened)?, 16);
        same!(opened, TEXT[..16]);
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// The IV stands in front, and differs each time.
fn at_once(t: &dyn Transport) -> Outcome {
    for (alg, iv, _) in KNOWN {
        let id = key(t, BOTH, alg)?;
        let (mut a, mut b, mut opened) = ([0; 48], [0; 48], [0; 32]);
        let length = 32 + if iv.is_some() { 16 } else { 0 };
        want!(cipher_encrypt(&t, id, alg, &TEXT, &mut a), Ok(length));
        want!(cipher_encrypt(&t, id, alg, &TEXT, &mut b), Ok(length));
        same!(a == b, iv.is_none());
        want!(
            cipher_decrypt(&t, id, alg, &a[..length], &mut opened),
            Ok(32)
        );
        same!(opened, TEXT);
        refused!(
            cipher_encrypt(&t, id, alg, &TEXT, &mut a[..length - 1]),
            BUFFER_TOO_SMALL
        );
        refused!(
            cipher_decrypt(&t, id, alg, &b[..length], &mut opened[..31]),
            BUFFER_TOO_SMALL
        );
        if iv.is_some() {
            refused!(
                cipher_decrypt(&t, id, alg, &b[..15], &mut opened),
                INVALID_ARGUMENT
            );
        }
        if ![Algorithm::CTR, Algorithm::CFB].contains(&alg) {
            refused!(
                cipher_encrypt(&t, id, alg, &TEXT[..17], &mut a),
                INVALID_ARGUMENT
            );
            refused!(
                cipher_decrypt(&t, id, alg, &b[..length - 1], &mut opened),
                INVALID_ARGUMENT
            );
        }
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// A block that is not whole stays back; a message that ends inside one is refused.
fn pieces(t: &dyn Transport) -> Outcome {
    let alg = Algorithm::CBC_NO_PADDING;
    let id = key(t, BOTH, alg)?;
    let mut out = [0; 32];
    let mut operation = need!(CipherOperation::encrypt_setup(t, id, alg));
    need!(operation.set_iv(&[0; 16]));
    want!(operation.update(&TEXT[..15], &mut out), Ok(0));
    want!(operation.update(&TEXT[15..17], &mut out), Ok(16));
    refused!(operation.finish(&mut out), INVALID_ARGUMENT);
    let mut operation = need!(CipherOperation::encrypt_setup(t, id, alg));
    need!(operation.set_iv(&[0; 16]));
    refused!(operation.update(&TEXT, &mut out[..31]), BUFFER_TOO_SMALL);
    need!(destroy_key(&t, id));
    Ok(())
}

/// PKCS#7: any length, a block more where it ends on one; a wrong padding is told as such.
fn padding(t: &dyn Transport) -> Outcome {
    let (alg, plain) = (Algorithm::CBC_PKCS7, Algorithm::CBC_NO_PADDING);
    let id = key(t, BOTH, alg)?;
    let bare = key(t, BOTH, plain)?;
    let iv = [0x1D; 16];
    for length in 0..=32 {
        let text = TEXT.get(..length).unwrap_or_default();
        let whole = (length / 16 + 1) * 16;
        for step in [32, 16, 15, 1] {
            let (mut sealed, mut opened) = ([0; 48], [0; 48]);
            let encrypt = CipherOperation::encrypt_setup(t, id, alg);
            same!(run(encrypt, Some(iv), step, text, &mut sealed)?, whole);
            let sealed = sealed.get(..whole).unwrap_or_default();
            let decrypt = CipherOperation::decrypt_setup(t, id, alg);
            same!(run(decrypt, Some(iv), step, sealed, &mut opened)?, length);
            same!(opened[..length], *text);
            // What stands behind the text, seen without the padding.
            let mut shown = [0; 48];
            let decrypt = CipherOperation::decrypt_setup(t, bare, plain);
            same!(run(decrypt, Some(iv), 48, sealed, &mut shown)?, whole);
            let fill = (whole - length) as u8;
            same!(shown[length..whole].iter().all(|b| *b == fill), true);
        }
        let (mut sealed, mut opened, mut room) = ([0; 64], [0; 48], [0; 64]);
        want!(
            cipher_encrypt(&t, id, alg, text, &mut sealed),
            Ok(whole + 16)
        );
        let sealed = sealed.get(..whole + 16).unwrap_or_default();
        want!(cipher_decrypt(&t, id, alg, sealed, &mut opened), Ok(length));
        same!(opened[..length], *text);
        refused!(
            cipher_encrypt(&t, id, alg, text, &mut room[..whole + 15]),
            BUFFER_TOO_SMALL
        );
    }
    // Paddings that are none: 0, more than a block, two that differ.
    for last in [[1, 0], [16, 17], [0xFF, 0xFF], [3, 2], [0, 0]] {
        let (mut block, mut sealed, mut out) = ([7; 16], [0; 16], [0; 32]);
        block[14..].copy_from_slice(&last);
        let encrypt = CipherOperation::encrypt_setup(t, bare, plain);
        same!(run(encrypt, Some(iv), 16, &block, &mut sealed)?, 16);
        let mut decrypt = need!(CipherOperation::decrypt_setup(t, id, alg));
        need!(decrypt.set_iv(&iv));
        want!(decrypt.update(&sealed, &mut out), Ok(0));
        refused!(decrypt.finish(&mut out), INVALID_PADDING);
        let mut whole = [0; 32];
        whole[..16].copy_from_slice(&iv);
        whole[16..].copy_from_slice(&sealed);
        refused!(
            cipher_decrypt(&t, id, alg, &whole, &mut out),
            INVALID_PADDING
        );
        same!(out, [0; 32]);
    }
    // No block at all, and one that is not whole.
    for length in [0, 1, 15, 17] {
        let mut decrypt = need!(CipherOperation::decrypt_setup(t, id, alg));
        need!(decrypt.set_iv(&iv));
        need!(decrypt.update(&TEXT[..length], &mut [0; 32]));
        refused!(decrypt.finish(&mut [0; 16]), INVALID_ARGUMENT);
    }
    need!(destroy_key(&t, id));
    need!(destroy_key(&t, bare));
    Ok(())
}

/// `psa_can_do_hash`, `psa_can_do_cipher` (TF-M 2.3): what is here, and what is not.
fn can_do(t: &dyn Transport) -> Outcome {
    let ask = |function_id, alg: Algorithm, rest: &[&[u8]]| -> Result<bool, crate::Broken> {
        let iov = CryptoIovec {
            alg: alg.0,
            ..CryptoIovec::new(function_id)
        };
        let mut out = [0xFF; 4];
        want!(raw(t, &iov, rest, None, &mut out), Ok(4));
        same!(u32::from_le_bytes(out) <= 1, true);
        Ok(out[0] == 1)
    };
    for (alg, yes) in [
        (Algorithm::SHA_224, true),
        (Algorithm::SHA_256, true),
        (Algorithm::SHA_512, true),
        (Algorithm(0x0200_0003), false),
        (Algorithm::HMAC_SHA_256, false),
        (Algorithm::NONE, false),
    ] {
        same!(ask(f::CAN_DO_HASH, alg, &[])?, yes);
    }
    for (key_type, alg, yes) in [
        (KeyType::AES, Algorithm::CTR, true),
        (KeyType::AES, Algorithm::CBC_PKCS7, true),
        (KeyType::AES, Algorithm::GCM, true),
        (KeyType::AES, Algorithm::CCM.with_tag_length(8), true),
        (KeyType::AES, Algorithm::CHACHA20_POLY1305, false),
        (KeyType::CHACHA20, Algorithm::CHACHA20_POLY1305, true),
        (KeyType::HMAC, Algorithm::CTR, false),
        (KeyType::AES, Algorithm(0x0440_FF00), false),
        (KeyType::AES, Algorithm::SHA_256, false),
        (KeyType::NONE, Algorithm::NONE, false),
    ] {
        let key_type = key_type.0.to_le_bytes();
        same!(ask(f::CAN_DO_CIPHER, alg, &[&key_type])?, yes);
    }
    Ok(())
}

fn iv(t: &dyn Transport) -> Outcome {
    for (alg, iv, _) in KNOWN {
        let id = key(t, BOTH, alg)?;
        let setup = || CipherOperation::encrypt_setup(t, id, alg);
        let mut drawn = [0; 16];
        if iv.is_none() {
            refused!(need!(setup()).generate_iv(&mut drawn), BAD_STATE);
            refused!(need!(setup()).set_iv(&[0; 16]), BAD_STATE);
            need!(destroy_key(&t, id));
            continue;
        }
        for length in [0, 1, 8, 12, 15, 17, 32] {
            refused!(need!(setup()).set_iv(&TEXT[..length]), INVALID_ARGUMENT);
        }
        refused!(
            need!(setup()).generate_iv(&mut drawn[..15]),
            BUFFER_TOO_SMALL
        );
        let mut operation = need!(setup());
        want!(operation.generate_iv(&mut drawn), Ok(16));
        same!(drawn == [0; 16], false);
        let mut sealed = [0; 32];
        want!(operation.update(&TEXT, &mut sealed), Ok(32));
        want!(operation.finish(&mut []), Ok(0));
        let mut opened = [0; 32];
        let decrypt = CipherOperation::decrypt_setup(t, id, alg);
        same!(run(decrypt, Some(drawn), 32, &sealed, &mut opened)?, 32);
        same!(opened, TEXT);
        // One IV is enough; without any there is no text.
        let mut operation = need!(setup());
        want!(operation.generate_iv(&mut drawn), Ok(16));
        refused!(operation.generate_iv(&mut drawn), BAD_STATE);
        let mut operation = need!(setup());
        need!(operation.set_iv(&drawn));
        refused!(operation.set_iv(&drawn), BAD_STATE);
        refused!(need!(setup()).update(&TEXT, &mut sealed), BAD_STATE);
        refused!(need!(setup()).finish(&mut sealed), BAD_STATE);
        need!(destroy_key(&t, id));
    }
    Ok(())
}

fn policy(t: &dyn Transport) -> Outcome {
    let alg = Algorithm::CTR;
    for (usage, encrypts, decrypts) in [
        (usage::ENCRYPT, true, false),
        (usage::DECRYPT, false, true),
        (usage::EXPORT, false, false),
    ] {
        let id = key(t, usage, alg)?;
        let ways = [
            (
                CipherOperation::encrypt_setup(t, id, alg).map(drop),
                encrypts,
            ),
            (
                CipherOperation::decrypt_setup(t, id, alg).map(drop),
                decrypts,
            ),
        ];
        for (got, may) in ways {
            match may {
                true => want!(got, Ok(())),
                false => refused!(got, NOT_PERMITTED),
            }
        }
        need!(destroy_key(&t, id));
    }
    let id = key(t, BOTH, alg)?;
    let setup = |alg| CipherOperation::encrypt_setup(t, id, alg).map(drop);
    refused!(setup(Algorithm::CBC_NO_PADDING), NOT_PERMITTED);
    refused!(setup(Algorithm::GCM), INVALID_ARGUMENT);
    refused!(setup(Algorithm::SHA_256), INVALID_ARGUMENT);
    refused!(setup(Algorithm::NONE), INVALID_ARGUMENT);
    need!(destroy_key(&t, id));
    refused!(setup(alg), INVALID_HANDLE);
    // Not with a key of bytes; XTS and OFB are real, and not here.
    let attributes = volatile(KeyType::HMAC, 0, BOTH, alg);
    let id = need!(import_key(&t, &attributes, &KEY));
    same!(CipherOperation::encrypt_setup(t, id, alg).is_err(), true);
    need!(destroy_key(&t, id));
    for alg in [0x0440_FF00, 0x04C0_1200].map(Algorithm) {
        let id = key(t, BOTH, alg)?;
        refused!(
            CipherOperation::encrypt_setup(t, id, alg).map(drop),
            NOT_SUPPORTED
        );
        need!(destroy_key(&t, id));
    }
    Ok(())
}

fn states(t: &dyn Transport) -> Outcome {
    let alg = Algorithm::CTR;
    let id = key(t, BOTH, alg)?;
    let nothing = |handle: u32| -> Outcome {
        let (mut h, mut out) = (handle, [0; 16]);
        let call = |id| on(id, handle);
        refused!(
            raw(t, &call(f::CIPHER_SET_IV), &[&KEY], None, &mut []),
            BAD_STATE
        );
        refused!(
            raw(t, &call(f::CIPHER_GENERATE_IV), &[], None, &mut out),
            BAD_STATE
        );
        refused!(
            raw(t, &call(f::CIPHER_UPDATE), &[&KEY], None, &mut out),
            BAD_STATE
        );
        refused!(
            raw(t, &call(f::CIPHER_FINISH), &[], Some(&mut h), &mut out),
            BAD_STATE
        );
        need!(raw(t, &call(f::CIPHER_ABORT), &[], Some(&mut h), &mut []));
        Ok(())
    };
    let setup = CryptoIovec {
        key_id: id,
        alg: alg.0,
        ..CryptoIovec::new(f::CIPHER_ENCRYPT_SETUP)
    };
    life_of_a_handle(t, setup, f::CIPHER_ABORT, &nothing)?;
    let mut handle = 0;
    // One that failed is over.
    need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
    refused!(
        raw(t, &on(f::CIPHER_SET_IV, handle), &[b"short"], None, &mut []),
        INVALID_ARGUMENT
    );
    nothing(handle)?;
    need!(destroy_key(&t, id));
    Ok(())
}
