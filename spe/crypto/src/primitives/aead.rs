//! AES-GCM (SP 800-38D) and ChaCha20-Poly1305 (RFC 8439) as streams.
//!
//! Chunks of any length, so that a record of any size passes through a small private buffer. Who
//! decrypts must take back what it released when the tag does not match.

use aes::cipher::{
    BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use psa_interface::{Algorithm, KeyType, Status};
use symmetric::chacha20::ChaCha20;
use symmetric::poly1305::Poly1305;
use symmetric::{Blocks, Padded};
use zeroize::{Zeroize, Zeroizing};

/// Full tag length, bytes.
pub const TAG: usize = 16;

type CounterCore<C> = ctr::CtrCore<C, ctr::flavors::Ctr32BE>;
type Counter<C> = StreamCipherCoreWrapper<CounterCore<C>>;

#[allow(clippy::large_enum_variant)] // One at a time, on the stack or in its slot.
enum Keystream {
    Aes128(Counter<aes::Aes128Enc>),
    Aes256(Counter<aes::Aes256Enc>),
    ChaCha20(ChaCha20),
}

#[allow(clippy::large_enum_variant)] // As above; on the target they are alike.
enum Mac {
    Ghash(Padded<Ghash>),
    Poly1305(Padded<Poly1305>),
}

/// One encryption or decryption under way.
pub struct Aead {
    keystream: Keystream,
    mac: Mac,
    /// XORed onto GHASH; zero for Poly1305.
    mask: Zeroizing<[u8; TAG]>,
    ad_len: u64,
    text_len: u64,
}

/// Whether keys of `key_type` go with `alg` (tag length put aside), by PSA Crypto 1.1.
pub fn compatible(key_type: KeyType, alg: Algorithm) -> bool {
    match alg.aead_base() {
        Algorithm::GCM => key_type == KeyType::AES,
        Algorithm::CHACHA20_POLY1305 => key_type == KeyType::CHACHA20,
        _ => false,
    }
}

/// The tag length of `alg`, bytes.
///
/// # Errors
/// INVALID_ARGUMENT when no such tag exists, NOT_SUPPORTED for other AEADs.
pub fn tag_length(alg: Algorithm) -> Result<usize, Status> {
    match (alg.aead_base(), alg.aead_tag_length()) {
        (Algorithm::GCM, n @ (4 | 8 | 12..=16)) => Ok(n),
        (Algorithm::CHACHA20_POLY1305, TAG) => Ok(TAG),
        (Algorithm::GCM | Algorithm::CHACHA20_POLY1305, _) => Err(Status::INVALID_ARGUMENT),
        _ => Err(Status::NOT_SUPPORTED),
    }
}

impl Aead {
    /// Starts `alg` (its tag length does not matter here).
    ///
    /// # Errors
    /// NOT_SUPPORTED for other AEADs and key lengths, INVALID_ARGUMENT for impossible nonces.
    pub fn new(alg: Algorithm, key: &[u8], nonce: &[u8]) -> Result<Self, Status> {
        match alg.aead_base() {
            Algorithm::GCM => match key.len() {
                16 => Self::gcm(
                    aes::Aes128Enc::new_from_slice(key).map_err(|_| Status::NOT_SUPPORTED)?,
                    nonce,
                    Keystream::Aes128,
                ),
                32 => Self::gcm(
                    aes::Aes256Enc::new_from_slice(key).map_err(|_| Status::NOT_SUPPORTED)?,
                    nonce,
                    Keystream::Aes256,
                ),
                _ => Err(Status::NOT_SUPPORTED),
            },
            Algorithm::CHACHA20_POLY1305 => {
                let (Ok(key), Ok(nonce)) = (key.try_into(), nonce.try_into()) else {
                    return Err(Status::INVALID_ARGUMENT);
                };
                // Block 0 gives the one-time key; text starts with block 1 (RFC 8439 §2.6).
                let mut stream = ChaCha20::new(key, nonce, 0);
                let mut one_time = Zeroizing::new([[0; 32]; 2]);
                stream.apply(one_time.as_flattened_mut());
                Ok(Aead {
                    keystream: Keystream::ChaCha20(stream),
                    mac: Mac::Poly1305(Padded::new(Poly1305::new(&one_time[0]))),
                    mask: Zeroizing::new([0; TAG]),
                    ad_len: 0,
                    text_len: 0,
                })
            }
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    fn gcm<C>(
        cipher: C,
        nonce: &[u8],
        keystream: fn(Counter<C>) -> Keystream,
    ) -> Result<Self, Status>
    where
        C: BlockCipherEncrypt + aes::cipher::BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
    {
        let mut h = ghash::Block::default();
        cipher.encrypt_block(&mut h);
        let ghash = Ghash(GHash::new(&h));
        h.zeroize();
        let mut j0 = [0; 16];
        if nonce.is_empty() {
            return Err(Status::INVALID_ARGUMENT);
        } else if nonce.len() == 12 {
            j0[..12].copy_from_slice(nonce);
            j0[15] = 1;
        } else {
            let mut of_nonce = Padded::new(ghash.clone());
            of_nonce.update(nonce);
            j0 = of_nonce.into_inner().finish(0, nonce.len() as u64);
        }
        let mut counter = Counter::from_core(CounterCore::inner_iv_init(cipher, &j0.into()));
        let mut mask = Zeroizing::new([0; TAG]);
        counter.apply_keystream(&mut mask[..]);
        Ok(Aead {
            keystream: keystream(counter),
            mac: Mac::Ghash(Padded::new(ghash)),
            mask,
            ad_len: 0,
            text_len: 0,
        })
    }

    /// Appends additional data; all of it comes before the first text.
    pub fn additional_data(&mut self, data: &[u8]) {
        self.ad_len = self.ad_len.wrapping_add(data.len() as u64);
        self.authenticate(data);
    }

    /// Encrypts the next text in place.
    pub fn encrypt(&mut self, text: &mut [u8]) {
        self.begin_text();
        self.apply_keystream(text);
        self.count_text(text.len());
        self.authenticate(text);
    }

    /// Decrypts the next text in place; nothing of it is to be trusted before the tag matched.
    pub fn decrypt(&mut self, text: &mut [u8]) {
        self.begin_text();
        self.count_text(text.len());
        self.authenticate(text);
        self.apply_keystream(text);
    }

    /// The full-length tag.
    pub fn finish(mut self) -> [u8; TAG] {
        self.begin_text();
        let (ad, text) = (self.ad_len, self.text_len);
        let mut tag = match self.mac {
            Mac::Ghash(mac) => mac.into_inner().finish(ad, text),
            Mac::Poly1305(mac) => {
                let mut mac = mac.into_inner();
                let mut lengths = [0; 16];
                let parts = [ad.to_le_bytes(), text.to_le_bytes()];
                lengths.copy_from_slice(parts.as_flattened());
                mac.blocks(&[lengths]);
                mac.finish()
            }
        };
        for (to, mask) in tag.iter_mut().zip(self.mask.iter()) {
            *to ^= *mask;
        }
        tag
    }

    fn begin_text(&mut self) {
        if self.text_len == 0 {
            match &mut self.mac {
                Mac::Ghash(mac) => mac.pad(),
                Mac::Poly1305(mac) => mac.pad(),
            }
        }
    }

    fn count_text(&mut self, len: usize) {
        self.text_len = self.text_len.wrapping_add(len as u64);
    }

    fn authenticate(&mut self, data: &[u8]) {
        match &mut self.mac {
            Mac::Ghash(mac) => mac.update(data),
            Mac::Poly1305(mac) => mac.update(data),
        }
    }

    fn apply_keystream(&mut self, text: &mut [u8]) {
        // The counters run out after 2^32 blocks, far more than a 32-bit address space holds.
        let _ = match &mut self.keystream {
            Keystream::Aes128(s) => s.try_apply_keystream(text),
            Keystream::Aes256(s) => s.try_apply_keystream(text),
            Keystream::ChaCha20(s) => {
                s.apply(text);
                Ok(())
            }
        };
    }
}

/// GHASH (SP 800-38D §6.4).
#[derive(Clone)]
struct Ghash(GHash);

impl Blocks for Ghash {
    fn blocks(&mut self, blocks: &[[u8; 16]]) {
        self.0.update_padded(blocks.as_flattened());
    }
}

impl Ghash {
    /// After the lengths of additional data and text, bytes.
    fn finish(mut self, ad: u64, text: u64) -> [u8; TAG] {
        let parts = [(ad << 3).to_be_bytes(), (text << 3).to_be_bytes()];
        self.0.update_padded(parts.as_flattened());
        self.0.finalize().into()
    }
}
