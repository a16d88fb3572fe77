//! Per-channel amplitude normalisation: loud surroundings lower the gain (PCAN).
//!
//! Owns the gain curve, (noise + 80)^-0.95, as a piecewise quadratic over powers of two.

use crate::{CHANNELS, CORRECTION_BITS, tables};

/// Fixed point of the gain (21 bits) less that of the spectrum and of the ratio below.
const RATIO_SHIFT: u32 = 21 - CORRECTION_BITS - RATIO_BITS;
/// Fraction bits of the signal-to-noise ratio.
const RATIO_BITS: u32 = 12;
/// Fraction bits of the result.
const OUTPUT_BITS: u32 = 6;

/// Applies to each channel the gain for its noise.
pub(crate) fn normalise(signal: &mut [u32; CHANNELS], noise: &[u32; CHANNELS]) {
    for (value, &noise) in signal.iter_mut().zip(noise) {
        let gain = curve(noise) as u64;
        let ratio = ((u64::from(*value).wrapping_mul(gain)) >> RATIO_SHIFT) as u32;
        *value = shrink(ratio);
    }
}

/// The gain for a noise estimate, Q21 shifted into 16 bits.
fn curve(noise: u32) -> i16 {
    if noise <= 2 {
        return tables::GAIN[noise as usize];
    }
    let interval = noise.ilog2() + 1;
    let entry = 4 * interval as usize - 6;
    let fraction = if interval < 11 {
        noise << (11 - interval)
    } else {
        noise >> (interval - 11)
    };
    let fraction = (fraction & 0x3FF) as i32;
    let mut result = (i32::from(tables::GAIN[entry + 2]) * fraction) >> 5;
    result = result.wrapping_add(i32::from(tables::GAIN[entry + 1]) << 5);
    result = result.wrapping_mul(fraction);
    result = result.wrapping_add(1 << 14) >> 15;
    (result + i32::from(tables::GAIN[entry])) as i16
}

/// Square below 2, linear above, continuous at 2.
fn shrink(ratio: u32) -> u32 {
    if ratio < 2 << RATIO_BITS {
        ratio.wrapping_mul(ratio) >> (2 + 2 * RATIO_BITS - OUTPUT_BITS)
    } else {
        (ratio >> (RATIO_BITS - OUTPUT_BITS)) - (1 << OUTPUT_BITS)
    }
}
