//! Button driver.
//!
//! Owns the protocol of driver 0x3 (tock.md §5.5): command 0 count, 1 enable and 2 disable
//! interrupts, 3 read; upcall 0 (button, state, 0).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use libtock_platform::share::Handle;
use libtock_platform::subscribe::OneId;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};

/// The buttons, numbered from 0.
pub struct Buttons<S: Syscalls>(S);

/// What a button is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum ButtonState {
    /// Down.
    Pressed,
    /// Up.
    Released,
}

impl From<u32> for ButtonState {
    fn from(value: u32) -> ButtonState {
        if value == 0 {
            ButtonState::Released
        } else {
            ButtonState::Pressed
        }
    }
}

impl<S: Syscalls> Buttons<S> {
    /// How many there are.
    ///
    /// # Errors
    /// `NoDevice` without the driver.
    pub fn count() -> Result<u32, ErrorCode> {
        S::command(DRIVER_NUM, 0, 0, 0).to_result()
    }

    /// What a button is now.
    ///
    /// # Errors
    /// `Invalid`: no such button.
    pub fn read(button: u32) -> Result<ButtonState, ErrorCode> {
        let state: u32 = S::command(DRIVER_NUM, 3, button, 0).to_result()?;
        Ok(state.into())
    }

    /// Whether it is down; false too when it cannot be read.
    pub fn is_pressed(button: u32) -> bool {
        Self::read(button) == Ok(ButtonState::Pressed)
    }

    /// Whether it is up; false too when it cannot be read.
    pub fn is_released(button: u32) -> bool {
        Self::read(button) == Ok(ButtonState::Released)
    }

    /// Tells the listener of changes of a button.
    ///
    /// # Errors
    /// `Invalid`: no such button.
    pub fn enable_interrupts(button: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 1, button, 0).to_result()
    }

    /// Stops that.
    ///
    /// # Errors
    /// `Invalid`: no such button.
    pub fn disable_interrupts(button: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 2, button, 0).to_result()
    }

    /// Registers the listener; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(u32, ButtonState)>(
        listener: &'share ButtonListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the listener away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }
}

/// Calls a function with a button's number and what it is now.
pub struct ButtonListener<F: Fn(u32, ButtonState)>(pub F);

impl<F: Fn(u32, ButtonState)> Upcall<OneId<DRIVER_NUM, 0>> for ButtonListener<F> {
    fn upcall(&self, button: u32, state: u32, _: u32) {
        self.0(button, state.into());
    }
}

const DRIVER_NUM: u32 = 0x3;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_platform::{YieldNoWaitReturn, share};
    use libtock_unittest::fake;
    use std::cell::Cell;

    type Buttons = super::Buttons<fake::Syscalls>;

    #[test]
    fn buttons_are_read_and_tell() {
        let kernel = fake::Kernel::new();
        assert_eq!(Buttons::count(), Err(ErrorCode::NoDevice));
        let driver = fake::Buttons::<4>::new();
        kernel.add_driver(&driver);
        assert_eq!(Buttons::count(), Ok(4));
        assert_eq!(driver.set_pressed(1, true), Ok(()));
        assert!(Buttons::is_pressed(1) && Buttons::is_released(0));
        assert!(!Buttons::is_pressed(9) && !Buttons::is_released(9));
        assert_eq!(Buttons::read(9), Err(ErrorCode::Invalid));

        let told: Cell<Option<(u32, ButtonState)>> = Cell::new(None);
        let listener = ButtonListener(|button, state| told.set(Some((button, state))));
        assert_eq!(Buttons::enable_interrupts(2), Ok(()));
        share::scope(|subscribe| {
            assert_eq!(Buttons::register_listener(&listener, subscribe), Ok(()));
            driver.set_pressed(2, true).unwrap();
            driver.set_pressed(3, true).unwrap();
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
            assert_eq!(told.take(), Some((2, ButtonState::Pressed)));
            assert_eq!(Buttons::disable_interrupts(2), Ok(()));
            driver.set_pressed(2, false).unwrap();
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
            Buttons::unregister_listener();
        });
    }
}
