//! corePKCS11's helpers (`core_pkcs11.h`), under their own names, over the functions of the token.
//!
//! Owns the sequences that every caller needs: a token that is ready, a session that is logged in,
//! one object by label and class, the block that CKM_RSA_PKCS signs.

use crate::types::*;
use crate::{DIGEST, DIGEST_INFO, Pkcs11};
use psa_client::Transport;

/// C_Initialize.
///
/// # Errors
/// CKR_CRYPTOKI_ALREADY_INITIALIZED.
pub fn xInitializePKCS11<T: Transport + Clone>(token: &mut Pkcs11<T>) -> Result<(), CkRv> {
    token.C_Initialize()
}

/// The slots; there is one.
///
/// # Errors
/// CKR_CRYPTOKI_NOT_INITIALIZED.
pub fn xGetSlotList<T: Transport + Clone>(token: &mut Pkcs11<T>) -> Result<[u32; 1], CkRv> {
    let (mut slots, mut count) = ([0], 0);
    token.C_GetSlotList(true, Some(&mut slots), &mut count)?;
    Ok(slots)
}

/// Initializes the module, if nobody has, and the token.
///
/// # Errors
/// Of C_InitToken.
pub fn xInitializePkcs11Token<T: Transport + Clone>(token: &mut Pkcs11<T>) -> Result<(), CkRv> {
    match token.C_Initialize() {
        Ok(()) | Err(CKR_CRYPTOKI_ALREADY_INITIALIZED) => {}
        Err(code) => return Err(code),
    }
    let [slot] = xGetSlotList(token)?;
    let info = token.C_GetTokenInfo(slot)?;
    if info.flags & CKF_TOKEN_INITIALIZED == 0 {
        token.C_InitToken(slot, DEFAULT_PIN, &info.label)?;
    }
    Ok(())
}

/// A session that may write, logged in; the module is initialized if nobody has.
///
/// # Errors
/// CKR_SESSION_COUNT.
pub fn xInitializePkcs11Session<T: Transport + Clone>(
    token: &mut Pkcs11<T>,
) -> Result<SessionHandle, CkRv> {
    match token.C_Initialize() {
        Ok(()) | Err(CKR_CRYPTOKI_ALREADY_INITIALIZED) => {}
        Err(code) => return Err(code),
    }
    let [slot] = xGetSlotList(token)?;
    let session = token.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)?;
    token.C_Login(session, CKU_USER, DEFAULT_PIN)?;
    Ok(session)
}

/// The object of that label and class; `None`: there is none.
///
/// # Errors
/// CKR_SESSION_HANDLE_INVALID, CKR_OPERATION_ACTIVE.
pub fn xFindObjectWithLabelAndClass<T: Transport + Clone>(
    token: &mut Pkcs11<T>,
    session: SessionHandle,
    label: &str,
    class: u32,
) -> Result<Option<ObjectHandle>, CkRv> {
    let class = class.to_le_bytes();
    let template = [
        Attribute {
            kind: CKA_LABEL,
            value: label.as_bytes(),
        },
        Attribute {
            kind: CKA_CLASS,
            value: &class,
        },
    ];
    token.C_FindObjectsInit(session, &template)?;
    let mut found = [0];
    let count = token.C_FindObjects(session, &mut found);
    token.C_FindObjectsFinal(session)?;
    Ok((count? == 1).then_some(found[0]))
}

/// DigestInfo of a SHA-256 digest: what CKM_RSA_PKCS signs.
pub fn vAppendSHA256AlgorithmIdentifierSequence(
    digest: &[u8; DIGEST],
) -> [u8; DIGEST_INFO.len() + DIGEST] {
    let mut out = [0; DIGEST_INFO.len() + DIGEST];
    for (to, from) in out.iter_mut().zip(DIGEST_INFO.iter().chain(digest)) {
        *to = *from;
    }
    out
}
