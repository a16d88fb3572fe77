//! LED driver.
//!
//! Owns the protocol of driver 0x2 (tock.md §5.5): command 0 count, 1 on, 2 off, 3 toggle, 4 read.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use libtock_platform::{ErrorCode, Syscalls};

/// The LEDs, numbered from 0. All calls: `Invalid` for a number too high.
pub struct Leds<S: Syscalls>(S);

impl<S: Syscalls> Leds<S> {
    /// How many there are.
    ///
    /// # Errors
    /// `NoDevice` without the driver.
    pub fn count() -> Result<u32, ErrorCode> {
        S::command(DRIVER_NUM, 0, 0, 0).to_result()
    }

    /// Lights one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn on(led: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 1, led, 0).to_result()
    }

    /// Darkens one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn off(led: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 2, led, 0).to_result()
    }

    /// Changes one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn toggle(led: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 3, led, 0).to_result()
    }

    /// Whether one is lit (ours; libtock-rs has no such call).
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_on(led: u32) -> Result<bool, ErrorCode> {
        let state: u32 = S::command(DRIVER_NUM, 4, led, 0).to_result()?;
        Ok(state != 0)
    }
}

const DRIVER_NUM: u32 = 0x2;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::fake;

    type Leds = super::Leds<fake::Syscalls>;

    #[test]
    fn leds_obey_by_number() {
        let kernel = fake::Kernel::new();
        assert_eq!(Leds::count(), Err(ErrorCode::NoDevice));
        let driver = fake::Leds::<3>::new();
        kernel.add_driver(&driver);
        assert_eq!(Leds::count(), Ok(3));
        assert_eq!(Leds::on(1), Ok(()));
        assert_eq!(driver.get_led(1), Some(true));
        assert_eq!((Leds::toggle(0), Leds::toggle(1)), (Ok(()), Ok(())));
        assert_eq!(
            (driver.get_led(0), driver.get_led(1)),
            (Some(true), Some(false))
        );
        assert_eq!(Leds::off(0), Ok(()));
        assert_eq!((Leds::is_on(0), Leds::is_on(2)), (Ok(false), Ok(false)));
        assert_eq!(Leds::on(3), Err(ErrorCode::Invalid));
        assert_eq!(driver.get_led(3), None);
    }
}
