//! Output in pieces: a sink that takes what it has room for, and what goes on where it stopped.

use core::fmt;

/// A sink of bytes that may be full.
pub trait BinaryWrite {
    /// Takes as many of `buffer`'s bytes as fit; returns how many.
    ///
    /// # Errors
    /// When it takes none for another reason.
    #[allow(clippy::result_unit_err)]
    fn write_buffer(&mut self, buffer: &[u8]) -> Result<usize, ()>;
}

/// Text for a [`BinaryWrite`]: leaves out what went before, and stops when the sink is full.
///
/// The same text is written again in each call, so it must not change between two.
pub struct WriteToBinaryOffsetWrapper<'a> {
    writer: &'a mut dyn BinaryWrite,
    /// Bytes of the text that were seen.
    index: usize,
    /// Bytes of it that are written already.
    offset: usize,
    bytes_remaining: bool,
}

impl<'a> WriteToBinaryOffsetWrapper<'a> {
    /// From the text's start.
    pub fn new(writer: &'a mut dyn BinaryWrite) -> Self {
        WriteToBinaryOffsetWrapper {
            writer,
            index: 0,
            offset: 0,
            bytes_remaining: false,
        }
    }

    /// Leaves the first `offset` bytes out.
    pub fn set_offset(&mut self, offset: usize) {
        self.offset = offset;
    }

    /// Where to go on: bytes of the text that are written.
    pub fn get_index(&self) -> usize {
        self.index
    }

    /// Whether some did not fit.
    pub fn bytes_remaining(&self) -> bool {
        self.bytes_remaining
    }
}

impl fmt::Write for WriteToBinaryOffsetWrapper<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        if self.bytes_remaining {
            // Full: the rest comes in the next call.
            return Err(fmt::Error);
        }
        let bytes = s.as_bytes();
        let skipped = self.offset.saturating_sub(self.index).min(bytes.len());
        let new = bytes.get(skipped..).unwrap_or_default();
        self.index += skipped;
        if new.is_empty() {
            return Ok(());
        }
        let written = self.writer.write_buffer(new).map_err(|()| fmt::Error)?;
        self.index += written.min(new.len());
        if written < new.len() {
            self.bytes_remaining = true;
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// A writer of text as a sink of bytes: what is no UTF-8 is left out.
pub struct BinaryToWriteWrapper<'a> {
    writer: &'a mut dyn fmt::Write,
}

impl<'a> BinaryToWriteWrapper<'a> {
    /// To this writer.
    pub fn new(writer: &'a mut dyn fmt::Write) -> Self {
        BinaryToWriteWrapper { writer }
    }
}

impl BinaryWrite for BinaryToWriteWrapper<'_> {
    fn write_buffer(&mut self, buffer: &[u8]) -> Result<usize, ()> {
        for piece in buffer.utf8_chunks() {
            self.writer.write_str(piece.valid()).map_err(|_| ())?;
        }
        Ok(buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    struct Piece(Vec<u8>, usize);
    impl BinaryWrite for Piece {
        fn write_buffer(&mut self, buffer: &[u8]) -> Result<usize, ()> {
            let n = buffer.len().min(self.1 - self.0.len());
            self.0.extend(&buffer[..n]);
            Ok(n)
        }
    }

    #[test]
    fn pieces_of_any_size_make_the_same_text() {
        for size in 1..40 {
            let (mut all, mut offset, mut pieces) = (Vec::new(), 0, 0);
            loop {
                let mut piece = Piece(Vec::new(), size);
                let mut w = WriteToBinaryOffsetWrapper::new(&mut piece);
                w.set_offset(offset);
                let _ = w
                    .write_str("alpha ")
                    .and_then(|()| w.write_str("beta"))
                    .and_then(|()| writeln!(w, " {}", 12345));
                let more = w.bytes_remaining();
                offset = w.get_index();
                all.extend(piece.0);
                pieces += 1;
                if !more {
                    break;
                }
            }
            assert_eq!(all, b"alpha beta 12345\n", "{size}");
            assert_eq!(pieces, 17usize.div_ceil(size).max(1), "{size}");
        }
    }
}
