//! ADC driver: single samples.
//!
//! Owns the protocol of driver 0x5: command 0 count of channels, 1 (channel) samples, 101 resolution,
//! 102 reference voltage; upcall 0 (mode, channel, sample), mode 0 for a single sample. libtock-rs
//! takes the sample from the first word, where the kernel puts the mode.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::share::{self, Handle};
use libtock_platform::subscribe::OneId;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};

/// The converter; its first channel.
pub struct Adc<S: Syscalls>(S);

impl<S: Syscalls> Adc<S> {
    /// Is there an ADC driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        let answer = S::command(DRIVER_NUM, EXISTS, 0, 0);
        // The kernel answers with the number of channels, not as command 0 should.
        match answer.get_success_u32() {
            Some(_) => Ok(()),
            None => answer.to_result(),
        }
    }

    /// Begins a sample; the listener hears of its end.
    ///
    /// # Errors
    /// `Busy`: one is under way.
    pub fn read_single_sample() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, SINGLE_SAMPLE, 0, 0).to_result()
    }

    /// Registers the listener; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(u16)>(
        listener: &'share ADCListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the listener away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }

    /// Samples. The bits of the resolution are the upper ones of the 16.
    ///
    /// # Errors
    /// As [`Self::read_single_sample`].
    pub fn read_single_sample_sync() -> Result<u16, ErrorCode> {
        let sample = Cell::new(None);
        let listener = ADCListener(|value| sample.set(Some(value)));
        share::scope(|subscribe| {
            Self::register_listener(&listener, subscribe)?;
            Self::read_single_sample()?;
            loop {
                S::yield_wait();
                if let Some(value) = sample.get() {
                    return Ok(value);
                }
            }
        })
    }

    /// Bits of a sample that mean something.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_resolution_bits() -> Result<u32, ErrorCode> {
        S::command(DRIVER_NUM, GET_RESOLUTION_BITS, 0, 0).to_result()
    }

    /// What the largest sample stands for, in millivolts.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get_reference_voltage_mv() -> Result<u32, ErrorCode> {
        S::command(DRIVER_NUM, GET_VOLTAGE_REFERENCE, 0, 0).to_result()
    }
}

/// Calls a function with the sample.
pub struct ADCListener<F: Fn(u16)>(pub F);

impl<F: Fn(u16)> Upcall<OneId<DRIVER_NUM, 0>> for ADCListener<F> {
    fn upcall(&self, _mode: u32, _channel: u32, sample: u32) {
        self.0(sample as u16);
    }
}

const DRIVER_NUM: u32 = 0x5;
const EXISTS: u32 = 0;
const SINGLE_SAMPLE: u32 = 1;
const GET_RESOLUTION_BITS: u32 = 101;
const GET_VOLTAGE_REFERENCE: u32 = 102;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_platform::YieldNoWaitReturn;
    use libtock_unittest::{command_return, fake};

    type Adc = super::Adc<fake::Syscalls>;

    #[test]
    fn a_sample_is_told_and_can_be_waited_for() {
        let kernel = fake::Kernel::new();
        assert_eq!(Adc::exists(), Err(ErrorCode::NoDevice));
        let driver = fake::Adc::new();
        kernel.add_driver(&driver);
        assert_eq!(Adc::exists(), Ok(()));
        driver.set_value_sync(0xFFF0);
        assert_eq!(Adc::read_single_sample_sync(), Ok(0xFFF0));

        let told = Cell::new(None);
        let listener = ADCListener(|sample| told.set(Some(sample)));
        share::scope(|subscribe| {
            Adc::register_listener(&listener, subscribe).unwrap();
            assert_eq!(Adc::read_single_sample(), Ok(()));
            assert!(driver.is_busy());
            assert_eq!(Adc::read_single_sample(), Err(ErrorCode::Busy));
            driver.set_value(100);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
            assert_eq!(told.take(), Some(100));
            Adc::unregister_listener();
            assert_eq!(Adc::read_single_sample(), Ok(()));
            driver.set_value(100);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
        });
    }

    #[test]
    fn what_a_sample_means_is_asked_by_its_own_commands() {
        let kernel = fake::Kernel::new();
        let driver = fake::Scripted::new(DRIVER_NUM, |call| match call.command {
            101 => command_return::success_u32(12),
            102 => command_return::success_u32(3300),
            _ => command_return::failure(ErrorCode::NoSupport),
        });
        kernel.add_driver(&driver);
        assert_eq!(Adc::exists(), Ok(()));
        assert_eq!(Adc::get_resolution_bits(), Ok(12));
        assert_eq!(Adc::get_reference_voltage_mv(), Ok(3300));
        assert_eq!(Adc::read_single_sample_sync(), Err(ErrorCode::NoSupport));
    }
}
