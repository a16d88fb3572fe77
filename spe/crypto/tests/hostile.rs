//! Callers that send anything at all: no call panics, breaks a rule, or leaks a key.

mod common;

use common::*;
use psa_interface::crypto::function as f;
use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, KeyType, Status};
use spe_crypto::host::HostCrypto;

/// Algorithms worth asking for, right and wrong.
const ALGORITHMS: [u32; 20] = [
    0,
    0x04C0_1000,
    0x0440_4000,
    0x0440_4400,
    0x0550_0100,
    0x0200_0009,
    0x0200_000A,
    0x0200_000B,
    0x0380_0009,
    0x0390_0009,
    0x0550_0200,
    0x0510_0500,
    0x0600_0609,
    0x0600_0709,
    0x0600_0309,
    0x0800_0109,
    0x0800_0409,
    0x0800_0509,
    0x0902_0000,
    0x0902_0109,
];

#[test]
fn garbage_calls_never_panic_nor_leak() {
    let c = HostCrypto::new(1);
    let secret_alg = Algorithm::ecdsa(Algorithm::SHA_256);
    let marker = *b"this private key never goes out!";
    let a = attributes(
        KeyType::ECC_KEY_PAIR_SECP_R1,
        256,
        usage::SIGN_HASH,
        secret_alg,
    );
    c.install_key(a.persistent(1), &marker).unwrap();
    let mut r = Random(0x5EED_0001);
    let (mut ids, mut handles) = (vec![0, 1, 0x11], vec![0, 1, 2]);
    let mut successes = 0;
    for round in 0..60_000 {
        let mut v = CryptoIovec::decode(&r.bytes(56).try_into().unwrap());
        if r.below(8) != 0 {
            v.function_id = f::ALL[r.below(f::ALL.len())].0;
            v.alg = ALGORITHMS[r.below(ALGORITHMS.len())];
            v.key_id = ids[r.below(ids.len())];
            v.op_handle = handles[r.below(handles.len())];
            v.nonce_length = [0, 8, 12, 16, 17, u32::MAX][r.below(6)];
            v.step = [0x101, 0x202, 0x203, 0x201, 0][r.below(5)];
            if r.below(2) == 0 {
                v.op_handle = 0;
            }
        }
        let mut bytes = v.encode().to_vec();
        if r.below(50) == 0 {
            bytes.truncate(r.below(57));
        }
        let in_count = r.below(4);
        let mut inputs: Vec<Vec<u8>> = Vec::new();
        for _ in 0..in_count {
            let n = [0, 1, 4, 16, 24, 32, 64, 65, 300][r.below(9)];
            inputs.push(r.bytes(n));
        }
        if let Some(first) = inputs.first_mut()
            && first.len() == 24
        {
            // Often attributes that could be right.
            first[..4].copy_from_slice(
                &[[0x12, 0x71, 0, 1], [0, 0x24, 128, 0], [0, 0x11, 0, 1]][r.below(3)],
            );
            first[4..8].fill(0);
            first[9] &= 0x7F;
            first[8] &= 3;
            first[10..12].fill(0);
            first[12..16].copy_from_slice(&v.alg.to_le_bytes());
            first[16..24].fill(0);
        }
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let sizes: Vec<usize> = (0..r.below(4 - in_count))
            .map(|_| [0, 4, 4, 16, 24, 32, 64, 65, 400][r.below(9)])
            .collect();
        let (status, out) = call_raw(&c, &bytes, &inputs, &sizes);
        assert!(
            status == Status::SUCCESS || status.name().is_some(),
            "{status:?}"
        );
        assert!(status.0 <= 0);
        for o in &out {
            assert!(
                !o.windows(16).any(|w| marker.windows(16).any(|m| m == w)),
                "round {round}"
            );
        }
        if status == Status::SUCCESS {
            successes += 1;
            if let Some(word) = out.first().and_then(|o| <[u8; 4]>::try_from(&o[..]).ok()) {
                let word = u32::from_le_bytes(word);
                let list = if v.function_id >> 8 == 2 {
                    &mut ids
                } else {
                    &mut handles
                };
                if list.len() > 40 {
                    list.truncate(3);
                }
                list.push(word);
            }
        }
        if round % 500 == 0 {
            c.service().forget_client(-2);
            assert_eq!(c.in_use(), (0, 0));
        }
    }
    // The fuzzer reaches past the first check often enough to mean something.
    println!("{successes} of 60000 calls succeeded");
    assert!(successes > 3_000);
    // The provisioned key is still there and still works.
    c.service().forget_client(-2);
    let sign = with_key(&c, f::SIGN_HASH, 1, secret_alg, &[&[1; 32]], 64);
    assert!(
        sign.is_ok() || sign == Err(Status::INVALID_HANDLE),
        "{sign:?}"
    );
}

#[test]
fn malformed_calls_get_their_status() {
    let c = HostCrypto::new(1);
    let sha = CryptoIovec {
        alg: 0x0200_0009,
        ..iov(f::HASH_COMPUTE)
    }
    .encode();
    for len in 0..56 {
        let (status, _) = call_raw(&c, &sha[..len], &[], &[32]);
        assert_eq!(status, Status::PROGRAMMER_ERROR, "{len}");
    }
    for function in (0..=u16::MAX).filter(|id| f::ALL.iter().all(|(known, _)| known != id)) {
        let (status, _) = call_raw(&c, &iov(function).encode(), &[], &[4]);
        assert_eq!(status, Status::NOT_SUPPORTED, "{function:#x}");
    }
    // Missing or short outputs are found before anything is done.
    let a = attributes(KeyType::AES, 128, 0, Algorithm::GCM).encode();
    for sizes in [&[][..], &[3]] {
        let (status, _) = call_raw(&c, &iov(f::GENERATE_KEY).encode(), &[&a], sizes);
        assert_eq!(status, Status::PROGRAMMER_ERROR);
        let v = CryptoIovec {
            alg: 0x0200_0009,
            ..iov(f::HASH_SETUP)
        };
        assert_eq!(
            call_raw(&c, &v.encode(), &[], sizes).0,
            Status::PROGRAMMER_ERROR
        );
    }
    let (status, _) = call_raw(&c, &iov(f::GENERATE_KEY).encode(), &[&a[..23]], &[4]);
    assert_eq!(status, Status::PROGRAMMER_ERROR);
    assert_eq!(c.in_use(), (0, 0));
}

/// Against independent implementations, over lengths around every block and chunk boundary.
#[test]
fn aead_agrees_with_other_implementations() {
    use aes_gcm::aead::{Aead, KeyInit, Payload};
    let c = HostCrypto::new(1);
    let mut r = Random(77);
    let lengths = [
        0, 1, 15, 16, 17, 31, 63, 64, 65, 255, 256, 257, 511, 513, 1000,
    ];
    for text_len in lengths {
        for ad_len in [0, 1, 13, 16, 20, 256, 300] {
            let (key, nonce) = (r.bytes(32), r.bytes(12));
            let (text, ad) = (r.bytes(text_len), r.bytes(ad_len));
            let payload = || Payload {
                msg: &text,
                aad: &ad,
            };
            let n = nonce[..].try_into().unwrap();
            let expected = [
                (Algorithm::GCM, KeyType::AES, 16, {
                    let k = aes_gcm::Aes128Gcm::new_from_slice(&key[..16]).unwrap();
                    k.encrypt(n, payload()).unwrap()
                }),
                (Algorithm::GCM, KeyType::AES, 32, {
                    let k = aes_gcm::Aes256Gcm::new_from_slice(&key).unwrap();
                    k.encrypt(n, payload()).unwrap()
                }),
                (Algorithm::CHACHA20_POLY1305, KeyType::CHACHA20, 32, {
                    let k = chacha20poly1305::ChaCha20Poly1305::new_from_slice(&key).unwrap();
                    k.encrypt(n, payload()).unwrap()
                }),
            ];
            for (alg, key_type, key_len, sealed) in expected {
                let a = attributes(key_type, 0, usage::ENCRYPT | usage::DECRYPT, alg);
                let id = import(&c, a, &key[..key_len]).unwrap();
                let size = text_len + 16;
                let got = aead(&c, f::AEAD_ENCRYPT, (id, alg), &nonce, &text, &ad, size);
                assert_eq!(got.as_ref(), Ok(&sealed), "{alg:x?} {text_len} {ad_len}");
                let got = aead(
                    &c,
                    f::AEAD_DECRYPT,
                    (id, alg),
                    &nonce,
                    &sealed,
                    &ad,
                    text_len,
                );
                assert_eq!(got.as_ref(), Ok(&text), "{alg:x?} {text_len} {ad_len}");
                destroy(&c, id).unwrap();
            }
        }
    }
}

/// The constant that an image with the assembler back end must give as well.
#[test]
fn p256_digest_of_the_portable_back_end() {
    let digest = spe_crypto::primitives::differential::p256_digest(50);
    assert_eq!(
        digest[..],
        hex("285029893c93a86f14b968ace2670d053d066fd4a5ed91871a85ab1d04a990fc")
    );
}
