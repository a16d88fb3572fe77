//! RSASSA-PSS verification, RSA-3072 (RFC 8017 §8.1.2, §9.1.2).
//!
//! Owns the padding check. SHA-256, MGF1-SHA-256, salt 32,
//! exponent 65537.

use super::montgomery::power_65537;
use super::{Digest256, Software};
use symmetric::sha256::Sha256;

/// Encoded message, bytes (emBits = 3071).
const EM_LEN: usize = 384;
const HASH_LEN: usize = 32;
const SALT_LEN: usize = 32;
const DB_LEN: usize = EM_LEN - HASH_LEN - 1;

/// Whether `signature` is `digest`'s under the key.
pub(super) fn verify(
    modulus: &[u8; 384],
    digest: &Digest256,
    signature: &[u8; 384],
    software: &Software,
) -> bool {
    // The modulus has its full length, so that emBits is 3071: `power_65537` looks at its top bit.
    power_65537(modulus, signature, software.row)
        .is_some_and(|encoded| emsa_pss_verify(&encoded, digest))
}

fn emsa_pss_verify(encoded: &[u8; EM_LEN], digest: &Digest256) -> bool {
    let Some((masked, rest)) = encoded.split_first_chunk::<DB_LEN>() else {
        return false;
    };
    let Some((hash, [0xBC])) = rest.split_first_chunk::<HASH_LEN>() else {
        return false;
    };
    let mut db = *masked;
    if db[0] & 0x80 != 0 {
        return false;
    }
    for (counter, block) in db.chunks_mut(HASH_LEN).enumerate() {
        let mask = Sha256::of(&[hash, &(counter as u32).to_be_bytes()]);
        for (byte, mask) in block.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    db[0] &= 0x7F;
    let Some((padding, salt)) = db.split_last_chunk::<SALT_LEN>() else {
        return false;
    };
    let Some((1, zeros)) = padding.split_last() else {
        return false;
    };
    let expected = Sha256::of(&[&[0; 8], digest, salt]);
    zeros.iter().all(|b| *b == 0) && expected[..] == hash[..]
}
