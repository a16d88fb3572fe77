//! Alarm driver: time, sleep, and waiting with a deadline.
//!
//! Owns the protocol of driver 0x0 (tock.md §5.3): command 1 frequency, 2 now, 3 stop, 5 relative;
//! upcall 0 (now, expiration). A process has one alarm. Ticks are 32 bits and wrap.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::share;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, subscribe};

#[cfg(test)]
mod tests;

/// The alarm.
pub struct Alarm<S: Syscalls, C: subscribe::Config = DefaultConfig>(S, C);

/// Ticks a second.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Hz(pub u32);

/// A length of time that a frequency turns into ticks.
pub trait Convert {
    /// In ticks, rounded up; `u32::MAX` when it is longer than the counter's period.
    fn to_ticks(self, freq: Hz) -> Ticks;
}

/// A number of ticks.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Ticks(pub u32);

impl Convert for Ticks {
    fn to_ticks(self, _freq: Hz) -> Ticks {
        self
    }
}

/// A number of milliseconds.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Milliseconds(pub u32);

impl Convert for Milliseconds {
    fn to_ticks(self, freq: Hz) -> Ticks {
        let ticks = (u64::from(self.0) * u64::from(freq.0)).div_ceil(1000);
        Ticks(u32::try_from(ticks).unwrap_or(u32::MAX))
    }
}

impl<S: Syscalls, C: subscribe::Config> Alarm<S, C> {
    /// Is there an alarm driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, command::EXISTS, 0, 0).to_result()
    }

    /// Ticks a second.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_frequency() -> Result<Hz, ErrorCode> {
        S::command(DRIVER_NUM, command::FREQUENCY, 0, 0)
            .to_result()
            .map(Hz)
    }

    /// The counter now.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_ticks() -> Result<u32, ErrorCode> {
        S::command(DRIVER_NUM, command::TIME, 0, 0).to_result()
    }

    /// The counter in milliseconds. Wraps with the counter (after 71 minutes at 1 MHz): for a
    /// time that does not, keep a [`Clock`].
    ///
    /// # Errors
    /// The kernel's; `Fail` for a frequency of 0.
    pub fn get_milliseconds() -> Result<u64, ErrorCode> {
        let ticks = u64::from(Self::get_ticks()?);
        let freq = u64::from(Self::get_frequency()?.0);
        (ticks * 1000).checked_div(freq).ok_or(ErrorCode::Fail)
    }

    /// Sleeps. Upcalls of other drivers run meanwhile.
    ///
    /// # Errors
    /// The kernel's.
    pub fn sleep_for<T: Convert>(time: T) -> Result<(), ErrorCode> {
        Self::wait(time, || false).map(|_| ())
    }

    /// Sleeps until `ready` or until `time` is over; true if `ready`. `ready` is asked before the
    /// first sleep and after each upcall, so a flag that an upcall raises is never missed: this is
    /// the heart of an event loop over several drivers.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait<T: Convert>(time: T, mut ready: impl FnMut() -> bool) -> Result<bool, ErrorCode> {
        if ready() {
            return Ok(true);
        }
        let freq = Self::get_frequency()?;
        let ticks = time.to_ticks(freq);
        let called: Cell<Option<(u32, u32)>> = Cell::new(None);
        share::scope::<Subscribe<'_, S, DRIVER_NUM, 0>, _, _>(|handle| {
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(handle, &called)?;
            S::command(DRIVER_NUM, command::SET_RELATIVE, ticks.0, 0)
                .to_result::<u32, ErrorCode>()?;
            loop {
                S::yield_wait();
                if ready() {
                    if called.get().is_none() {
                        let _ = S::command(DRIVER_NUM, command::STOP, 0, 0);
                    }
                    return Ok(true);
                }
                if called.get().is_some() {
                    return Ok(false);
                }
            }
        })
    }
}

/// A time that does not wrap, as long as it is read once a period of the counter (71 minutes at
/// 1 MHz).
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    freq: u32,
    last: u32,
    ticks: u64,
}

impl Clock {
    /// Starts at zero now.
    ///
    /// # Errors
    /// The kernel's; `Fail` for a frequency of 0.
    pub fn new<S: Syscalls>() -> Result<Clock, ErrorCode> {
        let freq = Alarm::<S>::get_frequency()?.0;
        if freq == 0 {
            return Err(ErrorCode::Fail);
        }
        let last = Alarm::<S>::get_ticks()?;
        Ok(Clock {
            freq,
            last,
            ticks: 0,
        })
    }

    /// Microseconds since the start; the last known time if the driver fails.
    pub fn now_us<S: Syscalls>(&mut self) -> u64 {
        if let Ok(now) = Alarm::<S>::get_ticks() {
            self.ticks += u64::from(now.wrapping_sub(self.last));
            self.last = now;
        }
        let (seconds, rest) = (
            self.ticks / u64::from(self.freq),
            self.ticks % u64::from(self.freq),
        );
        seconds * 1_000_000 + rest * 1_000_000 / u64::from(self.freq)
    }

    /// Milliseconds since the start.
    pub fn now_ms<S: Syscalls>(&mut self) -> u64 {
        self.now_us::<S>() / 1000
    }
}

const DRIVER_NUM: u32 = 0x0;

mod command {
    pub const EXISTS: u32 = 0;
    pub const FREQUENCY: u32 = 1;
    pub const TIME: u32 = 2;
    pub const STOP: u32 = 3;
    pub const SET_RELATIVE: u32 = 5;
}
