//! Analogue to digital conversion.
//!
//! Samples are left-justified in 16 bits.

use crate::ErrorCode;

/// A converter of which a caller chooses the channel.
pub trait Adc<'a> {
    /// Names a channel of the chip.
    type Channel: PartialEq;

    /// Takes one sample; `sample_ready` follows.
    ///
    /// # Errors
    /// `BUSY`, `OFF`.
    fn sample(&self, channel: &Self::Channel) -> Result<(), ErrorCode>;
    /// Takes samples at `frequency` Hz until stopped.
    ///
    /// # Errors
    /// `BUSY`, `OFF`, `INVAL` (frequency), `NOSUPPORT`.
    fn sample_continuous(&self, channel: &Self::Channel, frequency: u32) -> Result<(), ErrorCode>;
    /// No callback follows.
    ///
    /// # Errors
    /// `OFF`, `NOSUPPORT`.
    fn stop_sampling(&self) -> Result<(), ErrorCode>;
    /// Bits of a sample that mean something.
    fn get_resolution_bits(&self) -> usize;
    /// Reference voltage in millivolts, if known.
    fn get_voltage_reference_mv(&self) -> Option<usize>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn Client);
}

/// Receives single samples.
pub trait Client {
    /// A sample.
    fn sample_ready(&self, sample: u16);
}

/// A converter that fills buffers.
pub trait AdcHighSpeed<'a>: Adc<'a> {
    /// Fills one buffer after the other at `frequency` Hz.
    ///
    /// # Errors
    /// `BUSY`, `OFF`, `INVAL`, `NOSUPPORT`, with the buffers.
    #[allow(clippy::type_complexity)]
    fn sample_highspeed(
        &self,
        channel: &Self::Channel,
        frequency: u32,
        buffer1: &'static mut [u16],
        length1: usize,
        buffer2: &'static mut [u16],
        length2: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u16], &'static mut [u16])>;
    /// Gives the next buffer to fill.
    ///
    /// # Errors
    /// `BUSY`, `INVAL`, `NOSUPPORT`, with the buffer.
    fn provide_buffer(
        &self,
        buf: &'static mut [u16],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u16])>;
    /// Takes back what a stopped conversion still holds.
    ///
    /// # Errors
    /// `INVAL` while it samples, `NOSUPPORT`.
    #[allow(clippy::type_complexity)]
    fn retrieve_buffers(
        &self,
    ) -> Result<(Option<&'static mut [u16]>, Option<&'static mut [u16]>), ErrorCode>;
    /// Whom to tell of buffers.
    fn set_highspeed_client(&self, client: &'a dyn HighSpeedClient);
}

/// Receives buffers of samples.
pub trait HighSpeedClient {
    /// A buffer is full up to `length`.
    fn samples_ready(&self, buf: &'static mut [u16], length: usize);
}

/// One channel, as a virtualiser hands it out.
pub trait AdcChannel<'a> {
    /// As [`Adc::sample`].
    ///
    /// # Errors
    /// As there.
    fn sample(&self) -> Result<(), ErrorCode>;
    /// As [`Adc::sample_continuous`].
    ///
    /// # Errors
    /// As there.
    fn sample_continuous(&self) -> Result<(), ErrorCode>;
    /// As [`Adc::stop_sampling`].
    ///
    /// # Errors
    /// As there.
    fn stop_sampling(&self) -> Result<(), ErrorCode>;
    /// As [`Adc::get_resolution_bits`].
    fn get_resolution_bits(&self) -> usize;
    /// As [`Adc::get_voltage_reference_mv`].
    fn get_voltage_reference_mv(&self) -> Option<usize>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn Client);
}
