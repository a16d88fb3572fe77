//! Raw byte output, for panic writers and process printing.

/// A sink of bytes that never fails for good.
pub trait IoWrite {
    /// Writes all of `buf`; returns how many bytes went out.
    fn write(&mut self, buf: &[u8]) -> usize;
}
