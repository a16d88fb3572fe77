//! The kernel's hasher: the secure world's hashes and MACs, as `hil::digest`.
//!
//! Owns one operation and, for an HMAC, one volatile key, under the kernel's own client id; both
//! are gone when the digest is taken or the data cleared. Each deferred call makes one call into
//! the secure world, and the kernel loop runs between two. `L` is the longest digest; a shorter
//! one fills the front.

use core::cell::Cell;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::digest::{
    Client, ClientData, ClientDataHash, ClientDataVerify, ClientHash, ClientVerify, Digest,
    DigestData, DigestDataHash, DigestDataVerify, DigestHash, DigestVerify, HmacMd5, HmacSha1,
    HmacSha224, HmacSha256, HmacSha384, HmacSha512, Md5, Sha1, Sha224, Sha256, Sha384, Sha512,
};
use kernel::utilities::cells::{MapCell, OptionalCell};
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut};
use psa_client::crypto::{HashOperation, MacOperation, destroy_key, import_key};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, Status};
use tfm_psa_driver::{Gate, KernelClient, Spe};

/// What is asked for, with the caller's buffer.
enum Work<const L: usize> {
    Add(SubSlice<'static, u8>),
    AddMut(SubSliceMut<'static, u8>),
    Run(&'static mut [u8; L]),
    Verify(&'static mut [u8; L]),
}

enum Operation<'a, G: Gate> {
    Hash(HashOperation<KernelClient<'a, G>>),
    Mac(MacOperation<KernelClient<'a, G>>),
}

#[derive(Clone, Copy)]
struct Mode {
    hash: Algorithm,
    /// Of an HMAC.
    key: Option<u32>,
}

/// Hashes and HMACs from the secure world.
pub struct PsaDigest<'a, G: Gate, const L: usize> {
    spe: &'a Spe<G>,
    mode: Cell<Option<Mode>>,
    operation: MapCell<Operation<'a, G>>,
    work: MapCell<Work<L>>,
    /// The data of the work was cleared.
    cancelled: Cell<bool>,
    data_client: OptionalCell<&'a dyn ClientData<L>>,
    hash_client: OptionalCell<&'a dyn ClientHash<L>>,
    verify_client: OptionalCell<&'a dyn ClientVerify<L>>,
    deferred: DeferredCall,
}

/// What a status means to a capsule.
pub(crate) fn error(status: Status) -> ErrorCode {
    match status {
        Status::NOT_SUPPORTED => ErrorCode::NOSUPPORT,
        Status::INSUFFICIENT_MEMORY | Status::INSUFFICIENT_STORAGE => ErrorCode::NOMEM,
        Status::INVALID_ARGUMENT => ErrorCode::INVAL,
        Status::BUFFER_TOO_SMALL => ErrorCode::SIZE,
        _ => ErrorCode::FAIL,
    }
}

impl<'a, G: Gate, const L: usize> PsaDigest<'a, G, L> {
    /// Over the secure world `spe`. The board registers the deferred call.
    pub fn new(spe: &'a Spe<G>) -> Self {
        PsaDigest {
            spe,
            mode: Cell::new(None),
            operation: MapCell::empty(),
            work: MapCell::empty(),
            cancelled: Cell::new(false),
            data_client: OptionalCell::empty(),
            hash_client: OptionalCell::empty(),
            verify_client: OptionalCell::empty(),
            deferred: DeferredCall::new(),
        }
    }

    fn client(&self) -> KernelClient<'a, G> {
        KernelClient(self.spe)
    }

    fn set_mode(&self, hash: Algorithm, key: Option<&[u8]>) -> Result<(), ErrorCode> {
        if self.work.is_some() {
            return Err(ErrorCode::BUSY);
        }
        if hash.hash_length().is_none_or(|length| length > L) {
            return Err(ErrorCode::NOSUPPORT);
        }
        self.clear_data();
        let key = match key {
            None => None,
            Some(key) => {
                // An HMAC pads its key with zeros, so that no key and one zero are the same.
                let key = if key.is_empty() { &[0] } else { key };
                let attributes = KeyAttributes::volatile(
                    KeyType::HMAC,
                    0,
                    usage::SIGN_MESSAGE,
                    Algorithm::hmac(hash),
                );
                Some(import_key(&self.client(), &attributes, key).map_err(error)?)
            }
        };
        self.mode.set(Some(Mode { hash, key }));
        Ok(())
    }

    fn accept(&self, work: Work<L>) {
        self.work.put(work);
        self.deferred.set();
    }

    /// OFF: no mode is set; BUSY.
    fn ready(&self) -> Result<(), ErrorCode> {
        if self.work.is_some() {
            return Err(ErrorCode::BUSY);
        }
        self.mode.get().map(|_| ()).ok_or(ErrorCode::OFF)
    }

    fn set_up(&self, mode: Mode) -> Result<Operation<'a, G>, ErrorCode> {
        match mode.key {
            None => HashOperation::setup(self.client(), mode.hash).map(Operation::Hash),
            Some(key) => {
                let alg = Algorithm::hmac(mode.hash);
                MacOperation::sign_setup(self.client(), key, alg).map(Operation::Mac)
            }
        }
        .map_err(error)
    }

    fn add(&self, data: &[u8]) -> Result<(), ErrorCode> {
        self.operation
            .map(|operation| match operation {
                Operation::Hash(hash) => hash.update(data),
                Operation::Mac(mac) => mac.update(data),
            })
            .unwrap_or(Err(Status::BAD_STATE))
            .map_err(error)
    }

    /// The digest at the front of `to`; its length.
    fn finish(&self, to: &mut [u8; L]) -> Result<usize, ErrorCode> {
        match self.operation.take() {
            Some(Operation::Hash(hash)) => hash.finish(to),
            Some(Operation::Mac(mac)) => mac.sign_finish(to),
            None => Err(Status::BAD_STATE),
        }
        .map_err(error)
    }

    fn compare(&self, expected: &[u8; L]) -> Result<bool, ErrorCode> {
        let mut digest = [0; L];
        let length = self.finish(&mut digest)?;
        // In constant time: the expected value may be what an attacker tries.
        let difference = digest
            .iter()
            .zip(expected)
            .take(length)
            .fold(0, |acc, (a, b)| acc | (a ^ b));
        Ok(core::hint::black_box(difference) == 0)
    }

    fn perform(&self, work: Work<L>) {
        match work {
            Work::Add(mut data) => {
                let result = self.add(data.as_slice());
                if result.is_ok() {
                    data.slice(data.len()..);
                }
                self.data_client.map(|c| c.add_data_done(result, data));
            }
            Work::AddMut(mut data) => {
                let result = self.add(data.as_slice());
                if result.is_ok() {
                    data.slice(data.len()..);
                }
                if let Some(c) = self.data_client.get() {
                    c.add_mut_data_done(result, data);
                }
            }
            Work::Run(digest) => {
                let result = self.finish(digest).map(|_| ());
                if let Some(c) = self.hash_client.get() {
                    c.hash_done(result, digest);
                }
            }
            Work::Verify(expected) => {
                let result = self.compare(expected);
                if let Some(c) = self.verify_client.get() {
                    c.verification_done(result, expected);
                }
            }
        }
    }

    /// Fails the work before it is performed.
    fn refuse(&self, work: Work<L>, error: ErrorCode) {
        match work {
            Work::Add(data) => {
                self.data_client.map(|c| c.add_data_done(Err(error), data));
            }
            Work::AddMut(data) => {
                if let Some(c) = self.data_client.get() {
                    c.add_mut_data_done(Err(error), data);
                }
            }
            Work::Run(digest) => {
                if let Some(c) = self.hash_client.get() {
                    c.hash_done(Err(error), digest);
                }
            }
            Work::Verify(expected) => {
                if let Some(c) = self.verify_client.get() {
                    c.verification_done(Err(error), expected);
                }
            }
        }
    }
}

impl<G: Gate, const L: usize> DeferredCallClient for PsaDigest<'_, G, L> {
    fn handle_deferred_call(&self) {
        if self.work.is_none() {
            return;
        }
        if self.cancelled.take() {
            if let Some(work) = self.work.take() {
                self.refuse(work, ErrorCode::CANCEL);
            }
            return;
        }
        if self.operation.is_none() {
            match self
                .mode
                .get()
                .ok_or(ErrorCode::OFF)
                .and_then(|m| self.set_up(m))
            {
                Ok(operation) => {
                    self.operation.put(operation);
                    // One call at a time: the work waits for the next pass of the kernel loop.
                    self.deferred.set();
                }
                Err(error) => {
                    if let Some(work) = self.work.take() {
                        self.refuse(work, error);
                    }
                }
            }
            return;
        }
        if let Some(work) = self.work.take() {
            self.perform(work);
        }
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl<'a, G: Gate, const L: usize> DigestData<'a, L> for PsaDigest<'a, G, L> {
    fn set_data_client(&'a self, client: &'a dyn ClientData<L>) {
        self.data_client.set(client);
    }

    fn add_data(
        &self,
        data: SubSlice<'static, u8>,
    ) -> Result<(), (ErrorCode, SubSlice<'static, u8>)> {
        if let Err(error) = self.ready() {
            return Err((error, data));
        }
        self.accept(Work::Add(data));
        Ok(())
    }

    fn add_mut_data(
        &self,
        data: SubSliceMut<'static, u8>,
    ) -> Result<(), (ErrorCode, SubSliceMut<'static, u8>)> {
        if let Err(error) = self.ready() {
            return Err((error, data));
        }
        self.accept(Work::AddMut(data));
        Ok(())
    }

    fn clear_data(&self) {
        self.cancelled.set(self.work.is_some());
        drop(self.operation.take());
        // A hash may begin anew at once, as on upstream's hashers; an HMAC needs its key again.
        if let Some(Mode { key: Some(key), .. }) = self.mode.get() {
            self.mode.set(None);
            // It is volatile and ours: a failure leaves at worst a slot until reset.
            let _ = destroy_key(&self.client(), key);
        }
    }
}

impl<'a, G: Gate, const L: usize> DigestHash<'a, L> for PsaDigest<'a, G, L> {
    fn set_hash_client(&'a self, client: &'a dyn ClientHash<L>) {
        self.hash_client.set(client);
    }

    fn run(
        &'a self,
        digest: &'static mut [u8; L],
    ) -> Result<(), (ErrorCode, &'static mut [u8; L])> {
        if let Err(error) = self.ready() {
            return Err((error, digest));
        }
        self.accept(Work::Run(digest));
        Ok(())
    }
}

impl<'a, G: Gate, const L: usize> DigestVerify<'a, L> for PsaDigest<'a, G, L> {
    fn set_verify_client(&'a self, client: &'a dyn ClientVerify<L>) {
        self.verify_client.set(client);
    }

    fn verify(
        &'a self,
        compare: &'static mut [u8; L],
    ) -> Result<(), (ErrorCode, &'static mut [u8; L])> {
        if let Err(error) = self.ready() {
            return Err((error, compare));
        }
        self.accept(Work::Verify(compare));
        Ok(())
    }
}

impl<'a, G: Gate, const L: usize> Digest<'a, L> for PsaDigest<'a, G, L> {
    fn set_client(&'a self, client: &'a dyn Client<L>) {
        self.data_client.set(client);
        self.hash_client.set(client);
        self.verify_client.set(client);
    }
}

impl<'a, G: Gate, const L: usize> DigestDataHash<'a, L> for PsaDigest<'a, G, L> {
    fn set_client(&'a self, client: &'a dyn ClientDataHash<L>) {
        self.data_client.set(client);
        self.hash_client.set(client);
    }
}

impl<'a, G: Gate, const L: usize> DigestDataVerify<'a, L> for PsaDigest<'a, G, L> {
    fn set_client(&'a self, client: &'a dyn ClientDataVerify<L>) {
        self.data_client.set(client);
        self.verify_client.set(client);
    }
}

macro_rules! modes {
    ($($hash:ident $set:ident $hmac:ident $set_hmac:ident $alg:ident),*) => {$(
        impl<G: Gate, const L: usize> $hash for PsaDigest<'_, G, L> {
            fn $set(&self) -> Result<(), ErrorCode> {
                self.set_mode(Algorithm::$alg, None)
            }
        }
        impl<G: Gate, const L: usize> $hmac for PsaDigest<'_, G, L> {
            fn $set_hmac(&self, key: &[u8]) -> Result<(), ErrorCode> {
                self.set_mode(Algorithm::$alg, Some(key))
            }
        }
    )*};
}
modes! {
    Sha224 set_mode_sha224 HmacSha224 set_mode_hmacsha224 SHA_224,
    Sha256 set_mode_sha256 HmacSha256 set_mode_hmacsha256 SHA_256,
    Sha384 set_mode_sha384 HmacSha384 set_mode_hmacsha384 SHA_384,
    Sha512 set_mode_sha512 HmacSha512 set_mode_hmacsha512 SHA_512
}

// Upstream's HMAC driver asks for these of its hasher; the secure world has neither hash.
macro_rules! broken {
    ($($hash:ident $set:ident $hmac:ident $set_hmac:ident),*) => {$(
        impl<G: Gate, const L: usize> $hash for PsaDigest<'_, G, L> {
            fn $set(&self) -> Result<(), ErrorCode> {
                Err(ErrorCode::NOSUPPORT)
            }
        }
        impl<G: Gate, const L: usize> $hmac for PsaDigest<'_, G, L> {
            fn $set_hmac(&self, _: &[u8]) -> Result<(), ErrorCode> {
                Err(ErrorCode::NOSUPPORT)
            }
        }
    )*};
}
broken! {
    Md5 set_mode_md5 HmacMd5 set_mode_hmacmd5,
    Sha1 set_mode_sha1 HmacSha1 set_mode_hmacsha1
}
