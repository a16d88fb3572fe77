//! The journal under both services: named records in blocks of NOR flash.
//!
//! Owns format, atomicity, space and scrubbing. Does not own access rules or encryption.
//!
//! A block is 8 KiB: header {magic, sequence number, CRC-32, 0}, then records back to back. The
//! header is written right after the erase and is the proof of it: a block without a valid one is
//! erased before use, whatever it reads as. A record: 32-byte header (its CRC-32 last), data
//! padded to 8, CRC-32 over the header's CRC and the data, commit word. Written in that order, so the commit word is the
//! moment of change. Dropping a record takes the commit word to `BURYING`, zeroes the data, and
//! takes the word to 0: NOR can always clear bits, so nothing dropped is left readable.
//!
//! Invariants: of two committed records of one name the higher sequence number counts; copies
//! that compaction makes keep number and content, and when a cut leaves both, the one in the
//! younger block goes. At rest at least one block is free. After any error the RAM index is
//! `stale` and is read again before the next use.

use flash::{Flash, FlashError, erased};
use provisioning::crc::{Crc32, crc32};
use psa_interface::Status;

const BLOCK: u32 = 8192;
const MAX_BLOCKS: u32 = 64;
const BLOCK_HEADER: u32 = 16;
const BLOCK_MAGIC: u32 = u32::from_le_bytes(*b"TSJB");
const HEADER: u32 = 32;
const FOOTER: u32 = 8;
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"TSR\0");
const COMMITTED: u32 = 0xC0A5_5A3C;
const BURYING: u32 = 0xC0A5_0000;
const DEAD: u32 = 0;
/// What an object leaves free, so that a full journal can still take a tombstone.
const RESERVE: u32 = 128;

/// Bytes that pass through the stack at once; a multiple of 16.
pub(crate) const CHUNK: usize = 256;

/// Why the journal could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JournalError {
    /// The flash failed, or has a shape that the journal cannot use.
    Flash,
    /// No room, or too many objects.
    NoSpace,
    /// A stored record does not match its CRC.
    Corrupt,
    /// Sequence numbers are used up.
    Exhausted,
}

impl From<FlashError> for JournalError {
    fn from(_: FlashError) -> Self {
        JournalError::Flash
    }
}

impl From<JournalError> for Status {
    fn from(e: JournalError) -> Status {
        match e {
            JournalError::Flash => Status::STORAGE_FAILURE,
            JournalError::NoSpace => Status::INSUFFICIENT_STORAGE,
            JournalError::Corrupt => Status::DATA_CORRUPT,
            JournalError::Exhausted => Status::GENERIC_ERROR,
        }
    }
}

/// Name of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub client: i32,
    pub uid: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object = 1,
    Tombstone = 2,
}

/// Where a committed record is, and what its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub name: Name,
    /// Higher is newer.
    pub sequence: u32,
    /// Offset of the record in the region.
    at: u32,
    /// Data length, bytes.
    pub len: u16,
    pub flags: u8,
}

const NO_ENTRY: Entry = Entry {
    name: Name { client: 0, uid: 0 },
    sequence: 0,
    at: 0,
    len: 0,
    flags: 0,
};

/// A new record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct New {
    pub kind: Kind,
    pub name: Name,
    pub sequence: u32,
    pub len: u16,
    pub flags: u8,
}

/// The journal of one region, with at most `N` objects.
#[derive(Debug)]
pub(crate) struct Journal<F, const N: usize> {
    flash: F,
    /// The first `count` are in use, ordered by name.
    index: [Entry; N],
    count: usize,
    /// The newest tombstone, while no younger record exists.
    tombstone: Option<Entry>,
    /// Blocks without a valid header.
    free: u64,
    /// Free blocks whose erase this power session has seen complete.
    clean: u64,
    active: Option<u32>,
    /// Offset of the next record in the active block.
    at: u32,
    block_sequence: u32,
    /// Highest number of any record header, dropped ones included.
    highest: u32,
    stale: bool,
}

impl<F: Flash, const N: usize> Journal<F, N> {
    /// A journal that reads its region at first use.
    pub fn new(flash: F) -> Self {
        Journal {
            flash,
            index: [NO_ENTRY; N],
            count: 0,
            tombstone: None,
            free: 0,
            clean: 0,
            active: None,
            at: 0,
            block_sequence: 0,
            highest: 0,
            stale: true,
        }
    }

    /// The region.
    pub fn flash(&self) -> &F {
        &self.flash
    }

    /// Gives the region back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// Whether the index must be read again ([`Journal::refresh`]).
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Marks the index as not to be trusted: it will be read again.
    pub fn set_stale(&mut self) {
        self.stale = true;
    }

    /// Takes [`Journal::set_stale`] back, after a [`Journal::refresh`].
    pub fn set_fresh(&mut self) {
        self.stale = false;
    }

    /// Reads the index if it is stale, and finishes what a cut left half done.
    pub fn refresh(&mut self) -> Result<(), JournalError> {
        if self.stale {
            self.load()?;
            self.stale = false;
        }
        Ok(())
    }

    /// Live objects, ordered by name.
    pub fn entries(&self) -> &[Entry] {
        self.index.get(..self.count).unwrap_or(&[])
    }

    /// The record with the highest sequence number: an object, or the tombstone of a removal.
    pub fn newest(&self) -> Option<Entry> {
        let all = self.entries().iter().chain(&self.tombstone);
        all.copied().max_by_key(|e| e.sequence)
    }

    /// Finds an object.
    pub fn find(&self, name: Name) -> Option<Entry> {
        let entries = self.entries();
        let i = entries.binary_search_by(|e| e.name.cmp(&name)).ok()?;
        entries.get(i).copied()
    }

    /// A sequence number above all that were used.
    pub fn next_sequence(&self) -> Result<u32, JournalError> {
        self.highest.checked_add(1).ok_or(JournalError::Exhausted)
    }

    /// Checks the CRC of a record.
    pub fn verify(&self, e: &Entry) -> Result<(), JournalError> {
        let mut check = [0; 4];
        self.flash.read(e.at + HEADER - 4, &mut check)?;
        let mut crc = Crc32::new();
        crc.update(&check);
        self.visit(e, 0, u32::from(e.len), |part| crc.update(part))?;
        let mut footer = [0; 4];
        let at = e.at + HEADER + padded(e.len);
        self.flash.read(at, &mut footer)?;
        (footer == crc.value().to_le_bytes())
            .then_some(())
            .ok_or(JournalError::Corrupt)
    }

    /// Hands `len` bytes of data from `offset` on to `f`, in pieces: [`CHUNK`] long (from
    /// `offset`), the last shorter.
    pub fn visit(
        &self,
        e: &Entry,
        offset: u32,
        len: u32,
        mut f: impl FnMut(&[u8]),
    ) -> Result<(), JournalError> {
        let end = offset.checked_add(len).ok_or(JournalError::Corrupt)?;
        if end > u32::from(e.len) {
            return Err(JournalError::Corrupt);
        }
        let base = e.at + HEADER;
        if let Some(mapped) = self.flash.mapped() {
            let all = mapped
                .get((base + offset) as usize..(base + end) as usize)
                .ok_or(JournalError::Corrupt)?;
            all.chunks(CHUNK).for_each(f);
            return Ok(());
        }
        let mut buf = [0; CHUNK];
        let mut at = offset;
        while at < end {
            let n = (end - at).min(CHUNK as u32);
            let part = buf.get_mut(..n as usize).ok_or(JournalError::Corrupt)?;
            self.flash.read(base + at, part)?;
            f(part);
            at += n;
        }
        Ok(())
    }

    /// Writes a record and makes it count; drops what it replaces. `fill` is asked for the data
    /// in order, [`CHUNK`] bytes at a time, the last piece shorter.
    pub fn put(
        &mut self,
        new: New,
        fill: &mut dyn FnMut(&mut [u8]), // One copy of this code for both services.
    ) -> Result<(), JournalError> {
        self.refresh()?;
        let old = self.find(new.name);
        let object = new.kind == Kind::Object;
        if object && old.is_none() && self.count >= N {
            return Err(JournalError::NoSpace);
        }
        let need = HEADER + padded(new.len) + FOOTER;
        self.stale = true;
        let found = self.make_room(need, if object { RESERVE } else { 0 });
        if found == Err(JournalError::NoSpace) {
            // Nothing was begun.
            self.stale = false;
        }
        let start = found?;
        // The part of the block that a failure below may leave written is lost until compaction.
        self.at += need;
        let header = encode_header(&new);
        self.flash.program(start, &header)?;
        let mut crc = Crc32::new();
        let [.., a, b, c, d] = header;
        crc.update(&[a, b, c, d]);
        let mut at = start + HEADER;
        let mut left = usize::from(new.len);
        while left > 0 {
            let mut buf = [0xFF; CHUNK];
            let n = left.min(CHUNK);
            let part = buf.get_mut(..n).ok_or(JournalError::Corrupt)?;
            fill(part);
            crc.update(part);
            let part = buf
                .get(..n.next_multiple_of(8))
                .ok_or(JournalError::Corrupt)?;
            self.flash.program(at, part)?;
            at += part.len() as u32;
            left -= n;
        }
        self.flash.program(at, &crc.value().to_le_bytes())?;
        self.flash.program(at + 4, &COMMITTED.to_le_bytes())?;

        let entry = Entry {
            name: new.name,
            sequence: new.sequence,
            at: start,
            len: new.len,
            flags: new.flags,
        };
        self.highest = self.highest.max(new.sequence);
        // `make_room` may have moved it.
        if let Some(old) = self.find(new.name) {
            self.bury(&old)?;
        }
        if let Some(old) = self.tombstone.take() {
            self.bury(&old)?;
        }
        if object {
            self.insert(entry);
        } else {
            self.forget(new.name);
            self.tombstone = Some(entry);
        }
        self.stale = false;
        Ok(())
    }

    /// Drops an object in place.
    pub fn remove(&mut self, name: Name) -> Result<(), JournalError> {
        self.refresh()?;
        if let Some(entry) = self.find(name) {
            self.stale = true;
            self.bury(&entry)?;
            self.forget(name);
            self.stale = false;
        }
        Ok(())
    }

    /// Erases the region: no object is left, and no trace of one.
    pub fn wipe(&mut self) -> Result<(), JournalError> {
        self.stale = true;
        self.flash.erase(0, self.flash.size())?;
        self.refresh()
    }

    // ---- index

    fn insert(&mut self, entry: Entry) {
        let found = self.entries().binary_search_by(|e| e.name.cmp(&entry.name));
        match found {
            Ok(i) => {
                if let Some(slot) = self.index.get_mut(i) {
                    *slot = entry;
                }
            }
            Err(i) if self.count < N => {
                self.index.copy_within(i..self.count, i + 1);
                if let Some(slot) = self.index.get_mut(i) {
                    *slot = entry;
                }
                self.count += 1;
            }
            // Only damaged flash holds more than `put` let in.
            Err(_) => {}
        }
    }

    fn forget(&mut self, name: Name) {
        if let Ok(i) = self.entries().binary_search_by(|e| e.name.cmp(&name)) {
            self.index.copy_within(i + 1..self.count, i);
            self.count -= 1;
        }
    }

    // ---- reading the region

    fn blocks(&self) -> u32 {
        (self.flash.size() / BLOCK).min(MAX_BLOCKS)
    }

    fn load(&mut self) -> Result<(), JournalError> {
        let erase = self.flash.erase_size();
        let usable = erase > 0
            && BLOCK.is_multiple_of(erase)
            && matches!(self.flash.write_size(), 1 | 2 | 4)
            && self.blocks() >= 3;
        if !usable {
            return Err(JournalError::Flash);
        }
        self.count = 0;
        self.tombstone = None;
        (self.free, self.clean) = (0, 0);
        self.active = None;
        self.at = BLOCK;
        (self.block_sequence, self.highest) = (0, 0);
        for block in 0..self.blocks() {
            let header = self.block_header(block)?;
            if let Some(sequence) = block_sequence(&header) {
                self.block_sequence = self.block_sequence.max(sequence);
                let end = self.scan(block)?;
                if end < self.at {
                    (self.active, self.at) = (Some(block), end);
                }
            } else {
                self.free |= 1 << block;
                if !erased(&header) {
                    self.erase(block)?;
                }
            }
        }
        self.apply_tombstone()?;
        // Appending is only safe where nothing was ever written.
        if let Some(block) = self.active
            && !self.is_erased(block * BLOCK + self.at, BLOCK - self.at)?
        {
            self.active = None;
        }
        // A compaction that was cut holds the last free block, empty by now: give it back.
        if self.free == 0 {
            self.compact(BLOCK)?;
        }
        Ok(())
    }

    fn block_header(&self, block: u32) -> Result<[u8; BLOCK_HEADER as usize], JournalError> {
        let mut header = [0; BLOCK_HEADER as usize];
        self.flash.read(block * BLOCK, &mut header)?;
        Ok(header)
    }

    /// Takes in the records of a block; returns the offset behind the last, or `BLOCK` when
    /// nothing can be appended.
    fn scan(&mut self, block: u32) -> Result<u32, JournalError> {
        let mut offset = BLOCK_HEADER;
        while offset + HEADER + FOOTER <= BLOCK {
            let at = block * BLOCK + offset;
            let mut header = [0; HEADER as usize];
            self.flash.read(at, &mut header)?;
            let Some(new) = decode_header(&header) else {
                return Ok(if erased(&header) { offset } else { BLOCK });
            };
            let next = offset + HEADER + padded(new.len) + FOOTER;
            if next > BLOCK {
                return Ok(BLOCK);
            }
            self.highest = self.highest.max(new.sequence);
            let entry = Entry {
                name: new.name,
                sequence: new.sequence,
                at,
                len: new.len,
                flags: new.flags,
            };
            let mut commit = [0; 4];
            self.flash.read(block * BLOCK + next - 4, &mut commit)?;
            match (u32::from_le_bytes(commit), new.kind) {
                (COMMITTED, Kind::Object) => self.take_object(entry)?,
                (COMMITTED, Kind::Tombstone) => self.take_tombstone(entry)?,
                (DEAD, _) => {}
                _ => self.bury(&entry)?,
            }
            offset = next;
        }
        Ok(BLOCK)
    }

    fn take_object(&mut self, entry: Entry) -> Result<(), JournalError> {
        match self.find(entry.name) {
            None => self.insert(entry),
            Some(known) => {
                let (keep, drop) = self.younger(entry, known)?;
                self.insert(keep);
                self.bury(&drop)?;
            }
        }
        Ok(())
    }

    fn take_tombstone(&mut self, entry: Entry) -> Result<(), JournalError> {
        match self.tombstone {
            None => self.tombstone = Some(entry),
            Some(known) => {
                let (keep, drop) = self.younger(entry, known)?;
                self.tombstone = Some(keep);
                self.bury(&drop)?;
            }
        }
        Ok(())
    }

    /// Which of two records counts. Equal numbers are a copy that compaction did not finish: the
    /// one in the older block stays, so that the new block can be given up whole.
    fn younger(&self, a: Entry, b: Entry) -> Result<(Entry, Entry), JournalError> {
        let age = |e: &Entry| -> Result<u32, JournalError> {
            let header = self.block_header(e.at / BLOCK)?;
            Ok(u32::MAX - block_sequence(&header).unwrap_or(u32::MAX))
        };
        let a_wins = match a.sequence.cmp(&b.sequence) {
            core::cmp::Ordering::Equal => age(&a)? > age(&b)?,
            order => order.is_gt(),
        };
        Ok(if a_wins { (a, b) } else { (b, a) })
    }

    /// Finishes a removal that was cut behind its tombstone; drops a tombstone that is no longer
    /// the newest record.
    fn apply_tombstone(&mut self) -> Result<(), JournalError> {
        let Some(tombstone) = self.tombstone else {
            return Ok(());
        };
        if let Some(e) = self.find(tombstone.name)
            && e.sequence < tombstone.sequence
        {
            self.bury(&e)?;
            self.forget(e.name);
        }
        if self
            .entries()
            .iter()
            .any(|e| e.sequence > tombstone.sequence)
        {
            self.tombstone = None;
            self.bury(&tombstone)?;
        }
        Ok(())
    }

    fn is_erased(&self, at: u32, len: u32) -> Result<bool, JournalError> {
        if let Some(mapped) = self.flash.mapped() {
            let range = mapped.get(at as usize..(at + len) as usize);
            return Ok(range.is_some_and(erased));
        }
        let mut buf = [0; CHUNK];
        let mut done = 0;
        while done < len {
            let n = (len - done).min(CHUNK as u32);
            let part = buf.get_mut(..n as usize).ok_or(JournalError::Corrupt)?;
            self.flash.read(at + done, part)?;
            if !erased(part) {
                return Ok(false);
            }
            done += n;
        }
        Ok(true)
    }

    // ---- writing

    /// Takes a record out of use and leaves nothing of its data.
    fn bury(&mut self, e: &Entry) -> Result<(), JournalError> {
        let data = e.at + HEADER;
        let commit = data + padded(e.len) + 4;
        // A torn commit word may already lack some of these bits.
        let mut word = [0; 4];
        self.flash.read(commit, &mut word)?;
        let burying = u32::from_le_bytes(word) & BURYING;
        self.flash.program(commit, &burying.to_le_bytes())?;
        let zeros = [0; CHUNK];
        let mut at = data;
        while at < commit {
            let n = (commit - at).min(CHUNK as u32);
            let part = zeros.get(..n as usize).ok_or(JournalError::Corrupt)?;
            self.flash.program(at, part)?;
            at += n;
        }
        self.flash.program(commit, &DEAD.to_le_bytes())?;
        Ok(())
    }

    /// Offset in the region of `need` bytes in the active block, with `reserve` left behind it
    /// somewhere.
    fn make_room(&mut self, need: u32, reserve: u32) -> Result<u32, JournalError> {
        if need + reserve > BLOCK - BLOCK_HEADER {
            return Err(JournalError::NoSpace);
        }
        for _ in 0..=self.blocks() {
            if let Some(block) = self.active
                && self.at + need <= BLOCK
                && (self.at + need + reserve <= BLOCK || self.free.count_ones() > 1)
            {
                return Ok(block * BLOCK + self.at);
            }
            if self.free.count_ones() > 1 {
                self.open()?;
            } else if !self.compact(need + reserve)? {
                return Err(JournalError::NoSpace);
            }
        }
        Err(JournalError::NoSpace)
    }

    /// Makes a free block the active one.
    fn open(&mut self) -> Result<(), JournalError> {
        let after = self.active.map_or(0, |b| b + 1);
        let blocks = self.blocks();
        // The next one around the region: even wear.
        let block = (0..blocks)
            .map(|i| (after + i) % blocks.max(1))
            .find(|b| self.free & 1 << b != 0)
            .ok_or(JournalError::NoSpace)?;
        if self.clean & 1 << block == 0 {
            self.erase(block)?;
        }
        let sequence = self
            .block_sequence
            .checked_add(1)
            .ok_or(JournalError::Exhausted)?;
        self.flash
            .program(block * BLOCK, &encode_block_header(sequence))?;
        self.block_sequence = sequence;
        self.free &= !(1 << block);
        self.clean &= !(1 << block);
        (self.active, self.at) = (Some(block), BLOCK_HEADER);
        Ok(())
    }

    /// Empties the block with the least live data; `false` when that would not give `wanted`
    /// bytes.
    fn compact(&mut self, wanted: u32) -> Result<bool, JournalError> {
        let mut live = [0u32; MAX_BLOCKS as usize];
        for e in self.entries().iter().chain(&self.tombstone) {
            if let Some(l) = live.get_mut((e.at / BLOCK) as usize) {
                *l += HEADER + padded(e.len) + FOOTER;
            }
        }
        let used = (0..self.blocks()).filter(|b| self.free & 1 << b == 0);
        let Some((victim, size)) = used
            .filter_map(|b| Some((b, *live.get(b as usize)?)))
            .min_by_key(|(_, l)| *l)
        else {
            return Ok(false);
        };
        if size > 0 {
            if self.free == 0 || size + wanted > BLOCK - BLOCK_HEADER {
                return Ok(false);
            }
            self.open()?;
            for i in 0..self.count {
                if let Some(e) = self.index.get(i).copied()
                    && e.at / BLOCK == victim
                {
                    let at = self.copy(&e)?;
                    if let Some(e) = self.index.get_mut(i) {
                        e.at = at;
                    }
                }
            }
            if let Some(e) = self.tombstone
                && e.at / BLOCK == victim
            {
                let at = self.copy(&e)?;
                self.tombstone = Some(Entry { at, ..e });
            }
        }
        if self.active == Some(victim) {
            (self.active, self.at) = (None, BLOCK);
        }
        // First the header: a half-erased block must not look like a block.
        self.flash
            .program(victim * BLOCK, &[0; BLOCK_HEADER as usize])?;
        self.free |= 1 << victim;
        self.erase(victim)?;
        Ok(true)
    }

    /// Copies a record to the active block; returns its new place.
    fn copy(&mut self, e: &Entry) -> Result<u32, JournalError> {
        let block = self.active.ok_or(JournalError::NoSpace)?;
        let to = block * BLOCK + self.at;
        let size = HEADER + padded(e.len) + FOOTER;
        if self.at + size > BLOCK {
            return Err(JournalError::NoSpace);
        }
        self.at += size;
        let mut buf = [0; CHUNK];
        let mut done = 0;
        let body = size - 4;
        while done < body {
            // The header alone first: without it a scan could not skip what follows.
            let most = if done == 0 { HEADER } else { CHUNK as u32 };
            let n = (body - done).min(most);
            let part = buf.get_mut(..n as usize).ok_or(JournalError::Corrupt)?;
            self.flash.read(e.at + done, part)?;
            self.flash.program(to + done, part)?;
            done += n;
        }
        self.flash.program(to + body, &COMMITTED.to_le_bytes())?;
        Ok(to)
    }

    fn erase(&mut self, block: u32) -> Result<(), JournalError> {
        self.flash.erase(block * BLOCK, BLOCK)?;
        self.clean |= 1 << block;
        Ok(())
    }
}

fn padded(len: u16) -> u32 {
    u32::from(len).next_multiple_of(8)
}

fn words<const W: usize, const B: usize>(words: [u32; W]) -> [u8; B] {
    let mut out = [0; B];
    for (to, word) in out.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    out
}

fn encode_block_header(sequence: u32) -> [u8; BLOCK_HEADER as usize] {
    let check = crc32(&words::<2, 8>([BLOCK_MAGIC, sequence]));
    words([BLOCK_MAGIC, sequence, check, 0])
}

fn block_sequence(header: &[u8; BLOCK_HEADER as usize]) -> Option<u32> {
    let [_, _, _, _, a, b, c, d, ..] = *header;
    let sequence = u32::from_le_bytes([a, b, c, d]);
    (*header == encode_block_header(sequence)).then_some(sequence)
}

fn encode_header(new: &New) -> [u8; HEADER as usize] {
    let fields = [
        RECORD_MAGIC | (new.kind as u32) << 24,
        u32::from(new.len),
        u32::from(new.flags),
        new.name.client.cast_unsigned(),
        new.sequence,
        new.name.uid as u32,
        (new.name.uid >> 32) as u32,
    ];
    let check = crc32(&words::<7, 28>(fields));
    let [a, b, c, d, e, f, g] = fields;
    words([a, b, c, d, e, f, g, check])
}

fn decode_header(header: &[u8; HEADER as usize]) -> Option<New> {
    let mut w = [0u32; 8];
    for (word, bytes) in w.iter_mut().zip(header.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let [kind, len, flags, client, sequence, low, high, check] = w;
    let kind = match kind ^ RECORD_MAGIC {
        0x0100_0000 => Kind::Object,
        0x0200_0000 => Kind::Tombstone,
        _ => return None,
    };
    let [checked @ .., _, _, _, _] = header;
    if crc32(checked) != check {
        return None;
    }
    Some(New {
        kind,
        name: Name {
            client: client.cast_signed(),
            uid: u64::from(low) | u64::from(high) << 32,
        },
        sequence,
        len: u16::try_from(len).ok()?,
        flags: u8::try_from(flags).ok()?,
    })
}
