//! The psa drivers as processes see them, on the real kernel with a fake secure world.
//!
//! Processes of this kernel have no fixed ShortId; identities with one are tested beside the table
//! (`identity`), and in QEMU.

#[path = "../../core/tests/common/mod.rs"]
mod common;
mod fake_gate;

use capsules_psa::{Handles, Identities, PsaDriver, PsaRng, Service};
use common::{App, Memory, leak};
use fake_gate::FakeGate;
use kernel::ErrorCode;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::rng::{Client, Continue, Rng};
use kernel::syscall::SyscallDriver;
use kernel::syscall::SyscallReturn::{Failure, Success, SuccessU32U32U32};
use kernel::testing::TestKernel;
use psa_interface::crypto::function as f;
use psa_interface::{Algorithm, CryptoIovec, KeyAttributes, KeyType};
use std::cell::RefCell;
use tfm_psa_driver::Spe;

const CRYPTO: usize = 0xA0000;
const STORAGE: usize = 0xA0001;
const FWU: usize = 0xA0002;
/// Where tests put things in a process's RAM.
const IOVEC: usize = 0;
const ATTRIBUTES: usize = 64;
const OUT: usize = 128;
const BIG: usize = 256;

struct Board {
    kernel: TestKernel,
    memory: &'static Memory,
    spe: &'static Spe<FakeGate>,
    crypto: &'static PsaDriver<'static, FakeGate>,
}

fn board() -> Board {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let spe: &Spe<FakeGate> = leak(Spe::new(FakeGate::default()));
    let identities: &Identities = leak(Identities::new());
    let handles: &Handles = leak(Handles::new());
    let mut add = |service, number| -> &'static PsaDriver<'static, FakeGate> {
        let cap = kernel.memory_capability();
        let grant = kernel.kernel().create_grant(number, &cap);
        let driver: &PsaDriver<FakeGate> = leak(PsaDriver::new(service, spe, identities, grant));
        driver.register();
        kernel.driver(number, driver);
        driver
    };
    let crypto = add(Service::Crypto(handles), CRYPTO);
    add(Service::Storage, STORAGE);
    add(Service::FirmwareUpdate, FWU);
    Board {
        kernel,
        memory,
        spe,
        crypto,
    }
}

impl Board {
    fn app(&self, name: &str) -> App<'_> {
        let app = App::new(&self.kernel, self.memory, name);
        app.subscribe(CRYPTO, 0);
        app.allow_ro(CRYPTO, 0, IOVEC, CryptoIovec::SIZE);
        app.allow_ro(CRYPTO, 1, ATTRIBUTES, KeyAttributes::SIZE);
        app.allow_rw(CRYPTO, 0, OUT, 4);
        app
    }

    fn live(&self) -> usize {
        self.spe.gate().live.borrow().len()
    }

    fn clients(&self) -> Vec<i32> {
        let seen = self.spe.gate().seen.borrow();
        seen.iter().map(|s| s.client).collect()
    }
}

fn request(app: &App<'_>, iovec: CryptoIovec) {
    app.put(IOVEC, &iovec.encode());
}

fn function(app: &App<'_>, id: u16) {
    request(app, CryptoIovec::new(id));
}

fn key(app: &App<'_>, attributes: KeyAttributes) {
    function(app, f::GENERATE_KEY);
    app.put(ATTRIBUTES, &attributes.encode());
}

fn word(app: &App<'_>) -> u32 {
    u32::from_le_bytes(app.get(OUT, 4).try_into().unwrap())
}

fn aes() -> KeyAttributes {
    KeyAttributes::volatile(KeyType::AES, 128, 0, Algorithm(0))
}

const ONE_IN_ONE_OUT: usize = 1 | 1 << 8;
const TWO_IN_ONE_OUT: usize = 2 | 1 << 8;

#[test]
fn vectors_arrive_as_they_lie_and_the_answer_at_once() {
    let board = board();
    let a = board.app("a");
    function(&a, f::HASH_UPDATE);
    a.put(BIG, b"some data");
    a.allow_ro(CRYPTO, 1, BIG, 9);
    a.allow_ro(CRYPTO, 2, BIG, 0);
    assert_eq!(a.command(CRYPTO, 1, 0, 3), SuccessU32U32U32(0, 0, 0));
    let seen = board.spe.gate().seen.borrow();
    let call = seen.last().unwrap();
    assert_eq!(call.inputs[0], CryptoIovec::new(f::HASH_UPDATE).encode());
    assert_eq!(call.inputs[1..], [b"some data".to_vec(), vec![]]);
    assert_eq!((call.handle, call.call_type), (0x4000_0100, 0));
}

#[test]
fn random_goes_where_the_process_said() {
    let board = board();
    let a = board.app("a");
    function(&a, f::GENERATE_RANDOM);
    a.put(BIG, &[0; 34]);
    a.allow_rw(CRYPTO, 0, BIG + 1, 32);
    let answer = a.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
    assert_eq!(answer, SuccessU32U32U32(0, 32, 0));
    let mut expected = [0x5A; 34];
    (expected[0], expected[33]) = (0, 0);
    assert_eq!(a.get(BIG, 34), expected);
}

#[test]
fn malformed_calls_are_tocks_to_refuse() {
    let board = board();
    let a = board.app("a");
    let inval = Failure(ErrorCode::INVAL);
    for (call_type, counts) in [(0, 5), (0, 3 | 2 << 8), (0x8000, 1), (0, 1 << 16)] {
        assert_eq!(a.command(CRYPTO, 1, call_type, counts), inval);
    }
    assert_eq!(a.command(CRYPTO, 1, 0, 0), inval);
    a.allow_ro(CRYPTO, 0, IOVEC, 55);
    assert_eq!(a.command(CRYPTO, 1, 0, 1), inval);
    a.allow_ro(CRYPTO, 0, IOVEC, 0);
    assert_eq!(a.command(CRYPTO, 1, 0, 1), Failure(ErrorCode::RESERVE));
    assert_eq!(a.command(CRYPTO, 2, 0, 1), Failure(ErrorCode::NOSUPPORT));
    assert_eq!(a.command(CRYPTO, 0, 0, 0), Success);
    assert!(board.spe.gate().seen.borrow().is_empty());
}

#[test]
fn without_a_fixed_short_id_nothing_persists() {
    let board = board();
    let a = board.app("a");
    let no = Failure(ErrorCode::NOSUPPORT);
    key(&a, aes().persistent(5));
    assert_eq!(a.command(CRYPTO, 1, 0, TWO_IN_ONE_OUT), no);
    for driver in [STORAGE, FWU] {
        a.put(BIG, &[1, 0, 0, 0, 0, 0, 0, 0]);
        a.allow_ro(driver, 0, BIG, 8);
        for call_type in [1001, 1002, 1008] {
            assert_eq!(a.command(driver, 1, call_type, 1), no);
        }
    }
    assert!(board.spe.gate().seen.borrow().is_empty());
    // And what dies with the process works.
    key(&a, aes());
    let answer = a.command(CRYPTO, 1, 0, TWO_IN_ONE_OUT);
    assert_eq!(answer, SuccessU32U32U32(0, 4, 0));
}

#[test]
fn what_takes_long_completes_by_upcall_one_at_a_time() {
    let board = board();
    let a = board.app("a");
    let b = board.app("b");
    function(&a, f::SIGN_HASH);
    function(&b, f::SIGN_HASH);
    // Past the kernel loop, which would make the first call before the second comes.
    for app in [&a, &b] {
        let answer = || board.crypto.command(1, 0, 1, app.id());
        assert!(answer().is_success());
        assert_eq!(answer().get_failure(), Some(ErrorCode::BUSY));
    }
    let made = || {
        let seen = board.spe.gate().seen.borrow();
        seen.iter()
            .filter(|s| s.function_id == f::SIGN_HASH)
            .count()
    };
    assert_eq!(made(), 0);
    board.crypto.handle_deferred_call();
    assert_eq!(made(), 1);
    assert_eq!(a.upcalls(), [(CRYPTO, 0, [0, 0, 0])]);
    assert_eq!(b.upcalls(), [(CRYPTO, 0, [0, 0, 0])]);
    assert_eq!(made(), 2);
    assert_eq!(board.clients(), [-0x1000, -0x1001]);
}

#[test]
fn a_waiting_call_is_judged_again_when_it_is_made() {
    let board = board();
    let a = board.app("a");
    let status = |s: i32| [(CRYPTO, 0, [s as usize, 0, 0])];
    // What was a signature is a persistent key now.
    function(&a, f::SIGN_HASH);
    assert_eq!(a.command(CRYPTO, 1, 0, TWO_IN_ONE_OUT), Success);
    key(&a, aes().persistent(5));
    assert_eq!(a.upcalls(), status(-133));
    // The iovec is gone.
    function(&a, f::SIGN_HASH);
    assert_eq!(a.command(CRYPTO, 1, 0, 1), Success);
    a.allow_ro(CRYPTO, 0, IOVEC, 0);
    assert_eq!(a.upcalls(), status(-129));
    assert!(board.spe.gate().seen.borrow().is_empty());
    // And the process can go on.
    a.allow_ro(CRYPTO, 0, IOVEC, CryptoIovec::SIZE);
    assert_eq!(a.command(CRYPTO, 1, 0, 1), Success);
    assert_eq!(a.upcalls(), status(0));
}

#[test]
fn the_dead_leave_nothing_behind() {
    let board = board();
    let a = board.app("a");
    let b = board.app("b");
    for app in [&a, &b] {
        key(app, aes());
        app.command(CRYPTO, 1, 0, TWO_IN_ONE_OUT);
        function(app, f::HASH_SETUP);
        app.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
    }
    assert_eq!(board.live(), 4);
    a.process.process().terminate(None);
    assert_eq!(board.live(), 4);
    // Before the next allocation of anyone.
    b.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
    assert_eq!(board.live(), 3);
    let of_a: Vec<_> = board.spe.gate().live.borrow().iter().copied().collect();
    assert!(
        of_a.iter().all(|(client, _)| *client == -0x1001),
        "{of_a:?}"
    );
    // Its id is free again.
    let c = board.app("c");
    function(&c, f::HASH_SETUP);
    c.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
    assert_eq!(board.clients().last(), Some(&-0x1000));
    // At once, when the board says that something faulted.
    b.process.process().terminate(None);
    board.crypto.reap_soon();
    board.kernel.run();
    assert_eq!(board.live(), 1);
}

#[test]
fn what_is_released_is_forgotten() {
    let board = board();
    let a = board.app("a");
    for _ in 0..100 {
        key(&a, aes());
        a.command(CRYPTO, 1, 0, TWO_IN_ONE_OUT);
        let mut destroy = CryptoIovec::new(f::DESTROY_KEY);
        destroy.key_id = word(&a);
        request(&a, destroy);
        assert_eq!(a.command(CRYPTO, 1, 0, 1), SuccessU32U32U32(0, 0, 0));
        function(&a, f::HASH_SETUP);
        a.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
        let mut finish = CryptoIovec::new(f::HASH_FINISH);
        finish.op_handle = word(&a);
        request(&a, finish);
        let answer = a.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
        assert_eq!(answer, SuccessU32U32U32(0, 4, 0));
    }
    assert_eq!(board.live(), 0);
}

#[test]
fn one_process_cannot_use_up_the_record() {
    let board = board();
    let a = board.app("a");
    let b = board.app("b");
    function(&a, f::HASH_SETUP);
    for _ in 0..32 {
        let answer = a.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
        assert_eq!(answer, SuccessU32U32U32(0, 4, 0));
    }
    let answer = a.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
    assert_eq!(answer, Failure(ErrorCode::NOMEM));
    function(&b, f::HASH_SETUP);
    let answer = b.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
    assert_eq!(answer, SuccessU32U32U32(0, 4, 0));
}

#[test]
fn without_client_ids_the_kernel_keeps_processes_apart() {
    let board = board();
    board.spe.gate().unmanaged.set(true);
    let (a, b) = (board.app("a"), board.app("b"));
    key(&a, aes());
    let made = a.command(CRYPTO, 1, 0, TWO_IN_ONE_OUT);
    assert_eq!(made, SuccessU32U32U32(0, 4, 0));
    let of_a = word(&a);
    function(&a, f::HASH_SETUP);
    a.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
    let operation = word(&a);
    // To the secure side all of it is one caller's: the other process could use everything.
    assert_eq!(board.clients(), [0, 0]);
    let mut destroy = CryptoIovec::new(f::DESTROY_KEY);
    destroy.key_id = of_a;
    let mut abort = CryptoIovec::new(f::HASH_ABORT);
    abort.op_handle = operation;
    let answered = |s: i32| SuccessU32U32U32(s as u32, 0, 0);
    request(&b, destroy);
    assert_eq!(b.command(CRYPTO, 1, 0, 1), answered(-136));
    request(&b, abort);
    assert_eq!(b.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT), answered(-137));
    // The target of a clone is the secure side's to choose.
    let mut clone = CryptoIovec::new(f::HASH_CLONE);
    function(&b, f::HASH_SETUP);
    b.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
    clone.op_handle = word(&b);
    request(&b, clone);
    b.put(BIG, &operation.to_le_bytes());
    b.allow_ro(CRYPTO, 1, BIG, 4);
    assert_eq!(b.command(CRYPTO, 1, 0, TWO_IN_ONE_OUT), answered(-137));
    assert_eq!(board.clients(), [0, 0, 0]);
    assert_eq!(board.live(), 3);
    // Its own it may.
    request(&a, destroy);
    assert_eq!(a.command(CRYPTO, 1, 0, 1), answered(0));
    request(&a, abort);
    let answer = a.command(CRYPTO, 1, 0, ONE_IN_ONE_OUT);
    assert_eq!(answer, SuccessU32U32U32(0, 4, 0));
    assert_eq!(board.live(), 1);
    // And the dead are cleaned up behind, as the kernel.
    b.process.process().terminate(None);
    board.crypto.reap_soon();
    board.kernel.run();
    assert_eq!(board.live(), 0);
}

#[derive(Default)]
struct Sink {
    words: RefCell<Vec<u32>>,
    want: usize,
}

impl Client for Sink {
    fn randomness_available(
        &self,
        words: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue {
        assert_eq!(error, Ok(()));
        let mut got = self.words.borrow_mut();
        let left = self.want - got.len();
        got.extend(words.take(left));
        if got.len() == self.want {
            Continue::Done
        } else {
            Continue::More
        }
    }
}

#[test]
fn the_generator_gives_blocks_until_its_client_is_served() {
    let spe: &Spe<FakeGate> = leak(Spe::new(FakeGate::default()));
    let generator: &PsaRng<FakeGate> = leak(PsaRng::new(spe));
    let sink: &Sink = leak(Sink {
        want: 40,
        ..Sink::default()
    });
    generator.set_client(sink);
    assert_eq!(generator.get(), Ok(()));
    assert_eq!(generator.get(), Err(ErrorCode::BUSY));
    assert!(sink.words.borrow().is_empty());
    for _ in 0..5 {
        generator.handle_deferred_call();
    }
    assert_eq!(*sink.words.borrow(), [0x5A5A_5A5A; 40]);
    // Three blocks of 16 words, under the kernel's own id.
    let seen = spe.gate().seen.borrow();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|s| s.client == -1));
}
