//! The parser against images that imgtool 2.5.0 signed, and against anything made from them.
//!
//! Fixtures: `imgtool sign --header-size 0x400 --pad-header --align 1 --slot-size 0x80000
//! --public-key-format full` over the payload 00..3f, with throw-away keys.

use mcuboot_image::{Header, Image, ImageError, ImageVersion, kind};
use sha2::{Digest, Sha256};

const ECDSA: &[u8] = include_bytes!("fixtures/ecdsa-p256.bin");
const RSA: &[u8] = include_bytes!("fixtures/rsa-3072.bin");

fn version(major: u8, minor: u8, revision: u16, build: u32) -> ImageVersion {
    ImageVersion {
        major,
        minor,
        revision,
        build,
    }
}

#[test]
fn ecdsa_image_with_every_protected_tlv() {
    let image = Image::parse(ECDSA).unwrap();
    assert_eq!(image.version(), version(1, 2, 3, 4));
    assert_eq!(image.header().hdr_size, 0x400);
    assert_eq!(image.payload(), (0..64).collect::<Vec<u8>>());
    assert_eq!(image.security_counter(), Some(7));
    let dependencies: Vec<_> = image.dependencies().collect();
    assert_eq!(dependencies.len(), 1);
    assert_eq!(dependencies[0].image_id, 1);
    assert_eq!(dependencies[0].minimum, version(1, 0, 0, 0));
    let record = image.boot_record().unwrap();
    assert_eq!(&record[..6], [0xA5, 1, 0x63, b'S', b'P', b'E']);
    let digest = image.unprotected().find(kind::SHA256).unwrap();
    assert_eq!(digest, &Sha256::digest(image.hashed())[..]);
    assert_eq!(image.unprotected().find(kind::PUBKEY).unwrap().len(), 91);
    assert_eq!(image.bytes(), ECDSA);
    assert_eq!(image.header().emit(), ECDSA[..32]);
}

#[test]
fn rsa_image() {
    let image = Image::parse(RSA).unwrap();
    assert_eq!(image.version(), version(2, 0, 0, 0));
    assert_eq!(image.security_counter(), Some(2));
    assert_eq!(image.dependencies().count(), 0);
    assert_eq!(image.boot_record(), None);
    let kinds: Vec<u16> = image.unprotected().iter().map(|t| t.kind).collect();
    assert_eq!(kinds, [kind::SHA256, kind::PUBKEY, kind::RSA3072_PSS]);
    let digest = image.unprotected().find(kind::SHA256).unwrap();
    assert_eq!(digest, &Sha256::digest(image.hashed())[..]);
    // Slot bytes after the image do not matter.
    let mut slot = RSA.to_vec();
    slot.resize(0x4000, 0xFF);
    assert_eq!(Image::parse(&slot).unwrap().bytes(), RSA);
}

#[test]
fn each_rule_has_its_error() {
    let with = |at: usize, bytes: &[u8]| {
        let mut image = ECDSA.to_vec();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        Image::parse(&image).map(|_| ()).unwrap_err()
    };
    assert_eq!(with(0, &[0xFF; 4]), ImageError::Empty);
    assert_eq!(with(0, &[0x3E]), ImageError::BadMagic);
    assert_eq!(with(8, &31u16.to_le_bytes()), ImageError::BadHeaderSize);
    assert_eq!(with(8, &0xFFFFu16.to_le_bytes()), ImageError::BadHeaderSize);
    assert_eq!(with(12, &u32::MAX.to_le_bytes()), ImageError::TooLarge);
    assert_eq!(
        with(12, &0x41u32.to_le_bytes()),
        ImageError::BadProtectedArea
    );
    assert_eq!(with(10, &[0, 0]), ImageError::BadProtectedArea);
    assert_eq!(with(10, &[0x7C, 0]), ImageError::BadProtectedArea);
    assert_eq!(with(0x440, &[0x07]), ImageError::BadProtectedArea);
    assert_eq!(with(0x442, &[0x7A]), ImageError::TlvOutOfBounds);
    assert_eq!(with(0x446, &[3]), ImageError::TlvOutOfBounds);
    assert_eq!(with(0x4BB, &[0x08]), ImageError::NoTlvArea);
    assert_eq!(with(0x4BD, &[0xFF, 0xFF]), ImageError::TlvOutOfBounds);
    let short = Image::parse(&ECDSA[..ECDSA.len() - 1]).map(|_| ());
    assert_eq!(short.unwrap_err(), ImageError::TlvOutOfBounds);
    for len in 0..ECDSA.len() {
        assert!(Image::parse(&ECDSA[..len]).is_err());
    }
}

#[test]
fn any_mutation_parses_or_is_refused() {
    let mut random = 0x1234_5678_9ABC_DEF1u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut parsed = 0;
    for round in 0..60_000 {
        let source = if round % 2 == 0 { ECDSA } else { RSA };
        let mut bytes = source[..].to_vec();
        for _ in 0..1 + next() % 4 {
            // Header and TLV fields are where a parser can be led astray.
            let spots = [
                next() as usize % 32,
                0x440 + next() as usize % (bytes.len() - 0x440),
            ];
            bytes[spots[next() as usize % 2]] = next() as u8;
        }
        if next() % 3 == 0 {
            bytes.truncate(next() as usize % bytes.len());
        }
        if let Ok(image) = Image::parse(&bytes) {
            parsed += 1;
            assert!(image.bytes().len() <= bytes.len());
            assert!(image.hashed().len() <= image.bytes().len());
            assert_eq!(image.payload().len(), image.header().img_size as usize);
            let header = Header::parse(&image.header().emit()).unwrap();
            assert_eq!(&header, image.header());
            image.dependencies().for_each(drop);
            image.security_counter();
            image
                .unprotected()
                .iter()
                .for_each(|t| drop(t.data.to_vec()));
        }
    }
    assert!(parsed > 1_000, "{parsed}");
}
