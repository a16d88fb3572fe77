//! MAC calls: HMAC and AES-CMAC.

use psa_interface::key::usage;
use psa_interface::{Algorithm, CryptoIovec, KeyType, Status};
use spm::Call;

use crate::arguments::{each_chunk, put, require_room, require_word_output};
use crate::entropy::Entropy;
use crate::hash::compare;
use crate::keys::{Key, KeyStore};
use crate::operations::Operation;
use crate::primitives::hash::{Digest, HashAlg};
use crate::primitives::hmac::Hmac;
#[cfg(feature = "PSA_WANT_ALG_CMAC")]
use crate::primitives::{cipher::BLOCK, cmac::Cmac};
use crate::service::CryptoService;

/// Shortest MAC that may be asked for, bytes.
const MIN_MAC: usize = 4;

/// The MAC itself.
#[allow(clippy::large_enum_variant)] // Slots have one size: the largest.
enum Mac {
    Hmac(Hmac),
    #[cfg(feature = "PSA_WANT_ALG_CMAC")]
    Cmac(Cmac),
}

impl Mac {
    fn update(&mut self, data: &[u8]) {
        match self {
            Mac::Hmac(hmac) => hmac.update(data),
            #[cfg(feature = "PSA_WANT_ALG_CMAC")]
            Mac::Cmac(cmac) => cmac.update(data),
        }
    }

    fn finish(self) -> Digest {
        match self {
            Mac::Hmac(hmac) => hmac.finish(),
            #[cfg(feature = "PSA_WANT_ALG_CMAC")]
            Mac::Cmac(cmac) => Digest::copy(&cmac.finish()),
        }
    }
}

/// A MAC under way.
pub struct MacOperation {
    mac: Mac,
    len: usize,
    verify: bool,
}

/// What an operation is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Sign,
    Verify,
}

impl Purpose {
    fn usage(self) -> u32 {
        match self {
            Purpose::Sign => usage::SIGN_MESSAGE,
            Purpose::Verify => usage::VERIFY_MESSAGE,
        }
    }
}

impl MacOperation {
    fn new(key: Key<'_>, alg: Algorithm, purpose: Purpose) -> Result<Self, Status> {
        if !alg.is_mac() {
            return Err(Status::INVALID_ARGUMENT);
        }
        key.permit(purpose.usage(), alg)?;
        let (mac, whole) = Self::start(key, alg)?;
        let len = match alg.mac_truncation() {
            0 => whole,
            n if n < MIN_MAC => return Err(Status::NOT_SUPPORTED),
            n if n > whole => return Err(Status::INVALID_ARGUMENT),
            n => n,
        };
        Ok(MacOperation {
            mac,
            len,
            verify: purpose == Purpose::Verify,
        })
    }

    /// The MAC and its full length.
    fn start(key: Key<'_>, alg: Algorithm) -> Result<(Mac, usize), Status> {
        #[cfg(feature = "PSA_WANT_ALG_CMAC")]
        if alg.full_length_mac() == Algorithm::CMAC {
            if key.attributes.key_type != KeyType::AES {
                return Err(Status::INVALID_ARGUMENT);
            }
            return Ok((Mac::Cmac(Cmac::new(key.data)?), BLOCK));
        }
        if !alg.is_hmac() {
            return Err(Status::NOT_SUPPORTED);
        }
        if key.attributes.key_type != KeyType::HMAC {
            return Err(Status::INVALID_ARGUMENT);
        }
        let hash = HashAlg::inside(alg).ok_or(Status::NOT_SUPPORTED)?;
        Ok((Mac::Hmac(Hmac::new(hash, key.data)), hash.len()))
    }

    fn input(&mut self, call: &Call<'_, '_>) {
        each_chunk(call.input(1), |chunk| self.mac.update(chunk));
    }
}

fn cut(mac: &Digest, len: usize) -> &[u8] {
    mac.get(..len).unwrap_or_default()
}

impl<K: KeyStore, R: Entropy> CryptoService<K, R> {
    fn mac_start(
        &mut self,
        iov: &CryptoIovec,
        call: &Call<'_, '_>,
        purpose: Purpose,
    ) -> Result<MacOperation, Status> {
        let key = self.keys.get(call.client.0, iov.key_id)?;
        MacOperation::new(key, Algorithm(iov.alg), purpose)
    }

    pub(crate) fn mac_compute(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let mut mac = self.mac_start(iov, call, Purpose::Sign)?;
        require_room(call, 0, mac.len)?;
        mac.input(call);
        put(call, 0, cut(&mac.mac.finish(), mac.len))
    }

    pub(crate) fn mac_verify(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let mut mac = self.mac_start(iov, call, Purpose::Verify)?;
        mac.input(call);
        compare(cut(&mac.mac.finish(), mac.len), call, 2)
    }

    pub(crate) fn mac_setup(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
        purpose: Purpose,
    ) -> Result<(), Status> {
        let client = call.client.0;
        self.start(iov, call, |service| {
            let key = service.keys.get(client, iov.key_id)?;
            Ok(Operation::Mac(MacOperation::new(
                key,
                Algorithm(iov.alg),
                purpose,
            )?))
        })
    }

    pub(crate) fn mac_update(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let mac: &mut MacOperation = self.operations.get(call.client.0, iov.op_handle)?;
        mac.input(call);
        Ok(())
    }

    pub(crate) fn mac_finish(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
        purpose: Purpose,
    ) -> Result<(), Status> {
        let owner = call.client.0;
        let mac: MacOperation = self.operations.take(owner, iov.op_handle)?;
        let right_way = mac.verify == (purpose == Purpose::Verify);
        let (value, len) = (mac.mac.finish(), mac.len);
        require_word_output(call, 0, 4)?;
        if !right_way {
            return Err(Status::BAD_STATE);
        }
        match purpose {
            Purpose::Sign => put(call, 1, cut(&value, len))?,
            Purpose::Verify => compare(cut(&value, len), call, 1)?,
        }
        put(call, 0, &[0; 4])
    }
}
