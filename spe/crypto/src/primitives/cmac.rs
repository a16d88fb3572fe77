//! AES-CMAC (SP 800-38B, RFC 4493) as a stream.
//!
//! The last block is the only one that is treated apart, so it is held back until it is known to be
//! the last.

use super::cipher::{BLOCK, Cipher, Mode};
use psa_interface::Status;
use zeroize::Zeroizing;

/// A MAC under way.
pub struct Cmac {
    cipher: Cipher,
    state: Zeroizing<[u8; BLOCK]>,
    /// Bytes not yet in the state, and how many.
    held: Zeroizing<[u8; BLOCK]>,
    filled: usize,
}

impl Cmac {
    /// An empty message.
    ///
    /// # Errors
    /// NOT_SUPPORTED: no key of AES.
    pub fn new(key: &[u8]) -> Result<Self, Status> {
        Ok(Cmac {
            // The mode does not matter: only the block function is used.
            cipher: Cipher::new(Mode::Ctr, key, true)?,
            state: Zeroizing::new([0; BLOCK]),
            held: Zeroizing::new([0; BLOCK]),
            filled: 0,
        })
    }

    /// Appends `data`.
    pub fn update(&mut self, data: &[u8]) {
        for byte in data {
            if self.filled == BLOCK {
                let block = self.held.clone();
                self.add(&block);
                self.filled = 0;
            }
            if let Some(to) = self.held.get_mut(self.filled) {
                *to = *byte;
            }
            self.filled += 1;
        }
    }

    /// The MAC.
    pub fn finish(mut self) -> [u8; BLOCK] {
        let mut subkey = Zeroizing::new([0; BLOCK]);
        self.cipher.block(&mut subkey);
        let mut subkey = Zeroizing::new(double(&subkey));
        let mut last = self.held.clone();
        if self.filled < BLOCK {
            subkey = Zeroizing::new(double(&subkey));
            for (at, byte) in last.iter_mut().enumerate().skip(self.filled) {
                *byte = if at == self.filled { 0x80 } else { 0 };
            }
        }
        for (to, from) in last.iter_mut().zip(subkey.iter()) {
            *to ^= *from;
        }
        self.add(&last);
        *self.state
    }

    fn add(&mut self, block: &[u8; BLOCK]) {
        for (to, from) in self.state.iter_mut().zip(block) {
            *to ^= *from;
        }
        self.cipher.block(&mut self.state);
    }
}

/// Times x in the field of 2^128, without a branch on the bits.
fn double(block: &[u8; BLOCK]) -> [u8; BLOCK] {
    let number = u128::from_be_bytes(*block);
    let carry = 0u128.wrapping_sub(number >> 127);
    (number << 1 ^ carry & 0x87).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4493 §4, all four examples, in parts of every size.
    #[test]
    fn the_examples_of_the_rfc() {
        let key = 0x2b7e1516_28aed2a6_abf71588_09cf4f3cu128.to_be_bytes();
        let text: Vec<u8> = [
            0x6bc1bee2_2e409f96_e93d7e11_7393172au128,
            0xae2d8a57_1e03ac9c_9eb76fac_45af8e51,
            0x30c81c46_a35ce411_e5fbc119_1a0a52ef,
            0xf69f2445_df4f9b17_ad2b417b_e66c3710,
        ]
        .iter()
        .flat_map(|n| n.to_be_bytes())
        .collect();
        for (length, mac) in [
            (0, 0xbb1d6929_e9593728_7fa37d12_9b756746u128),
            (16, 0x070a16b4_6b4d4144_f79bdd9d_d04a287c),
            (40, 0xdfa66747_de9ae630_30ca3261_1497c827),
            (64, 0x51f0bebf_7e3b9d92_fc497417_79363cfe),
        ] {
            for size in 1..=64 {
                let mut cmac = Cmac::new(&key).unwrap();
                text[..length].chunks(size).for_each(|c| cmac.update(c));
                assert_eq!(cmac.finish(), mac.to_be_bytes(), "{length} by {size}");
            }
        }
        assert!(Cmac::new(&key[..15]).is_err());
    }
}
