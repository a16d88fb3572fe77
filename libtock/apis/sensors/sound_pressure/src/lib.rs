//! Sound pressure driver.
//!
//! Owns the protocol of driver 0x60006: command 1 measures, 2 turns the sensor on, 3
//! off; upcall 0 (0 to 255).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::share::{self, Handle};
use libtock_platform::subscribe::OneId;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};

/// The sensor.
pub struct SoundPressure<S: Syscalls>(S);

impl<S: Syscalls> SoundPressure<S> {
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
    pub fn read() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 1, 0, 0).to_result()
    }

    /// Turns the sensor on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn enable() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 2, 0, 0).to_result()
    }

    /// Turns it off.
    ///
    /// # Errors
    /// The kernel's.
    pub fn disable() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 3, 0, 0).to_result()
    }

    /// Registers the listener; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(u32)>(
        listener: &'share SoundPressureListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the listener away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }

    /// Measures; 0 to 255.
    ///
    /// # Errors
    /// As [`Self::read`]; `Invalid`: the driver told a number over 255.
    pub fn read_sync() -> Result<u8, ErrorCode> {
        let measured = Cell::new(None);
        let listener = SoundPressureListener(|value| measured.set(Some(value)));
        share::scope(|subscribe| {
            Self::register_listener(&listener, subscribe)?;
            Self::read()?;
            loop {
                S::yield_wait();
                if let Some(value) = measured.get() {
                    return u8::try_from(value).map_err(|_| ErrorCode::Invalid);
                }
            }
        })
    }
}

/// Calls a function with what was measured.
pub struct SoundPressureListener<F: Fn(u32)>(pub F);

impl<F: Fn(u32)> Upcall<OneId<DRIVER_NUM, 0>> for SoundPressureListener<F> {
    fn upcall(&self, value: u32, _: u32, _: u32) {
        self.0(value);
    }
}

const DRIVER_NUM: u32 = 0x60006;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_platform::YieldNoWaitReturn;
    use libtock_unittest::fake;

    type SoundPressure = super::SoundPressure<fake::Syscalls>;

    #[test]
    fn a_sample_is_told_and_can_be_waited_for() {
        let kernel = fake::Kernel::new();
        assert_eq!(SoundPressure::exists(), Err(ErrorCode::NoDevice));
        assert_eq!(SoundPressure::read_sync(), Err(ErrorCode::NoDevice));
        let driver = fake::SoundPressure::new();
        kernel.add_driver(&driver);
        assert_eq!(SoundPressure::exists(), Ok(()));
        driver.set_value_sync(91);
        assert_eq!(SoundPressure::read_sync(), Ok(91));

        let told = Cell::new(None);
        let listener = SoundPressureListener(|value| told.set(Some(value)));
        share::scope(|subscribe| {
            assert_eq!(
                SoundPressure::register_listener(&listener, subscribe),
                Ok(())
            );
            assert_eq!(SoundPressure::read(), Ok(()));
            assert!(driver.is_busy());
            assert_eq!(SoundPressure::read(), Err(ErrorCode::Busy));
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
            driver.set_value(91);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
            assert_eq!(told.take(), Some(91));
            SoundPressure::unregister_listener();
            assert_eq!(SoundPressure::read(), Ok(()));
            driver.set_value(91);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
        });
    }

    #[test]
    fn a_value_that_is_none_is_refused() {
        let kernel = fake::Kernel::new();
        let driver = fake::Scripted::new(DRIVER_NUM, |call| {
            if call.command == 1 {
                call.schedule(0, (256, 0, 0));
            }
            libtock_unittest::command_return::success()
        });
        kernel.add_driver(&driver);
        assert_eq!(
            (SoundPressure::enable(), SoundPressure::disable()),
            (Ok(()), Ok(()))
        );
        assert_eq!(SoundPressure::read_sync(), Err(ErrorCode::Invalid));
        assert_eq!(driver.commands(), [(2, 0, 0), (3, 0, 0), (1, 0, 0)]);
    }
}
