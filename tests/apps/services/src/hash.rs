//! Hashes: at once, compared, in parts; states of an operation.

use crate::{Outcome, Rule};
use psa_client::crypto::{HashOperation, hash_compare, hash_compute};
use psa_client::{Algorithm, OutVec, Status, Transport};
use psa_interface::crypto::{CryptoIovec, function as f};
use psa_interface::service::{CRYPTO_HANDLE, IPC_CALL};

/// The rules.
pub const RULES: [Rule; 7] = [
    rule("hash-known", known),
    rule("hash-compare", compare),
    rule("hash-long", long),
    rule("hash-refusals", refusals),
    rule("hash-states", states),
    rule("hash-clone", clone),
    rule("hash-operations-come-back", come_back),
];

const fn rule(id: &'static str, run: fn(&dyn Transport) -> Outcome) -> Rule {
    Rule { id, run }
}

/// Hash algorithm, length, and first bytes of the hash of "abc" (FIPS 180-4's examples).
type Known = (Algorithm, usize, [u8; 4]);
const KNOWN: [Known; 2] = [
    (Algorithm::SHA_224, 28, [0x23, 0x09, 0x7D, 0x22]),
    (Algorithm::SHA_256, 32, [0xBA, 0x78, 0x16, 0xBF]),
];
/// The same of those that TF-M's Medium set has not.
const LONG: [Known; 2] = [
    (Algorithm::SHA_384, 48, [0xCB, 0x00, 0x75, 0x3F]),
    (Algorithm::SHA_512, 64, [0xDD, 0xAF, 0x35, 0xA1]),
];

fn known(t: &dyn Transport) -> Outcome {
    known_of(t, &KNOWN)
}

fn compare(t: &dyn Transport) -> Outcome {
    compare_of(t, &KNOWN)
}

fn long(t: &dyn Transport) -> Outcome {
    known_of(t, &LONG)?;
    compare_of(t, &LONG)
}

fn known_of(t: &dyn Transport, hashes: &[Known]) -> Outcome {
    for &(alg, length, first) in hashes {
        let (mut whole, mut parts) = ([0; 64], [0; 64]);
        want!(hash_compute(&t, alg, b"abc", &mut whole), Ok(length));
        same!(whole[..4], first);
        let mut hash = need!(HashOperation::setup(t, alg));
        for byte in b"abc" {
            need!(hash.update(&[*byte]));
            need!(hash.update(&[]));
        }
        want!(hash.finish(&mut parts), Ok(length));
        same!(whole, parts);
        // Room of exactly that length is enough; one byte less is not.
        let exact = whole.get_mut(..length).unwrap_or_default();
        want!(hash_compute(&t, alg, b"abc", exact), Ok(length));
        let short = whole.get_mut(..length - 1).unwrap_or_default();
        refused!(hash_compute(&t, alg, b"abc", short), BUFFER_TOO_SMALL);
    }
    Ok(())
}

fn compare_of(t: &dyn Transport, hashes: &[Known]) -> Outcome {
    for &(alg, length, _) in hashes {
        let mut hash = [0; 65];
        need!(hash_compute(&t, alg, b"text", &mut hash));
        need!(hash_compare(&t, alg, b"text", &hash[..length]));
        refused!(
            hash_compare(&t, alg, b"Text", &hash[..length]),
            INVALID_SIGNATURE
        );
        // Cut off, longer, none: not that hash.
        for wrong in [length - 1, length + 1, 1, 0] {
            refused!(
                hash_compare(&t, alg, b"text", &hash[..wrong]),
                INVALID_SIGNATURE
            );
        }
        for (wrong, accepted) in [(length, true), (length - 1, false), (length + 1, false)] {
            let mut operation = need!(HashOperation::setup(t, alg));
            need!(operation.update(b"text"));
            let verified = operation.verify(&hash[..wrong]);
            same!(verified.is_ok(), accepted);
            if let Err(status) = verified {
                same!(status, Status::INVALID_SIGNATURE);
            }
        }
    }
    Ok(())
}

/// What is no hash is an argument, what is not offered is not supported.
fn refusals(t: &dyn Transport) -> Outcome {
    for alg in [
        Algorithm::NONE,
        Algorithm::CTR,
        Algorithm::HMAC_SHA_256,
        Algorithm::GCM,
        Algorithm::ECDH,
    ] {
        refused!(hash_compute(&t, alg, b"", &mut [0; 64]), INVALID_ARGUMENT);
        refused!(hash_compare(&t, alg, b"", &[0; 32]), INVALID_ARGUMENT);
        refused!(HashOperation::setup(t, alg).map(drop), INVALID_ARGUMENT);
    }
    // MD5, RIPEMD-160, SHA3-256: real, and not here.
    for alg in [0x0200_0003, 0x0200_0004, 0x0200_0011].map(Algorithm) {
        refused!(hash_compute(&t, alg, b"", &mut [0; 64]), NOT_SUPPORTED);
        refused!(HashOperation::setup(t, alg).map(drop), NOT_SUPPORTED);
    }
    Ok(())
}

/// A raw call of the crypto service: what a C client may send in any order.
pub(crate) fn raw(
    t: &dyn Transport,
    iov: &CryptoIovec,
    rest: &[&[u8]],
    handle: Option<&mut u32>,
    out: &mut [u8],
) -> Result<usize, Status> {
    let head = iov.encode();
    let mut all: [&[u8]; 3] = [&head, &[], &[]];
    for (to, from) in all.iter_mut().skip(1).zip(rest) {
        *to = from;
    }
    let inputs = all.get(..=rest.len()).unwrap_or_default();
    let mut word = handle.as_ref().map_or([0; 4], |h| h.to_le_bytes());
    let empty = out.is_empty();
    let (status, written) = match &handle {
        Some(_) => {
            let mut outs = [OutVec::new(&mut word), OutVec::new(out)];
            let used = outs.len() - usize::from(empty);
            let outs = outs.get_mut(..used).unwrap_or_default();
            let status = t.psa_call(CRYPTO_HANDLE, IPC_CALL, inputs, outs);
            (status, outs.get(1).map_or(0, |o| o.len))
        }
        None if empty => (t.psa_call(CRYPTO_HANDLE, IPC_CALL, inputs, &mut []), 0),
        None => {
            let mut outs = [OutVec::new(out)];
            let status = t.psa_call(CRYPTO_HANDLE, IPC_CALL, inputs, &mut outs);
            (status, outs[0].len)
        }
    };
    Status(status).ok()?;
    if let Some(handle) = handle {
        *handle = u32::from_le_bytes(word);
    }
    Ok(written)
}

/// An iovec for an operation.
pub(crate) fn on(function_id: u16, handle: u32) -> CryptoIovec {
    CryptoIovec {
        op_handle: handle,
        ..CryptoIovec::new(function_id)
    }
}

/// `nothing` must hold of no operation and of one that was aborted; a second setup of one is BAD_STATE.
pub(crate) fn life_of_a_handle(
    t: &dyn Transport,
    setup: CryptoIovec,
    abort: u16,
    nothing: &dyn Fn(u32) -> Outcome,
) -> Outcome {
    nothing(0)?;
    let mut handle = 0;
    need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
    let again = CryptoIovec {
        op_handle: handle,
        ..setup
    };
    refused!(raw(t, &again, &[], Some(&mut handle), &mut []), BAD_STATE);
    let old = handle;
    let abort = on(abort, old);
    need!(raw(t, &abort, &[], Some(&mut handle), &mut []));
    nothing(old)
}

/// No operation, one that was finished, and one that was aborted are BAD_STATE; so is a second
/// setup. An abort never fails.
fn states(t: &dyn Transport) -> Outcome {
    let mut hash = [0; 32];
    let setup = CryptoIovec {
        alg: Algorithm::SHA_256.0,
        ..CryptoIovec::new(f::HASH_SETUP)
    };
    let nothing = |handle: u32| -> Outcome {
        let mut out = [0; 32];
        let mut h = handle;
        refused!(
            raw(t, &on(f::HASH_UPDATE, handle), &[b"a"], None, &mut []),
            BAD_STATE
        );
        refused!(
            raw(t, &on(f::HASH_FINISH, handle), &[], Some(&mut h), &mut out),
            BAD_STATE
        );
        refused!(
            raw(
                t,
                &on(f::HASH_VERIFY, handle),
                &[&out],
                Some(&mut h),
                &mut []
            ),
            BAD_STATE
        );
        refused!(
            raw(
                t,
                &on(f::HASH_CLONE, handle),
                &[&[0; 4]],
                Some(&mut h),
                &mut []
            ),
            BAD_STATE
        );
        need!(raw(
            t,
            &on(f::HASH_ABORT, handle),
            &[],
            Some(&mut h),
            &mut []
        ));
        same!(h, 0);
        Ok(())
    };
    nothing(0)?;
    nothing(0xFFFF_FFFF)?;
    let mut handle = 0;
    need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
    same!(handle == 0, false);
    let old = handle;
    // A second setup of the same operation.
    let again = CryptoIovec {
        op_handle: handle,
        ..setup
    };
    refused!(raw(t, &again, &[], Some(&mut handle), &mut []), BAD_STATE);
    need!(raw(
        t,
        &on(f::HASH_FINISH, old),
        &[],
        Some(&mut handle),
        &mut hash
    ));
    same!(handle, 0);
    nothing(old)?;
    // One that failed to finish is over, too.
    need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
    let old = handle;
    refused!(
        raw(
            t,
            &on(f::HASH_FINISH, old),
            &[],
            Some(&mut handle),
            &mut hash[..31]
        ),
        BUFFER_TOO_SMALL
    );
    nothing(old)?;
    // And one of another kind was never this.
    need!(raw(t, &setup, &[], Some(&mut handle), &mut []));
    refused!(
        raw(t, &on(f::MAC_UPDATE, handle), &[b"a"], None, &mut []),
        BAD_STATE
    );
    refused!(
        raw(t, &on(f::AEAD_UPDATE_AD, handle), &[b"a"], None, &mut []),
        BAD_STATE
    );
    let abort = on(f::HASH_ABORT, handle);
    need!(raw(t, &abort, &[], Some(&mut handle), &mut []));
    Ok(())
}

/// A clone goes on by itself from where it was made.
fn clone(t: &dyn Transport) -> Outcome {
    let mut hash = need!(HashOperation::setup(t, Algorithm::SHA_256));
    need!(hash.update(b"a"));
    let mut other = need!(hash.try_clone());
    need!(hash.update(b"bc"));
    need!(other.update(b"x"));
    let (mut a, mut b, mut c) = ([0; 32], [0; 32], [0; 32]);
    need!(hash.finish(&mut a));
    need!(other.finish(&mut b));
    need!(hash_compute(&t, Algorithm::SHA_256, b"abc", &mut c));
    same!(a, c);
    need!(hash_compute(&t, Algorithm::SHA_256, b"ax", &mut c));
    same!(b, c);
    Ok(())
}

/// At least eight at a time (TF-M's default); when all are taken it says so, and they come back.
fn come_back(t: &dyn Transport) -> Outcome {
    let setup = CryptoIovec {
        alg: Algorithm::SHA_256.0,
        ..CryptoIovec::new(f::HASH_SETUP)
    };
    let mut counts = [0; 2];
    for count in &mut counts {
        let mut held = [0; 32];
        let mut last = Status::SUCCESS;
        for handle in &mut held {
            if let Err(status) = raw(t, &setup, &[], Some(handle), &mut []) {
                last = status;
                break;
            }
            *count += 1;
        }
        same!(last, Status::NOT_PERMITTED);
        for handle in held.iter_mut().filter(|h| **h != 0) {
            let abort = on(f::HASH_ABORT, *handle);
            need!(raw(t, &abort, &[], Some(handle), &mut []));
        }
    }
    same!(counts[0] >= 8, true);
    same!(counts[0], counts[1]);
    Ok(())
}
