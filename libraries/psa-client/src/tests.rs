//! The vectors of every call, against a transport that records them.
//!
//! Owns the client half of tfm.md §C.4, §D.1, §E.1 and §G as a table of expectations.

use crate::crypto::{self, CipherOperation, HashOperation, KeyDerivation, MacOperation};
use crate::{
    Algorithm, KeyAttributes, KeyType, OutVec, Status, Transport, attestation, fwu, its, platform,
    ps,
};
use psa_interface::crypto::{CryptoIovec, function, step};
use std::cell::RefCell;
use std::collections::VecDeque;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    handle: u32,
    call_type: i16,
    ins: Vec<Vec<u8>>,
    outs: Vec<usize>,
}

impl Call {
    fn iov(&self) -> CryptoIovec {
        CryptoIovec::decode(self.ins[0].as_slice().try_into().unwrap())
    }
}

/// Answers from a queue: (status, contents of the out vectors).
#[derive(Default)]
struct Recorder {
    calls: RefCell<Vec<Call>>,
    answers: RefCell<VecDeque<(i32, Vec<Vec<u8>>)>>,
}

impl Recorder {
    fn answer(&self, status: i32, outs: &[&[u8]]) -> &Self {
        let outs = outs.iter().map(|o| o.to_vec()).collect();
        self.answers.borrow_mut().push_back((status, outs));
        self
    }

    fn take(&self) -> Vec<Call> {
        assert!(
            self.answers.borrow().is_empty(),
            "an answer was not asked for"
        );
        self.calls.take()
    }

    fn one(&self) -> Call {
        let mut calls = self.take();
        assert_eq!(calls.len(), 1);
        calls.remove(0)
    }
}

impl Transport for Recorder {
    fn psa_call(
        &self,
        handle: u32,
        call_type: i16,
        in_vecs: &[&[u8]],
        out_vecs: &mut [OutVec<'_>],
    ) -> i32 {
        assert!(in_vecs.len() + out_vecs.len() <= 4, "PSA_MAX_IOVEC");
        self.calls.borrow_mut().push(Call {
            handle,
            call_type,
            ins: in_vecs.iter().map(|v| v.to_vec()).collect(),
            outs: out_vecs.iter().map(|v| v.buf.len()).collect(),
        });
        let (status, outs) = self.answers.borrow_mut().pop_front().expect("no answer");
        for (to, from) in out_vecs.iter_mut().zip(outs) {
            to.buf[..from.len()].copy_from_slice(&from);
            to.len = from.len();
        }
        status
    }
}

const HANDLE: &[u8] = &7u32.to_le_bytes();
const OVER: &[u8] = &[0; 4];

#[test]
fn random_is_asked_for_in_pieces_and_must_be_complete() {
    let r = Recorder::default();
    r.answer(0, &[&[1; 4096]]).answer(0, &[&[2; 904]]);
    let mut out = [0; 5000];
    assert_eq!(crypto::generate_random(&r, &mut out), Ok(()));
    assert_eq!((out[4095], out[4096]), (1, 2));
    let calls = r.take();
    assert_eq!(calls[0].handle, 0x4000_0100);
    assert_eq!(calls[0].call_type, 0);
    assert_eq!(calls[0].ins[0].len(), 56);
    assert_eq!(
        (&calls[0].outs[..], &calls[1].outs[..]),
        (&[4096][..], &[904][..])
    );
    r.answer(0, &[&[1; 3]]);
    let short = crypto::generate_random(&r, &mut [0; 4]);
    assert_eq!(short, Err(Status::INSUFFICIENT_ENTROPY));
    r.take();
    assert_eq!(crypto::generate_random(&r, &mut []), Ok(()));
    assert_eq!(r.take(), []);
}

#[test]
fn keys() {
    let r = Recorder::default();
    let attributes = KeyAttributes::volatile(
        KeyType::ECC_KEY_PAIR_SECP_R1,
        256,
        psa_interface::key::usage::SIGN_HASH,
        Algorithm::ecdsa(Algorithm::SHA_256),
    );
    r.answer(0, &[&0x4000_0001u32.to_le_bytes()]);
    assert_eq!(
        crypto::import_key(&r, &attributes, b"scalar"),
        Ok(0x4000_0001)
    );
    let call = r.one();
    assert_eq!(call.iov().function_id, function::IMPORT_KEY);
    assert_eq!(
        call.ins[1..],
        [attributes.encode().to_vec(), b"scalar".to_vec()]
    );
    assert_eq!(call.outs, [4]);

    r.answer(0, &[&attributes.encode()]);
    assert_eq!(crypto::get_key_attributes(&r, 9), Ok(attributes));
    let call = r.one();
    assert_eq!((call.iov().key_id, &call.outs[..]), (9, &[24][..]));

    r.answer(-133, &[]);
    let refused = crypto::export_key(&r, 1, &mut [0; 32]);
    assert_eq!(refused, Err(Status::NOT_PERMITTED));
    assert_eq!(r.one().iov().function_id, function::EXPORT_KEY);

    r.answer(0, &[&[4; 65]]);
    assert_eq!(crypto::export_public_key(&r, 1, &mut [0; 80]), Ok(65));
    r.take();
    r.answer(0, &[]);
    assert_eq!(crypto::destroy_key(&r, 5), Ok(()));
    let call = r.one();
    assert_eq!((call.iov().key_id, call.outs.len()), (5, 0));
    // A service that answers another length than the ABI's is not believed.
    r.answer(0, &[&[1, 2]]);
    assert_eq!(
        crypto::generate_key(&r, &attributes),
        Err(Status::GENERIC_ERROR)
    );
    r.take();
}

#[test]
fn a_hash_in_parts_is_cloned_finished_and_aborted_once() {
    let r = Recorder::default();
    r.answer(0, &[HANDLE]);
    let mut op = HashOperation::setup(&r, Algorithm::SHA_256).unwrap();
    r.answer(0, &[]).answer(0, &[]);
    op.update(&[5; 5000]).unwrap();
    r.answer(0, &[&8u32.to_le_bytes()]);
    let clone = op.try_clone().unwrap();
    r.answer(0, &[OVER, &[0xAA; 32]]);
    let mut hash = [0; 32];
    assert_eq!(clone.finish(&mut hash), Ok(32));
    assert_eq!(hash, [0xAA; 32]);
    r.answer(0, &[OVER]);
    drop(op);
    let calls = r.take();
    let seen: Vec<_> = calls
        .iter()
        .map(|c| (c.iov().function_id, c.iov().op_handle))
        .collect();
    assert_eq!(
        seen,
        [
            (function::HASH_SETUP, 0),
            (function::HASH_UPDATE, 7),
            (function::HASH_UPDATE, 7),
            (function::HASH_CLONE, 7),
            (function::HASH_FINISH, 8),
            (function::HASH_ABORT, 7),
        ]
    );
    assert_eq!(calls[0].iov().alg, Algorithm::SHA_256.0);
    assert_eq!(calls[1].ins[1].len() + calls[2].ins[1].len(), 5000);
    assert_eq!(calls[3].ins[1], OVER);
    assert_eq!(calls[4].outs, [4, 32]);
}

#[test]
fn a_failed_finish_aborts() {
    let r = Recorder::default();
    r.answer(0, &[HANDLE]).answer(-138, &[]).answer(0, &[OVER]);
    let op = HashOperation::setup(&r, Algorithm::SHA_384).unwrap();
    assert_eq!(op.finish(&mut [0; 8]), Err(Status::BUFFER_TOO_SMALL));
    assert_eq!(r.take()[2].iov().function_id, function::HASH_ABORT);
}

#[test]
fn macs() {
    let r = Recorder::default();
    r.answer(0, &[&[1; 32]]);
    let mut mac = [0; 32];
    assert_eq!(
        crypto::mac_compute(&r, 3, Algorithm::HMAC_SHA_256, b"m", &mut mac),
        Ok(32)
    );
    let call = r.one();
    assert_eq!(
        (call.iov().key_id, call.iov().alg),
        (3, Algorithm::HMAC_SHA_256.0)
    );
    r.answer(-149, &[]);
    let bad = crypto::mac_verify(&r, 3, Algorithm::HMAC_SHA_256, b"m", b"mac");
    assert_eq!(bad, Err(Status::INVALID_SIGNATURE));
    assert_eq!(r.one().ins[1..], [b"m".to_vec(), b"mac".to_vec()]);
    r.answer(0, &[HANDLE]).answer(0, &[OVER, &mac]);
    let op = MacOperation::sign_setup(&r, 3, Algorithm::HMAC_SHA_256).unwrap();
    assert_eq!(op.sign_finish(&mut mac), Ok(32));
    r.take();
}

#[test]
fn ciphers() {
    let r = Recorder::default();
    r.answer(0, &[&[5; 21]]).answer(0, &[&[6; 5]]);
    let mut out = [0; 32];
    assert_eq!(
        crypto::cipher_encrypt(&r, 7, Algorithm::CTR, b"hello", &mut out),
        Ok(21)
    );
    let sealed = out;
    assert_eq!(
        crypto::cipher_decrypt(&r, 7, Algorithm::CTR, &sealed[..21], &mut out),
        Ok(5)
    );
    let calls = r.take();
    let ids: Vec<u16> = calls.iter().map(|c| c.iov().function_id).collect();
    assert_eq!(ids, [function::CIPHER_ENCRYPT, function::CIPHER_DECRYPT]);
    assert_eq!(
        (calls[0].iov().key_id, calls[0].iov().alg),
        (7, 0x04C0_1000)
    );
    assert_eq!(calls[0].ins[1..], [b"hello".to_vec()]);
    // In parts: handle 0x101 throughout, and the last call takes it back.
    r.answer(0, &[HANDLE])
        .answer(0, &[&[9; 16]])
        .answer(0, &[])
        .answer(0, &[&[1; 16]])
        .answer(0, &[OVER, &[]]);
    let mut op = CipherOperation::encrypt_setup(&r, 7, Algorithm::CBC_NO_PADDING).unwrap();
    assert_eq!(op.generate_iv(&mut [0; 16]), Ok(16));
    op.set_iv(&[2; 16]).unwrap();
    assert_eq!(op.update(&[3; 20], &mut out), Ok(16));
    assert_eq!(op.finish(&mut out), Ok(0));
    let calls = r.take();
    let ids: Vec<u16> = calls.iter().map(|c| c.iov().function_id).collect();
    assert_eq!(
        ids,
        [
            function::CIPHER_ENCRYPT_SETUP,
            function::CIPHER_GENERATE_IV,
            function::CIPHER_SET_IV,
            function::CIPHER_UPDATE,
            function::CIPHER_FINISH
        ]
    );
    assert_eq!(calls[2].ins[1..], [vec![2; 16]]);
    assert_eq!(
        (calls[3].ins[1..].to_vec(), &calls[3].outs),
        (vec![vec![3; 20]], &vec![32])
    );
    assert_eq!(calls[4].outs, [4, 32]);
    assert!(calls[1..].iter().all(|c| c.iov().op_handle != 0));
    // Dropped: aborted.
    r.answer(0, &[HANDLE]).answer(0, &[OVER]);
    drop(CipherOperation::decrypt_setup(&r, 7, Algorithm::ECB_NO_PADDING).unwrap());
    let calls = r.take();
    let ids: Vec<u16> = calls.iter().map(|c| c.iov().function_id).collect();
    assert_eq!(
        ids,
        [function::CIPHER_DECRYPT_SETUP, function::CIPHER_ABORT]
    );
}

#[test]
fn aead_vectors() {
    let r = Recorder::default();
    r.answer(0, &[&[9; 21]]);
    let mut out = [0; 32];
    let n = crypto::aead_encrypt(&r, 4, Algorithm::GCM, &[1; 12], b"ad", b"hello", &mut out);
    assert_eq!(n, Ok(21));
    let call = r.one();
    assert_eq!(call.iov().nonce(), Some(&[1; 12][..]));
    assert_eq!(call.ins[1..], [b"hello".to_vec(), b"ad".to_vec()]);
    // No additional data: the vector is absent. No plaintext but additional data: it is empty.
    r.answer(0, &[&[9; 21]]).answer(0, &[&[9; 16]]);
    crypto::aead_encrypt(&r, 4, Algorithm::GCM, &[1; 12], b"", b"hello", &mut out).unwrap();
    crypto::aead_encrypt(&r, 4, Algorithm::GCM, &[1; 12], b"ad", b"", &mut out).unwrap();
    let calls = r.take();
    assert_eq!(calls[0].ins[1..], [b"hello".to_vec()]);
    assert_eq!(calls[1].ins[1..], [b"".to_vec(), b"ad".to_vec()]);
    // A nonce that does not fit never leaves the client.
    let long = crypto::aead_decrypt(&r, 4, Algorithm::GCM, &[0; 17], b"", b"", &mut out);
    assert_eq!(long, Err(Status::INVALID_ARGUMENT));
    assert_eq!(r.take(), []);
}

#[test]
fn signatures_and_agreement() {
    let r = Recorder::default();
    r.answer(0, &[&[7; 64]]);
    let alg = Algorithm::ecdsa(Algorithm::SHA_256);
    assert_eq!(
        crypto::sign_hash(&r, 1, alg, &[2; 32], &mut [0; 64]),
        Ok(64)
    );
    assert_eq!(r.one().iov().function_id, function::SIGN_HASH);
    r.answer(0, &[]);
    crypto::verify_hash(&r, 0x11, alg, &[2; 32], &[7; 64]).unwrap();
    assert_eq!(r.one().ins[1..], [vec![2; 32], vec![7; 64]]);
    r.answer(0, &[&[3; 32]]);
    let mut secret = [0; 32];
    assert_eq!(
        crypto::raw_key_agreement(&r, Algorithm::ECDH, 6, &[4; 65], &mut secret),
        Ok(32)
    );
    let call = r.one();
    assert_eq!((call.iov().key_id, call.iov().alg), (6, Algorithm::ECDH.0));
}

#[test]
fn derivation() {
    let r = Recorder::default();
    r.answer(0, &[HANDLE]);
    let mut kdf = KeyDerivation::setup(&r, Algorithm::hkdf(Algorithm::SHA_256)).unwrap();
    r.answer(0, &[]).answer(0, &[]).answer(0, &[]);
    kdf.input_bytes(step::SALT, b"salt").unwrap();
    kdf.input_key(step::SECRET, 12).unwrap();
    kdf.set_capacity(42).unwrap();
    r.answer(0, &[&[5; 42]]).answer(0, &[OVER]);
    let mut okm = [0; 42];
    kdf.output_bytes(&mut okm).unwrap();
    drop(kdf);
    let calls = r.take();
    assert_eq!(
        (calls[1].iov().step, calls[1].ins[1].as_slice()),
        (step::SALT, &b"salt"[..])
    );
    assert_eq!(
        (calls[2].iov().step, calls[2].iov().key_id),
        (step::SECRET, 12)
    );
    assert_eq!(calls[3].iov().capacity(), 42);
    assert_eq!(calls[5].iov().function_id, function::KEY_DERIVATION_ABORT);
}

#[test]
fn storage_goes_to_its_own_handle() {
    let r = Recorder::default();
    r.answer(0, &[])
        .answer(0, &[b"cert"])
        .answer(-140, &[])
        .answer(0, &[]);
    its::set(&r, 0x1122_3344_5566_7788, b"data", 1).unwrap();
    assert_eq!(ps::get(&r, 5, 2, &mut [0; 9]), Ok(4));
    assert_eq!(ps::get_info(&r, 6), Err(Status::DOES_NOT_EXIST));
    its::remove(&r, 1).unwrap();
    let calls = r.take();
    assert_eq!((calls[0].handle, calls[0].call_type), (0x4000_0102, 1001));
    assert_eq!(
        calls[0].ins[0],
        [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]
    );
    assert_eq!(calls[0].ins[2], [1, 0, 0, 0]);
    assert_eq!((calls[1].handle, calls[1].call_type), (0x4000_0101, 1002));
    assert_eq!(calls[1].ins[1], [2, 0, 0, 0]);
    assert_eq!((calls[3].handle, calls[3].call_type), (0x4000_0102, 1004));
}

#[test]
fn firmware_update() {
    let r = Recorder::default();
    r.answer(0, &[])
        .answer(0, &[])
        .answer(1, &[])
        .answer(-137, &[]);
    fwu::start(&r, 1, &[]).unwrap();
    fwu::write(&r, 1, 0x400, &[6; 1024]).unwrap();
    assert_eq!(fwu::install(&r), Ok(fwu::Done::AfterReboot));
    assert_eq!(fwu::accept(&r), Err(Status::BAD_STATE));
    let calls = r.take();
    assert_eq!(calls[0].ins, [vec![1], vec![]]);
    assert_eq!(calls[1].ins, [vec![1], vec![0, 4, 0, 0], vec![6; 1024]]);
    assert!(calls.iter().all(|c| c.handle == 0x4000_0104));
    let info = fwu::FwuComponentInfo {
        state: fwu::FwuState::Trial,
        ..Default::default()
    };
    r.answer(0, &[&info.encode()]);
    assert_eq!(fwu::query(&r, 1), Ok(info));
    assert_eq!(r.one().outs, [60]);
    let mut odd = info.encode();
    odd[0] = 99;
    r.answer(0, &[&odd]);
    assert_eq!(fwu::query(&r, 1), Err(Status::GENERIC_ERROR));
    r.take();
}

#[test]
fn platform_results_are_its_own() {
    let r = Recorder::default();
    r.answer(0, &[&77u32.to_le_bytes()])
        .answer(2, &[])
        .answer(-134, &[]);
    assert_eq!(platform::nv_counter_read(&r, 0), Ok(77));
    let refused = platform::nv_counter_increment(&r, 9);
    assert_eq!(refused, Err(platform::PlatformError::InvalidParam));
    let unreached = platform::system_reset(&r);
    assert_eq!(
        unreached,
        Err(platform::PlatformError::Call(Status::NOT_SUPPORTED))
    );
    assert_eq!(r.take()[0].call_type, 1010);
}

#[test]
fn attestation_asks_with_a_challenge() {
    let r = Recorder::default();
    r.answer(0, &[&[7; 400]])
        .answer(0, &[&400u32.to_le_bytes()])
        .answer(-135, &[])
        .answer(-138, &[]);
    let mut token = [0; 592];
    assert_eq!(attestation::get_token(&r, &[5; 48], &mut token), Ok(400));
    assert_eq!(attestation::get_token_size(&r, 48), Ok(400));
    let empty = attestation::get_token(&r, &[], &mut token);
    assert_eq!(empty, Err(Status::INVALID_ARGUMENT));
    let short = attestation::get_token(&r, &[5; 32], &mut token[..9]);
    assert_eq!(short, Err(Status::BUFFER_TOO_SMALL));
    let calls = r.take();
    assert!(calls.iter().all(|c| c.handle == 0x4000_0103));
    assert_eq!(
        (calls[0].call_type, &calls[0].ins, &calls[0].outs),
        (1001, &vec![vec![5; 48]], &vec![592])
    );
    assert_eq!(
        (calls[1].call_type, &calls[1].ins, &calls[1].outs),
        (1002, &vec![vec![48, 0, 0, 0]], &vec![4])
    );
    assert!(calls[2].ins.is_empty());
}
