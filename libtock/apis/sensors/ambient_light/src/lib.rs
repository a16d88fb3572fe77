//! Ambient light driver.
//!
//! Owns the protocol of driver 0x60002: command 1 measures; upcall 0 (lux).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::share::{self, Handle};
use libtock_platform::subscribe::OneId;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};

/// The sensor.
pub struct AmbientLight<S: Syscalls>(S);

impl<S: Syscalls> AmbientLight<S> {
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
    pub fn read_intensity() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 1, 0, 0).to_result()
    }

    /// Registers the listener; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(u32)>(
        listener: &'share IntensityListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the listener away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }

    /// Measures; lux.
    ///
    /// # Errors
    /// As [`Self::read_intensity`].
    pub fn read_intensity_sync() -> Result<u32, ErrorCode> {
        let measured = Cell::new(None);
        let listener = IntensityListener(|value| measured.set(Some(value)));
        share::scope(|subscribe| {
            Self::register_listener(&listener, subscribe)?;
            Self::read_intensity()?;
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
pub struct IntensityListener<F: Fn(u32)>(pub F);

impl<F: Fn(u32)> Upcall<OneId<DRIVER_NUM, 0>> for IntensityListener<F> {
    fn upcall(&self, value: u32, _: u32, _: u32) {
        self.0(value);
    }
}

const DRIVER_NUM: u32 = 0x60002;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_platform::YieldNoWaitReturn;
    use libtock_unittest::fake;

    type AmbientLight = super::AmbientLight<fake::Syscalls>;

    #[test]
    fn a_sample_is_told_and_can_be_waited_for() {
        let kernel = fake::Kernel::new();
        assert_eq!(AmbientLight::exists(), Err(ErrorCode::NoDevice));
        assert_eq!(
            AmbientLight::read_intensity_sync(),
            Err(ErrorCode::NoDevice)
        );
        let driver = fake::AmbientLight::new();
        kernel.add_driver(&driver);
        assert_eq!(AmbientLight::exists(), Ok(()));
        driver.set_value_sync(870);
        assert_eq!(AmbientLight::read_intensity_sync(), Ok(870));

        let told = Cell::new(None);
        let listener = IntensityListener(|value| told.set(Some(value)));
        share::scope(|subscribe| {
            assert_eq!(
                AmbientLight::register_listener(&listener, subscribe),
                Ok(())
            );
            assert_eq!(AmbientLight::read_intensity(), Ok(()));
            assert!(driver.is_busy());
            assert_eq!(AmbientLight::read_intensity(), Err(ErrorCode::Busy));
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
            driver.set_value(870);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
            assert_eq!(told.take(), Some(870));
            AmbientLight::unregister_listener();
            assert_eq!(AmbientLight::read_intensity(), Ok(()));
            driver.set_value(870);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
        });
    }
}
