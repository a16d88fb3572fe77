//! AEAD calls: one-shot, in a stream through a small private buffer.
//!
//! Decryption releases plaintext before the tag is known, into the caller's own output, and takes
//! all of it back (zeros, length 0) when the tag does not match.

use core::ops::Range;

use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, KeyType, Status};
use spm::{Call, Input};

use crate::arguments::{CHUNK, each_chunk, output, put, require_room};
use crate::entropy::Entropy;
use crate::keys::KeyStore;
#[cfg(feature = "stream-aead")]
use crate::primitives::aead::{self, Aead};
#[cfg(feature = "PSA_WANT_ALG_CCM")]
use crate::primitives::ccm::{self, Ccm};
use crate::primitives::equal;
use crate::service::CryptoService;
use symmetric::Erased;

#[cfg(not(any(feature = "stream-aead", feature = "PSA_WANT_ALG_CCM")))]
compile_error!("choose an AEAD: feature PSA_WANT_ALG_GCM, _CHACHA20_POLY1305 or _CCM");

/// Full tag length of all of them, bytes.
pub(crate) const TAG: usize = 16;

/// A message under way.
#[allow(clippy::large_enum_variant)] // On the stack, or in a slot of one size.
pub(crate) enum Message {
    #[cfg(feature = "stream-aead")]
    Aead(Aead),
    #[cfg(feature = "PSA_WANT_ALG_CCM")]
    Ccm(Ccm),
}

macro_rules! each {
    ($message:expr, $inner:ident => $do:expr) => {
        match $message {
            #[cfg(feature = "stream-aead")]
            Message::Aead($inner) => $do,
            #[cfg(feature = "PSA_WANT_ALG_CCM")]
            Message::Ccm($inner) => $do,
        }
    };
}

impl Message {
    /// Starts one. Lengths of additional data and text, and the tag's, matter to CCM alone.
    ///
    /// # Errors
    /// As [`Aead::new`], [`Ccm::new`].
    pub(crate) fn new(
        alg: Algorithm,
        key: &[u8],
        nonce: &[u8],
        #[allow(unused)] lengths: (usize, usize),
        #[allow(unused)] tag: usize,
    ) -> Result<Self, Status> {
        #[cfg(feature = "PSA_WANT_ALG_CCM")]
        if alg.aead_base() == Algorithm::CCM {
            return Ccm::new(key, nonce, lengths, tag).map(Message::Ccm);
        }
        #[cfg(feature = "stream-aead")]
        return Aead::new(alg, key, nonce).map(Message::Aead);
        #[cfg(not(feature = "stream-aead"))]
        Err(Status::NOT_SUPPORTED)
    }

    pub(crate) fn additional_data(&mut self, data: &[u8]) {
        each!(self, inner => inner.additional_data(data))
    }

    pub(crate) fn encrypt(&mut self, text: &mut [u8]) {
        each!(self, inner => inner.encrypt(text))
    }

    pub(crate) fn decrypt(&mut self, text: &mut [u8]) {
        each!(self, inner => inner.decrypt(text))
    }

    pub(crate) fn finish(self) -> [u8; TAG] {
        each!(self, inner => inner.finish())
    }
}

/// The tag length of `alg`, bytes.
///
/// # Errors
/// INVALID_ARGUMENT when no such tag exists, NOT_SUPPORTED for other AEADs.
pub(crate) fn tag_length(alg: Algorithm) -> Result<usize, Status> {
    #[cfg(feature = "PSA_WANT_ALG_CCM")]
    if alg.aead_base() == Algorithm::CCM {
        return ccm::tag_length(alg);
    }
    #[cfg(feature = "stream-aead")]
    return aead::tag_length(alg);
    #[cfg(not(feature = "stream-aead"))]
    Err(Status::NOT_SUPPORTED)
}

/// Checks that keys of `key_type` go with an AEAD that is offered.
///
/// # Errors
/// INVALID_ARGUMENT when they do not.
pub(crate) fn compatible(key_type: KeyType, alg: Algorithm) -> Result<(), Status> {
    let ccm = alg.aead_base() == Algorithm::CCM && key_type == KeyType::AES;
    #[cfg(feature = "stream-aead")]
    let other = aead::compatible(key_type, alg);
    #[cfg(not(feature = "stream-aead"))]
    let other = false;
    if ccm || other {
        Ok(())
    } else {
        Err(Status::INVALID_ARGUMENT)
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
        let tag = tag_length(alg)?;
        compatible(key.attributes.key_type, alg)?;
        let nonce = iov.nonce().ok_or(Status::INVALID_ARGUMENT)?;
        let sealed = if flags == usage::DECRYPT { tag } else { 0 };
        let text = call.input(1).len().checked_sub(sealed);
        let lengths = (call.input(2).len(), text.ok_or(Status::INVALID_ARGUMENT)?);
        let mut message = Message::new(alg, key.data, nonce, lengths, tag)?;
        each_chunk(call.input(2), |chunk| message.additional_data(chunk));
        Ok((message, tag))
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
