//! Many calls of the crypto service, and of memcpy and memset, each row folded into one number.
//!
//! Owns the rows and the numbers that they must give. The numbers come from the portable
//! primitives, which their own tests hold to independent oracles; a device with assembler must
//! give the same. Lengths go around blocks, chunks and the private copy of the service.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use psa_client::crypto::{self, HashOperation};
use psa_client::{Algorithm, KeyAttributes, KeyType, Status, Transport};
use psa_interface::key::usage;

/// A row of calls.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Makes the calls; folds what they gave.
    pub run: fn(&dyn Transport) -> Result<u64, Status>,
    /// What must come out.
    pub expected: u64,
}

/// Longest text, bytes.
const MAX: usize = 1100;

/// All rows.
pub const ROWS: [Row; 7] = [
    Row {
        name: "copies",
        run: |_| Ok(copies()),
        expected: 0xEB73_259E_24DC_2B49,
    },
    Row {
        name: "sha256",
        run: |t| hashes(&t, Algorithm::SHA_256),
        expected: 0xC4BB_D7DC_646E_C7EF,
    },
    Row {
        name: "sha512",
        run: |t| hashes(&t, Algorithm::SHA_512),
        expected: 0x3C01_FCDB_98FE_F441,
    },
    Row {
        name: "chacha20-poly1305",
        run: |t| {
            let key_type = KeyType::CHACHA20;
            seals(&t, key_type, &[32], Algorithm::CHACHA20_POLY1305)
        },
        expected: 0xBFA1_C6CD_4C4D_654F,
    },
    Row {
        name: "aes-gcm",
        run: |t| seals(&t, KeyType::AES, &[16, 24, 32], Algorithm::GCM),
        expected: 0xC53A_56BD_4694_AC40,
    },
    Row {
        name: "p256",
        run: |t| p256(&t),
        expected: 0xE4B7_F913_2F4B_5FF4,
    },
    Row {
        name: "p256-refusals",
        run: |t| refusals(&t),
        expected: 0xE448_F495_7C74_07A5,
    },
];

/// FNV-1a, 64 bits: no primitive under test.
struct Fold(u64);

impl Fold {
    fn new() -> Self {
        Fold(0xCBF2_9CE4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
        }
    }
}

/// Bytes that differ for each `seed` and have every bit pattern in them.
fn pattern(seed: usize, out: &mut [u8]) {
    let mut state = seed as u32 ^ 0x9E37_79B9;
    for byte in out {
        // xorshift32
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        *byte = match seed % 16 {
            0 => 0,
            1 => 0xFF,
            _ => (state >> 11) as u8,
        };
    }
}

/// Copies and fills of every length and alignment, around what must stay: the process's memcpy and
/// memset.
fn copies() -> u64 {
    let (mut fold, mut source) = (Fold::new(), [0; 80]);
    pattern(5, &mut source);
    for len in 0..=72 {
        for (to, from) in (0..16).map(|i| (i / 4, i % 4)) {
            // Nothing is known of the length where the copy is compiled.
            let len = core::hint::black_box(len);
            let mut copied = [0xEE; 80];
            copied[to..to + len].copy_from_slice(&source[from..from + len]);
            fold.add(&copied);
            let mut filled = [0xEE; 80];
            filled[to..to + len].fill(core::hint::black_box(len as u8));
            fold.add(&filled);
        }
    }
    fold.0
}

/// Lengths around block and chunk edges.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=80).chain([
        111, 112, 119, 120, 127, 128, 129, 191, 192, 255, 256, 257, 300, 512, 1024, MAX,
    ])
}

fn hashes(t: &dyn Transport, alg: Algorithm) -> Result<u64, Status> {
    let (mut fold, mut data, mut digest) = (Fold::new(), [0; MAX], [0; 64]);
    for len in lengths() {
        let data = data.get_mut(..len).ok_or(Status::GENERIC_ERROR)?;
        pattern(len, data);
        let n = crypto::hash_compute(&t, alg, data, &mut digest)?;
        fold.add(digest.get(..n).unwrap_or_default());
        // The same in two parts, unaligned.
        let (a, b) = data.split_at(len / 3);
        let mut hash = HashOperation::setup(&t, alg)?;
        hash.update(a)?;
        hash.update(b)?;
        hash.verify(digest.get(..n).unwrap_or_default())?;
    }
    Ok(fold.0)
}

fn seals(
    t: &dyn Transport,
    key_type: KeyType,
    key_lengths: &[usize],
    alg: Algorithm,
) -> Result<u64, Status> {
    let mut fold = Fold::new();
    let (mut key, mut nonce, mut ad) = ([0; 32], [0; 12], [0; 70]);
    let (mut text, mut sealed, mut opened) = ([0; MAX], [0; MAX + 16], [0; MAX]);
    for key_len in key_lengths {
        for len in lengths() {
            let key = key.get_mut(..*key_len).ok_or(Status::GENERIC_ERROR)?;
            pattern(len + 2, key);
            pattern(len + 3, &mut nonce);
            let ad = ad.get_mut(..len % 70).ok_or(Status::GENERIC_ERROR)?;
            pattern(len + 4, ad);
            let text = text.get_mut(..len).ok_or(Status::GENERIC_ERROR)?;
            pattern(len, text);
            let usage = usage::ENCRYPT | usage::DECRYPT;
            let bits = (*key_len * 8) as u16;
            let attributes = KeyAttributes::volatile(key_type, bits, usage, alg);
            let id = crypto::import_key(&t, &attributes, key)?;
            let n = crypto::aead_encrypt(&t, id, alg, &nonce, ad, text, &mut sealed)?;
            let sealed = sealed.get_mut(..n).ok_or(Status::GENERIC_ERROR)?;
            fold.add(sealed);
            let n = crypto::aead_decrypt(&t, id, alg, &nonce, ad, sealed, &mut opened)?;
            fold.add(opened.get(..n).unwrap_or_default());
            // One bit wrong, anywhere: refused.
            let at = len * 7 % sealed.len();
            if let Some(byte) = sealed.get_mut(at) {
                *byte ^= 1 << (len % 8);
            }
            let refused = crypto::aead_decrypt(&t, id, alg, &nonce, ad, sealed, &mut opened);
            fold.add(&refused.err().map_or(0, |e| e.0).to_le_bytes());
            crypto::destroy_key(&t, id)?;
        }
    }
    Ok(fold.0)
}

const ECDSA: Algorithm = Algorithm::deterministic_ecdsa(Algorithm::SHA_256);

/// A key pair for a use, and its public key.
fn pair(
    t: &dyn Transport,
    seed: usize,
    usage: u32,
    alg: Algorithm,
) -> Result<(u32, [u8; 65]), Status> {
    let mut secret = [0; 32];
    // Below the order whatever follows.
    pattern(seed * 16 + 2, &mut secret[1..]);
    let attributes = KeyAttributes::volatile(KeyType::ECC_KEY_PAIR_SECP_R1, 256, usage, alg);
    let id = crypto::import_key(&t, &attributes, &secret)?;
    let mut public = [0; 65];
    crypto::export_public_key(&t, id, &mut public)?;
    Ok((id, public))
}

fn verifier(t: &dyn Transport, public: &[u8; 65]) -> Result<u32, Status> {
    let key_type = KeyType::ECC_PUBLIC_KEY_SECP_R1;
    let attributes = KeyAttributes::volatile(key_type, 256, usage::VERIFY_HASH, ECDSA);
    crypto::import_key(&t, &attributes, public)
}

/// Key generation, agreement, signature, verification.
fn p256(t: &dyn Transport) -> Result<u64, Status> {
    let (mut fold, mut hash, mut signature) = (Fold::new(), [0; 32], [0; 64]);
    let (_, mut peer) = pair(t, 99, usage::DERIVE, Algorithm::ECDH)?;
    for seed in 0..12 {
        let (signer, public) = pair(t, seed, usage::SIGN_HASH, ECDSA)?;
        let (agreer, _) = pair(t, seed, usage::DERIVE, Algorithm::ECDH)?;
        fold.add(&public);
        pattern(seed, &mut hash);
        crypto::sign_hash(&t, signer, ECDSA, &hash, &mut signature)?;
        fold.add(&signature);
        let id = verifier(t, &public)?;
        crypto::verify_hash(&t, id, ECDSA, &hash, &signature)?;
        let mut secret = [0; 32];
        crypto::raw_key_agreement(&t, Algorithm::ECDH, agreer, &peer, &mut secret)?;
        fold.add(&secret);
        for id in [signer, agreer, id] {
            crypto::destroy_key(&t, id)?;
        }
        peer = public;
    }
    Ok(fold.0)
}

/// What must be refused: damaged signatures, points off the curve, numbers out of range.
fn refusals(t: &dyn Transport) -> Result<u64, Status> {
    let (mut fold, mut hash, mut signature) = (Fold::new(), [0; 32], [0; 64]);
    let mut tell =
        |result: Result<(), Status>| fold.add(&result.err().map_or(0, |e| e.0).to_le_bytes());
    for seed in 2..8 {
        let (signer, public) = pair(t, seed, usage::SIGN_HASH, ECDSA)?;
        pattern(seed, &mut hash);
        crypto::sign_hash(&t, signer, ECDSA, &hash, &mut signature)?;
        let id = verifier(t, &public)?;
        for at in [0, 31, 32, 63] {
            let mut wrong = signature;
            wrong[at] ^= 1 << seed;
            tell(crypto::verify_hash(&t, id, ECDSA, &hash, &wrong));
        }
        for fill in [0, 0xFF] {
            let mut wrong = signature;
            wrong[..32].fill(fill);
            tell(crypto::verify_hash(&t, id, ECDSA, &hash, &wrong));
            wrong = signature;
            wrong[32..].fill(fill);
            tell(crypto::verify_hash(&t, id, ECDSA, &hash, &wrong));
        }
        hash[seed] ^= 1;
        tell(crypto::verify_hash(&t, id, ECDSA, &hash, &signature));
        let mut off = public;
        off[1 + seed * 5] ^= 4;
        tell(verifier(t, &off).map(drop));
        for id in [signer, id] {
            crypto::destroy_key(&t, id)?;
        }
    }
    Ok(fold.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_service_gives_what_is_expected() {
        let service = spe_crypto::host::HostCrypto::new(1);
        let given: Vec<String> = ROWS
            .iter()
            .map(|r| format!("{} {:016x}", r.name, (r.run)(&service).unwrap()))
            .collect();
        let expected: Vec<String> = ROWS
            .iter()
            .map(|r| format!("{} {:016x}", r.name, r.expected))
            .collect();
        assert_eq!(given, expected);
    }
}
