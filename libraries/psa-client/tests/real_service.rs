//! The client against the secure world's own crypto service, linked into the test.
//!
//! Owns the agreement of the two halves of the wire: what the client packs, the service unpacks.
//! Known answers are from FIPS 180-4, RFC 4231, RFC 5869, RFC 8439 and NIST's GCM test case 4.

use psa_client::crypto::{self, HashOperation, KeyDerivation, MacOperation};
use psa_client::{Algorithm, KeyAttributes, KeyType, Status};
use psa_interface::crypto::step;
use psa_interface::key::usage;
use spe_crypto::host::HostCrypto;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| {
        u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex digits")
    };
    digits.chunks(2).map(byte).collect()
}

#[test]
fn hashes_at_once_in_parts_and_cloned() {
    let t = HostCrypto::new(1);
    let abc = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let mut h = [0; 48];
    assert_eq!(
        crypto::hash_compute(&t, Algorithm::SHA_256, b"abc", &mut h),
        Ok(32)
    );
    assert_eq!(h[..32], abc);
    assert_eq!(
        crypto::hash_compare(&t, Algorithm::SHA_256, b"abc", &abc),
        Ok(())
    );
    let wrong = crypto::hash_compare(&t, Algorithm::SHA_256, b"abd", &abc);
    assert_eq!(wrong, Err(Status::INVALID_SIGNATURE));

    let mut op = HashOperation::setup(t.clone(), Algorithm::SHA_256).unwrap();
    op.update(b"a").unwrap();
    let other = op.try_clone().unwrap();
    op.update(b"bc").unwrap();
    assert_eq!(t.in_use().1, 2);
    assert_eq!(op.verify(&abc), Ok(()));
    assert_eq!(other.finish(&mut h), Ok(32));
    assert_ne!(h[..32], abc);
    assert_eq!(t.in_use().1, 0);

    // Longer than one call carries.
    let data: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
    let mut whole = HashOperation::setup(&t, Algorithm::SHA_384).unwrap();
    whole.update(&data).unwrap();
    let mut parts = HashOperation::setup(&t, Algorithm::SHA_384).unwrap();
    data.chunks(777).for_each(|c| parts.update(c).unwrap());
    let mut h2 = [0; 48];
    assert_eq!(
        (whole.finish(&mut h), parts.finish(&mut h2)),
        (Ok(48), Ok(48))
    );
    assert_eq!(h, h2);
}

#[test]
fn slots_come_back_by_drop_and_after_errors() {
    let t = HostCrypto::new(2);
    for _ in 0..100 {
        let op = HashOperation::setup(&t, Algorithm::SHA_256).unwrap();
        assert_eq!(op.finish(&mut [0; 31]), Err(Status::BUFFER_TOO_SMALL));
        let _dropped = HashOperation::setup(&t, Algorithm::SHA_256).unwrap();
    }
    assert_eq!(t.in_use().1, 0);
    let held: Vec<_> = std::iter::repeat_with(|| HashOperation::setup(&t, Algorithm::SHA_256))
        .take_while(Result::is_ok)
        .collect();
    assert!(!held.is_empty());
    let full = HashOperation::setup(&t, Algorithm::SHA_256).err();
    assert_eq!(full, Some(Status::NOT_PERMITTED));
    drop(held);
    assert!(HashOperation::setup(&t, Algorithm::SHA_256).is_ok());
}

#[test]
fn macs() {
    // RFC 4231, test case 2.
    let t = HostCrypto::new(3);
    let both = usage::SIGN_MESSAGE | usage::VERIFY_MESSAGE;
    let attributes = KeyAttributes::volatile(KeyType::HMAC, 32, both, Algorithm::HMAC_SHA_256);
    let key = crypto::import_key(&t, &attributes, b"Jefe").unwrap();
    let expected = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    let data = b"what do ya want for nothing?";
    let mut mac = [0; 32];
    let n = crypto::mac_compute(&t, key, Algorithm::HMAC_SHA_256, data, &mut mac);
    assert_eq!((n, &mac[..]), (Ok(32), &expected[..]));
    assert_eq!(
        crypto::mac_verify(&t, key, Algorithm::HMAC_SHA_256, data, &mac),
        Ok(())
    );
    mac[3] ^= 1;
    let bad = crypto::mac_verify(&t, key, Algorithm::HMAC_SHA_256, data, &mac);
    assert_eq!(bad, Err(Status::INVALID_SIGNATURE));
    let mut op = MacOperation::sign_setup(&t, key, Algorithm::HMAC_SHA_256).unwrap();
    op.update(&data[..5]).unwrap();
    op.update(&data[5..]).unwrap();
    assert_eq!(
        (op.sign_finish(&mut mac), &mac[..]),
        (Ok(32), &expected[..])
    );
    let mut op = MacOperation::verify_setup(&t, key, Algorithm::HMAC_SHA_256).unwrap();
    op.update(data).unwrap();
    assert_eq!(op.verify_finish(&expected), Ok(()));
    assert_eq!(t.in_use().1, 0);
}

#[test]
fn aead_known_answers_and_tampering() {
    // NIST GCM test case 4 (as in McGrew and Viega, AES-128, 60-byte plaintext, 20-byte AD).
    let t = HostCrypto::new(4);
    let both = usage::ENCRYPT | usage::DECRYPT;
    let attributes = KeyAttributes::volatile(KeyType::AES, 128, both, Algorithm::GCM);
    let key = crypto::import_key(&t, &attributes, &hex("feffe9928665731c6d6a8f9467308308"));
    let key = key.unwrap();
    let nonce = hex("cafebabefacedbaddecaf888");
    let ad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let plain = hex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    );
    let expected = hex(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
         21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091\
         5bc94fbc3221a5db94fae95ae7121a47",
    );
    let mut sealed = [0; 76];
    let n = crypto::aead_encrypt(&t, key, Algorithm::GCM, &nonce, &ad, &plain, &mut sealed);
    assert_eq!((n, &sealed[..]), (Ok(76), &expected[..]));
    let mut opened = [0; 60];
    let n = crypto::aead_decrypt(&t, key, Algorithm::GCM, &nonce, &ad, &sealed, &mut opened);
    assert_eq!((n, &opened[..]), (Ok(60), &plain[..]));
    let other_ad = crypto::aead_decrypt(&t, key, Algorithm::GCM, &nonce, b"", &sealed, &mut opened);
    assert_eq!(other_ad, Err(Status::INVALID_SIGNATURE));
    sealed[0] ^= 0x80;
    let bad = crypto::aead_decrypt(&t, key, Algorithm::GCM, &nonce, &ad, &sealed, &mut opened);
    assert_eq!(bad, Err(Status::INVALID_SIGNATURE));
    let small = crypto::aead_encrypt(&t, key, Algorithm::GCM, &nonce, &ad, &plain, &mut [0; 75]);
    assert_eq!(small, Err(Status::BUFFER_TOO_SMALL));
}

#[test]
fn chacha20_poly1305_without_data_or_additional_data() {
    let t = HostCrypto::new(5);
    let both = usage::ENCRYPT | usage::DECRYPT;
    let alg = Algorithm::CHACHA20_POLY1305;
    let attributes = KeyAttributes::volatile(KeyType::CHACHA20, 256, both, alg);
    let key = crypto::import_key(&t, &attributes, &[7; 32]).unwrap();
    for (ad, plain) in [
        (&b""[..], &b""[..]),
        (b"ad", b""),
        (b"", b"data"),
        (b"ad", b"data"),
    ] {
        let (mut sealed, mut opened) = ([0; 64], [0; 64]);
        let n = crypto::aead_encrypt(&t, key, alg, &[1; 12], ad, plain, &mut sealed).unwrap();
        assert_eq!(n, plain.len() + 16);
        let m = crypto::aead_decrypt(&t, key, alg, &[1; 12], ad, &sealed[..n], &mut opened);
        assert_eq!((m, &opened[..plain.len()]), (Ok(plain.len()), plain));
    }
}

#[test]
fn a_sealed_key_signs_and_stays_sealed_and_is_its_owners() {
    let t = HostCrypto::new(6);
    let alg = Algorithm::ecdsa(Algorithm::SHA_256);
    let attributes = KeyAttributes::volatile(
        KeyType::ECC_KEY_PAIR_SECP_R1,
        256,
        usage::SIGN_HASH | usage::VERIFY_HASH,
        alg,
    );
    let key = crypto::generate_key(&t, &attributes).unwrap();
    let seen = crypto::get_key_attributes(&t, key).unwrap();
    assert_eq!(
        (seen.key_type, seen.bits, seen.alg),
        (attributes.key_type, 256, alg)
    );
    let mut signature = [0; 64];
    assert_eq!(
        crypto::sign_hash(&t, key, alg, &[9; 32], &mut signature),
        Ok(64)
    );
    assert_eq!(
        crypto::verify_hash(&t, key, alg, &[9; 32], &signature),
        Ok(())
    );
    let bad = crypto::verify_hash(&t, key, alg, &[8; 32], &signature);
    assert_eq!(bad, Err(Status::INVALID_SIGNATURE));
    let refused = crypto::export_key(&t, key, &mut [0; 64]);
    assert_eq!(refused, Err(Status::NOT_PERMITTED));
    let stranger = t.as_client(-3);
    assert!(crypto::sign_hash(&stranger, key, alg, &[9; 32], &mut signature).is_err());
    assert!(crypto::destroy_key(&stranger, key).is_err());
    assert_eq!(crypto::destroy_key(&t, key), Ok(()));
    assert!(crypto::get_key_attributes(&t, key).is_err());
}

#[test]
fn two_sides_agree_on_a_secret() {
    let t = HostCrypto::new(7);
    let attributes = KeyAttributes::volatile(
        KeyType::ECC_KEY_PAIR_SECP_R1,
        256,
        usage::DERIVE,
        Algorithm::ECDH,
    );
    let (a, b) = (
        crypto::generate_key(&t, &attributes).unwrap(),
        crypto::generate_key(&t, &attributes).unwrap(),
    );
    let public = |key| {
        let mut p = [0; 65];
        assert_eq!(crypto::export_public_key(&t, key, &mut p), Ok(65));
        assert_eq!(p[0], 4);
        p
    };
    let agree = |key, peer: &[u8]| {
        let mut s = [0; 32];
        crypto::raw_key_agreement(&t, Algorithm::ECDH, key, peer, &mut s).map(|n| (n, s))
    };
    assert_eq!(agree(a, &public(b)), agree(b, &public(a)));
    assert_eq!(agree(a, &public(b)).unwrap().0, 32);
    let mut off_curve = public(b);
    off_curve[64] ^= 1;
    assert_eq!(agree(a, &off_curve), Err(Status::INVALID_ARGUMENT));
}

#[test]
fn hkdf_known_answer() {
    // RFC 5869, test case 1.
    let t = HostCrypto::new(8);
    let mut kdf = KeyDerivation::setup(&t, Algorithm::hkdf(Algorithm::SHA_256)).unwrap();
    kdf.input_bytes(step::SALT, &hex("000102030405060708090a0b0c"))
        .unwrap();
    let secret = KeyAttributes::volatile(
        KeyType::DERIVE,
        0,
        usage::DERIVE,
        Algorithm::hkdf(Algorithm::SHA_256),
    );
    let key = crypto::import_key(&t, &secret, &[0x0b; 22]).unwrap();
    kdf.input_key(step::SECRET, key).unwrap();
    kdf.input_bytes(step::INFO, &hex("f0f1f2f3f4f5f6f7f8f9"))
        .unwrap();
    let mut okm = [0; 42];
    kdf.output_bytes(&mut okm).unwrap();
    let expected =
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_eq!(okm[..], hex(expected));
    drop(kdf);
    assert_eq!(t.in_use().1, 0);
}

#[test]
fn random_bytes_differ() {
    let t = HostCrypto::new(9);
    let (mut a, mut b) = ([0; 5000], [0; 5000]);
    crypto::generate_random(&t, &mut a).unwrap();
    crypto::generate_random(&t, &mut b).unwrap();
    assert_ne!(a, b);
    assert!(a.iter().any(|x| *x != 0) && a[4096..].iter().any(|x| *x != 0));
}
