//! Key derivation calls: HKDF, HKDF-Extract, HKDF-Expand, TLS 1.2 PRF and PSK-to-MS, alone or after
//! ECDH; PBKDF2.
//!
//! Inputs come in the order of PSA Crypto 1.1: SALT before SECRET, INFO once before the first
//! output; for TLS 1.2 SEED, for PSK-to-MS OTHER_SECRET or not, SECRET, LABEL; for PBKDF2 COST, SALT
//! once or more often, PASSWORD. An error in an input ends the operation. A key for an agreement
//! that is not there or not permitted does not, as in TF-M.

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
#[cfg(any(
    feature = "PSA_WANT_ALG_HKDF_EXTRACT",
    feature = "PSA_WANT_ALG_HKDF_EXPAND"
))]
use crate::primitives::hash::Digest;
use crate::primitives::hash::{Hash, HashAlg, MAX_BLOCK};
use crate::primitives::hkdf::{Expand, MAX_INFO};
use crate::primitives::hmac::Hmac;
#[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
use crate::primitives::pbkdf2::Pbkdf2;
#[cfg(feature = "tls12")]
use crate::primitives::tls12_prf::Prf;
use crate::service::CryptoService;
use crate::sign::agree;

/// Highest cost of PBKDF2; a device of this size should not be stopped for longer by one block.
#[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
const MAX_COST: u64 = 10_000;
/// Iterations in one call: the secure world answers nobody else meanwhile.
#[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
const MAX_WORK: u64 = 2 * MAX_COST;
/// Longest pre-shared key, bytes (Mbed TLS's default).
#[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
const MAX_PSK: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Hkdf,
    #[cfg(feature = "PSA_WANT_ALG_HKDF_EXTRACT")]
    Extract,
    #[cfg(feature = "PSA_WANT_ALG_HKDF_EXPAND")]
    Expand,
    #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
    Prf,
    #[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
    PskToMs,
    #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
    Pbkdf2,
}

impl Method {
    fn of(kdf: Algorithm) -> Option<Self> {
        match kdf {
            _ if kdf.is_hkdf() => Some(Method::Hkdf),
            #[cfg(feature = "PSA_WANT_ALG_HKDF_EXTRACT")]
            _ if kdf.is_hkdf_extract() => Some(Method::Extract),
            #[cfg(feature = "PSA_WANT_ALG_HKDF_EXPAND")]
            _ if kdf.is_hkdf_expand() => Some(Method::Expand),
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
            _ if kdf.is_tls12_prf() => Some(Method::Prf),
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
            _ if kdf.is_tls12_psk_to_ms() => Some(Method::PskToMs),
            #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
            _ if kdf.is_pbkdf2_hmac() => Some(Method::Pbkdf2),
            _ => None,
        }
    }
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
    #[cfg(feature = "PSA_WANT_ALG_HKDF_EXTRACT")]
    Extract(Digest, usize),
    Expand(Expand),
    /// The PRF; it gives output once the label is there.
    #[cfg(feature = "tls12")]
    Prf(Prf, bool),
    #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
    Pbkdf2(Pbkdf2),
}

/// A derivation under way.
pub struct Derivation {
    /// As given to setup; an agreement is part of it.
    alg: Algorithm,
    method: Method,
    hash: HashAlg,
    capacity: u32,
    stage: Stage,
    /// HKDF's info; the PRF's seed, later label and seed; PBKDF2's salt.
    info: [u8; MAX_INFO],
    info_len: Option<usize>,
    /// PSK-to-MS: the other secret, behind the seed until the secret comes.
    #[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
    other_len: Option<usize>,
    /// PBKDF2: iterations, 0 before they are given.
    #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
    cost: u32,
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
        let method = Method::of(kdf).ok_or(Status::NOT_SUPPORTED)?;
        Self::with(alg, kdf, method)
    }

    fn with(alg: Algorithm, kdf: Algorithm, method: Method) -> Result<Self, Status> {
        let hash = HashAlg::inside(kdf).ok_or(Status::NOT_SUPPORTED)?;
        let capacity = match method {
            #[cfg(feature = "PSA_WANT_ALG_HKDF_EXTRACT")]
            Method::Extract => hash.len() as u32,
            #[cfg(feature = "PSA_WANT_ALG_HKDF_EXPAND")]
            Method::Expand => 255 * hash.len() as u32,
            Method::Hkdf => 255 * hash.len() as u32,
            #[allow(unreachable_patterns)] // Of HKDF alone.
            _ => UNLIMITED_CAPACITY,
        };
        Ok(Derivation {
            alg,
            method,
            hash,
            capacity,
            stage: Stage::Start,
            info: [0; MAX_INFO],
            info_len: None,
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
            other_len: None,
            #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
            cost: 0,
            started: false,
            from_key: false,
        })
    }

    fn input(&mut self, which: u16, source: Source<'_>) -> Result<(), Status> {
        check_type(which, source)?;
        match self.method {
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PRF")]
            Method::Prf => return self.prf_input(which, source),
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
            Method::PskToMs => return self.prf_input(which, source),
            #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
            Method::Pbkdf2 => return self.pbkdf2_input(which, source),
            #[allow(unreachable_patterns)] // With all halves of HKDF left out, too.
            _ => {}
        }
        match which {
            step::SALT => self.salt(source),
            step::SECRET => self.secret(source),
            step::INFO => self.info(source),
            _ => Err(Status::INVALID_ARGUMENT),
        }
    }

    /// An HMAC under `source`, of any length, before any text.
    fn keyed(&self, source: Source<'_>) -> Hmac {
        let mut block = Erased::new([0; MAX_BLOCK]);
        if source.len() <= self.hash.block_len() && source.copy(&mut block[..]) {
            return Hmac::new(self.hash, block.get(..source.len()).unwrap_or_default());
        }
        let mut hash = Hash::new(self.hash);
        source.each(|chunk| hash.update(chunk));
        Hmac::new(self.hash, &hash.finish())
    }

    #[cfg(feature = "tls12")]
    fn prf_input(&mut self, which: u16, source: Source<'_>) -> Result<(), Status> {
        match (which, &mut self.stage, self.info_len) {
            (step::SEED, Stage::Start, None) => {
                if !source.copy(&mut self.info) {
                    return Err(Status::INSUFFICIENT_MEMORY);
                }
                self.info_len = Some(source.len());
            }
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
            (step::OTHER_SECRET, Stage::Start, Some(seed))
                if self.method == Method::PskToMs && self.other_len.is_none() =>
            {
                let room = self.info.get_mut(seed..).unwrap_or_default();
                if !source.copy(room) {
                    return Err(Status::INSUFFICIENT_MEMORY);
                }
                self.other_len = Some(source.len());
            }
            (step::SECRET, Stage::Start, Some(_)) => {
                let keyed = match self.method {
                    #[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
                    Method::PskToMs => self.premaster(source)?,
                    _ => self.keyed(source),
                };
                self.from_key = is_from_key(source);
                self.stage = Stage::Keyed(Output::Prf(Prf::new(keyed), false));
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
            #[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
            (step::OTHER_SECRET, ..) if self.method == Method::PskToMs => {
                return Err(Status::BAD_STATE);
            }
            _ => return Err(Status::INVALID_ARGUMENT),
        }
        Ok(())
    }

    /// An HMAC under the premaster secret of a pre-shared key (RFC 4279 §2): the other secret, or as
    /// many zeros as the key is long, and the key, each behind its length.
    #[cfg(feature = "PSA_WANT_ALG_TLS12_PSK_TO_MS")]
    fn premaster(&mut self, psk: Source<'_>) -> Result<Hmac, Status> {
        if psk.len() > MAX_PSK {
            return Err(Status::INVALID_ARGUMENT);
        }
        let mut secret = Erased::new([0; 2 + MAX_INFO + 2 + MAX_PSK]);
        let seed = self.info_len.unwrap_or_default();
        let other = self.info.get_mut(seed..).unwrap_or_default();
        let (other, zeros) = match self.other_len {
            Some(len) => (other.get_mut(..len).unwrap_or_default(), 0),
            None => (&mut [][..], psk.len()),
        };
        let first = other.len() + zeros;
        let (head, tail) = secret.split_at_mut(2 + first);
        for (to, len) in [(head, first), (&mut *tail, psk.len())] {
            for (to, byte) in to.iter_mut().zip((len as u16).to_be_bytes()) {
                *to = byte;
            }
        }
        psk.copy(tail.get_mut(2..).unwrap_or_default());
        for (to, byte) in secret.iter_mut().skip(2).zip(other.iter()) {
            *to = *byte;
        }
        symmetric::erase(other);
        let len = 2 + first + 2 + psk.len();
        Ok(Hmac::new(self.hash, secret.get(..len).unwrap_or_default()))
    }

    #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
    fn pbkdf2_input(&mut self, which: u16, source: Source<'_>) -> Result<(), Status> {
        match (which, &self.stage, self.info_len) {
            (step::SALT, Stage::Start, salt) if self.cost != 0 => {
                let salt = salt.unwrap_or_default();
                if !source.copy(self.info.get_mut(salt..).unwrap_or_default()) {
                    return Err(Status::INSUFFICIENT_MEMORY);
                }
                self.info_len = Some(salt + source.len());
            }
            (step::PASSWORD, Stage::Start, Some(_)) => {
                let keyed = self.keyed(source);
                self.from_key = is_from_key(source);
                self.stage = Stage::Keyed(Output::Pbkdf2(Pbkdf2::new(keyed, self.cost)));
            }
            (step::SALT | step::PASSWORD, ..) => return Err(Status::BAD_STATE),
            _ => return Err(Status::INVALID_ARGUMENT),
        }
        Ok(())
    }

    #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
    fn integer(&mut self, which: u16, value: u64) -> Result<(), Status> {
        if which != step::COST || self.method != Method::Pbkdf2 {
            return Err(Status::INVALID_ARGUMENT);
        }
        if self.cost != 0 {
            return Err(Status::BAD_STATE);
        }
        self.cost = match value {
            0 => return Err(Status::INVALID_ARGUMENT),
            1..=MAX_COST => value as u32,
            _ => return Err(Status::NOT_SUPPORTED),
        };
        Ok(())
    }

    fn salt(&mut self, source: Source<'_>) -> Result<(), Status> {
        #[cfg(feature = "PSA_WANT_ALG_HKDF_EXPAND")]
        if self.method == Method::Expand {
            return Err(Status::INVALID_ARGUMENT);
        }
        if !matches!(self.stage, Stage::Start) {
            return Err(Status::BAD_STATE);
        }
        self.stage = Stage::Salted(self.keyed(source));
        Ok(())
    }

    fn secret(&mut self, source: Source<'_>) -> Result<(), Status> {
        let key = match (&mut self.stage, self.method) {
            #[cfg(feature = "PSA_WANT_ALG_HKDF_EXPAND")]
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
            #[cfg(feature = "PSA_WANT_ALG_HKDF_EXTRACT")]
            Method::Extract => Output::Extract(key, 0),
            _ => Output::Expand(Expand::new(self.hash, &key)),
        });
        Ok(())
    }

    fn info(&mut self, source: Source<'_>) -> Result<(), Status> {
        #[cfg(feature = "PSA_WANT_ALG_HKDF_EXTRACT")]
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
        #[cfg(feature = "tls12")]
        if let Output::Prf(_, false) = output {
            return Err(Status::BAD_STATE);
        }
        #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
        if let Output::Pbkdf2(pbkdf2) = output
            && pbkdf2.work(len, self.hash.len()) > MAX_WORK
        {
            return Err(Status::NOT_SUPPORTED);
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
            #[cfg(feature = "PSA_WANT_ALG_HKDF_EXTRACT")]
            Stage::Keyed(Output::Extract(key, used)) => {
                for (to, byte) in out.iter_mut().zip(key.iter().skip(*used)) {
                    *to = *byte;
                }
                *used += out.len();
            }
            #[cfg(feature = "tls12")]
            Stage::Keyed(Output::Prf(prf, _)) => {
                let text = self.info.get(..self.info_len.unwrap_or_default());
                prf.read(text.unwrap_or_default(), out);
            }
            #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
            Stage::Keyed(Output::Pbkdf2(pbkdf2)) => {
                let salt = self.info.get(..self.info_len.unwrap_or_default());
                pbkdf2.read(salt.unwrap_or_default(), out);
            }
            Stage::Start | Stage::Salted(_) => {}
        }
    }
}

/// Whether a secret from there may become a key again.
fn is_from_key(source: Source<'_>) -> bool {
    match source {
        Source::Vector(_) => false,
        Source::Key(_, key_type) => matches!(key_type, KeyType::DERIVE | KeyType::PASSWORD),
        Source::Agreement(_) => true,
    }
}

/// Which sources a step takes (PSA Crypto 1.1, key derivation input).
fn check_type(which: u16, source: Source<'_>) -> Result<(), Status> {
    let permitted = match (which, source) {
        (_, Source::Vector(_)) => true,
        (step::SECRET | step::OTHER_SECRET, Source::Agreement(_)) => true,
        (_, Source::Agreement(_)) => false,
        (step::SECRET | step::OTHER_SECRET, Source::Key(_, key_type)) => {
            key_type == KeyType::DERIVE
        }
        (step::PASSWORD, Source::Key(_, key_type)) => {
            matches!(key_type, KeyType::DERIVE | KeyType::PASSWORD)
        }
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

    #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
    pub(crate) fn derivation_input_integer(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let derivation: &mut Derivation = self.operations.get(call.client.0, iov.op_handle)?;
        let result = derivation.integer(iov.step, iov.value);
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
            let key = self.keys.get_for(client, iov.key_id, usage::DERIVE, alg)?;
            agree(key, alg, call)
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
            let none = wanted.key_type.is_public_key()
                || wanted.key_type.is_ecc() && !matches!(wanted.bits, 255 | 256 | 384 | 521);
            return Err(if none {
                Status::INVALID_ARGUMENT
            } else {
                Status::NOT_SUPPORTED
            });
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
