//! AEADs: at once and in parts, lengths, nonces, tags, policies, states.

use crate::hash::{life_of_a_handle, on, raw};
use crate::keys::volatile;
use crate::{Broken, Outcome, Rule};
use psa_client::crypto::{AeadOperation, aead_decrypt, aead_encrypt, destroy_key, import_key};
use psa_client::{Algorithm, KeyType, Transport};
use psa_interface::crypto::{CryptoIovec, function as f};
use psa_interface::key::usage;

/// The rules.
pub const RULES: [Rule; 9] = [
    rule("aead-at-once", at_once),
    rule("aead-parts-equal-whole", parts_equal_whole),
    rule("aead-parts-verify", parts_verify),
    rule("aead-lengths", lengths),
    rule("aead-nonce", nonce),
    rule("aead-tags", tags),
    rule("aead-policy", policy),
    rule("aead-states", states),
    rule("ccm-known", ccm_known),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

const BOTH: u32 = usage::ENCRYPT | usage::DECRYPT;
const KEY: [u8; 32] = *b"one key of thirty-two bytes here";
const NONCE: [u8; 13] = *b"nonces differ";
const AD: &[u8] = b"what everyone may read";
/// Longer than the service's own buffer.
const TEXT: [u8; 700] = [0xD6; 700];

/// An AEAD, its key type and key length, the length of a nonce, and whether it must know lengths.
type Kind = (Algorithm, KeyType, usize, usize, bool);
const KINDS: [Kind; 4] = [
    (Algorithm::GCM, KeyType::AES, 16, 12, false),
    (Algorithm::GCM, KeyType::AES, 32, 12, false),
    (
        Algorithm::CHACHA20_POLY1305,
        KeyType::CHACHA20,
        32,
        12,
        false,
    ),
    (Algorithm::CCM, KeyType::AES, 16, 13, true),
];

fn key(t: &dyn Transport, kind: &Kind, usage: u32) -> Result<u32, Broken> {
    let attributes = volatile(kind.1, 0, usage, kind.0);
    let key = KEY.get(..kind.2).unwrap_or_default();
    Ok(need!(import_key(&t, &attributes, key)))
}

fn at_once(t: &dyn Transport) -> Outcome {
    for kind in &KINDS {
        let (alg, nonce) = (kind.0, &NONCE[..kind.3]);
        let id = key(t, kind, BOTH)?;
        for (ad, text) in [(AD, &TEXT[..]), (&[], &TEXT[..17]), (AD, &[]), (&[], &[])] {
            let (mut sealed, mut opened) = ([0; 716], [0; 700]);
            let n = text.len();
            want!(
                aead_encrypt(&t, id, alg, nonce, ad, text, &mut sealed),
                Ok(n + 16)
            );
            let sealed = sealed.get_mut(..n + 16).unwrap_or_default();
            want!(
                aead_decrypt(&t, id, alg, nonce, ad, sealed, &mut opened),
                Ok(n)
            );
            same!(opened[..n], *text);
            // Too little room, either way.
            let mut out = [0; 715];
            let room = out.get_mut(..n + 15).unwrap_or_default();
            refused!(
                aead_encrypt(&t, id, alg, nonce, ad, text, room),
                BUFFER_TOO_SMALL
            );
            if n > 0 {
                let room = out.get_mut(..n - 1).unwrap_or_default();
                refused!(
                    aead_decrypt(&t, id, alg, nonce, ad, sealed, room),
                    BUFFER_TOO_SMALL
                );
            }
            // Any bit of tag, text or additional data.
            for at in [0, n / 2, n, n + 15] {
                sealed[at] ^= 0x10;
                let mut opened = [0xA5; 700];
                refused!(
                    aead_decrypt(&t, id, alg, nonce, ad, sealed, &mut opened),
                    INVALID_SIGNATURE
                );
                same!(opened[..n].iter().all(|b| *b == 0 || *b == 0xA5), true);
                sealed[at] ^= 0x10;
            }
            refused!(
                aead_decrypt(&t, id, alg, nonce, b"other", sealed, &mut opened),
                INVALID_SIGNATURE
            );
            // Shorter than a tag.
            refused!(
                aead_decrypt(&t, id, alg, nonce, ad, &sealed[..15], &mut opened),
                INVALID_ARGUMENT
            );
        }
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// In parts of any size, with lengths before or after the nonce, the same comes out.
fn parts_equal_whole(t: &dyn Transport) -> Outcome {
    for kind in &KINDS {
        let (alg, nonce) = (kind.0, &NONCE[..kind.3]);
        let id = key(t, kind, BOTH)?;
        let mut whole = [0; 716];
        need!(aead_encrypt(&t, id, alg, nonce, AD, &TEXT, &mut whole));
        for (step, said) in [(700, 1), (256, 2), (16, 1), (13, 2), (257, 0)] {
            if kind.4 && said == 0 {
                continue;
            }
            let say = |operation: &mut AeadOperation<&dyn Transport>| {
                operation.set_lengths(AD.len() as u32, TEXT.len() as u32)
            };
            let mut seal = need!(AeadOperation::encrypt_setup(t, id, alg));
            let mut open = need!(AeadOperation::decrypt_setup(t, id, alg));
            let (mut sealed, mut opened, mut tag) = ([0; 700], [0; 700], [0; 16]);
            for operation in [&mut seal, &mut open] {
                if said == 1 {
                    need!(say(operation));
                }
                need!(operation.set_nonce(nonce));
                if said == 2 {
                    need!(say(operation));
                }
                for part in AD.chunks(step.min(5)) {
                    need!(operation.update_ad(part));
                }
            }
            for (at, part) in TEXT.chunks(step).enumerate() {
                let at = at * step;
                want!(seal.update(part, &mut sealed[at..]), Ok(part.len()));
                let part = sealed.get(at..at + part.len()).unwrap_or_default();
                want!(open.update(part, &mut opened[at..]), Ok(part.len()));
            }
            want!(seal.finish(&mut [], &mut tag), Ok((0, 16)));
            same!(sealed, whole[..700]);
            same!(tag, whole[700..]);
            want!(open.verify(&tag, &mut []), Ok(0));
            same!(opened, TEXT);
        }
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// A wrong tag, one cut off, one too long; finishing what decrypts, verifying what encrypts.
fn parts_verify(t: &dyn Transport) -> Outcome {
    for kind in &KINDS {
        let (alg, nonce) = (kind.0, &NONCE[..kind.3]);
        let id = key(t, kind, BOTH)?;
        let mut whole = [0; 24];
        need!(aead_encrypt(&t, id, alg, nonce, AD, &TEXT[..8], &mut whole));
        let (sealed, tag) = whole.split_at(8);
        let start = |encrypt: bool| -> Result<AeadOperation<&dyn Transport>, Broken> {
            let mut operation = need!(match encrypt {
                true => AeadOperation::encrypt_setup(t, id, alg),
                false => AeadOperation::decrypt_setup(t, id, alg),
            });
            need!(operation.set_lengths(AD.len() as u32, 8));
            need!(operation.set_nonce(nonce));
            need!(operation.update_ad(AD));
            want!(operation.update(sealed, &mut [0; 8]), Ok(8));
            Ok(operation)
        };
        want!(start(false)?.verify(tag, &mut [0; 16]), Ok(0));
        let mut wrong = [0; 17];
        wrong[..16].copy_from_slice(tag);
        for length in [17, 15, 1, 0] {
            refused!(
                start(false)?.verify(&wrong[..length], &mut []),
                INVALID_SIGNATURE
            );
        }
        wrong[15] ^= 0x80;
        refused!(
            start(false)?.verify(&wrong[..16], &mut []),
            INVALID_SIGNATURE
        );
        refused!(start(true)?.verify(tag, &mut []), BAD_STATE);
        refused!(start(false)?.finish(&mut [], &mut [0; 16]), BAD_STATE);
        refused!(start(true)?.finish(&mut [], &mut [0; 15]), BUFFER_TOO_SMALL);
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// Lengths are said once, before any data, and what was said has to come: no more, no less.
fn lengths(t: &dyn Transport) -> Outcome {
    for kind in &KINDS {
        let (alg, nonce) = (kind.0, &NONCE[..kind.3]);
        let id = key(t, kind, BOTH)?;
        let start = |ad, text| -> Result<AeadOperation<&dyn Transport>, Broken> {
            let mut operation = need!(AeadOperation::encrypt_setup(t, id, alg));
            need!(operation.set_lengths(ad, text));
            need!(operation.set_nonce(nonce));
            Ok(operation)
        };
        let mut out = [0; 32];
        refused!(start(4, 4)?.set_lengths(4, 4), BAD_STATE);
        refused!(start(4, 4)?.update_ad(b"12345"), INVALID_ARGUMENT);
        refused!(start(4, 4)?.update(b"1234", &mut out), INVALID_ARGUMENT);
        refused!(start(0, 4)?.update(b"12345", &mut out), INVALID_ARGUMENT);
        refused!(start(0, 0)?.update_ad(b"1"), INVALID_ARGUMENT);
        // Missing additional data; missing text.
        refused!(start(1, 0)?.finish(&mut [], &mut [0; 16]), INVALID_ARGUMENT);
        refused!(start(0, 1)?.finish(&mut [], &mut [0; 16]), INVALID_ARGUMENT);
        // Nothing was said, and nothing comes.
        want!(start(0, 0)?.finish(&mut [], &mut [0; 16]), Ok((0, 16)));
        // Too late.
        let mut operation = need!(AeadOperation::encrypt_setup(t, id, alg));
        need!(operation.set_nonce(nonce));
        match kind.4 {
            // CCM has not begun: there is no place for data yet.
            true => refused!(operation.update_ad(AD), BAD_STATE),
            false => {
                need!(operation.update_ad(AD));
                refused!(operation.set_lengths(22, 4), BAD_STATE);
            }
        }
        let mut operation = start(3, 3)?;
        need!(operation.update_ad(b"abc"));
        want!(operation.update(b"abc", &mut out), Ok(3));
        refused!(operation.update_ad(b"d"), BAD_STATE);
        refused!(
            start(0, 32)?.update(&[0; 32], &mut out[..31]),
            BUFFER_TOO_SMALL
        );
        need!(destroy_key(&t, id));
    }
    Ok(())
}

fn nonce(t: &dyn Transport) -> Outcome {
    for kind in &KINDS {
        let (alg, length) = (kind.0, kind.3);
        let id = key(t, kind, BOTH)?;
        let start = || -> Result<AeadOperation<&dyn Transport>, Broken> {
            let mut operation = need!(AeadOperation::encrypt_setup(t, id, alg));
            need!(operation.set_lengths(0, 5));
            Ok(operation)
        };
        let mut drawn = [0; 16];
        want!(start()?.generate_nonce(&mut drawn), Ok(length));
        same!(drawn == [0; 16], false);
        same!(drawn[length..].iter().all(|b| *b == 0), true);
        refused!(
            start()?.generate_nonce(&mut drawn[..length - 1]),
            BUFFER_TOO_SMALL
        );
        let mut operation = start()?;
        need!(operation.generate_nonce(&mut drawn));
        refused!(operation.generate_nonce(&mut drawn), BAD_STATE);
        let mut operation = start()?;
        need!(operation.set_nonce(&drawn[..length]));
        refused!(operation.set_nonce(&drawn[..length]), BAD_STATE);
        // Who opens was told the nonce.
        let mut open = need!(AeadOperation::decrypt_setup(t, id, alg));
        refused!(open.generate_nonce(&mut drawn), BAD_STATE);
        refused!(start()?.set_nonce(&[]), INVALID_ARGUMENT);
        refused!(start()?.update(b"12345", &mut [0; 5]), BAD_STATE);
        refused!(start()?.finish(&mut [], &mut [0; 16]), BAD_STATE);
        // A message under a drawn nonce opens with it.
        let mut operation = start()?;
        let n = need!(operation.generate_nonce(&mut drawn));
        let mut sealed = [0; 21];
        want!(operation.update(b"12345", &mut sealed), Ok(5));
        let (_, tag) = sealed.split_at_mut(5);
        need!(operation.finish(&mut [], tag));
        let mut opened = [0; 5];
        want!(
            aead_decrypt(&t, id, alg, &drawn[..n], &[], &sealed, &mut opened),
            Ok(5)
        );
        same!(opened, *b"12345");
        need!(destroy_key(&t, id));
    }
    let wrong: [(usize, &[usize]); 3] = [(0, &[]), (2, &[0, 8, 11, 13, 16]), (3, &[0, 6, 14, 16])];
    for (kind, lengths) in wrong {
        let kind = &KINDS[kind];
        let id = key(t, kind, BOTH)?;
        for length in lengths {
            let nonce = KEY.get(..*length).unwrap_or_default();
            refused!(
                aead_encrypt(&t, id, kind.0, nonce, &[], &[], &mut [0; 16]),
                INVALID_ARGUMENT
            );
            let mut operation = need!(AeadOperation::encrypt_setup(t, id, kind.0));
            refused!(operation.set_nonce(nonce), INVALID_ARGUMENT);
        }
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// Shorter tags are the first bytes of the long one (GCM), or others (CCM); some do not exist.
fn tags(t: &dyn Transport) -> Outcome {
    for (base, fine, none) in [
        (
            Algorithm::GCM,
            &[4, 8, 12, 13, 14, 15, 16][..],
            &[1, 5, 11, 17][..],
        ),
        (Algorithm::CCM, &[4, 6, 8, 10, 12, 14, 16], &[1, 5, 15, 18]),
    ] {
        let policy = base.at_least_this_length(1);
        let attributes = volatile(KeyType::AES, 128, BOTH, policy);
        let id = need!(import_key(&t, &attributes, &KEY[..16]));
        for length in fine {
            let alg = base.with_tag_length(*length as u8);
            let mut sealed = [0; 19];
            let n = 3 + length;
            want!(
                aead_encrypt(&t, id, alg, &NONCE[..12], AD, b"abc", &mut sealed),
                Ok(n)
            );
            want!(
                aead_decrypt(&t, id, alg, &NONCE[..12], AD, &sealed[..n], &mut [0; 3]),
                Ok(3)
            );
            let mut operation = need!(AeadOperation::encrypt_setup(t, id, alg));
            need!(operation.set_lengths(AD.len() as u32, 3));
            need!(operation.set_nonce(&NONCE[..12]));
            need!(operation.update_ad(AD));
            need!(operation.update(b"abc", &mut [0; 3]));
            let mut tag = [0; 16];
            want!(operation.finish(&mut [], &mut tag), Ok((0, *length)));
            same!(tag[..*length], sealed[3..n]);
        }
        for length in none {
            let alg = base.with_tag_length(*length as u8);
            refused!(
                aead_encrypt(&t, id, alg, &NONCE[..12], AD, b"abc", &mut [0; 32]),
                INVALID_ARGUMENT
            );
            refused!(
                AeadOperation::encrypt_setup(t, id, alg).map(drop),
                INVALID_ARGUMENT
            );
        }
        need!(destroy_key(&t, id));
    }
    Ok(())
}

fn policy(t: &dyn Transport) -> Outcome {
    for kind in &KINDS {
        let (alg, nonce) = (kind.0, &NONCE[..kind.3]);
        let mut out = [0; 20];
        for (usage, seals, opens) in [
            (usage::ENCRYPT, true, false),
            (usage::DECRYPT, false, true),
            (usage::EXPORT, false, false),
        ] {
            let id = key(t, kind, usage)?;
            match seals {
                true => {
                    need!(aead_encrypt(&t, id, alg, nonce, &[], b"abcd", &mut out));
                    need!(AeadOperation::encrypt_setup(t, id, alg));
                }
                false => {
                    refused!(
                        aead_encrypt(&t, id, alg, nonce, &[], b"abcd", &mut out),
                        NOT_PERMITTED
                    );
                    let setup = AeadOperation::encrypt_setup(t, id, alg);
                    refused!(setup.map(drop), NOT_PERMITTED);
                }
            }
            let setup = AeadOperation::decrypt_setup(t, id, alg);
            match opens {
                true => want!(setup.map(drop), Ok(())),
                false => refused!(setup.map(drop), NOT_PERMITTED),
            }
            need!(destroy_key(&t, id));
        }
        let id = key(t, kind, BOTH)?;
        let setup = |alg| AeadOperation::encrypt_setup(t, id, alg).map(drop);
        let other = match alg {
            Algorithm::GCM => Algorithm::CCM,
            _ => Algorithm::GCM,
        };
        refused!(setup(other), NOT_PERMITTED);
        refused!(setup(alg.with_tag_length(8)), NOT_PERMITTED);
        refused!(setup(alg.at_least_this_length(8)), INVALID_ARGUMENT);
        for alg in [Algorithm::CTR, Algorithm::SHA_256, Algorithm::NONE] {
            refused!(setup(alg), INVALID_ARGUMENT);
        }
        need!(destroy_key(&t, id));
        refused!(setup(alg), INVALID_HANDLE);
        // A key of bytes is none of this kind.
        let attributes = volatile(KeyType::RAW_DATA, 0, BOTH, alg);
        let id = need!(import_key(&t, &attributes, &KEY));
        same!(AeadOperation::encrypt_setup(t, id, alg).is_err(), true);
        same!(
            aead_encrypt(&t, id, alg, nonce, &[], b"a", &mut out).is_err(),
            true
        );
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// SP 800-38C, example 1: at once, and in parts.
fn ccm_known(t: &dyn Transport) -> Outcome {
    let key: [u8; 16] = core::array::from_fn(|i| 0x40 + i as u8);
    let nonce: [u8; 7] = core::array::from_fn(|i| 0x10 + i as u8);
    let (ad, text) = ([0, 1, 2, 3, 4, 5, 6, 7], [0x20, 0x21, 0x22, 0x23]);
    let expected = [0x71, 0x62, 0x01, 0x5B, 0x4D, 0xAC, 0x25, 0x5D];
    let alg = Algorithm::CCM.with_tag_length(4);
    let id = need!(import_key(
        &t,
        &volatile(KeyType::AES, 128, BOTH, alg),
        &key
    ));
    let mut sealed = [0; 8];
    want!(
        aead_encrypt(&t, id, alg, &nonce, &ad, &text, &mut sealed),
        Ok(8)
    );
    same!(sealed, expected);
    let (mut sealed, mut tag) = ([0; 4], [0; 4]);
    let mut parts = need!(AeadOperation::encrypt_setup(t, id, alg));
    need!(parts.set_lengths(8, 4));
    need!(parts.set_nonce(&nonce));
    need!(parts.update_ad(&ad));
    want!(parts.update(&text, &mut sealed), Ok(4));
    want!(parts.finish(&mut [], &mut tag), Ok((0, 4)));
    same!(sealed, expected[..4]);
    same!(tag, expected[4..]);
    let mut opened = [0; 4];
    want!(
        aead_decrypt(&t, id, alg, &nonce, &ad, &expected, &mut opened),
        Ok(4)
    );
    same!(opened, text);
    need!(destroy_key(&t, id));
    Ok(())
}

fn states(t: &dyn Transport) -> Outcome {
    let id = key(t, &KINDS[0], BOTH)?;
    let setup = CryptoIovec {
        key_id: id,
        alg: Algorithm::GCM.0,
        ..CryptoIovec::new(f::AEAD_ENCRYPT_SETUP)
    };
    let nothing = |handle: u32| -> Outcome {
        let (mut h, mut out) = (handle, [0; 16]);
        let call = |id| on(id, handle);
        refused!(
            raw(t, &call(f::AEAD_GENERATE_NONCE), &[], None, &mut out),
            BAD_STATE
        );
        refused!(
            raw(t, &call(f::AEAD_SET_NONCE), &[&NONCE[..12]], None, &mut []),
            BAD_STATE
        );
        refused!(
            raw(t, &call(f::AEAD_SET_LENGTHS), &[], None, &mut []),
            BAD_STATE
        );
        refused!(
            raw(t, &call(f::AEAD_UPDATE_AD), &[AD], None, &mut []),
            BAD_STATE
        );
        refused!(
            raw(t, &call(f::AEAD_UPDATE), &[b"a"], None, &mut out),
            BAD_STATE
        );
        refused!(
            raw(t, &call(f::AEAD_FINISH), &[], Some(&mut h), &mut out),
            BAD_STATE
        );
        refused!(
            raw(t, &call(f::AEAD_VERIFY), &[&out], Some(&mut h), &mut []),
            BAD_STATE
        );
        need!(raw(t, &call(f::AEAD_ABORT), &[], Some(&mut h), &mut []));
        same!(h, 0);
        Ok(())
    };
    life_of_a_handle(t, setup, f::AEAD_ABORT, &nothing)?;
    let mut handle = 0;
    // One that failed is over; one that finished, too.
    need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
    refused!(
        raw(t, &on(f::AEAD_UPDATE, handle), &[b"a"], None, &mut [0; 1]),
        BAD_STATE
    );
    nothing(handle)?;
    handle = 0;
    need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
    let old = handle;
    need!(raw(
        t,
        &on(f::AEAD_SET_NONCE, old),
        &[&NONCE[..12]],
        None,
        &mut []
    ));
    let mut tag = [0; 16];
    want!(
        raw(
            t,
            &on(f::AEAD_FINISH, old),
            &[],
            Some(&mut handle),
            &mut tag
        ),
        Ok(16)
    );
    same!(handle, 0);
    nothing(old)?;
    // An operation outlives its key.
    need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
    need!(destroy_key(&t, id));
    need!(raw(
        t,
        &on(f::AEAD_SET_NONCE, handle),
        &[&NONCE[..12]],
        None,
        &mut []
    ));
    let finish = on(f::AEAD_FINISH, handle);
    let mut again = [0; 16];
    want!(raw(t, &finish, &[], Some(&mut handle), &mut again), Ok(16));
    same!(again, tag);
    Ok(())
}
