//! Alarm, driver 0x0: one alarm per process.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 | – | u32 frequency, Hz | |
//! | 2 | – | u32 now | |
//! | 3 | – | stopped | ALREADY: none set |
//! | 5 | dt | u32 expiration | |
//! | 6 | reference, dt | u32 expiration | |
//!
//! Upcall 0: (now, expiration, 0). All values are ticks left-justified to 32 bits, the low word of
//! wider counters. A reference is taken as the latest moment past with that value (TRD105).

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::time::{Alarm, AlarmClient, Ticks};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = crate::driver::NUM::Alarm as usize;

struct Expiration<T> {
    reference: T,
    dt: T,
    /// What the process was told, left-justified.
    shown: u32,
}

/// A process's alarm.
pub struct AlarmData<T> {
    expiration: Option<Expiration<T>>,
}

impl<T> Default for AlarmData<T> {
    fn default() -> Self {
        AlarmData { expiration: None }
    }
}

type AlarmGrant<T> = Grant<AlarmData<T>, UpcallCount<1>, AllowRoCount<0>, AllowRwCount<0>>;

/// The alarms of all processes, on one.
pub struct AlarmDriver<'a, A: Alarm<'a>> {
    alarm: &'a A,
    app_alarms: AlarmGrant<A::Ticks>,
}

impl<'a, A: Alarm<'a>> AlarmDriver<'a, A> {
    /// On `alarm`, whose client the board makes this.
    pub const fn new(alarm: &'a A, grant: AlarmGrant<A::Ticks>) -> Self {
        AlarmDriver {
            alarm,
            app_alarms: grant,
        }
    }

    fn arm(
        &self,
        process_id: ProcessId,
        reference: impl FnOnce(A::Ticks) -> A::Ticks,
        dt: u32,
        shown: impl FnOnce(u32) -> u32,
    ) -> CommandReturn {
        let now = self.alarm.now();
        let expiration = Expiration {
            reference: reference(now),
            dt: narrow::<A::Ticks>(dt),
            shown: shown(now.into_u32_left_justified()),
        };
        let shown = expiration.shown;
        match self
            .app_alarms
            .enter(process_id, |app, _| app.expiration = Some(expiration))
        {
            Ok(()) => {
                self.set_next(now);
                CommandReturn::success_u32(shown)
            }
            Err(error) => error.into(),
        }
    }

    /// Sets the alarm to the earliest expiration as seen at `now`.
    fn set_next(&self, now: A::Ticks) {
        let mut earliest: Option<A::Ticks> = None;
        self.app_alarms.each(|_, app, _| {
            if let Some(e) = &app.expiration {
                let end = e.reference.wrapping_add(e.dt);
                let remaining = if now.within_range(e.reference, end) {
                    end.wrapping_sub(now)
                } else {
                    A::Ticks::from(0u32)
                };
                earliest = Some(earliest.map_or(remaining, |t| t.min(remaining)));
            }
        });
        match earliest {
            Some(dt) => self.alarm.set_alarm(now, dt),
            None => {
                // One that cannot be disarmed fires once more, and finds nothing due.
                let _ = self.alarm.disarm();
            }
        }
    }
}

/// Ticks of a justified `dt`, rounded up: never early.
fn narrow<T: Ticks>(dt: u32) -> T {
    let padding = T::u32_padding();
    let rounding = (1u32 << padding) - 1;
    T::from(match dt.checked_add(rounding) {
        Some(sum) => sum >> padding,
        None => (dt >> padding) + 1,
    })
}

impl<'a, A: Alarm<'a>> AlarmClient for AlarmDriver<'a, A> {
    fn alarm(&self) {
        let now = self.alarm.now();
        self.app_alarms.each(|_, app, kernel_data| {
            let due = |e: &Expiration<A::Ticks>| {
                !now.within_range(e.reference, e.reference.wrapping_add(e.dt))
            };
            if let Some(e) = app.expiration.take_if(|e| due(e)) {
                let now = now.into_u32_left_justified() as usize;
                // A full queue loses the upcall; the kernel counts that.
                let _ = kernel_data.schedule_upcall(0, (now, e.shown as usize, 0));
            }
        });
        self.set_next(now);
    }
}

impl<'a, A: Alarm<'a>> SyscallDriver for AlarmDriver<'a, A> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => {
                CommandReturn::success_u32(A::Ticks::u32_left_justified_scale_freq::<A::Frequency>())
            }
            2 => CommandReturn::success_u32(self.alarm.now().into_u32_left_justified()),
            3 => {
                let stopped = self
                    .app_alarms
                    .enter(process_id, |app, _| app.expiration.take().is_some());
                match stopped {
                    Ok(true) => {
                        self.set_next(self.alarm.now());
                        CommandReturn::success()
                    }
                    Ok(false) => CommandReturn::failure(ErrorCode::ALREADY),
                    Err(error) => error.into(),
                }
            }
            5 => {
                let dt = r2 as u32;
                self.arm(process_id, |now| now, dt, |now| now.wrapping_add(dt))
            }
            6 => {
                let (reference, dt) = (r2 as u32, r3 as u32);
                self.arm(
                    process_id,
                    |now| {
                        let ago = now.into_u32_left_justified().wrapping_sub(reference);
                        now.wrapping_sub(A::Ticks::from(ago >> A::Ticks::u32_padding()))
                    },
                    dt,
                    |_| reference.wrapping_add(dt),
                )
            }
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.app_alarms.enter(process_id, |_, _| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::hil::time::{Ticks24, Ticks64};

    #[test]
    fn narrow_never_makes_an_alarm_early() {
        assert_eq!(narrow::<Ticks24>(0x101).into_u32(), 2);
        assert_eq!(narrow::<Ticks24>(0x100).into_u32(), 1);
        assert_eq!(narrow::<Ticks24>(0).into_u32(), 0);
        assert_eq!(narrow::<Ticks64>(0x101).into_u32(), 0x101);
        assert_eq!(narrow::<Ticks64>(u32::MAX).into_u32(), u32::MAX);
    }
}
