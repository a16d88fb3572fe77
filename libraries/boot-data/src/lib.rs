//! TF-M shared boot data: what the loader tells the secure image.
//!
//! Owns the area of `reference/tfm.md` §F.2: a header (magic 0x2016, total length) and entries
//! (type, length, payload), in the first 0x400 bytes of secure RAM; and the [`ResetRecord`] that a
//! dying secure image leaves for the loader. Does not own who writes what.
//!
//! Invariants: [`BootData::parse`] is total and walks every entry before it returns, so that
//! nothing read later lies outside the area.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod reset_record;
mod writer;

pub use reset_record::{ResetReason, ResetRecord, crc32};
pub use writer::BootDataWriter;

/// `SHARED_DATA_TLV_INFO_MAGIC`.
pub const MAGIC: u16 = 0x2016;
/// Size of the area, bytes.
pub const AREA_SIZE: usize = 0x400;
const HEADER: usize = 4;

/// `TLV_MAJOR_*`.
pub mod major {
    pub const CORE: u8 = 0;
    /// Initial attestation.
    pub const IAS: u8 = 1;
    /// Firmware update.
    pub const FWU: u8 = 2;
    pub const MBS: u8 = 3;
}

/// Module numbers of the minor type. The loader stores image *i* under module *i*.
pub mod module {
    pub const GENERAL: u8 = 0;
    pub const SPE: u8 = 4;
}

/// Claim numbers of the minor type.
pub mod claim {
    pub const SW_VERSION: u8 = 0;
    /// Not TF-M's: the record of the reset before this boot.
    pub const RESET_RECORD: u8 = 0x3E;
    pub const BOOT_RECORD: u8 = 0x3F;
}

/// A type word: major in the top nibble, then module and claim of six bits each.
pub const fn entry_type(major: u8, module: u8, claim: u8) -> u16 {
    ((major as u16) << 12) | ((module as u16 & 0x3F) << 6) | (claim as u16 & 0x3F)
}

/// Why an area cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootDataError {
    /// The magic is not 0x2016.
    BadMagic,
    /// The total length is below the header or beyond the area.
    BadLength,
    /// An entry runs past the total length.
    EntryOutOfBounds,
    /// Writing: the area is full.
    NoSpace,
}

/// Checked view of an area.
#[derive(Debug, Clone, Copy)]
pub struct BootData<'a> {
    entries: &'a [u8],
}

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub kind: u16,
    pub data: &'a [u8],
}

impl<'a> BootData<'a> {
    /// Checks an area.
    ///
    /// # Errors
    /// [`BootDataError::BadMagic`], [`BootDataError::BadLength`],
    /// [`BootDataError::EntryOutOfBounds`].
    pub fn parse(area: &'a [u8]) -> Result<Self, BootDataError> {
        if half(area, 0) != Some(MAGIC) {
            return Err(BootDataError::BadMagic);
        }
        let total = usize::from(half(area, 2).ok_or(BootDataError::BadLength)?);
        if total > AREA_SIZE {
            return Err(BootDataError::BadLength);
        }
        let entries = area.get(HEADER..total).ok_or(BootDataError::BadLength)?;
        let mut rest = entries;
        while !rest.is_empty() {
            (_, rest) = split(rest).ok_or(BootDataError::EntryOutOfBounds)?;
        }
        Ok(BootData { entries })
    }

    /// The entries in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let mut rest = self.entries;
        core::iter::from_fn(move || {
            let (entry, tail) = split(rest)?;
            rest = tail;
            Some(entry)
        })
    }

    /// Data of the first entry of that type (see [`entry_type`]).
    pub fn find(&self, kind: u16) -> Option<&'a [u8]> {
        self.entries().find(|e| e.kind == kind).map(|e| e.data)
    }

    /// The CBOR measurement map of an image (0x103F, 0x107F, …).
    pub fn boot_record(&self, image: u8) -> Option<&'a [u8]> {
        self.find(entry_type(major::IAS, image, claim::BOOT_RECORD))
    }

    /// `image_version` of an image in its 8-byte wire form (0x2000, 0x2040, …).
    pub fn fwu_version(&self, image: u8) -> Option<[u8; 8]> {
        let kind = entry_type(major::FWU, image, claim::SW_VERSION);
        self.find(kind)?.try_into().ok()
    }

    /// Why the device was reset, where the loader found a sound record.
    pub fn reset_record(&self) -> Option<ResetRecord> {
        let kind = entry_type(major::CORE, module::SPE, claim::RESET_RECORD);
        ResetRecord::parse(self.find(kind)?)
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn split(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let kind = half(bytes, 0)?;
    let len = usize::from(half(bytes, 2)?);
    let data = bytes.get(HEADER..HEADER + len)?;
    Some((Entry { kind, data }, bytes.get(HEADER + len..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area() -> [u8; AREA_SIZE] {
        let mut area = [0xA5; AREA_SIZE];
        let mut w = BootDataWriter::new(&mut area).unwrap();
        w.boot_record(0, &[0xA0; 91]).unwrap();
        w.boot_record(1, &[0xA1; 92]).unwrap();
        w.fwu_version(0, &[1, 2, 3, 0, 4, 0, 0, 0]).unwrap();
        w.fwu_version(1, &[2, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        area
    }

    #[test]
    fn type_words_are_tfms() {
        assert_eq!(entry_type(major::IAS, 0, claim::BOOT_RECORD), 0x103F);
        assert_eq!(entry_type(major::IAS, 1, claim::BOOT_RECORD), 0x107F);
        assert_eq!(entry_type(major::FWU, 0, claim::SW_VERSION), 0x2000);
        assert_eq!(entry_type(major::FWU, 1, claim::SW_VERSION), 0x2040);
    }

    #[test]
    fn bytes_are_tfms() {
        let area = area();
        assert_eq!(area[..8], [0x16, 0x20, 219, 0, 0x3F, 0x10, 91, 0]);
        assert_eq!(219, 4 + 4 + 91 + 4 + 92 + 2 * 12);
        // Nothing of the old content is left behind the entries.
        assert!(area[219..].iter().all(|b| *b == 0));
        let data = BootData::parse(&area).unwrap();
        assert_eq!(data.boot_record(1), Some(&[0xA1; 92][..]));
        assert_eq!(data.fwu_version(0), Some([1, 2, 3, 0, 4, 0, 0, 0]));
        assert_eq!(data.fwu_version(2), None);
        let kinds: Vec<u16> = data.entries().map(|e| e.kind).collect();
        assert_eq!(kinds, [0x103F, 0x107F, 0x2000, 0x2040]);
    }

    #[test]
    fn each_rule_has_its_error() {
        let with = |at: usize, bytes: &[u8]| {
            let mut area = area();
            area[at..at + bytes.len()].copy_from_slice(bytes);
            BootData::parse(&area).map(|_| ()).unwrap_err()
        };
        assert_eq!(with(0, &[0]), BootDataError::BadMagic);
        assert_eq!(with(2, &[3, 0]), BootDataError::BadLength);
        assert_eq!(with(2, &[1, 4]), BootDataError::BadLength);
        assert_eq!(with(2, &[218, 0]), BootDataError::EntryOutOfBounds);
        assert_eq!(with(6, &[0xFF]), BootDataError::EntryOutOfBounds);
        let none = BootData::parse(&[]).map(|_| ());
        assert_eq!(none.unwrap_err(), BootDataError::BadMagic);
        // A total beyond what memory there is.
        let short = BootData::parse(&area()[..100]).map(|_| ());
        assert_eq!(short.unwrap_err(), BootDataError::BadLength);
    }

    #[test]
    fn a_full_area_refuses() {
        let mut area = [0; AREA_SIZE];
        let mut w = BootDataWriter::new(&mut area).unwrap();
        w.entry(1, &[7; AREA_SIZE - 8]).unwrap();
        assert_eq!(w.entry(2, &[]), Err(BootDataError::NoSpace));
        assert_eq!(BootData::parse(&area).unwrap().entries().count(), 1);
        assert!(BootDataWriter::new(&mut [0; 3]).is_err());
    }

    #[test]
    fn any_mutation_parses_or_is_refused() {
        let mut random = 0x0BAD_5EED_1234_5678u64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random as usize
        };
        let mut parsed = 0;
        for _ in 0..50_000 {
            let mut area = area();
            for _ in 0..1 + next() % 3 {
                area[next() % 230] = next() as u8;
            }
            if let Ok(data) = BootData::parse(&area[..next() % (AREA_SIZE + 1)]) {
                parsed += 1;
                assert!(data.entries().map(|e| e.data.len() + 4).sum::<usize>() <= AREA_SIZE);
                data.reset_record();
            }
        }
        assert!(parsed > 1_000);
    }
}
