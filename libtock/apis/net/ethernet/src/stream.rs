//! The stream of frames in a receive buffer.
//!
//! Owns `StreamingProcessSlice` version 0 (tock.md §4.4) and the chunk header of the Ethernet tap
//! (§5.12), read side only. Total: whatever the bytes, a range returned lies inside the buffer and
//! inside what the header says was written.

use core::ops::Range;

/// Stream header: u16 version, u16 flags (big-endian), u32 bytes written after the header (native).
pub const HEADER_LEN: usize = 8;
/// Chunk header: u16 flags, u16 frame length, u64 time stamp, all native.
pub const CHUNK_HEADER_LEN: usize = 12;

const OFFSET_FIELD: Range<usize> = 4..8;
const LENGTH_FIELD: Range<usize> = 2..4;

/// Makes a buffer empty, as the kernel wants to find it.
pub fn clear(buffer: &mut [u8]) {
    if let Some(header) = buffer.get_mut(..HEADER_LEN) {
        header.fill(0);
    }
}

/// End of what was written, as an index into the buffer.
fn end(buffer: &[u8]) -> Option<usize> {
    let written = buffer.get(OFFSET_FIELD)?.try_into().ok()?;
    let end = HEADER_LEN.checked_add(u32::from_ne_bytes(written) as usize)?;
    (end <= buffer.len()).then_some(end)
}

/// The frame whose chunk starts at `offset` (0 means the first), or `None` at the end of the
/// stream. The next chunk starts where the range ends.
pub fn chunk_at(buffer: &[u8], offset: usize) -> Option<Range<usize>> {
    let end = end(buffer)?;
    let chunk = offset.max(HEADER_LEN);
    let frame = chunk.checked_add(CHUNK_HEADER_LEN)?;
    let header = buffer.get(chunk..frame)?;
    let length = u16::from_ne_bytes(header.get(LENGTH_FIELD)?.try_into().ok()?);
    let stop = frame.checked_add(length.into())?;
    (stop <= end).then_some(frame..stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn build(frames: &[&[u8]]) -> Vec<u8> {
        let mut b = vec![0; HEADER_LEN];
        for f in frames {
            b.extend(0u16.to_ne_bytes());
            b.extend((f.len() as u16).to_ne_bytes());
            b.extend(0u64.to_ne_bytes());
            b.extend(*f);
        }
        let written = (b.len() - HEADER_LEN) as u32;
        b[4..8].copy_from_slice(&written.to_ne_bytes());
        b.extend([0xEE; 40]);
        b
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let frames: [&[u8]; 3] = [b"first", b"", b"the third"];
        let b = build(&frames);
        let (mut offset, mut out) = (0, Vec::new());
        while let Some(r) = chunk_at(&b, offset) {
            offset = r.end;
            out.push(&b[r]);
        }
        assert_eq!(out, frames);
    }

    #[test]
    fn no_bytes_make_it_leave_the_buffer() {
        let mut x = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x
        };
        for _ in 0..20_000 {
            let mut b = build(&[b"abcdef", b"0123456789"]);
            for _ in 0..next() % 6 {
                let i = next() as usize % 40.min(b.len());
                b[i] = next() as u8;
            }
            b.truncate(next() as usize % (b.len() + 1));
            let mut offset = 0;
            while let Some(r) = chunk_at(&b, offset) {
                assert!(r.end > offset && r.end <= b.len());
                offset = r.end;
            }
        }
    }
}
