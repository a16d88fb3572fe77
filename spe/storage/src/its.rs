//! Internal Trusted Storage: PSA semantics over the journal.
//!
//! Owns limits, flags and ownership. Removal is in place; what is removed is scrubbed at once.
//! No encryption: secure flash is trusted for confidentiality (not against replay).

use crate::journal::{Entry, Journal, Kind, Name, New};
use crate::service::Storage;
use crate::{ITS_MAX_SIZE, MAX_OBJECTS};
use flash::Flash;
use psa_interface::storage::{FLAG_WRITE_ONCE, FLAGS_ALL};
use psa_interface::{Status, StorageInfo};
use spm::{ClientId, Input, Output};

/// The ITS of one region (128 KiB on the boards; three blocks of 8 KiB at least).
#[derive(Debug)]
pub struct Its<F> {
    journal: Journal<F, MAX_OBJECTS>,
}

impl<F: Flash> Its<F> {
    /// An ITS that reads its region at first use; a blank region is an empty ITS.
    pub fn new(flash: F) -> Self {
        Its {
            journal: Journal::new(flash),
        }
    }

    /// Reads the region now, and finishes what a power cut left half done.
    ///
    /// # Errors
    /// STORAGE_FAILURE.
    pub fn mount(&mut self) -> Result<(), Status> {
        Ok(self.journal.refresh()?)
    }

    /// The region.
    pub fn flash(&self) -> &F {
        self.journal.flash()
    }

    /// Gives the region back.
    pub fn into_flash(self) -> F {
        self.journal.into_flash()
    }

    /// The uids of a client's objects, ascending.
    ///
    /// # Errors
    /// STORAGE_FAILURE.
    pub fn uids(&mut self, client: ClientId) -> Result<impl Iterator<Item = u64>, Status> {
        self.journal.refresh()?;
        let all = self.journal.entries().iter();
        Ok(all
            .filter(move |e| e.name.client == client.0)
            .map(|e| e.name.uid))
    }

    /// Forgets every object of every client and erases the region, write-once or not: the wipe of
    /// a device. A cut leaves some or none; it has to be done again.
    ///
    /// # Errors
    /// STORAGE_FAILURE.
    pub fn wipe(&mut self) -> Result<(), Status> {
        Ok(self.journal.wipe()?)
    }

    fn find(&mut self, client: ClientId, uid: u64) -> Result<Option<Entry>, Status> {
        if uid == 0 {
            return Err(Status::INVALID_ARGUMENT);
        }
        self.journal.refresh()?;
        Ok(self.journal.find(name(client, uid)))
    }
}

impl<F: Flash> Storage for Its<F> {
    fn set(
        &mut self,
        client: ClientId,
        uid: u64,
        data: &Input<'_>,
        flags: u32,
    ) -> Result<(), Status> {
        let old = self.find(client, uid)?;
        let (len, flags) = check_set(old.map(|e| e.flags), data.len(), ITS_MAX_SIZE, flags)?;
        let new = New {
            kind: Kind::Object,
            name: name(client, uid),
            sequence: self.journal.next_sequence()?,
            len,
            flags,
        };
        let mut offset = 0;
        self.journal.put(new, &mut |part: &mut [u8]| {
            offset += data.read(offset, part)
        })?;
        Ok(())
    }

    fn get(
        &mut self,
        client: ClientId,
        uid: u64,
        offset: u32,
        out: &mut Output<'_>,
    ) -> Result<usize, Status> {
        let entry = self.find(client, uid)?.ok_or(Status::DOES_NOT_EXIST)?;
        let left = u32::from(entry.len)
            .checked_sub(offset)
            .ok_or(Status::INVALID_ARGUMENT)?;
        let n = left.min(room(out));
        self.journal.verify(&entry)?;
        let mut whole = true;
        self.journal
            .visit(&entry, offset, n, |part| whole &= out.append(part))?;
        if !whole {
            return Err(Status::GENERIC_ERROR);
        }
        Ok(n as usize)
    }

    fn info(&mut self, client: ClientId, uid: u64) -> Result<StorageInfo, Status> {
        let entry = self.find(client, uid)?.ok_or(Status::DOES_NOT_EXIST)?;
        Ok(StorageInfo {
            capacity: u32::from(entry.len),
            size: u32::from(entry.len),
            flags: u32::from(entry.flags),
        })
    }

    fn remove(&mut self, client: ClientId, uid: u64) -> Result<(), Status> {
        let entry = self.find(client, uid)?.ok_or(Status::DOES_NOT_EXIST)?;
        refuse_write_once(entry.flags)?;
        Ok(self.journal.remove(entry.name)?)
    }
}

pub(crate) fn name(client: ClientId, uid: u64) -> Name {
    Name {
        client: client.0,
        uid,
    }
}

/// Bytes that an output still takes.
pub(crate) fn room(out: &Output<'_>) -> u32 {
    u32::try_from(out.capacity().saturating_sub(out.written())).unwrap_or(u32::MAX)
}

pub(crate) fn refuse_write_once(flags: u8) -> Result<(), Status> {
    if u32::from(flags) & FLAG_WRITE_ONCE != 0 {
        return Err(Status::NOT_PERMITTED);
    }
    Ok(())
}

/// The refusals of `set`, in TF-M's order.
pub(crate) fn check_set(
    old_flags: Option<u8>,
    len: usize,
    max: u32,
    flags: u32,
) -> Result<(u16, u8), Status> {
    if flags & !FLAGS_ALL != 0 {
        return Err(Status::NOT_SUPPORTED);
    }
    if let Some(old) = old_flags {
        refuse_write_once(old)?;
    }
    let len = u16::try_from(len).map_err(|_| Status::INVALID_ARGUMENT)?;
    if u32::from(len) > max {
        return Err(Status::INVALID_ARGUMENT);
    }
    Ok((len, (flags & FLAGS_ALL) as u8))
}
