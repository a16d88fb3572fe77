//! Triangular mel filters over the spectrum's energy.
//!
//! Owns the step from spectrum to channel magnitudes, on the scale of the unshifted input.

use crate::fft::Complex;
use crate::{CHANNELS, tables};

/// Magnitude of each channel; `shift` is what the FFT's input had been shifted by.
pub(crate) fn magnitudes(spectrum: &[Complex; 257], shift: u32) -> [u32; CHANNELS] {
    let mut out = [0; CHANNELS];
    // A bin adds to the rising side of one filter and to the falling side of the one before.
    let mut falling = 0u64;
    let mut bin = tables::FIRST_BIN;
    for (channel, &width) in tables::BIN_COUNTS.iter().enumerate() {
        let (mut rising, mut next) = (falling, 0u64);
        for _ in 0..width {
            let Complex { re, im } = spectrum[bin];
            let (re, im) = (i32::from(re), i32::from(im));
            let energy = (re * re) as u32 + (im * im) as u32;
            let weight = u64::from(tables::WEIGHTS[bin - tables::FIRST_BIN]);
            let unweight = u64::from(tables::UNWEIGHTS[bin - tables::FIRST_BIN]);
            rising = rising.wrapping_add(weight * u64::from(energy));
            next = next.wrapping_add(unweight * u64::from(energy));
            bin += 1;
        }
        // The first accumulation belongs to the band below the lowest filter.
        if let Some(place) = channel.checked_sub(1) {
            out[place] = root(rising) >> shift;
        }
        falling = next;
    }
    out
}

/// Square root, rounded to nearest.
fn root(value: u64) -> u32 {
    let floor = value.isqrt();
    let rounded = floor + u64::from(value - floor * floor > floor);
    if value <= u64::from(u32::MAX) {
        rounded.min(0xFFFF) as u32
    } else {
        rounded.min(u64::from(u32::MAX)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::root;

    #[test]
    fn roots_are_rounded() {
        assert_eq!(
            [root(0), root(1), root(2), root(3), root(6), root(7)],
            [0, 1, 1, 2, 2, 3]
        );
        assert_eq!(root(u64::from(u32::MAX)), 0xFFFF);
        assert_eq!(root(u64::MAX), u32::MAX);
    }
}
