//! PSA client ids of processes with a fixed ShortId.
//!
//! Owns the table ShortId → client id −2 − index and its object in ITS: client −1, uid
//! [`TABLE_UID`], little-endian u32 ShortIds. Append only, so that an id survives reboot, update and
//! reinstallation and is never given to another (ARCHITECTURE §4). An object that cannot be read,
//! or makes no sense, is never written over. Invariant: what is in memory is what is in ITS.

use core::cell::{Cell, RefCell};
use core::num::NonZeroU32;
use psa_interface::{Status, service, storage};
use tfm_psa_driver::{ClientId, Gate, InVec, OutVec, Spe};

/// `uid` of the table in ITS: "TOCK", 1.
pub const TABLE_UID: u64 = 0x544F_434B_0000_0001;
/// Processes that can ever have an id on one device.
const CAPACITY: usize = 64;
/// First id of the table.
const FIRST: i32 = -2;

struct Table {
    ids: [u32; CAPACITY],
    length: usize,
}

/// The table.
pub struct Identities {
    loaded: Cell<bool>,
    table: RefCell<Table>,
}

impl Identities {
    /// Not read yet. The factory provisions the object with the product's processes, whose keys
    /// it provisions too; without one the table starts empty.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Identities {
            loaded: Cell::new(false),
            table: RefCell::new(Table {
                ids: [0; CAPACITY],
                length: 0,
            }),
        }
    }

    /// The id of `short_id`, if it is known without a call.
    pub fn lookup(&self, short_id: NonZeroU32) -> Option<ClientId> {
        let table = self.table.try_borrow().ok()?;
        let at = table
            .ids
            .iter()
            .take(table.length)
            .position(|id| *id == short_id.get())?;
        client(at)
    }

    /// The id of `short_id`, a new one if need be: reads the table, and may write flash.
    ///
    /// # Errors
    /// The storage service's status; INSUFFICIENT_STORAGE when the table is full, DATA_CORRUPT
    /// when the object is not a table.
    pub fn resolve<G: Gate>(&self, spe: &Spe<G>, short_id: NonZeroU32) -> Result<ClientId, Status> {
        if !self.loaded.get() {
            self.load(spe)?;
        }
        match self.lookup(short_id) {
            Some(client) => Ok(client),
            None => self.append(spe, short_id.get()),
        }
    }

    fn load<G: Gate>(&self, spe: &Spe<G>) -> Result<(), Status> {
        let mut bytes = [0; CAPACITY * 4];
        let length = {
            let mut out = [OutVec::own(&mut bytes)];
            let status = Status(spe.psa_call(
                ClientId::KERNEL,
                service::ITS_HANDLE,
                storage::GET,
                &[
                    InVec::new(&TABLE_UID.to_le_bytes()),
                    InVec::new(&0u32.to_le_bytes()),
                ],
                &mut out,
            ));
            match status {
                Status::DOES_NOT_EXIST => None,
                other => {
                    other.ok()?;
                    Some(out.first().map_or(0, OutVec::len))
                }
            }
        };
        let mut table = self.table.try_borrow_mut().map_err(|_| Status::BAD_STATE)?;
        *table = match length {
            Some(length) => bytes.get(..length).and_then(parse),
            None => table_of(core::iter::empty()),
        }
        .ok_or(Status::DATA_CORRUPT)?;
        self.loaded.set(true);
        Ok(())
    }

    fn append<G: Gate>(&self, spe: &Spe<G>, short_id: u32) -> Result<ClientId, Status> {
        let mut table = self.table.try_borrow_mut().map_err(|_| Status::BAD_STATE)?;
        let at = table.length;
        *table.ids.get_mut(at).ok_or(Status::INSUFFICIENT_STORAGE)? = short_id;
        table.length = at + 1;
        if let Err(status) = store(spe, &table) {
            // It may have been written all the same: only another read can tell.
            table.length = 0;
            self.loaded.set(false);
            return Err(status);
        }
        client(at).ok_or(Status::INSUFFICIENT_STORAGE)
    }
}

fn client(index: usize) -> Option<ClientId> {
    ClientId::new(FIRST - i32::try_from(index).ok()?)
}

/// A table of `ids`; `None` when there are too many, one twice, or a zero.
fn table_of(ids: impl Iterator<Item = u32>) -> Option<Table> {
    let mut table = Table {
        ids: [0; CAPACITY],
        length: 0,
    };
    for id in ids {
        if id == 0 || table.ids.contains(&id) {
            return None;
        }
        *table.ids.get_mut(table.length)? = id;
        table.length += 1;
    }
    Some(table)
}

fn parse(bytes: &[u8]) -> Option<Table> {
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    table_of(words.iter().map(|word| u32::from_le_bytes(*word)))
}

fn store<G: Gate>(spe: &Spe<G>, table: &Table) -> Result<(), Status> {
    let mut bytes = [0; CAPACITY * 4];
    for (to, id) in bytes.chunks_exact_mut(4).zip(&table.ids) {
        to.copy_from_slice(&id.to_le_bytes());
    }
    let bytes = bytes.get(..table.length * 4).unwrap_or(&[]);
    Status(spe.psa_call(
        ClientId::KERNEL,
        service::ITS_HANDLE,
        storage::SET,
        &[
            InVec::new(&TABLE_UID.to_le_bytes()),
            InVec::new(bytes),
            InVec::new(&storage::FLAG_NONE.to_le_bytes()),
        ],
        &mut [],
    ))
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_gate::FakeGate;

    fn id(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn ids_are_given_in_order_and_survive() {
        let spe = Spe::new(FakeGate::default());
        let identities = Identities::new();
        assert_eq!(identities.lookup(id(7)), None);
        for (short_id, expected) in [(7, -2), (9, -3), (7, -2), (1, -4), (9, -3)] {
            assert_eq!(
                identities.resolve(&spe, id(short_id)).unwrap().get(),
                expected
            );
        }
        assert_eq!(identities.lookup(id(9)).unwrap().get(), -3);
        assert_eq!(spe.gate().table(), [7, 9, 1]);
        let after_reboot = Identities::new();
        assert_eq!(after_reboot.resolve(&spe, id(1)).unwrap().get(), -4);
        assert_eq!(after_reboot.resolve(&spe, id(2)).unwrap().get(), -5);
    }

    #[test]
    fn the_factory_s_table_is_continued() {
        let spe = Spe::new(FakeGate::default());
        spe.gate().put(TABLE_UID, &[1, 0, 0, 0, 2, 0, 0, 0]);
        let identities = Identities::new();
        assert_eq!(identities.resolve(&spe, id(2)).unwrap().get(), -3);
        assert_eq!(identities.resolve(&spe, id(9)).unwrap().get(), -4);
        assert_eq!(spe.gate().table(), [1, 2, 9]);
    }

    #[test]
    fn a_failed_write_gives_no_id() {
        let spe = Spe::new(FakeGate::default());
        let identities = Identities::new();
        assert_eq!(identities.resolve(&spe, id(7)).unwrap().get(), -2);
        spe.gate().fail_sets(1);
        assert_eq!(
            identities.resolve(&spe, id(8)),
            Err(Status::STORAGE_FAILURE)
        );
        assert_eq!(identities.lookup(id(8)), None);
        assert_eq!(identities.resolve(&spe, id(9)).unwrap().get(), -3);
        assert_eq!(identities.resolve(&spe, id(7)).unwrap().get(), -2);
    }

    #[test]
    fn nonsense_is_refused_and_kept() {
        for bytes in [&[1u8, 0, 0][..], &[0; 4], &[7, 0, 0, 0, 7, 0, 0, 0]] {
            let spe = Spe::new(FakeGate::default());
            spe.gate().put(TABLE_UID, bytes);
            let identities = Identities::new();
            assert_eq!(identities.resolve(&spe, id(7)), Err(Status::DATA_CORRUPT));
            assert_eq!(spe.gate().get(TABLE_UID).unwrap(), bytes);
        }
    }

    #[test]
    fn a_full_table_gives_no_id() {
        let spe = Spe::new(FakeGate::default());
        let identities = Identities::new();
        for n in 1..=CAPACITY as u32 {
            assert_eq!(
                identities.resolve(&spe, id(n)).unwrap().get(),
                -1 - n as i32
            );
        }
        assert_eq!(
            identities.resolve(&spe, id(1000)),
            Err(Status::INSUFFICIENT_STORAGE)
        );
        assert_eq!(identities.resolve(&spe, id(64)).unwrap().get(), -65);
    }
}
