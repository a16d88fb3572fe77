//! MAC calls: HMAC.

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
use crate::service::CryptoService;

/// Shortest MAC that may be asked for, bytes.
const MIN_MAC: usize = 4;

/// A MAC under way.
pub struct MacOperation {
    hmac: Hmac,
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
        if !alg.is_hmac() {
            return Err(Status::NOT_SUPPORTED);
        }
        if key.attributes.key_type != KeyType::HMAC {
            return Err(Status::INVALID_ARGUMENT);
        }
        let hash = HashAlg::inside(alg).ok_or(Status::NOT_SUPPORTED)?;
        let len = match alg.mac_truncation() {
            0 => hash.len(),
            n if n < MIN_MAC => return Err(Status::NOT_SUPPORTED),
            n if n > hash.len() => return Err(Status::INVALID_ARGUMENT),
            n => n,
        };
        let hmac = Hmac::new(hash, key.data);
        Ok(MacOperation {
            hmac,
            len,
            verify: purpose == Purpose::Verify,
        })
    }

    fn input(&mut self, call: &Call<'_, '_>) {
        each_chunk(call.input(1), |chunk| self.hmac.update(chunk));
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
        put(call, 0, cut(&mac.hmac.finish(), mac.len))
    }

    pub(crate) fn mac_verify(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let mut mac = self.mac_start(iov, call, Purpose::Verify)?;
        mac.input(call);
        compare(cut(&mac.hmac.finish(), mac.len), call, 2)
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
        let mac: &mut MacOperation = self.operations.get(owner, iov.op_handle)?;
        let right_way = mac.verify == (purpose == Purpose::Verify);
        let (value, len) = (mac.hmac.clone().finish(), mac.len);
        self.operations
            .release::<MacOperation>(owner, iov.op_handle);
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
