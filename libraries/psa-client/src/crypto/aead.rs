//! Authenticated encryption, at once and in parts.
//!
//! Owns the two one-shot AEAD calls and the operation in parts. Input and output are separate
//! buffers; what a failed decryption leaves in the output is not plaintext, nor is what a
//! decryption in parts gives before [`AeadOperation::verify`] succeeds.

use super::{CHUNK, Operation, request, request_out, with_vectors};
use crate::{Algorithm, OutVec, Status, Transport, trimmed};
use psa_interface::crypto::{CryptoIovec, function};
use psa_interface::service::{CRYPTO_HANDLE, IPC_CALL};

fn with_nonce(
    function_id: u16,
    key: u32,
    alg: Algorithm,
    nonce: &[u8],
) -> Result<CryptoIovec, Status> {
    CryptoIovec {
        key_id: key,
        alg: alg.0,
        ..CryptoIovec::new(function_id)
    }
    .with_nonce(nonce)
}

/// Encrypts; `ciphertext` gets the tag at its end. Its length.
///
/// # Errors
/// INVALID_ARGUMENT: a nonce over 16 bytes; NOT_PERMITTED; BUFFER_TOO_SMALL.
pub fn aead_encrypt(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    nonce: &[u8],
    additional_data: &[u8],
    plaintext: &[u8],
    ciphertext: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_nonce(function::AEAD_ENCRYPT, key, alg, nonce)?;
    let rest = [plaintext, additional_data];
    request_out(transport, &iov, trimmed(&rest), ciphertext)
}

/// Decrypts `ciphertext`, which has the tag at its end; the plaintext's length.
///
/// # Errors
/// INVALID_SIGNATURE: not what was encrypted; else as [`aead_encrypt`].
pub fn aead_decrypt(
    transport: &impl Transport,
    key: u32,
    alg: Algorithm,
    nonce: &[u8],
    additional_data: &[u8],
    ciphertext: &[u8],
    plaintext: &mut [u8],
) -> Result<usize, Status> {
    let iov = with_nonce(function::AEAD_DECRYPT, key, alg, nonce)?;
    let rest = [ciphertext, additional_data];
    request_out(transport, &iov, trimmed(&rest), plaintext)
}

/// An AEAD in parts. Dropping it gives its slot back. After any error it is over.
pub struct AeadOperation<T: Transport>(Operation<T>);

impl<T: Transport> AeadOperation<T> {
    /// Starts an encryption.
    ///
    /// # Errors
    /// NOT_PERMITTED: the key's policy, or no slot is free; NOT_SUPPORTED; INVALID_ARGUMENT.
    pub fn encrypt_setup(transport: T, key: u32, alg: Algorithm) -> Result<Self, Status> {
        let iov = with_nonce(function::AEAD_ENCRYPT_SETUP, key, alg, &[])?;
        Operation::setup(transport, &iov, function::AEAD_ABORT).map(AeadOperation)
    }

    /// Starts a decryption.
    ///
    /// # Errors
    /// As [`AeadOperation::encrypt_setup`].
    pub fn decrypt_setup(transport: T, key: u32, alg: Algorithm) -> Result<Self, Status> {
        let iov = with_nonce(function::AEAD_DECRYPT_SETUP, key, alg, &[])?;
        Operation::setup(transport, &iov, function::AEAD_ABORT).map(AeadOperation)
    }

    /// Says how much is to come; CCM cannot do without.
    ///
    /// # Errors
    /// BAD_STATE: said before, or data has come; INVALID_ARGUMENT: impossible with the nonce.
    pub fn set_lengths(&mut self, additional_data: u32, plaintext: u32) -> Result<(), Status> {
        let iov = CryptoIovec {
            ad_length: additional_data,
            plaintext_length: plaintext,
            ..self.0.iovec(function::AEAD_SET_LENGTHS)
        };
        request(&self.0.transport, &iov, &[])
    }

    /// Makes a random nonce; its length.
    ///
    /// # Errors
    /// BAD_STATE: there is one, or this decrypts; BUFFER_TOO_SMALL.
    pub fn generate_nonce(&mut self, nonce: &mut [u8]) -> Result<usize, Status> {
        let iov = self.0.iovec(function::AEAD_GENERATE_NONCE);
        request_out(&self.0.transport, &iov, &[], nonce)
    }

    /// Sets the nonce.
    ///
    /// # Errors
    /// BAD_STATE: there is one; INVALID_ARGUMENT: its length.
    pub fn set_nonce(&mut self, nonce: &[u8]) -> Result<(), Status> {
        let iov = self.0.iovec(function::AEAD_SET_NONCE);
        request(&self.0.transport, &iov, &[nonce])
    }

    /// Appends additional data; all of it comes before the text.
    ///
    /// # Errors
    /// BAD_STATE: no nonce, no lengths for CCM, or text has come; INVALID_ARGUMENT: too much.
    pub fn update_ad(&mut self, data: &[u8]) -> Result<(), Status> {
        self.0.update(function::AEAD_UPDATE_AD, data)
    }

    /// Encrypts or decrypts more text; the length of what came out.
    ///
    /// # Errors
    /// BUFFER_TOO_SMALL; BAD_STATE as [`AeadOperation::update_ad`]; INVALID_ARGUMENT: more than
    /// was said, or additional data is missing.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize, Status> {
        let mut written = 0;
        for part in input.chunks(CHUNK) {
            let iov = self.0.iovec(function::AEAD_UPDATE);
            let rest = output.get_mut(written..).unwrap_or_default();
            written += request_out(&self.0.transport, &iov, &[part], rest)?;
        }
        Ok(written)
    }

    /// Ends an encryption; the lengths of the last ciphertext and of the tag.
    ///
    /// # Errors
    /// INVALID_ARGUMENT: less has come than was said; BUFFER_TOO_SMALL; BAD_STATE.
    pub fn finish(
        mut self,
        ciphertext: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(usize, usize), Status> {
        let iov = self.0.iovec(function::AEAD_FINISH);
        let room = (ciphertext.len(), tag.len());
        let mut handle = self.0.handle.to_le_bytes();
        let mut out = [
            OutVec::new(&mut handle),
            OutVec::new(tag),
            OutVec::new(ciphertext),
        ];
        // An empty last vector is none at all.
        let used = out.len() - usize::from(room.0 == 0);
        let out_vecs = out.get_mut(..used).unwrap_or_default();
        with_vectors(&iov, &[], |v| {
            Status(
                self.0
                    .transport
                    .psa_call(CRYPTO_HANDLE, IPC_CALL, v, out_vecs),
            )
            .ok()
        })?;
        let (tag, ciphertext) = (out[1].len, out[2].len);
        self.0.handle = u32::from_le_bytes(handle);
        Ok((ciphertext.min(room.0), tag.min(room.1)))
    }

    /// Ends a decryption; the length of the last plaintext.
    ///
    /// # Errors
    /// INVALID_SIGNATURE: not what was encrypted; INVALID_ARGUMENT: less has come than was said;
    /// BAD_STATE.
    pub fn verify(mut self, tag: &[u8], plaintext: &mut [u8]) -> Result<usize, Status> {
        let iov = self.0.iovec(function::AEAD_VERIFY);
        let room = plaintext.len();
        let mut handle = self.0.handle.to_le_bytes();
        let mut out = [OutVec::new(&mut handle), OutVec::new(plaintext)];
        let used = out.len() - usize::from(room == 0);
        let out_vecs = out.get_mut(..used).unwrap_or_default();
        with_vectors(&iov, &[tag], |v| {
            Status(
                self.0
                    .transport
                    .psa_call(CRYPTO_HANDLE, IPC_CALL, v, out_vecs),
            )
            .ok()
        })?;
        let written = out[1].len;
        self.0.handle = u32::from_le_bytes(handle);
        Ok(written.min(room))
    }
}
