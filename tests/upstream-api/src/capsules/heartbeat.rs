//! Toggles an LED on a virtual alarm, and tells each subscribed process.
//!
//! | call | arguments | answer |
//! |---|---|---|
//! | command 0 | – | success |
//! | command 1 start | period in ms | success · INVAL for 0 |
//! | command 2 stop | – | success · ALREADY |
//! | upcall 0 | – | (beats so far, 0, 0) |

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::led::Led;
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId};
use std::cell::Cell;

pub const DRIVER_NUM: usize = 0xB0000;

#[derive(Default)]
pub struct App {
    beats: usize,
}

pub struct Heartbeat<'a, A: Alarm<'a>, L: Led> {
    alarm: &'a A,
    led: &'a L,
    period_ms: Cell<u32>,
    apps: Grant<App, UpcallCount<1>, AllowRoCount<0>, AllowRwCount<0>>,
}

impl<'a, A: Alarm<'a>, L: Led> Heartbeat<'a, A, L> {
    pub fn new(
        alarm: &'a A,
        led: &'a L,
        grant: Grant<App, UpcallCount<1>, AllowRoCount<0>, AllowRwCount<0>>,
    ) -> Self {
        led.init();
        Heartbeat {
            alarm,
            led,
            period_ms: Cell::new(0),
            apps: grant,
        }
    }

    fn arm(&self) {
        let dt = self.alarm.ticks_from_ms(self.period_ms.get());
        self.alarm.set_alarm(self.alarm.now(), dt);
    }
}

impl<'a, A: Alarm<'a>, L: Led> AlarmClient for Heartbeat<'a, A, L> {
    fn alarm(&self) {
        self.led.toggle();
        self.apps.each(|_, app, kernel_data| {
            app.beats += 1;
            let _ = kernel_data.schedule_upcall(0, (app.beats, 0, 0));
        });
        self.arm();
    }
}

impl<'a, A: Alarm<'a>, L: Led> SyscallDriver for Heartbeat<'a, A, L> {
    fn command(&self, number: usize, period: usize, _: usize, process: ProcessId) -> CommandReturn {
        match number {
            0 => CommandReturn::success(),
            1 => match (u32::try_from(period), self.apps.enter(process, |_, _| ())) {
                (Ok(1..), Ok(())) => {
                    self.period_ms.set(period as u32);
                    self.arm();
                    CommandReturn::success()
                }
                (_, Err(e)) => e.into(),
                _ => CommandReturn::failure(ErrorCode::INVAL),
            },
            2 if !self.alarm.is_armed() => CommandReturn::failure(ErrorCode::ALREADY),
            2 => self.alarm.disarm().into(),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}
