//! AEAD calls: one-shot, in a stream through a small private buffer.
//!
//! Decryption releases plaintext before the tag is known, into the caller's own output, and takes
//! all of it back (zeros, length 0) when the tag does not match.

use core::ops::Range;

#[cfg(feature = "PSA_WANT_ALG_CCM")]
use psa_interface::KeyType;
use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, Status};
use spm::{Call, Input};

use crate::arguments::{CHUNK, each_chunk, output, put, require_room};
use crate::entropy::Entropy;
use crate::keys::KeyStore;
use crate::primitives::aead::{self, Aead, TAG};
#[cfg(feature = "PSA_WANT_ALG_CCM")]
use crate::primitives::ccm::{self, Ccm};
use crate::primitives::equal;
use crate::service::CryptoService;
use symmetric::Erased;

/// A message under way.
#[allow(clippy::large_enum_variant)] // One at a time, on the stack.
enum Message {
    Aead(Aead),
    #[cfg(feature = "PSA_WANT_ALG_CCM")]
    Ccm(Ccm),
}

macro_rules! each {
    ($message:expr, $inner:ident => $do:expr) => {
        match $message {
            Message::Aead($inner) => $do,
            #[cfg(feature = "PSA_WANT_ALG_CCM")]
            Message::Ccm($inner) => $do,
        }
    };
}

impl Message {
    fn encrypt(&mut self, text: &mut [u8]) {
        each!(self, inner => inner.encrypt(text))
    }

    fn decrypt(&mut self, text: &mut [u8]) {
        each!(self, inner => inner.decrypt(text))
    }

    fn finish(self) -> [u8; TAG] {
        each!(self, inner => inner.finish())
    }
}

impl<K: KeyStore, R: Entropy> CryptoService<K, R> {
    /// The message, and the length of its tag.
    fn aead_start(
        &mut self,
        iov: &CryptoIovec,
        call: &Call<'_, '_>,
        flags: u32,
    ) -> Result<(Message, usize), Status> {
        let alg = Algorithm(iov.alg);
        if !alg.is_aead() || alg.is_wildcard() {
            return Err(Status::INVALID_ARGUMENT);
        }
        let key = self.keys.get_for(call.client.0, iov.key_id, flags, alg)?;
        let nonce = iov.nonce();
        #[cfg(feature = "PSA_WANT_ALG_CCM")]
        if alg.aead_base() == Algorithm::CCM {
            let tag = ccm::tag_length(alg)?;
            if key.attributes.key_type != KeyType::AES {
                return Err(Status::INVALID_ARGUMENT);
            }
            let lengths = (
                call.input(2).len(),
                call.input(1)
                    .len()
                    .checked_sub(if flags == usage::DECRYPT { tag } else { 0 })
                    .ok_or(Status::INVALID_ARGUMENT)?,
            );
            let nonce = nonce.ok_or(Status::INVALID_ARGUMENT)?;
            let mut ccm = Ccm::new(key.data, nonce, lengths, tag)?;
            each_chunk(call.input(2), |chunk| ccm.additional_data(chunk));
            return Ok((Message::Ccm(ccm), tag));
        }
        let tag = aead::tag_length(alg)?;
        if !aead::compatible(key.attributes.key_type, alg) {
            return Err(Status::INVALID_ARGUMENT);
        }
        let nonce = nonce.ok_or(Status::INVALID_ARGUMENT)?;
        let mut aead = Aead::new(alg, key.data, nonce)?;
        each_chunk(call.input(2), |chunk| aead.additional_data(chunk));
        Ok((Message::Aead(aead), tag))
    }

    pub(crate) fn aead_encrypt(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let (mut aead, tag) = self.aead_start(iov, call, usage::ENCRYPT)?;
        let text = call.input(1);
        require_room(call, 0, text.len().saturating_add(tag))?;
        transform(text, 0..text.len(), call, |chunk| aead.encrypt(chunk))?;
        put(call, 0, aead.finish().get(..tag).unwrap_or_default())
    }

    pub(crate) fn aead_decrypt(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let (mut aead, tag) = self.aead_start(iov, call, usage::DECRYPT)?;
        let text = call.input(1);
        let len = text
            .len()
            .checked_sub(tag)
            .ok_or(Status::INVALID_ARGUMENT)?;
        require_room(call, 0, len)?;
        // Fetched before anything is written: output and input may overlap.
        let mut received = [0; TAG];
        let received = received.get_mut(..tag).ok_or(Status::INVALID_ARGUMENT)?;
        text.read(len, received);
        transform(text, 0..len, call, |chunk| aead.decrypt(chunk))?;
        if equal(aead.finish().get(..tag).unwrap_or_default(), received) {
            Ok(())
        } else {
            Err(Status::INVALID_SIGNATURE) // The dispatcher clears every output.
        }
    }
}

/// Passes `range` of `input` through `f` into output 0.
pub(crate) fn transform(
    input: Input<'_>,
    range: Range<usize>,
    call: &mut Call<'_, '_>,
    mut f: impl FnMut(&mut [u8]),
) -> Result<(), Status> {
    if range.is_empty() {
        return Ok(());
    }
    let out = output(call, 0)?;
    let mut buffer = Erased::new([0; CHUNK]);
    let mut at = range.start;
    while at < range.end {
        let want = (range.end - at).min(CHUNK);
        let chunk = buffer.get_mut(..want).ok_or(Status::GENERIC_ERROR)?;
        if input.read(at, chunk) != want {
            return Err(Status::GENERIC_ERROR);
        }
        f(chunk);
        if !out.append(chunk) {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        at += want;
    }
    Ok(())
}
