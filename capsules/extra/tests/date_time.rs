//! The calendar clock by system calls, on the real kernel; a clock that answers when the test says.

#[path = "../../core/tests/common/mod.rs"]
mod common;

use capsules_extra::date_time::{DRIVER_NUM as CLOCK, DateTimeCapsule};
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::hil::date_time::{DateTime, DateTimeClient, DateTimeValues, DayOfWeek, Month};
use kernel::syscall::SyscallReturn::{Failure, Success};
use kernel::testing::TestKernel;
use std::cell::{Cell, RefCell};

const DATE: usize = 2026 << 9 | 11 << 5 | 23;
const TIME: usize = 1 << 17 | 10 << 12 | 27 << 6 | 11;
const NOW: DateTimeValues = DateTimeValues {
    year: 2026,
    month: Month::November,
    day: 23,
    day_of_week: DayOfWeek::Monday,
    hour: 10,
    minute: 27,
    seconds: 11,
};

#[derive(Default)]
struct Calendar {
    asked: RefCell<Vec<Option<DateTimeValues>>>,
    refuses: Cell<Option<ErrorCode>>,
    client: Cell<Option<&'static dyn DateTimeClient>>,
}

impl Calendar {
    fn ask(&self, what: Option<DateTimeValues>) -> Result<(), ErrorCode> {
        match self.refuses.get() {
            Some(e) => Err(e),
            None => {
                self.asked.borrow_mut().push(what);
                Ok(())
            }
        }
    }

    fn asked(&self) -> Vec<Option<DateTimeValues>> {
        self.asked.take()
    }

    fn tell(&self, time: Result<DateTimeValues, ErrorCode>) {
        self.client.get().unwrap().get_date_time_done(time);
    }

    fn is_set(&self, result: Result<(), ErrorCode>) {
        self.client.get().unwrap().set_date_time_done(result);
    }
}

impl DateTime<'static> for Calendar {
    fn get_date_time(&self) -> Result<(), ErrorCode> {
        self.ask(None)
    }
    fn set_date_time(&self, date_time: DateTimeValues) -> Result<(), ErrorCode> {
        self.ask(Some(date_time))
    }
    fn set_client(&self, client: &'static dyn DateTimeClient) {
        self.client.set(Some(client));
    }
}

fn rig() -> (TestKernel, &'static Memory, &'static Calendar) {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let grant = kernel
        .kernel()
        .create_grant(CLOCK, &kernel.memory_capability());
    let calendar: &'static Calendar = leak(Calendar::default());
    // As upstream's component does it.
    let driver: &'static DateTimeCapsule<'static, Calendar> =
        leak(DateTimeCapsule::new(calendar, grant));
    calendar.set_client(driver);
    kernel.driver(CLOCK, driver);
    (kernel, memory, calendar)
}

#[test]
fn one_answer_is_for_all_who_wait_for_the_time() {
    let (kernel, memory, calendar) = rig();
    let (a, b) = (
        App::new(&kernel, memory, "a"),
        App::new(&kernel, memory, "b"),
    );
    for app in [&a, &b] {
        app.subscribe(CLOCK, 0);
        assert_eq!(app.command(CLOCK, 0, 0, 0), Success);
        assert_eq!(app.command(CLOCK, 1, 0, 0), Success);
    }
    assert_eq!(a.command(CLOCK, 1, 0, 0), Failure(ErrorCode::BUSY));
    assert_eq!(a.command(CLOCK, 16, 0, 0), Failure(ErrorCode::NOSUPPORT));
    assert_eq!(calendar.asked(), [None]);
    calendar.tell(Ok(NOW));
    for app in [&a, &b] {
        assert_eq!(app.upcalls(), [(CLOCK, 0, [0, DATE, TIME])]);
    }
    assert_eq!(calendar.asked(), [], "nobody waits");
    assert_eq!(a.command(CLOCK, 1, 0, 0), Success);
    calendar.tell(Err(ErrorCode::OFF));
    assert_eq!(a.upcalls(), [(CLOCK, 0, [ErrorCode::OFF as usize, 0, 0])]);
}

#[test]
fn a_set_goes_to_the_clock_and_others_come_behind_it() {
    let (kernel, memory, calendar) = rig();
    let (a, b) = (
        App::new(&kernel, memory, "a"),
        App::new(&kernel, memory, "b"),
    );
    a.subscribe(CLOCK, 0);
    b.subscribe(CLOCK, 0);
    for (date, time) in [(0, 0), (DATE, 24 << 12), (DATE | 1 << 21, TIME)] {
        let answer = a.command(CLOCK, 2, date, time);
        assert_eq!(answer, Failure(ErrorCode::INVAL));
    }
    assert_eq!(a.command(CLOCK, 2, DATE, TIME), Success);
    assert_eq!(b.command(CLOCK, 1, 0, 0), Success);
    assert_eq!(calendar.asked(), [Some(NOW)]);
    calendar.is_set(Ok(()));
    assert_eq!(a.upcalls(), [(CLOCK, 0, [0, 0, 0])]);
    assert_eq!(calendar.asked(), [None], "then b's");
    // A set that waits is no reader.
    assert_eq!(a.command(CLOCK, 2, DATE, TIME), Success);
    calendar.tell(Ok(NOW));
    assert_eq!(a.upcalls(), []);
    assert_eq!(b.upcalls(), [(CLOCK, 0, [0, DATE, TIME])]);
    assert_eq!(calendar.asked(), [Some(NOW)]);
    calendar.is_set(Err(ErrorCode::FAIL));
    assert_eq!(a.upcalls(), [(CLOCK, 0, [ErrorCode::FAIL as usize, 0, 0])]);
}

#[test]
fn refused_at_once_or_when_its_turn_comes() {
    let (kernel, memory, calendar) = rig();
    let (a, b) = (
        App::new(&kernel, memory, "a"),
        App::new(&kernel, memory, "b"),
    );
    b.subscribe(CLOCK, 0);
    calendar.refuses.set(Some(ErrorCode::NOSUPPORT));
    for command in [1, 2, 1] {
        let answer = a.command(CLOCK, command, DATE, TIME);
        assert_eq!(answer, Failure(ErrorCode::NOSUPPORT), "it holds nothing up");
    }
    calendar.refuses.set(None);
    assert_eq!(a.command(CLOCK, 1, 0, 0), Success);
    assert_eq!(b.command(CLOCK, 2, DATE, TIME), Success);
    calendar.refuses.set(Some(ErrorCode::NOSUPPORT));
    calendar.tell(Ok(NOW));
    let refused = [ErrorCode::NOSUPPORT as usize, 0, 0];
    assert_eq!(b.upcalls(), [(CLOCK, 0, refused)]);
    calendar.refuses.set(None);
    calendar.asked();
    assert_eq!(b.command(CLOCK, 1, 0, 0), Success);
    assert_eq!(calendar.asked(), [None]);
}

#[test]
fn the_end_of_a_process_frees_the_clock_with_its_answer() {
    let (kernel, memory, calendar) = rig();
    let (a, b) = (
        App::new(&kernel, memory, "a"),
        App::new(&kernel, memory, "b"),
    );
    b.subscribe(CLOCK, 0);
    assert_eq!(a.command(CLOCK, 2, DATE, TIME), Success);
    assert_eq!(b.command(CLOCK, 1, 0, 0), Success);
    a.process.process().terminate(None);
    calendar.is_set(Ok(()));
    assert_eq!(calendar.asked(), [Some(NOW), None]);
    calendar.tell(Ok(NOW));
    assert_eq!(b.upcalls(), [(CLOCK, 0, [0, DATE, TIME])]);
}
