//! The LED driver as processes see it, on the real kernel with fake LEDs.

mod common;

use capsules_core::led::{DRIVER_NUM, LedDriver};
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::hil::led::Led;
use kernel::syscall::SyscallReturn::{Failure, Success, SuccessU32};
use kernel::testing::TestKernel;
use std::cell::Cell;

const N: usize = DRIVER_NUM;

struct FakeLed(Cell<bool>);

impl Led for FakeLed {
    fn init(&self) {
        self.off();
    }
    fn on(&self) {
        self.0.set(true);
    }
    fn off(&self) {
        self.0.set(false);
    }
    fn toggle(&self) {
        self.0.set(!self.0.get());
    }
    fn read(&self) -> bool {
        self.0.get()
    }
}

#[test]
fn leds_are_counted_set_and_read() {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let leds: &'static [FakeLed; 2] = leak([true, true].map(|lit| FakeLed(Cell::new(lit))));
    let [first, second] = leds;
    kernel.driver(N, leak(LedDriver::new(leak([first, second]))));
    let a = App::new(&kernel, memory, "a");
    // Command 0 is a count (quirk 16), and they begin dark.
    assert_eq!(a.command(N, 0, 0, 0), SuccessU32(2));
    for led in 0..2 {
        assert_eq!(a.command(N, 4, led, 0), SuccessU32(0));
    }
    assert_eq!(a.command(N, 1, 1, 0), Success);
    assert_eq!(a.command(N, 4, 1, 0), SuccessU32(1));
    assert_eq!(a.command(N, 4, 0, 0), SuccessU32(0));
    assert_eq!(a.command(N, 3, 0, 0), Success);
    assert_eq!(a.command(N, 3, 1, 0), Success);
    assert!(first.read() && !second.read());
    assert_eq!(a.command(N, 2, 0, 0), Success);
    assert!(!first.read());
    for bad in [2, usize::MAX] {
        for command in 1..=4 {
            assert_eq!(a.command(N, command, bad, 0), Failure(ErrorCode::INVAL));
        }
    }
    for command in [5, usize::MAX] {
        assert_eq!(a.command(N, command, 0, 0), Failure(ErrorCode::NOSUPPORT));
    }
}
