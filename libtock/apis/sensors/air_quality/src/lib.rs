//! Air quality driver.
//!
//! Owns the protocol of driver 0x60007: command 2 measures CO2, 3 volatile organic compounds (TVOC);
//! upcall 0 (value), for both.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::share::{self, Handle};
use libtock_platform::subscribe::OneId;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};

/// The sensor.
pub struct AirQuality<S: Syscalls>(S);

impl<S: Syscalls> AirQuality<S> {
    /// Is there such a driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 0, 0, 0).to_result()
    }

    /// Registers the listener; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(u32)>(
        listener: &'share AirQualityListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the listener away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }

    /// Begins a measurement of CO2; the listener hears of its end.
    ///
    /// # Errors
    /// `Busy`: one is under way.
    pub fn read_co2() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, READ_CO2, 0, 0).to_result()
    }

    /// Begins a measurement of TVOC; the listener hears of its end.
    ///
    /// # Errors
    /// `Busy`: one is under way.
    pub fn read_tvoc() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, READ_TVOC, 0, 0).to_result()
    }

    /// Measures CO2; parts per million.
    ///
    /// # Errors
    /// As [`Self::read_co2`].
    pub fn read_co2_sync() -> Result<u32, ErrorCode> {
        Self::measure(READ_CO2)
    }

    /// Measures TVOC; parts per billion.
    ///
    /// # Errors
    /// As [`Self::read_tvoc`].
    pub fn read_tvoc_sync() -> Result<u32, ErrorCode> {
        Self::measure(READ_TVOC)
    }

    /// Measures both: CO2 and TVOC.
    ///
    /// # Errors
    /// As [`Self::read_co2`].
    pub fn read_sync() -> Result<(u32, u32), ErrorCode> {
        Ok((Self::read_co2_sync()?, Self::read_tvoc_sync()?))
    }

    fn measure(command: u32) -> Result<u32, ErrorCode> {
        let measured = Cell::new(None);
        let listener = AirQualityListener(|value| measured.set(Some(value)));
        share::scope(|subscribe| {
            Self::register_listener(&listener, subscribe)?;
            S::command(DRIVER_NUM, command, 0, 0).to_result::<(), ErrorCode>()?;
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
pub struct AirQualityListener<F: Fn(u32)>(pub F);

impl<F: Fn(u32)> Upcall<OneId<DRIVER_NUM, 0>> for AirQualityListener<F> {
    fn upcall(&self, value: u32, _: u32, _: u32) {
        self.0(value);
    }
}

const DRIVER_NUM: u32 = 0x60007;
const READ_CO2: u32 = 2;
const READ_TVOC: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_platform::YieldNoWaitReturn;
    use libtock_unittest::{SyscallLogEntry, fake};

    type AirQuality = super::AirQuality<fake::Syscalls>;

    #[test]
    fn both_values_are_asked_for_and_told() {
        let kernel = fake::Kernel::new();
        assert_eq!(AirQuality::exists(), Err(ErrorCode::NoDevice));
        assert_eq!(AirQuality::read_sync(), Err(ErrorCode::NoDevice));
        let driver = fake::AirQuality::new();
        kernel.add_driver(&driver);
        assert_eq!(AirQuality::exists(), Ok(()));
        driver.set_values_sync(412, 30);
        kernel.take_syscall_log();
        assert_eq!(AirQuality::read_sync(), Ok((412, 30)));
        let asked: Vec<u32> = kernel
            .take_syscall_log()
            .iter()
            .filter_map(|entry| match entry {
                SyscallLogEntry::Command { command_id, .. } => Some(*command_id),
                _ => None,
            })
            .collect();
        assert_eq!(asked, [2, 3]);

        let told = Cell::new(None);
        let listener = AirQualityListener(|value| told.set(Some(value)));
        share::scope(|subscribe| {
            AirQuality::register_listener(&listener, subscribe).unwrap();
            assert_eq!(AirQuality::read_co2(), Ok(()));
            assert!(driver.is_busy());
            assert_eq!(AirQuality::read_tvoc(), Err(ErrorCode::Busy));
            driver.set_value(500);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
            assert_eq!(told.take(), Some(500));
            AirQuality::unregister_listener();
            assert_eq!(AirQuality::read_tvoc(), Ok(()));
            driver.set_value(31);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
        });
    }
}
