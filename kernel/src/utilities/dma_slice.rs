//! Buffers that DMA hardware has: between making one and taking it back, no Rust reference to the
//! memory is used, and fences order what core and hardware write.

use super::leasable_buffer::{SubSlice, SubSliceMut};
use crate::platform::dma_fence::DmaFence;
use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::{self, NonNull};

/// A buffer that hardware only reads.
#[derive(Debug)]
pub struct DmaSlice<'a, T> {
    slice: &'a [T],
}

impl<'a, T> DmaSlice<'a, T> {
    /// What was written to `slice` is there for hardware that is started after this.
    pub fn from_slice_ref(slice: &'a [T], fence: impl DmaFence) -> DmaSlice<'a, T> {
        fence.release(ptr::from_ref(slice).cast_mut());
        DmaSlice { slice }
    }
    /// Address of the first element.
    pub fn as_ptr(&self) -> *const T {
        self.slice.as_ptr()
    }
    /// Elements.
    pub fn len(&self) -> usize {
        self.slice.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slice.is_empty()
    }
    /// The buffer: hardware does not change it.
    pub fn as_slice_ref(&self) -> &'a [T] {
        self.slice
    }
}

/// A buffer that hardware reads and writes.
#[derive(Debug)]
pub struct DmaSliceMut<'a, T> {
    slice: NonNull<[T]>,
    _borrow: PhantomData<&'a mut [T]>,
}

impl<'a, T> DmaSliceMut<'a, T> {
    /// What was written to `slice` is there for hardware that is started after this.
    ///
    /// # Safety
    /// [`Self::restore_mut_slice_ref`] is called before `'a` ends: the value is neither dropped nor
    /// forgotten.
    pub unsafe fn from_mut_slice_ref(
        slice: &'a mut [T],
        fence: impl DmaFence,
    ) -> DmaSliceMut<'a, T> {
        let slice = NonNull::from(slice);
        fence.release(slice.as_ptr());
        DmaSliceMut {
            slice,
            _borrow: PhantomData,
        }
    }
    /// The same for ever: one that is dropped is lost, and nobody else's.
    pub fn from_static_mut_slice_ref(
        slice: &'static mut [T],
        fence: impl DmaFence,
    ) -> DmaSliceMut<'static, T> {
        // SAFETY: `'static` does not end.
        unsafe { DmaSliceMut::from_mut_slice_ref(slice, fence) }
    }
    /// Address of the first element.
    pub fn as_mut_ptr(&self) -> *mut T {
        self.slice.as_ptr().cast()
    }
    /// Elements.
    pub fn len(&self) -> usize {
        self.slice.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The buffer back, with what hardware wrote.
    ///
    /// # Safety
    /// Hardware is done with it, and every element holds a value of its type.
    pub unsafe fn restore_mut_slice_ref(mut self, fence: impl DmaFence) -> &'a mut [T] {
        fence.acquire(self.slice.as_ptr());
        // SAFETY: made of a unique borrow for `'a`, of which nothing else is left; the caller vouches
        // for hardware and contents.
        unsafe { self.slice.as_mut() }
    }
}

/// A window that hardware only reads.
#[derive(Debug)]
pub struct DmaSubSlice<'a, T> {
    sub_slice: SubSlice<'a, T>,
}

impl<'a, T> DmaSubSlice<'a, T> {
    /// As [`DmaSlice::from_slice_ref`], of the window.
    pub fn from_sub_slice(sub_slice: SubSlice<'a, T>, fence: impl DmaFence) -> DmaSubSlice<'a, T> {
        fence.release(ptr::from_ref(sub_slice.as_slice()).cast_mut());
        DmaSubSlice { sub_slice }
    }
    /// Address of the window's first element.
    pub fn as_ptr(&self) -> *const T {
        self.sub_slice.as_ptr()
    }
    /// Elements in the window.
    pub fn len(&self) -> usize {
        self.sub_slice.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sub_slice.is_empty()
    }
    /// The buffer with its window: hardware does not change it.
    pub fn as_sub_slice(&self) -> SubSlice<'a, T> {
        self.sub_slice
    }
}

/// A window that hardware reads and writes.
#[derive(Debug)]
pub struct DmaSubSliceMut<'a, T> {
    whole: NonNull<[T]>,
    active: Range<usize>,
    _borrow: PhantomData<&'a mut [T]>,
}

impl<'a, T> DmaSubSliceMut<'a, T> {
    /// As [`DmaSliceMut::from_mut_slice_ref`], of the window.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn from_sub_slice_mut(
        sub_slice: SubSliceMut<'a, T>,
        fence: impl DmaFence,
    ) -> DmaSubSliceMut<'a, T> {
        let dma = DmaSubSliceMut {
            active: sub_slice.active_range(),
            whole: NonNull::from(sub_slice.take()),
            _borrow: PhantomData,
        };
        fence.release(dma.window());
        dma
    }
    /// As [`DmaSliceMut::from_static_mut_slice_ref`], of the window.
    pub fn from_static_sub_slice_mut(
        sub_slice: SubSliceMut<'static, T>,
        fence: impl DmaFence,
    ) -> DmaSubSliceMut<'static, T> {
        // SAFETY: `'static` does not end.
        unsafe { DmaSubSliceMut::from_sub_slice_mut(sub_slice, fence) }
    }
    fn window(&self) -> *mut [T] {
        ptr::slice_from_raw_parts_mut(self.as_mut_ptr(), self.len())
    }
    /// Address of the window's first element.
    pub fn as_mut_ptr(&self) -> *mut T {
        let first: *mut T = self.whole.as_ptr().cast();
        first.wrapping_add(self.active.start)
    }
    /// Elements in the window.
    pub fn len(&self) -> usize {
        self.active.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }
    /// The buffer with its window back, with what hardware wrote.
    ///
    /// # Safety
    /// As [`DmaSliceMut::restore_mut_slice_ref`].
    pub unsafe fn restore_sub_slice_mut(mut self, fence: impl DmaFence) -> SubSliceMut<'a, T> {
        fence.acquire(self.window());
        // SAFETY: made of a unique borrow for `'a`, of which nothing else is left; the caller vouches
        // for hardware and contents.
        let mut sub_slice = SubSliceMut::new(unsafe { self.whole.as_mut() });
        sub_slice.slice(self.active);
        sub_slice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::vec::Vec;

    std::thread_local! {
        static LOG: RefCell<Vec<(&'static str, usize, usize)>> = const { RefCell::new(Vec::new()) };
    }

    #[derive(Clone, Copy, Debug)]
    struct Fence;
    impl Fence {
        fn log<T>(what: &'static str, buf: *mut [T]) {
            LOG.with_borrow_mut(|l| l.push((what, buf.cast::<T>().addr(), buf.len())));
        }
    }
    // SAFETY: the test is the hardware, on the same core.
    unsafe impl DmaFence for Fence {
        fn release<T>(self, buf: *mut [T]) {
            Fence::log("release", buf);
        }
        fn acquire<T>(self, buf: *mut [T]) {
            Fence::log("acquire", buf);
        }
    }

    #[test]
    fn hardware_has_the_window_between_two_fences() {
        let mut bytes = [0u8; 8];
        let start = bytes.as_ptr().addr();
        let mut window = SubSliceMut::new(&mut bytes[..]);
        window.slice(2..5);
        // SAFETY: it is restored below.
        let dma = unsafe { DmaSubSliceMut::from_sub_slice_mut(window, Fence) };
        assert_eq!((dma.as_mut_ptr().addr(), dma.len()), (start + 2, 3));
        for i in 0..dma.len() {
            // SAFETY: inside the window, which only this "hardware" has.
            unsafe { dma.as_mut_ptr().add(i).write(7) };
        }
        // SAFETY: the loop is over; bytes hold any value.
        let window = unsafe { dma.restore_sub_slice_mut(Fence) };
        assert_eq!(
            (window.as_slice(), window.active_range()),
            (&[7, 7, 7][..], 2..5)
        );
        assert_eq!(window.take(), &[0, 0, 7, 7, 7, 0, 0, 0]);
        let log = LOG.take();
        assert_eq!(log, [("release", start + 2, 3), ("acquire", start + 2, 3)]);

        let mut read = SubSlice::new(&bytes[..]);
        read.slice(6..);
        let dma = DmaSubSlice::from_sub_slice(read, Fence);
        assert_eq!((dma.as_ptr().addr(), dma.len()), (start + 6, 2));
        assert_eq!(LOG.take(), [("release", start + 6, 2)]);
        assert_eq!(dma.as_sub_slice().take().len(), 8);
    }
}
