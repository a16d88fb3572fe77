//! AES-GCM (SP 800-38D) and ChaCha20-Poly1305 (RFC 8439) as streams.
//!
//! Chunks of any length, so that a record of any size passes through a small private buffer. Who
//! decrypts must take back what it released when the tag does not match.

use psa_interface::{Algorithm, KeyType, Status};
use symmetric::aes::{Aes, Counter};
use symmetric::chacha20::ChaCha20;
use symmetric::ghash::Ghash;
use symmetric::poly1305::Poly1305;
use symmetric::{Blocks, Padded};
use zeroize::Zeroizing;

/// Full tag length, bytes.
pub const TAG: usize = 16;

#[allow(clippy::large_enum_variant)] // One at a time, on the stack or in its slot.
enum Keystream {
    #[cfg(feature = "PSA_WANT_ALG_GCM")]
    Aes(Counter),
    #[cfg(feature = "PSA_WANT_ALG_CHACHA20_POLY1305")]
    ChaCha20(ChaCha20),
}

#[allow(clippy::large_enum_variant)] // As above; on the target they are alike.
enum Mac {
    #[cfg(feature = "PSA_WANT_ALG_GCM")]
    Ghash(Padded<Ghash>),
    #[cfg(feature = "PSA_WANT_ALG_CHACHA20_POLY1305")]
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
        Algorithm::GCM => cfg!(feature = "PSA_WANT_ALG_GCM") && key_type == KeyType::AES,
        Algorithm::CHACHA20_POLY1305 => {
            cfg!(feature = "PSA_WANT_ALG_CHACHA20_POLY1305") && key_type == KeyType::CHACHA20
        }
        _ => false,
    }
}

/// The tag length of `alg`, bytes.
///
/// # Errors
/// INVALID_ARGUMENT when no such tag exists, NOT_SUPPORTED for other AEADs.
pub fn tag_length(alg: Algorithm) -> Result<usize, Status> {
    match (alg.aead_base(), alg.aead_tag_length()) {
        #[cfg(feature = "PSA_WANT_ALG_GCM")]
        (Algorithm::GCM, n @ (4 | 8 | 12..=16)) => Ok(n),
        #[cfg(feature = "PSA_WANT_ALG_CHACHA20_POLY1305")]
        (Algorithm::CHACHA20_POLY1305, TAG) => Ok(TAG),
        #[cfg(feature = "PSA_WANT_ALG_GCM")]
        (Algorithm::GCM, _) => Err(Status::INVALID_ARGUMENT),
        #[cfg(feature = "PSA_WANT_ALG_CHACHA20_POLY1305")]
        (Algorithm::CHACHA20_POLY1305, _) => Err(Status::INVALID_ARGUMENT),
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
            #[cfg(feature = "PSA_WANT_ALG_GCM")]
            Algorithm::GCM => Self::gcm(Aes::new(key).ok_or(Status::NOT_SUPPORTED)?, nonce),
            #[cfg(feature = "PSA_WANT_ALG_CHACHA20_POLY1305")]
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

    #[cfg(feature = "PSA_WANT_ALG_GCM")]
    fn gcm(cipher: Aes, nonce: &[u8]) -> Result<Self, Status> {
        let zero = [0; TAG];
        let (ghash, first, mask);
        if let Ok(nonce) = <&[u8; 12]>::try_from(nonce) {
            let mut block = [0; TAG];
            block[..12].copy_from_slice(nonce);
            block[15] = 1;
            let encrypted = Zeroizing::new(cipher.encrypt(&zero, &block));
            ghash = Ghash::new(&encrypted[0]);
            (first, mask) = (block, Zeroizing::new(encrypted[1]));
        } else if nonce.is_empty() {
            return Err(Status::INVALID_ARGUMENT);
        } else {
            let encrypted = Zeroizing::new(cipher.encrypt(&zero, &zero));
            ghash = Ghash::new(&encrypted[0]);
            let mut of_nonce = Padded::new(ghash.clone());
            of_nonce.update(nonce);
            first = of_nonce.into_inner().finish(0, nonce.len() as u64);
            mask = Zeroizing::new(cipher.encrypt(&first, &zero)[0]);
        }
        Ok(Aead {
            keystream: Keystream::Aes(Counter::after(cipher, &first)),
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
            #[cfg(feature = "PSA_WANT_ALG_GCM")]
            Mac::Ghash(mac) => mac.into_inner().finish(ad, text),
            #[cfg(feature = "PSA_WANT_ALG_CHACHA20_POLY1305")]
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
                #[cfg(feature = "PSA_WANT_ALG_GCM")]
                Mac::Ghash(mac) => mac.pad(),
                #[cfg(feature = "PSA_WANT_ALG_CHACHA20_POLY1305")]
                Mac::Poly1305(mac) => mac.pad(),
            }
        }
    }

    fn count_text(&mut self, len: usize) {
        self.text_len = self.text_len.wrapping_add(len as u64);
    }

    fn authenticate(&mut self, data: &[u8]) {
        match &mut self.mac {
            #[cfg(feature = "PSA_WANT_ALG_GCM")]
            Mac::Ghash(mac) => mac.update(data),
            #[cfg(feature = "PSA_WANT_ALG_CHACHA20_POLY1305")]
            Mac::Poly1305(mac) => mac.update(data),
        }
    }

    fn apply_keystream(&mut self, text: &mut [u8]) {
        // The counters run out after 2^32 blocks, far more than a 32-bit address space holds.
        match &mut self.keystream {
            #[cfg(feature = "PSA_WANT_ALG_GCM")]
            Keystream::Aes(s) => s.apply(text),
            #[cfg(feature = "PSA_WANT_ALG_CHACHA20_POLY1305")]
            Keystream::ChaCha20(s) => s.apply(text),
        }
    }
}
