//! TLS 1.3 record protection: one PSA AEAD call a record.
//!
//! PSA wants input and output apart, rustls decrypts in place: a temporary of the record's size
//! lives for the length of the call, and is gone before rustls copies the plaintext out.

use crate::psa::{AeadCall, Key, Psa};
use alloc::boxed::Box;
use alloc::vec::Vec;
use psa_interface::crypto::function;
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
    Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
    UnsupportedOperationError, make_tls13_aad,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

/// Tag length of every TLS 1.3 AEAD we offer, bytes (RFC 5116 §5, RFC 8439).
const TAG: usize = 16;

/// One AEAD algorithm with one key length.
pub(crate) struct PsaAead {
    psa: &'static Psa,
    key_type: KeyType,
    alg: Algorithm,
    key_len: usize,
}

impl PsaAead {
    pub(crate) fn new(
        psa: &'static Psa,
        key_type: KeyType,
        alg: Algorithm,
        key_len: usize,
    ) -> Self {
        PsaAead {
            psa,
            key_type,
            alg,
            key_len,
        }
    }

    fn protector(&self, key: &AeadKey, iv: Iv, usage: u32) -> Box<Protector> {
        let attributes = KeyAttributes::volatile(self.key_type, 0, usage, self.alg);
        let key = self.psa.import(&attributes, key.as_ref());
        Box::new(Protector {
            psa: self.psa,
            alg: self.alg,
            iv,
            key: key.map_err(|status| self.psa.note(status)).ok(),
        })
    }
}

impl Tls13AeadAlgorithm for PsaAead {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.protector(&key, iv, usage::ENCRYPT)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.protector(&key, iv, usage::DECRYPT)
    }

    fn key_len(&self) -> usize {
        self.key_len
    }

    fn extract_keys(
        &self,
        _: AeadKey,
        _: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

/// One direction's key; `None` after a PSA failure (the fault is remembered).
struct Protector {
    psa: &'static Psa,
    alg: Algorithm,
    iv: Iv,
    key: Option<Key>,
}

impl Protector {
    fn run(
        &self,
        function: u16,
        seq: u64,
        aad_len: usize,
        input: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let key = self.key.as_ref()?;
        let call = AeadCall {
            function,
            alg: self.alg,
            key_id: key.id,
            nonce: &Nonce::new(&self.iv, seq).0,
            additional: &make_tls13_aad(aad_len),
            input,
        };
        self.psa.aead(&call, out).ok()
    }
}

impl MessageEncrypter for Protector {
    fn encrypt(
        &mut self,
        msg: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let sealed_len = self.encrypted_payload_len(msg.payload.len());
        let mut inner = Vec::with_capacity(msg.payload.len() + 1);
        msg.payload.copy_to_vec(&mut inner);
        inner.extend_from_slice(&msg.typ.to_array());
        let mut payload = PrefixedPayload::with_capacity(sealed_len);
        let mut left = sealed_len;
        while left > 0 {
            let step = left.min(64);
            payload.extend_from_slice([0; 64].get(..step).unwrap_or_default());
            left -= step;
        }
        match self.run(
            function::AEAD_ENCRYPT,
            seq,
            sealed_len,
            &inner,
            payload.as_mut(),
        ) {
            Some(written) if written == sealed_len => Ok(OutboundOpaqueMessage::new(
                ContentType::ApplicationData,
                // RFC 8446 §5.2: legacy_record_version.
                ProtocolVersion::TLSv1_2,
                payload,
            )),
            _ => Err(Error::EncryptError),
        }
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + 1 + TAG
    }
}

impl MessageDecrypter for Protector {
    fn decrypt<'a>(
        &mut self,
        mut msg: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let sealed_len = msg.payload.len();
        let plain_len = sealed_len.checked_sub(TAG).ok_or(Error::DecryptError)?;
        let mut plain = Vec::new();
        plain
            .try_reserve_exact(plain_len)
            .map_err(|_| Error::General("no memory for a TLS record".into()))?;
        plain.resize(plain_len, 0);
        let written = self.run(
            function::AEAD_DECRYPT,
            seq,
            sealed_len,
            &msg.payload,
            &mut plain,
        );
        if written != Some(plain_len) {
            return Err(Error::DecryptError);
        }
        match msg.payload.get_mut(..plain_len) {
            Some(to) => to.copy_from_slice(&plain),
            None => return Err(Error::DecryptError),
        }
        msg.payload.truncate(plain_len);
        msg.into_tls13_unpadded_message()
    }
}
