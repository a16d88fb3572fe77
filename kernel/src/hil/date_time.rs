//! Calendar time.

use crate::ErrorCode;

/// Day of the week.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DayOfWeek {
    Sunday,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
}

/// Month, January being 1.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Month {
    January = 1,
    February,
    March,
    April,
    May,
    June,
    July,
    August,
    September,
    October,
    November,
    December,
}

/// A moment, UTC.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct DateTimeValues {
    /// Year.
    pub year: u16,
    /// Month.
    pub month: Month,
    /// 1 to 31.
    pub day: u8,
    /// Day of the week.
    pub day_of_week: DayOfWeek,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub seconds: u8,
}

/// A real-time clock.
pub trait DateTime<'a> {
    /// Asks for the time.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn get_date_time(&self) -> Result<(), ErrorCode>;
    /// Sets the time.
    ///
    /// # Errors
    /// `BUSY`, `INVAL`, `NOSUPPORT`.
    fn set_date_time(&self, date_time: DateTimeValues) -> Result<(), ErrorCode>;
    /// Whom to answer.
    fn set_client(&self, client: &'a dyn DateTimeClient);
}

/// Receives the time.
pub trait DateTimeClient {
    /// Answer to `get_date_time`.
    fn get_date_time_done(&self, datetime: Result<DateTimeValues, ErrorCode>);
    /// Answer to `set_date_time`.
    fn set_date_time_done(&self, result: Result<(), ErrorCode>);
}
