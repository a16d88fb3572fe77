//! A read-write buffer used as a stream that the kernel fills (version 0).
//!
//! Header, 8 bytes: u16 version 0 and u16 flags, big-endian; u32 write offset, native. Payload from
//! byte 8. The process consumes by swapping in a fresh buffer with a zero header.

use crate::ErrorCode;
use crate::processbuffer::WriteableProcessSlice;

const HEADER: usize = 8;
/// Chunks were dropped because they did not fit.
const FLAG_EXCEEDED: u16 = 1;
/// Stop appending after the first drop.
const FLAG_HALT: u16 = 2;

/// Such a buffer.
#[repr(transparent)]
pub struct StreamingProcessSlice<'a> {
    slice: &'a WriteableProcessSlice,
}

impl<'a> StreamingProcessSlice<'a> {
    /// Over a shared buffer.
    pub fn new(slice: &'a WriteableProcessSlice) -> Self {
        StreamingProcessSlice { slice }
    }

    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], ErrorCode> {
        let mut out = [0; N];
        self.slice
            .get(at..at + N)
            .ok_or(ErrorCode::SIZE)?
            .copy_to_slice_or_err(&mut out)?;
        Ok(out)
    }

    /// Flags and offset of a buffer that may be appended to.
    fn begin(&self) -> Result<(u16, u32), ErrorCode> {
        let version = u16::from_be_bytes(self.bytes(0)?);
        let flags = u16::from_be_bytes(self.bytes(2)?);
        let offset = u32::from_ne_bytes(self.bytes(4)?);
        if version != 0 || flags & !(FLAG_EXCEEDED | FLAG_HALT) != 0 {
            return Err(ErrorCode::INVAL);
        }
        if flags == FLAG_EXCEEDED | FLAG_HALT {
            return Err(ErrorCode::BUSY);
        }
        Ok((flags, offset))
    }

    /// A chunk was dropped.
    fn exceeded<T>(&self, flags: u16) -> Result<T, ErrorCode> {
        if let Some(f) = self.slice.get(2..4) {
            f.copy_from_slice_or_err(&(flags | FLAG_EXCEEDED).to_be_bytes())?;
        }
        Err(ErrorCode::SIZE)
    }

    /// A chunk was written.
    fn appended(&self, offset: u32, new: u32) -> Result<(bool, u32), ErrorCode> {
        if let Some(o) = self.slice.get(4..8) {
            o.copy_from_slice_or_err(&new.to_ne_bytes())?;
        }
        Ok((offset == 0 && new != 0, new))
    }

    /// Appends a chunk; tells whether it is the buffer's first, and the new offset. One that does not
    /// fit leaves the payload as it was.
    ///
    /// # Errors
    /// `SIZE` no room (the exceeded flag is set), `INVAL` unknown version or flags, `BUSY` halted,
    /// `FAIL` the offset overflows.
    pub fn append_chunk(&self, chunk: &[u8]) -> Result<(bool, u32), ErrorCode> {
        let (flags, offset) = self.begin()?;
        let len = u32::try_from(chunk.len()).map_err(|_| ErrorCode::FAIL)?;
        let new = offset.checked_add(len).ok_or(ErrorCode::FAIL)?;
        let start = HEADER.checked_add(offset as usize).ok_or(ErrorCode::FAIL)?;
        let end = HEADER.checked_add(new as usize).ok_or(ErrorCode::FAIL)?;
        match self.slice.get(start..end) {
            Some(room) => room.copy_from_slice_or_err(chunk)?,
            None if chunk.is_empty() => {}
            None => return self.exceeded(flags),
        }
        self.appended(offset, new)
    }

    /// As [`Self::append_chunk`], but a chunk that does not fit is written behind the offset as far
    /// as it does.
    ///
    /// # Errors
    /// As [`Self::append_chunk`].
    pub fn append_chunk_from_iter<I: IntoIterator<Item = u8>>(
        &self,
        src: I,
    ) -> Result<(bool, u32), ErrorCode> {
        let (flags, offset) = self.begin()?;
        let mut end = HEADER.checked_add(offset as usize).ok_or(ErrorCode::FAIL)?;
        for byte in src {
            match self.slice.get(end) {
                Some(cell) => cell.set(byte),
                None => return self.exceeded(flags),
            }
            end = end.checked_add(1).ok_or(ErrorCode::FAIL)?;
        }
        let new = u32::try_from(end - HEADER).map_err(|_| ErrorCode::FAIL)?;
        self.appended(offset, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_order_and_flags_what_does_not_fit() {
        let mut buf = [0u8; 16];
        let s = StreamingProcessSlice::new((&mut buf[..]).into());
        assert_eq!(s.append_chunk(&[1, 2, 3]), Ok((true, 3)));
        assert_eq!(s.append_chunk(&[4]), Ok((false, 4)));
        assert_eq!(s.append_chunk(&[9; 5]), Err(ErrorCode::SIZE));
        assert_eq!(&buf[8..], &[1, 2, 3, 4, 0, 0, 0, 0]);
        let s = StreamingProcessSlice::new((&mut buf[..]).into());
        assert_eq!(s.append_chunk(&[5, 6]), Ok((false, 6)));
        assert_eq!(s.append_chunk_from_iter([7, 8]), Ok((false, 8)));
        assert_eq!(s.append_chunk(&[]), Ok((false, 8)));
        assert_eq!(s.append_chunk_from_iter([9]), Err(ErrorCode::SIZE));
        assert_eq!(&buf[..4], &[0, 0, 0, 1]);
        assert_eq!(&buf[8..], &[1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn refuses_headers_it_does_not_know() {
        for (head, want) in [
            ([0, 1, 0, 0], ErrorCode::INVAL),
            ([0, 0, 0, 4], ErrorCode::INVAL),
            ([0, 0, 0, 3], ErrorCode::BUSY),
        ] {
            let mut buf = [0u8; 16];
            buf[..4].copy_from_slice(&head);
            let before = buf;
            let s = StreamingProcessSlice::new((&mut buf[..]).into());
            assert_eq!(s.append_chunk(&[1]), Err(want));
            assert_eq!(buf, before);
        }
        let mut short = [0u8; 7];
        let s = StreamingProcessSlice::new((&mut short[..]).into());
        assert_eq!(s.append_chunk(&[1]), Err(ErrorCode::SIZE));
        let mut far = [0u8; 16];
        far[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        let s = StreamingProcessSlice::new((&mut far[..]).into());
        assert_eq!(s.append_chunk(&[1]), Err(ErrorCode::FAIL));
        assert_eq!(s.append_chunk_from_iter([1]), Err(ErrorCode::SIZE));
    }
}
