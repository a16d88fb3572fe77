//! Supervision as a process sees it: who may ask, what is kept of crashes, over resets too.

#[path = "../../core/tests/common/mod.rs"]
mod common;

use capsules_extra::supervision::{DRIVER_NUM, Supervision};
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::syscall::SyscallReturn::{Failure, Success, SuccessU32, SuccessU32U32};
use kernel::testing::{Everything, TestKernel};
use supervision::{CrashReport, ImageVersion, ProcessInfo, ProcessState};

const READER: u32 = 1;
const PLACES: usize = 3;

type Driver = Supervision<Everything>;

fn image(major: u8) -> ImageVersion {
    ImageVersion {
        major,
        minor: 2,
        revision: 3,
        build: 4,
    }
}

fn time() -> Result<u64, ErrorCode> {
    Ok(1_800_000_000)
}

/// A kernel that has just been started, with what lies in `places`.
fn start(places: &'static mut [u8]) -> (TestKernel, &'static Memory, &'static Driver) {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let grant = kernel
        .kernel()
        .create_grant(DRIVER_NUM, &kernel.memory_capability());
    let clock = leak(time);
    let driver: &Driver = leak(Supervision::new(
        kernel.kernel(),
        Everything,
        &[READER],
        clock,
        places,
        (image(1), image(2)),
        grant,
    ));
    kernel.driver(DRIVER_NUM, driver);
    (kernel, memory, driver)
}

fn places(byte: u8) -> &'static mut [u8] {
    // A few bytes more than they need.
    leak(vec![byte; PLACES * CrashReport::SIZE + 5])
}

fn crash(app: &App<'_>, index: usize) -> CrashReport {
    app.allow_rw(DRIVER_NUM, 0, 0, CrashReport::SIZE);
    let read = app.command(DRIVER_NUM, 2, index, 0);
    assert_eq!(read, SuccessU32(CrashReport::SIZE as u32));
    CrashReport::parse(&app.get(0, CrashReport::SIZE)).expect("a report")
}

#[test]
fn only_who_is_named_is_answered() {
    let (kernel, memory, driver) = start(places(0));
    let reader = App::named(&kernel, memory, "reader", READER);
    let named = App::named(&kernel, memory, "other", 2);
    let nameless = App::new(&kernel, memory, "nameless");
    driver.record(named.process.process(), None);
    for command in 0..6 {
        for other in [&named, &nameless] {
            other.allow_rw(DRIVER_NUM, 0, 0, 512);
            let answer = other.command(DRIVER_NUM, command, 0, 0);
            assert_eq!(answer, Failure(ErrorCode::NOSUPPORT), "{command}");
        }
    }
    assert_eq!(reader.command(DRIVER_NUM, 0, 0, 0), Success);
    assert_eq!(reader.command(DRIVER_NUM, 1, 0, 0), SuccessU32U32(1, 0));
}

#[test]
fn a_report_stays_until_it_is_forgotten() {
    let (kernel, memory, driver) = start(places(0xA5));
    let reader = App::named(&kernel, memory, "reader", READER);
    let app = App::named(&kernel, memory, "app", 7);
    assert_eq!(reader.command(DRIVER_NUM, 1, 0, 0), SuccessU32U32(0, 0));
    driver.record(app.process.process(), Some(10));
    let report = crash(&reader, 0);
    assert_eq!((report.name.as_str(), report.short_id), ("app", 7));
    assert_eq!(report.reason.as_str(), "asked for");
    assert_eq!((report.restart_in_ms, report.restarts), (Some(10), 0));
    assert_eq!(report.time, 1_800_000_000);
    assert_eq!((report.secure, report.non_secure), (image(1), image(2)));
    assert!(!report.before_reset);
    // Read again by the next life of the reader.
    assert_eq!(crash(&reader, 0), report);
    driver.record(reader.process.process(), None);
    assert_eq!(crash(&reader, 1).name.as_str(), "reader");
    let serial = report.serial as usize;
    assert_eq!(reader.command(DRIVER_NUM, 3, serial, 0), Success);
    let invalid = Failure(ErrorCode::INVAL);
    assert_eq!(reader.command(DRIVER_NUM, 3, serial, 0), invalid);
    assert_eq!(crash(&reader, 0).name.as_str(), "reader");
    assert_eq!(reader.command(DRIVER_NUM, 2, 1, 0), invalid);
    // A buffer that is too small, and none.
    reader.allow_rw(DRIVER_NUM, 0, 0, CrashReport::SIZE - 1);
    let size = Failure(ErrorCode::SIZE);
    assert_eq!(reader.command(DRIVER_NUM, 2, 0, 0), size);
    reader.allow_rw(DRIVER_NUM, 0, 0, 0);
    assert_eq!(reader.command(DRIVER_NUM, 4, 0, 0), size);
}

#[test]
fn the_newest_takes_the_place_of_the_oldest() {
    let (kernel, memory, driver) = start(places(0xFF));
    let reader = App::named(&kernel, memory, "reader", READER);
    let app = App::new(&kernel, memory, "app");
    for n in 0..PLACES as u32 + 2 {
        driver.record(app.process.process(), Some(n));
    }
    let kept = SuccessU32U32(PLACES as u32, 2);
    assert_eq!(reader.command(DRIVER_NUM, 1, 0, 0), kept);
    for index in 0..PLACES {
        let report = crash(&reader, index);
        assert_eq!(report.restart_in_ms, Some(index as u32 + 2));
    }
}

#[test]
fn reports_outlive_a_reset_and_rubbish_is_none() {
    // What lay there after the reset: a report, half of another, anything.
    let bytes = places(0x5A);
    let (kernel, memory, driver) = start(places(0));
    let reader = App::named(&kernel, memory, "reader", READER);
    let app = App::new(&kernel, memory, "app");
    driver.record(app.process.process(), None);
    driver.record(app.process.process(), None);
    let (first, second) = (crash(&reader, 0), crash(&reader, 1));
    let (size, half) = (CrashReport::SIZE, CrashReport::SIZE / 2);
    bytes[..half].copy_from_slice(&first.emit()[..half]);
    bytes[size..2 * size].copy_from_slice(&second.emit());

    let (kernel, memory, driver) = start(bytes);
    let reader = App::named(&kernel, memory, "reader", READER);
    let app = App::new(&kernel, memory, "app");
    assert_eq!(reader.command(DRIVER_NUM, 1, 0, 0), SuccessU32U32(1, 0));
    let found = crash(&reader, 0);
    assert!(found.before_reset);
    assert_eq!((found.serial, found.name), (second.serial, second.name));
    driver.record(app.process.process(), None);
    let newer = crash(&reader, 1);
    assert_eq!(
        (newer.serial, newer.before_reset),
        (second.serial + 1, false)
    );
}

#[test]
fn processes_are_told_in_turn() {
    let (kernel, memory, _) = start(places(0));
    let reader = App::named(&kernel, memory, "reader", READER);
    let app = App::named(&kernel, memory, "app", 7);
    app.process.process().stop();
    reader.allow_rw(DRIVER_NUM, 0, 0, ProcessInfo::SIZE);
    let told = |index: usize| {
        let read = reader.command(DRIVER_NUM, 4, index, 0);
        assert_eq!(read, SuccessU32(ProcessInfo::SIZE as u32));
        ProcessInfo::parse(&reader.get(0, ProcessInfo::SIZE)).expect("a process")
    };
    assert_eq!(told(0).name.as_str(), "reader");
    let info = told(1);
    assert_eq!((info.name.as_str(), info.short_id), ("app", 7));
    assert_eq!(info.state, ProcessState::Stopped);
    assert!(info.ram > info.app && info.app > 0 && info.grants > 0);
    assert!(told(0).syscalls > 0);
    app.process.process().resume();
    app.process.process().terminate(None);
    assert_eq!(told(1).state, ProcessState::Terminated);
    let none = reader.command(DRIVER_NUM, 4, 2, 0);
    assert_eq!(none, Failure(ErrorCode::INVAL));
}
