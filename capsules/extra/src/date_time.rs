//! Date and time of a calendar clock, driver 0x90007 (docs/syscalls/90007_date_time.md).
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 get | – | plain; then upcall 0 | BUSY: own request outstanding · the clock's |
//! | 2 set | date, time, as in upcall 0 | plain; then upcall 0 | BUSY · INVAL: no such moment · the clock's |
//!
//! Upcall 0: (status, year << 9 | month << 5 | day, weekday << 17 | hour << 12 | minute << 6 |
//! second), both 0 behind a set; Sunday is 0. One request of each process at a time; the clock
//! serves one, and whatever it tells answers all who wait for the time. Upstream's, for boards with
//! such a clock; over one that counts seconds and answers at once there is [`crate::unix_date_time`].

use kernel::errorcode::into_statuscode;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::date_time::{DateTime, DateTimeClient, DateTimeValues, DayOfWeek, Month};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::OptionalCell;
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0x90007;

pub(crate) const MONTHS: [Month; 12] = [
    Month::January,
    Month::February,
    Month::March,
    Month::April,
    Month::May,
    Month::June,
    Month::July,
    Month::August,
    Month::September,
    Month::October,
    Month::November,
    Month::December,
];
pub(crate) const DAYS: [DayOfWeek; 7] = [
    DayOfWeek::Sunday,
    DayOfWeek::Monday,
    DayOfWeek::Tuesday,
    DayOfWeek::Wednesday,
    DayOfWeek::Thursday,
    DayOfWeek::Friday,
    DayOfWeek::Saturday,
];

/// What a process waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DateTimeCommand {
    /// The time.
    ReadDateTime,
    /// That the clock is set to this date and time.
    SetDateTime(u32, u32),
}

/// A process's request.
#[derive(Default)]
pub struct AppData {
    task: Option<DateTimeCommand>,
}

type AppGrant = Grant<AppData, UpcallCount<1>, AllowRoCount<0>, AllowRwCount<0>>;

/// The clock for every process.
pub struct DateTimeCapsule<'a, D: DateTime<'a>> {
    date_time: &'a D,
    apps: AppGrant,
    /// Whose request the clock has.
    in_progress: OptionalCell<ProcessId>,
}

impl<'a, D: DateTime<'a>> DateTimeCapsule<'a, D> {
    /// Over `date_time`, whose client the board makes this.
    pub fn new(date_time: &'a D, grant: AppGrant) -> Self {
        DateTimeCapsule {
            date_time,
            apps: grant,
            in_progress: OptionalCell::empty(),
        }
    }

    fn ask(&self, command: DateTimeCommand, process_id: ProcessId) -> Result<(), ErrorCode> {
        match command {
            DateTimeCommand::ReadDateTime => self.date_time.get_date_time()?,
            DateTimeCommand::SetDateTime(date, time) => {
                let to = unpack(date, time).ok_or(ErrorCode::INVAL)?;
                self.date_time.set_date_time(to)?;
            }
        }
        self.in_progress.set(process_id);
        Ok(())
    }

    fn request(&self, command: DateTimeCommand, process_id: ProcessId) -> Result<(), ErrorCode> {
        self.apps.enter(process_id, |app, _| {
            if app.task.is_some() {
                return Err(ErrorCode::BUSY);
            }
            if self.in_progress.is_none() {
                self.ask(command, process_id)?;
            }
            app.task = Some(command);
            Ok(())
        })?
    }

    /// The clock is free: the next request is its. One that it refuses is answered so.
    fn next(&self) {
        self.in_progress.clear();
        for app in self.apps.iter() {
            let process_id = app.processid();
            let asked = app.enter(|app, upcalls| {
                let asked = self.ask(app.task?, process_id);
                if asked.is_err() {
                    app.task = None;
                    // A full queue loses the answer, as any.
                    let _ = upcalls.schedule_upcall(0, (into_statuscode(asked), 0, 0));
                }
                asked.ok()
            });
            if asked.is_some() {
                return;
            }
        }
    }
}

impl<'a, D: DateTime<'a>> DateTimeClient for DateTimeCapsule<'a, D> {
    fn get_date_time_done(&self, datetime: Result<DateTimeValues, ErrorCode>) {
        let (date, time) = datetime.as_ref().map(pack).unwrap_or_default();
        let status = into_statuscode(datetime.map(|_| ()));
        self.apps.each(|_, app, upcalls| {
            if app.task == Some(DateTimeCommand::ReadDateTime) {
                app.task = None;
                let _ = upcalls.schedule_upcall(0, (status, date as usize, time as usize));
            }
        });
        self.next();
    }

    fn set_date_time_done(&self, result: Result<(), ErrorCode>) {
        if let Some(process_id) = self.in_progress.take() {
            // It may be gone.
            let _ = self.apps.enter(process_id, |app, upcalls| {
                app.task = None;
                let _ = upcalls.schedule_upcall(0, (into_statuscode(result), 0, 0));
            });
        }
        self.next();
    }
}

impl<'a, D: DateTime<'a>> SyscallDriver for DateTimeCapsule<'a, D> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let command = match command_num {
            0 => return CommandReturn::success(),
            1 => DateTimeCommand::ReadDateTime,
            2 => {
                let (date, time) = (r2 as u32, r3 as u32);
                if unpack(date, time).is_none() {
                    return CommandReturn::failure(ErrorCode::INVAL);
                }
                DateTimeCommand::SetDateTime(date, time)
            }
            _ => return CommandReturn::failure(ErrorCode::NOSUPPORT),
        };
        self.request(command, process_id).into()
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

/// The two words of upcall 0.
pub(crate) fn pack(v: &DateTimeValues) -> (u32, u32) {
    let date = u32::from(v.year) << 9 | (v.month as u32) << 5 | u32::from(v.day);
    let time = (v.day_of_week as u32) << 17
        | u32::from(v.hour) << 12
        | u32::from(v.minute) << 6
        | u32::from(v.seconds);
    (date, time)
}

/// The inverse of [`pack`]; `None` where a field is out of its range, or a bit outside of all fields
/// is set. Years have twelve bits; whether the month has that day and the day that weekday is the
/// clock's to know.
pub(crate) fn unpack(date: u32, time: u32) -> Option<DateTimeValues> {
    let field = |word: u32, at: u32, most: u32| {
        let value = word >> at & ((1 << (u32::BITS - most.leading_zeros())) - 1);
        (value <= most).then_some(value)
    };
    if date >> 21 != 0 || time >> 20 != 0 {
        return None;
    }
    let day = field(date, 0, 31).filter(|day| *day > 0)?;
    Some(DateTimeValues {
        year: (date >> 9) as u16,
        month: *MONTHS.get((field(date, 5, 12)? as usize).checked_sub(1)?)?,
        day: day as u8,
        day_of_week: *DAYS.get(field(time, 17, 6)? as usize)?,
        hour: field(time, 12, 23)? as u8,
        minute: field(time, 6, 59)? as u8,
        seconds: field(time, 0, 59)? as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_as_the_protocol_says_and_back() {
        let v = DateTimeValues {
            year: 2000,
            month: Month::February,
            day: 28,
            day_of_week: DayOfWeek::Monday,
            hour: 23,
            minute: 59,
            seconds: 59,
        };
        let words = (2000 << 9 | 2 << 5 | 28, 1 << 17 | 23 << 12 | 59 << 6 | 59);
        assert_eq!(pack(&v), words);
        assert_eq!(unpack(words.0, words.1), Some(v));
        let (date, time) = words;
        // Month 0 and 13, day 0, weekday 7, hour 24, minute and second 60, bits outside.
        let bad = [
            (2000 << 9 | 28, time),
            (2000 << 9 | 13 << 5 | 28, time),
            (2000 << 9 | 2 << 5, time),
            (date | 1 << 21, time),
            (date, time | 1 << 20),
            (date, 7 << 17),
            (date, 24 << 12),
            (date, 60 << 6),
            (date, 60),
        ];
        for (date, time) in bad {
            assert_eq!(unpack(date, time), None, "{date:x} {time:x}");
        }
    }

    #[test]
    fn whatever_unpacks_packs_to_the_same_words() {
        let mut x = 0x9E37_79B9_7F4A_7C15u64;
        let mut good = 0;
        for _ in 0..200_000 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let (date, time) = (x as u32 & 0x3F_FFFF, (x >> 32) as u32 & 0x1F_FFFF);
            if let Some(v) = unpack(date, time) {
                assert_eq!(pack(&v), (date, time));
                good += 1;
            }
        }
        assert!(good > 10_000);
    }
}
