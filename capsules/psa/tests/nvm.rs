//! The byte store on a fake Protected Storage: pages, edges, failures.

mod fake_gate;

use capsules_psa::PsaNvm;
use fake_gate::FakeGate;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use std::cell::{Cell, RefCell};
use tfm_psa_driver::Spe;

/// "TOCKNV", 0.
const FIRST_UID: u64 = 0x544F_434B_4E56_0000;
const PAGE: usize = 16;

fn leak<T>(t: T) -> &'static mut T {
    Box::leak(Box::new(t))
}

#[derive(Default)]
struct Client {
    done: Cell<Option<(bool, usize)>>,
    bytes: RefCell<Vec<u8>>,
}

impl NonvolatileStorageClient for Client {
    fn read_done(&self, buffer: &'static mut [u8], length: usize) {
        *self.bytes.borrow_mut() = buffer.to_vec();
        assert!(self.done.replace(Some((false, length))).is_none());
    }
    fn write_done(&self, _: &'static mut [u8], length: usize) {
        assert!(self.done.replace(Some((true, length))).is_none());
    }
}

struct Board {
    spe: &'static Spe<FakeGate>,
    store: &'static PsaNvm<'static, FakeGate>,
    client: &'static Client,
}

/// Three pages, from page 2 on.
fn board() -> Board {
    let spe: &Spe<FakeGate> = leak(Spe::new(FakeGate::default()));
    let store: &PsaNvm<'static, FakeGate> = leak(PsaNvm::new(spe, leak([0; PAGE]), 2, 3));
    store.register();
    let client: &Client = leak(Client::default());
    store.set_client(client);
    Board { spe, store, client }
}

impl Board {
    fn run(&self) -> (bool, usize) {
        while DeferredCall::service_next_pending().is_some() {}
        self.client.done.take().unwrap()
    }

    fn write(&self, address: usize, bytes: &[u8]) -> usize {
        let buffer = bytes.to_vec().leak();
        self.store.write(buffer, address, bytes.len()).unwrap();
        let (wrote, n) = self.run();
        assert!(wrote);
        n
    }

    fn read(&self, address: usize, n: usize) -> Vec<u8> {
        self.store.read(vec![0; n].leak(), address, n).unwrap();
        assert_eq!(self.run(), (false, n));
        self.client.bytes.take()
    }
}

#[test]
fn what_is_written_is_read_over_the_edges_of_pages() {
    let board = board();
    assert_eq!(board.read(0, 48), [0xFF; 48]);
    let bytes: Vec<u8> = (1..=30).collect();
    assert_eq!(board.write(10, &bytes), 30);
    let mut expected = vec![0xFF; 48];
    expected[10..40].copy_from_slice(&bytes);
    assert_eq!(board.read(0, 48), expected);
    assert_eq!(board.read(15, 2), [6, 7]);
    assert_eq!(board.write(47, &[9]), 1);
    assert_eq!(board.read(40, 8), [255, 255, 255, 255, 255, 255, 255, 9]);
    // One object a page, under the kernel's id.
    for page in 0..3 {
        let object = board.spe.gate().get(FIRST_UID + 2 + page).unwrap();
        assert_eq!(object.len(), PAGE);
    }
    assert_eq!(board.spe.gate().get(FIRST_UID + 1), None);
    assert_eq!(board.write(3, &[]), 0);
}

#[test]
fn bounds_and_business() {
    let board = board();
    let invalid = Err(ErrorCode::INVAL);
    for (address, n) in [(48, 1), (47, 2), (0, 49), (usize::MAX, 1), (1, usize::MAX)] {
        assert_eq!(board.store.read(leak([0; 64]), address, n), invalid);
        assert_eq!(board.store.write(leak([0; 64]), address, n), invalid);
    }
    assert_eq!(board.store.read(leak([0; 4]), 0, 5), invalid);
    board.store.read(leak([0; 4]), 0, 4).unwrap();
    let busy = board.store.write(leak([0; 4]), 0, 4);
    assert_eq!(busy, Err(ErrorCode::BUSY));
    assert_eq!(board.run(), (false, 4));
}

/// The length tells how far it came; each page is as before or as asked.
#[test]
fn a_failed_write_says_how_far_it_came() {
    let board = board();
    board.write(0, &[1; 48]);
    board.spe.gate().fail_sets(1);
    assert_eq!(board.write(0, &[2; 48]), 0);
    assert_eq!(board.read(0, 48), [1; 48]);
    assert_eq!(board.write(0, &[2; 48]), 48);
    assert_eq!(board.read(0, 48), [2; 48]);
}
