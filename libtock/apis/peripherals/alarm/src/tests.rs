//! The alarm against a fake driver.

use super::*;
use libtock_platform::Event;
use libtock_unittest::{command_return, fake};
use std::rc::Rc;

use std::cell::Cell as StdCell;

/// An alarm at `freq` whose time moves by the wait asked for.
fn alarm(freq: u32, now: Rc<StdCell<u32>>) -> Rc<fake::Scripted> {
    fake::Scripted::new(DRIVER_NUM, move |call| match call.command {
        command::FREQUENCY => command_return::success_u32(freq),
        command::TIME => command_return::success_u32(now.get()),
        command::STOP => command_return::success(),
        command::SET_RELATIVE => {
            now.set(now.get().wrapping_add(call.arg0));
            call.schedule(0, (now.get(), now.get(), 0));
            command_return::success_u32(now.get())
        }
        _ => command_return::failure(ErrorCode::NoSupport),
    })
}

#[test]
fn milliseconds_round_up_and_saturate() {
    assert_eq!(Milliseconds(1).to_ticks(Hz(32_768)), Ticks(33));
    assert_eq!(Milliseconds(0).to_ticks(Hz(1000)), Ticks(0));
    assert_eq!(
        Milliseconds(u32::MAX).to_ticks(Hz(u32::MAX)),
        Ticks(u32::MAX)
    );
}

#[test]
fn sleeping_waits_as_long_as_asked() {
    let kernel = fake::Kernel::new();
    assert_eq!(Alarm::<fake::Syscalls>::exists(), Err(ErrorCode::NoDevice));
    let now = Rc::new(StdCell::new(100));
    kernel.add_driver(&alarm(1_000_000, now.clone()));
    Alarm::<fake::Syscalls>::sleep_for(Milliseconds(5)).unwrap();
    assert_eq!(now.get(), 5100);
    assert_eq!(Alarm::<fake::Syscalls>::get_milliseconds(), Ok(5));
}

#[test]
fn another_drivers_upcall_ends_a_wait() {
    static EVENT: Event = Event::new();
    let kernel = fake::Kernel::new();
    let driver = alarm(1000, Rc::default());
    kernel.add_driver(&driver);
    let other = fake::Scripted::new(77, |_| command_return::success());
    kernel.add_driver(&other);
    fake::Syscalls::subscribe_static(77, 3, &EVENT).unwrap();
    other.schedule(3, (1, 2, 3));
    let wait = |ms| Alarm::<fake::Syscalls>::wait(Milliseconds(ms), || EVENT.is_raised());
    assert_eq!(wait(9), Ok(true));
    assert_eq!(EVENT.take(), Some((1, 2, 3)));
    // The alarm was stopped, and its late event went with the subscription.
    assert_eq!(driver.commands().last(), Some(&(command::STOP, 0, 0)));
    assert_eq!(wait(9), Ok(false));
    assert_eq!(EVENT.take(), None);
}

#[test]
fn a_clock_goes_on_when_the_counter_wraps() {
    let kernel = fake::Kernel::new();
    let now = Rc::new(StdCell::new(u32::MAX - 9));
    kernel.add_driver(&alarm(1_000_000, now.clone()));
    let mut clock = Clock::new::<fake::Syscalls>().unwrap();
    now.set(20);
    assert_eq!(clock.now_us::<fake::Syscalls>(), 30);
    now.set(2020);
    assert_eq!(clock.now_ms::<fake::Syscalls>(), 2);
}
