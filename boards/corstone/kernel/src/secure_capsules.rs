//! Upstream's crypto and storage drivers, backed by the secure world.
//!
//! Owns which of Tock's drivers stands on which PSA service, and their buffers: hashes, keyed
//! hashes and ciphers on crypto, key-value pairs on Protected Storage. Does not own our own PSA drivers.

use capsules_core::driver::NUM;
use capsules_extra::hmac::HmacDriver;
use capsules_extra::kv_driver::KVStoreDriver;
use capsules_extra::sha::ShaDriver;
use capsules_extra::symmetric_encryption::aes::AesDriver;
use capsules_psa::{PsaAes, PsaDigest, PsaKv};
use kernel::capabilities::MemoryAllocationCapability;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::digest::Digest;
use kernel::hil::kv::KVPermissions;
use kernel::hil::symmetric_encryption::{AES, AES128, AESCCM, AESGCM};
use kernel::syscall::SyscallDriver;
use kernel::{Kernel, static_init};
use tfm_psa_driver::{Spe, Veneers};

/// Longest digest, bytes: SHA-512.
const DIGEST: usize = 64;
/// A process's data goes to a hasher or cipher in pieces of this, bytes.
const PIECE: usize = 256;
/// Longest key of a key-value pair, bytes (upstream's).
const KEY: usize = 64;
/// Longest value, bytes (upstream's).
const VALUE: usize = 512;
/// An object holds both, and five bytes.
const OBJECT: usize = KEY + VALUE + 5;

/// Longest message in CCM or GCM with its additional data and tag, bytes.
const MESSAGE: usize = 512;

type Hasher = PsaDigest<'static, Veneers, DIGEST>;
type Cipher = PsaAes<'static, Veneers>;
type Store = PsaKv<'static, Veneers>;

/// The drivers.
pub struct SecureCapsules {
    sha: &'static ShaDriver<'static, Hasher, DIGEST>,
    hmac: &'static HmacDriver<'static, Hasher, DIGEST>,
    aes: &'static AesDriver<'static, Cipher>,
    kv: &'static KVStoreDriver<'static, Store>,
}

impl SecureCapsules {
    /// Makes them. Once. What that takes of the stack is given back.
    #[inline(never)]
    pub fn new(
        kernel: &'static Kernel,
        memory: &dyn MemoryAllocationCapability,
        spe: &'static Spe<Veneers>,
    ) -> Self {
        let hash = static_init!(Hasher, PsaDigest::new(spe));
        hash.register();
        let sha = static_init!(
            ShaDriver<'static, Hasher, DIGEST>,
            ShaDriver::new(
                hash,
                static_init!([u8; PIECE], [0; PIECE]),
                static_init!([u8; DIGEST], [0; DIGEST]),
                kernel.create_grant(NUM::Sha as usize, memory),
            )
        );
        Digest::set_client(hash, sha);

        let keyed = static_init!(Hasher, PsaDigest::new(spe));
        keyed.register();
        let hmac = static_init!(
            HmacDriver<'static, Hasher, DIGEST>,
            HmacDriver::new(
                keyed,
                static_init!([u8; PIECE], [0; PIECE]),
                static_init!([u8; DIGEST], [0; DIGEST]),
                kernel.create_grant(NUM::Hmac as usize, memory),
            )
        );
        Digest::set_client(keyed, hmac);

        let cipher = static_init!(
            Cipher,
            PsaAes::new(spe, static_init!([u8; MESSAGE], [0; MESSAGE]))
        );
        cipher.register();
        let aes = static_init!(
            AesDriver<'static, Cipher>,
            AesDriver::new(
                cipher,
                static_init!([u8; MESSAGE], [0; MESSAGE]),
                PIECE,
                kernel.create_grant(NUM::Aes as usize, memory),
            )
        );
        aes.register();
        AES::<AES128>::set_client(cipher, aes);
        AESCCM::<AES128>::set_client(cipher, aes);
        AESGCM::<AES128>::set_client(cipher, aes);

        let store = static_init!(
            Store,
            PsaKv::new(spe, static_init!([u8; OBJECT], [0; OBJECT]))
        );
        store.register();
        let kv = static_init!(
            KVStoreDriver<'static, Store>,
            KVStoreDriver::new(
                store,
                static_init!([u8; KEY], [0; KEY]),
                static_init!([u8; VALUE], [0; VALUE]),
                kernel.create_grant(NUM::Kv as usize, memory),
            )
        );
        store.set_client(kv);
        SecureCapsules { sha, hmac, aes, kv }
    }

    /// The driver of `number`, if it is one of them.
    pub fn driver(&self, number: usize) -> Option<&dyn SyscallDriver> {
        const SHA: usize = NUM::Sha as usize;
        const HMAC: usize = NUM::Hmac as usize;
        const AES: usize = NUM::Aes as usize;
        const KV: usize = NUM::Kv as usize;
        Some(match number {
            SHA => self.sha,
            HMAC => self.hmac,
            AES => self.aes,
            KV => self.kv,
            _ => return None,
        })
    }
}
