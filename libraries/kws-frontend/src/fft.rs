//! 512-point real FFT in 16-bit fixed point.
//!
//! Owns rounding and scaling, which decide the bits: each radix-4 stage divides by 4, the last
//! step by 2, products are rounded at bit 14 (the conventions of a Q15 mixed-radix FFT).

use crate::{FFT_SIZE, tables};

/// Complex points of the half-length transform.
const HALF: usize = FFT_SIZE / 2;
/// Q15 values of 1/4 and 1/2, as the scaling multiplies by them.
const QUARTER: i32 = 32767 / 4;
const ONE_HALF: i32 = 32767 / 2;

/// A complex number in Q15.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Complex {
    pub(crate) re: i16,
    pub(crate) im: i16,
}

impl Complex {
    fn scaled(self, by: i32) -> Complex {
        Complex {
            re: round(i32::from(self.re) * by),
            im: round(i32::from(self.im) * by),
        }
    }

    fn plus(self, o: Complex) -> Complex {
        Complex {
            re: self.re.wrapping_add(o.re),
            im: self.im.wrapping_add(o.im),
        }
    }

    fn minus(self, o: Complex) -> Complex {
        Complex {
            re: self.re.wrapping_sub(o.re),
            im: self.im.wrapping_sub(o.im),
        }
    }

    fn times(self, (cos, sin): (i16, i16)) -> Complex {
        let (re, im, cos, sin) = (
            i32::from(self.re),
            i32::from(self.im),
            i32::from(cos),
            i32::from(sin),
        );
        // Both products are below 2^30, so that neither sum overflows.
        Complex {
            re: round(re * cos - im * sin),
            im: round(re * sin + im * cos),
        }
    }
}

/// The spectrum of real samples: bins 0 to 256, scaled by 1/512.
pub(crate) fn real(samples: &[i16; FFT_SIZE]) -> [Complex; HALF + 1] {
    let mut points = [Complex::default(); HALF];
    for (i, point) in points.iter_mut().enumerate() {
        let from = digit_reversed(i) * 2;
        *point = Complex {
            re: samples[from],
            im: samples[from + 1],
        };
    }
    let mut span = 1;
    while span < HALF {
        stage(&mut points, span);
        span *= 4;
    }
    unzip(&points)
}

/// Index whose four base-4 digits are those of `i` in reverse order.
fn digit_reversed(i: usize) -> usize {
    (i & 3) << 6 | (i >> 2 & 3) << 4 | (i >> 4 & 3) << 2 | i >> 6 & 3
}

/// One radix-4 stage over groups of four runs of `span` points.
fn stage(points: &mut [Complex; HALF], span: usize) {
    let stride = HALF / (span * 4);
    for group in points.chunks_exact_mut(span * 4) {
        for k in 0..span {
            let a = group[k].scaled(QUARTER);
            let twisted = |n: usize| {
                group[k + n * span]
                    .scaled(QUARTER)
                    .times(tables::TWIDDLES[n * k * stride])
            };
            let (b, c, d) = (twisted(1), twisted(2), twisted(3));
            let (even, odd) = (a.plus(c), a.minus(c));
            let (sum, difference) = (b.plus(d), b.minus(d));
            // Multiplication by -i swaps the parts.
            let turned = Complex {
                re: difference.im,
                im: difference.re.wrapping_neg(),
            };
            group[k] = even.plus(sum);
            group[k + span] = odd.plus(turned);
            group[k + 2 * span] = even.minus(sum);
            group[k + 3 * span] = odd.minus(turned);
        }
    }
}

/// Separates the transform of even and odd samples.
fn unzip(points: &[Complex; HALF]) -> [Complex; HALF + 1] {
    let mut out = [Complex::default(); HALF + 1];
    let dc = points[0].scaled(ONE_HALF);
    out[0] = Complex {
        re: dc.re.wrapping_add(dc.im),
        im: 0,
    };
    out[HALF] = Complex {
        re: dc.re.wrapping_sub(dc.im),
        im: 0,
    };
    for k in 1..=HALF / 2 {
        let low = points[k].scaled(ONE_HALF);
        let high = points[HALF - k];
        let high = Complex {
            re: high.re,
            im: high.im.wrapping_neg(),
        }
        .scaled(ONE_HALF);
        let sum = low.plus(high);
        let twisted = low.minus(high).times(tables::SUPER_TWIDDLES[k - 1]);
        out[k] = Complex {
            re: half_sum(sum.re, twisted.re),
            im: half_sum(sum.im, twisted.im),
        };
        out[HALF - k] = Complex {
            re: half_difference(sum.re, twisted.re),
            im: half_difference(twisted.im, sum.im),
        };
    }
    out
}

fn half_sum(a: i16, b: i16) -> i16 {
    ((i32::from(a) + i32::from(b)) >> 1) as i16
}

fn half_difference(a: i16, b: i16) -> i16 {
    ((i32::from(a) - i32::from(b)) >> 1) as i16
}

fn round(product: i32) -> i16 {
    (product.wrapping_add(1 << 14) >> 15) as i16
}
