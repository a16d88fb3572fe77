//! What TF-M's and Arm's suites ask of ciphers and AEADs beside the ordinary: blocks that lag
//! behind, lengths that were said and not kept, and each call after one that failed.

use crate::hash::{on, raw};
use crate::keys::volatile;
use crate::{Broken, Outcome, Rule};
use psa_client::crypto::{
    AeadOperation, CipherOperation, aead_decrypt, aead_encrypt, cipher_encrypt, destroy_key,
    import_key,
};
use psa_client::{Algorithm, KeyType, Status, Transport};
use psa_interface::crypto::{CryptoIovec, function as f};
use psa_interface::key::usage;

/// The rules.
pub const RULES: [Rule; 8] = [
    rule("cipher-lag", lag),
    rule("cipher-not-there", not_there),
    rule("aead-authenticates", authenticates),
    rule("ccm-at-once-refusals", at_once),
    rule("seal-setup-refusals", setup_refusals),
    rule("aead-nonce-once", nonce_once),
    rule("aead-fails-once", fails_once),
    rule("aead-ends-once", ends_once),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

const BOTH: u32 = usage::ENCRYPT | usage::DECRYPT;
const KEY: [u8; 16] = *b"a key of sixteen";
const IV: [u8; 16] = [0x1E; 16];
const AD: [u8; 364] = [0xAD; 364];
const TEXT: [u8; 48] = [0x7E; 48];

fn key(t: &dyn Transport, alg: Algorithm) -> Result<u32, Broken> {
    let attributes = volatile(KeyType::AES, 128, BOTH, alg);
    Ok(need!(import_key(&t, &attributes, &KEY)))
}

/// Parts of odd lengths: what each gives, and what the end does.
fn lag(t: &dyn Transport) -> Outcome {
    let alg = Algorithm::CBC_PKCS7;
    let id = key(t, alg)?;
    let (text, mut sealed, mut opened) = ([0x7E; 52], [0; 64], [0; 64]);
    let sealing = [(12, 0), (8, 16), (20, 16), (12, 16)];
    let mut operation = need!(CipherOperation::encrypt_setup(t, id, alg));
    need!(operation.set_iv(&IV));
    let (mut at, mut to) = (0, 0);
    for (length, gives) in sealing {
        let room = sealed.get_mut(to..).unwrap_or_default();
        want!(operation.update(&text[at..at + length], room), Ok(gives));
        (at, to) = (at + length, to + gives);
    }
    want!(operation.finish(&mut sealed[to..]), Ok(16));
    // The last block waits for the end: it is padding, or may be.
    let by_blocks: &[(usize, usize)] = &[(16, 0), (16, 16), (16, 16), (16, 16)];
    let odd: &[(usize, usize)] = &[(20, 16), (20, 16), (20, 16), (4, 0)];
    for opening in [by_blocks, odd] {
        let mut operation = need!(CipherOperation::decrypt_setup(t, id, alg));
        need!(operation.set_iv(&IV));
        let (mut at, mut to) = (0, 0);
        for (length, gives) in opening {
            let room = opened.get_mut(to..).unwrap_or_default();
            want!(operation.update(&sealed[at..at + length], room), Ok(*gives));
            (at, to) = (at + length, to + gives);
        }
        want!(operation.finish(&mut opened[to..]), Ok(4));
        same!(opened[..52], text);
    }
    need!(destroy_key(&t, id));
    Ok(())
}

/// Algorithms of other kinds, keys that are not there, room that is short; then the operation is
/// over.
fn not_there(t: &dyn Transport) -> Outcome {
    let id = key(t, Algorithm::CBC_NO_PADDING)?;
    for alg in [Algorithm(u32::MAX), Algorithm::GCM, Algorithm::CMAC] {
        refused!(
            CipherOperation::encrypt_setup(t, id, alg).map(drop),
            INVALID_ARGUMENT
        );
        refused!(
            cipher_encrypt(&t, id, alg, &IV, &mut [0; 48]),
            INVALID_ARGUMENT
        );
    }
    need!(destroy_key(&t, id));
    // A key of bytes; a category of ciphers, of which none is meant.
    for (key_type, alg) in [
        (KeyType::RAW_DATA, Algorithm::CTR),
        (KeyType::AES, Algorithm(0x0400_0000)),
    ] {
        let id = need!(import_key(&t, &volatile(key_type, 0, BOTH, alg), &KEY));
        refused!(
            CipherOperation::encrypt_setup(t, id, alg).map(drop),
            NOT_SUPPORTED
        );
        refused!(
            CipherOperation::decrypt_setup(t, id, alg).map(drop),
            NOT_SUPPORTED
        );
        need!(destroy_key(&t, id));
    }
    let alg = Algorithm::CBC_NO_PADDING;
    let id = key(t, alg)?;
    for none in [0, 8, 10, 11, 13, 16] {
        refused!(
            CipherOperation::decrypt_setup(t, none, alg).map(drop),
            INVALID_HANDLE
        );
        refused!(
            cipher_encrypt(&t, none, alg, &IV, &mut [0; 48]),
            INVALID_HANDLE
        );
    }
    let mut out = [0; 32];
    // (room for the text, bytes of text, update's status): the next call finds nothing.
    for (room, length, status) in [
        (15, 16, Status::BUFFER_TOO_SMALL),
        (31, 32, Status::BUFFER_TOO_SMALL),
    ] {
        let mut operation = need!(CipherOperation::encrypt_setup(t, id, alg));
        need!(operation.set_iv(&IV));
        let short = out.get_mut(..room).unwrap_or_default();
        want!(operation.update(&TEXT[..length], short), Err(status));
        refused!(operation.update(&TEXT[..length], &mut out), BAD_STATE);
        refused!(operation.finish(&mut out), BAD_STATE);
    }
    need!(destroy_key(&t, id));
    Ok(())
}

/// An AEAD of nothing but additional data, 364 bytes of it: a MAC.
fn authenticates(t: &dyn Transport) -> Outcome {
    for (alg, nonce) in [(Algorithm::GCM, &IV[..12]), (Algorithm::CCM, &IV[..13])] {
        let id = key(t, alg)?;
        let mut tag = [0; 16];
        want!(aead_encrypt(&t, id, alg, nonce, &AD, &[], &mut tag), Ok(16));
        want!(aead_decrypt(&t, id, alg, nonce, &AD, &tag, &mut []), Ok(0));
        tag[3] ^= 1;
        refused!(
            aead_decrypt(&t, id, alg, nonce, &AD, &tag, &mut []),
            INVALID_SIGNATURE
        );
        tag[3] ^= 1;
        refused!(
            aead_decrypt(&t, id, alg, nonce, &AD[1..], &tag, &mut []),
            INVALID_SIGNATURE
        );
        need!(destroy_key(&t, id));
    }
    Ok(())
}

fn at_once(t: &dyn Transport) -> Outcome {
    let (mut out, ccm) = ([0; 40], Algorithm::CCM);
    let id = key(t, ccm)?;
    let short = ccm.with_tag_length(4);
    // (algorithm, nonce, status): a tag that the policy has not, none, no nonce, no AEAD.
    for (alg, nonce, status) in [
        (short, 13, Status::NOT_PERMITTED),
        (Algorithm::GCM, 12, Status::NOT_PERMITTED),
        (ccm, 0, Status::INVALID_ARGUMENT),
        (ccm, 14, Status::INVALID_ARGUMENT),
        (Algorithm::CFB, 13, Status::INVALID_ARGUMENT),
        (Algorithm(u32::MAX), 13, Status::INVALID_ARGUMENT),
    ] {
        let nonce = IV.get(..nonce).unwrap_or_default();
        want!(
            aead_encrypt(&t, id, alg, nonce, &AD[..8], &TEXT[..16], &mut out),
            Err(status)
        );
        want!(
            aead_decrypt(&t, id, alg, nonce, &AD[..8], &TEXT[..32], &mut out),
            Err(status)
        );
    }
    for room in [0, 16, 31] {
        let room = out.get_mut(..room).unwrap_or_default();
        refused!(
            aead_encrypt(&t, id, ccm, &IV[..13], &AD[..8], &TEXT[..16], room),
            BUFFER_TOO_SMALL
        );
    }
    need!(destroy_key(&t, id));
    // No tag at all is no AEAD, whatever the policy says.
    let none = ccm.with_tag_length(0);
    let id = key(t, none)?;
    refused!(
        aead_encrypt(&t, id, none, &IV[..13], &[], &TEXT[..16], &mut out),
        INVALID_ARGUMENT
    );
    need!(destroy_key(&t, id));
    // Usage comes before the room.
    let attributes = volatile(KeyType::AES, 128, usage::DECRYPT, ccm);
    let id = need!(import_key(&t, &attributes, &KEY));
    refused!(
        aead_encrypt(&t, id, ccm, &IV[..13], &[], &TEXT, &mut out[..1]),
        NOT_PERMITTED
    );
    need!(destroy_key(&t, id));
    Ok(())
}

fn setup_refusals(t: &dyn Transport) -> Outcome {
    let id = key(t, Algorithm::GCM)?;
    let setups = |id, alg| {
        [
            AeadOperation::encrypt_setup(t, id, alg).map(drop),
            AeadOperation::decrypt_setup(t, id, alg).map(drop),
        ]
    };
    for got in setups(id, Algorithm::GCM.with_tag_length(4)) {
        refused!(got, NOT_PERMITTED);
    }
    for got in setups(id, Algorithm(u32::MAX)) {
        refused!(got, INVALID_ARGUMENT);
    }
    need!(destroy_key(&t, id));
    for id in [id, 0, 8, 10, 11, 13, 16] {
        for got in setups(id, Algorithm::GCM) {
            refused!(got, INVALID_HANDLE);
        }
    }
    Ok(())
}

/// An operation by raw calls, as a C client makes them after an error.
struct Raw<'a> {
    t: &'a dyn Transport,
    handle: u32,
}

impl<'a> Raw<'a> {
    fn start(t: &'a dyn Transport, id: u32, alg: Algorithm, setup: u16) -> Result<Self, Broken> {
        let setup = CryptoIovec {
            key_id: id,
            alg: alg.0,
            ..CryptoIovec::new(setup)
        };
        let mut handle = 0;
        need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
        Ok(Raw { t, handle })
    }

    fn lengths(&self, ad: u32, text: u32) -> Result<(), Status> {
        let iov = CryptoIovec {
            ad_length: ad,
            plaintext_length: text,
            ..on(f::AEAD_SET_LENGTHS, self.handle)
        };
        raw(self.t, &iov, &[], None, &mut []).map(drop)
    }

    fn give(&self, function_id: u16, input: &[u8], out: &mut [u8]) -> Result<usize, Status> {
        raw(self.t, &on(function_id, self.handle), &[input], None, out)
    }

    fn end(&self, function_id: u16, input: &[&[u8]], out: &mut [u8]) -> Result<usize, Status> {
        let mut handle = self.handle;
        let iov = on(function_id, self.handle);
        raw(self.t, &iov, input, Some(&mut handle), out)
    }

    /// It is over: nothing but abort.
    fn over(&self) -> Outcome {
        let mut out = [0; 32];
        refused!(self.lengths(0, 0), BAD_STATE);
        refused!(self.give(f::AEAD_SET_NONCE, &IV[..12], &mut []), BAD_STATE);
        refused!(self.give(f::AEAD_UPDATE_AD, &AD[..4], &mut []), BAD_STATE);
        refused!(self.give(f::AEAD_UPDATE, &TEXT[..4], &mut out), BAD_STATE);
        refused!(self.end(f::AEAD_FINISH, &[], &mut out), BAD_STATE);
        refused!(self.end(f::AEAD_VERIFY, &[&IV], &mut []), BAD_STATE);
        need!(self.end(f::AEAD_ABORT, &[], &mut []));
        Ok(())
    }
}

fn nonce_once(t: &dyn Transport) -> Outcome {
    // (algorithm, lengths of nonces that are none, one that is)
    let cases: [(Algorithm, &[usize], usize); 2] = [
        (Algorithm::CCM, &[0, 6, 14, 16], 13),
        (Algorithm::GCM, &[0], 13),
    ];
    for (alg, none, length) in cases {
        let id = key(t, alg)?;
        let start = |setup| Raw::start(t, id, alg, setup);
        for wrong in none {
            let operation = start(f::AEAD_ENCRYPT_SETUP)?;
            let nonce = IV.get(..*wrong).unwrap_or_default();
            refused!(
                operation.give(f::AEAD_SET_NONCE, nonce, &mut []),
                INVALID_ARGUMENT
            );
            operation.over()?;
        }
        let operation = start(f::AEAD_ENCRYPT_SETUP)?;
        need!(operation.give(f::AEAD_SET_NONCE, &IV[..length], &mut []));
        refused!(
            operation.give(f::AEAD_SET_NONCE, &IV[..length], &mut []),
            BAD_STATE
        );
        operation.over()?;
        // Drawn: into room enough, once, and not for who decrypts.
        let draw = |operation: &Raw<'_>, room: &mut [u8]| {
            let iov = on(f::AEAD_GENERATE_NONCE, operation.handle);
            raw(t, &iov, &[], None, room)
        };
        let mut room = [0; 16];
        let operation = start(f::AEAD_ENCRYPT_SETUP)?;
        need!(operation.lengths(0, 0));
        refused!(draw(&operation, &mut room[..11]), BUFFER_TOO_SMALL);
        operation.over()?;
        let operation = start(f::AEAD_ENCRYPT_SETUP)?;
        need!(operation.lengths(0, 0));
        let drawn = need!(draw(&operation, &mut room));
        same!(drawn, if alg == Algorithm::CCM { 13 } else { 12 });
        refused!(draw(&operation, &mut room), BAD_STATE);
        operation.over()?;
        let operation = start(f::AEAD_DECRYPT_SETUP)?;
        refused!(draw(&operation, &mut room), BAD_STATE);
        operation.over()?;
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// Lengths that were said and not kept end an operation.
fn fails_once(t: &dyn Transport) -> Outcome {
    for (alg, nonce) in [(Algorithm::GCM, &IV[..12]), (Algorithm::CCM, &IV[..13])] {
        let id = key(t, alg)?;
        let start = |ad, text| -> Result<Raw<'_>, Broken> {
            let operation = Raw::start(t, id, alg, f::AEAD_ENCRYPT_SETUP)?;
            need!(operation.lengths(ad, text));
            need!(operation.give(f::AEAD_SET_NONCE, nonce, &mut []));
            Ok(operation)
        };
        let mut out = [0; 48];
        // Additional data: too much; too little, then text.
        let operation = start(4, 8)?;
        refused!(
            operation.give(f::AEAD_UPDATE_AD, &AD[..5], &mut []),
            INVALID_ARGUMENT
        );
        operation.over()?;
        let operation = start(4, 8)?;
        need!(operation.give(f::AEAD_UPDATE_AD, &AD[..3], &mut []));
        refused!(
            operation.give(f::AEAD_UPDATE, &TEXT[..8], &mut out),
            INVALID_ARGUMENT
        );
        operation.over()?;
        // Text: too much, no room, too little at the end; then additional data behind it.
        let operation = start(0, 8)?;
        refused!(
            operation.give(f::AEAD_UPDATE, &TEXT[..9], &mut out),
            INVALID_ARGUMENT
        );
        operation.over()?;
        let operation = start(0, 8)?;
        refused!(
            operation.give(f::AEAD_UPDATE, &TEXT[..8], &mut out[..7]),
            BUFFER_TOO_SMALL
        );
        operation.over()?;
        let operation = start(0, 8)?;
        want!(operation.give(f::AEAD_UPDATE, &TEXT[..7], &mut out), Ok(7));
        refused!(
            operation.end(f::AEAD_FINISH, &[], &mut out[..16]),
            INVALID_ARGUMENT
        );
        operation.over()?;
        let operation = start(0, 8)?;
        want!(operation.give(f::AEAD_UPDATE, &TEXT[..8], &mut out), Ok(8));
        refused!(
            operation.give(f::AEAD_UPDATE_AD, &AD[..1], &mut []),
            BAD_STATE
        );
        operation.over()?;
        // Lengths twice.
        let operation = Raw::start(t, id, alg, f::AEAD_ENCRYPT_SETUP)?;
        need!(operation.lengths(1, 1));
        refused!(operation.lengths(1, 1), BAD_STATE);
        operation.over()?;
        need!(destroy_key(&t, id));
    }
    Ok(())
}

/// The end of one, well or not, is its end.
fn ends_once(t: &dyn Transport) -> Outcome {
    for (alg, nonce) in [(Algorithm::GCM, &IV[..12]), (Algorithm::CCM, &IV[..13])] {
        let id = key(t, alg)?;
        let mut whole = [0; 24];
        want!(
            aead_encrypt(&t, id, alg, nonce, &AD[..4], &TEXT[..8], &mut whole),
            Ok(24)
        );
        let start = |setup, text: &[u8]| -> Result<Raw<'_>, Broken> {
            let operation = Raw::start(t, id, alg, setup)?;
            need!(operation.lengths(4, 8));
            need!(operation.give(f::AEAD_SET_NONCE, nonce, &mut []));
            need!(operation.give(f::AEAD_UPDATE_AD, &AD[..4], &mut []));
            want!(operation.give(f::AEAD_UPDATE, text, &mut [0; 8]), Ok(8));
            Ok(operation)
        };
        let mut tag = [0; 16];
        for room in [10, 15, 16] {
            let operation = start(f::AEAD_ENCRYPT_SETUP, &TEXT[..8])?;
            let short = tag.get_mut(..room).unwrap_or_default();
            let got = operation.end(f::AEAD_FINISH, &[], short);
            match room {
                16 => want!(got, Ok(16)),
                _ => refused!(got, BUFFER_TOO_SMALL),
            }
            operation.over()?;
        }
        same!(tag, whole[8..]);
        for length in [0, 10, 15, 16] {
            let operation = start(f::AEAD_DECRYPT_SETUP, &whole[..8])?;
            let given = tag.get(..length).unwrap_or_default();
            let got = operation.end(f::AEAD_VERIFY, &[given], &mut []);
            match length {
                16 => want!(got, Ok(0)),
                _ => refused!(got, INVALID_SIGNATURE),
            }
            operation.over()?;
        }
        // The end of the other direction.
        let operation = start(f::AEAD_ENCRYPT_SETUP, &TEXT[..8])?;
        refused!(operation.end(f::AEAD_VERIFY, &[&tag], &mut []), BAD_STATE);
        operation.over()?;
        let operation = start(f::AEAD_DECRYPT_SETUP, &whole[..8])?;
        refused!(operation.end(f::AEAD_FINISH, &[], &mut tag), BAD_STATE);
        operation.over()?;
        need!(destroy_key(&t, id));
    }
    Ok(())
}
