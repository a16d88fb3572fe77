//! A clock that the test turns.

use kernel::ErrorCode;
use kernel::hil::time::{Alarm, AlarmClient, Freq1MHz, Ticks, Ticks32, Time};
use std::cell::Cell;

/// A microsecond clock and its alarm, which rings when the test says so.
#[derive(Default)]
pub struct Clock {
    pub now: Cell<u32>,
    /// Reference and distance.
    pub set: Cell<Option<(u32, u32)>>,
}

impl Time for Clock {
    type Frequency = Freq1MHz;
    type Ticks = Ticks32;
    fn now(&self) -> Ticks32 {
        self.now.get().into()
    }
}

impl<'a> Alarm<'a> for Clock {
    fn set_alarm_client(&self, _: &'a dyn AlarmClient) {}
    fn set_alarm(&self, reference: Ticks32, dt: Ticks32) {
        self.set.set(Some((reference.into_u32(), dt.into_u32())));
    }
    fn get_alarm(&self) -> Ticks32 {
        0.into()
    }
    fn disarm(&self) -> Result<(), ErrorCode> {
        self.set.set(None);
        Ok(())
    }
    fn is_armed(&self) -> bool {
        self.set.get().is_some()
    }
    fn minimum_dt(&self) -> Ticks32 {
        1.into()
    }
}
