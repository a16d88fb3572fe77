//! The key-value store on a fake Protected Storage: every operation, by several writers.

mod fake_gate;

use capsules_psa::PsaKv;
use fake_gate::FakeGate;
use kernel::ErrorCode;
use kernel::capabilities::ApplicationStorageCapability;
use kernel::create_capability;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::kv::{KVClient, KVPermissions};
use kernel::storage_permissions::StoragePermissions;
use kernel::utilities::leasable_buffer::SubSliceMut;
use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use tfm_psa_driver::Spe;

type Buffer = SubSliceMut<'static, u8>;
type Store = PsaKv<'static, FakeGate>;

fn leak<T>(t: T) -> &'static mut T {
    Box::leak(Box::new(t))
}

#[derive(Default)]
struct Client {
    answer: Cell<Option<Result<(), ErrorCode>>>,
    value: RefCell<Vec<u8>>,
}

impl Client {
    fn note(&self, result: Result<(), ErrorCode>, value: &[u8]) {
        assert!(self.answer.replace(Some(result)).is_none(), "told twice");
        *self.value.borrow_mut() = value.to_vec();
    }
}

impl KVClient for Client {
    fn get_complete(&self, result: Result<(), ErrorCode>, _: Buffer, value: Buffer) {
        self.note(result, value.as_slice());
    }
    fn set_complete(&self, result: Result<(), ErrorCode>, _: Buffer, _: Buffer) {
        self.note(result, b"set");
    }
    fn add_complete(&self, result: Result<(), ErrorCode>, _: Buffer, _: Buffer) {
        self.note(result, b"add");
    }
    fn update_complete(&self, result: Result<(), ErrorCode>, _: Buffer, _: Buffer) {
        self.note(result, b"update");
    }
    fn delete_complete(&self, result: Result<(), ErrorCode>, _: Buffer) {
        self.note(result, b"delete");
    }
    fn garbage_collection_complete(&self, result: Result<(), ErrorCode>) {
        self.note(result, b"collected");
    }
}

struct Board {
    spe: &'static Spe<FakeGate>,
    store: &'static Store,
    client: &'static Client,
}

fn board() -> Board {
    let spe: &Spe<FakeGate> = leak(Spe::new(FakeGate::default()));
    let store: &Store = leak(PsaKv::new(spe, leak([0; 69])));
    store.register();
    let client: &Client = leak(Client::default());
    store.set_client(client);
    Board { spe, store, client }
}

fn buffer(bytes: &[u8]) -> Buffer {
    SubSliceMut::new(bytes.to_vec().leak())
}

fn writer(id: u32) -> StoragePermissions {
    let cap = create_capability!(ApplicationStorageCapability);
    StoragePermissions::new_self_only(NonZeroU32::new(id).unwrap(), &cap)
}

/// Reads what 1 and 2 wrote, writes nothing.
fn reader() -> StoragePermissions {
    let cap = create_capability!(ApplicationStorageCapability);
    let id = NonZeroU32::new(9).unwrap();
    StoragePermissions::new_listed(id, false, false, &[1, 2], &[], &cap)
}

impl Board {
    /// The answer; each turn makes one call into the secure world at most.
    fn finish(&self) -> Result<(), ErrorCode> {
        while DeferredCall::has_tasks() {
            let before = self.spe.gate().seen.borrow().len();
            DeferredCall::service_next_pending();
            assert!(self.spe.gate().seen.borrow().len() <= before + 1);
        }
        self.client.answer.take().expect("an answer")
    }

    fn get(&self, key: &[u8], room: usize, who: StoragePermissions) -> Result<(), ErrorCode> {
        let value = buffer(&vec![0; room]);
        self.store.get(buffer(key), value, who).ok().unwrap();
        self.finish()
    }

    fn set(&self, key: &[u8], value: &[u8], who: StoragePermissions) -> Result<(), ErrorCode> {
        let asked = self.store.set(buffer(key), buffer(value), who);
        asked.map_err(|(_, _, error)| error)?;
        self.finish()
    }

    fn add(&self, key: &[u8], value: &[u8], who: StoragePermissions) -> Result<(), ErrorCode> {
        let asked = self.store.add(buffer(key), buffer(value), who);
        asked.map_err(|(_, _, error)| error)?;
        self.finish()
    }

    fn update(&self, key: &[u8], value: &[u8], who: StoragePermissions) -> Result<(), ErrorCode> {
        let asked = self.store.update(buffer(key), buffer(value), who);
        asked.map_err(|(_, _, error)| error)?;
        self.finish()
    }

    fn delete(&self, key: &[u8], who: StoragePermissions) -> Result<(), ErrorCode> {
        let asked = self.store.delete(buffer(key), who);
        asked.map_err(|(_, error)| error)?;
        self.finish()
    }

    fn value(&self) -> Vec<u8> {
        self.client.value.borrow().clone()
    }
}

const NOT: Result<(), ErrorCode> = Err(ErrorCode::NOSUPPORT);

#[test]
fn a_value_lives_from_add_to_delete() {
    let b = board();
    assert_eq!(b.get(b"k", 8, writer(1)), NOT);
    assert_eq!(b.update(b"k", b"x", writer(1)), NOT);
    assert_eq!(b.delete(b"k", writer(1)), NOT);
    assert_eq!(b.add(b"k", b"one", writer(1)), Ok(()));
    assert_eq!(b.add(b"k", b"two", writer(1)), NOT);
    assert_eq!(b.get(b"k", 8, writer(1)), Ok(()));
    assert_eq!(b.value(), b"one");
    assert_eq!(b.update(b"k", b"second", writer(1)), Ok(()));
    assert_eq!(b.get(b"k", 8, writer(1)), Ok(()));
    assert_eq!(b.value(), b"second");
    assert_eq!(b.get(b"k", 3, writer(1)), Err(ErrorCode::SIZE));
    assert_eq!(b.value(), b"sec");
    assert_eq!(b.set(b"k", b"", writer(1)), Ok(()));
    assert_eq!(b.get(b"k", 8, writer(1)), Ok(()));
    assert_eq!(b.value(), b"");
    assert_eq!(b.delete(b"k", writer(1)), Ok(()));
    assert_eq!(b.get(b"k", 8, writer(1)), NOT);
}

#[test]
fn another_writers_value_is_out_of_reach() {
    let b = board();
    assert_eq!(b.set(b"k", b"mine", writer(1)), Ok(()));
    assert_eq!(b.get(b"k", 8, writer(2)), NOT);
    assert_eq!(b.set(b"k", b"stolen", writer(2)), NOT);
    assert_eq!(b.add(b"k", b"stolen", writer(2)), NOT);
    assert_eq!(b.update(b"k", b"stolen", writer(2)), NOT);
    assert_eq!(b.delete(b"k", writer(2)), NOT);
    assert_eq!(b.get(b"k", 8, reader()), Ok(()));
    assert_eq!(b.value(), b"mine");
    assert_eq!(b.set(b"k", b"x", reader()), Err(ErrorCode::INVAL));
    assert_eq!(b.delete(b"k", reader()), Err(ErrorCode::INVAL));
    let nobody = StoragePermissions::new_null();
    assert_eq!(b.add(b"n", b"x", nobody), Err(ErrorCode::INVAL));
    assert_eq!(b.get(b"k", 8, nobody), NOT);
}

#[test]
fn limits_and_failures_are_told() {
    let b = board();
    assert_eq!(b.set(b"k", &[1; 63], writer(1)), Ok(()));
    assert_eq!(b.set(b"k", &[1; 64], writer(1)), Err(ErrorCode::SIZE));
    b.spe.gate().fail_sets(1);
    assert_eq!(b.set(b"l", b"x", writer(1)), Err(ErrorCode::FAIL));
    assert_eq!(b.get(b"l", 8, writer(1)), NOT);
    // One at a time.
    let (key, value) = (buffer(b"k"), buffer(&[0; 64]));
    assert!(b.store.get(key, value, writer(1)).is_ok());
    let busy = b.store.delete(buffer(b"k"), writer(1));
    assert_eq!(busy.err().map(|(_, e)| e), Some(ErrorCode::BUSY));
    assert_eq!(b.store.garbage_collect(), Err(ErrorCode::BUSY));
    assert_eq!(b.finish(), Ok(()));
    assert_eq!(b.store.garbage_collect(), Ok(()));
    assert_eq!(b.finish(), Ok(()));
    assert_eq!(b.value(), b"collected");
}

#[test]
fn a_key_with_anothers_name_is_told_apart() {
    let b = board();
    // The fake's hash is the key's first eight bytes.
    assert_eq!(b.set(b"12345678a", b"x", writer(1)), Ok(()));
    for (key, expected) in [
        (&b"12345678b"[..], Err(ErrorCode::FAIL)),
        (&b"12345678"[..], Err(ErrorCode::FAIL)),
        (&b"12345678a"[..], Ok(())),
    ] {
        assert_eq!(b.get(key, 8, writer(1)), expected);
        assert_eq!(b.set(key, b"x", writer(1)), expected);
    }
}
