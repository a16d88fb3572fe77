//! The timer that ends a time slice.

use core::num::NonZeroU32;

/// Counts a slice down, whether the process or the kernel on its behalf runs.
pub trait SchedulerTimer {
    /// Starts a slice of `us` microseconds.
    fn start(&self, us: NonZeroU32);
    /// Stops and forgets the slice.
    fn reset(&self);
    /// Lets it interrupt (userspace is about to run).
    fn arm(&self);
    /// Keeps it from interrupting (the kernel runs).
    fn disarm(&self);
    /// What is left in microseconds; `None` when the slice is over.
    fn get_remaining_us(&self) -> Option<NonZeroU32>;
    /// Whether more than `us` microseconds of the slice are left; asked at every turn, so that a
    /// port may answer without a division.
    #[inline]
    fn has_more_than_us(&self, us: u32) -> bool {
        self.get_remaining_us().is_some_and(|left| left.get() > us)
    }
}

/// No slices: processes run until they yield.
impl SchedulerTimer for () {
    fn start(&self, _us: NonZeroU32) {}
    fn reset(&self) {}
    fn arm(&self) {}
    fn disarm(&self) {}
    fn get_remaining_us(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(10_000)
    }
}
