//! AES in CTR, CFB, CBC and ECB (SP 800-38A) as streams.
//!
//! Owns the modes over the bit-sliced block cipher of `symmetric`; no key is ever an index. Most of
//! them only encrypt; CBC and ECB decrypt too. Does not own padding, blocks in pieces (the service
//! collects them) or who chooses the IV.

use psa_interface::{Algorithm, KeyType, Status};
use symmetric::aes::Aes;
use zeroize::{Zeroize, Zeroizing};

/// Block length, bytes.
pub const BLOCK: usize = 16;
/// Blocks ciphered together: as many as the block cipher takes at once, twice.
const BATCH: usize = 4;

type Block = [u8; BLOCK];

/// A mode of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Counter mode with a 128-bit counter.
    #[cfg(any(feature = "PSA_WANT_ALG_CTR", feature = "PSA_WANT_ALG_CCM"))]
    Ctr,
    /// Cipher feedback of whole blocks.
    #[cfg(feature = "PSA_WANT_ALG_CFB")]
    Cfb,
    /// Cipher block chaining.
    #[cfg(feature = "PSA_WANT_ALG_CBC_NO_PADDING")]
    Cbc,
    /// The same, filled up to whole blocks by PKCS#7 (RFC 5652 §6.3).
    #[cfg(feature = "PSA_WANT_ALG_CBC_PKCS7")]
    CbcPkcs7,
    /// Electronic code book.
    #[cfg(feature = "PSA_WANT_ALG_ECB_NO_PADDING")]
    Ecb,
}

impl Mode {
    /// The mode of `alg` with keys of `key_type`.
    ///
    /// # Errors
    /// INVALID_ARGUMENT: not a cipher; NOT_SUPPORTED: another cipher, or no key for it.
    pub fn of(alg: Algorithm, key_type: KeyType) -> Result<Self, Status> {
        if !alg.is_cipher() {
            return Err(Status::INVALID_ARGUMENT);
        }
        if key_type != KeyType::AES {
            return Err(Status::NOT_SUPPORTED);
        }
        match alg {
            #[cfg(feature = "PSA_WANT_ALG_CTR")]
            Algorithm::CTR => Ok(Mode::Ctr),
            #[cfg(feature = "PSA_WANT_ALG_CFB")]
            Algorithm::CFB => Ok(Mode::Cfb),
            #[cfg(feature = "PSA_WANT_ALG_CBC_NO_PADDING")]
            Algorithm::CBC_NO_PADDING => Ok(Mode::Cbc),
            #[cfg(feature = "PSA_WANT_ALG_CBC_PKCS7")]
            Algorithm::CBC_PKCS7 => Ok(Mode::CbcPkcs7),
            #[cfg(feature = "PSA_WANT_ALG_ECB_NO_PADDING")]
            Algorithm::ECB_NO_PADDING => Ok(Mode::Ecb),
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    /// Whether it begins at an IV.
    pub fn has_iv(self) -> bool {
        match self {
            #[cfg(feature = "PSA_WANT_ALG_ECB_NO_PADDING")]
            Mode::Ecb => false,
            #[allow(unreachable_patterns)] // With ECB alone.
            _ => true,
        }
    }

    /// Whether the last block is filled up.
    pub fn pads(self) -> bool {
        match self {
            #[cfg(feature = "PSA_WANT_ALG_CBC_PKCS7")]
            Mode::CbcPkcs7 => true,
            #[allow(unreachable_patterns)] // With that mode alone.
            _ => false,
        }
    }

    /// Whether it ciphers whole blocks only.
    pub fn whole_blocks(self) -> bool {
        match self {
            #[cfg(any(feature = "PSA_WANT_ALG_CTR", feature = "PSA_WANT_ALG_CCM"))]
            Mode::Ctr => false,
            #[cfg(feature = "PSA_WANT_ALG_CFB")]
            Mode::Cfb => false,
            #[allow(unreachable_patterns)] // With CTR alone.
            _ => true,
        }
    }
}

/// Puts `blocks` through `pair`, two at a time.
fn each_pair(blocks: &mut [Block], pair: impl Fn(&Block, &Block) -> [Block; 2]) {
    for blocks in blocks.chunks_mut(2) {
        match blocks {
            [a, b] => [*a, *b] = pair(a, b),
            [a] => [*a, _] = pair(a, a),
            _ => {}
        }
    }
}

/// One encryption or decryption under way.
pub struct Cipher {
    key: Aes,
    mode: Mode,
    encrypting: bool,
    /// CBC: the block before. CTR: the next counter.
    chain: Block,
    /// CTR: the block of key stream in use, and how much of it is used up.
    stream: Zeroizing<[u8; BLOCK]>,
    used: usize,
}

impl Cipher {
    /// Starts at a zero IV.
    ///
    /// # Errors
    /// NOT_SUPPORTED: no key of AES.
    pub fn new(mode: Mode, key: &[u8], encrypting: bool) -> Result<Self, Status> {
        let key = Aes::new(key).ok_or(Status::NOT_SUPPORTED)?;
        Ok(Cipher {
            key,
            mode,
            encrypting,
            chain: [0; BLOCK],
            stream: Zeroizing::new([0; BLOCK]),
            used: BLOCK,
        })
    }

    /// Its mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether it encrypts.
    pub fn encrypts(&self) -> bool {
        self.encrypting
    }

    /// Begins anew at `iv`.
    pub fn set_iv(&mut self, iv: [u8; BLOCK]) {
        self.chain = iv;
        self.used = BLOCK;
    }

    /// Ciphers `data` in place; whole blocks where the mode says so (the rest stays as it is).
    pub fn apply(&mut self, data: &mut [u8]) {
        match self.mode {
            #[cfg(any(feature = "PSA_WANT_ALG_CTR", feature = "PSA_WANT_ALG_CCM"))]
            Mode::Ctr => self.counter(data),
            #[cfg(feature = "PSA_WANT_ALG_CFB")]
            Mode::Cfb => self.feedback(data),
            #[cfg(feature = "PSA_WANT_ALG_CBC_NO_PADDING")]
            Mode::Cbc => self.chained(data),
            #[cfg(feature = "PSA_WANT_ALG_CBC_PKCS7")]
            Mode::CbcPkcs7 => self.chained(data),
            #[cfg(feature = "PSA_WANT_ALG_ECB_NO_PADDING")]
            Mode::Ecb => {
                let (blocks, _) = data.as_chunks_mut();
                if self.encrypting {
                    self.encrypt(blocks);
                } else {
                    self.decrypt(blocks);
                }
            }
        }
    }

    fn encrypt(&self, blocks: &mut [Block]) {
        each_pair(blocks, |a, b| self.key.encrypt(a, b));
    }

    #[cfg(feature = "psa-cipher")]
    fn decrypt(&self, blocks: &mut [Block]) {
        each_pair(blocks, |a, b| self.key.decrypt(a, b));
    }

    /// Encrypts one block under the key, whatever the mode (CCM's MAC, CMAC).
    #[cfg(any(feature = "PSA_WANT_ALG_CCM", feature = "PSA_WANT_ALG_CMAC"))]
    pub(crate) fn block(&self, block: &mut [u8; BLOCK]) {
        self.encrypt(core::slice::from_mut(block));
    }

    #[cfg(any(feature = "PSA_WANT_ALG_CTR", feature = "PSA_WANT_ALG_CCM"))]
    fn counter(&mut self, data: &mut [u8]) {
        // What is left of the last block of key stream.
        let left = self.stream.get(self.used..).unwrap_or_default();
        let (head, data) = data.split_at_mut(left.len().min(data.len()));
        xor(head, left);
        self.used += head.len();
        let mut streams = [[0; BLOCK]; BATCH];
        for part in data.chunks_mut(BATCH * BLOCK) {
            let wanted = part.len().div_ceil(BLOCK);
            let blocks = streams.get_mut(..wanted).unwrap_or_default();
            for block in blocks.iter_mut() {
                *block = self.chain;
                let next = u128::from_be_bytes(self.chain).wrapping_add(1);
                self.chain = next.to_be_bytes();
            }
            self.encrypt(blocks);
            xor(part, blocks.as_flattened());
            if let (Some(last), rest @ 1..) = (blocks.last(), part.len() % BLOCK) {
                self.stream.copy_from_slice(last);
                self.used = rest;
            }
        }
        streams.as_flattened_mut().zeroize();
    }

    #[cfg(feature = "PSA_WANT_ALG_CFB")]
    fn feedback(&mut self, data: &mut [u8]) {
        for byte in data {
            if self.used == BLOCK {
                let mut next = [self.chain];
                self.encrypt(&mut next);
                self.stream.copy_from_slice(&next[0]);
                next[0].zeroize();
                self.used = 0;
            }
            let given = *byte;
            *byte ^= self.stream.get(self.used).copied().unwrap_or_default();
            // What is fed back is the ciphertext.
            if let Some(chain) = self.chain.get_mut(self.used) {
                *chain = if self.encrypting { *byte } else { given };
            }
            self.used += 1;
        }
    }

    #[cfg(any(
        feature = "PSA_WANT_ALG_CBC_NO_PADDING",
        feature = "PSA_WANT_ALG_CBC_PKCS7"
    ))]
    fn chained(&mut self, data: &mut [u8]) {
        let (blocks, _) = data.as_chunks_mut();
        if self.encrypting {
            self.chain_encrypt(blocks);
        } else {
            self.chain_decrypt(blocks);
        }
    }

    #[cfg(any(
        feature = "PSA_WANT_ALG_CBC_NO_PADDING",
        feature = "PSA_WANT_ALG_CBC_PKCS7"
    ))]
    fn chain_encrypt(&mut self, blocks: &mut [Block]) {
        for block in blocks {
            xor(block, &self.chain);
            self.encrypt(core::slice::from_mut(block));
            self.chain = *block;
        }
    }

    #[cfg(any(
        feature = "PSA_WANT_ALG_CBC_NO_PADDING",
        feature = "PSA_WANT_ALG_CBC_PKCS7"
    ))]
    fn chain_decrypt(&mut self, blocks: &mut [Block]) {
        let mut before = [[0; BLOCK]; BATCH];
        for batch in blocks.chunks_mut(BATCH) {
            for (to, from) in before.iter_mut().zip(batch.iter()) {
                *to = *from;
            }
            self.decrypt(batch);
            for (block, text) in batch.iter_mut().zip(&before) {
                xor(block, &self.chain);
                self.chain = *text;
            }
        }
    }
}

fn xor(to: &mut [u8], from: &[u8]) {
    for (a, b) in to.iter_mut().zip(from) {
        *a ^= *b;
    }
}
