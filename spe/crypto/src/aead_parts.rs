//! AEAD calls in parts: `psa_aead_encrypt_setup` … `psa_aead_abort`.
//!
//! Owns the order of calls: set up, lengths and nonce (either may come first), additional data,
//! text, end. CCM cannot begin before it knows both lengths; the others never need them. An
//! operation that answered an error is gone at once, as in TF-M. What a decryption gives out before
//! `psa_aead_verify` is not to be trusted: so the interface says, and its user must heed it.

use psa_interface::crypto::function as f;
use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, Status};
use spm::Call;
use symmetric::Erased;

use crate::aead::{Message, TAG, compatible, tag_length, transform};
use crate::arguments::{Small, each_chunk, put, require_room, require_word_output};
use crate::entropy::Entropy;
use crate::keys::{Key, KeyStore};
use crate::operations::Operation;
use crate::primitives::equal;
use crate::service::CryptoService;

/// Longest nonce, bytes. GCM's may be longer by its standard; nobody's is.
const MAX_NONCE: usize = 64;
/// Longest AEAD key, bytes.
const MAX_KEY: usize = 32;

/// What has been given so far.
#[allow(clippy::large_enum_variant)] // Slots have one size: the largest.
enum Stage {
    /// The key, and the nonce if it came first.
    Waiting {
        key: Small<MAX_KEY>,
        nonce: Option<Small<MAX_NONCE>>,
    },
    Running(Message),
}

/// Bytes still to come, where lengths were set.
#[derive(Clone, Copy)]
struct Left {
    ad: usize,
    text: usize,
}

/// An AEAD under way.
pub struct AeadOperation {
    alg: Algorithm,
    tag: usize,
    encrypting: bool,
    stage: Stage,
    left: Option<Left>,
    /// Additional data has come; text has come.
    in_ad: bool,
    in_text: bool,
}

impl AeadOperation {
    fn new(key: Key<'_>, alg: Algorithm, flags: u32) -> Result<Self, Status> {
        if !alg.is_aead() || alg.is_wildcard() {
            return Err(Status::INVALID_ARGUMENT);
        }
        key.permit(flags, alg)?;
        let tag = tag_length(alg)?;
        compatible(key.attributes.key_type, alg)?;
        Ok(AeadOperation {
            alg,
            tag,
            encrypting: flags == usage::ENCRYPT,
            stage: Stage::Waiting {
                key: Small::copy(key.data).ok_or(Status::NOT_SUPPORTED)?,
                nonce: None,
            },
            left: None,
            in_ad: false,
            in_text: false,
        })
    }

    fn needs_lengths(&self) -> bool {
        self.alg.aead_base() == Algorithm::CCM
    }

    /// Begins, if all that it takes is there.
    fn begin(&mut self) -> Result<(), Status> {
        if let Stage::Waiting {
            key,
            nonce: Some(nonce),
        } = &self.stage
            && (self.left.is_some() || !self.needs_lengths())
        {
            let lengths = self.left.unwrap_or(Left { ad: 0, text: 0 });
            let lengths = (lengths.ad, lengths.text);
            self.stage = Stage::Running(Message::new(self.alg, key, nonce, lengths, self.tag)?);
        }
        Ok(())
    }

    fn may_set_nonce(&self) -> Result<(), Status> {
        match self.stage {
            Stage::Waiting { nonce: None, .. } => Ok(()),
            _ => Err(Status::BAD_STATE),
        }
    }

    fn set_nonce(&mut self, given: Small<MAX_NONCE>) -> Result<(), Status> {
        self.may_set_nonce()?;
        if self.needs_lengths() && !(7..=13).contains(&given.len()) {
            return Err(Status::INVALID_ARGUMENT);
        }
        if let Stage::Waiting { nonce, .. } = &mut self.stage {
            *nonce = Some(given);
        }
        self.begin()
    }

    /// The length of a nonce to draw: CCM's longest that leaves room for the text's length.
    fn nonce_length(&self) -> usize {
        if !self.needs_lengths() {
            return 12;
        }
        match self.left {
            Some(Left { text, .. }) if text >= 1 << 24 => 11,
            Some(Left { text, .. }) if text >= 1 << 16 => 12,
            _ => 13,
        }
    }

    fn set_lengths(&mut self, iov: &CryptoIovec) -> Result<(), Status> {
        if self.left.is_some() || self.in_ad || self.in_text {
            return Err(Status::BAD_STATE);
        }
        let size = |n: u32| usize::try_from(n).map_err(|_| Status::INVALID_ARGUMENT);
        self.left = Some(Left {
            ad: size(iov.ad_length)?,
            text: size(iov.plaintext_length)?,
        });
        self.begin()
    }

    fn running(&mut self) -> Result<&mut Message, Status> {
        match &mut self.stage {
            Stage::Running(message) => Ok(message),
            Stage::Waiting { .. } => Err(Status::BAD_STATE),
        }
    }

    fn update_ad(&mut self, call: &Call<'_, '_>) -> Result<(), Status> {
        let in_text = self.in_text;
        self.running()?;
        if in_text {
            return Err(Status::BAD_STATE);
        }
        let input = call.input(1);
        if let Some(left) = &mut self.left {
            left.ad = left
                .ad
                .checked_sub(input.len())
                .ok_or(Status::INVALID_ARGUMENT)?;
        }
        self.in_ad |= !input.is_empty();
        let message = self.running()?;
        each_chunk(input, |chunk| message.additional_data(chunk));
        Ok(())
    }

    fn update(&mut self, call: &mut Call<'_, '_>) -> Result<(), Status> {
        self.running()?;
        let input = call.input(1);
        if let Some(left) = &mut self.left {
            if left.ad != 0 {
                return Err(Status::INVALID_ARGUMENT);
            }
            left.text = left
                .text
                .checked_sub(input.len())
                .ok_or(Status::INVALID_ARGUMENT)?;
        }
        require_room(call, 0, input.len())?;
        self.in_text = true;
        let encrypting = self.encrypting;
        let message = self.running()?;
        transform(input, 0..input.len(), call, |chunk| match encrypting {
            true => message.encrypt(chunk),
            false => message.decrypt(chunk),
        })
    }

    /// The tag, of which the first [`AeadOperation::tag`] bytes count.
    fn end(self, encrypting: bool) -> Result<([u8; TAG], usize), Status> {
        let Stage::Running(message) = self.stage else {
            return Err(Status::BAD_STATE);
        };
        if self.encrypting != encrypting {
            return Err(Status::BAD_STATE);
        }
        if self.left.is_some_and(|left| left.ad != 0 || left.text != 0) {
            return Err(Status::INVALID_ARGUMENT);
        }
        Ok((message.finish(), self.tag))
    }
}

impl<K: KeyStore, R: Entropy> CryptoService<K, R> {
    /// Every call of the group but the two that do all at once.
    pub(crate) fn aead_parts(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        match iov.function_id {
            f::AEAD_ENCRYPT_SETUP => self.aead_setup(iov, call, usage::ENCRYPT),
            f::AEAD_DECRYPT_SETUP => self.aead_setup(iov, call, usage::DECRYPT),
            f::AEAD_FINISH | f::AEAD_VERIFY => self.aead_end(iov, call),
            f::AEAD_ABORT => self.abort::<AeadOperation>(iov, call),
            f::AEAD_GENERATE_NONCE
            | f::AEAD_SET_NONCE
            | f::AEAD_SET_LENGTHS
            | f::AEAD_UPDATE_AD
            | f::AEAD_UPDATE => self.aead_step(iov, call),
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    fn aead_setup(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
        flags: u32,
    ) -> Result<(), Status> {
        let client = call.client.0;
        self.start(iov, call, |service| {
            let key = service.keys.get(client, iov.key_id)?;
            let operation = AeadOperation::new(key, Algorithm(iov.alg), flags)?;
            Ok(Operation::Aead(operation))
        })
    }

    /// A call on an operation, which is over when it fails.
    fn aead_step(&mut self, iov: &CryptoIovec, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let owner = call.client.0;
        let operation: &mut AeadOperation = self.operations.get(owner, iov.op_handle)?;
        let result = match iov.function_id {
            f::AEAD_SET_NONCE => Small::read(call.input(1))
                .ok_or(Status::INVALID_ARGUMENT)
                .and_then(|nonce| operation.set_nonce(nonce)),
            f::AEAD_SET_LENGTHS => operation.set_lengths(iov),
            f::AEAD_UPDATE_AD => operation.update_ad(call),
            f::AEAD_UPDATE => operation.update(call),
            _ => draw_nonce(operation, call, &mut self.entropy),
        };
        if result.is_err() {
            self.operations
                .release::<AeadOperation>(owner, iov.op_handle);
        }
        result
    }

    /// Finish and verify: the operation is over, come what may.
    fn aead_end(&mut self, iov: &CryptoIovec, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let owner = call.client.0;
        let operation: AeadOperation = self.operations.take(owner, iov.op_handle)?;
        let finishing = iov.function_id == f::AEAD_FINISH;
        let (tag, length) = operation.end(finishing)?;
        let tag = tag.get(..length).unwrap_or_default();
        require_word_output(call, 0, 4)?;
        if finishing {
            // Nothing of the text is ever held back: output 2 stays empty.
            put(call, 1, tag)?;
        } else {
            let given = Small::<TAG>::read(call.input(1)).ok_or(Status::INVALID_SIGNATURE)?;
            if !equal(tag, &given) {
                return Err(Status::INVALID_SIGNATURE);
            }
        }
        put(call, 0, &[0; 4])
    }
}

fn draw_nonce(
    operation: &mut AeadOperation,
    call: &mut Call<'_, '_>,
    entropy: &mut impl Entropy,
) -> Result<(), Status> {
    operation.may_set_nonce()?;
    // Who decrypts was told the nonce.
    if !operation.encrypting {
        return Err(Status::BAD_STATE);
    }
    let length = operation.nonce_length();
    require_room(call, 0, length)?;
    let mut nonce = Erased::new([0; 13]);
    let nonce = nonce.get_mut(..length).ok_or(Status::GENERIC_ERROR)?;
    entropy.fill(nonce)?;
    operation.set_nonce(Small::copy(nonce).ok_or(Status::GENERIC_ERROR)?)?;
    put(call, 0, nonce)
}
