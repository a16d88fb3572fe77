//! The list of TBF objects that host tools walk: each begins where the one before ends.
//!
//! Owns what lies where in application flash, and which padding keeps the list whole. Works on bytes,
//! writes none. Positions are offsets into the area; everything is total on any bytes.

use tock_tbf::parse::{BASE_HEADER, padding_header, parse_tbf_header, parse_tbf_header_lengths};
use tock_tbf::types::TbfHeader;

/// Offset of the checksum word in a header.
pub(super) const CHECKSUM: usize = 12;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An application with a good header.
    App,
    /// Padding with a good header.
    Padding,
    /// Says how long it is, but its header is not good: skipped by tools and kernel alike.
    Broken,
}

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub start: usize,
    pub len: usize,
    pub kind: Kind,
}

impl Object {
    pub fn end(&self) -> usize {
        self.start.saturating_add(self.len)
    }
}

/// The object at `start`, if its length can be believed.
pub(super) fn object_at(flash: &'static [u8], start: usize) -> Option<Object> {
    let rest = flash.get(start..)?;
    let (_, _, total) = parse_tbf_header_lengths(rest.first_chunk::<8>()?).ok()?;
    let len = total as usize;
    rest.get(..len)?;
    let kind = match header_at(flash, start) {
        Some(TbfHeader::App(_)) => Kind::App,
        Some(TbfHeader::Padding { .. }) => Kind::Padding,
        None => Kind::Broken,
    };
    Some(Object { start, len, kind })
}

/// The good header at `start`.
pub(super) fn header_at(flash: &'static [u8], start: usize) -> Option<TbfHeader<'static>> {
    let rest = flash.get(start..)?;
    let (version, header, _) = parse_tbf_header_lengths(rest.first_chunk::<8>()?).ok()?;
    parse_tbf_header(rest.get(..usize::from(header))?, version).ok()
}

/// Every object in order: the list, and behind a hole the next row that has a good header.
pub(super) fn objects(flash: &'static [u8], stride: usize) -> impl Iterator<Item = Object> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let found = object_at(flash, at).or_else(|| behind_hole(flash, at, stride));
        at = found.map_or(flash.len(), |o| o.end());
        found
    })
}

fn behind_hole(flash: &'static [u8], hole: usize, stride: usize) -> Option<Object> {
    if stride == 0 {
        return None;
    }
    let mut row = hole.checked_add(1)?.checked_next_multiple_of(stride)?;
    while row < flash.len() {
        match object_at(flash, row) {
            Some(o) if o.kind != Kind::Broken => return Some(o),
            _ => row = row.checked_add(stride)?,
        }
    }
    None
}

/// A stretch that belongs to no object, with an object behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub start: usize,
    pub end: usize,
}

/// The first hole at or behind `from`.
pub(super) fn hole(flash: &'static [u8], stride: usize, from: usize) -> Option<Hole> {
    let mut end = 0;
    for o in objects(flash, stride) {
        if o.start > end && end >= from {
            return Some(Hole {
                start: end,
                end: o.start,
            });
        }
        end = o.end();
    }
    None
}

/// Header of a padding object of `len` bytes.
pub(super) fn padding(len: usize) -> [u8; BASE_HEADER] {
    padding_header(len as u32)
}

/// Whether all is erased.
pub(super) fn blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn leak(bytes: Vec<u8>) -> &'static [u8] {
        bytes.leak()
    }

    #[test]
    fn objects_are_found_past_holes_and_holes_are_named() {
        let mut f = std::vec![0xFF; 0x2000];
        let mut put = |at: usize, len: usize| f[at..at + 16].copy_from_slice(&padding(len));
        put(0, 0x200);
        put(0x200, 0x300);
        put(0x800, 0x400);
        put(0x1400, 0x400);
        let f = leak(f);
        let starts: Vec<usize> = objects(f, 0x400).map(|o| o.start).collect();
        assert_eq!(starts, [0, 0x200, 0x800, 0x1400]);
        let first = hole(f, 0x400, 0).unwrap();
        assert_eq!((first.start, first.end), (0x500, 0x800));
        let second = hole(f, 0x400, 0x800).unwrap();
        assert_eq!((second.start, second.end), (0xC00, 0x1400));
        assert_eq!(hole(f, 0x400, 0x1400), None);
        assert_eq!(hole(f, 0, 0), None, "without rows a hole ends the list");
    }

    #[test]
    fn a_bad_checksum_keeps_its_place_in_the_list_only() {
        let mut f = std::vec![0xFF; 0x1000];
        f[..16].copy_from_slice(&padding(0x400));
        f[12] ^= 1;
        f[0x400..0x410].copy_from_slice(&padding(0x400));
        let broken = leak(f.clone());
        let kinds: Vec<Kind> = objects(broken, 0x400).map(|o| o.kind).collect();
        assert_eq!(kinds, [Kind::Broken, Kind::Padding]);
        // Behind a hole only a good header counts.
        f.copy_within(..0x10, 0xC00);
        assert_eq!(objects(leak(f), 0x400).count(), 2);
    }

    #[test]
    fn any_bytes_end() {
        let mut x = 0x2545_F491_4F6C_DD1Du64;
        for _ in 0..2_000 {
            let mut f = std::vec![0xFF; 0x1000];
            for at in (0..f.len()).step_by(0x100) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                let len = (x as u32) >> (x >> 59);
                f[at..at + 16].copy_from_slice(&padding(len as usize));
                f[at + (x >> 20) as usize % 16] ^= (x >> 30) as u8 & (x >> 40) as u8;
            }
            let f = leak(f);
            let mut end = 0;
            for o in objects(f, 0x100) {
                assert!(o.start >= end && o.end() > o.start && o.end() <= f.len());
                end = o.end();
            }
            let mut from = 0;
            while let Some(h) = hole(f, 0x100, from) {
                assert!(h.start >= from && h.end > h.start);
                from = h.end;
            }
        }
    }
}
