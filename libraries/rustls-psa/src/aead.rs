//! Record protection of TLS 1.2 and 1.3: one PSA AEAD call a record.
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
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, NONCE_LEN, Nonce, OutboundOpaqueMessage, OutboundPlainMessage,
    PrefixedPayload, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
    make_tls12_aad, make_tls13_aad,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

/// Tag length of every AEAD we offer, bytes (RFC 5116 §5, RFC 8439).
const TAG: usize = 16;
/// The part of a TLS 1.2 GCM nonce that travels in each record, bytes (RFC 5288 §3).
const EXPLICIT_NONCE: usize = 8;
/// Largest plaintext of a record, bytes (RFC 5246 §6.2.1).
const MAX_PLAINTEXT: usize = 1 << 14;

/// One AEAD algorithm with one key length.
#[derive(Clone, Copy)]
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

    /// Bytes of the explicit nonce in a TLS 1.2 record.
    fn explicit_nonce(&self) -> usize {
        match self.alg {
            Algorithm::GCM => EXPLICIT_NONCE,
            _ => 0, // RFC 7905 §2
        }
    }

    fn protector(&self, key: &AeadKey, iv: Iv, usage: u32) -> Protector {
        let attributes = KeyAttributes::volatile(self.key_type, 0, usage, self.alg);
        let key = self.psa.import(&attributes, key.as_ref());
        Protector {
            psa: self.psa,
            alg: self.alg,
            iv,
            key: key.map_err(|status| self.psa.note(status)).ok(),
        }
    }

    fn tls12(&self, key: &AeadKey, iv: &[u8], explicit: &[u8], usage: u32) -> Box<Tls12> {
        let mut bytes = [0; NONCE_LEN];
        for (to, byte) in bytes.iter_mut().zip(iv.iter().chain(explicit)) {
            *to = *byte;
        }
        Box::new(Tls12 {
            protector: self.protector(key, Iv::new(bytes), usage),
            salt: bytes,
            explicit: self.explicit_nonce(),
        })
    }
}

impl Tls13AeadAlgorithm for PsaAead {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(self.protector(&key, iv, usage::ENCRYPT))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(self.protector(&key, iv, usage::DECRYPT))
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

impl Tls12AeadAlgorithm for PsaAead {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        self.tls12(&key, iv, extra, usage::ENCRYPT)
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        self.tls12(&key, iv, &[], usage::DECRYPT)
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape {
            enc_key_len: self.key_len,
            fixed_iv_len: NONCE_LEN - self.explicit_nonce(),
            explicit_nonce_len: self.explicit_nonce(),
        }
    }

    fn extract_keys(
        &self,
        _: AeadKey,
        _: &[u8],
        _: &[u8],
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
    /// Runs one call from `input` to exactly `out`; whether it did.
    fn run(
        &self,
        function: u16,
        nonce: &[u8; NONCE_LEN],
        additional: &[u8],
        input: &[u8],
        out: &mut [u8],
    ) -> bool {
        let Some(key) = &self.key else {
            return false;
        };
        let call = AeadCall {
            function,
            alg: self.alg,
            key_id: key.id,
            nonce,
            additional,
            input,
        };
        let wanted = out.len();
        self.psa.aead(&call, out).ok() == Some(wanted)
    }

    /// Opens what `msg` holds from `skip` on, in place; the plaintext's length.
    fn open(
        &self,
        msg: &mut InboundOpaqueMessage<'_>,
        skip: usize,
        nonce: &[u8; NONCE_LEN],
        additional: &[u8],
    ) -> Result<usize, Error> {
        let sealed = msg.payload.get(skip..).ok_or(Error::DecryptError)?;
        let plain_len = sealed.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
        let mut plain = Vec::new();
        plain
            .try_reserve_exact(plain_len)
            .map_err(|_| Error::General("no memory for a TLS record".into()))?;
        plain.resize(plain_len, 0);
        if !self.run(
            function::AEAD_DECRYPT,
            nonce,
            additional,
            sealed,
            &mut plain,
        ) {
            return Err(Error::DecryptError);
        }
        match msg.payload.get_mut(..plain_len) {
            Some(to) => to.copy_from_slice(&plain),
            None => return Err(Error::DecryptError),
        }
        msg.payload.truncate(plain_len);
        Ok(plain_len)
    }

    /// Counts a record that was sealed; handshake and alerts are not counted.
    fn sent(&self, kind: ContentType, bytes: usize) {
        if kind == ContentType::ApplicationData {
            self.psa.sent.add(bytes);
        }
    }

    /// Counts a record that was opened.
    fn received(&self, kind: ContentType, bytes: usize) {
        if kind == ContentType::ApplicationData {
            self.psa.received.add(bytes);
        }
    }

    /// Seals `plain` behind `prefix`.
    fn seal(
        &self,
        prefix: &[u8],
        nonce: &[u8; NONCE_LEN],
        additional: &[u8],
        plain: &[u8],
    ) -> Result<PrefixedPayload, Error> {
        let total = prefix.len() + plain.len() + TAG;
        let mut payload = PrefixedPayload::with_capacity(total);
        payload.extend_from_slice(prefix);
        let mut left = plain.len() + TAG;
        while left > 0 {
            let step = left.min(64);
            payload.extend_from_slice([0; 64].get(..step).unwrap_or_default());
            left -= step;
        }
        let out = payload.as_mut().get_mut(prefix.len()..);
        let out = out.ok_or(Error::EncryptError)?;
        match self.run(function::AEAD_ENCRYPT, nonce, additional, plain, out) {
            true => Ok(payload),
            false => Err(Error::EncryptError),
        }
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
        let nonce = Nonce::new(&self.iv, seq).0;
        let payload = self.seal(&[], &nonce, &make_tls13_aad(sealed_len), &inner)?;
        self.sent(msg.typ, msg.payload.len());
        Ok(OutboundOpaqueMessage::new(
            ContentType::ApplicationData,
            // RFC 8446 §5.2: legacy_record_version.
            ProtocolVersion::TLSv1_2,
            payload,
        ))
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
        let nonce = Nonce::new(&self.iv, seq).0;
        let additional = make_tls13_aad(msg.payload.len());
        self.open(&mut msg, 0, &nonce, &additional)?;
        let message = msg.into_tls13_unpadded_message()?;
        self.received(message.typ, message.payload.len());
        Ok(message)
    }
}

/// One direction of a TLS 1.2 connection.
struct Tls12 {
    protector: Protector,
    /// GCM: the implicit four bytes of a nonce, then zeroes (decrypting) or the start of the
    /// explicit part (encrypting).
    salt: [u8; NONCE_LEN],
    explicit: usize,
}

impl MessageEncrypter for Tls12 {
    fn encrypt(
        &mut self,
        msg: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let mut plain = Vec::with_capacity(msg.payload.len());
        msg.payload.copy_to_vec(&mut plain);
        let nonce = Nonce::new(&self.protector.iv, seq).0;
        let additional = make_tls12_aad(seq, msg.typ, msg.version, plain.len());
        let prefix = nonce.get(NONCE_LEN - self.explicit..).unwrap_or_default();
        let payload = self.protector.seal(prefix, &nonce, &additional, &plain)?;
        self.protector.sent(msg.typ, plain.len());
        Ok(OutboundOpaqueMessage::new(msg.typ, msg.version, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.explicit + payload_len + TAG
    }
}

impl MessageDecrypter for Tls12 {
    fn decrypt<'a>(
        &mut self,
        mut msg: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let overhead = self.explicit + TAG;
        let plain_len = msg.payload.len().checked_sub(overhead);
        let plain_len = plain_len.ok_or(Error::DecryptError)?;
        if plain_len > MAX_PLAINTEXT {
            return Err(Error::PeerSentOversizedRecord);
        }
        let nonce = match self.explicit {
            0 => Nonce::new(&self.protector.iv, seq).0,
            explicit => {
                let mut nonce = self.salt;
                let to = nonce.iter_mut().skip(NONCE_LEN - explicit);
                for (to, byte) in to.zip(msg.payload.iter()) {
                    *to = *byte;
                }
                nonce
            }
        };
        let additional = make_tls12_aad(seq, msg.typ, msg.version, plain_len);
        self.protector
            .open(&mut msg, self.explicit, &nonce, &additional)?;
        self.protector.received(msg.typ, plain_len);
        Ok(msg.into_plain_message())
    }
}
