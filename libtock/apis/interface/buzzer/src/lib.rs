//! Buzzer driver.
//!
//! Owns the protocol of driver 0x90000: command 1 tone (Hz, ms); upcall 0 when it is over.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::cell::Cell;
use core::time::Duration;
use libtock_platform::share::{self, Handle};
use libtock_platform::subscribe::OneId;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};

/// The buzzer.
pub struct Buzzer<S: Syscalls>(S);

impl<S: Syscalls> Buzzer<S> {
    /// Is there a buzzer driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, 0, 0, 0).to_result()
    }

    /// Begins a tone; the listener hears of its end.
    ///
    /// # Errors
    /// `Invalid`: it is longer than 49 days. `Busy`: there is one. Else the kernel's.
    pub fn tone(freq: u32, duration: Duration) -> Result<(), ErrorCode> {
        let ms = u32::try_from(duration.as_millis()).map_err(|_| ErrorCode::Invalid)?;
        S::command(DRIVER_NUM, 1, freq, ms).to_result()
    }

    /// Registers the listener; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(u32)>(
        listener: &'share BuzzerListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the listener away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }

    /// Makes a tone; returns when it is over.
    ///
    /// # Errors
    /// As [`Self::tone`].
    pub fn tone_sync(freq: u32, duration: Duration) -> Result<(), ErrorCode> {
        let over = Cell::new(false);
        let listener = BuzzerListener(|_| over.set(true));
        share::scope(|subscribe| {
            Self::register_listener(&listener, subscribe)?;
            Self::tone(freq, duration)?;
            while !over.get() {
                S::yield_wait();
            }
            Ok(())
        })
    }
}

/// Calls a function with the first word that the driver told at the end of a tone.
pub struct BuzzerListener<F: Fn(u32)>(pub F);

impl<F: Fn(u32)> Upcall<OneId<DRIVER_NUM, 0>> for BuzzerListener<F> {
    fn upcall(&self, status: u32, _: u32, _: u32) {
        self.0(status);
    }
}

/// Notes and their frequencies in Hz; S is a sharp.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
#[repr(u32)]
#[rustfmt::skip]
pub enum Note {
    B0 = 31,
    C1 = 33, CS1 = 35, D1 = 37, DS1 = 39, E1 = 41, F1 = 44, FS1 = 46, G1 = 49, GS1 = 52, A1 = 55, AS1 = 58, B1 = 62,
    C2 = 65, CS2 = 69, D2 = 73, DS2 = 78, E2 = 82, F2 = 87, FS2 = 93, G2 = 98, GS2 = 104, A2 = 110, AS2 = 117, B2 = 123,
    C3 = 131, CS3 = 139, D3 = 147, DS3 = 156, E3 = 165, F3 = 175, FS3 = 185, G3 = 196, GS3 = 208, A3 = 220, AS3 = 233, B3 = 247,
    C4 = 262, CS4 = 277, D4 = 294, DS4 = 311, E4 = 330, F4 = 349, FS4 = 370, G4 = 392, GS4 = 415, A4 = 440, AS4 = 466, B4 = 494,
    C5 = 523, CS5 = 554, D5 = 587, DS5 = 622, E5 = 659, F5 = 698, FS5 = 740, G5 = 784, GS5 = 831, A5 = 880, AS5 = 932, B5 = 988,
    C6 = 1047, CS6 = 1109, D6 = 1175, DS6 = 1245, E6 = 1319, F6 = 1397, FS6 = 1480, G6 = 1568, GS6 = 1661, A6 = 1760, AS6 = 1865, B6 = 1976,
    C7 = 2093, CS7 = 2217, D7 = 2349, DS7 = 2489, E7 = 2637, F7 = 2794, FS7 = 2960, G7 = 3136, GS7 = 3322, A7 = 3520, AS7 = 3729, B7 = 3951,
    C8 = 4186, CS8 = 4435, D8 = 4699, DS8 = 4978,
}

const DRIVER_NUM: u32 = 0x90000;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_platform::YieldNoWaitReturn;
    use libtock_unittest::fake;

    type Buzzer = super::Buzzer<fake::Syscalls>;

    #[test]
    fn a_tone_is_waited_for() {
        let kernel = fake::Kernel::new();
        assert_eq!(Buzzer::exists(), Err(ErrorCode::NoDevice));
        let driver = fake::Buzzer::new();
        kernel.add_driver(&driver);
        assert_eq!(Buzzer::exists(), Ok(()));
        driver.set_tone_sync(440, 20);
        let a4 = Note::A4 as u32;
        assert_eq!(Buzzer::tone_sync(a4, Duration::from_millis(20)), Ok(()));
        assert_eq!(driver.get_tone(), Some((440, 20)));
        let long = Duration::from_secs(1 << 40);
        assert_eq!(Buzzer::tone(440, long), Err(ErrorCode::Invalid));
    }

    #[test]
    fn its_end_is_told() {
        let kernel = fake::Kernel::new();
        let driver = fake::Buzzer::new();
        kernel.add_driver(&driver);
        let told = Cell::new(0);
        let listener = BuzzerListener(|_| told.set(told.get() + 1));
        share::scope(|subscribe| {
            Buzzer::register_listener(&listener, subscribe).unwrap();
            assert_eq!(Buzzer::tone(440, Duration::from_secs(1)), Ok(()));
            assert!(driver.is_busy());
            assert_eq!(Buzzer::tone(440, Duration::ZERO), Err(ErrorCode::Busy));
            driver.set_tone(440, 1000);
            assert_eq!(fake::Syscalls::yield_no_wait(), YieldNoWaitReturn::Upcall);
            assert_eq!(told.get(), 1);
            Buzzer::unregister_listener();
        });
    }

    #[test]
    fn an_octave_doubles_the_frequency() {
        let [low, high] = [Note::A3, Note::A7].map(|note| note as u32);
        assert_eq!(low << 4, high);
    }
}
