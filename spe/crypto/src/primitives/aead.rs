//! AES-GCM (SP 800-38D) and ChaCha20-Poly1305 (RFC 8439) as streams.
//!
//! Chunks of any length, so that a record of any size passes through a small private buffer. Who
//! decrypts must take back what it released when the tag does not match.

use aes::cipher::{
    BlockCipherEncrypt, InnerIvInit, KeyInit, KeyIvInit, StreamCipher, StreamCipherCoreWrapper,
};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use poly1305::Poly1305;
use psa_interface::{Algorithm, KeyType, Status};
use zeroize::{Zeroize, Zeroizing};

/// Full tag length, bytes.
pub const TAG: usize = 16;

type CounterCore<C> = ctr::CtrCore<C, ctr::flavors::Ctr32BE>;
type Counter<C> = StreamCipherCoreWrapper<CounterCore<C>>;

#[allow(clippy::large_enum_variant)] // One at a time, on the stack or in its slot.
enum Keystream {
    Aes128(Counter<aes::Aes128Enc>),
    Aes256(Counter<aes::Aes256Enc>),
    ChaCha20(chacha20::ChaCha20),
}

#[allow(clippy::large_enum_variant)] // As above; on the target they are alike.
enum Mac {
    Ghash(Blocks<GHash>),
    Poly1305(Blocks<Poly1305>),
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
                let mut stream = chacha20::ChaCha20::new_from_slices(key, nonce)
                    .map_err(|_| Status::INVALID_ARGUMENT)?;
                // Block 0 gives the one-time key; text starts with block 1 (RFC 8439 §2.6).
                let mut block = Zeroizing::new([0; 64]);
                stream.apply_keystream(&mut block[..]);
                let mac =
                    Poly1305::new_from_slice(&block[..32]).map_err(|_| Status::INVALID_ARGUMENT)?;
                Ok(Aead {
                    keystream: Keystream::ChaCha20(stream),
                    mac: Mac::Poly1305(Blocks::new(mac)),
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
        let ghash = GHash::new(&h);
        h.zeroize();
        let mut j0 = [0; 16];
        if nonce.is_empty() {
            return Err(Status::INVALID_ARGUMENT);
        } else if nonce.len() == 12 {
            j0[..12].copy_from_slice(nonce);
            j0[15] = 1;
        } else {
            let mut of_nonce = Blocks::new(ghash.clone());
            of_nonce.update(nonce);
            of_nonce.pad();
            j0 = of_nonce.finish_with_lengths(0, (nonce.len() as u64) << 3, true);
        }
        let mut counter = Counter::from_core(CounterCore::inner_iv_init(cipher, &j0.into()));
        let mut mask = Zeroizing::new([0; TAG]);
        counter.apply_keystream(&mut mask[..]);
        Ok(Aead {
            keystream: keystream(counter),
            mac: Mac::Ghash(Blocks::new(ghash)),
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
            Mac::Ghash(mut mac) => {
                mac.pad();
                mac.finish_with_lengths(ad << 3, text << 3, true)
            }
            Mac::Poly1305(mut mac) => {
                mac.pad();
                mac.finish_with_lengths(ad, text, false)
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
            Keystream::ChaCha20(s) => s.try_apply_keystream(text),
        };
    }
}

/// A universal hash fed with chunks of any length.
struct Blocks<M> {
    mac: M,
    partial: [u8; 16],
    len: usize,
}

impl<M> Blocks<M>
where
    M: UniversalHash
        + ghash::universal_hash::common::BlockSizeUser<
            BlockSize = poly1305::universal_hash::consts::U16,
        >,
{
    fn new(mac: M) -> Self {
        Blocks {
            mac,
            partial: [0; 16],
            len: 0,
        }
    }

    fn update(&mut self, mut data: &[u8]) {
        if self.len != 0 {
            let room = 16 - self.len.min(16);
            let (head, rest) = data.split_at(room.min(data.len()));
            for (to, byte) in self.partial.iter_mut().skip(self.len).zip(head) {
                *to = *byte;
            }
            self.len += head.len();
            data = rest;
            if self.len < 16 {
                return;
            }
            self.mac.update_padded(&self.partial);
            self.len = 0;
        }
        let whole = data.len() & !15;
        let (blocks, tail) = data.split_at(whole);
        self.mac.update_padded(blocks);
        for (to, byte) in self.partial.iter_mut().zip(tail) {
            *to = *byte;
        }
        self.len = tail.len();
    }

    /// Fills up with zeros to a whole block.
    fn pad(&mut self) {
        if self.len != 0 {
            self.mac
                .update_padded(self.partial.get(..self.len).unwrap_or_default());
            self.len = 0;
        }
    }

    fn finish_with_lengths(mut self, a: u64, b: u64, big_endian: bool) -> [u8; 16] {
        let mut block = [0; 16];
        let (first, second) = block.split_at_mut(8);
        first.copy_from_slice(&if big_endian {
            a.to_be_bytes()
        } else {
            a.to_le_bytes()
        });
        second.copy_from_slice(&if big_endian {
            b.to_be_bytes()
        } else {
            b.to_le_bytes()
        });
        self.mac.update_padded(&block);
        self.mac.finalize().into()
    }
}
