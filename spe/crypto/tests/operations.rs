//! Operations and records: whose they are, how many, in which order, and what a forged one leaves.

mod common;

use common::*;
use psa_interface::crypto::{function as f, step as steps};
use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, KeyType, Status};
use spe_crypto::OPERATION_SLOTS;
use spe_crypto::host::HostCrypto;

#[test]
fn operations_belong_to_owner_and_kind() {
    let alice = HostCrypto::new(1);
    let bob = alice.as_client(-3);
    let bad = Err(Status::BAD_STATE);
    let op = setup(&alice, f::HASH_SETUP, 0, SHA).unwrap();
    let sizes: &[usize] = &[4, 32];
    for (c, function, inputs, sizes) in [
        (&bob, f::HASH_UPDATE, &[&b"x"[..]][..], &[][..]),
        (&bob, f::HASH_FINISH, &[], sizes),
        (&bob, f::HASH_VERIFY, &[&[0; 32]], &[4]),
        (&bob, f::HASH_CLONE, &[&[0; 4]], &[4]),
        (&alice, f::MAC_UPDATE, &[b"x"], &[]),
        (&alice, f::MAC_SIGN_FINISH, &[], sizes),
        (&alice, f::KEY_DERIVATION_OUTPUT_BYTES, &[], &[4]),
        (&alice, f::KEY_DERIVATION_GET_CAPACITY, &[], &[4]),
    ] {
        assert_eq!(on(c, function, op, inputs, sizes), bad, "{function:#x}");
    }
    // Abort by a stranger, or of another kind, succeeds and changes nothing.
    assert!(on(&bob, f::HASH_ABORT, op, &[], &[4]).is_ok());
    assert!(on(&alice, f::MAC_ABORT, op, &[], &[4]).is_ok());
    assert_eq!(alice.in_use().1, 1);
    let out = on(&alice, f::HASH_FINISH, op, &[], sizes).unwrap();
    assert_eq!(
        out[1],
        with_key(&alice, f::HASH_COMPUTE, 0, SHA, &[], 32).unwrap()
    );

    // Setup wants handle 0.
    let iov = CryptoIovec {
        alg: SHA.0,
        op_handle: 1,
        ..iov(f::HASH_SETUP)
    };
    assert_eq!(call(&alice, iov, &[], &[4]), bad);
    // Clone wants a target of 0.
    let op = setup(&alice, f::HASH_SETUP, 0, SHA).unwrap();
    assert_eq!(on(&alice, f::HASH_CLONE, op, &[&[1, 0, 0, 0]], &[4]), bad);
    // A failed finish ends the operation.
    assert_eq!(
        on(&alice, f::HASH_FINISH, op, &[], &[4, 31]),
        Err(Status::BUFFER_TOO_SMALL)
    );
    assert_eq!(on(&alice, f::HASH_UPDATE, op, &[b"x"], &[]), bad);
    assert_eq!(alice.in_use(), (0, 0));
}

#[test]
fn the_pool_is_bounded_and_old_handles_die() {
    let c = HostCrypto::new(1);
    let handles: Vec<u32> = (0..OPERATION_SLOTS)
        .map(|_| setup(&c, f::HASH_SETUP, 0, SHA).unwrap())
        .collect();
    assert_eq!(setup(&c, f::HASH_SETUP, 0, SHA), Err(Status::NOT_PERMITTED));
    on(&c, f::HASH_ABORT, handles[3], &[], &[4]).unwrap();
    let fresh = setup(&c, f::HASH_SETUP, 0, SHA).unwrap();
    assert!(!handles.contains(&fresh));
    assert_eq!(
        on(&c, f::HASH_UPDATE, handles[3], &[b"x"], &[]),
        Err(Status::BAD_STATE)
    );
    c.service().forget_client(-2);
    assert_eq!(c.in_use(), (0, 0));
}

#[test]
fn a_mac_operation_goes_one_way() {
    let c = HostCrypto::new(1);
    let alg = Algorithm::HMAC_SHA_256;
    let flags = usage::SIGN_MESSAGE | usage::VERIFY_MESSAGE;
    let id = generate(&c, attributes(KeyType::HMAC, 256, flags, alg)).unwrap();
    let op = setup(&c, f::MAC_SIGN_SETUP, id, alg).unwrap();
    assert_eq!(
        on(&c, f::MAC_VERIFY_FINISH, op, &[&[0; 32]], &[4]),
        Err(Status::BAD_STATE)
    );
    let op = setup(&c, f::MAC_VERIFY_SETUP, id, alg).unwrap();
    assert_eq!(
        on(&c, f::MAC_SIGN_FINISH, op, &[], &[4, 32]),
        Err(Status::BAD_STATE)
    );
    assert_eq!(c.in_use().1, 0);
}

#[test]
fn derivation_order_and_capacity() {
    let c = HostCrypto::new(1);
    let bad = Err(Status::BAD_STATE);
    let invalid = Err(Status::INVALID_ARGUMENT);
    let out = |op, n| on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[n]).map(|o| o.concat());
    let start = |alg| setup(&c, f::KEY_DERIVATION_SETUP, 0, alg).unwrap();
    let (hkdf, extract, expand) = (
        Algorithm::hkdf(SHA),
        Algorithm::hkdf_extract(SHA),
        Algorithm::hkdf_expand(SHA),
    );
    // Alg, steps, and what the last of them says.
    let s = |n: u16, data: &'static [u8]| (n, data);
    type Row<'a> = (Algorithm, Vec<(u16, &'a [u8])>, Result<(), Status>);
    let table: Vec<Row<'_>> = vec![
        (
            hkdf,
            vec![s(steps::SECRET, b"x"), s(steps::SALT, b"s")],
            bad,
        ),
        (hkdf, vec![s(steps::SALT, b"s"), s(steps::SALT, b"s")], bad),
        (hkdf, vec![s(steps::INFO, b"s"), s(steps::INFO, b"s")], bad),
        (
            hkdf,
            vec![s(steps::SECRET, b"s"), s(steps::SECRET, b"s")],
            bad,
        ),
        (hkdf, vec![s(steps::LABEL, b"s")], invalid),
        (hkdf, vec![s(0, b"s")], invalid),
        (
            hkdf,
            vec![s(steps::INFO, &[0; 129])],
            Err(Status::INSUFFICIENT_MEMORY),
        ),
        (hkdf, vec![s(steps::INFO, &[0; 128])], Ok(())),
        (extract, vec![s(steps::SECRET, b"s")], bad),
        (extract, vec![s(steps::INFO, b"s")], invalid),
        (expand, vec![s(steps::SALT, b"s")], invalid),
        (expand, vec![s(steps::SECRET, &[0; 31])], invalid),
        (expand, vec![s(steps::SECRET, &[0; 32])], Ok(())),
    ];
    for (i, (alg, inputs, expected)) in table.into_iter().enumerate() {
        let op = start(alg);
        let results: Vec<_> = inputs
            .iter()
            .map(|(which, data)| step(&c, op, *which, data))
            .collect();
        assert_eq!(*results.last().unwrap(), expected, "row {i}");
        assert!(
            results[..results.len() - 1].iter().all(Result::is_ok),
            "row {i}"
        );
        // No output without every input, and none after an error.
        assert_eq!(out(op, 8).map(|_| ()), bad, "row {i}");
        on(&c, f::KEY_DERIVATION_ABORT, op, &[], &[4]).unwrap();
    }
    let op = start(hkdf);
    let set = |n: u64| {
        let iov = CryptoIovec {
            op_handle: op,
            value: n,
            ..iov(f::KEY_DERIVATION_SET_CAPACITY)
        };
        call(&c, iov, &[], &[]).map(|_| ())
    };
    assert_eq!(set(255 * 32 + 1), invalid);
    set(40).unwrap();
    step(&c, op, steps::SECRET, b"x").unwrap();
    step(&c, op, steps::INFO, b"").unwrap();
    // Bytes as the secret never become a key.
    let wanted = attributes(KeyType::AES, 128, 0, Algorithm::GCM);
    assert_eq!(
        on(
            &c,
            f::KEY_DERIVATION_OUTPUT_KEY,
            op,
            &[&wanted.encode()],
            &[4]
        ),
        Err(Status::NOT_PERMITTED)
    );
    assert!(out(op, 30).is_ok());
    assert_eq!(step(&c, op, steps::SECRET, b"y"), bad);
    let op2 = start(hkdf);
    step(&c, op2, steps::SECRET, b"x").unwrap();
    step(&c, op2, steps::INFO, b"").unwrap();
    out(op2, 30).unwrap();
    assert_eq!(out(op2, 255 * 32 - 29), Err(Status::INSUFFICIENT_DATA));
    assert_eq!(
        out(op2, 1),
        Err(Status::INSUFFICIENT_DATA),
        "capacity is gone"
    );
    on(&c, f::KEY_DERIVATION_ABORT, op2, &[], &[4]).unwrap();
    // Setup refuses what it is not for.
    for (alg, expected) in [
        (SHA, Status::INVALID_ARGUMENT),
        (Algorithm::ECDH, Status::INVALID_ARGUMENT),
        (Algorithm::hkdf(Algorithm::SHA_1), Status::NOT_SUPPORTED),
        (Algorithm(0x0880_0200), Status::NOT_SUPPORTED),
    ] {
        assert_eq!(
            setup(&c, f::KEY_DERIVATION_SETUP, 0, alg),
            Err(expected),
            "{alg:x?}"
        );
    }
    // A key enters by its policy and type only.
    let secret = import(
        &c,
        attributes(KeyType::DERIVE, 0, usage::DERIVE, extract),
        b"k",
    )
    .unwrap();
    let op3 = start(hkdf);
    assert_eq!(
        step_key(&c, op3, steps::SECRET, secret),
        Err(Status::NOT_PERMITTED)
    );
    let raw = import(
        &c,
        attributes(KeyType::RAW_DATA, 0, usage::DERIVE, hkdf),
        b"k",
    )
    .unwrap();
    let op4 = start(hkdf);
    assert_eq!(step_key(&c, op4, steps::SECRET, raw), invalid);
    let op5 = start(hkdf);
    assert_eq!(step_key(&c, op5, steps::SALT, raw), Ok(()));
    on(&c, f::KEY_DERIVATION_ABORT, op5, &[], &[4]).unwrap();
    assert_eq!(c.in_use().1, 0);
}

#[test]
fn a_forged_record_leaves_no_plaintext() {
    let c = HostCrypto::new(1);
    let alg = Algorithm::CHACHA20_POLY1305;
    let flags = usage::ENCRYPT | usage::DECRYPT;
    let id = generate(&c, attributes(KeyType::CHACHA20, 256, flags, alg)).unwrap();
    // A whole TLS record in one call.
    let text = Random(5).bytes(16 * 1024);
    let tls =
        |function, text: &[u8], out| aead(&c, function, (id, alg), &[1; 12], text, b"ad", out);
    let open = |sealed: &[u8], out| tls(f::AEAD_DECRYPT, sealed, out);
    let sealed = tls(f::AEAD_ENCRYPT, &text, 16400).unwrap();
    assert_eq!(open(&sealed, 16384), Ok(text));
    let mut bad = sealed.clone();
    bad[16399] ^= 1;
    // `call` checks that every byte of the outputs of a failed call is zero.
    assert_eq!(open(&bad, 16384), Err(Status::INVALID_SIGNATURE));
    assert_eq!(open(&sealed, 16383), Err(Status::BUFFER_TOO_SMALL));
    assert_eq!(open(&sealed[..15], 16383), Err(Status::INVALID_ARGUMENT));
}

#[test]
fn randomised_signatures_differ_and_verify() {
    let c = HostCrypto::new(1);
    let alg = Algorithm::ecdsa(SHA);
    let id = generate(&c, p256(usage::SIGN_HASH | usage::VERIFY_HASH, alg)).unwrap();
    let sign = || with_key(&c, f::SIGN_HASH, id, alg, &[&[7; 32]], 64).unwrap();
    let (a, b) = (sign(), sign());
    assert_ne!(a, b);
    for signature in [a, b] {
        with_key(&c, f::VERIFY_HASH, id, alg, &[&[7; 32], &signature], 0).unwrap();
    }
}

#[test]
fn random_bytes_fill_the_output() {
    let c = HostCrypto::new(1);
    let draw = |n| {
        call(&c, iov(f::GENERATE_RANDOM), &[], &[n])
            .unwrap()
            .remove(0)
    };
    assert_eq!(draw(0), []);
    for n in [1, 255, 256, 257, 5000] {
        let (a, b) = (draw(n), draw(n));
        assert_eq!((a.len(), b.len()), (n, n));
        assert!(n < 16 || a != b);
    }
}
