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
    driver.set_missing_gpio(7);
    assert_eq!(Gpio::get_pin(7).err(), Some(ErrorCode::NoDevice));
    let mut pin = Gpio::get_pin(2).unwrap();
    let mut output = pin.make_output().unwrap();
    assert_eq!(
        driver.get_gpio_state(2).unwrap().mode,
        fake::GpioMode::Output
    );
    output.set().unwrap();
    assert!(driver.get_gpio_state(2).unwrap().value);
    output.toggle().unwrap();
    assert!(!driver.get_gpio_state(2).unwrap().value);
    output.set().unwrap();
    output.clear().unwrap();
    assert!(!driver.get_gpio_state(2).unwrap().value);
    drop(output);
    assert_eq!(
        driver.get_gpio_state(2).unwrap().mode,
        fake::GpioMode::Disable
    );

    let input = pin.make_input::<PullUp>().unwrap();
    assert_eq!(
        driver.get_gpio_state(2).unwrap().mode,
        fake::GpioMode::Input(fake::PullMode::PullUp)
    );
    driver.set_value(2, true).unwrap();
    assert_eq!(input.read(), Ok(GpioState::High));
    drop(input);
    assert_eq!(
        driver.get_gpio_state(2).unwrap().mode,
        fake::GpioMode::Disable
    );
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

#[cfg(feature = "rust_embedded")]
#[test]
fn pins_are_embedded_hals() {
    use embedded_hal::digital::{InputPin as In, OutputPin as Out};

    /// As a driver that knows nothing of Tock.
    fn pulse(pin: &mut impl Out<Error = ErrorCode>) {
        pin.set_high().unwrap();
    }

    let kernel = fake::Kernel::new();
    let driver = fake::Gpio::<2>::new();
    kernel.add_driver(&driver);
    let mut pin = Gpio::get_pin(1).unwrap();
    let mut output = pin.make_output().unwrap();
    pulse(&mut output);
    assert!(driver.get_gpio_state(1).unwrap().value);
    output.set_low().unwrap();
    assert!(!driver.get_gpio_state(1).unwrap().value);
    drop(output);
    let mut input = pin.make_input::<PullNone>().unwrap();
    driver.set_value(1, true).unwrap();
    assert_eq!((input.is_high(), input.is_low()), (Ok(true), Ok(false)));
}
