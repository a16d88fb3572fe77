//! Natural logarithm of each channel, times 64.
//!
//! Owns the logarithm: exponent by counting bits, mantissa by a table with 128 segments.

use crate::{CHANNELS, CORRECTION_BITS, tables};

/// ln 2 in Q16.
const LN_2: u64 = 45426;
/// Result bits below the integer.
const SCALE_SHIFT: u32 = 6;

/// The features.
pub(crate) fn scale(signal: &[u32; CHANNELS]) -> [u16; CHANNELS] {
    signal.map(|value| {
        let value = value << CORRECTION_BITS;
        if value > 1 {
            natural(value).min(0xFFFF) as u16
        } else {
            0
        }
    })
}

/// ln(value) × 64, rounded.
fn natural(value: u32) -> u32 {
    let exponent = value.ilog2();
    let log2 = (u64::from(exponent) << 16) + u64::from(fraction(value, exponent));
    let ln = (LN_2 * log2 + 0x8000) >> 16;
    (((ln << SCALE_SHIFT) + 0x8000) >> 16) as u32
}

/// log2 of the mantissa in Q16.
fn fraction(value: u32, exponent: u32) -> u32 {
    let rest = value - (1 << exponent);
    let rest = if exponent < 16 {
        rest << (16 - exponent)
    } else {
        rest >> (exponent - 16)
    };
    let segment = (rest >> 9) as usize;
    let (low, high) = (
        i32::from(tables::LOG2[segment]),
        i32::from(tables::LOG2[segment + 1]),
    );
    let place = (rest & 0x1FF) as i32;
    let correction = low + (((high - low) * place) >> 16);
    rest.wrapping_add_signed(correction)
}
