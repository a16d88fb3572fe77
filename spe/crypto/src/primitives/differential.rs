//! One digest over many P-256 operations, right and wrong: equal on every back end.
//!
//! The host test holds it to a constant with the portable back end; an image built with the
//! assembler must give the same. Not part of a product image (feature `differential`).

use super::hash::{Hash, HashAlg, digest};
use super::p256;

/// Order of the curve, big-endian.
const N: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];

fn pseudorandom(label: &[u8], round: u32) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, byte) in out
        .iter_mut()
        .zip(digest(HashAlg::Sha256, &[label, &round.to_le_bytes()]).iter())
    {
        *to = *byte;
    }
    out
}

/// SHA-256 over the results of `rounds` rounds of key generation, agreement, signing and
/// verification, with damaged and extreme inputs among them.
pub fn p256_digest(rounds: u32) -> [u8; 32] {
    let mut results = Hash::new(HashAlg::Sha256);
    let mut previous = p256::public_key(&pseudorandom(b"first", 0)).unwrap_or([0; 65]);
    for round in 0..rounds {
        let secret = pseudorandom(b"secret", round);
        let hash = pseudorandom(b"hash", round);
        let public = p256::public_key(&secret).unwrap_or([0; 65]);
        let shared = p256::ecdh(&secret, &previous);
        let signature = p256::sign(HashAlg::Sha256, &secret, &hash, &[]).unwrap_or([0; 64]);
        results.update(&public);
        results.update(shared.as_ref().map_or(&[][..], |s| &s[..]));
        results.update(&signature);
        let mut flags = [0; 12];
        let mut damaged = signature;
        flags[0] = p256::verify(&public, &hash, &signature) as u8;
        flags[1] = p256::verify(&previous, &hash, &signature) as u8;
        damaged[round as usize % 64] ^= 1 << (round % 8);
        flags[2] = p256::verify(&public, &hash, &damaged) as u8;
        flags[3] = p256::verify(&public, &[0; 32], &signature) as u8;
        for (i, special) in [[0; 32], N, [0xFF; 32]].iter().enumerate() {
            let (r, s) = damaged.split_at_mut(32);
            r.copy_from_slice(special);
            s.copy_from_slice(&signature[32..]);
            flags[4 + i] = p256::verify(&public, &hash, &damaged) as u8;
            flags[7 + i] = p256::is_secret(special) as u8
                | (p256::public_key(special).is_some() as u8) << 1
                | (p256::ecdh(special, &previous).is_some() as u8) << 2;
        }
        let mut point = public;
        point[1 + round as usize % 64] ^= 1 << (round % 8);
        flags[10] = p256::is_public(&point) as u8 | (p256::is_public(&public) as u8) << 1;
        flags[11] = p256::ecdh(&secret, &point).is_some() as u8
            | (p256::verify(&point, &hash, &signature) as u8) << 1;
        results.update(&flags);
        // Hashes that are longer than the order, or not below it.
        let long = [hash, [round as u8; 32]];
        let signed = p256::sign(HashAlg::Sha512, &secret, long.as_flattened(), &[1]);
        results.update(signed.as_ref().map_or(&[][..], |s| &s[..]));
        let signed = p256::sign(HashAlg::Sha256, &secret, &[0xFF; 32], &[]);
        results.update(signed.as_ref().map_or(&[][..], |s| &s[..]));
        previous = public;
    }
    let mut out = [0; 32];
    for (to, byte) in out.iter_mut().zip(results.finish().iter()) {
        *to = *byte;
    }
    out
}
