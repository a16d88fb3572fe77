//! RSA signatures that OpenSSL made, and everything near them that must not verify.

mod common;

use common::*;
use psa_interface::crypto::function as f;
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyType, Status};
use spe_crypto::host::HostCrypto;

#[test]
fn rsa_signatures_of_openssl() {
    let c = HostCrypto::new(1);
    let mut message = Vec::new();
    let mut key: (u16, Vec<u8>) = (0, Vec::new());
    let mut run = 0;
    for line in include_str!("vectors/rsa.txt")
        .lines()
        .filter(|l| !l.starts_with('#'))
    {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["message", bytes] => message = hex(bytes),
            ["key", bits, der] => key = (bits.parse().unwrap(), hex(der)),
            ["sig", scheme, hash, bytes] => {
                let hash = match hash {
                    "256" => Algorithm::SHA_256,
                    "384" => Algorithm::SHA_384,
                    _ => Algorithm::SHA_512,
                };
                check(&c, &key, scheme, hash, &message, &hex(bytes));
                run += 1;
            }
            _ => panic!("{line}"),
        }
    }
    assert_eq!(run, 36);
}

fn check(
    c: &HostCrypto,
    (bits, der): &(u16, Vec<u8>),
    scheme: &str,
    hash: Algorithm,
    message: &[u8],
    signature: &[u8],
) {
    let (exact, any, pkcs1) = (
        Algorithm::rsa_pss(hash),
        Algorithm::rsa_pss_any_salt(hash),
        Algorithm::rsa_pkcs1v15_sign(hash),
    );
    let digest = with_key(c, f::HASH_COMPUTE, 0, hash, &[message], 64).unwrap();
    for alg in [exact, any, pkcs1] {
        let a = attributes(KeyType::RSA_PUBLIC_KEY, *bits, usage::VERIFY_HASH, alg);
        let id = import(c, a, der).unwrap();
        let expected = match scheme {
            "pss" => alg == exact || alg == any,
            "pkcs1" => alg == pkcs1,
            _ => alg == any,
        };
        let expected = if expected {
            Ok(vec![])
        } else {
            Err(Status::INVALID_SIGNATURE)
        };
        let verify = |digest: &[u8], signature: &[u8]| {
            with_key(c, f::VERIFY_HASH, id, alg, &[digest, signature], 0)
        };
        assert_eq!(
            verify(&digest, signature),
            expected,
            "{bits} {scheme} {alg:x?}"
        );
        let refused = Err(Status::INVALID_SIGNATURE);
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut bad = signature.to_vec();
            bad[at] ^= 1;
            assert_eq!(verify(&digest, &bad), refused);
        }
        let mut other = digest.clone();
        other[3] ^= 0x80;
        assert_eq!(verify(&other, signature), refused);
        assert_eq!(verify(&digest, &signature[1..]), refused);
        assert_eq!(verify(&digest, &[&[0], signature].concat()), refused);
        assert_eq!(verify(&digest, &vec![0xFF; signature.len()]), refused);
        assert_eq!(verify(&digest, &vec![0; signature.len()]), refused);
        assert_eq!(
            verify(&digest[1..], signature),
            Err(Status::INVALID_ARGUMENT)
        );
        destroy(c, id).unwrap();
    }
}

#[test]
fn damaged_rsa_keys_are_no_keys() {
    let c = HostCrypto::new(1);
    let line = include_str!("vectors/rsa.txt")
        .lines()
        .find(|l| l.starts_with("key 2048"))
        .unwrap();
    let der = hex(line.rsplit(' ').next().unwrap());
    let alg = Algorithm::rsa_pss(Algorithm::SHA_256);
    let a = attributes(KeyType::RSA_PUBLIC_KEY, 0, usage::VERIFY_HASH, alg);
    let try_import = |der: &[u8]| {
        let outcome = import(&c, a, der);
        if let Ok(id) = outcome {
            destroy(&c, id).unwrap();
        }
        outcome
    };
    assert!(try_import(&der).is_ok());
    for len in 0..der.len() {
        assert!(try_import(&der[..len]).is_err(), "cut at {len}");
    }
    assert_eq!(
        try_import(&[&der[..], &[0]].concat()),
        Err(Status::INVALID_ARGUMENT)
    );
    // Tags, lengths and the sign byte of the modulus; tag and length of the exponent.
    for at in (0..9).chain([der.len() - 5, der.len() - 4]) {
        for bit in 0..8 {
            let mut bad = der.clone();
            bad[at] ^= 1 << bit;
            assert!(try_import(&bad).is_err(), "byte {at} bit {bit} accepted");
        }
    }
    // Even moduli, even and tiny exponents.
    for (at, value) in [(9 + 255, 0), (der.len() - 1, 0), (9, 0x7F)] {
        let mut bad = der.clone();
        bad[at] = value;
        assert!(try_import(&bad).is_err(), "byte {at}");
    }
}
