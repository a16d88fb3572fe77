//! Key management calls: import, generate, copy, export, attributes, destroy.

use psa_interface::key::usage;
use psa_interface::{CryptoIovec, KeyAttributes, KeyType, Status};
use spm::Call;
use spm::weakened::{Defence, off};

use crate::arguments::{attributes, put, require_room, require_word_output};
use crate::entropy::Entropy;
use crate::keys::{KeyStore, check_new, intersect};
use crate::material::{self, Material};
use crate::primitives::p256;
#[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
use crate::primitives::rsa_private;
#[cfg(feature = "PSA_WANT_ECC_MONTGOMERY_255")]
use crate::primitives::x25519;
use crate::service::CryptoService;

impl<K: KeyStore, R: Entropy> CryptoService<K, R> {
    pub(crate) fn import_key(&mut self, call: &mut Call<'_, '_>) -> Result<(), Status> {
        require_word_output(call, 0, 4)?;
        let mut wanted = check_new(attributes(call)?)?;
        let input = call.input(2);
        let mut data = Material::zero(input.len())?;
        input.read(0, data.as_mut());
        if data.is_empty() {
            return Err(Status::INVALID_ARGUMENT);
        }
        wanted.bits = checked_bits(wanted, &data)?;
        let id = self.keys.create(call.client.0, wanted, &data)?;
        put(call, 0, &id.to_le_bytes())
    }

    pub(crate) fn generate_key(&mut self, call: &mut Call<'_, '_>) -> Result<(), Status> {
        require_word_output(call, 0, 4)?;
        let wanted = check_new(attributes(call)?)?;
        if wanted.bits == 0 {
            return Err(Status::INVALID_ARGUMENT);
        }
        let data = material::generate(wanted.key_type, wanted.bits, &mut self.entropy)?;
        let id = self.keys.create(call.client.0, wanted, &data)?;
        put(call, 0, &id.to_le_bytes())
    }

    pub(crate) fn copy_key(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        require_word_output(call, 0, 4)?;
        let requested = attributes(call)?;
        let source = self.keys.get(call.client.0, iov.key_id)?;
        if source.attributes.usage & usage::COPY == 0 {
            return Err(Status::NOT_PERMITTED);
        }
        let mut wanted = check_new(requested)?;
        let of = source.attributes;
        if (wanted.key_type != KeyType::NONE && wanted.key_type != of.key_type)
            || (wanted.bits != 0 && wanted.bits != of.bits)
        {
            return Err(Status::INVALID_ARGUMENT);
        }
        wanted.key_type = of.key_type;
        wanted.bits = of.bits;
        wanted.usage &= of.usage;
        let common = |a, b| intersect(a, b, of.key_type).ok_or(Status::INVALID_ARGUMENT);
        wanted.alg = common(of.alg, wanted.alg)?;
        wanted.alg2 = common(of.alg2, wanted.alg2)?;
        let data = Material::copy(source.data)?;
        let id = self.keys.create(call.client.0, wanted, &data)?;
        put(call, 0, &id.to_le_bytes())
    }

    pub(crate) fn get_key_attributes(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        require_word_output(call, 0, KeyAttributes::SIZE)?;
        let attributes = self.keys.get(call.client.0, iov.key_id)?.attributes;
        put(call, 0, &attributes.encode())
    }

    pub(crate) fn export_key(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let key = self.keys.get(call.client.0, iov.key_id)?;
        let exportable =
            key.attributes.key_type.is_public_key() || key.attributes.usage & usage::EXPORT != 0;
        if !exportable && !off(Defence::KeyPolicy) {
            return Err(Status::NOT_PERMITTED);
        }
        put(call, 0, key.data)
    }

    pub(crate) fn export_public_key(
        &mut self,
        iov: &CryptoIovec,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Status> {
        let key = self.keys.get(call.client.0, iov.key_id)?;
        let key_type = key.attributes.key_type;
        if key_type.is_public_key() {
            return put(call, 0, key.data);
        }
        #[cfg(feature = "PSA_WANT_ECC_MONTGOMERY_255")]
        if key_type == KeyType::ECC_KEY_PAIR_MONTGOMERY {
            require_room(call, 0, x25519::LEN)?;
            let secret = key.data.try_into().map_err(|_| Status::NOT_SUPPORTED)?;
            return put(call, 0, &x25519::public_key(secret));
        }
        #[cfg(feature = "PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC")]
        if key_type == KeyType::RSA_KEY_PAIR {
            let pair =
                rsa_private::PrivateKey::parse(key.data).ok_or(Status::CORRUPTION_DETECTED)?;
            let mut der = [0; rsa_private::MAX_PUBLIC_DER];
            let len = pair.public_der(&mut der);
            return put(call, 0, der.get(..len).ok_or(Status::GENERIC_ERROR)?);
        }
        if key_type != KeyType::ECC_KEY_PAIR_SECP_R1 {
            return Err(Status::INVALID_ARGUMENT);
        }
        require_room(call, 0, p256::PUBLIC)?;
        let secret = key
            .data
            .try_into()
            .map_err(|_| Status::CORRUPTION_DETECTED)?;
        let public = p256::public_key(secret).ok_or(Status::CORRUPTION_DETECTED)?;
        put(call, 0, &public)
    }

    pub(crate) fn purge_key(
        &mut self,
        iov: &CryptoIovec,
        call: &Call<'_, '_>,
    ) -> Result<(), Status> {
        // Persistent keys are only ever in memory during a call: nothing is left to purge.
        self.keys.get(call.client.0, iov.key_id).map(|_| ())
    }

    /// Installs a key without the checks that a client's ids and lifetimes are subject to: for
    /// provisioning. A persistent key replaces the one of the same owner and id.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when `data` is no such key, or what storage says.
    pub fn install_key(
        &mut self,
        owner: i32,
        mut attributes: KeyAttributes,
        data: &[u8],
    ) -> Result<u32, Status> {
        attributes.bits = checked_bits(attributes, data)?;
        attributes.usage = usage::with_implied(attributes.usage);
        if attributes.lifetime.is_volatile() {
            return self.keys.create(owner, attributes, data);
        }
        self.keys.replace(owner, attributes, data)?;
        Ok(attributes.id)
    }

    /// Generates a key as [`CryptoService::install_key`] installs one.
    ///
    /// # Errors
    /// As there, and what the entropy source says.
    pub fn install_generated_key(
        &mut self,
        owner: i32,
        attributes: KeyAttributes,
    ) -> Result<u32, Status> {
        let data = material::generate(attributes.key_type, attributes.bits, &mut self.entropy)?;
        self.install_key(owner, attributes, &data)
    }
}

/// Size of imported data, which must agree with the attributes where they say one.
fn checked_bits(wanted: KeyAttributes, data: &[u8]) -> Result<u16, Status> {
    let bits = material::check_import(wanted.key_type, data)?;
    if wanted.bits != 0 && wanted.bits != bits {
        return Err(Status::INVALID_ARGUMENT);
    }
    Ok(bits)
}
