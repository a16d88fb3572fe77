//! Published vectors through the service: RFC 4231, 5869, 6979, 8439, FIPS 180-4, SP 800-38D.

mod common;

use common::*;
use psa_interface::crypto::{function as f, step as steps};
use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, KeyType, Status};
use spe_crypto::host::HostCrypto;

#[test]
fn sha2() {
    let c = HostCrypto::new(1);
    // FIPS 180-4 examples: "abc", and the empty message.
    let table = [
        (
            Algorithm::SHA_256,
            &b"abc"[..],
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            Algorithm::SHA_256,
            b"",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            Algorithm::SHA_384,
            b"abc",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            Algorithm::SHA_512,
            b"abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ];
    for (alg, data, expected) in table {
        let expected = hex(expected);
        let one_shot = with_key(&c, f::HASH_COMPUTE, 0, alg, &[data], 64).unwrap();
        assert_eq!(one_shot, expected);
        let op = setup(&c, f::HASH_SETUP, 0, alg).unwrap();
        for byte in data {
            on(&c, f::HASH_UPDATE, op, &[&[*byte]], &[]).unwrap();
        }
        let copy = on(&c, f::HASH_CLONE, op, &[&[0; 4]], &[4]).unwrap();
        let copy = u32::from_le_bytes(copy[0].clone().try_into().unwrap());
        let out = on(&c, f::HASH_FINISH, op, &[], &[4, 64]).unwrap();
        assert_eq!(out, [vec![0; 4], expected.clone()]);
        assert_eq!(
            on(&c, f::HASH_FINISH, op, &[], &[4, 64]),
            Err(Status::BAD_STATE)
        );
        on(&c, f::HASH_VERIFY, copy, &[&expected], &[4]).unwrap();
        with_key(&c, f::HASH_COMPARE, 0, alg, &[data, &expected], 0).unwrap();
        let mut wrong = expected.clone();
        wrong[0] ^= 1;
        assert_eq!(
            with_key(&c, f::HASH_COMPARE, 0, alg, &[data, &wrong], 0),
            Err(Status::INVALID_SIGNATURE)
        );
    }
    // A million times "a", across many chunks.
    let million = vec![b'a'; 1_000_000];
    let out = with_key(&c, f::HASH_COMPUTE, 0, SHA, &[&million], 32).unwrap();
    assert_eq!(
        out,
        hex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    );
    assert_eq!(c.in_use(), (0, 0));
}

#[test]
fn hmac_rfc4231() {
    let c = HostCrypto::new(1);
    let table = [
        // Cases 1, 2, 6 (a key longer than a block): key, data, SHA-256, SHA-384.
        (
            vec![0x0B; 20],
            b"Hi There".to_vec(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            vec![0xAA; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        ),
    ];
    for (key, data, sha256, sha384) in table {
        for (alg, expected) in [
            (Algorithm::HMAC_SHA_256, sha256),
            (Algorithm::HMAC_SHA_384, sha384),
        ] {
            let expected = hex(expected);
            let flags = usage::SIGN_MESSAGE | usage::VERIFY_MESSAGE;
            let policy = alg.at_least_this_length(16);
            let id = import(&c, attributes(KeyType::HMAC, 0, flags, policy), &key).unwrap();
            assert_eq!(
                with_key(&c, f::MAC_COMPUTE, id, alg, &[&data], 64).unwrap(),
                expected
            );
            let short = alg.truncated_mac(16);
            let cut = with_key(&c, f::MAC_COMPUTE, id, short, &[&data], 64).unwrap();
            assert_eq!(cut, &expected[..16]);
            with_key(&c, f::MAC_VERIFY, id, alg, &[&data, &expected], 0).unwrap();
            assert_eq!(
                with_key(&c, f::MAC_VERIFY, id, alg, &[&data, &cut], 0),
                Err(Status::INVALID_SIGNATURE)
            );
            let op = setup(&c, f::MAC_SIGN_SETUP, id, alg).unwrap();
            on(&c, f::MAC_UPDATE, op, &[&data[..3]], &[]).unwrap();
            on(&c, f::MAC_UPDATE, op, &[&data[3..]], &[]).unwrap();
            let out = on(&c, f::MAC_SIGN_FINISH, op, &[], &[4, 64]).unwrap();
            assert_eq!(out, [vec![0; 4], expected.clone()]);
            let op = setup(&c, f::MAC_VERIFY_SETUP, id, short).unwrap();
            on(&c, f::MAC_UPDATE, op, &[&data], &[]).unwrap();
            on(&c, f::MAC_VERIFY_FINISH, op, &[&cut], &[4]).unwrap();
            destroy(&c, id).unwrap();
        }
    }
    assert_eq!(c.in_use(), (0, 0));
}

/// RFC 5869 test cases 1 to 3 through the three algorithms, and an output key.
#[test]
fn hkdf_rfc5869() {
    let c = HostCrypto::new(1);
    let long = |from: u8, to: u16| (u16::from(from)..to).map(|b| b as u8).collect::<Vec<u8>>();
    let table = [
        (
            vec![0x0B; 22],
            long(0, 13),
            long(0xF0, 0xFA),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            long(0, 0x50),
            long(0x60, 0xB0),
            long(0xB0, 0x100),
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0B; 22],
            vec![],
            vec![],
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (ikm, salt, info, prk, okm) in table {
        let (prk, okm) = (hex(prk), hex(okm));
        let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, Algorithm::hkdf_extract(SHA)).unwrap();
        step(&c, op, steps::SALT, &salt).unwrap();
        step(&c, op, steps::SECRET, &ikm).unwrap();
        let out = on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[32]).unwrap();
        assert_eq!(out[0], prk);
        assert_eq!(
            on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[1]),
            Err(Status::INSUFFICIENT_DATA)
        );
        on(&c, f::KEY_DERIVATION_ABORT, op, &[], &[4]).unwrap();

        let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, Algorithm::hkdf_expand(SHA)).unwrap();
        step(&c, op, steps::INFO, &info).unwrap();
        step(&c, op, steps::SECRET, &prk).unwrap();
        // In pieces that do not respect blocks.
        let mut got = Vec::new();
        for chunk in okm.chunks(7) {
            got.extend(
                on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[chunk.len()])
                    .unwrap()
                    .remove(0),
            );
        }
        assert_eq!(got, okm);
        on(&c, f::KEY_DERIVATION_ABORT, op, &[], &[4]).unwrap();

        let alg = Algorithm::hkdf(SHA);
        let secret = import(&c, attributes(KeyType::DERIVE, 0, usage::DERIVE, alg), &ikm).unwrap();
        let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, alg).unwrap();
        if !salt.is_empty() {
            step(&c, op, steps::SALT, &salt).unwrap();
        }
        step_key(&c, op, steps::SECRET, secret).unwrap();
        step(&c, op, steps::INFO, &info).unwrap();
        let wanted = attributes(KeyType::AES, 256, usage::EXPORT, Algorithm::GCM);
        let key = on(
            &c,
            f::KEY_DERIVATION_OUTPUT_KEY,
            op,
            &[&wanted.encode()],
            &[4],
        )
        .unwrap();
        let key = u32::from_le_bytes(key[0].clone().try_into().unwrap());
        assert_eq!(
            with_key(&c, f::EXPORT_KEY, key, Algorithm::NONE, &[], 64).unwrap(),
            &okm[..32]
        );
        let capacity = on(&c, f::KEY_DERIVATION_GET_CAPACITY, op, &[], &[4]).unwrap();
        assert_eq!(capacity[0], (255 * 32 - 32u32).to_le_bytes());
        let rest = on(
            &c,
            f::KEY_DERIVATION_OUTPUT_BYTES,
            op,
            &[],
            &[okm.len() - 32],
        )
        .unwrap();
        assert_eq!(rest[0], &okm[32..]);
        on(&c, f::KEY_DERIVATION_ABORT, op, &[], &[4]).unwrap();
        destroy(&c, key).unwrap();
        destroy(&c, secret).unwrap();
    }
    assert_eq!(c.in_use(), (0, 0));
}

/// RFC 8448 §3: early secret and the empty derived secret, as TLS 1.3 computes them.
#[test]
fn tls13_secrets_rfc8448() {
    let c = HostCrypto::new(1);
    let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, Algorithm::hkdf_extract(SHA)).unwrap();
    step(&c, op, steps::SALT, &[]).unwrap();
    step(&c, op, steps::SECRET, &[0; 32]).unwrap();
    let early = on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[32])
        .unwrap()
        .remove(0);
    assert_eq!(
        early,
        hex("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a")
    );
    on(&c, f::KEY_DERIVATION_ABORT, op, &[], &[4]).unwrap();
    let mut label = vec![0, 32, 13];
    label.extend(b"tls13 derived");
    label.push(32);
    label.extend(with_key(&c, f::HASH_COMPUTE, 0, SHA, &[], 32).unwrap());
    let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, Algorithm::hkdf_expand(SHA)).unwrap();
    step(&c, op, steps::SECRET, &early).unwrap();
    step(&c, op, steps::INFO, &label).unwrap();
    let derived = on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[32])
        .unwrap()
        .remove(0);
    assert_eq!(
        derived,
        hex("6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba")
    );
    on(&c, f::KEY_DERIVATION_ABORT, op, &[], &[4]).unwrap();
}

/// RFC 6979 §A.2.5, P-256 with SHA-256 and SHA-384, message "sample".
#[test]
fn deterministic_ecdsa_rfc6979() {
    let c = HostCrypto::new(1);
    let secret = hex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
    let public = hex(
        "04 60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
                      7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
    );
    let table = [
        (
            Algorithm::SHA_256,
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
             F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            Algorithm::SHA_384,
            "0EAFEA039B20E9B42309FB1D89E213057CBF973DC0CFC8F129EDDDC800EF7719
             4861F0491E6998B9455193E34E7B0D284DDD7149A74B95B9261F13ABDE940954",
        ),
    ];
    for (hash, expected) in table {
        let alg = Algorithm::deterministic_ecdsa(hash);
        let flags = usage::SIGN_HASH | usage::VERIFY_HASH;
        let pair = attributes(KeyType::ECC_KEY_PAIR_SECP_R1, 256, flags, alg);
        let id = import(&c, pair, &secret).unwrap();
        let got = with_key(&c, f::SIGN_MESSAGE, id, alg, &[b"sample"], 64).unwrap();
        assert_eq!(got, hex(expected), "{hash:?}");
        let exported = with_key(&c, f::EXPORT_PUBLIC_KEY, id, Algorithm::NONE, &[], 65).unwrap();
        assert_eq!(exported, public);
        with_key(&c, f::VERIFY_MESSAGE, id, alg, &[b"sample", &got], 0).unwrap();
        assert_eq!(
            with_key(&c, f::VERIFY_MESSAGE, id, alg, &[b"Sample", &got], 0),
            Err(Status::INVALID_SIGNATURE)
        );
        destroy(&c, id).unwrap();
    }
}

/// RFC 8439 §2.8.2, and GCM test cases 4 and 16 of the GCM specification (AES-128, AES-256).
#[test]
fn aead_vectors() {
    let c = HostCrypto::new(1);
    let gcm_text = hex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
                        1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    );
    let gcm_ad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let table = [
        (
            KeyType::CHACHA20,
            Algorithm::CHACHA20_POLY1305,
            hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
            hex("070000004041424344454647"),
            hex("50515253c0c1c2c3c4c5c6c7"),
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.".to_vec(),
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
        ),
        (
            KeyType::AES,
            Algorithm::GCM,
            hex("feffe9928665731c6d6a8f9467308308"),
            hex("cafebabefacedbaddecaf888"),
            gcm_ad.clone(),
            gcm_text.clone(),
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
        ),
        (
            KeyType::AES,
            Algorithm::GCM,
            hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
            hex("cafebabefacedbaddecaf888"),
            gcm_ad,
            gcm_text,
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662 76fc6ece0f4e1768cddf8853bb2d551b",
        ),
    ];
    for (key_type, alg, key, nonce, ad, text, expected) in table {
        let expected = hex(expected);
        let a = attributes(key_type, 0, usage::ENCRYPT | usage::DECRYPT, alg);
        let id = import(&c, a, &key).unwrap();
        let got = aead(&c, f::AEAD_ENCRYPT, (id, alg), &nonce, &text, &ad, 200).unwrap();
        assert_eq!(got, expected);
        let back = aead(&c, f::AEAD_DECRYPT, (id, alg), &nonce, &got, &ad, 200).unwrap();
        assert_eq!(back, text);
        for at in 0..got.len() {
            let mut bad = got.clone();
            bad[at] ^= 0x40;
            assert_eq!(
                aead(&c, f::AEAD_DECRYPT, (id, alg), &nonce, &bad, &ad, 200),
                Err(Status::INVALID_SIGNATURE)
            );
        }
        destroy(&c, id).unwrap();
    }
}

/// RFC 5903 §8.1 (P-256 Diffie-Hellman).
#[test]
fn ecdh_rfc5903() {
    let c = HostCrypto::new(1);
    let a = attributes(
        KeyType::ECC_KEY_PAIR_SECP_R1,
        256,
        usage::DERIVE,
        Algorithm::ECDH,
    );
    let i = hex("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433");
    let peer = hex(
        "04D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63
                    56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
    );
    let id = import(&c, a, &i).unwrap();
    let shared = with_key(&c, f::RAW_KEY_AGREEMENT, id, Algorithm::ECDH, &[&peer], 32).unwrap();
    assert_eq!(
        shared,
        hex("D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE")
    );
    let mut off_curve = peer.clone();
    off_curve[64] ^= 1;
    assert_eq!(
        with_key(
            &c,
            f::RAW_KEY_AGREEMENT,
            id,
            Algorithm::ECDH,
            &[&off_curve],
            32
        ),
        Err(Status::INVALID_ARGUMENT)
    );
    // ECDH and HKDF in one operation give what the two give one after the other.
    let combined = Algorithm::ECDH.with_kdf(Algorithm::hkdf(SHA));
    let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, combined).unwrap();
    let iov = CryptoIovec {
        op_handle: op,
        step: steps::SECRET,
        key_id: id,
        ..iov(f::KEY_DERIVATION_KEY_AGREEMENT)
    };
    call(&c, iov, &[&peer], &[]).unwrap();
    step(&c, op, steps::INFO, b"x").unwrap();
    let one = on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[40]).unwrap();
    let op2 = setup(&c, f::KEY_DERIVATION_SETUP, 0, Algorithm::hkdf(SHA)).unwrap();
    step(&c, op2, steps::SECRET, &shared).unwrap();
    step(&c, op2, steps::INFO, b"x").unwrap();
    let two = on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op2, &[], &[40]).unwrap();
    assert_eq!(one, two);
}
