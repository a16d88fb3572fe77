//! Real signatures, made by imgtool 2.5.0 with throw-away keys, and what tampering does to them.
//!
//! `s-ecdsa` and `ns-rsa` are as the product signs; the others are the other algorithm, a stranger's
//! key, no signature, no security counter, and a key hash in place of the key.

mod support;

use mcuboot_image::{Image, ImageVersion};
use ota_loader::crypto::{Software, Verify};
use ota_loader::{Algorithm, Refusal, verify};

const ECDSA_KEY: &[u8; 32] = include_bytes!("fixtures/ecdsa.keyhash");
const RSA_KEY: &[u8; 32] = include_bytes!("fixtures/rsa.keyhash");
const S_ECDSA: &[u8] = include_bytes!("fixtures/s-ecdsa.bin");
const S_RSA: &[u8] = include_bytes!("fixtures/s-rsa.bin");
const NS_ECDSA: &[u8] = include_bytes!("fixtures/ns-ecdsa.bin");
const NS_RSA: &[u8] = include_bytes!("fixtures/ns-rsa.bin");
const UNKNOWN: &[u8] = include_bytes!("fixtures/s-unknown.bin");
const UNSIGNED: &[u8] = include_bytes!("fixtures/s-unsigned.bin");
const NO_COUNTER: &[u8] = include_bytes!("fixtures/s-no-counter.bin");
const KEYHASH: &[u8] = include_bytes!("fixtures/s-keyhash.bin");

fn check(bytes: &[u8], key: &[u8; 32], counter: u32) -> Result<Algorithm, Refusal> {
    let image = Image::parse(bytes)?;
    verify(&mut Software::default(), &image, key, counter).map(|e| e.algorithm)
}

#[test]
fn either_image_by_either_algorithm() {
    assert_eq!(check(S_ECDSA, ECDSA_KEY, 3), Ok(Algorithm::EcdsaP256));
    assert_eq!(check(NS_ECDSA, ECDSA_KEY, 3), Ok(Algorithm::EcdsaP256));
    assert_eq!(check(S_RSA, RSA_KEY, 3), Ok(Algorithm::Rsa3072));
    assert_eq!(check(NS_RSA, RSA_KEY, 3), Ok(Algorithm::Rsa3072));
}

#[test]
fn refusals_by_name() {
    assert_eq!(check(S_ECDSA, RSA_KEY, 0), Err(Refusal::UnknownKey));
    assert_eq!(check(NS_RSA, ECDSA_KEY, 0), Err(Refusal::UnknownKey));
    assert_eq!(check(UNKNOWN, ECDSA_KEY, 0), Err(Refusal::UnknownKey));
    assert_eq!(check(KEYHASH, ECDSA_KEY, 0), Err(Refusal::UnknownKey));
    assert_eq!(check(UNSIGNED, ECDSA_KEY, 0), Err(Refusal::NotSigned));
    assert_eq!(
        check(NO_COUNTER, ECDSA_KEY, 0),
        Err(Refusal::CounterMissing)
    );
    let low = check(S_ECDSA, ECDSA_KEY, 5).unwrap_err();
    assert_eq!(low.to_string(), "security counter 3 is below 5");
    let unknown = check(UNKNOWN, ECDSA_KEY, 0).unwrap_err();
    assert_eq!(unknown.to_string(), "signed by an unknown key");
}

/// Flips each byte of the image in turn; no flip goes unnoticed but in what nobody reads.
#[test]
fn every_byte_matters() {
    for (bytes, key) in [(S_ECDSA, ECDSA_KEY), (NS_RSA, RSA_KEY)] {
        let image = Image::parse(bytes).unwrap();
        let hashed = image.hashed().len();
        let mut seen = std::collections::BTreeMap::<String, u32>::new();
        // Hashed bytes behave alike: all of the header and TLVs, some of the filler and payload.
        let spots = (0..64).chain((64..hashed - 200).step_by(31));
        for at in spots.chain(hashed - 200..bytes.len()) {
            let mut bad = bytes.to_vec();
            bad[at] ^= 0x10;
            let refusal = check(&bad, key, 0).unwrap_err();
            *seen.entry(refusal.to_string()).or_default() += 1;
            if (64..hashed - 200).contains(&at) {
                assert_eq!(refusal, Refusal::HashMismatch);
            }
        }
        for why in [
            "image magic is wrong",
            "hash does not match",
            "signature does not verify",
            "signed by an unknown key",
            "TLV area is missing",
        ] {
            assert!(seen.contains_key(why), "{why}: {seen:?}");
        }
    }
    // Each byte of the signature itself.
    let tlv = |bytes: &[u8]| Image::parse(bytes).unwrap().bytes().len();
    for (bytes, key, len) in [(S_ECDSA, ECDSA_KEY, 64), (NS_RSA, RSA_KEY, 384)] {
        for at in tlv(bytes) - len..tlv(bytes) {
            let mut bad = bytes.to_vec();
            bad[at] ^= 1;
            assert_eq!(check(&bad, key, 0), Err(Refusal::BadSignature), "{at}");
        }
    }
}

#[test]
fn a_signature_of_another_image_does_not_serve() {
    // The other image's whole unprotected area behind this image, with this image's hash.
    let (a, b) = (Image::parse(S_RSA).unwrap(), Image::parse(NS_RSA).unwrap());
    let mut mixed = a.hashed().to_vec();
    mixed.extend(&b.bytes()[b.hashed().len()..]);
    let hash_at = a.hashed().len() + 8;
    mixed[hash_at..hash_at + 32].copy_from_slice(&Software::default().sha256(a.hashed()));
    assert_eq!(check(&mixed, RSA_KEY, 0), Err(Refusal::BadSignature));
}

#[test]
fn degenerate_signatures_are_refused() {
    let image = Image::parse(S_ECDSA).unwrap();
    let key = image.unprotected().find(2).unwrap();
    let key: &[u8; 64] = key[27..].try_into().unwrap();
    let digest = Software::default().sha256(image.hashed());
    assert!(!Software::default().ecdsa_p256(key, &digest, &[0; 64]));
    assert!(!Software::default().ecdsa_p256(key, &digest, &[0xFF; 64]));
    assert!(!Software::default().ecdsa_p256(&[0; 64], &digest, &[1; 64]));
    assert!(!Software::default().ecdsa_p256(&[0xFF; 64], &digest, &[1; 64]));
    let image = Image::parse(NS_RSA).unwrap();
    let key = image.unprotected().find(2).unwrap();
    let modulus: &[u8; 384] = key[9..393].try_into().unwrap();
    let signature: &[u8; 384] = image.unprotected().find(0x23).unwrap().try_into().unwrap();
    let digest = Software::default().sha256(image.hashed());
    assert!(Software::default().rsa3072_pss(modulus, &digest, signature));
    assert!(!Software::default().rsa3072_pss(modulus, &digest, &[0; 384]));
    assert!(!Software::default().rsa3072_pss(modulus, &digest, modulus));
    assert!(!Software::default().rsa3072_pss(&[0; 384], &digest, signature));
    assert!(!Software::default().rsa3072_pss(modulus, &[0; 32], signature));
    let mut even = *modulus;
    even[383] &= 0xFE;
    assert!(!Software::default().rsa3072_pss(&even, &digest, signature));
}

#[test]
fn the_whole_boot_with_real_signatures() {
    use support::{BOARD, Device, majors};
    let mut d = Device::with(&BOARD, 1, Software::default(), [*ECDSA_KEY, *RSA_KEY]);
    d.put_primary(0, S_ECDSA);
    d.put_primary(1, NS_RSA);
    // The fixtures' stack pointers lie in the board's RAM, not in the simulated device's.
    let error = d.boot().unwrap_err();
    assert_eq!(
        error.to_string(),
        "secure image: initial stack pointer lies outside its RAM"
    );
    let booted = d.boot_with_ram(0x2100_0000..0x3102_0000).unwrap();
    assert_eq!(majors(&booted), [1, 1]);
    assert_eq!(booted.images[0].entry.reset_vector, 0x1100_0421);
    let lines: Vec<String> = d.events.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "secure image 1.0.0+0 verified (ECDSA-P256)",
            "non-secure image 1.0.0+0 verified (RSA-3072)"
        ]
    );
    assert_eq!(d.loader.counters.0, [3, 3]);
    // Measurements: imgtool's own record with the digest in it, and one made here.
    let data = boot_data::BootData::parse(&d.boot_data).unwrap();
    for (image, bytes, kind, key) in [
        (0, S_ECDSA, &b"SPE"[..], ECDSA_KEY),
        (1, NS_RSA, b"NSPE", RSA_KEY),
    ] {
        let mut expected = vec![0xA5, 1, 0x60 | kind.len() as u8];
        expected.extend(kind);
        expected.extend(b"\x04\x651.0.0\x05\x58\x20");
        expected.extend(key);
        expected.extend(b"\x06\x66SHA256\x02\x58\x20");
        expected.extend(Software::default().sha256(Image::parse(bytes).unwrap().hashed()));
        assert_eq!(data.boot_record(image), Some(&expected[..]));
        let version = ImageVersion {
            major: 1,
            ..ImageVersion::default()
        };
        assert_eq!(data.fwu_version(image), Some(version.emit()));
    }
    // Swapped images: each key serves its own image only.
    let mut d = Device::with(&BOARD, 1, Software::default(), [*ECDSA_KEY, *RSA_KEY]);
    d.put_primary(0, NS_RSA);
    d.put_primary(1, S_ECDSA);
    assert_eq!(
        d.boot().unwrap_err().to_string(),
        "secure image: signed by an unknown key"
    );
    assert_eq!(d.events.len(), 2);
}
