//! Date and time of a clock that counts seconds, driver 0x90007, read-only
//! (docs/syscalls/90007_date_time.md).
//!
//! | command | success | failure |
//! |---|---|---|
//! | 0 | exists | |
//! | 1 get | plain; then upcall 0 | the clock's |
//! | 2 set | – | NOSUPPORT |
//! | 16 unix time (ours) | u64 seconds since 1970-01-01 UTC | the clock's |
//!
//! Upcall 0: (status, year << 9 | month << 5 | day, weekday << 17 | hour << 12 | minute << 6 |
//! second), UTC, Sunday is 0. Owns the Gregorian calendar; the clock itself is the board's.

use crate::date_time::{DAYS, MONTHS, pack};
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::date_time::{DateTimeValues, Month};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId};

pub use crate::date_time::DRIVER_NUM;

/// A wall clock that answers at once.
pub trait UnixClock {
    /// Seconds since 1970-01-01 UTC.
    fn unix_time(&self) -> Result<u64, ErrorCode>;
}

impl<F: Fn() -> Result<u64, ErrorCode>> UnixClock for F {
    fn unix_time(&self) -> Result<u64, ErrorCode> {
        self()
    }
}

type AppGrant = Grant<(), UpcallCount<1>, AllowRoCount<0>, AllowRwCount<0>>;

/// The wall clock for every process.
pub struct UnixDateTime<'a> {
    clock: &'a dyn UnixClock,
    apps: AppGrant,
}

impl<'a> UnixDateTime<'a> {
    /// Over `clock`.
    pub const fn new(clock: &'a dyn UnixClock, grant: AppGrant) -> Self {
        UnixDateTime { clock, apps: grant }
    }

    fn get(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        let (date, time) = pack(&civil(self.clock.unix_time()?).ok_or(ErrorCode::FAIL)?);
        self.apps.enter(process_id, |_, kernel_data| {
            kernel_data
                .schedule_upcall(0, (0, date as usize, time as usize))
                .map_err(|_| ErrorCode::NOMEM)
        })?
    }
}

impl SyscallDriver for UnixDateTime<'_> {
    fn command(
        &self,
        command_num: usize,
        _r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => self.get(process_id).into(),
            16 => match self.clock.unix_time() {
                Ok(seconds) => CommandReturn::success_u64(seconds),
                Err(error) => CommandReturn::failure(error),
            },
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

const SECONDS_PER_DAY: u64 = 86_400;

/// Date and time of `seconds`; `None` past the year 65535.
pub fn civil(seconds: u64) -> Option<DateTimeValues> {
    let days = seconds / SECONDS_PER_DAY;
    let of_day = seconds % SECONDS_PER_DAY;
    // 1970-01-01 was a Thursday.
    let day_of_week = *DAYS.get(((days + 4) % 7) as usize)?;
    let (mut year, mut left) = (1970u64, days);
    // Whole cycles of 400 years first, then at most 400 single ones.
    year += left / 146_097 * 400;
    left %= 146_097;
    while left >= days_of_year(year) {
        left -= days_of_year(year);
        year += 1;
    }
    for month in MONTHS {
        let length = days_of_month(month, year);
        if left < length {
            return Some(DateTimeValues {
                year: u16::try_from(year).ok()?,
                month,
                day: left as u8 + 1,
                day_of_week,
                hour: (of_day / 3600) as u8,
                minute: (of_day / 60 % 60) as u8,
                seconds: (of_day % 60) as u8,
            });
        }
        left -= length;
    }
    None
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_of_month(month: Month, year: u64) -> u64 {
    match month {
        Month::February => 28 + u64::from(is_leap(year)),
        Month::April | Month::June | Month::September | Month::November => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn show(seconds: u64) -> String {
        let v = civil(seconds).unwrap();
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02} {}",
            v.year, v.month as u8, v.day, v.hour, v.minute, v.seconds, v.day_of_week as u8
        )
    }

    #[test]
    fn known_dates() {
        assert_eq!(show(0), "1970-01-01 00:00:00 4");
        assert_eq!(show(951_782_399), "2000-02-28 23:59:59 1");
        assert_eq!(show(951_782_400), "2000-02-29 00:00:00 2");
        assert_eq!(show(4_107_542_400), "2100-03-01 00:00:00 1");
        assert_eq!(civil(u64::MAX), None);
    }

    #[test]
    fn agrees_with_date() {
        let mut x = 0x1234_5678_9ABC_DEF0u64;
        let mut times: Vec<u64> = (0..200)
            .map(|_| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                x % 253_402_300_800
            })
            .collect();
        times.sort_unstable();
        let input: String = times.iter().map(|t| format!("@{t}\n")).collect();
        let file = std::env::temp_dir().join(format!("date-{}", std::process::id()));
        std::fs::write(&file, input).unwrap();
        let out = Command::new("date")
            .args(["-u", "+%Y-%m-%d %H:%M:%S %w", "-f"])
            .arg(&file)
            .output()
            .unwrap();
        std::fs::remove_file(&file).unwrap();
        let expected = String::from_utf8(out.stdout).unwrap();
        let ours: String = times.iter().map(|t| show(*t) + "\n").collect();
        assert_eq!(ours, expected);
    }
}
