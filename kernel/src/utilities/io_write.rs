//! Raw byte output, for panic writers and process printing.

use crate::collections::ring_buffer::RingBuffer;

/// A sink of bytes that never fails for good.
pub trait IoWrite {
    /// Writes all of `buf`; returns how many bytes went out.
    fn write(&mut self, buf: &[u8]) -> usize;
    /// Writes what a ring holds; returns how many bytes went out.
    fn write_ring_buffer(&mut self, buf: &RingBuffer<'_, u8>) -> usize {
        let (old, new) = buf.as_slices();
        let mut total = 0;
        for piece in [old, new].into_iter().flatten() {
            total += self.write(piece);
        }
        total
    }
}
