//! Buffers of which a window is passed on, and the whole of which comes back.
//!
//! Slicing is relative to the window; a range outside it is clamped, since a panic in the kernel
//! is worse than a short transfer that its length check finds.

use core::ops::{Bound, Index, IndexMut, Range, RangeBounds};
use core::slice::SliceIndex;

fn narrow(active: &Range<usize>, range: impl RangeBounds<usize>) -> Range<usize> {
    let len = active.end - active.start;
    let start = match range.start_bound() {
        Bound::Included(s) => *s,
        Bound::Excluded(s) => s.saturating_add(1),
        Bound::Unbounded => 0,
    }
    .min(len);
    let end = match range.end_bound() {
        Bound::Included(e) => e.saturating_add(1),
        Bound::Excluded(e) => *e,
        Bound::Unbounded => len,
    }
    .clamp(start, len);
    active.start + start..active.start + end
}

/// A window of an immutable buffer.
#[derive(Debug, PartialEq)]
pub struct SubSlice<'a, T> {
    internal: &'a [T],
    start: usize,
    end: usize,
}

// Whatever the elements are: it is a reference and two numbers.
impl<T> Clone for SubSlice<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for SubSlice<'_, T> {}

impl<'a, T> From<&'a [T]> for SubSlice<'a, T> {
    fn from(internal: &'a [T]) -> Self {
        Self::new(internal)
    }
}

impl<'a, T> SubSlice<'a, T> {
    /// The whole buffer.
    pub fn new(buffer: &'a [T]) -> Self {
        SubSlice {
            internal: buffer,
            start: 0,
            end: buffer.len(),
        }
    }
    /// The whole buffer back.
    pub fn take(&self) -> &'a [T] {
        self.internal
    }
    /// Widens the window to the whole buffer.
    pub fn reset(&mut self) {
        self.start = 0;
        self.end = self.internal.len();
    }
    /// Elements in the window.
    pub fn len(&self) -> usize {
        self.end - self.start
    }
    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Address of the window's first element.
    pub fn as_ptr(&self) -> *const T {
        self.as_slice().as_ptr()
    }
    /// Whether the window is less than the buffer.
    pub fn is_sliced(&self) -> bool {
        self.len() != self.internal.len()
    }
    /// The window, as a range of the buffer.
    pub fn active_range(&self) -> Range<usize> {
        self.start..self.end
    }
    /// The window's elements.
    pub fn as_slice(&self) -> &'a [T] {
        self.internal.get(self.start..self.end).unwrap_or(&[])
    }
    /// Narrows the window.
    pub fn slice<R: RangeBounds<usize>>(&mut self, range: R) {
        let r = narrow(&self.active_range(), range);
        self.start = r.start;
        self.end = r.end;
    }
}

impl<T, I: SliceIndex<[T]>> Index<I> for SubSlice<'_, T> {
    type Output = <I as SliceIndex<[T]>>::Output;
    fn index(&self, idx: I) -> &Self::Output {
        &self.as_slice()[idx]
    }
}

/// A window of a mutable buffer.
#[derive(Debug, PartialEq)]
pub struct SubSliceMut<'a, T> {
    internal: &'a mut [T],
    active: Range<usize>,
}

impl<'a, T> From<&'a mut [T]> for SubSliceMut<'a, T> {
    fn from(internal: &'a mut [T]) -> Self {
        Self::new(internal)
    }
}

impl<'a, T> SubSliceMut<'a, T> {
    /// The whole buffer.
    pub fn new(buffer: &'a mut [T]) -> Self {
        let active = 0..buffer.len();
        SubSliceMut {
            internal: buffer,
            active,
        }
    }
    /// The whole buffer back.
    pub fn take(self) -> &'a mut [T] {
        self.internal
    }
    /// Widens the window to the whole buffer.
    pub fn reset(&mut self) {
        self.active = 0..self.internal.len();
    }
    /// Elements in the window.
    pub fn len(&self) -> usize {
        self.active.end - self.active.start
    }
    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Address of the window's first element.
    pub fn as_ptr(&self) -> *const T {
        self.as_slice().as_ptr()
    }
    /// Whether the window is less than the buffer.
    pub fn is_sliced(&self) -> bool {
        self.len() != self.internal.len()
    }
    /// The window, as a range of the buffer.
    pub fn active_range(&self) -> Range<usize> {
        self.active.clone()
    }
    /// The window's elements.
    pub fn as_slice(&self) -> &[T] {
        self.internal.get(self.active.clone()).unwrap_or(&[])
    }
    /// The window's elements.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.internal
            .get_mut(self.active.clone())
            .unwrap_or(&mut [])
    }
    /// Narrows the window.
    pub fn slice<R: RangeBounds<usize>>(&mut self, range: R) {
        self.active = narrow(&self.active, range);
    }
}

impl<T, I: SliceIndex<[T]>> Index<I> for SubSliceMut<'_, T> {
    type Output = <I as SliceIndex<[T]>>::Output;
    fn index(&self, idx: I) -> &Self::Output {
        &self.as_slice()[idx]
    }
}

impl<T, I: SliceIndex<[T]>> IndexMut<I> for SubSliceMut<'_, T> {
    fn index_mut(&mut self, idx: I) -> &mut Self::Output {
        &mut self.as_mut_slice()[idx]
    }
}

/// A window of either kind of buffer.
pub enum SubSliceMutImmut<'a, T> {
    /// Of an immutable one.
    Immutable(SubSlice<'a, T>),
    /// Of a mutable one.
    Mutable(SubSliceMut<'a, T>),
}

impl<'a, T> From<&'a [T]> for SubSliceMutImmut<'a, T> {
    fn from(value: &'a [T]) -> Self {
        Self::Immutable(SubSlice::new(value))
    }
}

impl<'a, T> From<&'a mut [T]> for SubSliceMutImmut<'a, T> {
    fn from(value: &'a mut [T]) -> Self {
        Self::Mutable(SubSliceMut::new(value))
    }
}

impl<'a, T> From<SubSlice<'a, T>> for SubSliceMutImmut<'a, T> {
    fn from(value: SubSlice<'a, T>) -> Self {
        Self::Immutable(value)
    }
}

impl<'a, T> From<SubSliceMut<'a, T>> for SubSliceMutImmut<'a, T> {
    fn from(value: SubSliceMut<'a, T>) -> Self {
        Self::Mutable(value)
    }
}

impl<T, I: SliceIndex<[T]>> Index<I> for SubSliceMutImmut<'_, T> {
    type Output = <I as SliceIndex<[T]>>::Output;
    fn index(&self, idx: I) -> &Self::Output {
        match self {
            Self::Immutable(b) => &b[idx],
            Self::Mutable(b) => &b[idx],
        }
    }
}

impl<T> SubSliceMutImmut<'_, T> {
    /// Widens the window.
    pub fn reset(&mut self) {
        match self {
            Self::Immutable(b) => b.reset(),
            Self::Mutable(b) => b.reset(),
        }
    }
    /// Elements in the window.
    pub fn len(&self) -> usize {
        match self {
            Self::Immutable(b) => b.len(),
            Self::Mutable(b) => b.len(),
        }
    }
    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Narrows the window.
    pub fn slice<R: RangeBounds<usize>>(&mut self, range: R) {
        match self {
            Self::Immutable(b) => b.slice(range),
            Self::Mutable(b) => b.slice(range),
        }
    }
    /// Address of the window's first element.
    pub fn as_ptr(&self) -> *const T {
        match self {
            Self::Immutable(b) => b.as_ptr(),
            Self::Mutable(b) => b.as_ptr(),
        }
    }
    /// Calls `f` when the buffer is mutable.
    pub fn map_mut(&mut self, f: impl FnOnce(&mut SubSliceMut<'_, T>))
    where
        T: 'static,
    {
        if let Self::Mutable(b) = self {
            // The window is lent through a reborrow, so that it comes back as `f` left it.
            let mut inner = SubSliceMut {
                internal: &mut *b.internal,
                active: b.active.clone(),
            };
            f(&mut inner);
            b.active = inner.active.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_nest_and_reset() {
        let data: [u8; 10] = core::array::from_fn(|i| i as u8);
        let mut s = SubSlice::new(&data);
        s.slice(2..8);
        s.slice(1..=2);
        assert_eq!(s.as_slice(), &[3, 4]);
        s.slice(5..9);
        assert!(s.is_empty());
        s.reset();
        assert_eq!(s.len(), 10);
    }
}
