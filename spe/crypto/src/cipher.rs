//! Cipher calls: AES in CTR, CBC and ECB, at once and in parts.
//!
//! Owns blocks in pieces and the life of an operation: set up, IV, data, finish. By PSA Crypto 1.1
//! an operation that answered an error can only be aborted; here, as in TF-M, it is gone at once.
//! Output may lie where the input does: it never overtakes what was read.

use psa_interface::crypto::function as f;
use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, Status};
use spm::Call;
use zeroize::Zeroizing;

use crate::aead::transform;
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

fn start(key: Key<'_>, alg: Algorithm, flags: u32) -> Result<Cipher, Status> {
    if !alg.is_cipher() {
        return Err(Status::INVALID_ARGUMENT);
    }
    key.permit(flags, alg)?;
    let mode = Mode::of(alg, key.attributes.key_type)?;
    Cipher::new(mode, key.data, flags == usage::ENCRYPT)
}

impl CipherOperation {
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

    /// Bytes of `n` that can go through now.
    fn passes(&self, n: usize) -> usize {
        if self.cipher.mode().whole_blocks() {
            n & !(BLOCK - 1)
        } else {
            n
        }
    }

    fn update(&mut self, call: &mut Call<'_, '_>) -> Result<(), Status> {
        self.ready()?;
        let input = call.input(1);
        require_room(call, 0, self.passes(self.held.saturating_add(input.len())))?;
        // Read a chunk, then write at most what was read: held bytes are beside it.
        let mut buffer = Zeroizing::new([0; CHUNK + BLOCK]);
        let mut at = 0;
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

    fn finish(&self) -> Result<(), Status> {
        self.ready()?;
        if self.held != 0 {
            return Err(Status::INVALID_ARGUMENT);
        }
        Ok(())
    }
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
    ) -> Result<Cipher, Status> {
        let key = self.keys.get(call.client.0, iov.key_id)?;
        start(key, Algorithm(iov.alg), flags)
    }

    fn cipher_encrypt(&mut self, iov: &CryptoIovec, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let mut cipher = self.cipher_start(iov, call, usage::ENCRYPT)?;
        let text = call.input(1);
        whole(&cipher, text.len())?;
        let mut iv = [0; BLOCK];
        let iv = match cipher.mode().has_iv() {
            true => &mut iv[..],
            false => &mut [],
        };
        require_room(call, 0, text.len().saturating_add(iv.len()))?;
        self.entropy.fill(iv)?;
        put(call, 0, iv)?;
        if let Ok(iv) = (*iv).try_into() {
            cipher.set_iv(iv);
        }
        transform(text, 0..text.len(), call, |chunk| cipher.apply(chunk))
    }

    fn cipher_decrypt(&mut self, iov: &CryptoIovec, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let mut cipher = self.cipher_start(iov, call, usage::DECRYPT)?;
        let text = call.input(1);
        let begin = if cipher.mode().has_iv() { BLOCK } else { 0 };
        let length = text.len().checked_sub(begin);
        let length = length.ok_or(Status::INVALID_ARGUMENT)?;
        whole(&cipher, length)?;
        require_room(call, 0, length)?;
        let mut iv = [0; BLOCK];
        text.read(0, iv.get_mut(..begin).unwrap_or_default());
        cipher.set_iv(iv);
        transform(text, begin..text.len(), call, |chunk| cipher.apply(chunk))
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
            Ok(Operation::Cipher(CipherOperation {
                cipher: start(key, Algorithm(iov.alg), flags)?,
                iv_is_set: false,
                partial: Zeroizing::new([0; BLOCK]),
                held: 0,
            }))
        })
    }

    /// A call on an operation, which is over when it fails or finishes.
    fn cipher_step(&mut self, iov: &CryptoIovec, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let owner = call.client.0;
        let operation: &mut CipherOperation = self.operations.get(owner, iov.op_handle)?;
        let result = match iov.function_id {
            f::CIPHER_SET_IV => operation.set_iv(call.input(1).array()),
            f::CIPHER_UPDATE => operation.update(call),
            f::CIPHER_FINISH => operation.finish(),
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
        let finished = iov.function_id == f::CIPHER_FINISH;
        if finished || result.is_err() {
            self.operations
                .release::<CipherOperation>(owner, iov.op_handle);
        }
        result?;
        if finished {
            require_word_output(call, 0, 4)?;
            put(call, 0, &[0; 4])?;
        }
        Ok(())
    }
}

/// Whether `length` bytes are a whole message.
fn whole(cipher: &Cipher, length: usize) -> Result<(), Status> {
    if cipher.mode().whole_blocks() && !length.is_multiple_of(BLOCK) {
        return Err(Status::INVALID_ARGUMENT);
    }
    Ok(())
}
