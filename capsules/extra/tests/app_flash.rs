//! Processes that write their own flash, on the real kernel: who may, where, and in turn.

#[path = "../../core/tests/common/mod.rs"]
mod common;

use capsules_extra::app_flash_driver::{AppFlash, DRIVER_NUM as FLASH};
use common::{App, Binary, Memory, leak};
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use kernel::syscall::SyscallReturn::{Failure, Success, SuccessAddr, SuccessU32};
use kernel::testing::TestKernel;
use std::cell::{Cell, RefCell};

/// Bytes of the driver's buffer.
const MOST: usize = 64;
/// Bytes of a test process's TBF.
const TOTAL: usize = 4096;
/// A region at the first bytes behind the header, and one at the last of the binary.
const FIRST: (u32, u32) = (0x100, 0x40);
const LAST: (u32, u32) = (TOTAL as u32 - 0x80, 0x80);
const FROM: usize = 0;

/// What was asked for: buffer, address, length.
type Asked = (&'static mut [u8], usize, usize);

/// Takes a request, and writes down what it is when it is let.
struct Store {
    client: Cell<Option<&'static dyn NonvolatileStorageClient>>,
    request: RefCell<Option<Asked>>,
    written: RefCell<Vec<(usize, Vec<u8>)>>,
    waits: Cell<bool>,
    fails: Cell<bool>,
    deferred: DeferredCall,
}

impl NonvolatileStorage<'static> for Store {
    fn set_client(&self, client: &'static dyn NonvolatileStorageClient) {
        self.client.set(Some(client));
    }
    fn read(&self, _: &'static mut [u8], _: usize, _: usize) -> Result<(), ErrorCode> {
        unreachable!("nothing is read")
    }
    fn write(&self, buffer: &'static mut [u8], at: usize, n: usize) -> Result<(), ErrorCode> {
        let before = self.request.replace(Some((buffer, at, n)));
        assert!(before.is_none(), "one request at a time");
        self.deferred.set();
        Ok(())
    }
}

impl DeferredCallClient for Store {
    fn handle_deferred_call(&self) {
        if self.waits.get() {
            return;
        }
        let Some((buffer, at, n)) = self.request.take() else {
            return;
        };
        let bytes = buffer[..n].to_vec();
        let n = if self.fails.get() { 0 } else { n };
        if n > 0 {
            self.written.borrow_mut().push((at, bytes));
        }
        self.client.get().unwrap().write_done(buffer, n);
    }
    fn register(&'static self) {
        self.deferred.register(self);
    }
}

struct Board {
    kernel: TestKernel,
    memory: &'static Memory,
    store: &'static Store,
}

impl Board {
    fn new() -> Board {
        let mut kernel = TestKernel::new();
        let memory = Memory::install(&mut kernel);
        let store: &'static Store = leak(Store {
            client: Cell::new(None),
            request: RefCell::new(None),
            written: RefCell::default(),
            waits: Cell::new(false),
            fails: Cell::new(false),
            deferred: DeferredCall::new(),
        });
        store.register();
        let cap = kernel.memory_capability();
        let grant = kernel.kernel().create_grant(FLASH, &cap);
        let driver: &'static AppFlash<'static> = leak(AppFlash::new(store, grant, leak([0; MOST])));
        store.set_client(driver);
        kernel.driver(FLASH, driver);
        Board {
            kernel,
            memory,
            store,
        }
    }

    /// A process of a binary that declares these regions.
    fn app(&self, name: &str, binary: Binary<'_>) -> App<'_> {
        let app = App::of_binary(&self.kernel, self.memory, name, binary);
        app.subscribe(FLASH, 0);
        app
    }

    fn plain(&self, name: &str) -> App<'_> {
        self.app(
            name,
            Binary {
                writeable: &[FIRST, LAST],
                footer: &[],
            },
        )
    }
}

fn at(app: &App<'_>, offset: usize) -> usize {
    app.process.process().get_addresses().flash_start + offset
}

/// Shares `n` bytes and asks for them at `address`.
fn write(app: &App<'_>, address: usize, n: usize) -> kernel::syscall::SyscallReturn {
    app.allow_ro(FLASH, 0, FROM, n);
    app.command(FLASH, 1, address, 0)
}

#[test]
fn a_process_writes_what_it_shares_to_its_regions() {
    let board = Board::new();
    let app = board.plain("a");
    assert_eq!(app.command(FLASH, 0, 0, 0), Success);
    assert_eq!(app.command(FLASH, 2, 0, 0), Failure(ErrorCode::NOSUPPORT));
    // What memop tells is where it may write.
    assert_eq!(app.process.memop(7, 0), SuccessU32(2));
    for (i, (offset, size)) in [FIRST, LAST].into_iter().enumerate() {
        let start = at(&app, offset as usize);
        let end = start + size as usize;
        assert_eq!(app.process.memop(8, i), SuccessAddr(start));
        assert_eq!(app.process.memop(9, i), SuccessAddr(end));
        for (address, n) in [(start, 1), (start, MOST.min(end - start)), (end - 3, 3)] {
            app.put(FROM, &[n as u8; MOST]);
            assert_eq!(write(&app, address, n), Success);
            assert_eq!(app.upcalls(), [(FLASH, 0, [0, 0, 0])]);
            let written = board.store.written.take();
            assert_eq!(written, [(address, vec![n as u8; n])]);
        }
    }
    assert_eq!(app.process.memop(8, 2), Failure(ErrorCode::FAIL));
}

#[test]
fn nothing_else_is_written() {
    let board = Board::new();
    let (app, other) = (board.plain("a"), board.plain("b"));
    let (first, last) = (at(&app, FIRST.0 as usize), at(&app, LAST.0 as usize));
    let (first_end, last_end) = (first + FIRST.1 as usize, at(&app, TOTAL));
    for (address, n) in [
        (first - 1, 1),
        (first - 1, 2),
        (first_end - 1, 2),
        (first_end, 1),
        (last - 1, 2),
        (last_end - 1, 2),
        (last_end, 1),
        (at(&app, 0), 4),
        (at(&other, FIRST.0 as usize), 4),
        (app.process.ram(0), 4),
        (0, 4),
        (usize::MAX, 1),
        (usize::MAX, 2),
        (usize::MAX - 3, 8),
    ] {
        let refused = write(&app, address, n);
        assert_eq!(refused, Failure(ErrorCode::INVAL), "{address:#x}+{n}");
    }
    assert_eq!(write(&app, last, 0), Failure(ErrorCode::RESERVE));
    assert_eq!(write(&app, last, MOST + 1), Failure(ErrorCode::SIZE));
    assert_eq!(app.upcalls(), []);
    assert!(board.store.written.borrow().is_empty());
}

/// The header is the process's own word, and nobody signed it.
#[test]
fn a_header_claims_no_more_than_its_own() {
    let board = Board::new();
    let (total, far) = (TOTAL as u32, u32::MAX);
    for (name, claim) in [
        ("all", (0, total)),
        ("more", (0, far)),
        ("behind", (total, 0x1000)),
        ("far", (far, far)),
        ("far-end", (far - 3, 8)),
        ("over", (total - 4, 8)),
        ("none", (0x100, 0)),
    ] {
        let app = board.app(
            name,
            Binary {
                writeable: &[claim],
                footer: &[],
            },
        );
        let a = app.process.process().get_addresses();
        let within = |address: usize| match name {
            "all" | "more" => address >= a.flash_non_protected_start,
            "over" => address == a.flash_end - 4,
            _ => false,
        };
        for address in [
            a.flash_start,
            a.flash_non_protected_start - 1,
            a.flash_non_protected_start,
            a.flash_end - 4,
        ] {
            let wanted = match within(address) {
                true => Success,
                false => Failure(ErrorCode::INVAL),
            };
            assert_eq!(write(&app, address, 4), wanted, "{name} {address:#x}");
        }
        let behind = write(&app, a.flash_end - 3, 4);
        assert_eq!(behind, Failure(ErrorCode::INVAL), "{name}");
        app.process.process().terminate(None);
    }
    // Of many regions the first sixteen count.
    let mut many = [(0x200, 4); 17];
    many[15] = (0x300, 4);
    many[16] = (0x400, 4);
    let app = board.app(
        "many",
        Binary {
            writeable: &many,
            footer: &[],
        },
    );
    assert_eq!(write(&app, at(&app, 0x300), 4), Success);
    let refused = write(&app, at(&app, 0x400), 4);
    assert_eq!(refused, Failure(ErrorCode::INVAL));
}

/// A credential covers header and binary: a write would break it. Room for one is none.
#[test]
fn a_binary_with_credentials_is_not_written() {
    let board = Board::new();
    let digest = [&[128, 0, 36, 0, 3, 0, 0, 0][..], &[7; 32]].concat();
    let room = [&[128, 0, 36, 0, 0, 0, 0, 0][..], &[0; 32]].concat();
    for (name, footer, answer) in [
        ("digest", &digest, Failure(ErrorCode::NOSUPPORT)),
        ("room", &room, Success),
    ] {
        let app = board.app(
            name,
            Binary {
                writeable: &[(0, TOTAL as u32)],
                footer,
            },
        );
        assert_eq!(write(&app, at(&app, 0x200), 4), answer, "{name}");
        // The footers are no part of it, whatever the region says.
        let footers = at(&app, TOTAL - footer.len());
        assert_eq!(write(&app, footers - 4, 4), answer, "{name}");
        let refused = write(&app, footers - 3, 4);
        assert_eq!(refused, Failure(ErrorCode::INVAL), "{name}");
    }
}

#[test]
fn requests_wait_one_each_and_are_looked_at_again() {
    let board = Board::new();
    let (a, b, c) = (board.plain("a"), board.plain("b"), board.plain("c"));
    let home = |app: &App<'_>| at(app, FIRST.0 as usize);
    board.store.waits.set(true);
    for app in [&a, &b, &c] {
        app.put(FROM, &[home(app) as u8; 64]);
        assert_eq!(write(app, home(app), 8), Success);
    }
    assert_eq!(write(&b, home(&b), 8), Failure(ErrorCode::NOMEM));
    // The first waits for the device, so its next one waits, too.
    assert_eq!(write(&a, home(&a) + 8, 8), Success);
    assert_eq!(write(&a, home(&a) + 16, 8), Failure(ErrorCode::NOMEM));
    // Meanwhile the third shares more than fits behind its address, and the second dies.
    c.allow_ro(FLASH, 0, FROM, FIRST.1 as usize + 1);
    b.process.process().terminate(None);
    board.store.waits.set(false);
    board.store.deferred.set();
    assert_eq!(a.upcalls(), [(FLASH, 0, [0, 0, 0]); 2]);
    let inval = [ErrorCode::INVAL as usize, 0, 0];
    assert_eq!(c.upcalls(), [(FLASH, 0, inval)]);
    let written = board.store.written.take();
    let bytes = vec![home(&a) as u8; 8];
    assert_eq!(written, [(home(&a), bytes.clone()), (home(&a) + 8, bytes)]);
    // A device that fails says so, and the next request is served.
    board.store.fails.set(true);
    assert_eq!(write(&c, home(&c), 4), Success);
    let fail = [ErrorCode::FAIL as usize, 0, 0];
    assert_eq!(c.upcalls(), [(FLASH, 0, fail)]);
    board.store.fails.set(false);
    assert_eq!(write(&c, home(&c), 4), Success);
    assert_eq!(c.upcalls(), [(FLASH, 0, [0, 0, 0])]);
}
