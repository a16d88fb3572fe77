//! Protected Storage: the journal, sealed, and bound to monotonic counters.
//!
//! Owns confidentiality, authenticity and freshness of external flash. Does not own the counters
//! (`provisioning::NvCounters`: two of them) or the HUK.
//!
//! Every change has a generation, used once: nonce of the object's encryption, its sequence number
//! in the journal, and key of a MAC over the table of all objects {client, length, uid,
//! generation, flags} as it is after the change. That MAC rides in the record of the change (a
//! tombstone for a removal), so that one commit word changes object and table together.
//!
//! A change: counter BEGUN to g · write record g · counter FINISHED to g. At mount, with s the
//! newest generation in flash: s = BEGUN, all done (FINISHED follows); s = FINISHED < BEGUN, the
//! change was cut before its commit, and BEGUN is raised past it, so that a copy of the other
//! outcome, kept by somebody, is never accepted later; else, or with a wrong MAC, the region was
//! replaced or damaged, and PS answers INVALID_SIGNATURE for good.

use crate::its::{check_set, name, refuse_write_once, room};
use crate::journal::{CHUNK, Entry, Journal, Kind, Name, New};
use crate::seal::{Keys, Sealer, TAG, same_tag};
use crate::service::Storage;
use crate::{MAX_OBJECTS, PS_MAX_SIZE};
use flash::Flash;
use provisioning::{Counter, NvCounters};
use psa_interface::{Status, StorageInfo};
use spm::{ClientId, Input, Output};
use symmetric::Padded;
use symmetric::poly1305::Poly1305;

const BEGUN: Counter = Counter::Ps0;
const FINISHED: Counter = Counter::Ps1;
/// Stored beside the ciphertext: MAC of the table in front, tag behind.
const OVERHEAD: u16 = 2 * TAG as u16;

/// Why Protected Storage refuses everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PsFault {
    /// The newest generation in flash is not the one that the counters name: an old copy.
    Replayed,
    /// The table does not authenticate: an object was added, removed, exchanged or damaged.
    Table,
}

/// The PS of one region (256 KiB on the boards; three blocks of 8 KiB at least).
#[derive(Debug)]
pub struct Ps<F, C> {
    journal: Journal<F, MAX_OBJECTS>,
    counters: C,
    keys: Keys,
    fault: Option<PsFault>,
}

impl<F: Flash, C: NvCounters> Ps<F, C> {
    /// A PS that reads its region at first use; a blank region is an empty PS of a new device.
    pub fn new(flash: F, counters: C, huk: &[u8; 32]) -> Self {
        Ps {
            journal: Journal::new(flash),
            counters,
            keys: Keys::new(huk),
            fault: None,
        }
    }

    /// Reads the region now, checks it against the counters, and finishes what a power cut left
    /// half done.
    ///
    /// # Errors
    /// INVALID_SIGNATURE ([`Ps::fault`] says why), STORAGE_FAILURE.
    pub fn mount(&mut self) -> Result<(), Status> {
        if self.fault.is_some() {
            return Err(Status::INVALID_SIGNATURE);
        }
        if self.journal.is_stale() {
            self.journal.refresh()?;
            // Until the check is through.
            self.journal.set_stale();
            self.check()?;
            self.journal.set_fresh();
        }
        Ok(())
    }

    /// Why everything is refused, if it is.
    #[must_use]
    pub fn fault(&self) -> Option<PsFault> {
        self.fault
    }

    /// The region.
    pub fn flash(&self) -> &F {
        self.journal.flash()
    }

    /// Gives the region and the counters back.
    pub fn into_parts(self) -> (F, C) {
        (self.journal.into_flash(), self.counters)
    }

    /// Forgets every object of every client, write-once or not: the wipe of a device. One after the
    /// other, so that the counters go along; a cut leaves some, and it has to be done again.
    ///
    /// # Errors
    /// INVALID_SIGNATURE, STORAGE_FAILURE.
    pub fn wipe(&mut self) -> Result<(), Status> {
        self.mount()?;
        while let Some(entry) = self.journal.entries().first().copied() {
            self.change(entry.name, 0, None)?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), Status> {
        let (begun, finished) = (self.counters.get(BEGUN), self.counters.get(FINISHED));
        let root = self.journal.newest();
        let generation = root.map_or(0, |e| e.sequence);
        if generation != begun && generation != finished {
            return self.refuse(PsFault::Replayed);
        }
        if let Some(root) = root {
            let mut stored = [0; TAG];
            if root.len < TAG as u16 {
                return self.refuse(PsFault::Table);
            }
            self.journal.visit(&root, 0, TAG as u32, |part| {
                for (to, from) in stored.iter_mut().zip(part) {
                    *to = *from;
                }
            })?;
            let entries = self.journal.entries().iter().copied();
            let table = self.table_mac(generation, entries).into_inner().finish();
            if !same_tag(&table, &stored) {
                return self.refuse(PsFault::Table);
            }
        }
        if generation == begun {
            self.raise(FINISHED, begun)
        } else {
            let past = begun.checked_add(1).ok_or(Status::GENERIC_ERROR)?;
            self.raise(BEGUN, past)
        }
    }

    fn refuse(&mut self, fault: PsFault) -> Result<(), Status> {
        self.fault = Some(fault);
        Err(Status::INVALID_SIGNATURE)
    }

    fn raise(&mut self, counter: Counter, value: u32) -> Result<(), Status> {
        self.counters
            .raise(counter, value)
            .map_err(|_| Status::STORAGE_FAILURE)
    }

    fn table_mac(&self, generation: u32, entries: impl Iterator<Item = Entry>) -> Padded<Poly1305> {
        let mut mac = self.keys.table(generation);
        for e in entries {
            mac.update(&describe(e.name, e.sequence, e.len, e.flags));
            mac.pad();
        }
        mac
    }

    fn find(&mut self, client: ClientId, uid: u64) -> Result<Option<Entry>, Status> {
        if uid == 0 {
            return Err(Status::INVALID_ARGUMENT);
        }
        self.mount()?;
        Ok(self.journal.find(name(client, uid)))
    }

    /// Puts one change through; `data` for an object, `None` for a removal.
    fn change(&mut self, name: Name, flags: u8, data: Option<&Input<'_>>) -> Result<(), Status> {
        let generation = self
            .counters
            .get(BEGUN)
            .checked_add(1)
            .ok_or(Status::GENERIC_ERROR)?;
        self.raise(BEGUN, generation)?;
        let size = data.map_or(0, Input::len);
        let (kind, len) = match data {
            Some(_) => (
                Kind::Object,
                u16::try_from(size + OVERHEAD as usize).map_err(|_| Status::INVALID_ARGUMENT)?,
            ),
            None => (Kind::Tombstone, TAG as u16),
        };
        let before = self.journal.entries().iter().filter(|e| e.name < name);
        let after = self.journal.entries().iter().filter(|e| e.name > name);
        let mut mac = self.table_mac(generation, before.copied());
        if data.is_some() {
            mac.update(&describe(name, generation, len, flags));
            mac.pad();
        }
        for e in after {
            mac.update(&describe(e.name, e.sequence, e.len, e.flags));
            mac.pad();
        }
        let table = mac.into_inner().finish();

        let mut sealer = self.sealer(name, generation, len, flags);
        let mut failed = Ok(());
        let new = New {
            kind,
            name,
            sequence: generation,
            len,
            flags,
        };
        let mut at = 0;
        self.journal.put(new, &mut |piece: &mut [u8]| {
            let filled = fill(&mut sealer, &table, data, size, at, piece);
            failed = failed.and(filled);
            at += piece.len();
        })?;
        if failed.is_err() {
            // Not reachable with lengths that were checked; the record does not open then.
            self.journal.set_stale();
        }
        failed?;
        self.raise(FINISHED, generation).inspect_err(|_| {
            self.journal.set_stale();
        })
    }

    fn sealer(&self, name: Name, generation: u32, len: u16, flags: u8) -> Sealer {
        let mut sealer = self.keys.object(name.client, name.uid, generation);
        sealer.aad(&describe(name, generation, len, flags));
        sealer
    }
}

impl<F: Flash, C: NvCounters> Storage for Ps<F, C> {
    fn set(
        &mut self,
        client: ClientId,
        uid: u64,
        data: &Input<'_>,
        flags: u32,
    ) -> Result<(), Status> {
        let old = self.find(client, uid)?;
        let (_, flags) = check_set(old.map(|e| e.flags), data.len(), PS_MAX_SIZE, flags)?;
        self.change(name(client, uid), flags, Some(data))
    }

    fn get(
        &mut self,
        client: ClientId,
        uid: u64,
        offset: u32,
        out: &mut Output<'_>,
    ) -> Result<usize, Status> {
        let entry = self.find(client, uid)?.ok_or(Status::DOES_NOT_EXIST)?;
        let size = plain_size(&entry)?;
        let left = size.checked_sub(offset).ok_or(Status::INVALID_ARGUMENT)?;
        let n = left.min(room(out));
        let mut sealer = self.sealer(entry.name, entry.sequence, entry.len, entry.flags);
        let mut tag = [0; TAG];
        let start = TAG as u32;
        self.journal
            .visit(&entry, start, size, |part| sealer.authenticate(part))?;
        self.journal.visit(&entry, start + size, start, |part| {
            for (to, from) in tag.iter_mut().zip(part) {
                *to = *from;
            }
        })?;
        sealer.verify(&tag)?;
        sealer.seek(offset);
        let mut done = Ok(());
        self.journal.visit(&entry, start + offset, n, |part| {
            let mut buf = [0; CHUNK];
            let Some(piece) = buf.get_mut(..part.len()) else {
                done = Err(Status::GENERIC_ERROR);
                return;
            };
            piece.copy_from_slice(part);
            sealer.open(piece);
            if !out.append(piece) {
                done = Err(Status::GENERIC_ERROR);
            }
        })?;
        done?;
        Ok(n as usize)
    }

    fn info(&mut self, client: ClientId, uid: u64) -> Result<StorageInfo, Status> {
        let entry = self.find(client, uid)?.ok_or(Status::DOES_NOT_EXIST)?;
        let size = plain_size(&entry)?;
        Ok(StorageInfo {
            capacity: size,
            size,
            flags: u32::from(entry.flags),
        })
    }

    fn remove(&mut self, client: ClientId, uid: u64) -> Result<(), Status> {
        let entry = self.find(client, uid)?.ok_or(Status::DOES_NOT_EXIST)?;
        refuse_write_once(entry.flags)?;
        self.change(entry.name, 0, None)
    }
}

fn plain_size(e: &Entry) -> Result<u32, Status> {
    let size = e.len.checked_sub(OVERHEAD).ok_or(Status::DATA_CORRUPT)?;
    Ok(u32::from(size))
}

/// What a record is, for table and additional data; 32 bytes, two MAC blocks.
fn describe(name: Name, generation: u32, len: u16, flags: u8) -> [u8; 32] {
    let mut out = [0; 32];
    let fields = [
        name.client.cast_unsigned(),
        u32::from(len),
        name.uid as u32,
        (name.uid >> 32) as u32,
        generation,
        u32::from(flags),
    ];
    for (to, field) in out.chunks_exact_mut(4).zip(fields) {
        to.copy_from_slice(&field.to_le_bytes());
    }
    out
}

/// One piece of a record, from offset `at`: table MAC, ciphertext, tag.
fn fill(
    sealer: &mut Sealer,
    table: &[u8; TAG],
    data: Option<&Input<'_>>,
    size: usize,
    at: usize,
    piece: &mut [u8],
) -> Result<(), Status> {
    let (head, rest) = piece
        .split_at_mut_checked(TAG.saturating_sub(at).min(piece.len()))
        .ok_or(Status::GENERIC_ERROR)?;
    for (to, from) in head.iter_mut().zip(table.iter().skip(at)) {
        *to = *from;
    }
    let Some(data) = data else { return Ok(()) };
    let from = at.saturating_sub(TAG);
    let (body, tail) = rest
        .split_at_mut_checked(size.saturating_sub(from).min(rest.len()))
        .ok_or(Status::GENERIC_ERROR)?;
    if !body.is_empty() {
        // The only read of these bytes.
        if data.read(from, body) != body.len() {
            return Err(Status::GENERIC_ERROR);
        }
        sealer.seal(body);
    }
    if !tail.is_empty() {
        let skip = (from + body.len()).saturating_sub(size);
        for (to, from) in tail.iter_mut().zip(sealer.tag().iter().skip(skip)) {
            *to = *from;
        }
    }
    Ok(())
}
