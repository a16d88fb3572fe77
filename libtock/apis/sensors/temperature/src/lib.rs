//! Temperature driver.
//!
//! Owns the protocol of driver 0x60000: command 1 measures; upcall 0 (hundredths of a
//! degree Celsius, signed).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::share::{self, Handle};
use libtock_platform::subscribe::OneId;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};

/// The sensor.
pub struct Temperature<S: Syscalls>(S);

impl<S: Syscalls> Temperature<S> {
    /// Is there such a driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 0, 0, 0).to_result()
    }

    /// Begins a measurement; the listener hears of its end.
    ///
    /// # Errors
    /// `Busy`: one is under way.
    pub fn read_temperature() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 1, 0, 0).to_result()
    }

    /// Registers the listener; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(i32)>(
        listener: &'share TemperatureListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the listener away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }

    /// Measures; hundredths of a degree Celsius.
    ///
    /// # Errors
    /// As [`Self::read_temperature`].
    pub fn read_temperature_sync() -> Result<i32, ErrorCode> {
        let measured = Cell::new(None);
        let listener = TemperatureListener(|value| measured.set(Some(value)));
        share::scope(|subscribe| {
            Self::register_listener(&listener, subscribe)?;
            Self::read_temperature()?;
            loop {
                S::yield_wait();
                if let Some(value) = measured.get() {
                    return Ok(value);
                }
            }
        })
    }
}

/// Calls a function with what was measured.
pub struct TemperatureListener<F: Fn(i32)>(pub F);

impl<F: Fn(i32)> Upcall<OneId<DRIVER_NUM, 0>> for TemperatureListener<F> {
    fn upcall(&self, value: u32, _: u32, _: u32) {
        self.0(value as i32);
    }
}

const DRIVER_NUM: u32 = 0x60000;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_platform::YieldNoWaitReturn;
    use libtock_unittest::fake;

    type Temperature = super::Temperature<fake::Syscalls>;

    #[test]
    fn a_sample_is_told_and_can_be_waited_for() {
        let kernel = fake::Kernel::new();
        assert_eq!(Temperature::exists(), Err(ErrorCode::NoDevice));
        assert_eq!(
            Temperature::read_temperature_sync(),
            Err(ErrorCode::NoDevice)
        );
        let driver = fake::Temperature::new();
        kernel.add_driver(&driver);
        assert_eq!(Temperature::exists(), Ok(()));
        driver.set_value_sync(-1234);
        assert_eq!(Temperature::read_temperature_sync(), Ok(-1234));

        let told = Cell::new(None);
        let listener = TemperatureListener(|value| told.set(Some(value)));
        share::scope(|subscribe| {
            assert_eq!(Temperature::register_listener(&listener, subscribe), Ok(()));
            assert_eq!(Temperature::read_temperature(), Ok(()));
            assert!(driver.is_busy());
            assert_eq!(Temperature::read_temperature(), Err(ErrorCode::Busy));
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
            driver.set_value(-1234);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
            assert_eq!(told.take(), Some(-1234));
            Temperature::unregister_listener();
            assert_eq!(Temperature::read_temperature(), Ok(()));
            driver.set_value(-1234);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
        });
    }
}
