//! The hash drivers as processes see them, on the real kernel with a fake hasher.
//!
//! The fake's digest says what it was given: mode, key, data.

#[path = "../../core/tests/common/mod.rs"]
mod common;

use capsules_extra::hmac::HmacDriver;
use capsules_extra::sha::ShaDriver;
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::digest::{
    Client, ClientData, ClientHash, ClientVerify, Digest, DigestData, DigestHash, DigestVerify,
    HmacSha256, HmacSha384, HmacSha512, Sha256, Sha384, Sha512,
};
use kernel::syscall::SyscallReturn::{Failure, Success};
use kernel::testing::TestKernel;
use kernel::utilities::cells::{MapCell, OptionalCell};
use kernel::utilities::leasable_buffer::{SubSlice, SubSliceMut};
use std::cell::{Cell, RefCell};

const SHA: usize = 0x40005;
const HMAC: usize = 0x40003;
const KEY: usize = 0;
const DATA: usize = 256;
const OUT: usize = 1024;
const COMPARE: usize = 2048;
/// Bytes of the drivers' pieces.
const PIECE: usize = 16;

enum Work {
    Add(SubSliceMut<'static, u8>),
    Run(&'static mut [u8; 64]),
    Verify(&'static mut [u8; 64]),
}

/// Digest: length of the hash, length of the key, first byte of the key, number of pieces, then data.
struct Fake {
    client: OptionalCell<&'static dyn Client<64>>,
    work: MapCell<Work>,
    mode: Cell<Option<(u8, u8, u8)>>,
    pieces: Cell<u8>,
    data: RefCell<Vec<u8>>,
    fails: Cell<bool>,
    deferred: DeferredCall,
}

impl Fake {
    fn digest(&self) -> [u8; 64] {
        let (length, key, first) = self.mode.get().unwrap();
        let mut out = [0; 64];
        let data = self.data.borrow();
        let all = [length, key, first, self.pieces.get()];
        for (to, from) in out.iter_mut().zip(all.iter().chain(data.iter())) {
            *to = *from;
        }
        out
    }

    fn mode(&self, length: u8, key: &[u8]) -> Result<(), ErrorCode> {
        self.clear_data();
        let first = key.first().copied().unwrap_or(0);
        self.mode.set(Some((length, key.len() as u8, first)));
        Ok(())
    }

    fn accept(&self, work: Work) {
        assert!(self.mode.get().is_some() && self.work.is_none());
        self.work.put(work);
        self.deferred.set();
    }
}

impl DeferredCallClient for Fake {
    fn handle_deferred_call(&self) {
        let result = match self.fails.get() {
            true => Err(ErrorCode::FAIL),
            false => Ok(()),
        };
        let client = self.client.get().unwrap();
        match self.work.take().unwrap() {
            Work::Add(mut data) => {
                self.data.borrow_mut().extend(data.as_slice());
                self.pieces.set(self.pieces.get() + 1);
                data.slice(data.len()..);
                client.add_mut_data_done(result, data);
            }
            Work::Run(digest) => {
                *digest = self.digest();
                client.hash_done(result, digest);
            }
            Work::Verify(digest) => {
                let length = self.mode.get().unwrap().0 as usize;
                let equal = digest[..length] == self.digest()[..length];
                client.verification_done(result.map(|()| equal), digest);
            }
        }
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

impl DigestData<'static, 64> for Fake {
    fn set_data_client(&'static self, _: &'static dyn ClientData<64>) {}
    fn add_data(
        &self,
        data: SubSlice<'static, u8>,
    ) -> Result<(), (ErrorCode, SubSlice<'static, u8>)> {
        Err((ErrorCode::NOSUPPORT, data))
    }
    fn add_mut_data(
        &self,
        data: SubSliceMut<'static, u8>,
    ) -> Result<(), (ErrorCode, SubSliceMut<'static, u8>)> {
        self.accept(Work::Add(data));
        Ok(())
    }
    fn clear_data(&self) {
        self.mode.set(None);
        self.pieces.set(0);
        self.data.borrow_mut().clear();
    }
}

impl DigestHash<'static, 64> for Fake {
    fn set_hash_client(&'static self, _: &'static dyn ClientHash<64>) {}
    fn run(
        &'static self,
        digest: &'static mut [u8; 64],
    ) -> Result<(), (ErrorCode, &'static mut [u8; 64])> {
        self.accept(Work::Run(digest));
        Ok(())
    }
}

impl DigestVerify<'static, 64> for Fake {
    fn set_verify_client(&'static self, _: &'static dyn ClientVerify<64>) {}
    fn verify(
        &'static self,
        compare: &'static mut [u8; 64],
    ) -> Result<(), (ErrorCode, &'static mut [u8; 64])> {
        self.accept(Work::Verify(compare));
        Ok(())
    }
}

impl Digest<'static, 64> for Fake {
    fn set_client(&'static self, client: &'static dyn Client<64>) {
        self.client.set(client);
    }
}

macro_rules! modes {
    ($($plain:ident $set:ident $keyed:ident $set_keyed:ident $length:literal),*) => {$(
        impl $plain for Fake {
            fn $set(&self) -> Result<(), ErrorCode> {
                self.mode($length, &[])
            }
        }
        impl $keyed for Fake {
            fn $set_keyed(&self, key: &[u8]) -> Result<(), ErrorCode> {
                self.mode($length, key)
            }
        }
    )*};
}
modes! {
    Sha256 set_mode_sha256 HmacSha256 set_mode_hmacsha256 32,
    Sha384 set_mode_sha384 HmacSha384 set_mode_hmacsha384 48,
    Sha512 set_mode_sha512 HmacSha512 set_mode_hmacsha512 64
}

struct Board {
    kernel: TestKernel,
    memory: &'static Memory,
    fake: &'static Fake,
}

fn fake() -> &'static Fake {
    let fake: &'static Fake = leak(Fake {
        client: OptionalCell::empty(),
        work: MapCell::empty(),
        mode: Cell::new(None),
        pieces: Cell::new(0),
        data: RefCell::new(Vec::new()),
        fails: Cell::new(false),
        deferred: DeferredCall::new(),
    });
    fake.register();
    fake
}

fn board(number: usize) -> Board {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let fake = fake();
    let cap = kernel.memory_capability();
    let (piece, digest) = (leak([0; PIECE]), leak([0; 64]));
    if number == SHA {
        let grant = kernel.kernel().create_grant(number, &cap);
        let driver: &'static ShaDriver<'static, Fake, 64> =
            leak(ShaDriver::new(fake, piece, digest, grant));
        fake.set_client(driver);
        kernel.driver(number, driver);
    } else {
        let grant = kernel.kernel().create_grant(number, &cap);
        let driver: &'static HmacDriver<'static, Fake, 64> =
            leak(HmacDriver::new(fake, piece, digest, grant));
        fake.set_client(driver);
        kernel.driver(number, driver);
    }
    Board {
        kernel,
        memory,
        fake,
    }
}

impl Board {
    fn app(&self, name: &str) -> App<'_> {
        App::new(&self.kernel, self.memory, name)
    }
}

fn sha_app<'a>(board: &'a Board, name: &str, data: &[u8]) -> App<'a> {
    let app = board.app(name);
    app.put(DATA, data);
    app.allow_ro(SHA, 0, DATA, data.len());
    app.allow_rw(SHA, 0, OUT, 32);
    app.subscribe(SHA, 0);
    app.subscribe(SHA, 1);
    app
}

fn hmac_app<'a>(board: &'a Board, name: &str, key: &[u8], data: &[u8]) -> App<'a> {
    let app = board.app(name);
    app.put(KEY, key);
    app.allow_ro(HMAC, 0, KEY, key.len());
    app.put(DATA, data);
    app.allow_ro(HMAC, 1, DATA, data.len());
    app.allow_rw(HMAC, 2, OUT, 64);
    app.subscribe(HMAC, 0);
    app.subscribe(HMAC, 1);
    app
}

#[test]
fn a_hash_goes_in_pieces_and_fills_as_much_as_it_is_long() {
    let board = board(SHA);
    let data: Vec<u8> = (100..140).collect();
    let a = sha_app(&board, "a", &data);
    assert_eq!(a.command(SHA, 0, 0, 0), Success);
    for (algorithm, length) in [(0, 32), (1, 48), (2, 64)] {
        a.put(OUT, &[0xEE; 64]);
        assert_eq!(a.command(SHA, 1, algorithm, 0), Success);
        // As upstream: no buffer but one of the digest's length.
        for wrong in [length - 1, length + 1, 0] {
            a.allow_rw(SHA, 0, OUT, wrong);
            assert_eq!(a.command(SHA, 2, 0, 0), Success);
            let nomem = usize::from(ErrorCode::NOMEM);
            assert_eq!(a.upcalls(), [(SHA, 0, [nomem, 0, 0])]);
            assert_eq!(a.get(OUT, 64), [0xEE; 64]);
        }
        a.allow_rw(SHA, 0, OUT, length);
        assert_eq!(a.command(SHA, 2, 0, 0), Success);
        assert_eq!(a.upcalls(), [(SHA, 0, [0, 0, 0])]);
        let mut expected = vec![length as u8, 0, 0, 3];
        expected.extend(&data);
        expected.resize(64, 0);
        expected[length..].fill(0xEE);
        assert_eq!(a.get(OUT, 64), expected);
        assert!(board.fake.mode.get().is_none(), "the hasher is given back");
    }
}

#[test]
fn what_the_hash_driver_refuses() {
    let board = board(SHA);
    let a = sha_app(&board, "a", b"data");
    assert_eq!(a.command(SHA, 1, 3, 0), Failure(ErrorCode::NOSUPPORT));
    assert_eq!(a.command(SHA, 4, 0, 0), Failure(ErrorCode::NOSUPPORT));
    // Nothing, too little or too much to compare with.
    let nomem = usize::from(ErrorCode::NOMEM);
    for wrong in [0, 31, 33] {
        a.allow_ro(SHA, 1, DATA, wrong);
        assert_eq!(a.command(SHA, 3, 0, 0), Success);
        assert_eq!(a.upcalls(), [(SHA, 1, [nomem, 0, 0])]);
    }
    assert_eq!(a.command(SHA, 2, 0, 0), Success);
    assert_eq!(a.command(SHA, 2, 0, 0), Failure(ErrorCode::NOMEM));
    assert_eq!(a.upcalls(), [(SHA, 0, [0, 0, 0])]);
    board.fake.fails.set(true);
    assert_eq!(a.command(SHA, 2, 0, 0), Success);
    assert_eq!(
        a.upcalls(),
        [(SHA, 0, [usize::from(ErrorCode::FAIL), 0, 0])]
    );
    board.fake.fails.set(false);
    assert_eq!(a.command(SHA, 2, 0, 0), Success);
    assert_eq!(a.upcalls(), [(SHA, 0, [0, 0, 0])]);
}

#[test]
fn a_hash_is_compared() {
    let board = board(SHA);
    let a = sha_app(&board, "a", b"data");
    let mut digest = vec![32, 0, 0, 1];
    digest.extend(b"data");
    digest.resize(32, 0);
    a.put(COMPARE, &digest);
    a.allow_ro(SHA, 1, COMPARE, 32);
    for (change, equal) in [(0, 1), (1, 0)] {
        a.put(COMPARE, &[32 ^ change]);
        a.allow_ro(SHA, 1, COMPARE, 32);
        assert_eq!(a.command(SHA, 3, 0, 0), Success);
        assert_eq!(a.upcalls(), [(SHA, 1, [0, equal, 0])]);
    }
}

#[test]
fn processes_wait_for_each_other() {
    let board = board(SHA);
    let apps = ["a", "b", "c"].map(|name| sha_app(&board, name, name.as_bytes()));
    for app in &apps {
        assert_eq!(app.command(SHA, 2, 0, 0), Success);
        assert_eq!(app.command(SHA, 2, 0, 0), Failure(ErrorCode::NOMEM));
    }
    for (app, name) in apps.iter().zip(*b"abc") {
        assert_eq!(app.upcalls(), [(SHA, 0, [0, 0, 0])]);
        assert_eq!(app.get(OUT, 5), [32, 0, 0, 1, name]);
    }
}

#[test]
fn a_process_that_dies_gives_the_hasher_back() {
    let board = board(HMAC);
    let a = hmac_app(&board, "a", b"k", b"some");
    let b = hmac_app(&board, "b", b"l", b"more");
    assert_eq!(a.command(HMAC, 2, 0, 0), Success);
    assert_eq!(a.upcalls(), [(HMAC, 0, [0, 0, 0])]);
    assert_eq!(b.command(HMAC, 1, 0, 0), Success);
    assert_eq!(b.upcalls(), [], "a has the hasher");
    a.process.process().terminate(None);
    // Any request finds out.
    let c = hmac_app(&board, "c", b"m", b"last");
    assert_eq!(c.command(HMAC, 1, 0, 0), Success);
    assert_eq!(b.upcalls(), [(HMAC, 0, [0, 0, 0])]);
    assert_eq!(b.get(OUT, 8), [32, 1, b'l', 1, b'm', b'o', b'r', b'e']);
    assert_eq!(c.upcalls(), [(HMAC, 0, [0, 0, 0])]);
}

#[test]
fn a_keyed_hash_takes_its_key_and_adds_in_parts() {
    let board = board(HMAC);
    let a = hmac_app(&board, "a", b"key", b"one");
    for command in [3, 5] {
        assert_eq!(a.command(HMAC, command, 0, 0), Failure(ErrorCode::OFF));
    }
    assert_eq!(a.command(HMAC, 0, 2, 0), Success);
    for _ in 0..2 {
        assert_eq!(a.command(HMAC, 2, 0, 0), Success);
        assert_eq!(a.upcalls(), [(HMAC, 0, [0, 0, 0])]);
    }
    assert_eq!(a.command(HMAC, 3, 0, 0), Success);
    assert_eq!(a.upcalls(), [(HMAC, 0, [0, 0, 0])]);
    assert_eq!(a.get(OUT, 10), b"\x40\x03k\x02oneone".to_vec());
    assert_eq!(a.command(HMAC, 3, 0, 0), Failure(ErrorCode::OFF));
    // Compared instead.
    assert_eq!(a.command(HMAC, 2, 0, 0), Success);
    a.upcalls();
    a.put(COMPARE, b"\x40\x03k\x01one");
    a.allow_ro(HMAC, 2, COMPARE, 64);
    assert_eq!(a.command(HMAC, 5, 0, 0), Success);
    assert_eq!(a.upcalls(), [(HMAC, 1, [0, 1, 0])]);
    // A run in between starts anew.
    assert_eq!(a.command(HMAC, 2, 0, 0), Success);
    a.upcalls();
    assert_eq!(a.command(HMAC, 4, 0, 0), Success);
    assert_eq!(a.upcalls(), [(HMAC, 1, [0, 1, 0])]);
}

#[test]
fn what_the_keyed_driver_refuses() {
    let board = board(HMAC);
    let a = hmac_app(&board, "a", &[7; 129], b"one");
    for algorithm in 3..7 {
        let answer = a.command(HMAC, 0, algorithm, 0);
        assert_eq!(answer, Failure(ErrorCode::NOSUPPORT));
    }
    assert_eq!(a.command(HMAC, 6, 0, 0), Failure(ErrorCode::NOSUPPORT));
    assert_eq!(a.command(HMAC, 1, 0, 0), Failure(ErrorCode::SIZE));
    a.allow_ro(HMAC, 0, KEY, 128);
    assert_eq!(a.command(HMAC, 1, 0, 0), Success);
    assert_eq!(a.command(HMAC, 3, 0, 0), Failure(ErrorCode::NOMEM));
    assert_eq!(a.upcalls(), [(HMAC, 0, [0, 0, 0])]);
    // Without a key, and without data, there is a code all the same.
    a.allow_ro(HMAC, 0, KEY, 0);
    a.allow_ro(HMAC, 1, DATA, 0);
    assert_eq!(a.command(HMAC, 1, 0, 0), Success);
    assert_eq!(a.upcalls(), [(HMAC, 0, [0, 0, 0])]);
    assert_eq!(a.get(OUT, 5), [32, 0, 0, 0, 0]);
}
