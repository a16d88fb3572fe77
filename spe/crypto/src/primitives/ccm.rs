//! AES-CCM (SP 800-38C) as a stream whose lengths are known from the start.
//!
//! Chunks of any length, so that a message of any size passes through a small private buffer. Who
//! decrypts must take back what it released when the tag does not match.

use super::cipher::{BLOCK, Cipher, Mode};
use psa_interface::{Algorithm, Status};
use zeroize::Zeroizing;

/// Bytes of flags and length around a nonce: 15 − its length is the length's length.
const NONCES: core::ops::RangeInclusive<usize> = 7..=13;

/// The tag length of `alg`, bytes.
///
/// # Errors
/// INVALID_ARGUMENT when no such tag exists.
pub fn tag_length(alg: Algorithm) -> Result<usize, Status> {
    match alg.aead_tag_length() {
        n @ (4 | 6 | 8 | 10 | 12 | 14 | 16) => Ok(n),
        _ => Err(Status::INVALID_ARGUMENT),
    }
}

/// One encryption or decryption under way.
pub struct Ccm {
    counter: Cipher,
    /// State of the CBC-MAC, and how far its block is filled.
    mac: Zeroizing<[u8; BLOCK]>,
    filled: usize,
    /// XORed onto the MAC.
    mask: Zeroizing<[u8; BLOCK]>,
    in_text: bool,
}

impl Ccm {
    /// Starts a message of `text` bytes after `ad` bytes of additional data, tagged with `tag`.
    ///
    /// # Errors
    /// NOT_SUPPORTED: the key's length, 2^32 bytes or more; INVALID_ARGUMENT: the nonce's length,
    /// or a text whose length does not fit beside it.
    pub fn new(
        key: &[u8],
        nonce: &[u8],
        (ad, text): (usize, usize),
        tag: usize,
    ) -> Result<Self, Status> {
        if !NONCES.contains(&nonce.len()) {
            return Err(Status::INVALID_ARGUMENT);
        }
        let length = BLOCK - 1 - nonce.len();
        let text = u32::try_from(text).map_err(|_| Status::NOT_SUPPORTED)?;
        let ad = u32::try_from(ad).map_err(|_| Status::NOT_SUPPORTED)?;
        if length < 4 && text >> (8 * length) != 0 {
            return Err(Status::INVALID_ARGUMENT);
        }
        // A block of flags, nonce and a number; the nonce takes precedence over high zeros.
        let block = |flags: usize, number: u32| {
            let mut block = u128::from(number).to_be_bytes();
            block[0] = flags as u8;
            for (to, from) in block.iter_mut().skip(1).zip(nonce) {
                *to = *from;
            }
            block
        };
        let mut counter = Cipher::new(Mode::Ctr, key, true)?;
        counter.set_iv(block(length - 1, 0));
        let mut mask = Zeroizing::new([0; BLOCK]);
        counter.apply(&mut mask[..]);
        let flags = usize::from(ad > 0) << 6 | (tag.saturating_sub(2) / 2) << 3 | (length - 1);
        let mut mac = Zeroizing::new(block(flags, text));
        counter.block(&mut mac);
        let mut ccm = Ccm {
            counter,
            mac,
            filled: 0,
            mask,
            in_text: false,
        };
        match ad {
            0 => {}
            1..0xFF00 => ccm.authenticate(&(ad as u16).to_be_bytes()),
            _ => {
                ccm.authenticate(&[0xFF, 0xFE]);
                ccm.authenticate(&ad.to_be_bytes());
            }
        }
        Ok(ccm)
    }

    /// Appends additional data; all of it comes before the first text.
    pub fn additional_data(&mut self, data: &[u8]) {
        self.authenticate(data);
    }

    /// Encrypts the next text in place.
    pub fn encrypt(&mut self, text: &mut [u8]) {
        self.begin_text();
        self.authenticate(text);
        self.counter.apply(text);
    }

    /// Decrypts the next text in place; nothing of it is to be trusted before the tag matched.
    pub fn decrypt(&mut self, text: &mut [u8]) {
        self.begin_text();
        self.counter.apply(text);
        self.authenticate(text);
    }

    /// The full-length tag.
    pub fn finish(mut self) -> [u8; BLOCK] {
        self.pad();
        let mut tag = *self.mac;
        for (to, mask) in tag.iter_mut().zip(self.mask.iter()) {
            *to ^= *mask;
        }
        tag
    }

    fn begin_text(&mut self) {
        if !self.in_text {
            self.pad();
            self.in_text = true;
        }
    }

    fn authenticate(&mut self, data: &[u8]) {
        for byte in data {
            if let Some(to) = self.mac.get_mut(self.filled) {
                *to ^= *byte;
            }
            self.filled += 1;
            if self.filled == BLOCK {
                self.counter.block(&mut self.mac);
                self.filled = 0;
            }
        }
    }

    /// Fills up with zeros to a whole block.
    fn pad(&mut self) {
        if self.filled != 0 {
            self.counter.block(&mut self.mac);
            self.filled = 0;
        }
    }
}
