//! Who we are, through PKCS#11: certificates, and a certificate for a key that was made here.
//!
//! Owns how the process speaks to its token: the labels it looks for, the request (PKCS#10) it
//! signs with its own key, and what certificate it takes for an answer. Does not own keys or
//! storage (`pkcs11`), nor the way requests and certificates travel.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use pkcs11::Pkcs11;
use pkcs11::objects::{
    DEVICE_CERTIFICATE, DEVICE_PRIVATE_KEY, DEVICE_PUBLIC_KEY, NEXT_CERTIFICATE, NEXT_PRIVATE_KEY,
    NEXT_PUBLIC_KEY,
};
use pkcs11::types::*;
use pkcs11::utils;
use psa_client::Transport;

/// Longest certificate that is read or taken, bytes.
const MAX_CERTIFICATE: u32 = 8192;

/// Labels of an identity's objects.
pub struct Labels {
    /// Private key.
    pub private: &'static str,
    /// Its public half.
    pub public: &'static str,
    /// Certificate.
    pub certificate: &'static str,
}

/// The device's own.
pub const DEVICE: Labels = Labels {
    private: DEVICE_PRIVATE_KEY,
    public: DEVICE_PUBLIC_KEY,
    certificate: DEVICE_CERTIFICATE,
};
/// The one that it changes to (`rotate.rs`).
pub const NEXT: Labels = Labels {
    private: NEXT_PRIVATE_KEY,
    public: NEXT_PUBLIC_KEY,
    certificate: NEXT_CERTIFICATE,
};

/// An open session.
pub struct Token<'a> {
    pkcs11: Pkcs11<&'a dyn Transport>,
    session: SessionHandle,
}

/// Why a certificate is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not one DER SEQUENCE, or it is too long.
    Malformed,
    /// It certifies another key.
    OtherKey,
    /// The token refused it.
    Token(CkRv),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Malformed => f.write_str("no DER certificate"),
            Refused::OtherKey => f.write_str("it certifies another key"),
            Refused::Token(code) => code.fmt(f),
        }
    }
}

impl From<CkRv> for Refused {
    fn from(code: CkRv) -> Self {
        Refused::Token(code)
    }
}

impl<'a> Token<'a> {
    /// Opens a session.
    ///
    /// # Errors
    /// Of the token.
    pub fn open(psa: &'a dyn Transport) -> Result<Self, CkRv> {
        let mut pkcs11 = Pkcs11::new(psa);
        let session = utils::xInitializePkcs11Session(&mut pkcs11)?;
        Ok(Token { pkcs11, session })
    }

    /// Handle of the object with that label, if there is one.
    ///
    /// # Errors
    /// Of the token.
    pub fn find(&mut self, label: &str) -> Result<Option<ObjectHandle>, CkRv> {
        let template = [Attribute {
            kind: CKA_LABEL,
            value: label.as_bytes(),
        }];
        self.pkcs11.C_FindObjectsInit(self.session, &template)?;
        let mut found = [0];
        let count = self.pkcs11.C_FindObjects(self.session, &mut found);
        self.pkcs11.C_FindObjectsFinal(self.session)?;
        Ok((count? == 1).then_some(found[0]))
    }

    /// An attribute of the object with that label.
    ///
    /// # Errors
    /// CKR_OBJECT_HANDLE_INVALID: there is none; of the token.
    pub fn read(&mut self, label: &str, kind: u32) -> Result<Vec<u8>, CkRv> {
        let object = self.find(label)?.ok_or(CKR_OBJECT_HANDLE_INVALID)?;
        let mut queries = [Query::len_of(kind)];
        let pkcs11 = &mut self.pkcs11;
        pkcs11.C_GetAttributeValue(self.session, object, &mut queries)?;
        let [Query { len, .. }] = queries;
        if len > MAX_CERTIFICATE {
            return Err(CKR_HOST_MEMORY);
        }
        let mut value = vec![0; len as usize];
        pkcs11.C_GetAttributeValue(self.session, object, &mut [Query::new(kind, &mut value)])?;
        Ok(value)
    }

    /// A certificate request (PKCS#10, DER) for `name`, signed by that identity's key, which is
    /// made now if there is none.
    ///
    /// # Errors
    /// Of the token.
    pub fn request(&mut self, of: &Labels, name: &str) -> Result<Vec<u8>, CkRv> {
        if self.find(of.private)?.is_none() {
            self.generate(of)?;
        }
        let point = self.point(of)?;
        let algorithm = tlv(0x30, &[&EC_PUBLIC_KEY, &P256_PARAMS]);
        let public = tlv(0x30, &[&algorithm, &tlv(0x03, &[&[0], &point])]);
        let common_name = tlv(0x30, &[&COMMON_NAME, &tlv(0x0C, &[name.as_bytes()])]);
        let subject = tlv(0x30, &[&tlv(0x31, &[&common_name])]);
        // Version 0, no attributes.
        let info = tlv(0x30, &[&[0x02, 1, 0], &subject, &public, &[0xA0, 0]]);

        let digest = self.digest(&info)?;
        let ecdsa = Mechanism::plain(CKM_ECDSA);
        let signature = self.sign(of.private, ecdsa, &digest)?;
        let algorithm = tlv(0x30, &[&ECDSA_WITH_SHA256]);
        Ok(tlv(
            0x30,
            &[&info, &algorithm, &tlv(0x03, &[&[0], &signature])],
        ))
    }

    /// Stores that identity's certificate, DER. Once: the token refuses a second one.
    ///
    /// # Errors
    /// [`Refused`]; nothing is stored then.
    pub fn accept(&mut self, of: &Labels, certificate: &[u8]) -> Result<(), Refused> {
        let one = crate::pem::certificates(certificate).is_some_and(|all| all.len() == 1);
        if certificate.first() != Some(&0x30) || !one {
            return Err(Refused::Malformed);
        }
        let point = self.point(of)?;
        if !certificate.windows(point.len()).any(|w| w == point) {
            return Err(Refused::OtherKey);
        }
        let words = [CKO_CERTIFICATE.to_le_bytes(), CKC_X_509.to_le_bytes()];
        let attribute = |kind, value| Attribute { kind, value };
        let template = [
            attribute(CKA_CLASS, &words[0][..]),
            attribute(CKA_CERTIFICATE_TYPE, &words[1]),
            attribute(CKA_LABEL, of.certificate.as_bytes()),
            attribute(CKA_TOKEN, &[1]),
            attribute(CKA_VALUE, certificate),
        ];
        self.pkcs11.C_CreateObject(self.session, &template)?;
        Ok(())
    }

    /// SHA-256.
    ///
    /// # Errors
    /// Of the token.
    pub fn digest(&mut self, message: &[u8]) -> Result<[u8; 32], CkRv> {
        let (mut digest, mut len) = ([0; 32], 0);
        let (pkcs11, session) = (&mut self.pkcs11, self.session);
        pkcs11.C_DigestInit(session, CKM_SHA256)?;
        pkcs11.C_DigestUpdate(session, message)?;
        pkcs11.C_DigestFinal(session, Some(&mut digest), &mut len)?;
        Ok(digest)
    }

    /// Signs a SHA-256 digest with the private key of that label, as TLS and X.509 have it: an ECDSA
    /// signature in DER.
    ///
    /// # Errors
    /// CKR_OBJECT_HANDLE_INVALID: there is none; of the token.
    pub fn sign(
        &mut self,
        label: &str,
        mechanism: Mechanism,
        digest: &[u8; 32],
    ) -> Result<Vec<u8>, CkRv> {
        let key = self.find(label)?.ok_or(CKR_OBJECT_HANDLE_INVALID)?;
        let (pkcs11, session) = (&mut self.pkcs11, self.session);
        pkcs11.C_SignInit(session, mechanism, key)?;
        let info = utils::vAppendSHA256AlgorithmIdentifierSequence(digest);
        let data = match mechanism.mechanism {
            CKM_RSA_PKCS => &info[..],
            _ => digest,
        };
        let mut len = 0;
        pkcs11.C_Sign(session, data, None, &mut len)?;
        let mut signature = vec![0; len as usize];
        pkcs11.C_Sign(session, data, Some(&mut signature), &mut len)?;
        Ok(match mechanism.mechanism {
            CKM_ECDSA => ecdsa_der::Der::from_raw(&signature)
                .ok_or(CKR_DEVICE_ERROR)?
                .to_vec(),
            _ => signature,
        })
    }

    /// Destroys the object with that label, if there is one.
    ///
    /// # Errors
    /// Of the token.
    pub fn destroy(&mut self, label: &str) -> Result<(), CkRv> {
        match self.find(label)? {
            Some(object) => self.pkcs11.C_DestroyObject(self.session, object),
            None => Ok(()),
        }
    }

    fn generate(&mut self, of: &Labels) -> Result<(), CkRv> {
        let attribute = |kind, value| Attribute { kind, value };
        let public = [
            attribute(CKA_LABEL, of.public.as_bytes()),
            attribute(CKA_EC_PARAMS, &P256_PARAMS),
            attribute(CKA_VERIFY, &[1]),
        ];
        let private = [
            attribute(CKA_LABEL, of.private.as_bytes()),
            attribute(CKA_PRIVATE, &[1]),
            attribute(CKA_SIGN, &[1]),
            attribute(CKA_EXTRACTABLE, &[0]),
        ];
        let made =
            self.pkcs11
                .C_GenerateKeyPair(self.session, CKM_EC_KEY_PAIR_GEN, &public, &private);
        made.map(drop)
    }

    /// Its public point, 65 bytes.
    fn point(&mut self, of: &Labels) -> Result<Vec<u8>, CkRv> {
        let wrapped = self.read(of.public, CKA_EC_POINT)?;
        let point = wrapped.get(2..).ok_or(CKR_DEVICE_ERROR)?;
        Ok(point.to_vec())
    }
}

/// 2.5.4.3.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
/// 1.2.840.10045.2.1.
const EC_PUBLIC_KEY: [u8; 9] = [0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// 1.2.840.10045.4.3.2.
const ECDSA_WITH_SHA256: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];

/// A DER element around the parts.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    let mut out = Vec::with_capacity(len + 4);
    out.push(tag);
    match len {
        0..0x80 => out.push(len as u8),
        0x80..0x100 => out.extend([0x81, len as u8]),
        // A request is far below 64 KiB.
        _ => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    parts.iter().for_each(|p| out.extend_from_slice(p));
    out
}
