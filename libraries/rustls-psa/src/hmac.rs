//! HMAC with a volatile PSA key; TLS 1.3's HKDF stands on it.

use crate::hash::PsaHash;
use crate::psa::{Key, Psa};
use alloc::boxed::Box;
use alloc::vec::Vec;
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, Status};
use rustls::crypto::hmac::{Hmac, Key as HmacKey, Tag};

/// HMAC over one hash.
pub(crate) struct PsaHmac {
    psa: &'static Psa,
    alg: Algorithm,
    len: usize,
}

impl PsaHmac {
    pub(crate) fn new(hash: &PsaHash) -> Self {
        PsaHmac {
            psa: hash.psa,
            alg: Algorithm::hmac(hash.alg),
            len: hash.len,
        }
    }
}

impl Hmac for PsaHmac {
    fn with_key(&self, key: &[u8]) -> Box<dyn HmacKey> {
        let attributes = KeyAttributes::volatile(KeyType::HMAC, 0, usage::SIGN_MESSAGE, self.alg);
        let key = self.psa.import(&attributes, key);
        Box::new(Keyed {
            psa: self.psa,
            alg: self.alg,
            len: self.len,
            key: key.map_err(|status| self.psa.note(status)).ok(),
        })
    }

    fn hash_output_len(&self) -> usize {
        self.len
    }
}

/// One HMAC key; `None` after a PSA failure (the fault is remembered).
struct Keyed {
    psa: &'static Psa,
    alg: Algorithm,
    len: usize,
    key: Option<Key>,
}

impl Keyed {
    fn compute(&self, data: &[u8], out: &mut [u8]) -> Result<(), Status> {
        let Some(key) = &self.key else {
            return Err(Status::BAD_STATE);
        };
        match self.psa.mac(self.alg, key.id, data, out)? {
            written if written == self.len => Ok(()),
            _ => Err(Status::COMMUNICATION_FAILURE),
        }
    }
}

impl HmacKey for Keyed {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> Tag {
        // HKDF's inputs are under 200 bytes: one buffer and one call beat a multi-part operation.
        let middle_len: usize = middle.iter().map(|part| part.len()).sum();
        let mut data = Vec::with_capacity(first.len() + middle_len + last.len());
        data.extend_from_slice(first);
        for part in middle {
            data.extend_from_slice(part);
        }
        data.extend_from_slice(last);
        let mut bytes = [0; Tag::MAX_LEN];
        if let Err(status) = self.compute(&data, &mut bytes) {
            self.psa.note(status);
            bytes = [0; Tag::MAX_LEN];
        }
        Tag::new(bytes.get(..self.len).unwrap_or_default())
    }

    fn tag_len(&self) -> usize {
        self.len
    }
}
