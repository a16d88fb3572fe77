//! The dozen PSA functions that TLS needs, over any transport.
//!
//! Owns which vector holds what (reference/tfm.md §C.4), and the count of calls, live keys and
//! live operations. Does not own numbers: `psa-interface` does.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use psa_client::{OutVec, Transport};
use psa_interface::crypto::function;
use psa_interface::service::{CRYPTO_HANDLE, IPC_CALL};
use psa_interface::{Algorithm, CryptoIovec, KeyAttributes, Status};

/// What a [`Psa`] has done so far, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// `psa_call`s made.
    pub calls: u32,
    /// Volatile keys that exist now.
    pub keys: u32,
    /// Multi-part operations that exist now.
    pub operations: u32,
    /// Application data that was sent.
    pub sent: Records,
    /// Application data that was received.
    pub received: Records,
}

/// Application data of one direction; wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Records {
    /// Records, each of them one `psa_call`.
    pub records: u32,
    /// Bytes in them, without what TLS adds.
    pub bytes: u32,
}

/// [`Records`] that are counted.
pub(crate) struct Counted {
    records: AtomicU32,
    bytes: AtomicU32,
}

impl Counted {
    const fn new() -> Self {
        Counted {
            records: AtomicU32::new(0),
            bytes: AtomicU32::new(0),
        }
    }

    /// A record of application data passed.
    pub(crate) fn add(&self, bytes: usize) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u32, Ordering::Relaxed);
    }

    fn get(&self) -> Records {
        Records {
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// A PSA crypto client over `transport`.
pub struct Psa {
    transport: &'static (dyn Transport + Send + Sync),
    fault: AtomicI32,
    weak: AtomicBool,
    calls: AtomicU32,
    keys: AtomicU32,
    operations: AtomicU32,
    pub(crate) sent: Counted,
    pub(crate) received: Counted,
}

/// A volatile key; destroyed when dropped.
pub(crate) struct Key {
    psa: &'static Psa,
    pub(crate) id: u32,
}

impl Drop for Key {
    fn drop(&mut self) {
        self.psa.keys.fetch_sub(1, Ordering::Relaxed);
        let mut request = CryptoIovec::new(function::DESTROY_KEY);
        request.key_id = self.id;
        if let Err(status) = self.psa.call(&request, &[], &mut []) {
            self.psa.note(status);
        }
    }
}

/// A multi-part hash; aborted when dropped unfinished.
pub(crate) struct HashOperation {
    psa: &'static Psa,
    handle: u32,
}

impl Drop for HashOperation {
    fn drop(&mut self) {
        self.psa.operations.fetch_sub(1, Ordering::Relaxed);
        if self.handle != 0 {
            let mut request = CryptoIovec::new(function::HASH_ABORT);
            request.op_handle = self.handle;
            let mut handle = [0; 4];
            // Aborting an operation that the service has given up already is no error.
            let _ = self
                .psa
                .call(&request, &[], &mut [OutVec::new(&mut handle)]);
        }
    }
}

/// A key derivation under way; aborted when dropped.
pub(crate) struct Derivation {
    psa: &'static Psa,
    handle: u32,
}

impl Drop for Derivation {
    fn drop(&mut self) {
        self.psa.operations.fetch_sub(1, Ordering::Relaxed);
        let mut request = CryptoIovec::new(function::KEY_DERIVATION_ABORT);
        request.op_handle = self.handle;
        let mut handle = [0; 4];
        // Aborting an operation that the service has given up already is no error.
        let _ = self
            .psa
            .call(&request, &[], &mut [OutVec::new(&mut handle)]);
    }
}

impl Psa {
    /// A client that has made no call yet.
    pub fn new(transport: &'static (dyn Transport + Send + Sync)) -> Self {
        Psa {
            transport,
            fault: AtomicI32::new(0),
            weak: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            keys: AtomicU32::new(0),
            operations: AtomicU32::new(0),
            sent: Counted::new(),
            received: Counted::new(),
        }
    }

    /// What carries the calls.
    pub fn transport(&self) -> &'static (dyn Transport + Send + Sync) {
        self.transport
    }

    /// What was done so far, and what is held now.
    pub fn counters(&self) -> Counters {
        Counters {
            calls: self.calls.load(Ordering::Relaxed),
            keys: self.keys.load(Ordering::Relaxed),
            operations: self.operations.load(Ordering::Relaxed),
            sent: self.sent.get(),
            received: self.received.get(),
        }
    }

    /// Remembers the first failure that rustls could not be told of.
    pub(crate) fn note(&self, status: Status) {
        let _ = self
            .fault
            .compare_exchange(0, status.0, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn take_fault(&self) -> Option<Status> {
        match self.fault.swap(0, Ordering::Relaxed) {
            0 => None,
            number => Some(Status(number)),
        }
    }

    /// Remembers that a signature did not verify because its key is none that is accepted (RSA
    /// under 2048 bits, a point off the curve): webpki can only be told "bad signature".
    pub(crate) fn note_weak_key(&self) {
        self.weak.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_weak_key(&self) -> bool {
        self.weak.swap(false, Ordering::Relaxed)
    }

    fn call(
        &self,
        request: &CryptoIovec,
        inputs: &[&[u8]],
        outputs: &mut [OutVec<'_>],
    ) -> Result<(), Status> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let request = request.encode();
        let status = match *inputs {
            [] => self.raw(&[&request], outputs),
            [a] => self.raw(&[&request, a], outputs),
            [a, b] => self.raw(&[&request, a, b], outputs),
            _ => Status::PROGRAMMER_ERROR.0,
        };
        Status(status).ok()
    }

    fn raw(&self, inputs: &[&[u8]], outputs: &mut [OutVec<'_>]) -> i32 {
        self.transport
            .psa_call(CRYPTO_HANDLE, IPC_CALL, inputs, outputs)
    }

    /// A call with one output; how much of `out` was written.
    fn call_out(
        &self,
        request: &CryptoIovec,
        inputs: &[&[u8]],
        out: &mut [u8],
    ) -> Result<usize, Status> {
        let room = out.len();
        let mut outputs = [OutVec::new(out)];
        self.call(request, inputs, &mut outputs)?;
        let [output] = outputs;
        if output.len > room {
            return Err(Status::COMMUNICATION_FAILURE);
        }
        Ok(output.len)
    }

    /// A call whose output is one word.
    fn call_word(&self, request: &CryptoIovec, inputs: &[&[u8]]) -> Result<u32, Status> {
        let mut word = [0; 4];
        match self.call_out(request, inputs, &mut word)? {
            4 => Ok(u32::from_le_bytes(word)),
            _ => Err(Status::COMMUNICATION_FAILURE),
        }
    }

    /// `psa_generate_random` over all of `out`.
    pub fn random(&self, out: &mut [u8]) -> Result<(), Status> {
        if out.is_empty() {
            return Ok(());
        }
        let room = out.len();
        match self.call_out(&CryptoIovec::new(function::GENERATE_RANDOM), &[], out)? {
            written if written == room => Ok(()),
            _ => Err(Status::INSUFFICIENT_ENTROPY),
        }
    }

    /// `psa_import_key`, volatile.
    pub(crate) fn import(
        &'static self,
        attributes: &KeyAttributes,
        data: &[u8],
    ) -> Result<Key, Status> {
        let request = CryptoIovec::new(function::IMPORT_KEY);
        let id = self.call_word(&request, &[&attributes.encode(), data])?;
        self.keys.fetch_add(1, Ordering::Relaxed);
        Ok(Key { psa: self, id })
    }

    /// `psa_generate_key`, volatile.
    pub(crate) fn generate(&'static self, attributes: &KeyAttributes) -> Result<Key, Status> {
        let request = CryptoIovec::new(function::GENERATE_KEY);
        let id = self.call_word(&request, &[&attributes.encode()])?;
        self.keys.fetch_add(1, Ordering::Relaxed);
        Ok(Key { psa: self, id })
    }

    /// `psa_export_public_key`; bytes written.
    pub fn export_public(&self, key_id: u32, out: &mut [u8]) -> Result<usize, Status> {
        let mut request = CryptoIovec::new(function::EXPORT_PUBLIC_KEY);
        request.key_id = key_id;
        self.call_out(&request, &[], out)
    }

    /// `psa_raw_key_agreement`; bytes written.
    pub(crate) fn agree(
        &self,
        alg: Algorithm,
        key_id: u32,
        peer: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Status> {
        let mut request = CryptoIovec::new(function::RAW_KEY_AGREEMENT);
        request.alg = alg.0;
        request.key_id = key_id;
        self.call_out(&request, &[peer], out)
    }

    /// `psa_hash_compute`; bytes written.
    pub(crate) fn hash(
        &self,
        alg: Algorithm,
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Status> {
        let mut request = CryptoIovec::new(function::HASH_COMPUTE);
        request.alg = alg.0;
        self.call_out(&request, &[data], out)
    }

    /// `psa_hash_setup`.
    pub(crate) fn hash_setup(&'static self, alg: Algorithm) -> Result<HashOperation, Status> {
        let mut request = CryptoIovec::new(function::HASH_SETUP);
        request.alg = alg.0;
        let handle = self.call_word(&request, &[])?;
        self.operations.fetch_add(1, Ordering::Relaxed);
        Ok(HashOperation { psa: self, handle })
    }

    /// `psa_key_derivation_setup`.
    pub(crate) fn derivation_setup(&'static self, alg: Algorithm) -> Result<Derivation, Status> {
        let mut request = CryptoIovec::new(function::KEY_DERIVATION_SETUP);
        request.alg = alg.0;
        let handle = self.call_word(&request, &[])?;
        self.operations.fetch_add(1, Ordering::Relaxed);
        Ok(Derivation { psa: self, handle })
    }

    /// `psa_mac_compute`; bytes written.
    pub(crate) fn mac(
        &self,
        alg: Algorithm,
        key_id: u32,
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Status> {
        let mut request = CryptoIovec::new(function::MAC_COMPUTE);
        request.alg = alg.0;
        request.key_id = key_id;
        self.call_out(&request, &[data], out)
    }

    /// `psa_aead_encrypt` or `psa_aead_decrypt`, by `function`; bytes written.
    pub(crate) fn aead(&self, call: &AeadCall<'_>, out: &mut [u8]) -> Result<usize, Status> {
        let mut request = CryptoIovec::new(call.function).with_nonce(call.nonce)?;
        request.alg = call.alg.0;
        request.key_id = call.key_id;
        self.call_out(&request, &[call.input, call.additional], out)
    }

    /// `psa_verify_hash`.
    pub(crate) fn verify_hash(
        &self,
        alg: Algorithm,
        key_id: u32,
        hash: &[u8],
        signature: &[u8],
    ) -> Result<(), Status> {
        let mut request = CryptoIovec::new(function::VERIFY_HASH);
        request.alg = alg.0;
        request.key_id = key_id;
        self.call(&request, &[hash, signature], &mut [])
    }
}

/// Arguments of one AEAD call.
pub(crate) struct AeadCall<'a> {
    /// `AEAD_ENCRYPT` or `AEAD_DECRYPT`.
    pub(crate) function: u16,
    pub(crate) alg: Algorithm,
    pub(crate) key_id: u32,
    pub(crate) nonce: &'a [u8],
    pub(crate) additional: &'a [u8],
    pub(crate) input: &'a [u8],
}

impl HashOperation {
    /// `psa_hash_update`.
    pub(crate) fn update(&mut self, data: &[u8]) -> Result<(), Status> {
        let mut request = CryptoIovec::new(function::HASH_UPDATE);
        request.op_handle = self.handle;
        self.psa.call(&request, &[data], &mut [])
    }

    /// `psa_hash_clone`.
    pub(crate) fn duplicate(&self) -> Result<HashOperation, Status> {
        let mut request = CryptoIovec::new(function::HASH_CLONE);
        request.op_handle = self.handle;
        let handle = self.psa.call_word(&request, &[&[0; 4]])?;
        self.psa.operations.fetch_add(1, Ordering::Relaxed);
        Ok(HashOperation {
            psa: self.psa,
            handle,
        })
    }

    /// `psa_hash_finish`; bytes written.
    pub(crate) fn finish(mut self, out: &mut [u8]) -> Result<usize, Status> {
        let mut request = CryptoIovec::new(function::HASH_FINISH);
        request.op_handle = self.handle;
        let room = out.len();
        let mut handle = [0; 4];
        let mut outputs = [OutVec::new(&mut handle), OutVec::new(out)];
        self.psa.call(&request, &[], &mut outputs)?;
        let [_, digest] = outputs;
        let written = digest.len;
        self.handle = 0;
        if written > room {
            return Err(Status::COMMUNICATION_FAILURE);
        }
        Ok(written)
    }
}

impl Derivation {
    /// `psa_key_derivation_input_bytes`.
    pub(crate) fn input(&mut self, step: u16, data: &[u8]) -> Result<(), Status> {
        let mut request = CryptoIovec::new(function::KEY_DERIVATION_INPUT_BYTES);
        request.op_handle = self.handle;
        request.step = step;
        self.psa.call(&request, &[data], &mut [])
    }

    /// `psa_key_derivation_output_bytes` over all of `out`.
    pub(crate) fn output(&mut self, out: &mut [u8]) -> Result<(), Status> {
        let mut request = CryptoIovec::new(function::KEY_DERIVATION_OUTPUT_BYTES);
        request.op_handle = self.handle;
        let room = out.len();
        match self.psa.call_out(&request, &[], out)? {
            written if written == room => Ok(()),
            _ => Err(Status::COMMUNICATION_FAILURE),
        }
    }
}

impl fmt::Debug for Psa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Psa {:?}", self.counters())
    }
}
