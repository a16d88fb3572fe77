//! The `otp` region: root of trust, life cycle, monotonic counters.
//!
//! Owns what a chip would keep in fuses. It stands for on-die parts: a replayed dump of the other
//! regions never contains it. Does not own who may read the HUK: the loader needs key hashes and
//! image counters only, the SPE the rest.
//!
//! Layout, in erase sectors of the region (≥ 512 bytes each), little endian:
//!
//! | sector | content |
//! |---|---|
//! | 0 | HUK 32 · IAK 32 · secure key hash 32 · non-secure key hash 32 · CRC-32 4 (at 128) · `FUSED` mark 16 (at 144) · `PROVISIONED` mark 16 (at 160) · from 256 to the end of 512, marks of 16 in turn: `ASSEMBLED`, `WIPED`, … |
//! | 1.. | a ring of counter logs |
//!
//! A counter log: header {magic, sequence number, CRC-32, 0} then entries {id, value, CRC-32, 0},
//! 16 bytes each. The log with the highest valid sequence number counts; in it a counter is the
//! highest value of its valid entries. A full log is followed by a fresh one: erase, one entry for
//! each counter above 0, the header last. Invariants: a counter never goes down; after a cut it
//! has its old or its new value.

use crate::crc::crc32;
use crate::word;
use flash::{Flash, FlashError};
use symmetric::sha256::Sha256;
use zeroize::Zeroize;

const CRC_AT: usize = 128;
const FUSED_AT: u32 = 144;
const PROVISIONED_AT: u32 = 160;
const CYCLES_AT: u32 = 256;
const CYCLES_END: u32 = 512;
const FUSED: [u8; 16] = *b"TSOTP fused 0001";
const PROVISIONED: [u8; 16] = *b"TSOTP provis 001";
const ASSEMBLED: [u8; 16] = *b"TSOTP assembly 1";
const WIPED: [u8; 16] = *b"TSOTP wiped 0001";
const LOG_MAGIC: u32 = u32::from_le_bytes(*b"TSNC");
const ENTRY: u32 = 16;

/// How far the device has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Nothing was written, or the first boot was cut before the root of trust stood.
    Blank,
    /// Root of trust stands; objects of the record may be missing.
    Fused,
    /// A record that says so was consumed: the device works, and a wipe makes it [`Self::Fused`]
    /// again, as long as there are marks left.
    Assembly,
    /// The record was consumed; no other will be accepted.
    Provisioned,
}

/// What the factory put in for good.
#[derive(Clone, PartialEq, Eq)]
pub struct RootOfTrust {
    /// Hardware unique key.
    pub huk: [u8; 32],
    /// Initial attestation key, P-256 private scalar, big endian.
    pub iak: [u8; 32],
    /// KEYHASH values of image 0 (secure) and 1 (non-secure).
    pub key_hashes: [[u8; 32]; 2],
}

impl core::fmt::Debug for RootOfTrust {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RootOfTrust").finish_non_exhaustive()
    }
}

impl Drop for RootOfTrust {
    fn drop(&mut self) {
        self.huk.zeroize();
        self.iak.zeroize();
    }
}

impl RootOfTrust {
    /// Identity of the device, 32 bytes; tells nothing about the keys.
    #[must_use]
    pub fn device_id(&self) -> [u8; 32] {
        let mut h = Sha256::new();
        h.update(b"Tockstone device id");
        h.update(&self.huk);
        h.finish()
    }
}

/// Reads the life cycle.
///
/// # Errors
/// [`FlashError`] of the device.
pub fn lifecycle<F: Flash>(flash: &F) -> Result<Lifecycle, FlashError> {
    let mut marks = [0; 32];
    flash.read(FUSED_AT, &mut marks)?;
    Ok(match marks.split_at(16) {
        (f, _) if f != FUSED => Lifecycle::Blank,
        (_, p) if p == PROVISIONED => Lifecycle::Provisioned,
        _ if !cycles(flash)?.is_multiple_of(2) => Lifecycle::Assembly,
        _ => Lifecycle::Fused,
    })
}

/// Marks of the assembly line: how often it was assembled and wiped, together. They are only
/// ever added to, as fuses are; a torn one is not counted and is written again.
///
/// # Errors
/// [`FlashError`] of the device.
pub fn cycles<F: Flash>(flash: &F) -> Result<u32, FlashError> {
    let mut mark = [0; 16];
    let mut count = 0;
    for at in (CYCLES_AT..CYCLES_END).step_by(16) {
        flash.read(at, &mut mark)?;
        if mark != cycle(count) {
            break;
        }
        count += 1;
    }
    Ok(count)
}

fn cycle(count: u32) -> [u8; 16] {
    if count.is_multiple_of(2) {
        ASSEMBLED
    } else {
        WIPED
    }
}

/// Adds the next mark: assembled when the life cycle is [`Lifecycle::Fused`], wiped when it is
/// [`Lifecycle::Assembly`].
///
/// # Errors
/// [`FlashError::NotErased`] in any other; [`FlashError::OutOfBounds`] when the device was wiped
/// so often that no mark is left; [`FlashError`] of the device.
pub fn next_cycle<F: Flash>(flash: &mut F) -> Result<(), FlashError> {
    if !matches!(lifecycle(flash)?, Lifecycle::Fused | Lifecycle::Assembly) {
        return Err(FlashError::NotErased);
    }
    let count = cycles(flash)?;
    let at = CYCLES_AT + 16 * count;
    if at >= CYCLES_END {
        return Err(FlashError::OutOfBounds);
    }
    flash.program(at, &cycle(count))
}

/// Reads the root of trust; `None` while the device is blank, or when its CRC is wrong.
///
/// # Errors
/// [`FlashError`] of the device.
pub fn root_of_trust<F: Flash>(flash: &F) -> Result<Option<RootOfTrust>, FlashError> {
    if lifecycle(flash)? == Lifecycle::Blank {
        return Ok(None);
    }
    let mut body = [0; CRC_AT + 4];
    flash.read(0, &mut body)?;
    let part = |n: usize| -> [u8; 32] {
        let mut out = [0; 32];
        for (o, b) in out.iter_mut().zip(body.iter().skip(32 * n)) {
            *o = *b;
        }
        out
    };
    let root = RootOfTrust {
        huk: part(0),
        iak: part(1),
        key_hashes: [part(2), part(3)],
    };
    let intact = body
        .get(..CRC_AT)
        .is_some_and(|b| crc32(b) == word(&body, CRC_AT));
    body.zeroize();
    Ok(intact.then_some(root))
}

/// Writes the root of trust. Only while the life cycle is blank; a cut one is written again.
///
/// # Errors
/// [`FlashError::NotErased`] unless blank; [`FlashError`] of the device.
pub fn fuse<F: Flash>(flash: &mut F, root: &RootOfTrust) -> Result<(), FlashError> {
    if lifecycle(flash)? != Lifecycle::Blank {
        return Err(FlashError::NotErased);
    }
    flash.erase(0, flash.erase_size())?;
    let mut body = [0xFF; CRC_AT + 16];
    let parts = [&root.huk, &root.iak]
        .into_iter()
        .chain(root.key_hashes.iter());
    for (to, from) in body.chunks_exact_mut(32).zip(parts) {
        to.copy_from_slice(from);
    }
    let crc = body.get(..CRC_AT).map_or(0, crc32);
    if let Some(to) = body.get_mut(CRC_AT..CRC_AT + 4) {
        to.copy_from_slice(&crc.to_le_bytes());
    }
    flash.program(0, &body)?;
    flash.program(FUSED_AT, &FUSED)
}

/// Marks the device provisioned: no record is accepted after this.
///
/// # Errors
/// [`FlashError::NotErased`] while blank; [`FlashError`] of the device.
pub fn set_provisioned<F: Flash>(flash: &mut F) -> Result<(), FlashError> {
    match lifecycle(flash)? {
        Lifecycle::Blank => Err(FlashError::NotErased),
        // Over a torn mark too: programming only clears the bits that are still missing.
        Lifecycle::Fused | Lifecycle::Assembly => flash.program(PROVISIONED_AT, &PROVISIONED),
        Lifecycle::Provisioned => Ok(()),
    }
}

/// The monotonic counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Security counter of image 0 or 1 (MCUboot `SEC_CNT`).
    Image0,
    /// See [`Counter::Image0`].
    Image1,
    /// Protected Storage: generation begun.
    Ps0,
    /// Protected Storage: generation finished.
    Ps1,
    /// Protected Storage: reserved.
    Ps2,
    /// Non-secure counter 0.
    Ns0,
    /// Non-secure counter 1.
    Ns1,
    /// Non-secure counter 2.
    Ns2,
}

impl Counter {
    /// All counters, by id.
    pub const ALL: [Counter; 8] = [
        Counter::Image0,
        Counter::Image1,
        Counter::Ps0,
        Counter::Ps1,
        Counter::Ps2,
        Counter::Ns0,
        Counter::Ns1,
        Counter::Ns2,
    ];

    /// Security counter of MCUboot image `index`.
    #[must_use]
    pub fn image(index: usize) -> Option<Counter> {
        [Counter::Image0, Counter::Image1].get(index).copied()
    }

    /// Non-secure counter `index`.
    #[must_use]
    pub fn non_secure(index: u32) -> Option<Counter> {
        let all = [Counter::Ns0, Counter::Ns1, Counter::Ns2];
        all.get(usize::try_from(index).ok()?).copied()
    }
}

/// The counters as read at mount, and where the next entry goes.
///
/// One owner at a time writes them: the loader first, then the SPE, each after its own mount.
#[derive(Debug)]
pub struct Counters {
    values: [u32; 8],
    /// Sector of the current log; 0 while there is none.
    sector: u32,
    sequence: u32,
    /// Offset of the next entry in the sector.
    at: u32,
    /// A failed write left flash and RAM apart: read again first.
    stale: bool,
}

impl Counters {
    /// Reads the current log.
    ///
    /// # Errors
    /// [`FlashError`] of the device; [`FlashError::OutOfBounds`] when the region is below three
    /// sectors.
    pub fn mount<F: Flash>(flash: &F) -> Result<Self, FlashError> {
        let mut c = Counters {
            values: [0; 8],
            sector: 0,
            sequence: 0,
            at: 0,
            stale: false,
        };
        c.load(flash)?;
        Ok(c)
    }

    /// Value of a counter.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u32 {
        self.values.get(counter as usize).copied().unwrap_or(0)
    }

    /// Raises a counter to `value`; at or below its present value nothing happens.
    ///
    /// # Errors
    /// [`FlashError`] of the device; the counter then has its old or its new value.
    pub fn raise<F: Flash>(
        &mut self,
        flash: &mut F,
        counter: Counter,
        value: u32,
    ) -> Result<(), FlashError> {
        if self.stale {
            self.load(flash)?;
        }
        if value <= self.get(counter) {
            return Ok(());
        }
        self.stale = true;
        if self.sector == 0 || self.at + ENTRY > flash.erase_size() {
            self.next_log(flash)?;
        }
        let at = self.sector * flash.erase_size() + self.at;
        flash.program(at, &entry(counter as u32, value))?;
        self.at += ENTRY;
        if let Some(v) = self.values.get_mut(counter as usize) {
            *v = value;
        }
        self.stale = false;
        Ok(())
    }

    /// Adds one; returns the new value.
    ///
    /// # Errors
    /// [`FlashError`] of the device; [`FlashError::OutOfBounds`] at the end of the range.
    pub fn increment<F: Flash>(
        &mut self,
        flash: &mut F,
        counter: Counter,
    ) -> Result<u32, FlashError> {
        if self.stale {
            self.load(flash)?;
        }
        let value = self
            .get(counter)
            .checked_add(1)
            .ok_or(FlashError::OutOfBounds)?;
        self.raise(flash, counter, value)?;
        Ok(value)
    }

    fn load<F: Flash>(&mut self, flash: &F) -> Result<(), FlashError> {
        let sectors = flash.size() / flash.erase_size().max(1);
        if sectors < 3 || flash.erase_size() < 512 {
            return Err(FlashError::OutOfBounds);
        }
        let mut buf = [0; ENTRY as usize];
        (self.sector, self.sequence) = (0, 0);
        self.values = [0; 8];
        for sector in 1..sectors {
            flash.read(sector * flash.erase_size(), &mut buf)?;
            if let Some((LOG_MAGIC, sequence)) = checked(&buf)
                && sequence > self.sequence
            {
                (self.sector, self.sequence) = (sector, sequence);
            }
        }
        if self.sector != 0 {
            self.at = ENTRY;
            let base = self.sector * flash.erase_size();
            for at in (ENTRY..=flash.erase_size() - ENTRY).step_by(ENTRY as usize) {
                flash.read(base + at, &mut buf)?;
                if flash::erased(&buf) {
                    continue;
                }
                // Behind anything that was ever touched, torn entries included.
                self.at = at + ENTRY;
                if let Some((id, value)) = checked(&buf)
                    && let Some(v) = self.values.get_mut(id as usize)
                {
                    *v = (*v).max(value);
                }
            }
        }
        self.stale = false;
        Ok(())
    }

    /// Starts the next log of the ring with all values, the header last.
    fn next_log<F: Flash>(&mut self, flash: &mut F) -> Result<(), FlashError> {
        let size = flash.erase_size();
        let ring = flash.size() / size - 1;
        let sector = self.sector % ring + 1;
        let base = sector * size;
        flash.erase(base, size)?;
        let mut at = ENTRY;
        for (id, value) in self.values.iter().enumerate().filter(|(_, v)| **v > 0) {
            flash.program(base + at, &entry(id as u32, *value))?;
            at += ENTRY;
        }
        let sequence = self
            .sequence
            .checked_add(1)
            .ok_or(FlashError::OutOfBounds)?;
        flash.program(base, &entry(LOG_MAGIC, sequence))?;
        (self.sector, self.sequence, self.at) = (sector, sequence, at);
        Ok(())
    }
}

/// What services need of the counters, whoever holds the flash.
pub trait NvCounters {
    /// Value of a counter.
    fn get(&self, counter: Counter) -> u32;
    /// Raises a counter to `value`; at or below its present value nothing happens.
    ///
    /// # Errors
    /// [`FlashError`] of the device; the counter then has its old or its new value.
    fn raise(&mut self, counter: Counter, value: u32) -> Result<(), FlashError>;
}

/// The counters together with their flash.
#[derive(Debug)]
pub struct OtpCounters<F> {
    flash: F,
    counters: Counters,
}

impl<F: Flash> OtpCounters<F> {
    /// Mounts the counters of an `otp` region.
    ///
    /// # Errors
    /// As [`Counters::mount`].
    pub fn mount(flash: F) -> Result<Self, FlashError> {
        let counters = Counters::mount(&flash)?;
        Ok(OtpCounters { flash, counters })
    }

    /// The `otp` region.
    pub fn flash(&mut self) -> &mut F {
        &mut self.flash
    }
}

impl<F: Flash> NvCounters for OtpCounters<F> {
    fn get(&self, counter: Counter) -> u32 {
        self.counters.get(counter)
    }

    fn raise(&mut self, counter: Counter, value: u32) -> Result<(), FlashError> {
        self.counters.raise(&mut self.flash, counter, value)
    }
}

/// Shared by services that are never inside one another's calls.
impl<T: NvCounters> NvCounters for &core::cell::RefCell<T> {
    fn get(&self, counter: Counter) -> u32 {
        self.borrow().get(counter)
    }

    fn raise(&mut self, counter: Counter, value: u32) -> Result<(), FlashError> {
        self.try_borrow_mut()
            .map_err(|_| FlashError::Device)?
            .raise(counter, value)
    }
}

fn entry(first: u32, second: u32) -> [u8; ENTRY as usize] {
    let mut out = [0; ENTRY as usize];
    let (a, b) = (first.to_le_bytes(), second.to_le_bytes());
    for (o, v) in out.iter_mut().zip(a.iter().chain(&b)) {
        *o = *v;
    }
    let crc = out.first_chunk::<8>().map_or(0, |head| crc32(head));
    for (o, v) in out.iter_mut().skip(8).zip(crc.to_le_bytes()) {
        *o = v;
    }
    out
}

fn checked(buf: &[u8; ENTRY as usize]) -> Option<(u32, u32)> {
    let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _] = *buf;
    let [_, _, _, _, second @ .., _, _, _, _, _, _, _, _] = *buf;
    let [head @ .., c0, c1, c2, c3, 0, 0, 0, 0] = buf else {
        return None;
    };
    (crc32(head) == u32::from_le_bytes([*c0, *c1, *c2, *c3]))
        .then_some((u32::from_le_bytes(first), u32::from_le_bytes(second)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flash::sim::{Power, SimFlash, Tear};

    fn root(n: u8) -> RootOfTrust {
        RootOfTrust {
            huk: [n; 32],
            iak: [n + 1; 32],
            key_hashes: [[n + 2; 32], [n + 3; 32]],
        }
    }

    fn device(seed: u64) -> SimFlash {
        // Small sectors: the ring turns often.
        SimFlash::on(&Power::new(seed), 5 * 512, 512, 4)
    }

    #[test]
    fn fusing_survives_a_cut_anywhere() {
        for tear in Tear::ALL {
            for cut in 0..6 {
                let mut f = device(cut * 3 + 1);
                f.power().cut_after(cut, tear);
                let done = fuse(&mut f, &root(1)).is_ok() && set_provisioned(&mut f).is_ok();
                f.power().power_on();
                match lifecycle(&f).unwrap() {
                    Lifecycle::Blank => {
                        assert_eq!(root_of_trust(&f).unwrap(), None);
                        // Even another record may follow: nothing was promised yet.
                        fuse(&mut f, &root(7)).unwrap();
                        assert_eq!(root_of_trust(&f).unwrap(), Some(root(7)));
                    }
                    state => {
                        assert_eq!(root_of_trust(&f).unwrap(), Some(root(1)));
                        assert_eq!(fuse(&mut f, &root(9)), Err(FlashError::NotErased));
                        assert_eq!(done, state == Lifecycle::Provisioned);
                    }
                }
                set_provisioned(&mut f).unwrap();
                assert_eq!(lifecycle(&f).unwrap(), Lifecycle::Provisioned);
            }
        }
        let mut f = device(1);
        assert_eq!(set_provisioned(&mut f), Err(FlashError::NotErased));
        fuse(&mut f, &root(1)).unwrap();
        f.data_mut()[40] ^= 1;
        assert_eq!(root_of_trust(&f).unwrap(), None);
    }

    #[test]
    fn counters_are_monotonic_under_cuts() {
        let mut cuts = 0;
        for tear in Tear::ALL {
            for seed in 0..400u64 {
                let mut f = device(seed + 1);
                let mut model = [0u32; 8];
                let mut c = Counters::mount(&f).unwrap();
                for round in 0..60u64 {
                    let id = ((seed * 7 + round * 5) % 8) as usize;
                    let counter = Counter::ALL[id];
                    f.power().cut_after((seed + round) % 17, tear);
                    for step in 1..20 {
                        let wanted = model[id] + step % 3;
                        match c.raise(&mut f, counter, wanted) {
                            Ok(()) => model[id] = wanted,
                            Err(_) => {
                                cuts += 1;
                                f.power().power_on();
                                c = Counters::mount(&f).unwrap();
                                let got = c.get(counter);
                                assert!(got == model[id] || got == wanted);
                                model[id] = got;
                                break;
                            }
                        }
                    }
                    f.power().power_on();
                    let fresh = Counters::mount(&f).unwrap();
                    for (counter, value) in Counter::ALL.iter().zip(model) {
                        assert_eq!(fresh.get(*counter), value);
                    }
                }
            }
        }
        assert!(cuts > 10_000, "{cuts}");
    }

    #[test]
    fn counters_go_on_after_a_failure_without_a_new_mount() {
        let mut f = device(3);
        let mut c = Counters::mount(&f).unwrap();
        for i in 0..2_000u64 {
            let before = c.get(Counter::Ns2);
            if i % 3 == 0 {
                f.power().cut_after(i % 5, Tear::Indeterminate);
            }
            if c.increment(&mut f, Counter::Ns2).is_err() {
                f.power().power_on();
                let now = c.increment(&mut f, Counter::Ns2).unwrap();
                assert!(now == before + 1 || now == before + 2);
            }
            f.power().power_on();
        }
        c.raise(&mut f, Counter::Ns0, u32::MAX).unwrap();
        assert_eq!(
            c.increment(&mut f, Counter::Ns0),
            Err(FlashError::OutOfBounds)
        );
        assert_eq!(c.raise(&mut f, Counter::Ns0, 5), Ok(()));
        assert_eq!(c.get(Counter::Ns0), u32::MAX);
    }

    #[test]
    fn random_content_never_panics() {
        let mut x = 0x1234_5678_9ABC_DEF1u64;
        for _ in 0..300 {
            let mut f = device(1);
            for b in f.data_mut() {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                *b = x as u8;
            }
            assert_eq!(root_of_trust(&f).unwrap(), None);
            let mut c = Counters::mount(&f).unwrap();
            c.raise(&mut f, Counter::Image1, 0x0102_0003).unwrap();
            assert_eq!(
                Counters::mount(&f).unwrap().get(Counter::Image1),
                0x0102_0003
            );
        }
    }
}
