//! The rules of keys as the service keeps them: policy, creation, ownership, copies.

mod common;

use common::*;
use psa_interface::crypto::function as f;
use psa_interface::key::{self, usage};
use psa_interface::{Algorithm, CryptoIovec, KeyAttributes, KeyType, Lifetime, Status};
use spe_crypto::host::HostCrypto;

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
