//! Pins against the fake driver.

use super::*;
use libtock_platform::{YieldNoWaitReturn, share};
use libtock_unittest::fake;
use std::cell::Cell;

type Gpio = super::Gpio<fake::Syscalls>;

#[test]
fn a_pin_has_a_direction_for_as_long_as_somebody_holds_it() {
    let kernel = fake::Kernel::new();
    assert_eq!(Gpio::exists(), Err(ErrorCode::NoDevice));
    let driver = fake::Gpio::<8>::new();
    kernel.add_driver(&driver);
    assert_eq!((Gpio::exists(), Gpio::count()), (Ok(()), Ok(8)));
    assert_eq!(Gpio::get_pin(8).err(), Some(ErrorCode::Invalid));
    let mut pin = Gpio::get_pin(2).unwrap();
    let mut output = pin.make_output().unwrap();
    assert_eq!(driver.get_gpio_state(2).mode, Some(fake::GpioMode::Output));
    output.set().unwrap();
    assert!(driver.get_gpio_state(2).value);
    output.toggle().unwrap();
    assert!(!driver.get_gpio_state(2).value);
    output.set().unwrap();
    output.clear().unwrap();
    assert!(!driver.get_gpio_state(2).value);
    drop(output);
    assert_eq!(driver.get_gpio_state(2).mode, None);

    let input = pin.make_input::<PullUp>().unwrap();
    assert_eq!(
        driver.get_gpio_state(2).mode,
        Some(fake::GpioMode::Input(fake::PullMode::PullUp))
    );
    driver.set_value(2, true).unwrap();
    assert_eq!(input.read(), Ok(GpioState::High));
    drop(input);
    assert_eq!(driver.get_gpio_state(2).mode, None);
}

#[test]
fn edges_reach_the_listener() {
    let kernel = fake::Kernel::new();
    let driver = fake::Gpio::<8>::new();
    kernel.add_driver(&driver);
    let pin = Gpio::get_pin(5).unwrap();
    let input = pin.make_input::<PullNone>().unwrap();
    let told: Cell<Option<(u32, GpioState)>> = Cell::new(None);
    let listener = GpioInterruptListener(|pin, level| told.set(Some((pin, level))));
    share::scope(|subscribe| {
        Gpio::register_listener(&listener, subscribe).unwrap();
        input.enable_interrupts(PinInterruptEdge::Rising).unwrap();
        driver.set_value(5, true).unwrap();
        assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
        assert_eq!(told.take(), Some((5, GpioState::High)));
        driver.set_value(5, false).unwrap();
        assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
        input.disable_interrupts().unwrap();
        driver.set_value(5, true).unwrap();
        assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
    });
}
