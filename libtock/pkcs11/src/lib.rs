//! PKCS#11 as corePKCS11 offers it, over PSA keys and Protected Storage.
//!
//! Owns sessions, searches and operations of one token, in the reference's subset of functions
//! (`reference/aws-iot.md` §6) under their standard names; a method answers with the standard's
//! return code as its error. Does not own keys or certificates: they are PSA's, and belong to the
//! client that calls. Private keys can be made, imported, used and destroyed, and never read.
//!
//! As in corePKCS11 and not as the standard has it: objects are those of a fixed table of labels;
//! C_Login and C_InitToken check their arguments and change nothing; a session does one thing at a
//! time; whoever destroys one half of the device's pair destroys both. Return codes are
//! corePKCS11's (`tests/reference.rs` goes through its tests), but where it answers CKR_OK to what
//! is wrong: a session that was closed, a slot that there is not.
//!
//! More than corePKCS11 has: searches by any attribute and of several objects; CKM_RSA_PKCS_PSS,
//! which TLS 1.3 signs with; verification by CKM_RSA_PKCS. Less: an object that exists is destroyed
//! before another takes its label (CKR_ACTION_PROHIBITED), so that no call replaces an identity.
//!
//! Invariants: a call that fails leaves a search or an operation as the standard says (ended,
//! but for a buffer that was too small); a stale session handle is refused.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![allow(non_snake_case)]

mod der;
pub mod objects;
mod operations;
pub mod pem;
mod session;
mod template;
pub mod types;
pub mod utils;

use objects::{POINT, Place, Table, by_handle, failure};
use psa_client::{KeyAttributes, Transport, crypto, ps};
use session::{Session, Sessions, Under};
use template::{Kind, Template};
use types::*;
use zeroize::Zeroizing;

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
/// DigestInfo of SHA-256 in front of the digest (RFC 8017 §9.2).
const DIGEST_INFO: [u8; 19] = [
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
    table: Table,
    sessions: Option<Sessions<T>>,
}

impl<T: Transport + Clone> Pkcs11<T> {
    /// Over PSA; nothing is called before [`Pkcs11::C_Initialize`].
    pub const fn new(psa: T) -> Self {
        Pkcs11 {
            psa,
            table: Table { second: false },
            sessions: None,
        }
    }

    /// Looks which of the two places of the device's identity is in use.
    ///
    /// # Errors
    /// CKR_CRYPTOKI_ALREADY_INITIALIZED, CKR_DEVICE_ERROR.
    pub fn C_Initialize(&mut self) -> Result<(), CkRv> {
        if self.sessions.is_some() {
            return Err(CKR_CRYPTOKI_ALREADY_INITIALIZED);
        }
        self.table = Table::read(&self.psa)?;
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
            CKM_RSA_PKCS | CKM_RSA_PKCS_PSS => (2048, CKF_SIGN | CKF_VERIFY),
            CKM_RSA_X_509 => (2048, CKF_VERIFY),
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

    /// Creates a certificate (DER or PEM) or a key, EC P-256 or RSA-2048, under one of the labels of
    /// the table. The public half of the device's pair may come before it, or be said once more.
    ///
    /// # Errors
    /// CKR_SESSION_READ_ONLY; of the template, as `template.rs` says; CKR_DATA_LEN_RANGE: the label
    /// is too long; CKR_DEVICE_MEMORY: there is no such label, or no room; CKR_ACTION_PROHIBITED:
    /// there is one under that label.
    pub fn C_CreateObject(
        &mut self,
        session: SessionHandle,
        template: &[Attribute<'_>],
    ) -> Result<ObjectHandle, CkRv> {
        self.writable(session)?;
        match Template::class(template)? {
            CKO_CERTIFICATE => self.create_certificate(Template::certificate(template)?),
            CKO_PRIVATE_KEY => self.create_private(Template::key(template, CKO_PRIVATE_KEY)?),
            CKO_PUBLIC_KEY => self.create_public(Template::key(template, CKO_PUBLIC_KEY)?),
            _ => Err(CKR_ATTRIBUTE_VALUE_INVALID),
        }
    }

    fn create_certificate(&self, template: Template<'_, '_>) -> Result<ObjectHandle, CkRv> {
        let value = template.required(CKA_VALUE)?;
        let (handle, place) = template.label(self.table, CKO_CERTIFICATE)?;
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
        let Place::Certificate(uid) = place else {
            return Err(CKR_TEMPLATE_INCONSISTENT);
        };
        self.vacant(place)?;
        ps::set(&self.psa, uid, value, 0).map_err(failure)?;
        Ok(handle)
    }

    fn create_private(
        &self,
        (template, kind): (Template<'_, '_>, Kind),
    ) -> Result<ObjectHandle, CkRv> {
        let (handle, place) = template.label(self.table, CKO_PRIVATE_KEY)?;
        let Place::Private(id) = place else {
            return Err(CKR_TEMPLATE_INCONSISTENT);
        };
        let mut room = Zeroizing::new([0; der::MAX_RSA_PRIVATE]);
        let secret = match kind {
            Kind::Ec => template.required(CKA_VALUE)?,
            Kind::Rsa => rsa_key::<8>(template, CKO_PRIVATE_KEY, &mut room[..])?,
        };
        self.vacant(place)?;
        let key = objects::signing_key(kind).persistent(id);
        crypto::import_key(&self.psa, &key, secret).map_err(failure)?;
        // A public half that came first has to be this one's.
        if let Some(Place::PublicOf(_, alone)) = objects::public_of(id)
            && objects::there(crypto::get_key_attributes(&self.psa, alone))?
        {
            let mut rooms = [[0; der::MAX_RSA_PUBLIC]; 2];
            let [one, other] = &mut rooms;
            let same = objects::public_key(&self.psa, id, one)?
                == objects::public_key(&self.psa, alone, other)?;
            let extra = if same { alone } else { id };
            crypto::destroy_key(&self.psa, extra).map_err(failure)?;
            if !same {
                return Err(CKR_TEMPLATE_INCONSISTENT);
            }
        }
        Ok(handle)
    }

    fn create_public(
        &self,
        (template, kind): (Template<'_, '_>, Kind),
    ) -> Result<ObjectHandle, CkRv> {
        let (handle, place) = template.label(self.table, CKO_PUBLIC_KEY)?;
        let mut room = [0; der::MAX_RSA_PUBLIC];
        let value = match kind {
            // An OCTET STRING of the point.
            Kind::Ec => match template.required(CKA_EC_POINT)? {
                [0x04, 65, point @ ..] if point.len() == POINT => point,
                _ => return Err(CKR_ATTRIBUTE_VALUE_INVALID),
            },
            Kind::Rsa => rsa_key::<2>(template, CKO_PUBLIC_KEY, &mut room)?,
        };
        let id = match place {
            Place::Public(id) => id,
            Place::PublicOf(pair, alone) => {
                if objects::there(crypto::get_key_attributes(&self.psa, pair))? {
                    let mut room = [0; der::MAX_RSA_PUBLIC];
                    return match objects::public_key(&self.psa, pair, &mut room)? == value {
                        true => Ok(handle),
                        false => Err(CKR_TEMPLATE_INCONSISTENT),
                    };
                }
                alone
            }
            Place::Private(_) | Place::Certificate(_) => return Err(CKR_TEMPLATE_INCONSISTENT),
        };
        self.vacant(place)?;
        let key: KeyAttributes = objects::verifying_key(kind).persistent(id);
        crypto::import_key(&self.psa, &key, value).map_err(failure)?;
        Ok(handle)
    }

    /// Nothing stands there: an object is destroyed before another takes its label.
    fn vacant(&self, place: Place) -> Result<(), CkRv> {
        match place.exists(&self.psa)? {
            true => Err(CKR_ACTION_PROHIBITED),
            false => Ok(()),
        }
    }

    /// Of the device's pair either half takes the other with it, as in the reference.
    ///
    /// # Errors
    /// CKR_SESSION_READ_ONLY, CKR_OBJECT_HANDLE_INVALID.
    pub fn C_DestroyObject(
        &mut self,
        session: SessionHandle,
        object: ObjectHandle,
    ) -> Result<(), CkRv> {
        self.writable(session)?;
        let destroy = |key| crypto::destroy_key(&self.psa, key).map_err(failure);
        match self.object(object)?.1 {
            Place::Certificate(uid) => ps::remove(&self.psa, uid).map_err(failure),
            Place::Public(key) => destroy(key),
            Place::Private(pair) | Place::PublicOf(pair, _) => {
                let alone = match objects::public_of(pair) {
                    Some(Place::PublicOf(_, alone)) => Some(alone),
                    _ => None,
                };
                // The private half first: what a cut leaves signs nothing.
                for key in [Some(pair), alone].into_iter().flatten() {
                    if objects::there(crypto::get_key_attributes(&self.psa, key))? {
                        destroy(key)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Fills every query that it can; each gets its length.
    ///
    /// # Errors
    /// CKR_ARGUMENTS_BAD: no query; CKR_OBJECT_HANDLE_INVALID; then the first of CKR_ATTRIBUTE_SENSITIVE,
    /// CKR_ATTRIBUTE_TYPE_INVALID (length CK_UNAVAILABLE_INFORMATION for both) and
    /// CKR_BUFFER_TOO_SMALL (the length that is needed), while the others are filled.
    pub fn C_GetAttributeValue(
        &mut self,
        session: SessionHandle,
        object: ObjectHandle,
        queries: &mut [Query<'_>],
    ) -> Result<(), CkRv> {
        self.session(session)?;
        if queries.is_empty() {
            return Err(CKR_ARGUMENTS_BAD);
        }
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
        self.session(session)?.idle()?;
        // Found now, handed out later: what is made or destroyed meanwhile changes nothing.
        let mut found = 0u32;
        for (place, (label, what)) in self.table.all().enumerate() {
            if self.matches(label, what, template)? {
                found |= 1 << place;
            }
        }
        self.session(session)?.under = Under::Search(found);
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
    /// CKR_OPERATION_NOT_INITIALIZED; CKR_ARGUMENTS_BAD: no room for a handle.
    pub fn C_FindObjects(
        &mut self,
        session: SessionHandle,
        objects: &mut [ObjectHandle],
    ) -> Result<usize, CkRv> {
        let Under::Search(found) = &mut self.session(session)?.under else {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        };
        if objects.is_empty() {
            return Err(CKR_ARGUMENTS_BAD);
        }
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
        let under = &mut self.session(session)?.under;
        match under {
            Under::Search(_) => *under = Under::Nothing,
            _ => return Err(CKR_OPERATION_NOT_INITIALIZED),
        }
        Ok(())
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
        let (label, place) = by_handle(self.table, handle).ok_or(CKR_OBJECT_HANDLE_INVALID)?;
        match place.exists(&self.psa)? {
            true => Ok((label, place)),
            false => Err(CKR_OBJECT_HANDLE_INVALID),
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

/// An RSA key's DER from the numbers of its template.
fn rsa_key<'o, const N: usize>(
    template: Template<'_, '_>,
    class: u32,
    room: &'o mut [u8],
) -> Result<&'o [u8], CkRv> {
    let mut numbers: [&[u8]; N] = [&[]; N];
    for (to, number) in numbers.iter_mut().zip(template.rsa(class)) {
        *to = number?;
    }
    der::rsa_key(&numbers, room).ok_or(CKR_ATTRIBUTE_VALUE_INVALID)
}

#[cfg(test)]
mod tests;
