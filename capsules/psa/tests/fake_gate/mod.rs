//! A secure world for tests: storage by client, and a crypto service that counts handles.
#![allow(dead_code)]

use psa_interface::crypto::function as f;
use psa_interface::{Algorithm, CryptoIovec, Status, service, storage};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use tfm_psa_driver::{ClientId, Gate, InVec, OutVec, SelectError, fake};

const TABLE_UID: u64 = 0x544F_434B_0000_0001;
const MAKES_KEY: [u16; 2] = [f::IMPORT_KEY, f::GENERATE_KEY];
const MAKES_OPERATION: [u16; 3] = [
    f::HASH_SETUP,
    f::CIPHER_ENCRYPT_SETUP,
    f::CIPHER_DECRYPT_SETUP,
];
/// What the fake cipher adds to each byte, and its tags' bytes.
pub const CIPHER: u8 = 0x55;
pub const TAG: u8 = 0x77;

/// One call as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub client: i32,
    pub handle: u32,
    pub call_type: i16,
    pub inputs: Vec<Vec<u8>>,
    pub function_id: u16,
}

#[derive(Default)]
pub struct FakeGate {
    client: Cell<i32>,
    objects: RefCell<BTreeMap<(i32, u64), Vec<u8>>>,
    failing_sets: Cell<u32>,
    /// A secure side without client ids: every call is client 0's.
    pub unmanaged: Cell<bool>,
    pub failing_ciphers: Cell<bool>,
    next_handle: Cell<u32>,
    /// Client and handle of each key and operation that exists.
    pub live: RefCell<BTreeSet<(i32, u32)>>,
    pub seen: RefCell<Vec<Seen>>,
}

impl FakeGate {
    /// Lets the next `n` sets fail.
    pub fn fail_sets(&self, n: u32) {
        self.failing_sets.set(n);
    }

    pub fn put(&self, uid: u64, bytes: &[u8]) {
        self.objects.borrow_mut().insert((-1, uid), bytes.to_vec());
    }

    pub fn get(&self, uid: u64) -> Option<Vec<u8>> {
        self.objects.borrow().get(&(-1, uid)).cloned()
    }

    /// The ShortIds in the kernel's table.
    pub fn table(&self) -> Vec<u32> {
        let bytes = self.get(TABLE_UID).unwrap();
        bytes
            .chunks(4)
            .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
            .collect()
    }

    fn storage(&self, call_type: i16, inputs: &[Vec<u8>], outs: &mut [OutVec<'_>]) -> Status {
        let uid = u64::from_le_bytes(inputs[0][..].try_into().unwrap());
        let key = (self.client.get(), uid);
        match call_type {
            storage::SET if self.failing_sets.get() > 0 => {
                self.failing_sets.set(self.failing_sets.get() - 1);
                Status::STORAGE_FAILURE
            }
            storage::SET => {
                self.objects.borrow_mut().insert(key, inputs[1].clone());
                Status::SUCCESS
            }
            storage::GET => match self.objects.borrow().get(&key) {
                Some(bytes) if fake::write(&mut outs[0], bytes) => Status::SUCCESS,
                Some(_) => Status::BUFFER_TOO_SMALL,
                None => Status::DOES_NOT_EXIST,
            },
            storage::REMOVE => match self.objects.borrow_mut().remove(&key) {
                Some(_) => Status::SUCCESS,
                None => Status::DOES_NOT_EXIST,
            },
            _ => Status::NOT_SUPPORTED,
        }
    }

    fn crypto(&self, iovec: &CryptoIovec, inputs: &[Vec<u8>], outs: &mut [OutVec<'_>]) -> Status {
        let client = self.client.get();
        let id = iovec.function_id;
        if MAKES_KEY.contains(&id) || MAKES_OPERATION.contains(&id) {
            let base = if MAKES_KEY.contains(&id) {
                0x4000_0000
            } else {
                0
            };
            let handle = base + self.next_handle.get() + 1;
            self.next_handle.set(self.next_handle.get() + 1);
            self.live.borrow_mut().insert((client, handle));
            fake::write(&mut outs[0], &handle.to_le_bytes());
            return Status::SUCCESS;
        }
        match id {
            f::DESTROY_KEY => match self.live.borrow_mut().remove(&(client, iovec.key_id)) {
                true => Status::SUCCESS,
                false => Status::INVALID_HANDLE,
            },
            f::CIPHER_UPDATE if self.failing_ciphers.get() => Status::GENERIC_ERROR,
            f::CIPHER_UPDATE => {
                assert!(self.live.borrow().contains(&(client, iovec.op_handle)));
                let out: Vec<u8> = inputs[1].iter().map(|b| b ^ CIPHER).collect();
                fake::write(&mut outs[0], &out);
                Status::SUCCESS
            }
            f::AEAD_ENCRYPT | f::AEAD_DECRYPT => {
                let tag = Algorithm(iovec.alg).aead_tag_length();
                let mut out: Vec<u8> = inputs[1].iter().map(|b| b ^ CIPHER).collect();
                if id == f::AEAD_ENCRYPT {
                    out.resize(out.len() + tag, TAG);
                } else {
                    let at = out.len() - tag;
                    if inputs[1][at..].iter().any(|b| *b != TAG) {
                        return Status::INVALID_SIGNATURE;
                    }
                    out.truncate(at);
                }
                assert!(fake::write(&mut outs[0], &out));
                Status::SUCCESS
            }
            f::HASH_ABORT | f::HASH_FINISH | f::CIPHER_ABORT | f::CIPHER_FINISH => {
                self.live.borrow_mut().remove(&(client, iovec.op_handle));
                fake::write(&mut outs[0], &0u32.to_le_bytes());
                Status::SUCCESS
            }
            // Of the data the first bytes: so that two keys can have one hash.
            f::HASH_COMPUTE => {
                let mut hash = [0; 32];
                let data = inputs.get(1).map_or(&[][..], |data| &data[..]);
                for (to, from) in hash.iter_mut().zip(data.iter().take(8)) {
                    *to = *from;
                }
                if outs.first().is_some_and(|out| out.len() == 32) {
                    fake::write(&mut outs[0], &hash);
                }
                Status::SUCCESS
            }
            f::GENERATE_RANDOM => {
                let length = outs[0].len();
                fake::write(&mut outs[0], &vec![0x5A; length]);
                Status::SUCCESS
            }
            _ => Status::SUCCESS,
        }
    }
}

impl Gate for FakeGate {
    fn framework_version(&self) -> u32 {
        0x0101
    }

    fn version(&self, _: u32) -> u32 {
        1
    }

    fn call(&self, handle: u32, ctrl: u32, ins: &[InVec<'_>], outs: &mut [OutVec<'_>]) -> i32 {
        let inputs: Vec<_> = ins.iter().map(fake::read).collect();
        let iovec = match inputs.first().map(|i| <[u8; 56]>::try_from(&i[..])) {
            Some(Ok(bytes)) => CryptoIovec::decode(&bytes),
            _ => CryptoIovec::default(),
        };
        let call_type = ctrl as i16;
        self.seen.borrow_mut().push(Seen {
            client: self.client.get(),
            handle,
            call_type,
            inputs: inputs.clone(),
            function_id: iovec.function_id,
        });
        match handle {
            service::ITS_HANDLE | service::PS_HANDLE => self.storage(call_type, &inputs, outs),
            service::CRYPTO_HANDLE => self.crypto(&iovec, &inputs, outs),
            _ => Status::PROGRAMMER_ERROR,
        }
        .0
    }

    fn acquire_context(&self) -> Result<u32, SelectError> {
        (!self.unmanaged.get()).then_some(1).ok_or(SelectError)
    }

    fn load_context(&self, _: u32, client: ClientId) -> Result<(), SelectError> {
        self.client.set(client.get());
        Ok(())
    }
}
