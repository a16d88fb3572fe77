//! A queue over a borrowed slice, of which it holds one element less than fits.
//!
//! Invariant: the `len` slots from `head` on, around the end, hold elements; no other slot is read.

use super::queue::Queue;
use core::mem::MaybeUninit;

/// Ring of `Copy` elements in memory that its owner lends.
pub struct RingBuffer<'a, T: 'a> {
    ring: &'a mut [MaybeUninit<T>],
    head: usize,
    len: usize,
}

impl<'a, T: Copy> RingBuffer<'a, T> {
    /// An empty ring of one element less than the slice has: users count on upstream's ring, whose
    /// last slot stays free.
    pub fn new(ring: &'a mut [MaybeUninit<T>]) -> RingBuffer<'a, T> {
        let (ring, _) = ring.split_at_mut(ring.len().saturating_sub(1));
        Self::of_all(ring)
    }

    /// An empty ring that uses every slot.
    pub(crate) fn of_all(ring: &'a mut [MaybeUninit<T>]) -> RingBuffer<'a, T> {
        RingBuffer {
            ring,
            head: 0,
            len: 0,
        }
    }

    /// How many more elements fit.
    pub fn available_len(&self) -> usize {
        self.ring.len() - self.len
    }

    #[inline(always)]
    fn slot(&self, i: usize) -> usize {
        let at = self.head + i;
        if at >= self.ring.len() {
            at - self.ring.len()
        } else {
            at
        }
    }

    /// The `i`-th oldest.
    #[inline(always)]
    pub fn get(&self, i: usize) -> Option<&T> {
        if i >= self.len {
            return None;
        }
        let slot = self.ring.get(self.slot(i))?;
        // SAFETY: the `i`-th slot from `head`, of which the invariant says that it holds an element.
        Some(unsafe { slot.assume_init_ref() })
    }

    /// Slots that all hold elements.
    ///
    /// # Safety
    /// All of `slots` lie among the `len` slots from `head` on.
    unsafe fn elements(&self, slots: core::ops::Range<usize>) -> Option<&[T]> {
        let slots = self.ring.get(slots)?;
        // SAFETY: `MaybeUninit<T>` has `T`'s layout, and by this function's contract and the
        // invariant each of these holds a `T`.
        Some(unsafe { core::slice::from_raw_parts(slots.as_ptr().cast(), slots.len()) })
    }

    /// The elements, oldest first, in at most two pieces.
    pub fn as_slices(&self) -> (Option<&[T]>, Option<&[T]>) {
        if self.len == 0 {
            return (None, None);
        }
        let end = self.head + self.len;
        // SAFETY: from `head` on, `len` slots in all, those behind the end being the first ones.
        unsafe {
            match end.checked_sub(self.ring.len()) {
                None | Some(0) => (self.elements(self.head..end), None),
                Some(rest) => (
                    self.elements(self.head..self.ring.len()),
                    self.elements(0..rest),
                ),
            }
        }
    }

    /// From oldest to newest.
    pub fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        (0..self.len).filter_map(|i| self.get(i))
    }
}

impl<T: Copy> Queue<T> for RingBuffer<'_, T> {
    #[inline(always)]
    fn has_elements(&self) -> bool {
        self.len != 0
    }
    #[inline(always)]
    fn is_full(&self) -> bool {
        self.len == self.ring.len()
    }
    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn enqueue(&mut self, val: T) -> bool {
        if self.is_full() {
            return false;
        }
        let at = self.slot(self.len);
        match self.ring.get_mut(at) {
            Some(s) => {
                s.write(val);
                self.len += 1;
                true
            }
            None => false,
        }
    }
    fn push(&mut self, val: T) -> Option<T> {
        let old = if self.is_full() { self.dequeue() } else { None };
        self.enqueue(val);
        old
    }
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn dequeue(&mut self) -> Option<T> {
        let val = *self.get(0)?;
        self.head = self.slot(1);
        self.len -= 1;
        Some(val)
    }
    fn remove_first_matching<F: Fn(&T) -> bool>(&mut self, f: F) -> Option<T> {
        let at = self.iter().position(f)?;
        let val = *self.get(at)?;
        for i in at..self.len - 1 {
            let (to, from) = (self.slot(i), self.slot(i + 1));
            self.ring.copy_within(from..from + 1, to);
        }
        self.len -= 1;
        Some(val)
    }
    fn empty(&mut self) {
        self.head = 0;
        self.len = 0;
    }
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn retain<F: FnMut(&T) -> bool>(&mut self, mut f: F) {
        let mut kept = 0;
        for i in 0..self.len {
            let from = self.slot(i);
            if self.get(i).is_some_and(&mut f) {
                let to = self.slot(kept);
                self.ring.copy_within(from..from + 1, to);
                kept += 1;
            }
        }
        self.len = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slot_stays_free_and_a_slice_too_small_for_that_holds_nothing() {
        for slots in 0..=3usize {
            let mut store = [MaybeUninit::<u8>::uninit(); 3];
            let Some(slice) = store.get_mut(..slots) else {
                continue;
            };
            let mut ring = RingBuffer::new(slice);
            let fits = slots.saturating_sub(1);
            assert_eq!(ring.available_len(), fits);
            for n in 0..4u8 {
                assert_eq!(ring.enqueue(n), usize::from(n) < fits);
            }
            assert!(ring.is_full());
            assert_eq!(ring.has_elements(), fits > 0);
            assert_eq!(ring.push(9), (fits > 0).then_some(0));
        }
    }

    #[test]
    fn behaves_as_a_bounded_fifo_under_every_operation() {
        let mut store = [MaybeUninit::<u32>::uninit(); 6];
        let mut ring = RingBuffer::new(&mut store);
        let mut model = std::collections::VecDeque::new();
        let mut x = 0x2545_F491u32;
        for step in 0..20_000u32 {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            match x % 6 {
                0 | 1 => {
                    let fits = model.len() < 5;
                    if fits {
                        model.push_back(step);
                    }
                    assert_eq!(ring.enqueue(step), fits);
                }
                2 => assert_eq!(ring.dequeue(), model.pop_front()),
                3 => {
                    let old = if model.len() == 5 {
                        model.pop_front()
                    } else {
                        None
                    };
                    model.push_back(step);
                    assert_eq!(ring.push(step), old);
                }
                4 => {
                    let at = model.iter().position(|v| v % 3 == 0);
                    let want = at.and_then(|i| model.remove(i));
                    assert_eq!(ring.remove_first_matching(|v| v % 3 == 0), want);
                }
                _ => {
                    model.retain(|v| v % 4 != 1);
                    ring.retain(|v| v % 4 != 1);
                }
            }
            assert!(ring.iter().eq(model.iter()));
            let (old, new) = ring.as_slices();
            let both = [old.unwrap_or(&[]), new.unwrap_or(&[])].concat();
            assert!(both.iter().eq(model.iter()));
        }
    }
}
