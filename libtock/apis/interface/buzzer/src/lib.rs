//! Buzzer driver.
//!
//! Owns the protocol of driver 0x90000: command 1 tone (Hz, ms); upcall 0 when it is over.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use core::time::Duration;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, share, subscribe};

/// The buzzer.
pub struct Buzzer<S: Syscalls, C: subscribe::Config = DefaultConfig>(S, C);

impl<S: Syscalls, C: subscribe::Config> Buzzer<S, C> {
    /// Is there a buzzer driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 0, 0, 0).to_result()
    }

    /// Begins a tone.
    ///
    /// # Errors
    /// The kernel's.
    pub fn tone(freq: u32, duration: Duration) -> Result<(), ErrorCode> {
        let ms = u32::try_from(duration.as_millis()).map_err(|_| ErrorCode::Invalid)?;
        S::command(DRIVER_NUM, 1, freq, ms).to_result()
    }

    /// Makes a tone; returns when it is over.
    ///
    /// # Errors
    /// The kernel's.
    pub fn tone_sync(freq: u32, duration: Duration) -> Result<(), ErrorCode> {
        let over: Cell<Option<(u32,)>> = Cell::new(None);
        share::scope::<Subscribe<'_, S, DRIVER_NUM, 0>, _, _>(|subscribe| {
            S::subscribe::<_, _, C, DRIVER_NUM, 0>(subscribe, &over)?;
            Self::tone(freq, duration)?;
            while over.get().is_none() {
                S::yield_wait();
            }
            Ok(())
        })
    }
}

const DRIVER_NUM: u32 = 0x90000;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};

    type Buzzer = super::Buzzer<fake::Syscalls>;

    #[test]
    fn a_tone_is_waited_for() {
        let kernel = fake::Kernel::new();
        assert_eq!(Buzzer::exists(), Err(ErrorCode::NoDevice));
        let driver = fake::Scripted::new(DRIVER_NUM, |call| {
            call.schedule(0, (0, 0, 0));
            command_return::success()
        });
        kernel.add_driver(&driver);
        assert_eq!(Buzzer::tone_sync(440, Duration::from_millis(20)), Ok(()));
        assert_eq!(driver.commands(), [(1, 440, 20)]);
        let long = Duration::from_secs(1 << 40);
        assert_eq!(Buzzer::tone(440, long), Err(ErrorCode::Invalid));
    }
}
