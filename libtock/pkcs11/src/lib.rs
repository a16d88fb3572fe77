//! PKCS#11 as corePKCS11 offers it, over PSA keys and Protected Storage.
//!
//! Owns sessions, searches and operations of one token, in the reference's subset of functions
//! (`reference/aws-iot.md` §6) under their standard names; a method answers with the standard's
//! return code as its error. Does not own keys or certificates: they are PSA's, and belong to the
//! client that calls. Private keys can be made, imported, used and destroyed, and never read.
//!
//! Differences from the standard, as in corePKCS11: objects are those of a fixed table of labels;
//! C_Login and C_InitToken check their arguments and change nothing. Written once: an object
//! that exists is destroyed before another takes its label.
//!
//! Invariants: a call that fails leaves a search or an operation as the standard says (ended,
//! but for a buffer that was too small); a stale session handle is refused.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![allow(non_snake_case)]

pub mod objects;
pub mod pem;
mod session;
pub mod types;

use objects::{POINT, Place, by_handle, by_label, failure};
use psa_client::crypto::{self, HashOperation};
use psa_client::{Algorithm, Status, Transport, ps};
use session::{Operation, Session, Sessions};
use types::*;

/// What there is of `CK_FUNCTION_LIST`; the rest is null.
const FUNCTIONS: [&str; 25] = [
    "C_Initialize",
    "C_Finalize",
    "C_GetFunctionList",
    "C_GetSlotList",
    "C_GetTokenInfo",
    "C_GetMechanismInfo",
    "C_InitToken",
    "C_OpenSession",
    "C_CloseSession",
    "C_Login",
    "C_CreateObject",
    "C_DestroyObject",
    "C_GetAttributeValue",
    "C_FindObjectsInit",
    "C_FindObjects",
    "C_FindObjectsFinal",
    "C_DigestInit",
    "C_DigestUpdate",
    "C_DigestFinal",
    "C_SignInit",
    "C_Sign",
    "C_VerifyInit",
    "C_Verify",
    "C_GenerateKeyPair",
    "C_GenerateRandom",
];

/// Longest certificate that may come as PEM, bytes of DER (the reference's limit of an object).
const MAX_PEM: usize = 1300;
/// SHA-256 digest, bytes.
const DIGEST: usize = 32;
/// ECDSA signature r ‖ s, bytes.
const SIGNATURE: usize = 64;
const ECDSA: Algorithm = Algorithm::ecdsa(Algorithm::SHA_256);
/// CKM_RSA_PKCS_PSS, whose parameters are SHA-256, MGF1 over it, and a salt as long as it.
const RSA_PSS: Algorithm = Algorithm::rsa_pss(Algorithm::SHA_256);
const RSA_PKCS: Algorithm = Algorithm::rsa_pkcs1v15_sign(Algorithm::SHA_256);
/// DigestInfo of SHA-256 in front of the digest (RFC 8017 §9.2).
pub const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// Names of the functions.
pub fn C_GetFunctionList() -> FunctionList {
    FunctionList {
        version: (2, 40),
        functions: &FUNCTIONS,
    }
}

/// The token, as one process sees it.
pub struct Pkcs11<T: Transport + Clone> {
    psa: T,
    sessions: Option<Sessions<T>>,
}

impl<T: Transport + Clone> Pkcs11<T> {
    /// Over PSA; nothing is called before [`Pkcs11::C_Initialize`].
    pub const fn new(psa: T) -> Self {
        Pkcs11 {
            psa,
            sessions: None,
        }
    }

    /// # Errors
    /// CKR_CRYPTOKI_ALREADY_INITIALIZED.
    pub fn C_Initialize(&mut self) -> Result<(), CkRv> {
        if self.sessions.is_some() {
            return Err(CKR_CRYPTOKI_ALREADY_INITIALIZED);
        }
        self.sessions = Some(Sessions::new());
        Ok(())
    }

    /// Ends every session and what is under way in it.
    ///
    /// # Errors
    /// CKR_CRYPTOKI_NOT_INITIALIZED.
    pub fn C_Finalize(&mut self) -> Result<(), CkRv> {
        let had = self.sessions.take();
        had.map(drop).ok_or(CKR_CRYPTOKI_NOT_INITIALIZED)
    }

    /// The one slot, which always holds a token. `None` asks for the number.
    ///
    /// # Errors
    /// CKR_BUFFER_TOO_SMALL, with `count` set.
    pub fn C_GetSlotList(
        &mut self,
        _token_present: bool,
        slots: Option<&mut [u32]>,
        count: &mut u32,
    ) -> Result<(), CkRv> {
        self.sessions()?;
        *count = 1;
        if let Some(slots) = slots {
            *slots.first_mut().ok_or(CKR_BUFFER_TOO_SMALL)? = SLOT;
        }
        Ok(())
    }

    /// # Errors
    /// CKR_SLOT_ID_INVALID.
    pub fn C_GetTokenInfo(&mut self, slot: u32) -> Result<TokenInfo, CkRv> {
        let sessions = self.sessions()?.count();
        one_slot(slot)?;
        let mut label = [b' '; 32];
        for (to, from) in label.iter_mut().zip(b"Tockstone") {
            *to = *from;
        }
        Ok(TokenInfo {
            label,
            flags: CKF_RNG | CKF_TOKEN_INITIALIZED,
            max_sessions: MAX_SESSIONS as u32,
            sessions: sessions as u32,
        })
    }

    /// # Errors
    /// CKR_SLOT_ID_INVALID, CKR_MECHANISM_INVALID.
    pub fn C_GetMechanismInfo(&mut self, slot: u32, mechanism: u32) -> Result<MechanismInfo, CkRv> {
        self.sessions()?;
        one_slot(slot)?;
        let (bits, flags) = match mechanism {
            CKM_RSA_PKCS | CKM_RSA_PKCS_PSS => (2048, CKF_SIGN),
            CKM_ECDSA => (256, CKF_SIGN | CKF_VERIFY),
            CKM_EC_KEY_PAIR_GEN => (256, CKF_GENERATE_KEY_PAIR),
            CKM_SHA256 => (0, CKF_DIGEST),
            _ => return Err(CKR_MECHANISM_INVALID),
        };
        Ok(MechanismInfo {
            min_key_size: bits,
            max_key_size: bits,
            flags,
        })
    }

    /// Changes nothing: a token is emptied object by object.
    ///
    /// # Errors
    /// CKR_SLOT_ID_INVALID, CKR_SESSION_EXISTS.
    pub fn C_InitToken(&mut self, slot: u32, _pin: &[u8], _label: &[u8; 32]) -> Result<(), CkRv> {
        let sessions = self.sessions()?.count();
        one_slot(slot)?;
        if sessions > 0 {
            return Err(CKR_SESSION_EXISTS);
        }
        Ok(())
    }

    /// # Errors
    /// CKR_SLOT_ID_INVALID, CKR_SESSION_PARALLEL_NOT_SUPPORTED, CKR_SESSION_COUNT.
    pub fn C_OpenSession(&mut self, slot: u32, flags: u32) -> Result<SessionHandle, CkRv> {
        let sessions = self.sessions()?;
        one_slot(slot)?;
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(CKR_SESSION_PARALLEL_NOT_SUPPORTED);
        }
        sessions.open(flags & CKF_RW_SESSION != 0)
    }

    /// # Errors
    /// CKR_SESSION_HANDLE_INVALID.
    pub fn C_CloseSession(&mut self, session: SessionHandle) -> Result<(), CkRv> {
        self.sessions()?.close(session)
    }

    /// Changes nothing: who a caller is, PSA knows.
    ///
    /// # Errors
    /// CKR_SESSION_HANDLE_INVALID, CKR_USER_TYPE_INVALID.
    pub fn C_Login(&mut self, session: SessionHandle, user: u32, _pin: &[u8]) -> Result<(), CkRv> {
        self.session(session)?;
        match user {
            CKU_USER | CKU_SO => Ok(()),
            _ => Err(CKR_USER_TYPE_INVALID),
        }
    }

    /// Creates a certificate (DER or PEM), a P-256 private key or a P-256 public key under one of
    /// the labels of the table.
    ///
    /// # Errors
    /// CKR_SESSION_READ_ONLY; CKR_TEMPLATE_INCOMPLETE and _INCONSISTENT; CKR_CURVE_NOT_SUPPORTED;
    /// CKR_ATTRIBUTE_VALUE_INVALID; CKR_ACTION_PROHIBITED: there is one under that label;
    /// CKR_DEVICE_MEMORY.
    pub fn C_CreateObject(
        &mut self,
        session: SessionHandle,
        template: &[Attribute<'_>],
    ) -> Result<ObjectHandle, CkRv> {
        self.writable(session)?;
        let class = word(template, CKA_CLASS)?;
        let label = required(template, CKA_LABEL)?;
        let (handle, place) = by_label(label).ok_or(CKR_ATTRIBUTE_VALUE_INVALID)?;
        if ![CKO_CERTIFICATE, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY].contains(&class) {
            return Err(CKR_ATTRIBUTE_VALUE_INVALID);
        }
        if class != place.class() {
            return Err(CKR_TEMPLATE_INCONSISTENT);
        }
        if place.exists(&self.psa)? {
            return Err(CKR_ACTION_PROHIBITED);
        }
        match place {
            Place::Certificate(uid) => self.create_certificate(uid, template)?,
            Place::Private(id) => {
                not_extractable(template)?;
                p256(template)?;
                let secret = required(template, CKA_VALUE)?;
                crypto::import_key(&self.psa, &objects::signing_key(id), secret)
                    .map_err(failure)?;
            }
            Place::Public(id) => {
                p256(template)?;
                // An OCTET STRING of the point.
                let point = match required(template, CKA_EC_POINT)? {
                    [0x04, 65, point @ ..] if point.len() == POINT => point,
                    _ => return Err(CKR_ATTRIBUTE_VALUE_INVALID),
                };
                let key = objects::verifying_key().persistent(id);
                crypto::import_key(&self.psa, &key, point).map_err(failure)?;
            }
            // It comes and goes with the private half.
            Place::PublicOf(_) => return Err(CKR_TEMPLATE_INCONSISTENT),
        }
        Ok(handle)
    }

    fn create_certificate(&self, uid: u64, template: &[Attribute<'_>]) -> Result<(), CkRv> {
        let kind = word(template, CKA_CERTIFICATE_TYPE);
        if kind.is_ok_and(|kind| kind != CKC_X_509) {
            return Err(CKR_ATTRIBUTE_VALUE_INVALID);
        }
        let value = required(template, CKA_VALUE)?;
        let mut der = [0; MAX_PEM];
        let value = if pem::is_pem(value) {
            let len = pem::decode(value, &mut der).ok_or(CKR_ATTRIBUTE_VALUE_INVALID)?;
            der.get(..len).unwrap_or_default()
        } else {
            value
        };
        if value.first() != Some(&0x30) {
            return Err(CKR_ATTRIBUTE_VALUE_INVALID);
        }
        ps::set(&self.psa, uid, value, 0).map_err(failure)
    }

    /// # Errors
    /// CKR_SESSION_READ_ONLY, CKR_OBJECT_HANDLE_INVALID, CKR_ACTION_PROHIBITED.
    pub fn C_DestroyObject(
        &mut self,
        session: SessionHandle,
        object: ObjectHandle,
    ) -> Result<(), CkRv> {
        self.writable(session)?;
        match by_handle(object).ok_or(CKR_OBJECT_HANDLE_INVALID)?.1 {
            Place::Certificate(uid) => ps::remove(&self.psa, uid),
            Place::Private(key) | Place::Public(key) => crypto::destroy_key(&self.psa, key),
            Place::PublicOf(_) => return Err(CKR_ACTION_PROHIBITED),
        }
        .map_err(failure)
    }

    /// Fills every query that it can; each gets its length.
    ///
    /// # Errors
    /// CKR_OBJECT_HANDLE_INVALID; then the first of CKR_ATTRIBUTE_SENSITIVE,
    /// CKR_ATTRIBUTE_TYPE_INVALID (length CK_UNAVAILABLE_INFORMATION for both) and
    /// CKR_BUFFER_TOO_SMALL (the length that is needed), while the others are filled.
    pub fn C_GetAttributeValue(
        &mut self,
        session: SessionHandle,
        object: ObjectHandle,
        queries: &mut [Query<'_>],
    ) -> Result<(), CkRv> {
        self.session(session)?;
        let (label, place) = self.object(object)?;
        let mut result = Ok(());
        for query in queries {
            let outcome = match objects::attribute(&self.psa, label, place, query.kind) {
                Ok(value) => {
                    query.len = value.size() as u32;
                    match query.value.as_deref_mut() {
                        None => Ok(()),
                        Some(to) if to.len() < value.size() => Err(CKR_BUFFER_TOO_SMALL),
                        Some(to) => value.copy(&self.psa, to),
                    }
                }
                Err(code @ (CKR_ATTRIBUTE_SENSITIVE | CKR_ATTRIBUTE_TYPE_INVALID)) => {
                    query.len = CK_UNAVAILABLE_INFORMATION;
                    Err(code)
                }
                // The token failed: nothing more can be said.
                Err(code) => return Err(code),
            };
            result = result.and(outcome);
        }
        result
    }

    /// Begins a search for what has all these attributes; an empty template finds everything.
    ///
    /// # Errors
    /// CKR_OPERATION_ACTIVE.
    pub fn C_FindObjectsInit(
        &mut self,
        session: SessionHandle,
        template: &[Attribute<'_>],
    ) -> Result<(), CkRv> {
        if self.session(session)?.search.is_some() {
            return Err(CKR_OPERATION_ACTIVE);
        }
        // Found now, handed out later: what is made or destroyed meanwhile changes nothing.
        let mut found = 0u32;
        for (place, (label, what)) in objects::OBJECTS.iter().enumerate() {
            if self.matches(label, *what, template)? {
                found |= 1 << place;
            }
        }
        self.session(session)?.search = Some(found);
        Ok(())
    }

    fn matches(&self, label: &str, place: Place, template: &[Attribute<'_>]) -> Result<bool, CkRv> {
        // What costs no call first.
        let labelled = |a: &Attribute<'_>| a.kind != CKA_LABEL || a.value == label.as_bytes();
        if !template.iter().all(labelled) || !place.exists(&self.psa)? {
            return Ok(false);
        }
        for wanted in template {
            match objects::attribute(&self.psa, label, place, wanted.kind) {
                Ok(value) if value.equals(&self.psa, wanted.value)? => {}
                Ok(_) | Err(CKR_ATTRIBUTE_SENSITIVE | CKR_ATTRIBUTE_TYPE_INVALID) => {
                    return Ok(false);
                }
                Err(code) => return Err(code),
            }
        }
        Ok(true)
    }

    /// Hands out the next of what was found; how many there were, 0 at the end.
    ///
    /// # Errors
    /// CKR_OPERATION_NOT_INITIALIZED.
    pub fn C_FindObjects(
        &mut self,
        session: SessionHandle,
        objects: &mut [ObjectHandle],
    ) -> Result<usize, CkRv> {
        let search = self.session(session)?.search.as_mut();
        let found = search.ok_or(CKR_OPERATION_NOT_INITIALIZED)?;
        let mut count = 0;
        for to in objects {
            if *found == 0 {
                break;
            }
            *to = found.trailing_zeros() + 1;
            *found &= *found - 1;
            count += 1;
        }
        Ok(count)
    }

    /// # Errors
    /// CKR_OPERATION_NOT_INITIALIZED.
    pub fn C_FindObjectsFinal(&mut self, session: SessionHandle) -> Result<(), CkRv> {
        let search = self.session(session)?.search.take();
        search.map(drop).ok_or(CKR_OPERATION_NOT_INITIALIZED)
    }

    /// # Errors
    /// CKR_OPERATION_ACTIVE, CKR_MECHANISM_INVALID, CKR_HOST_MEMORY: the service has no room.
    pub fn C_DigestInit(&mut self, session: SessionHandle, mechanism: u32) -> Result<(), CkRv> {
        let psa = self.psa.clone();
        let session = self.session(session)?;
        if session.digest.is_some() {
            return Err(CKR_OPERATION_ACTIVE);
        }
        if mechanism != CKM_SHA256 {
            return Err(CKR_MECHANISM_INVALID);
        }
        match HashOperation::setup(psa, Algorithm::SHA_256) {
            Ok(operation) => session.digest = Some(operation),
            // So the service says that no slot is free.
            Err(Status::NOT_PERMITTED) => return Err(CKR_HOST_MEMORY),
            Err(status) => return Err(failure(status)),
        }
        Ok(())
    }

    /// # Errors
    /// CKR_OPERATION_NOT_INITIALIZED.
    pub fn C_DigestUpdate(&mut self, session: SessionHandle, part: &[u8]) -> Result<(), CkRv> {
        let session = self.session(session)?;
        let digest = session.digest.as_mut();
        let updated = digest.ok_or(CKR_OPERATION_NOT_INITIALIZED)?.update(part);
        updated.map_err(|status| {
            session.digest = None;
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
        let session = self.session(session)?;
        if session.digest.is_none() {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        }
        let Some(to) = room(digest, DIGEST, len)? else {
            return Ok(());
        };
        let operation = session.digest.take();
        let operation = operation.ok_or(CKR_OPERATION_NOT_INITIALIZED)?;
        operation.finish(to).map(drop).map_err(failure)
    }

    /// # Errors
    /// CKR_OPERATION_ACTIVE, CKR_KEY_HANDLE_INVALID, CKR_KEY_FUNCTION_NOT_PERMITTED: no private
    /// key; CKR_MECHANISM_INVALID; CKR_KEY_TYPE_INCONSISTENT.
    pub fn C_SignInit(
        &mut self,
        session: SessionHandle,
        mechanism: u32,
        key: ObjectHandle,
    ) -> Result<(), CkRv> {
        if self.session(session)?.sign.is_some() {
            return Err(CKR_OPERATION_ACTIVE);
        }
        if ![CKM_ECDSA, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS].contains(&mechanism) {
            return Err(CKR_MECHANISM_INVALID);
        }
        let Place::Private(id) = self.key(key)? else {
            return Err(CKR_KEY_FUNCTION_NOT_PERMITTED);
        };
        let attributes = crypto::get_key_attributes(&self.psa, id).map_err(failure)?;
        if objects::is_p256(&attributes) != (mechanism == CKM_ECDSA) {
            return Err(CKR_KEY_TYPE_INCONSISTENT);
        }
        let size = match mechanism {
            CKM_ECDSA => SIGNATURE,
            _ => usize::from(attributes.bits).div_ceil(8),
        };
        self.session(session)?.sign = Some(Operation {
            mechanism,
            key: Place::Private(id),
            size,
        });
        Ok(())
    }

    /// Signs a SHA-256 digest (ECDSA: r ‖ s; CKM_RSA_PKCS_PSS: salt of 32 bytes) or, with
    /// CKM_RSA_PKCS, a DigestInfo of one. `None`
    /// asks for the length; that and CKR_BUFFER_TOO_SMALL leave the operation active.
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
        let session = self.session(session)?;
        let operation = session.sign.ok_or(CKR_OPERATION_NOT_INITIALIZED)?;
        let Some(to) = room(signature, operation.size, len)? else {
            return Ok(());
        };
        session.sign = None;
        let (alg, hash) = match operation.mechanism {
            CKM_ECDSA => (ECDSA, data),
            CKM_RSA_PKCS_PSS => (RSA_PSS, data),
            _ if data.len() != DIGEST_INFO.len() + DIGEST => return Err(CKR_DATA_LEN_RANGE),
            _ => {
                let hash = data.strip_prefix(&DIGEST_INFO);
                (RSA_PKCS, hash.ok_or(CKR_DATA_INVALID)?)
            }
        };
        if hash.len() != DIGEST {
            return Err(CKR_DATA_LEN_RANGE);
        }
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
    /// CKR_OPERATION_ACTIVE, CKR_KEY_HANDLE_INVALID, CKR_KEY_FUNCTION_NOT_PERMITTED: no public
    /// key; CKR_MECHANISM_INVALID; CKR_KEY_TYPE_INCONSISTENT.
    pub fn C_VerifyInit(
        &mut self,
        session: SessionHandle,
        mechanism: u32,
        key: ObjectHandle,
    ) -> Result<(), CkRv> {
        if self.session(session)?.verify.is_some() {
            return Err(CKR_OPERATION_ACTIVE);
        }
        if mechanism != CKM_ECDSA {
            return Err(CKR_MECHANISM_INVALID);
        }
        let key = self.key(key)?;
        let (Place::PublicOf(id) | Place::Public(id)) = key else {
            return Err(CKR_KEY_FUNCTION_NOT_PERMITTED);
        };
        let attributes = crypto::get_key_attributes(&self.psa, id).map_err(failure)?;
        if !objects::is_p256(&attributes) {
            return Err(CKR_KEY_TYPE_INCONSISTENT);
        }
        self.session(session)?.verify = Some(Operation {
            mechanism,
            key,
            size: SIGNATURE,
        });
        Ok(())
    }

    /// Verifies r ‖ s over a SHA-256 digest. The operation ends, whatever comes of it.
    ///
    /// # Errors
    /// CKR_OPERATION_NOT_INITIALIZED, CKR_DATA_LEN_RANGE, CKR_SIGNATURE_LEN_RANGE,
    /// CKR_SIGNATURE_INVALID.
    pub fn C_Verify(
        &mut self,
        session: SessionHandle,
        data: &[u8],
        signature: &[u8],
    ) -> Result<(), CkRv> {
        let operation = self.session(session)?.verify.take();
        let operation = operation.ok_or(CKR_OPERATION_NOT_INITIALIZED)?;
        if data.len() != DIGEST {
            return Err(CKR_DATA_LEN_RANGE);
        }
        if signature.len() != operation.size {
            return Err(CKR_SIGNATURE_LEN_RANGE);
        }
        let verified = match operation.key {
            Place::Public(id) => crypto::verify_hash(&self.psa, id, ECDSA, data, signature),
            // The pair may only sign; its public half is a key of its own for as long as it takes.
            Place::PublicOf(id) => {
                let point = objects::public_point(&self.psa, id)?;
                let key = crypto::import_key(&self.psa, &objects::verifying_key(), &point)
                    .map_err(failure)?;
                let verified = crypto::verify_hash(&self.psa, key, ECDSA, data, signature);
                crypto::destroy_key(&self.psa, key).map_err(failure)?;
                verified
            }
            Place::Private(_) | Place::Certificate(_) => return Err(CKR_FUNCTION_FAILED),
        };
        verified.map_err(key_failure)
    }

    /// Makes a P-256 pair in the secure world; handles of the public and the private half.
    ///
    /// # Errors
    /// As [`Pkcs11::C_CreateObject`]; CKR_MECHANISM_INVALID.
    pub fn C_GenerateKeyPair(
        &mut self,
        session: SessionHandle,
        mechanism: u32,
        public: &[Attribute<'_>],
        private: &[Attribute<'_>],
    ) -> Result<(ObjectHandle, ObjectHandle), CkRv> {
        self.writable(session)?;
        if mechanism != CKM_EC_KEY_PAIR_GEN {
            return Err(CKR_MECHANISM_INVALID);
        }
        let find = |template| {
            let label = required(template, CKA_LABEL)?;
            by_label(label).ok_or(CKR_ATTRIBUTE_VALUE_INVALID)
        };
        let (public_handle, of_public) = find(public)?;
        let (private_handle, of_private) = find(private)?;
        let id = match (of_public, of_private) {
            (Place::PublicOf(a), Place::Private(b)) if a == b => a,
            _ => return Err(CKR_TEMPLATE_INCONSISTENT),
        };
        p256(public)?;
        not_extractable(private)?;
        if of_private.exists(&self.psa)? {
            return Err(CKR_ACTION_PROHIBITED);
        }
        crypto::generate_key(&self.psa, &objects::signing_key(id)).map_err(failure)?;
        Ok((public_handle, private_handle))
    }

    /// # Errors
    /// CKR_SESSION_HANDLE_INVALID, CKR_FUNCTION_FAILED.
    pub fn C_GenerateRandom(
        &mut self,
        session: SessionHandle,
        random: &mut [u8],
    ) -> Result<(), CkRv> {
        self.session(session)?;
        crypto::generate_random(&self.psa, random).map_err(failure)
    }

    fn sessions(&mut self) -> Result<&mut Sessions<T>, CkRv> {
        self.sessions.as_mut().ok_or(CKR_CRYPTOKI_NOT_INITIALIZED)
    }

    fn session(&mut self, handle: SessionHandle) -> Result<&mut Session<T>, CkRv> {
        self.sessions()?.get(handle)
    }

    fn writable(&mut self, handle: SessionHandle) -> Result<(), CkRv> {
        match self.session(handle)?.writable {
            true => Ok(()),
            false => Err(CKR_SESSION_READ_ONLY),
        }
    }

    fn object(&self, handle: ObjectHandle) -> Result<(&'static str, Place), CkRv> {
        let (label, place) = by_handle(handle).ok_or(CKR_OBJECT_HANDLE_INVALID)?;
        match place.exists(&self.psa)? {
            true => Ok((label, place)),
            false => Err(CKR_OBJECT_HANDLE_INVALID),
        }
    }

    fn key(&self, handle: ObjectHandle) -> Result<Place, CkRv> {
        match self.object(handle) {
            Ok((_, Place::Certificate(_))) | Err(CKR_OBJECT_HANDLE_INVALID) => {
                Err(CKR_KEY_HANDLE_INVALID)
            }
            Ok((_, key)) => Ok(key),
            Err(code) => Err(code),
        }
    }
}

fn one_slot(slot: u32) -> Result<(), CkRv> {
    if slot == SLOT {
        Ok(())
    } else {
        Err(CKR_SLOT_ID_INVALID)
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

fn required<'a>(template: &[Attribute<'a>], kind: u32) -> Result<&'a [u8], CkRv> {
    let mut found = template.iter().filter(|a| a.kind == kind);
    match (found.next(), found.next()) {
        (Some(a), None) => Ok(a.value),
        (None, _) => Err(CKR_TEMPLATE_INCOMPLETE),
        _ => Err(CKR_TEMPLATE_INCONSISTENT),
    }
}

fn word(template: &[Attribute<'_>], kind: u32) -> Result<u32, CkRv> {
    let bytes = required(template, kind)?;
    let bytes = bytes.try_into().map_err(|_| CKR_ATTRIBUTE_VALUE_INVALID)?;
    Ok(u32::from_le_bytes(bytes))
}

/// An EC key on P-256, or the template is refused.
fn p256(template: &[Attribute<'_>]) -> Result<(), CkRv> {
    match word(template, CKA_KEY_TYPE) {
        Ok(CKK_EC) | Err(CKR_TEMPLATE_INCOMPLETE) => {}
        Ok(_) => return Err(CKR_ATTRIBUTE_VALUE_INVALID),
        Err(code) => return Err(code),
    }
    match required(template, CKA_EC_PARAMS)? == P256_PARAMS {
        true => Ok(()),
        false => Err(CKR_CURVE_NOT_SUPPORTED),
    }
}

/// A template that wants a private key readable is refused: it would not be.
fn not_extractable(template: &[Attribute<'_>]) -> Result<(), CkRv> {
    let says = |kind, value: u8| {
        let wanted = |a: &Attribute<'_>| a.kind == kind && a.value == [value];
        template.iter().any(wanted)
    };
    if says(CKA_EXTRACTABLE, 1) || says(CKA_SENSITIVE, 0) {
        return Err(CKR_TEMPLATE_INCONSISTENT);
    }
    Ok(())
}

fn key_failure(status: Status) -> CkRv {
    match status {
        Status::INVALID_SIGNATURE => CKR_SIGNATURE_INVALID,
        Status::NOT_PERMITTED => CKR_KEY_FUNCTION_NOT_PERMITTED,
        Status::INVALID_HANDLE | Status::DOES_NOT_EXIST => CKR_KEY_HANDLE_INVALID,
        status => failure(status),
    }
}

#[cfg(test)]
mod tests;
