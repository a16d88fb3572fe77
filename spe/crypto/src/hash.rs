//! Hash calls.

use psa_interface::{Algorithm, CryptoIovec, Status};
use spm::Call;

use crate::arguments::{Small, hash_input, put, require_room, require_word_output};
use crate::entropy::Entropy;
use crate::keys::KeyStore;
use crate::operations::Operation;
use crate::primitives::equal;
use crate::primitives::hash::{Digest, Hash, HashAlg, MAX_HASH};
use crate::service::CryptoService;

fn offered(alg: u32) -> Result<HashAlg, Status> {
    let alg = Algorithm(alg);
    if !alg.is_hash() {
        return Err(Status::INVALID_ARGUMENT);
    }
    HashAlg::from_alg(alg).ok_or(Status::NOT_SUPPORTED)
}

impl<K: KeyStore, R: Entropy> CryptoService<K, R> {
    pub(crate) fn hash_compute(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let alg = offered(iov.alg)?;
        require_room(call, 0, alg.len())?;
        let mut hash = Hash::new(alg);
        hash_input(&mut hash, call.input(1));
        put(call, 0, &hash.finish())
    }

    pub(crate) fn hash_compare(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let mut hash = Hash::new(offered(iov.alg)?);
        hash_input(&mut hash, call.input(1));
        compare(&hash.finish(), call, 2)
    }

    pub(crate) fn hash_setup(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let hash = Hash::new(offered(iov.alg)?);
        self.start(iov, call, |_| Ok(Operation::Hash(hash)))
    }

    pub(crate) fn hash_update(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let hash: &mut Hash = self.operations.get(call.client.0, iov.op_handle)?;
        hash_input(hash, call.input(1));
        Ok(())
    }

    pub(crate) fn hash_clone(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        require_word_output(call, 0, 4)?;
        let target = call.input(1);
        if !target.is_empty() && target.array() != Some([0; 4]) {
            return Err(Status::BAD_STATE);
        }
        let hash: &mut Hash = self.operations.get(call.client.0, iov.op_handle)?;
        let copy = Operation::Hash(hash.clone());
        let handle = self.operations.add(call.client.0, copy)?;
        put(call, 0, &handle.to_le_bytes())
    }

    pub(crate) fn hash_finish(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let digest = self.hash_end(iov, call)?;
        put(call, 1, &digest)?;
        put(call, 0, &[0; 4])
    }

    pub(crate) fn hash_verify(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let digest = self.hash_end(iov, call)?;
        compare(&digest, call, 1)?;
        put(call, 0, &[0; 4])
    }

    /// The digest of an operation, whose slot is free from here on, come what may.
    fn hash_end(&mut self, iov: &CryptoIovec, call: &Call<'_, '_>) -> Result<Digest, Status> {
        let owner = call.client.0;
        let hash: &mut Hash = self.operations.get(owner, iov.op_handle)?;
        let digest = hash.clone().finish();
        self.operations.release::<Hash>(owner, iov.op_handle);
        require_word_output(call, 0, 4)?;
        Ok(digest)
    }
}

/// Compares with the expected value in input `i`, all of it.
pub(crate) fn compare(value: &[u8], call: &Call<'_, '_>, i: usize) -> Result<(), Status> {
    let expected = Small::<MAX_HASH>::read(call.input(i)).ok_or(Status::INVALID_SIGNATURE)?;
    if equal(value, &expected) {
        Ok(())
    } else {
        Err(Status::INVALID_SIGNATURE)
    }
}
