//! The button driver as processes see it, on the real kernel with fake pins.

mod common;

use capsules_core::button::{Button, DRIVER_NUM, Pin};
use common::{App, Memory, leak};
use kernel::ErrorCode;
use kernel::hil::gpio::{
    ActivationMode, Client, Configuration, Configure, FloatingState, Input, Interrupt,
    InterruptEdge, InterruptValueWrapper, InterruptWithValue, Output,
};
use kernel::syscall::SyscallReturn::{Failure, Success, SuccessU32};
use kernel::testing::TestKernel;
use std::cell::Cell;

const N: usize = DRIVER_NUM;

#[derive(Default)]
struct FakePin {
    client: Cell<Option<&'static dyn Client>>,
    level: Cell<bool>,
    listening: Cell<Option<InterruptEdge>>,
    input: Cell<bool>,
    pull: Cell<Option<FloatingState>>,
}

impl FakePin {
    fn change(&self, level: bool) {
        self.level.set(level);
        if self.listening.get().is_some() {
            self.client.get().unwrap().fired();
        }
    }
}

impl Input for FakePin {
    fn read(&self) -> bool {
        self.level.get()
    }
}
impl Output for FakePin {
    fn set(&self) {
        panic!("a button is not driven")
    }
    fn clear(&self) {
        panic!("a button is not driven")
    }
    fn toggle(&self) -> bool {
        panic!("a button is not driven")
    }
}
impl Configure for FakePin {
    fn configuration(&self) -> Configuration {
        Configuration::Input
    }
    fn make_output(&self) -> Configuration {
        panic!("a button is not driven")
    }
    fn disable_output(&self) -> Configuration {
        Configuration::Input
    }
    fn make_input(&self) -> Configuration {
        self.input.set(true);
        Configuration::Input
    }
    fn disable_input(&self) -> Configuration {
        Configuration::LowPower
    }
    fn deactivate_to_low_power(&self) {}
    fn set_floating_state(&self, state: FloatingState) {
        self.pull.set(Some(state));
    }
    fn floating_state(&self) -> FloatingState {
        FloatingState::PullNone
    }
}
impl Interrupt<'static> for FakePin {
    fn set_client(&self, client: &'static dyn Client) {
        self.client.set(Some(client));
    }
    fn enable_interrupts(&self, mode: InterruptEdge) {
        self.listening.set(Some(mode));
    }
    fn disable_interrupts(&self) {
        self.listening.set(None);
    }
    fn is_pending(&self) -> bool {
        false
    }
}

struct Board {
    kernel: TestKernel,
    memory: &'static Memory,
    pins: &'static [FakePin; 2],
}

/// Button 0 is pressed when high, button 1 when low.
fn board() -> Board {
    let mut kernel = TestKernel::new();
    let memory = Memory::install(&mut kernel);
    let pins: &'static [FakePin; 2] = leak(Default::default());
    pins[1].level.set(true);
    let [first, second]: [&'static InterruptValueWrapper<'static, FakePin>; 2] =
        [0, 1].map(|i| &*leak(InterruptValueWrapper::new(&pins[i])));
    let wrapped: &'static [Pin<'static, FakePin>; 2] = leak([
        (first, ActivationMode::ActiveHigh, FloatingState::PullDown),
        (second, ActivationMode::ActiveLow, FloatingState::PullUp),
    ]);
    let grant = kernel.kernel().create_grant(N, &kernel.memory_capability());
    let driver: &'static Button<'static, FakePin> = leak(Button::new(wrapped, grant));
    for (pin, ..) in wrapped {
        pin.set_client(driver);
        pin.finalize();
    }
    kernel.driver(N, driver);
    Board {
        kernel,
        memory,
        pins,
    }
}

impl Board {
    fn app(&self, name: &str) -> App<'_> {
        let app = App::new(&self.kernel, self.memory, name);
        app.subscribe(N, 0);
        app
    }
}

#[test]
fn buttons_are_counted_and_read() {
    let board = board();
    let a = board.app("a");
    assert_eq!(a.command(N, 0, 0, 0), SuccessU32(2));
    assert_eq!(a.command(N, 3, 0, 0), SuccessU32(0));
    assert_eq!(a.command(N, 3, 1, 0), SuccessU32(0));
    board.pins[0].change(true);
    board.pins[1].change(false);
    assert_eq!(a.command(N, 3, 0, 0), SuccessU32(1));
    assert_eq!(a.command(N, 3, 1, 0), SuccessU32(1));
    for bad in [2, 31, 32, 33, usize::MAX] {
        for command in 1..=3 {
            assert_eq!(a.command(N, command, bad, 0), Failure(ErrorCode::INVAL));
        }
        assert_eq!(a.command(N, 4, bad, 0), Failure(ErrorCode::NOSUPPORT));
    }
    assert_eq!(a.command(N, 4, 0, 0), Failure(ErrorCode::NOSUPPORT));
    assert!(board.pins.iter().all(|pin| pin.input.get()));
    assert_eq!(board.pins[1].pull.get(), Some(FloatingState::PullUp));
}

#[test]
fn who_enabled_a_button_hears_of_each_change() {
    let board = board();
    let (a, b) = (board.app("a"), board.app("b"));
    board.pins[0].change(true);
    assert_eq!(a.upcalls(), []);
    assert_eq!(a.command(N, 1, 0, 0), Success);
    assert_eq!(a.command(N, 1, 1, 0), Success);
    assert_eq!(b.command(N, 1, 1, 0), Success);
    assert_eq!(
        board.pins[0].listening.get(),
        Some(InterruptEdge::EitherEdge)
    );
    board.pins[0].change(false);
    board.pins[1].change(false);
    assert_eq!(a.upcalls(), [(N, 0, [0, 0, 0]), (N, 0, [1, 1, 0])]);
    assert_eq!(b.upcalls(), [(N, 0, [1, 1, 0])]);
    // One has enough; then both have.
    assert_eq!(a.command(N, 2, 1, 0), Success);
    board.pins[1].change(true);
    assert_eq!(a.upcalls(), []);
    assert_eq!(b.upcalls(), [(N, 0, [1, 0, 0])]);
    assert_eq!(b.command(N, 2, 1, 0), Success);
    assert_eq!(board.pins[1].listening.get(), None);
    assert!(board.pins[0].listening.get().is_some());
}

#[test]
fn a_button_of_the_dead_falls_silent() {
    let board = board();
    let (a, b) = (board.app("a"), board.app("b"));
    for app in [&a, &b] {
        assert_eq!(app.command(N, 1, 0, 0), Success);
    }
    a.process.process().terminate(None);
    board.pins[0].change(true);
    assert_eq!(b.upcalls(), [(N, 0, [0, 1, 0])]);
    assert!(board.pins[0].listening.get().is_some());
    b.process.process().terminate(None);
    board.pins[0].change(false);
    assert_eq!(board.pins[0].listening.get(), None);
}
