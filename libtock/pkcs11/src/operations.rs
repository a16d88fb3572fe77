//! What a session does with keys: digests, signatures, their verification, pairs and randomness.
//!
//! Owns which mechanism goes with which kind of key, what it takes and how long its result is.
//! Signatures are over digests of SHA-256: as they are, or in the DigestInfo (CKM_RSA_PKCS) or the
//! whole padded block (CKM_RSA_X_509) that the reference's callers make of one.

use crate::objects::{self, ECDSA, Place, RSA_PKCS, RSA_PSS, failure};
use crate::session::{Operation, Under};
use crate::template::{Kind, Template};
use crate::types::*;
use crate::{DIGEST, DIGEST_INFO, Pkcs11, der};
use psa_client::crypto::{self, HashOperation};
use psa_client::{Algorithm, Status, Transport};

/// ECDSA signature r ‖ s, bytes.
const SIGNATURE: usize = 64;
/// RSA-2048 signature, bytes.
const RSA_SIGNATURE: usize = objects::RSA_BITS as usize / 8;

/// Which half of a key a mechanism works with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Sign,
    Verify,
}

impl<T: Transport + Clone> Pkcs11<T> {
    /// # Errors
    /// CKR_OPERATION_ACTIVE, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_HOST_MEMORY:
    /// the service has no room.
    pub fn C_DigestInit(
        &mut self,
        session: SessionHandle,
        mechanism: impl Into<Mechanism>,
    ) -> Result<(), CkRv> {
        let psa = self.psa.clone();
        let session = self.session(session)?;
        session.idle()?;
        let mechanism = mechanism.into();
        if mechanism.mechanism != CKM_SHA256 {
            return Err(CKR_MECHANISM_INVALID);
        }
        parameter(mechanism)?;
        match HashOperation::setup(psa, Algorithm::SHA_256) {
            Ok(operation) => session.under = Under::Digest(operation),
            // So the service says that no slot is free.
            Err(Status::NOT_PERMITTED) => return Err(CKR_HOST_MEMORY),
            Err(status) => return Err(failure(status)),
        }
        Ok(())
    }

    /// # Errors
    /// CKR_OPERATION_NOT_INITIALIZED.
    pub fn C_DigestUpdate(&mut self, session: SessionHandle, part: &[u8]) -> Result<(), CkRv> {
        let under = &mut self.session(session)?.under;
        let Under::Digest(operation) = under else {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        };
        operation.update(part).map_err(|status| {
            *under = Under::Nothing;
            failure(status)
        })
    }

    /// `None` asks for the length; that and CKR_BUFFER_TOO_SMALL leave the digest active.
    ///
    /// # Errors
    /// CKR_OPERATION_NOT_INITIALIZED, CKR_BUFFER_TOO_SMALL.
    pub fn C_DigestFinal(
        &mut self,
        session: SessionHandle,
        digest: Option<&mut [u8]>,
        len: &mut u32,
    ) -> Result<(), CkRv> {
        let under = &mut self.session(session)?.under;
        if !matches!(under, Under::Digest(_)) {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        }
        let Some(to) = room(digest, DIGEST, len)? else {
            return Ok(());
        };
        let Under::Digest(operation) = core::mem::replace(under, Under::Nothing) else {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        };
        operation.finish(to).map(drop).map_err(failure)
    }

    /// # Errors
    /// CKR_OPERATION_ACTIVE; CKR_KEY_HANDLE_INVALID; CKR_KEY_TYPE_INCONSISTENT: no private key, or
    /// not the mechanism's; CKR_MECHANISM_INVALID; CKR_MECHANISM_PARAM_INVALID.
    pub fn C_SignInit(
        &mut self,
        session: SessionHandle,
        mechanism: impl Into<Mechanism>,
        key: ObjectHandle,
    ) -> Result<(), CkRv> {
        self.session(session)?.idle()?;
        let operation = self.operation(mechanism.into(), key, Use::Sign)?;
        self.session(session)?.under = Under::Sign(operation);
        Ok(())
    }

    /// Signs a SHA-256 digest (ECDSA: r ‖ s; CKM_RSA_PKCS_PSS: salt of 32 bytes) or, with
    /// CKM_RSA_PKCS, a DigestInfo of one. `None` asks for the length; that and CKR_BUFFER_TOO_SMALL
    /// leave the operation active.
    ///
    /// # Errors
    /// CKR_OPERATION_NOT_INITIALIZED, CKR_DATA_LEN_RANGE, CKR_DATA_INVALID, CKR_BUFFER_TOO_SMALL.
    pub fn C_Sign(
        &mut self,
        session: SessionHandle,
        data: &[u8],
        signature: Option<&mut [u8]>,
        len: &mut u32,
    ) -> Result<(), CkRv> {
        let psa = self.psa.clone();
        let under = &mut self.session(session)?.under;
        let Under::Sign(operation) = under else {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        };
        let Some(to) = room(signature, operation.size, len)? else {
            operation.asked = true;
            return Ok(());
        };
        let operation = *operation;
        *under = Under::Nothing;
        let (alg, hash) = digest_of(operation.mechanism, data)?;
        let Place::Private(key) = operation.key else {
            return Err(CKR_FUNCTION_FAILED);
        };
        match crypto::sign_hash(&psa, key, alg, hash, to) {
            Ok(n) if n == operation.size => Ok(()),
            Ok(_) => Err(CKR_DEVICE_ERROR),
            Err(status) => Err(key_failure(status)),
        }
    }

    /// # Errors
    /// CKR_OPERATION_ACTIVE; CKR_KEY_HANDLE_INVALID; CKR_KEY_TYPE_INCONSISTENT: no public key, or
    /// not the mechanism's; CKR_MECHANISM_INVALID; CKR_MECHANISM_PARAM_INVALID.
    pub fn C_VerifyInit(
        &mut self,
        session: SessionHandle,
        mechanism: impl Into<Mechanism>,
        key: ObjectHandle,
    ) -> Result<(), CkRv> {
        self.session(session)?.idle()?;
        let operation = self.operation(mechanism.into(), key, Use::Verify)?;
        self.session(session)?.under = Under::Verify(operation);
        Ok(())
    }

    /// Verifies a signature over what C_Sign would take, or over the padded block of it
    /// (CKM_RSA_X_509). The operation ends, whatever comes of it.
    ///
    /// # Errors
    /// CKR_OPERATION_NOT_INITIALIZED, CKR_SIGNATURE_LEN_RANGE, CKR_DATA_LEN_RANGE,
    /// CKR_DATA_INVALID, CKR_SIGNATURE_INVALID.
    pub fn C_Verify(
        &mut self,
        session: SessionHandle,
        data: &[u8],
        signature: &[u8],
    ) -> Result<(), CkRv> {
        let under = &mut self.session(session)?.under;
        let Under::Verify(operation) = *under else {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        };
        *under = Under::Nothing;
        if signature.len() != operation.size {
            return Err(CKR_SIGNATURE_LEN_RANGE);
        }
        let (alg, hash) = digest_of(operation.mechanism, data)?;
        let (id, attributes) = operation.key.key(&self.psa).map_err(no_key)?;
        if attributes.key_type.is_public_key() {
            let verified = crypto::verify_hash(&self.psa, id, alg, hash, signature);
            return verified.map_err(key_failure);
        }
        // The pair may only sign; its public half is a key of its own for as long as it takes.
        let kind = objects::kind(&attributes).ok_or(CKR_KEY_TYPE_INCONSISTENT)?;
        let mut room = [0; der::MAX_RSA_PUBLIC];
        let public = objects::public_key(&self.psa, id, &mut room)?;
        let key = crypto::import_key(&self.psa, &objects::verifying_key(kind), public)
            .map_err(failure)?;
        let verified = crypto::verify_hash(&self.psa, key, alg, hash, signature);
        crypto::destroy_key(&self.psa, key).map_err(failure)?;
        verified.map_err(key_failure)
    }

    /// Makes a P-256 pair in the secure world; handles of the public and the private half.
    ///
    /// # Errors
    /// CKR_SESSION_READ_ONLY; CKR_MECHANISM_INVALID; of the templates, as `template.rs` says;
    /// CKR_DEVICE_MEMORY: there is no such label; CKR_ACTION_PROHIBITED: there is a key.
    pub fn C_GenerateKeyPair(
        &mut self,
        session: SessionHandle,
        mechanism: impl Into<Mechanism>,
        public: &[Attribute<'_>],
        private: &[Attribute<'_>],
    ) -> Result<(ObjectHandle, ObjectHandle), CkRv> {
        self.writable(session)?;
        let mechanism = mechanism.into();
        if mechanism.mechanism != CKM_EC_KEY_PAIR_GEN {
            return Err(CKR_MECHANISM_INVALID);
        }
        parameter(mechanism)?;
        let private = Template::made_private(private)?;
        let public = Template::made_public(public)?;
        let (private_handle, of_private) = private.label(self.table, CKO_PRIVATE_KEY)?;
        let (public_handle, of_public) = public.label(self.table, CKO_PUBLIC_KEY)?;
        let id = match (of_public, of_private) {
            (Place::PublicOf(a, _), Place::Private(b)) if a == b => a,
            _ => return Err(CKR_TEMPLATE_INCONSISTENT),
        };
        // Of the pair, or a public half that came by itself.
        self.vacant(of_public)?;
        let pair = objects::signing_key(Kind::Ec).persistent(id);
        crypto::generate_key(&self.psa, &pair).map_err(failure)?;
        Ok((public_handle, private_handle))
    }

    /// # Errors
    /// CKR_SESSION_HANDLE_INVALID, CKR_ARGUMENTS_BAD: nothing is wanted; CKR_FUNCTION_FAILED.
    pub fn C_GenerateRandom(
        &mut self,
        session: SessionHandle,
        random: &mut [u8],
    ) -> Result<(), CkRv> {
        self.session(session)?;
        if random.is_empty() {
            return Err(CKR_ARGUMENTS_BAD);
        }
        crypto::generate_random(&self.psa, random).map_err(failure)
    }

    /// What a mechanism does with a key, in the reference's order of refusals: the handle, the
    /// class, the mechanism, the type, the parameter.
    fn operation(
        &self,
        mechanism: Mechanism,
        handle: ObjectHandle,
        what: Use,
    ) -> Result<Operation, CkRv> {
        let (_, place) = self.object(handle).map_err(no_key)?;
        let half = match place {
            Place::Certificate(_) => return Err(CKR_KEY_HANDLE_INVALID),
            Place::Private(_) => Use::Sign,
            Place::Public(_) | Place::PublicOf(..) => Use::Verify,
        };
        if half != what {
            return Err(CKR_KEY_TYPE_INCONSISTENT);
        }
        let (kind, size) = match mechanism.mechanism {
            CKM_ECDSA => (Kind::Ec, SIGNATURE),
            CKM_RSA_PKCS | CKM_RSA_PKCS_PSS => (Kind::Rsa, RSA_SIGNATURE),
            CKM_RSA_X_509 if what == Use::Verify => (Kind::Rsa, RSA_SIGNATURE),
            _ => return Err(CKR_MECHANISM_INVALID),
        };
        let (_, attributes) = place.key(&self.psa).map_err(no_key)?;
        if objects::kind(&attributes) != Some(kind) {
            return Err(CKR_KEY_TYPE_INCONSISTENT);
        }
        parameter(mechanism)?;
        Ok(Operation {
            mechanism: mechanism.mechanism,
            key: place,
            size,
            asked: false,
        })
    }
}

/// CKM_RSA_PKCS_PSS has the one parameter that is known here, any other mechanism has none.
fn parameter(mechanism: Mechanism) -> Result<(), CkRv> {
    let wanted = match mechanism.mechanism {
        CKM_RSA_PKCS_PSS => Some(RsaPkcsPssParams::SHA256),
        _ => None,
    };
    match mechanism.parameter == wanted {
        true => Ok(()),
        false => Err(CKR_MECHANISM_PARAM_INVALID),
    }
}

/// The digest in what a mechanism is given, and PSA's name of the mechanism.
fn digest_of(mechanism: u32, data: &[u8]) -> Result<(Algorithm, &[u8]), CkRv> {
    let (alg, frame, len) = match mechanism {
        CKM_ECDSA => (ECDSA, 0, DIGEST),
        CKM_RSA_PKCS_PSS => (RSA_PSS, 0, DIGEST),
        CKM_RSA_PKCS => (RSA_PKCS, DIGEST_INFO.len(), DIGEST_INFO.len() + DIGEST),
        _ => (RSA_PKCS, RSA_SIGNATURE - DIGEST, RSA_SIGNATURE),
    };
    if data.len() != len {
        return Err(CKR_DATA_LEN_RANGE);
    }
    let (frame, hash) = data.split_at_checked(frame).ok_or(CKR_DATA_LEN_RANGE)?;
    let sound = match frame {
        [] => true,
        // EMSA-PKCS1-v1_5 (RFC 8017 §9.2): 00 01 FF … FF 00 DigestInfo.
        [0, 1, rest @ ..] => rest
            .strip_suffix(&DIGEST_INFO)
            .and_then(|rest| rest.split_last())
            .is_some_and(|(end, fill)| *end == 0 && fill.iter().all(|b| *b == 0xFF)),
        info => *info == DIGEST_INFO,
    };
    match sound {
        true => Ok((alg, hash)),
        false => Err(CKR_DATA_INVALID),
    }
}

/// The first `size` bytes of a result's buffer. `None`: the length was asked for.
fn room<'a>(
    buffer: Option<&'a mut [u8]>,
    size: usize,
    len: &mut u32,
) -> Result<Option<&'a mut [u8]>, CkRv> {
    *len = size as u32;
    match buffer {
        None => Ok(None),
        Some(buffer) => buffer.get_mut(..size).map(Some).ok_or(CKR_BUFFER_TOO_SMALL),
    }
}

/// An object that is not there, where a key was wanted.
fn no_key(code: CkRv) -> CkRv {
    match code {
        CKR_OBJECT_HANDLE_INVALID => CKR_KEY_HANDLE_INVALID,
        code => code,
    }
}

fn key_failure(status: Status) -> CkRv {
    match status {
        Status::INVALID_SIGNATURE => CKR_SIGNATURE_INVALID,
        Status::NOT_PERMITTED => CKR_KEY_FUNCTION_NOT_PERMITTED,
        Status::INVALID_HANDLE | Status::DOES_NOT_EXIST => CKR_KEY_HANDLE_INVALID,
        status => failure(status),
    }
}
