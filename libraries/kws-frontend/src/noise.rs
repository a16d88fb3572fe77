//! Noise reduction: a slow average of each channel is taken for noise and subtracted.
//!
//! Owns the running estimate, the only state that carries over from window to window.

use crate::CHANNELS;

/// Fixed point of the coefficients below.
const BITS: u32 = 14;
/// Fraction bits of the estimate.
const SMOOTHING_BITS: u32 = 10;
/// Weight of a new window: 0.025 for even channels, 0.06 for odd ones.
const SMOOTHING: [u64; 2] = [409, 983];
/// At least 0.05 of the signal remains.
const REMAINING: u64 = 819;

/// Estimated noise of each channel, with [`SMOOTHING_BITS`] fraction bits.
#[derive(Debug, Clone)]
pub(crate) struct Estimate([u32; CHANNELS]);

impl Estimate {
    pub(crate) const fn new() -> Self {
        Estimate([0; CHANNELS])
    }

    pub(crate) fn channels(&self) -> &[u32; CHANNELS] {
        &self.0
    }

    /// Updates the estimate and takes it from the signal.
    pub(crate) fn subtract(&mut self, signal: &mut [u32; CHANNELS]) {
        for (i, (value, estimate)) in signal.iter_mut().zip(&mut self.0).enumerate() {
            let smoothing = SMOOTHING[i & 1];
            let scaled = *value << SMOOTHING_BITS;
            let average =
                u64::from(scaled) * smoothing + u64::from(*estimate) * ((1 << BITS) - smoothing);
            *estimate = (average >> BITS) as u32;
            let noise = (*estimate).min(scaled);
            let floor = ((u64::from(*value) * REMAINING) >> BITS) as u32;
            *value = ((scaled - noise) >> SMOOTHING_BITS).max(floor);
        }
    }
}
