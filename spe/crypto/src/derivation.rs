//! Key derivation calls: HKDF, HKDF-Extract, HKDF-Expand, TLS 1.2 PRF, alone or after ECDH.
//!
//! Inputs come in the order of PSA Crypto 1.1: SALT before SECRET, INFO once before the first
//! output; for the PRF SEED, SECRET, LABEL. An error in an input ends the operation.

use psa_interface::crypto::{UNLIMITED_CAPACITY, step};
use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, KeyType, Status};
use spm::{Call, Input};
use symmetric::Erased;

use crate::arguments::{CHUNK, attributes, each_chunk, output, put, require_word_output};
use crate::entropy::Entropy;
use crate::keys::{KeyStore, check_new};
use crate::material::{self, Material};
use crate::operations::Operation;
use crate::primitives::hash::{Digest, Hash, HashAlg, MAX_BLOCK};
use crate::primitives::hkdf::{Expand, MAX_INFO};
use crate::primitives::hmac::Hmac;
#[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
use crate::primitives::tls12_prf::Prf;
use crate::service::CryptoService;
use crate::sign::agree;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Hkdf,
    Extract,
    Expand,
    #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
    Prf,
}

/// How far the inputs have come.
#[allow(clippy::large_enum_variant)] // Slots have one size: the largest.
enum Stage {
    /// Nothing, or info only.
    Start,
    /// Salt given: the extracting HMAC waits for the secret.
    Salted(Hmac),
    /// Secret given, output possible (with info where info is due).
    Keyed(Output),
}

#[allow(clippy::large_enum_variant)]
enum Output {
    /// HKDF-Extract: the pseudorandom key, and how much of it was given away.
    Extract(Digest, usize),
    Expand(Expand),
    /// The PRF; it gives output once the label is there.
    #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
    Prf(Prf, bool),
}

/// A derivation under way.
pub struct Derivation {
    /// As given to setup; an agreement is part of it.
    alg: Algorithm,
    method: Method,
    hash: HashAlg,
    capacity: u32,
    stage: Stage,
    /// HKDF's info; the PRF's seed, later label and seed.
    info: [u8; MAX_INFO],
    info_len: Option<usize>,
    started: bool,
    /// The secret came as a key of type DERIVE (or from an agreement): output may become a key.
    from_key: bool,
}

/// The secret or other input of a step.
#[derive(Clone, Copy)]
enum Source<'a> {
    Vector(Input<'a>),
    Key(&'a [u8], KeyType),
    Agreement(&'a [u8]),
}

impl Source<'_> {
    fn each(&self, mut f: impl FnMut(&[u8])) {
        match self {
            Source::Vector(input) => each_chunk(*input, |chunk| f(chunk)),
            Source::Key(bytes, _) | Source::Agreement(bytes) => f(bytes),
        }
    }

    fn len(&self) -> usize {
        match self {
            Source::Vector(input) => input.len(),
            Source::Key(bytes, _) | Source::Agreement(bytes) => bytes.len(),
        }
    }

    /// Copies into `to`; `false` when it is longer.
    fn copy(&self, to: &mut [u8]) -> bool {
        let Some(to) = to.get_mut(..self.len()) else {
            return false;
        };
        let mut at = 0;
        self.each(|chunk| {
            for (to, byte) in to.iter_mut().skip(at).zip(chunk) {
                *to = *byte;
            }
            at += chunk.len();
        });
        true
    }
}

impl Derivation {
    fn new(alg: Algorithm) -> Result<Self, Status> {
        let kdf = match alg.agreement_of() {
            Some(Algorithm::ECDH) => alg.kdf_of().ok_or(Status::INVALID_ARGUMENT)?,
            Some(_) if alg.is_raw_key_agreement() => return Err(Status::INVALID_ARGUMENT),
            Some(_) => return Err(Status::NOT_SUPPORTED),
            None if alg.is_key_derivation() => alg,
            None => return Err(Status::INVALID_ARGUMENT),
        };
        let method = if kdf.is_hkdf() {
            Method::Hkdf
        } else if kdf.is_hkdf_extract() {
            Method::Extract
        } else if kdf.is_hkdf_expand() {
            Method::Expand
        } else {
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
            if kdf.is_tls12_prf() {
                return Self::with(alg, kdf, Method::Prf);
            }
            return Err(Status::NOT_SUPPORTED);
        };
        Self::with(alg, kdf, method)
    }

    fn with(alg: Algorithm, kdf: Algorithm, method: Method) -> Result<Self, Status> {
        let hash = HashAlg::inside(kdf).ok_or(Status::NOT_SUPPORTED)?;
        let capacity = match method {
            Method::Extract => hash.len() as u32,
            Method::Hkdf | Method::Expand => 255 * hash.len() as u32,
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
            Method::Prf => UNLIMITED_CAPACITY,
        };
        Ok(Derivation {
            alg,
            method,
            hash,
            capacity,
            stage: Stage::Start,
            info: [0; MAX_INFO],
            info_len: None,
            started: false,
            from_key: false,
        })
    }

    fn input(&mut self, which: u16, source: Source<'_>) -> Result<(), Status> {
        check_type(which, source)?;
        #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
        if self.method == Method::Prf {
            return self.prf_input(which, source);
        }
        match which {
            step::SALT => self.salt(source),
            step::SECRET => self.secret(source),
            step::INFO => self.info(source),
            _ => Err(Status::INVALID_ARGUMENT),
        }
    }

    #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
    fn prf_input(&mut self, which: u16, source: Source<'_>) -> Result<(), Status> {
        match (which, &mut self.stage, self.info_len) {
            (step::SEED, Stage::Start, None) => {
                if !source.copy(&mut self.info) {
                    return Err(Status::INSUFFICIENT_MEMORY);
                }
                self.info_len = Some(source.len());
            }
            (step::SECRET, Stage::Start, Some(_)) => {
                let mut secret = Digest::zero(source.len());
                if !source.copy(secret.as_mut()) {
                    return Err(Status::NOT_SUPPORTED);
                }
                let prf = Prf::new(self.hash, &secret).ok_or(Status::NOT_SUPPORTED)?;
                self.from_key = is_from_key(source);
                self.stage = Stage::Keyed(Output::Prf(prf, false));
            }
            (step::LABEL, Stage::Keyed(Output::Prf(_, labelled @ false)), Some(seed)) => {
                // The text is label and seed: make room in front.
                let len = seed.saturating_add(source.len());
                if len > self.info.len() {
                    return Err(Status::INSUFFICIENT_MEMORY);
                }
                *labelled = true;
                self.info.copy_within(..seed, source.len());
                source.copy(&mut self.info);
                self.info_len = Some(len);
            }
            (step::SEED | step::SECRET | step::LABEL, ..) => return Err(Status::BAD_STATE),
            _ => return Err(Status::INVALID_ARGUMENT),
        }
        Ok(())
    }

    fn salt(&mut self, source: Source<'_>) -> Result<(), Status> {
        if self.method == Method::Expand {
            return Err(Status::INVALID_ARGUMENT);
        }
        if !matches!(self.stage, Stage::Start) {
            return Err(Status::BAD_STATE);
        }
        let mut block = Erased::new([0; MAX_BLOCK]);
        let hmac = if source.len() <= self.hash.block_len() && source.copy(&mut block[..]) {
            Hmac::new(self.hash, block.get(..source.len()).unwrap_or_default())
        } else {
            let mut hash = Hash::new(self.hash);
            source.each(|chunk| hash.update(chunk));
            Hmac::new(self.hash, &hash.finish())
        };
        self.stage = Stage::Salted(hmac);
        Ok(())
    }

    fn secret(&mut self, source: Source<'_>) -> Result<(), Status> {
        let key = match (&mut self.stage, self.method) {
            (Stage::Start, Method::Expand) => {
                let mut prk = Digest::zero(self.hash.len());
                if source.len() != prk.len() || !source.copy(prk.as_mut()) {
                    return Err(Status::INVALID_ARGUMENT);
                }
                prk
            }
            // Without a salt, HKDF extracts with zeros; HKDF-Extract insists on one.
            (Stage::Start, Method::Hkdf) => {
                let mut hmac = Hmac::new(self.hash, &[]);
                source.each(|chunk| hmac.update(chunk));
                hmac.finish()
            }
            (Stage::Salted(hmac), _) => {
                let mut hmac = hmac.clone();
                source.each(|chunk| hmac.update(chunk));
                hmac.finish()
            }
            _ => return Err(Status::BAD_STATE),
        };
        self.from_key = is_from_key(source);
        self.stage = Stage::Keyed(match self.method {
            Method::Extract => Output::Extract(key, 0),
            _ => Output::Expand(Expand::new(self.hash, &key)),
        });
        Ok(())
    }

    fn info(&mut self, source: Source<'_>) -> Result<(), Status> {
        if self.method == Method::Extract {
            return Err(Status::INVALID_ARGUMENT);
        }
        if self.info_len.is_some() || self.started {
            return Err(Status::BAD_STATE);
        }
        if !source.copy(&mut self.info) {
            return Err(Status::INSUFFICIENT_MEMORY);
        }
        self.info_len = Some(source.len());
        Ok(())
    }

    /// Checks that `len` bytes can be given, and takes them off the capacity.
    fn reserve(&mut self, len: usize) -> Result<(), Status> {
        let Stage::Keyed(output) = &mut self.stage else {
            return Err(Status::BAD_STATE);
        };
        if let Output::Expand(expand) = output {
            let info = self.info.get(..self.info_len.ok_or(Status::BAD_STATE)?);
            if !self.started {
                expand.info(info.unwrap_or_default())?;
            }
        }
        #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
        if let Output::Prf(_, false) = output {
            return Err(Status::BAD_STATE);
        }
        self.started = true;
        match u32::try_from(len).ok().and_then(|len| match self.capacity {
            UNLIMITED_CAPACITY => Some(UNLIMITED_CAPACITY),
            capacity => capacity.checked_sub(len),
        }) {
            Some(rest) => {
                self.capacity = rest;
                Ok(())
            }
            None => {
                self.capacity = 0;
                Err(Status::INSUFFICIENT_DATA)
            }
        }
    }

    /// The next bytes, after [`Derivation::reserve`].
    fn read(&mut self, out: &mut [u8]) {
        match &mut self.stage {
            Stage::Keyed(Output::Expand(expand)) => expand.read(out),
            Stage::Keyed(Output::Extract(key, used)) => {
                for (to, byte) in out.iter_mut().zip(key.iter().skip(*used)) {
                    *to = *byte;
                }
                *used += out.len();
            }
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
            Stage::Keyed(Output::Prf(prf, _)) => {
                let text = self.info.get(..self.info_len.unwrap_or_default());
                prf.read(text.unwrap_or_default(), out);
            }
            Stage::Start | Stage::Salted(_) => {}
        }
    }
}

/// Whether a secret from there may become a key again.
fn is_from_key(source: Source<'_>) -> bool {
    match source {
        Source::Vector(_) => false,
        Source::Key(_, key_type) => key_type == KeyType::DERIVE,
        Source::Agreement(_) => true,
    }
}

/// Which sources a step takes (PSA Crypto 1.1, key derivation input).
fn check_type(which: u16, source: Source<'_>) -> Result<(), Status> {
    let permitted = match (which, source) {
        (_, Source::Vector(_)) => true,
        (step::SECRET, Source::Agreement(_)) => true,
        (_, Source::Agreement(_)) => false,
        (step::SECRET, Source::Key(_, key_type)) => key_type == KeyType::DERIVE,
        (step::SALT | step::INFO | step::SEED | step::LABEL, Source::Key(_, key_type)) => {
            key_type == KeyType::RAW_DATA
        }
        (_, Source::Key(..)) => false,
    };
    if permitted {
        Ok(())
    } else {
        Err(Status::INVALID_ARGUMENT)
    }
}

impl<K: KeyStore, R: Entropy> CryptoService<K, R> {
    pub(crate) fn derivation_setup(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let derivation = Derivation::new(Algorithm(iov.alg))?;
        self.start(iov, call, |_| Ok(Operation::Derivation(derivation)))
    }

    pub(crate) fn derivation_get_capacity(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        require_word_output(call, 0, 4)?;
        let derivation: &mut Derivation = self.operations.get(call.client.0, iov.op_handle)?;
        let capacity = derivation.capacity;
        put(call, 0, &capacity.to_le_bytes())
    }

    pub(crate) fn derivation_set_capacity(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let derivation: &mut Derivation = self.operations.get(call.client.0, iov.op_handle)?;
        if iov.capacity() > derivation.capacity {
            return Err(Status::INVALID_ARGUMENT);
        }
        derivation.capacity = iov.capacity();
        Ok(())
    }

    pub(crate) fn derivation_input_bytes(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let derivation: &mut Derivation = self.operations.get(call.client.0, iov.op_handle)?;
        let result = derivation.input(iov.step, Source::Vector(call.input(1)));
        self.end_on_error(iov, call, result)
    }

    pub(crate) fn derivation_input_key(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let client = call.client.0;
        let derivation: &mut Derivation = self.operations.get(client, iov.op_handle)?;
        let result = self
            .keys
            .get_for(client, iov.key_id, usage::DERIVE, derivation.alg)
            .and_then(|key| {
                derivation.input(iov.step, Source::Key(key.data, key.attributes.key_type))
            });
        self.end_on_error(iov, call, result)
    }

    pub(crate) fn derivation_key_agreement(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let client = call.client.0;
        let derivation: &mut Derivation = self.operations.get(client, iov.op_handle)?;
        let alg = derivation.alg;
        let result = if alg.is_key_agreement() {
            self.keys
                .get_for(client, iov.key_id, usage::DERIVE, alg)
                .and_then(|key| agree(key, alg, call))
                .and_then(|secret| derivation.input(iov.step, Source::Agreement(&secret[..])))
        } else {
            Err(Status::INVALID_ARGUMENT)
        };
        self.end_on_error(iov, call, result)
    }

    pub(crate) fn derivation_output_bytes(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let derivation: &mut Derivation = self.operations.get(call.client.0, iov.op_handle)?;
        let len = call.outputs.first().map_or(0, |out| out.capacity());
        derivation.reserve(len)?;
        if len == 0 {
            return Ok(());
        }
        let out = output(call, 0)?;
        let mut buffer = Erased::new([0; CHUNK]);
        let mut left = len;
        while left > 0 {
            let chunk = buffer
                .get_mut(..left.min(CHUNK))
                .ok_or(Status::GENERIC_ERROR)?;
            derivation.read(chunk);
            if !out.append(chunk) {
                return Err(Status::BUFFER_TOO_SMALL);
            }
            left -= chunk.len();
        }
        Ok(())
    }

    pub(crate) fn derivation_output_key(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        require_word_output(call, 0, 4)?;
        let wanted = attributes(call)?;
        let derivation: &mut Derivation = self.operations.get(call.client.0, iov.op_handle)?;
        if wanted.bits == 0 {
            return Err(Status::INVALID_ARGUMENT);
        }
        if !derivation.from_key {
            return Err(Status::NOT_PERMITTED);
        }
        let wanted = check_new(wanted)?;
        if wanted.key_type.is_asymmetric() {
            return Err(Status::NOT_SUPPORTED);
        }
        let mut data = Material::zero(material::check_unstructured(wanted.key_type, wanted.bits)?)?;
        derivation.reserve(data.len())?;
        derivation.read(data.as_mut());
        let id = self.keys.create(call.client.0, wanted, &data)?;
        put(call, 0, &id.to_le_bytes())
    }

    /// A failed input ends the derivation: its slot is free again.
    fn end_on_error(
        &mut self,
        iov: &CryptoIovec,
        call: &Call<'_, '_>,
        result: Result<(), Status>,
    ) -> Result<(), Status> {
        if result.is_err() {
            self.operations
                .release::<Derivation>(call.client.0, iov.op_handle);
        }
        result
    }
}
