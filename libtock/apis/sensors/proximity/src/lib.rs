//! Proximity driver.
//!
//! Owns the protocol of driver 0x60005: command 1 measures, 2 (lower, upper) waits for a value outside
//! of the two; upcall 0 (0: nothing there, to 255: closest).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use libtock_platform::share::{self, Handle};
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls};

/// The sensor.
pub struct Proximity<S: Syscalls>(S);

impl<S: Syscalls> Proximity<S> {
    /// Is there such a driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 0, 0, 0).to_result()
    }

    /// Registers the cell that the next values go to; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share>(
        listener: &'share Cell<Option<(u32,)>>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the cell away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }

    /// Begins a measurement.
    ///
    /// # Errors
    /// `Busy`: one is under way.
    pub fn read() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, READ, 0, 0).to_result()
    }

    /// Measures.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_sync() -> Result<u8, ErrorCode> {
        Self::wait(Self::read)
    }

    /// Begins to measure until a value is below `lower` or above `upper`.
    ///
    /// # Errors
    /// `Busy`: a measurement is under way.
    pub fn read_on_interrupt(lower: u8, upper: u8) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, READ_ON_INTERRUPT, lower.into(), upper.into()).to_result()
    }

    /// Waits for a value below `lower` or above `upper`.
    ///
    /// # Errors
    /// `Invalid`: `lower` is above `upper`; else as [`Self::read_on_interrupt`].
    pub fn wait_for_value_between(lower: u8, upper: u8) -> Result<u8, ErrorCode> {
        if lower > upper {
            return Err(ErrorCode::Invalid);
        }
        Self::wait(|| Self::read_on_interrupt(lower, upper))
    }

    fn wait(begin: impl FnOnce() -> Result<(), ErrorCode>) -> Result<u8, ErrorCode> {
        let measured = Cell::new(None);
        share::scope(|subscribe| {
            Self::register_listener(&measured, subscribe)?;
            begin()?;
            loop {
                S::yield_wait();
                if let Some((value,)) = measured.get() {
                    return Ok(value as u8);
                }
            }
        })
    }
}

const DRIVER_NUM: u32 = 0x60005;
const READ: u32 = 1;
const READ_ON_INTERRUPT: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_platform::YieldNoWaitReturn;
    use libtock_unittest::fake;

    type Proximity = super::Proximity<fake::Syscalls>;

    #[test]
    fn a_value_is_waited_for_and_quiet_ones_are_not_told() {
        let kernel = fake::Kernel::new();
        assert_eq!(Proximity::exists(), Err(ErrorCode::NoDevice));
        assert_eq!(Proximity::read_sync(), Err(ErrorCode::NoDevice));
        assert_eq!(
            Proximity::wait_for_value_between(2, 1),
            Err(ErrorCode::Invalid)
        );
        let driver = fake::Proximity::new();
        kernel.add_driver(&driver);
        assert_eq!(Proximity::exists(), Ok(()));
        driver.set_value_sync(7);
        assert_eq!(Proximity::read_sync(), Ok(7));
        driver.set_value_sync(201);
        assert_eq!(Proximity::wait_for_value_between(100, 200), Ok(201));

        let told = Cell::new(None);
        share::scope(|subscribe| {
            Proximity::register_listener(&told, subscribe).unwrap();
            assert_eq!(Proximity::read_on_interrupt(100, 200), Ok(()));
            assert_eq!(Proximity::read(), Err(ErrorCode::Busy));
            for quiet in [100, 150, 200] {
                driver.set_value(quiet);
                assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::NoUpcall);
            }
            driver.set_value(99);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
            assert_eq!(told.take(), Some((99,)));
            Proximity::unregister_listener();
        });
    }
}
