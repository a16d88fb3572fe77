//! Cipher calls: AES in CTR, CFB, CBC (padded and not) and ECB, at once and in parts.
//!
//! Owns blocks in pieces, padding, and the life of an operation: set up, IV, data, finish. Whoever
//! decrypts with padding learns from INVALID_PADDING that it was wrong, as PSA has it. By PSA Crypto 1.1
//! an operation that answered an error can only be aborted; here, as in TF-M, it is gone at once.
//! Output may lie where the input does: it never overtakes what was read.

use psa_interface::crypto::function as f;
use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, Status};
use spm::{Call, Input};
use zeroize::Zeroizing;

use crate::arguments::{CHUNK, output, put, require_room, require_word_output};
use crate::entropy::Entropy;
use crate::keys::{Key, KeyStore};
use crate::operations::Operation;
use crate::primitives::cipher::{BLOCK, Cipher, Mode};
use crate::service::CryptoService;

/// A cipher under way.
pub struct CipherOperation {
    cipher: Cipher,
    iv_is_set: bool,
    /// Of a block mode: the block that is not whole yet.
    partial: Zeroizing<[u8; BLOCK]>,
    held: usize,
}

impl CipherOperation {
    fn new(key: Key<'_>, alg: Algorithm, flags: u32) -> Result<Self, Status> {
        if !alg.is_cipher() {
            return Err(Status::INVALID_ARGUMENT);
        }
        key.permit(flags, alg)?;
        let mode = Mode::of(alg, key.attributes.key_type)?;
        Ok(CipherOperation {
            cipher: Cipher::new(mode, key.data, flags == usage::ENCRYPT)?,
            iv_is_set: false,
            partial: Zeroizing::new([0; BLOCK]),
            held: 0,
        })
    }

    /// All of `input` from `at` on, after the IV.
    fn at_once(
        mut self,
        input: Input<'_>,
        at: usize,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        self.iv_is_set = true;
        self.process(input, at, call)?;
        let (block, length) = self.last()?;
        put(call, 0, block.get(..length).unwrap_or_default())
    }

    fn set_iv(&mut self, iv: Option<[u8; BLOCK]>) -> Result<(), Status> {
        self.may_set_iv()?;
        self.cipher.set_iv(iv.ok_or(Status::INVALID_ARGUMENT)?);
        self.iv_is_set = true;
        Ok(())
    }

    fn may_set_iv(&self) -> Result<(), Status> {
        if self.iv_is_set || !self.cipher.mode().has_iv() {
            return Err(Status::BAD_STATE);
        }
        Ok(())
    }

    fn ready(&self) -> Result<(), Status> {
        if self.cipher.mode().has_iv() && !self.iv_is_set {
            return Err(Status::BAD_STATE);
        }
        Ok(())
    }

    /// Bytes of `n` that can go through now. Padding is in the last block: it waits.
    fn passes(&self, n: usize) -> usize {
        match self.cipher.mode() {
            mode if !mode.whole_blocks() => n,
            mode if mode.pads() && !self.cipher.encrypts() => n.saturating_sub(1) & !(BLOCK - 1),
            _ => n & !(BLOCK - 1),
        }
    }

    fn update(&mut self, call: &mut Call<'_, '_>) -> Result<(), Status> {
        self.ready()?;
        let input = call.input(1);
        require_room(call, 0, self.passes(self.held.saturating_add(input.len())))?;
        self.process(input, 0, call)
    }

    /// Ciphers `input` from `at` on into output 0.
    fn process(
        &mut self,
        input: Input<'_>,
        mut at: usize,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        // Read a chunk, then write at most what was read: held bytes are beside it.
        let mut buffer = Zeroizing::new([0; CHUNK + BLOCK]);
        while at < input.len() {
            let want = (input.len() - at).min(CHUNK);
            let total = self.held + want;
            let (held, rest) = buffer.split_at_mut(self.held.min(BLOCK));
            held.copy_from_slice(self.partial.get(..self.held).unwrap_or_default());
            let fresh = rest.get_mut(..want).ok_or(Status::GENERIC_ERROR)?;
            if input.read(at, fresh) != want {
                return Err(Status::GENERIC_ERROR);
            }
            at += want;
            let passes = self.passes(total);
            let bytes = buffer.get_mut(..total).ok_or(Status::GENERIC_ERROR)?;
            let (through, kept) = bytes.split_at_mut(passes);
            self.held = kept.len();
            for (to, from) in self.partial.iter_mut().zip(kept) {
                *to = *from;
            }
            if passes != 0 {
                self.cipher.apply(through);
                if !output(call, 0)?.append(through) {
                    return Err(Status::BUFFER_TOO_SMALL);
                }
            }
        }
        Ok(())
    }

    /// The last bytes, which are none where nothing is padded.
    fn last(&mut self) -> Result<(Zeroizing<[u8; BLOCK]>, usize), Status> {
        self.ready()?;
        let mut block = self.partial.clone();
        if !self.cipher.mode().pads() {
            return match self.held {
                0 => Ok((block, 0)),
                _ => Err(Status::INVALID_ARGUMENT),
            };
        }
        if self.cipher.encrypts() {
            let fill = BLOCK.saturating_sub(self.held);
            for byte in block.iter_mut().skip(self.held) {
                *byte = fill as u8;
            }
            self.cipher.apply(&mut block[..]);
            return Ok((block, BLOCK));
        }
        if self.held != BLOCK {
            return Err(Status::INVALID_ARGUMENT);
        }
        self.cipher.apply(&mut block[..]);
        match unpadded(&block) {
            Some(length) => Ok((block, length)),
            None => Err(Status::INVALID_PADDING),
        }
    }
}

/// Bytes of a block in front of its PKCS#7 padding, found in time that does not depend on them.
fn unpadded(block: &[u8; BLOCK]) -> Option<usize> {
    let fill = block[BLOCK - 1];
    let mut wrong = u8::from(fill == 0) | u8::from(usize::from(fill) > BLOCK);
    for (from_end, byte) in block.iter().rev().enumerate() {
        let counts = u8::from(from_end < usize::from(fill));
        wrong |= counts & u8::from(*byte != fill);
    }
    (wrong == 0).then(|| BLOCK.saturating_sub(fill.into()))
}

impl<K: KeyStore, R: Entropy> CryptoService<K, R> {
    /// Every call of the group.
    pub(crate) fn cipher(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        match iov.function_id {
            f::CIPHER_ENCRYPT => self.cipher_encrypt(iov, call),
            f::CIPHER_DECRYPT => self.cipher_decrypt(iov, call),
            f::CIPHER_ENCRYPT_SETUP => self.cipher_setup(iov, call, usage::ENCRYPT),
            f::CIPHER_DECRYPT_SETUP => self.cipher_setup(iov, call, usage::DECRYPT),
            f::CIPHER_GENERATE_IV | f::CIPHER_SET_IV | f::CIPHER_UPDATE | f::CIPHER_FINISH => {
                self.cipher_step(iov, call)
            }
            f::CIPHER_ABORT => self.abort::<CipherOperation>(iov, call),
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    fn cipher_start(
        &mut self,
        iov: &CryptoIovec,
        call: &Call<'_, '_>,
        flags: u32,
    ) -> Result<CipherOperation, Status> {
        let key = self.keys.get(call.client.0, iov.key_id)?;
        CipherOperation::new(key, Algorithm(iov.alg), flags)
    }

    fn cipher_encrypt(&mut self, iov: &CryptoIovec, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let mut operation = self.cipher_start(iov, call, usage::ENCRYPT)?;
        let mode = operation.cipher.mode();
        let text = call.input(1);
        whole(mode, text.len())?;
        let mut iv = [0; BLOCK];
        let begin = if mode.has_iv() { BLOCK } else { 0 };
        let fill = if mode.pads() {
            BLOCK - text.len() % BLOCK
        } else {
            0
        };
        let length = text.len().saturating_add(begin).saturating_add(fill);
        require_room(call, 0, length)?;
        let drawn = iv.get_mut(..begin).unwrap_or_default();
        self.entropy.fill(drawn)?;
        put(call, 0, drawn)?;
        operation.cipher.set_iv(iv);
        operation.at_once(text, 0, call)
    }

    fn cipher_decrypt(&mut self, iov: &CryptoIovec, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let mut operation = self.cipher_start(iov, call, usage::DECRYPT)?;
        let mode = operation.cipher.mode();
        let text = call.input(1);
        let begin = if mode.has_iv() { BLOCK } else { 0 };
        let length = text.len().checked_sub(begin);
        let length = length.ok_or(Status::INVALID_ARGUMENT)?;
        whole(mode, length)?;
        // What padding leaves is known at the end.
        require_room(call, 0, operation.passes(length))?;
        let mut iv = [0; BLOCK];
        text.read(0, iv.get_mut(..begin).unwrap_or_default());
        operation.cipher.set_iv(iv);
        operation.at_once(text, begin, call)
    }

    fn cipher_setup(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
        flags: u32,
    ) -> Result<(), Status> {
        let client = call.client.0;
        self.start(iov, call, |service| {
            let key = service.keys.get(client, iov.key_id)?;
            let operation = CipherOperation::new(key, Algorithm(iov.alg), flags)?;
            Ok(Operation::Cipher(operation))
        })
    }

    /// A call on an operation, which is over when it fails or finishes.
    fn cipher_step(&mut self, iov: &CryptoIovec, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let owner = call.client.0;
        let operation: &mut CipherOperation = self.operations.get(owner, iov.op_handle)?;
        let result = match iov.function_id {
            f::CIPHER_SET_IV => operation.set_iv(call.input(1).array()),
            f::CIPHER_UPDATE => operation.update(call),
            f::CIPHER_FINISH => operation.last().and_then(|(block, length)| {
                require_word_output(call, 0, 4)?;
                put(call, 1, block.get(..length).unwrap_or_default())?;
                put(call, 0, &[0; 4])
            }),
            _ => {
                let mut iv = [0; BLOCK];
                operation
                    .may_set_iv()
                    .and_then(|()| require_room(call, 0, BLOCK))
                    .and_then(|()| self.entropy.fill(&mut iv))
                    .and_then(|()| put(call, 0, &iv))
                    .and_then(|()| operation.set_iv(Some(iv)))
            }
        };
        if iov.function_id == f::CIPHER_FINISH || result.is_err() {
            self.operations
                .release::<CipherOperation>(owner, iov.op_handle);
        }
        result
    }
}

/// Whether `length` bytes can be a message.
fn whole(mode: Mode, length: usize) -> Result<(), Status> {
    if mode.whole_blocks() && !mode.pads() && !length.is_multiple_of(BLOCK) {
        return Err(Status::INVALID_ARGUMENT);
    }
    Ok(())
}
