//! A buffer as memory that need not be initialised, for what is built in one.

use core::mem::MaybeUninit;

/// The same memory. For ever: whoever gets it may leave it uninitialised, so nobody may go on to read
/// it as `T`.
pub fn mut_slice_as_maybeuninit<T>(buffer: &'static mut [T]) -> &'static mut [MaybeUninit<T>] {
    let len = buffer.len();
    // SAFETY: `MaybeUninit<T>` has `T`'s layout, and the only reference to the memory ends here.
    unsafe { core::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), len) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collections::queue::Queue;
    use crate::collections::ring_buffer::RingBuffer;

    #[test]
    fn a_board_s_buffer_becomes_a_ring() {
        let buffer: &'static mut [u16; 4] = std::boxed::Box::leak(std::boxed::Box::new([7; 4]));
        let mut ring = RingBuffer::new(mut_slice_as_maybeuninit(buffer));
        assert!(!ring.has_elements());
        assert_eq!(
            [1, 2, 3, 4].map(|n| ring.enqueue(n)),
            [true, true, true, false]
        );
        assert_eq!(ring.as_slices(), (Some(&[1, 2, 3][..]), None));
    }
}
