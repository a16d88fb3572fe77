//! The service: one table from function id to function, and what holds for every call.

use psa_interface::crypto::function as f;
use psa_interface::{Algorithm, CryptoIovec, KeyType, Status, service::IPC_CALL};
use spm::{Call, Service};
use symmetric::Erased;

use crate::aead::{compatible, tag_length};
use crate::arguments::{CHUNK, output, put, require_word_output};
use crate::derivation::Derivation;
use crate::entropy::Entropy;
use crate::keys::{KeyStore, Keys};
use crate::mac::{MacOperation, Purpose};
use crate::operations::{Kind, Operation, Operations};
#[cfg(feature = "psa-cipher")]
use crate::primitives::cipher::Mode;
use crate::primitives::hash::{Hash, HashAlg};
use crate::sign::Over;

/// The PSA Crypto service over a store for persistent keys and a source of entropy.
pub struct CryptoService<K, R> {
    pub(crate) keys: Keys<K>,
    pub(crate) operations: Operations,
    pub(crate) entropy: R,
}

impl<K: KeyStore, R: Entropy> CryptoService<K, R> {
    /// A service without volatile keys and operations.
    pub const fn new(store: K, entropy: R) -> Self {
        CryptoService {
            keys: Keys::new(store),
            operations: Operations::new(),
            entropy,
        }
    }

    /// The store of persistent keys.
    pub fn key_store(&mut self) -> &mut K {
        self.keys.store_mut()
    }

    /// The source of entropy, for other secure services.
    pub fn entropy(&mut self) -> &mut R {
        &mut self.entropy
    }

    /// Destroys the volatile keys and ends the operations of a client that is gone.
    pub fn forget_client(&mut self, client: i32) {
        self.keys.destroy_volatile_of(client);
        self.operations.release_of(client);
    }

    /// Volatile keys and operations in use, of all clients (leak tests).
    pub fn in_use(&self) -> (usize, usize) {
        (self.keys.volatile_count(), self.operations.count())
    }

    fn dispatch(&mut self, call: &mut Call<'_, '_>) -> Result<(), Status> {
        if call.call_type != IPC_CALL {
            return Err(Status::NOT_SUPPORTED);
        }
        let iov = call.input(0).array().ok_or(Status::PROGRAMMER_ERROR)?;
        let iov = &CryptoIovec::decode(&iov);
        match iov.function_id {
            f::GENERATE_RANDOM => self.generate_random(call),
            f::GET_KEY_ATTRIBUTES => self.get_key_attributes(iov, call),
            f::IMPORT_KEY => self.import_key(call),
            f::DESTROY_KEY => self.keys.destroy(call.client.0, iov.key_id),
            f::EXPORT_KEY => self.export_key(iov, call),
            f::EXPORT_PUBLIC_KEY => self.export_public_key(iov, call),
            f::PURGE_KEY => self.purge_key(iov, call),
            f::COPY_KEY => self.copy_key(iov, call),
            f::GENERATE_KEY => self.generate_key(call),
            f::HASH_COMPUTE => self.hash_compute(iov, call),
            f::HASH_COMPARE => self.hash_compare(iov, call),
            f::HASH_SETUP => self.hash_setup(iov, call),
            f::HASH_UPDATE => self.hash_update(iov, call),
            f::HASH_CLONE => self.hash_clone(iov, call),
            f::HASH_FINISH => self.hash_finish(iov, call),
            f::HASH_VERIFY => self.hash_verify(iov, call),
            f::HASH_ABORT => self.abort::<Hash>(iov, call),
            f::CAN_DO_HASH => put_word(call, HashAlg::from_alg(Algorithm(iov.alg)).is_some()),
            f::MAC_COMPUTE => self.mac_compute(iov, call),
            f::MAC_VERIFY => self.mac_verify(iov, call),
            f::MAC_SIGN_SETUP => self.mac_setup(iov, call, Purpose::Sign),
            f::MAC_VERIFY_SETUP => self.mac_setup(iov, call, Purpose::Verify),
            f::MAC_UPDATE => self.mac_update(iov, call),
            f::MAC_SIGN_FINISH => self.mac_finish(iov, call, Purpose::Sign),
            f::MAC_VERIFY_FINISH => self.mac_finish(iov, call, Purpose::Verify),
            f::MAC_ABORT => self.abort::<MacOperation>(iov, call),
            f::CAN_DO_CIPHER => can_do_cipher(iov, call),
            #[cfg(feature = "psa-cipher")]
            f::CIPHER_ENCRYPT..=f::CIPHER_ABORT => self.cipher(iov, call),
            f::AEAD_ENCRYPT => self.aead_encrypt(iov, call),
            f::AEAD_DECRYPT => self.aead_decrypt(iov, call),
            f::AEAD_ENCRYPT_SETUP..=f::AEAD_ABORT => self.aead_parts(iov, call),
            f::SIGN_MESSAGE => self.sign(iov, call, Over::Message),
            f::SIGN_HASH => self.sign(iov, call, Over::Hash),
            f::VERIFY_MESSAGE => self.verify(iov, call, Over::Message),
            f::VERIFY_HASH => self.verify(iov, call, Over::Hash),
            f::RAW_KEY_AGREEMENT => self.raw_key_agreement(iov, call),
            f::KEY_DERIVATION_SETUP => self.derivation_setup(iov, call),
            f::KEY_DERIVATION_GET_CAPACITY => self.derivation_get_capacity(iov, call),
            f::KEY_DERIVATION_SET_CAPACITY => self.derivation_set_capacity(iov, call),
            f::KEY_DERIVATION_INPUT_BYTES => self.derivation_input_bytes(iov, call),
            f::KEY_DERIVATION_INPUT_KEY => self.derivation_input_key(iov, call),
            #[cfg(feature = "PSA_WANT_ALG_PBKDF2_HMAC")]
            f::KEY_DERIVATION_INPUT_INTEGER => self.derivation_input_integer(iov, call),
            f::KEY_DERIVATION_KEY_AGREEMENT => self.derivation_key_agreement(iov, call),
            f::KEY_DERIVATION_OUTPUT_BYTES => self.derivation_output_bytes(iov, call),
            f::KEY_DERIVATION_OUTPUT_KEY => self.derivation_output_key(iov, call),
            f::KEY_DERIVATION_ABORT => self.abort::<Derivation>(iov, call),
            // Asymmetric encryption, and no function.
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    fn generate_random(&mut self, call: &mut Call<'_, '_>) -> Result<(), Status> {
        let Ok(out) = output(call, 0) else {
            return Ok(()); // No bytes asked for.
        };
        let mut buffer = Erased::new([0; CHUNK]);
        while out.written() < out.capacity() {
            let n = (out.capacity() - out.written()).min(CHUNK);
            let chunk = buffer.get_mut(..n).ok_or(Status::GENERIC_ERROR)?;
            self.entropy.fill(chunk)?;
            if !out.append(chunk) {
                return Err(Status::GENERIC_ERROR);
            }
        }
        Ok(())
    }

    /// Starts a multi-part operation: the handle must be 0, and goes to output 0.
    pub(crate) fn start(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
        make: impl FnOnce(&mut Self) -> Result<Operation, Status>,
    ) -> Result<(), Status> {
        require_word_output(call, 0, 4)?;
        if iov.op_handle != 0 {
            return Err(Status::BAD_STATE);
        }
        let operation = make(self)?;
        let handle = self.operations.add(call.client.0, operation)?;
        put(call, 0, &handle.to_le_bytes())
    }

    /// Ends an operation; an unknown handle is a success. The handle goes back as 0.
    pub(crate) fn abort<T: Kind>(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        self.operations.release::<T>(call.client.0, iov.op_handle);
        if call.outputs.is_empty() {
            Ok(())
        } else {
            put(call, 0, &[0; 4])
        }
    }
}

/// `psa_can_do_cipher`: whether keys of that type go with that algorithm, if any at all.
fn can_do_cipher(iov: &CryptoIovec, call: &mut Call<'_, '_>) -> Result<(), Status> {
    let bytes = call.input(1).array().ok_or(Status::PROGRAMMER_ERROR)?;
    let key_type = KeyType(u16::from_le_bytes(bytes));
    let alg = Algorithm(iov.alg);
    #[cfg(feature = "psa-cipher")]
    let cipher = Mode::of(alg, key_type).is_ok();
    #[cfg(not(feature = "psa-cipher"))]
    let cipher = false;
    let aead = alg.is_aead()
        && !alg.is_wildcard()
        && tag_length(alg).is_ok()
        && compatible(key_type, alg).is_ok();
    put_word(call, cipher || aead)
}

fn put_word(call: &mut Call<'_, '_>, yes: bool) -> Result<(), Status> {
    require_word_output(call, 0, 4)?;
    put(call, 0, &i32::from(yes).to_le_bytes())
}

impl<K: KeyStore, R: Entropy> Service for CryptoService<K, R> {
    fn call(&mut self, call: &mut Call<'_, '_>) -> i32 {
        let result = self.dispatch(call);
        self.keys.forget_loaded();
        if result.is_err() {
            for out in call.outputs.iter_mut() {
                out.clear();
            }
        }
        Status::from(result).as_i32()
    }
}
