//! The kernel's hasher on a fake secure world: what `hil::digest` promises of a cleared digest.

mod fake_gate;

use capsules_psa::PsaDigest;
use fake_gate::FakeGate;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::digest::{
    ClientData, ClientHash, ClientVerify, Digest, DigestData, DigestHash, DigestVerify, HmacSha256,
    Md5, Sha224, Sha256, Sha512,
};
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut};
use psa_interface::crypto::function as f;
use std::cell::RefCell;
use tfm_psa_driver::Spe;

type Hasher = PsaDigest<'static, FakeGate, 32>;

fn leak<T>(t: T) -> &'static mut T {
    Box::leak(Box::new(t))
}

/// What ended, how, and how much of the data is left.
type End = (&'static str, Result<bool, ErrorCode>, usize);
type Ask = (&'static str, fn(&'static Hasher), usize);

#[derive(Default)]
struct Told(RefCell<Vec<End>>);

impl Told {
    fn note(&self, what: &'static str, result: Result<bool, ErrorCode>, left: usize) {
        self.0.borrow_mut().push((what, result, left));
    }
}

impl ClientData<32> for Told {
    fn add_data_done(&self, result: Result<(), ErrorCode>, data: SubSlice<'static, u8>) {
        self.note("data", result.map(|()| true), data.len());
    }
    fn add_mut_data_done(&self, result: Result<(), ErrorCode>, data: SubSliceMut<'static, u8>) {
        self.note("data", result.map(|()| true), data.len());
    }
}
impl ClientHash<32> for Told {
    fn hash_done(&self, result: Result<(), ErrorCode>, _: &'static mut [u8; 32]) {
        self.note("hash", result.map(|()| true), 0);
    }
}
impl ClientVerify<32> for Told {
    fn verification_done(&self, result: Result<bool, ErrorCode>, _: &'static mut [u8; 32]) {
        self.note("verify", result, 0);
    }
}

fn board() -> (&'static Spe<FakeGate>, &'static Hasher, &'static Told) {
    let spe: &Spe<FakeGate> = leak(Spe::new(FakeGate::default()));
    let hasher: &Hasher = leak(PsaDigest::new(spe));
    hasher.register();
    let told: &Told = leak(Told::default());
    Digest::set_client(hasher, told);
    (spe, hasher, told)
}

fn run() {
    while DeferredCall::service_next_pending().is_some() {}
}

fn add(hasher: &'static Hasher) -> Result<(), ErrorCode> {
    let data = SubSliceMut::new(leak([7; 9]).as_mut_slice());
    hasher.add_mut_data(data).map_err(|(error, data)| {
        assert_eq!(data.len(), 9, "a refused buffer comes back whole");
        error
    })
}

#[test]
fn clearing_cancels_what_is_under_way() {
    let (spe, hasher, told) = board();
    hasher.set_mode_sha256().unwrap();
    let asks: [Ask; 4] = [
        ("data", |h| h.add_data(SubSlice::new(&[1; 9])).unwrap(), 9),
        ("data", |h| add(h).unwrap(), 9),
        ("hash", |h| h.run(leak([0; 32])).unwrap(), 0),
        ("verify", |h| h.verify(leak([0; 32])).unwrap(), 0),
    ];
    for (what, ask, left) in asks {
        for steps in [0, 1] {
            ask(hasher);
            for _ in 0..steps {
                DeferredCall::service_next_pending();
            }
            hasher.clear_data();
            assert_eq!(add(hasher), Err(ErrorCode::BUSY), "until it is told");
            assert_eq!(hasher.set_mode_sha256(), Err(ErrorCode::BUSY));
            assert!(told.0.borrow().is_empty(), "never from inside a call");
            run();
            let expected = [(what, Err(ErrorCode::CANCEL), left)];
            assert_eq!(told.0.take(), expected);
            assert!(spe.gate().live.borrow().is_empty());
        }
    }
}

#[test]
fn a_cleared_hash_begins_anew_and_a_cleared_mac_wants_its_key() {
    let (spe, hasher, told) = board();
    assert_eq!(add(hasher), Err(ErrorCode::OFF));
    hasher.set_mode_sha256().unwrap();
    for _ in 0..2 {
        add(hasher).unwrap();
        run();
        assert_eq!(told.0.take(), [("data", Ok(true), 0)]);
        hasher.clear_data();
    }
    let seen = spe.gate().seen.take();
    let ids: Vec<_> = seen.iter().map(|call| call.function_id).collect();
    let once = [f::HASH_SETUP, f::HASH_UPDATE, f::HASH_ABORT];
    assert_eq!(ids, [once, once].concat());
    hasher.set_mode_hmacsha256(&[1; 8]).unwrap();
    assert_eq!(spe.gate().live.borrow().len(), 1);
    hasher.clear_data();
    assert!(spe.gate().live.borrow().is_empty());
    assert_eq!(add(hasher), Err(ErrorCode::OFF));
}

#[test]
fn a_hash_that_is_not_there_or_too_long_is_refused() {
    let (_, hasher, _) = board();
    assert_eq!(hasher.set_mode_md5(), Err(ErrorCode::NOSUPPORT));
    assert_eq!(hasher.set_mode_sha512(), Err(ErrorCode::NOSUPPORT));
    assert_eq!(hasher.set_mode_sha224(), Ok(()));
}
