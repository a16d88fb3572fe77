//! The storage drivers as processes see them, on the real kernel with storage in memory.

#[path = "../../core/tests/common/mod.rs"]
mod common;

use capsules_extra::isolated_nonvolatile_storage_driver::{HEADER, IsolatedNonvolatileStorage};
use capsules_extra::nonvolatile_storage_driver::NonvolatileStorage as Shared;
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use kernel::storage_permissions::StoragePermissions;
use kernel::syscall::SyscallReturn::{Failure, Success, SuccessU32};
use kernel::testing::{Everything, TestKernel};
use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;

const ISOLATED: usize = 0x50004;
const SHARED: usize = 0x50001;
/// Bytes of an application's region, and of the drivers' pieces.
const REGION: usize = 40;
const PIECE: usize = 16;
const FROM: usize = 0;
const TO: usize = 1024;

/// Whether to write, the buffer, address and length.
type Asked = (bool, Bytes, usize, usize);
type Bytes = &'static mut [u8];

/// Storage that takes one request, and may fail or lose power.
struct Store {
    client: Cell<Option<&'static dyn NonvolatileStorageClient>>,
    bytes: RefCell<Vec<u8>>,
    request: RefCell<Option<Asked>>,
    fails: Cell<bool>,
    /// Refuses at once.
    refuses: Cell<bool>,
    /// Writes until power fails, for ever after.
    power: Cell<usize>,
    deferred: DeferredCall,
}

impl NonvolatileStorage<'static> for Store {
    fn set_client(&self, client: &'static dyn NonvolatileStorageClient) {
        self.client.set(Some(client));
    }
    fn read(&self, buffer: Bytes, at: usize, n: usize) -> Result<(), ErrorCode> {
        self.accept(false, buffer, at, n)
    }
    fn write(&self, buffer: Bytes, at: usize, n: usize) -> Result<(), ErrorCode> {
        self.accept(true, buffer, at, n)
    }
}

impl Store {
    fn accept(&self, write: bool, buffer: Bytes, at: usize, n: usize) -> Result<(), ErrorCode> {
        if self.refuses.get() {
            return Err(ErrorCode::OFF);
        }
        assert!(at + n <= self.bytes.borrow().len() && n <= buffer.len() && n > 0);
        let before = self.request.replace(Some((write, buffer, at, n)));
        assert!(before.is_none(), "one request at a time");
        self.deferred.set();
        Ok(())
    }
}

impl DeferredCallClient for Store {
    fn handle_deferred_call(&self) {
        let (write, buffer, at, n) = self.request.take().unwrap();
        let client = self.client.get().unwrap();
        let n = if self.fails.get() { 0 } else { n };
        if !write {
            buffer[..n].copy_from_slice(&self.bytes.borrow()[at..at + n]);
            client.read_done(buffer, n);
            return;
        }
        if self.power.get() == 0 {
            return;
        }
        self.power.set(self.power.get() - 1);
        self.bytes.borrow_mut()[at..at + n].copy_from_slice(&buffer[..n]);
        client.write_done(buffer, n);
    }

    fn register(&'static self) {
        self.deferred.register(self);
    }
}

struct Board {
    kernel: TestKernel,
    memory: &'static Memory,
    store: &'static Store,
    shared: Option<&'static Shared<'static>>,
}

impl Board {
    fn app(&self, name: &str, id: u32) -> App<'_> {
        let app = App::named(&self.kernel, self.memory, name, id);
        let upcalls = if self.driver() == ISOLATED { 3 } else { 2 };
        for number in 0..upcalls {
            app.subscribe(self.driver(), number);
        }
        app
    }

    fn driver(&self) -> usize {
        match self.store.bytes.borrow().len() {
            SHARED_LENGTH => SHARED,
            _ => ISOLATED,
        }
    }
}

/// Offset of the storage, so that an address is not an offset.
const START: usize = 8;
const SHARED_LENGTH: usize = START + 100;
/// Room for two regions and a bit.
const ISOLATED_LENGTH: usize = START + 2 * (HEADER + REGION) + 20;

fn board_with(number: usize, bytes: Vec<u8>) -> Board {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let length = bytes.len() - START;
    let store: &'static Store = leak(Store {
        client: Cell::new(None),
        bytes: RefCell::new(bytes),
        request: RefCell::new(None),
        fails: Cell::new(false),
        refuses: Cell::new(false),
        power: Cell::new(usize::MAX),
        deferred: DeferredCall::new(),
    });
    store.register();
    let cap = kernel.memory_capability();
    let piece = leak([0; PIECE]);
    let mut shared = None;
    if number == SHARED {
        let grant = kernel.kernel().create_grant(number, &cap);
        let driver: &'static Shared<'static> =
            leak(Shared::new(store, grant, START, length, 0, START, piece));
        shared = Some(driver);
        store.set_client(driver);
        kernel.driver(number, driver);
    } else {
        let grant = kernel.kernel().create_grant(number, &cap);
        let driver: &'static IsolatedNonvolatileStorage<'static, REGION> = leak(
            IsolatedNonvolatileStorage::new(store, grant, START, length, piece),
        );
        store.set_client(driver);
        kernel.driver(number, driver);
    }
    Board {
        kernel,
        memory,
        store,
        shared,
    }
}

fn shared() -> Board {
    board_with(SHARED, vec![0xFF; SHARED_LENGTH])
}

fn isolated() -> Board {
    board_with(ISOLATED, vec![0x5A; ISOLATED_LENGTH])
}

/// Writes, and reads back into zeros.
fn put(app: &App<'_>, offset: usize, bytes: &[u8]) -> [usize; 3] {
    app.put(FROM, bytes);
    app.allow_ro(ISOLATED, 0, FROM, bytes.len());
    assert_eq!(app.command(ISOLATED, 3, offset, 0), Success);
    let upcalls = app.upcalls();
    assert_eq!((upcalls.len(), upcalls[0].1), (1, 2));
    upcalls[0].2
}

fn get(app: &App<'_>, offset: usize, n: usize) -> ([usize; 3], Vec<u8>) {
    app.put(TO, &vec![0; n]);
    app.allow_rw(ISOLATED, 0, TO, n);
    assert_eq!(app.command(ISOLATED, 2, offset, 0), Success);
    let upcalls = app.upcalls();
    assert_eq!((upcalls.len(), upcalls[0].1), (1, 1));
    (upcalls[0].2, app.get(TO, n))
}

#[test]
fn each_application_has_its_own() {
    let board = isolated();
    let (a, b) = (board.app("a", 7), board.app("b", 9));
    assert_eq!(a.command(ISOLATED, 0, 0, 0), Success);
    for app in [&a, &b] {
        assert_eq!(app.command(ISOLATED, 1, 0, 0), Success);
        assert_eq!(app.upcalls(), [(ISOLATED, 0, [0, REGION, 0])]);
        assert_eq!(get(app, 0, 8), ([0, 8, 0], vec![0xFF; 8]), "erased");
    }
    assert_eq!(put(&a, 3, b"of a"), [0, 4, 0]);
    assert_eq!(put(&b, 3, b"of b"), [0, 4, 0]);
    assert_eq!(get(&a, 3, 4).1, b"of a");
    assert_eq!(get(&b, 2, 6).1, b"\xFFof b\xFF");
    // Word 0: version 1, length; word 1: the ShortId; word 2: both.
    let first = 1u32 << 24 | REGION as u32;
    let header: Vec<u8> = [first, 7, first ^ 7]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let bytes = board.store.bytes.borrow().clone();
    assert_eq!(bytes[START..START + HEADER], header);
    // The next boot finds them, whoever asks first; no third has room.
    let board = board_with(ISOLATED, bytes);
    let (b, c, a) = (board.app("b", 9), board.app("c", 11), board.app("a", 7));
    assert_eq!(get(&b, 3, 4).1, b"of b");
    assert_eq!(c.command(ISOLATED, 1, 0, 0), Success);
    let nomem = ErrorCode::NOMEM as usize;
    assert_eq!(c.upcalls(), [(ISOLATED, 0, [nomem, 0, 0])]);
    assert_eq!(get(&a, 3, 4).1, b"of a");
}

#[test]
fn an_access_stays_inside_the_region() {
    let board = isolated();
    let a = board.app("a", 7);
    let inval = [ErrorCode::INVAL as usize, 0, 0];
    assert_eq!(put(&a, REGION - 4, b"last"), [0, 4, 0]);
    for offset in [REGION - 3, REGION, REGION + 1, usize::MAX - 1, usize::MAX] {
        assert_eq!(put(&a, offset, b"over"), inval, "{offset}");
        assert_eq!(get(&a, offset, 4).0, inval, "{offset}");
    }
    for command in [2, 3] {
        let high = a.command(ISOLATED, command, 0, 1);
        assert_eq!(high, Failure(ErrorCode::INVAL));
    }
    assert_eq!(a.command(ISOLATED, 4, 0, 0), Failure(ErrorCode::NOSUPPORT));
    let reserve = ErrorCode::RESERVE as usize;
    a.allow_ro(ISOLATED, 0, 0, 0);
    assert_eq!(a.command(ISOLATED, 3, 0, 0), Success);
    assert_eq!(a.upcalls(), [(ISOLATED, 2, [reserve, 0, 0])]);
    a.allow_rw(ISOLATED, 0, 0, 0);
    assert_eq!(a.command(ISOLATED, 2, 0, 0), Success);
    assert_eq!(a.upcalls(), [(ISOLATED, 1, [reserve, 0, 0])]);
    // As much as the driver moves at a time.
    assert_eq!(put(&a, 0, &[1; 20]), [0, PIECE, 0]);
    assert_eq!(get(&a, 0, 20).0, [0, PIECE, 0]);
}

#[test]
fn who_may_not_store_is_refused() {
    let board = isolated();
    let a = App::new(&board.kernel, board.memory, "a");
    a.allow_ro(ISOLATED, 0, FROM, 4);
    for command in 1..=3 {
        let answer = a.command(ISOLATED, command, 0, 0);
        assert_eq!(answer, Failure(ErrorCode::NOSUPPORT));
    }
}

/// A TBF may list what its own id may do; then nothing else is allowed.
#[test]
fn reading_and_writing_are_allowed_apart() {
    let board = isolated();
    let may = |reads: usize, modifies: usize| {
        let own = [7, 0, 0, 0, 0, 0, 0, 0];
        let id = NonZeroU32::new(7).unwrap();
        let permissions = StoragePermissions::new_fixed_size(
            id,
            true,
            false,
            reads,
            own,
            modifies,
            own,
            &Everything,
        );
        let name = ["neither", "writes", "reads", "both"][reads * 2 + modifies];
        let app = App::storing(&board.kernel, board.memory, name, 7, Some(permissions));
        app.allow_rw(ISOLATED, 0, TO, 4);
        app.allow_ro(ISOLATED, 0, FROM, 4);
        assert_eq!(app.command(ISOLATED, 1, 0, 0), Success, "its size");
        app.upcalls();
        let read = app.command(ISOLATED, 2, 0, 0);
        app.upcalls();
        (read, app.command(ISOLATED, 3, 0, 0))
    };
    let refused = Failure(ErrorCode::NOSUPPORT);
    assert_eq!(may(0, 0), (refused, refused));
    assert_eq!(may(1, 0), (Success, refused));
    assert_eq!(may(0, 1), (refused, Success));
    assert_eq!(may(1, 1), (Success, Success));
}

#[test]
fn requests_wait_one_each_and_the_dead_are_passed() {
    let board = isolated();
    let (a, b) = (board.app("a", 7), board.app("b", 9));
    for app in [&a, &b] {
        app.allow_rw(ISOLATED, 0, TO, 4);
        assert_eq!(app.command(ISOLATED, 2, 0, 0), Success);
        assert_eq!(
            app.command(ISOLATED, 1, 0, 0),
            Failure(ErrorCode::BUSY),
            "own request outstanding"
        );
    }
    a.process.process().terminate(None);
    assert_eq!(b.upcalls(), [(ISOLATED, 1, [0, 4, 0])]);
    // Storage that fails says so, and works again.
    board.store.fails.set(true);
    let fail = [ErrorCode::FAIL as usize, 0, 0];
    assert_eq!(get(&b, 0, 4).0, fail);
    assert_eq!(put(&b, 0, b"bbbb"), fail);
    board.store.fails.set(false);
    assert_eq!(put(&b, 0, b"bbbb"), [0, 4, 0]);
}

/// Power fails after each write of the first use; the next boot starts over or goes on.
#[test]
fn power_may_fail_while_a_region_is_made() {
    for writes in 0..6 {
        let bytes = {
            let board = isolated();
            board.store.power.set(writes);
            let a = board.app("a", 7);
            a.put(FROM, b"data");
            a.allow_ro(ISOLATED, 0, FROM, 4);
            assert_eq!(a.command(ISOLATED, 3, 0, 0), Success);
            a.upcalls();
            board.store.bytes.borrow().clone()
        };
        let board = board_with(ISOLATED, bytes);
        let (b, a) = (board.app("b", 9), board.app("a", 7));
        assert_eq!(put(&b, 0, b"of b"), [0, 4, 0]);
        let (status, found) = get(&a, 0, 4);
        assert_eq!(status, [0, 4, 0]);
        let expected: &[u8] = if writes == 5 { b"data" } else { &[0xFF; 4] };
        assert_eq!(found, expected, "{writes}");
        assert_eq!(get(&b, 0, 4).1, b"of b");
    }
}

#[test]
fn what_is_shared_is_shared() {
    let board = shared();
    let (a, b) = (board.app("a", 7), board.app("b", 9));
    assert_eq!(a.command(SHARED, 0, 0, 0), Success);
    assert_eq!(a.command(SHARED, 1, 0, 0), SuccessU32(100));
    a.put(FROM, b"for all");
    a.allow_ro(SHARED, 0, FROM, 7);
    assert_eq!(a.command(SHARED, 3, 50, 7), Success);
    assert_eq!(a.upcalls(), [(SHARED, 1, [7, 0, 0])]);
    b.allow_rw(SHARED, 0, TO, 20);
    // Cut to the buffer's length, and to the driver's.
    assert_eq!(b.command(SHARED, 2, 50, 7), Success);
    assert_eq!(b.upcalls(), [(SHARED, 0, [7, 0, 0])]);
    assert_eq!(b.get(TO, 8), b"for all\0");
    assert_eq!(b.command(SHARED, 2, 40, 30), Success);
    assert_eq!(b.upcalls(), [(SHARED, 0, [PIECE, 0, 0])]);
    b.allow_rw(SHARED, 0, TO, 3);
    assert_eq!(b.command(SHARED, 2, 50, 7), Success);
    assert_eq!(b.upcalls(), [(SHARED, 0, [3, 0, 0])]);
}

#[test]
fn what_the_shared_driver_refuses() {
    let board = shared();
    let a = board.app("a", 7);
    a.allow_ro(SHARED, 0, FROM, 7);
    for (offset, n) in [(100, 0), (100, 1), (99, 2), (0, 101), (1, usize::MAX)] {
        let answer = a.command(SHARED, 3, offset, n);
        assert_eq!(answer, Failure(ErrorCode::INVAL), "{offset} {n}");
    }
    assert_eq!(a.command(SHARED, 2, 0, 7), Failure(ErrorCode::RESERVE));
    assert_eq!(a.command(SHARED, 4, 0, 7), Failure(ErrorCode::NOSUPPORT));
    let nobody = App::new(&board.kernel, board.memory, "n");
    nobody.allow_ro(SHARED, 0, FROM, 7);
    let answer = nobody.command(SHARED, 3, 0, 7);
    assert_eq!(answer, Failure(ErrorCode::NOSUPPORT));
    let b = board.app("b", 9);
    b.allow_rw(SHARED, 0, TO, 7);
    board.store.fails.set(true);
    assert_eq!(a.command(SHARED, 3, 0, 7), Success);
    assert_eq!(a.upcalls(), [(SHARED, 1, [0, 0, 0])], "0 bytes: it failed");
    assert_eq!(b.command(SHARED, 2, 0, 7), Success);
    assert_eq!(b.upcalls(), [(SHARED, 0, [0, 0, 0])]);
}

/// The kernel's side: what it was told of.
#[derive(Default)]
struct Kernel {
    told: RefCell<Vec<(bool, Vec<u8>, usize)>>,
}

impl NonvolatileStorageClient for Kernel {
    fn read_done(&self, buffer: &'static mut [u8], n: usize) {
        self.told.borrow_mut().push((false, buffer.to_vec(), n));
    }
    fn write_done(&self, buffer: &'static mut [u8], n: usize) {
        self.told.borrow_mut().push((true, buffer.to_vec(), n));
    }
}

#[test]
fn the_kernel_has_a_range_of_its_own() {
    let board = shared();
    let driver = board.shared.unwrap();
    let kernel: &'static Kernel = leak(Kernel::default());
    NonvolatileStorage::set_client(driver, kernel);
    for (address, n) in [(0, 9), (8, 1), (7, 2), (usize::MAX, 1), (1, usize::MAX)] {
        let refused = driver.read(leak([0; 16]), address, n);
        assert_eq!(refused, Err(ErrorCode::INVAL), "{address}");
    }
    assert_eq!(driver.write(leak([0; 2]), 0, 3), Err(ErrorCode::SIZE));

    // An application's request is at work and another's waits: the kernel's goes next.
    let (a, b) = (board.app("a", 7), board.app("b", 9));
    for app in [&a, &b] {
        app.put(FROM, b"app");
        app.allow_ro(SHARED, 0, FROM, 3);
        assert_eq!(app.command(SHARED, 3, 0, 3), Success);
    }
    driver.write(leak(*b"kernel"), 2, 6).unwrap();
    let second = driver.read(leak([0; 4]), 0, 4);
    assert_eq!(second, Err(ErrorCode::BUSY), "one at a time");
    assert_eq!(a.upcalls(), [(SHARED, 1, [3, 0, 0])]);
    assert_eq!(b.upcalls(), [(SHARED, 1, [3, 0, 0])]);
    assert_eq!(kernel.told.take(), [(true, b"kernel".to_vec(), 6)]);
    driver.read(leak([0; 4]), 2, 4).unwrap();
    a.upcalls();
    assert_eq!(kernel.told.take(), [(false, b"kern".to_vec(), 4)]);
    assert_eq!(
        board.store.bytes.borrow()[..START + 4],
        *b"\xFF\xFFkernelapp\xFF"
    );
}

/// A request that the storage refuses ends with a failure. Its buffer is lost with it, as the HIL has
/// it: those that follow fail, and none waits for ever.
#[test]
fn a_refusal_is_told_and_nobody_waits() {
    let board = shared();
    let a = board.app("a", 7);
    a.put(FROM, b"for all");
    a.allow_ro(SHARED, 0, FROM, 7);
    a.allow_rw(SHARED, 0, TO, 7);
    board.store.refuses.set(true);
    assert_eq!(a.command(SHARED, 3, 0, 7), Success);
    assert_eq!(a.upcalls(), [(SHARED, 1, [0, 0, 0])]);
    let refused = board.shared.unwrap().read(leak([0; 4]), 0, 4);
    assert_eq!(refused, Err(ErrorCode::OFF));
    board.store.refuses.set(false);
    assert_eq!(a.command(SHARED, 2, 0, 7), Success);
    assert_eq!(a.upcalls(), [(SHARED, 0, [0, 0, 0])]);
    let kernel = board.shared.unwrap().read(leak([0; 4]), 0, 4);
    assert_eq!(kernel, Ok(()), "the kernel brings its own buffer");

    let board = isolated();
    let a = board.app("a", 7);
    board.store.refuses.set(true);
    assert_eq!(put(&a, 0, b"data"), [ErrorCode::OFF as usize, 0, 0]);
}
