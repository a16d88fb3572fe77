//! The timer that ends a time slice.

use crate::hil::time::{Alarm, ConvertTicks, Ticks};
use core::cell::Cell;
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

/// A slice timer on an alarm, for chips without one for this purpose. It interrupts; nobody need
/// be its client.
pub struct VirtualSchedulerTimer<A: 'static + Alarm<'static>> {
    alarm: &'static A,
    /// Start and length of the slice.
    slice: Cell<Option<(A::Ticks, A::Ticks)>>,
}

impl<A: 'static + Alarm<'static>> VirtualSchedulerTimer<A> {
    /// On this alarm, which nobody else uses.
    pub fn new(alarm: &'static A) -> Self {
        VirtualSchedulerTimer {
            alarm,
            slice: Cell::new(None),
        }
    }
}

impl<A: 'static + Alarm<'static>> SchedulerTimer for VirtualSchedulerTimer<A> {
    fn start(&self, us: NonZeroU32) {
        let slice = (self.alarm.now(), self.alarm.ticks_from_us(us.get()));
        self.slice.set(Some(slice));
        self.alarm.set_alarm(slice.0, slice.1);
    }
    fn reset(&self) {
        self.slice.set(None);
        // An alarm that cannot be disarmed fires once for nothing.
        let _ = self.alarm.disarm();
    }
    fn arm(&self) {
        if let Some((reference, dt)) = self.slice.get() {
            self.alarm.set_alarm(reference, dt);
        }
    }
    fn disarm(&self) {
        let _ = self.alarm.disarm();
    }
    fn get_remaining_us(&self) -> Option<NonZeroU32> {
        let (reference, dt) = self.slice.get()?;
        let now = self.alarm.now();
        let end = reference.wrapping_add(dt);
        if !now.within_range(reference, end) {
            return None;
        }
        NonZeroU32::new(self.alarm.ticks_to_us(end.wrapping_sub(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;
    use crate::hil::time::{AlarmClient, Freq16KHz, Ticks24, Time};

    #[derive(Default)]
    struct FakeAlarm {
        now: Cell<u32>,
        set: Cell<Option<(u32, u32)>>,
    }
    impl Time for FakeAlarm {
        type Frequency = Freq16KHz;
        type Ticks = Ticks24;
        fn now(&self) -> Ticks24 {
            Ticks24::from(self.now.get())
        }
    }
    impl Alarm<'static> for FakeAlarm {
        fn set_alarm_client(&self, _: &'static dyn AlarmClient) {}
        fn set_alarm(&self, reference: Ticks24, dt: Ticks24) {
            self.set.set(Some((reference.into_u32(), dt.into_u32())));
        }
        fn get_alarm(&self) -> Ticks24 {
            self.now()
        }
        fn disarm(&self) -> Result<(), ErrorCode> {
            self.set.set(None);
            Ok(())
        }
        fn is_armed(&self) -> bool {
            self.set.get().is_some()
        }
        fn minimum_dt(&self) -> Ticks24 {
            Ticks24::from(1)
        }
    }

    #[test]
    fn a_slice_on_an_alarm_counts_down_across_the_counter_s_end() {
        let alarm: &FakeAlarm = std::boxed::Box::leak(std::boxed::Box::default());
        let timer = VirtualSchedulerTimer::new(alarm);
        assert_eq!(timer.get_remaining_us(), None);
        alarm.now.set(0x00FF_FFFF - 79);
        timer.start(NonZeroU32::new(10_000).unwrap());
        assert_eq!(timer.get_remaining_us().map(NonZeroU32::get), Some(10_000));
        timer.disarm();
        assert!(!alarm.is_armed());
        timer.arm();
        assert_eq!(alarm.set.get(), Some((0x00FF_FFFF - 79, 160)));
        alarm.now.set(40);
        assert_eq!(timer.get_remaining_us().map(NonZeroU32::get), Some(2_500));
        alarm.now.set(80);
        assert_eq!(timer.get_remaining_us(), None);
        timer.reset();
        assert!(!alarm.is_armed());
        timer.arm();
        assert!(!alarm.is_armed());
    }
}
