//! The rules of PSA Crypto as the service keeps them: policy, ownership, operations, outputs.

mod common;

use common::*;
use psa_interface::crypto::{function as f, step as steps};
use psa_interface::key::{self, usage};
use psa_interface::{Algorithm, CryptoIovec, KeyAttributes, KeyType, Lifetime, Status};
use spe_crypto::OPERATION_SLOTS;
use spe_crypto::host::HostCrypto;

const SHA: Algorithm = Algorithm::SHA_256;
const NONE: Algorithm = Algorithm::NONE;

fn p256(flags: u32, alg: Algorithm) -> KeyAttributes {
    attributes(KeyType::ECC_KEY_PAIR_SECP_R1, 256, flags, alg)
}

#[test]
fn key_policy_table() {
    let c = HostCrypto::new(1);
    let ecdsa = Algorithm::ecdsa(SHA);
    let any = Algorithm::ecdsa(Algorithm::ANY_HASH);
    let gcm = Algorithm::GCM;
    let hmac = Algorithm::HMAC_SHA_256;
    let denied = Some(Status::NOT_PERMITTED);
    let invalid = Some(Status::INVALID_ARGUMENT);
    let hash: &[&[u8]] = &[&[7; 32]];
    // Key, function, algorithm asked for, inputs, output size, status.
    type Row<'a> = (
        KeyAttributes,
        u16,
        Algorithm,
        &'a [&'a [u8]],
        usize,
        Option<Status>,
    );
    let aes = |flags| attributes(KeyType::AES, 128, flags, gcm);
    let mac = |flags| attributes(KeyType::HMAC, 256, flags, hmac);
    let table: &[Row<'_>] = &[
        (
            p256(usage::SIGN_HASH, ecdsa),
            f::SIGN_HASH,
            ecdsa,
            hash,
            64,
            None,
        ),
        (
            p256(usage::SIGN_HASH, ecdsa),
            f::SIGN_MESSAGE,
            ecdsa,
            &[b"m"],
            64,
            None,
        ),
        (
            p256(usage::SIGN_MESSAGE, ecdsa),
            f::SIGN_HASH,
            ecdsa,
            hash,
            64,
            denied,
        ),
        (
            p256(usage::SIGN_MESSAGE, ecdsa),
            f::SIGN_MESSAGE,
            ecdsa,
            &[b"m"],
            64,
            None,
        ),
        (
            p256(usage::VERIFY_HASH, ecdsa),
            f::SIGN_HASH,
            ecdsa,
            hash,
            64,
            denied,
        ),
        (
            p256(usage::SIGN_HASH, any),
            f::SIGN_HASH,
            ecdsa,
            hash,
            64,
            None,
        ),
        (
            p256(usage::SIGN_HASH, any),
            f::SIGN_HASH,
            any,
            hash,
            64,
            invalid,
        ),
        (
            p256(usage::SIGN_HASH, ecdsa),
            f::SIGN_HASH,
            Algorithm::deterministic_ecdsa(SHA),
            hash,
            64,
            denied,
        ),
        (
            p256(usage::SIGN_HASH, ecdsa),
            f::SIGN_HASH,
            Algorithm::ecdsa(Algorithm::SHA_384),
            &[&[7; 48]],
            64,
            denied,
        ),
        (
            p256(usage::SIGN_HASH, ecdsa),
            f::SIGN_HASH,
            ecdsa,
            &[&[7; 31]],
            64,
            invalid,
        ),
        (
            p256(usage::SIGN_HASH, ecdsa),
            f::SIGN_HASH,
            ecdsa,
            hash,
            63,
            Some(Status::BUFFER_TOO_SMALL),
        ),
        (
            p256(usage::SIGN_HASH, ecdsa),
            f::SIGN_HASH,
            hmac,
            hash,
            64,
            invalid,
        ),
        (
            p256(usage::SIGN_HASH, NONE),
            f::SIGN_HASH,
            ecdsa,
            hash,
            64,
            denied,
        ),
        (
            p256(usage::DERIVE, ecdsa),
            f::RAW_KEY_AGREEMENT,
            Algorithm::ECDH,
            hash,
            32,
            denied,
        ),
        (
            p256(usage::SIGN_HASH, Algorithm::ECDH),
            f::RAW_KEY_AGREEMENT,
            Algorithm::ECDH,
            hash,
            32,
            denied,
        ),
        (
            p256(usage::DERIVE, Algorithm::ECDH),
            f::RAW_KEY_AGREEMENT,
            Algorithm::ECDH,
            hash,
            32,
            invalid,
        ),
        (
            p256(usage::DERIVE, Algorithm::ECDH),
            f::EXPORT_KEY,
            NONE,
            &[],
            32,
            denied,
        ),
        (
            p256(usage::EXPORT, Algorithm::ECDH),
            f::EXPORT_KEY,
            NONE,
            &[],
            32,
            None,
        ),
        (
            p256(usage::EXPORT, Algorithm::ECDH),
            f::EXPORT_KEY,
            NONE,
            &[],
            31,
            Some(Status::BUFFER_TOO_SMALL),
        ),
        (p256(0, NONE), f::EXPORT_PUBLIC_KEY, NONE, &[], 65, None),
        (
            p256(0, NONE),
            f::EXPORT_PUBLIC_KEY,
            NONE,
            &[],
            64,
            Some(Status::BUFFER_TOO_SMALL),
        ),
        (
            aes(usage::ENCRYPT),
            f::EXPORT_PUBLIC_KEY,
            NONE,
            &[],
            65,
            invalid,
        ),
        (aes(usage::ENCRYPT), f::EXPORT_KEY, NONE, &[], 32, denied),
        (
            mac(usage::SIGN_MESSAGE),
            f::MAC_COMPUTE,
            hmac,
            &[b"m"],
            32,
            None,
        ),
        (
            mac(usage::SIGN_MESSAGE),
            f::MAC_COMPUTE,
            hmac,
            &[b"m"],
            31,
            Some(Status::BUFFER_TOO_SMALL),
        ),
        (
            mac(usage::VERIFY_MESSAGE),
            f::MAC_COMPUTE,
            hmac,
            &[b"m"],
            32,
            denied,
        ),
        (
            mac(usage::SIGN_MESSAGE),
            f::MAC_VERIFY,
            hmac,
            &[b"m", &[0; 32]],
            0,
            denied,
        ),
        (
            mac(usage::SIGN_MESSAGE),
            f::MAC_COMPUTE,
            Algorithm::HMAC_SHA_384,
            &[b"m"],
            48,
            denied,
        ),
        (
            mac(usage::SIGN_MESSAGE),
            f::MAC_COMPUTE,
            hmac.truncated_mac(8),
            &[b"m"],
            32,
            denied,
        ),
        (
            mac(usage::SIGN_MESSAGE),
            f::MAC_COMPUTE,
            SHA,
            &[b"m"],
            32,
            invalid,
        ),
        (
            aes(usage::ENCRYPT),
            f::CIPHER_ENCRYPT,
            Algorithm(0x04C0_1000),
            &[b"m"],
            32,
            denied,
        ),
    ];
    for (i, (a, function, alg, inputs, out, expected)) in table.iter().enumerate() {
        let id = generate(&c, *a).unwrap();
        let outcome = with_key(&c, *function, id, *alg, inputs, *out);
        assert_eq!(outcome.err(), *expected, "row {i}");
        destroy(&c, id).unwrap();
    }
    for (flags, function, expected) in [
        (usage::ENCRYPT, f::AEAD_ENCRYPT, None),
        (usage::DECRYPT, f::AEAD_ENCRYPT, denied),
        (usage::ENCRYPT, f::AEAD_DECRYPT, denied),
        (
            usage::DECRYPT,
            f::AEAD_DECRYPT,
            Some(Status::INVALID_SIGNATURE),
        ),
    ] {
        let id = generate(&c, aes(flags)).unwrap();
        let outcome = aead(&c, function, (id, gcm), &[1; 12], &[0; 20], b"", 40);
        assert_eq!(outcome.err(), expected);
        // Nonce and tag lengths, and another AEAD.
        let outcome = aead(&c, function, (id, gcm), &[], &[0; 20], b"", 40);
        assert_eq!(
            outcome.err(),
            if expected == denied { denied } else { invalid }
        );
        let other = aead(
            &c,
            function,
            (id, Algorithm::CCM),
            &[1; 12],
            &[0; 20],
            b"",
            40,
        );
        assert_eq!(other.err(), denied);
        destroy(&c, id).unwrap();
    }
    assert_eq!(c.in_use(), (0, 0));
}

#[test]
fn creation_table() {
    let c = HostCrypto::new(1);
    let ecdsa = Algorithm::ecdsa(SHA);
    let good = p256(usage::SIGN_HASH, ecdsa);
    let invalid = Err(Status::INVALID_ARGUMENT);
    let unsupported = Err(Status::NOT_SUPPORTED);
    let with = |change: &dyn Fn(&mut KeyAttributes)| {
        let mut a = good;
        change(&mut a);
        generate(&c, a).map(|id| destroy(&c, id).unwrap())
    };
    assert_eq!(with(&|_| ()), Ok(()));
    assert_eq!(with(&|a| a.bits = 0), invalid);
    assert_eq!(with(&|a| a.bits = 255), invalid);
    assert_eq!(with(&|a| a.bits = 384), unsupported);
    assert_eq!(with(&|a| a.id = 5), invalid, "an id for a volatile key");
    assert_eq!(
        with(&|a| a.lifetime = Lifetime::PERSISTENT),
        invalid,
        "no id"
    );
    assert_eq!(
        with(&|a| a.lifetime = Lifetime(0x100)),
        invalid,
        "no secure element"
    );
    assert_eq!(
        with(&|a| *a = a.persistent(key::KEY_ID_USER_MAX + 1)),
        invalid
    );
    assert_eq!(with(&|a| *a = a.persistent(key::KEY_ID_USER_MAX)), Ok(()));
    assert_eq!(with(&|a| (a.lifetime, a.id) = (Lifetime(0xFF), 5)), invalid);
    assert_eq!(with(&|a| a.usage |= 0x10), invalid, "no such flag");
    assert_eq!(
        with(&|a| a.key_type = KeyType::ECC_PUBLIC_KEY_SECP_R1),
        invalid
    );
    assert_eq!(with(&|a| a.key_type = KeyType::RSA_KEY_PAIR), unsupported);
    assert_eq!(with(&|a| a.key_type = KeyType::NONE), unsupported);
    assert_eq!(
        with(&|a| (a.key_type, a.bits) = (KeyType::AES, 192)),
        Ok(())
    );
    assert_eq!(
        with(&|a| (a.key_type, a.bits) = (KeyType::AES, 129)),
        invalid
    );
    assert_eq!(
        with(&|a| (a.key_type, a.bits) = (KeyType::CHACHA20, 128)),
        invalid
    );

    let order = hex("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
    let small = |n: usize| vec![1; n];
    for (a, data, expected) in [
        (good, small(32), Ok(())),
        (good, vec![0; 32], invalid),
        (good, order, invalid),
        (good, small(31), invalid),
        (good, vec![], invalid),
        (KeyAttributes { bits: 0, ..good }, small(32), Ok(())),
        (KeyAttributes { bits: 128, ..good }, small(32), invalid),
        (attributes(KeyType::AES, 0, 0, NONE), small(15), invalid),
        (
            attributes(KeyType::RAW_DATA, 0, 0, NONE),
            small(544),
            Ok(()),
        ),
        (
            attributes(KeyType::RAW_DATA, 0, 0, NONE),
            small(545),
            unsupported,
        ),
        (
            attributes(KeyType::ECC_PUBLIC_KEY_SECP_R1, 256, 0, NONE),
            small(65),
            invalid,
        ),
    ] {
        let outcome = import(&c, a, &data).map(|id| destroy(&c, id).unwrap());
        assert_eq!(outcome, expected, "{a:?} {}", data.len());
    }
    assert_eq!(c.in_use(), (0, 0));
}

#[test]
fn keys_belong_to_their_owner() {
    let alice = HostCrypto::new(1);
    let bob = alice.as_client(-3);
    let none = Err(Status::INVALID_HANDLE);
    for lifetime in [0, 1] {
        let mut a = p256(
            usage::SIGN_HASH | usage::EXPORT | usage::COPY,
            Algorithm::ecdsa(SHA),
        );
        if lifetime == 1 {
            a = a.persistent(9);
        }
        let id = generate(&alice, a).unwrap();
        let copy = |c: &HostCrypto| {
            let iov = CryptoIovec {
                key_id: id,
                ..iov(f::COPY_KEY)
            };
            let wanted = KeyAttributes::volatile(KeyType::NONE, 0, 0, Algorithm::ecdsa(SHA));
            call(c, iov, &[&wanted.encode()], &[4]).map(|_| Vec::new())
        };
        for (function, out) in [
            (f::GET_KEY_ATTRIBUTES, 24),
            (f::EXPORT_KEY, 32),
            (f::EXPORT_PUBLIC_KEY, 65),
            (f::PURGE_KEY, 0),
        ] {
            assert_eq!(with_key(&bob, function, id, NONE, &[], out), none);
            assert!(with_key(&alice, function, id, NONE, &[], out).is_ok());
        }
        assert_eq!(copy(&bob), none);
        assert!(copy(&alice).is_ok());
        assert_eq!(destroy(&bob, id), Err(Status::INVALID_HANDLE));
        // The same persistent id is another key for another owner.
        if lifetime == 1 {
            assert_eq!(generate(&alice, a), Err(Status::ALREADY_EXISTS));
            assert_eq!(generate(&bob, a), Ok(9));
            let export = |c| with_key(c, f::EXPORT_KEY, id, NONE, &[], 32).unwrap();
            assert_ne!(export(&alice), export(&bob));
            destroy(&bob, 9).unwrap();
        }
        destroy(&alice, id).unwrap();
        assert_eq!(with_key(&alice, f::EXPORT_KEY, id, NONE, &[], 32), none);
        assert_eq!(destroy(&alice, id), Err(Status::INVALID_HANDLE));
    }
    assert_eq!(destroy(&alice, 0), Ok(()));
    alice.service().forget_client(-2);
    assert_eq!(alice.in_use(), (0, 0));
}

#[test]
fn an_old_volatile_id_never_names_a_newer_key() {
    let c = HostCrypto::new(1);
    let a = attributes(KeyType::AES, 128, usage::EXPORT, Algorithm::GCM);
    let first = generate(&c, a).unwrap();
    destroy(&c, first).unwrap();
    let second = generate(&c, a).unwrap();
    assert_ne!(first, second);
    assert_eq!(
        with_key(&c, f::EXPORT_KEY, first, NONE, &[], 16),
        Err(Status::INVALID_HANDLE)
    );
}

#[test]
fn copies_never_gain_rights() {
    let c = HostCrypto::new(1);
    let ecdsa = Algorithm::ecdsa(SHA);
    let any = Algorithm::ecdsa(Algorithm::ANY_HASH);
    let copy = |id, wanted: KeyAttributes| {
        let iov = CryptoIovec {
            key_id: id,
            ..iov(f::COPY_KEY)
        };
        call(&c, iov, &[&wanted.encode()], &[4])
            .map(|o| u32::from_le_bytes(o[0].clone().try_into().unwrap()))
    };
    let attributes_of = |id| {
        let out = with_key(&c, f::GET_KEY_ATTRIBUTES, id, NONE, &[], 24).unwrap();
        KeyAttributes::decode(&out.try_into().unwrap())
    };
    let id = generate(&c, p256(usage::SIGN_HASH | usage::COPY, any)).unwrap();
    let all = p256(usage::ALL, ecdsa);
    let twin = copy(id, all).unwrap();
    let got = attributes_of(twin);
    assert_eq!(
        got.usage,
        usage::SIGN_HASH | usage::SIGN_MESSAGE | usage::COPY
    );
    assert_eq!(got.alg, ecdsa);
    assert_eq!(
        copy(twin, p256(usage::ALL, any)).map(|id| attributes_of(id).alg),
        Ok(ecdsa)
    );
    assert_eq!(
        copy(id, p256(usage::ALL, Algorithm::ECDH)),
        Err(Status::INVALID_ARGUMENT)
    );
    assert_eq!(
        copy(id, KeyAttributes { bits: 128, ..all }),
        Err(Status::INVALID_ARGUMENT)
    );
    let sealed = generate(&c, p256(usage::SIGN_HASH, ecdsa)).unwrap();
    assert_eq!(copy(sealed, all), Err(Status::NOT_PERMITTED));
}

#[test]
fn installed_keys_obey_the_same_rules() {
    let c = HostCrypto::new(1);
    let alg = Algorithm::ecdsa(SHA);
    let device = KeyAttributes {
        lifetime: Lifetime(0xFF),
        id: 1,
        ..p256(usage::SIGN_HASH, alg)
    };
    assert_eq!(c.install_key(device, &[3; 32]), Ok(1));
    assert_eq!(
        c.install_key(device, &[0; 32]),
        Err(Status::INVALID_ARGUMENT)
    );
    assert!(with_key(&c, f::SIGN_HASH, 1, alg, &[&[9; 32]], 64).is_ok());
    assert_eq!(
        with_key(&c, f::EXPORT_KEY, 1, NONE, &[], 32),
        Err(Status::NOT_PERMITTED)
    );
    assert_eq!(destroy(&c, 1), Err(Status::NOT_PERMITTED), "read-only");
    assert!(with_key(&c, f::EXPORT_PUBLIC_KEY, 1, NONE, &[], 65).is_ok());
    assert_eq!(
        with_key(&c.as_client(-3), f::SIGN_HASH, 1, alg, &[&[9; 32]], 64),
        Err(Status::INVALID_HANDLE)
    );
}

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
        (Algorithm(0x0880_0109), Status::NOT_SUPPORTED),
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
    let sealed = aead(
        &c,
        f::AEAD_ENCRYPT,
        (id, alg),
        &[1; 12],
        &text,
        b"ad",
        16400,
    )
    .unwrap();
    assert_eq!(
        aead(
            &c,
            f::AEAD_DECRYPT,
            (id, alg),
            &[1; 12],
            &sealed,
            b"ad",
            16384
        ),
        Ok(text)
    );
    let mut bad = sealed.clone();
    bad[16399] ^= 1;
    // `call` checks that every byte of the outputs of a failed call is zero.
    assert_eq!(
        aead(&c, f::AEAD_DECRYPT, (id, alg), &[1; 12], &bad, b"ad", 16384),
        Err(Status::INVALID_SIGNATURE)
    );
    assert_eq!(
        aead(
            &c,
            f::AEAD_DECRYPT,
            (id, alg),
            &[1; 12],
            &sealed,
            b"ad",
            16383
        ),
        Err(Status::BUFFER_TOO_SMALL)
    );
    assert_eq!(
        aead(
            &c,
            f::AEAD_DECRYPT,
            (id, alg),
            &[1; 12],
            &sealed[..15],
            b"ad",
            16383
        ),
        Err(Status::INVALID_ARGUMENT)
    );
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
