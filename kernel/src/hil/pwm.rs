//! Pulse width modulation.

use crate::ErrorCode;

/// A modulator of which a caller chooses the pin.
pub trait Pwm {
    /// Names a pin of the chip.
    type Pin;

    /// Starts; a duty cycle of [`Pwm::get_maximum_duty_cycle`] is always high.
    ///
    /// # Errors
    /// `INVAL`, `FAIL`.
    fn start(
        &self,
        pin: &Self::Pin,
        frequency_hz: usize,
        duty_cycle: usize,
    ) -> Result<(), ErrorCode>;
    /// Stops.
    ///
    /// # Errors
    /// `FAIL`.
    fn stop(&self, pin: &Self::Pin) -> Result<(), ErrorCode>;
    /// In Hz.
    fn get_maximum_frequency_hz(&self) -> usize;
    /// What stands for 100 %.
    fn get_maximum_duty_cycle(&self) -> usize;
}

/// One pin.
pub trait PwmPin {
    /// As [`Pwm::start`].
    ///
    /// # Errors
    /// As there.
    fn start(&self, frequency_hz: usize, duty_cycle: usize) -> Result<(), ErrorCode>;
    /// As [`Pwm::stop`].
    ///
    /// # Errors
    /// As there.
    fn stop(&self) -> Result<(), ErrorCode>;
    /// As [`Pwm::get_maximum_frequency_hz`].
    fn get_maximum_frequency_hz(&self) -> usize;
    /// As [`Pwm::get_maximum_duty_cycle`].
    fn get_maximum_duty_cycle(&self) -> usize;
}
