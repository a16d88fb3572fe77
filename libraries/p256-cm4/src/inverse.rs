//! Inversion modulo the order, in constant time.
//!
//! Bernstein and Yang, <https://gcd.cr.yp.to/safegcd-20190413.pdf>, section 12.1, with 24 × 31 steps
//! for a 32-bit machine: 744, where 741 are needed. The matrices are multiplied onto the column
//! [0, 1] as they come, so that its first element ends as the inverse.

use crate::arithmetic::{
    FGInteger, ORDER, Words, XYInteger, divsteps, matrix_fg, matrix_xy, negate_n_if,
};

/// `1 / a mod n`; 1 ≤ `a` < n.
pub fn invert_n(a: &Words) -> Words {
    let mut fg = [FGInteger::default(); 2];
    fg[0].signed_value = ORDER;
    fg[1].signed_value[..8].copy_from_slice(a);
    let mut xy = [XYInteger::default(); 2];
    // 2^-744 is needed in the end, and 24 Montgomery multiplications give 2^-768.
    xy[1].value[0] = 1 << 24;

    let (mut next_fg, mut next_xy) = (fg, xy);
    let mut delta = 1;
    for _ in 0..12 {
        delta = step(delta, (&fg, &mut next_fg), (&xy, &mut next_xy));
        delta = step(delta, (&next_fg, &mut fg), (&next_xy, &mut xy));
    }
    // f is 1 or -1 by now; its sign is the result's.
    let sign = xy[0].flip_sign ^ fg[0].flip_sign ^ fg[0].signed_value[8] as i32;
    negate_n_if(&xy[0].value, sign as u32 & 1)
}

/// 31 division steps: both columns times their matrix.
#[inline(always)]
fn step(
    delta: i32,
    (fg, to_fg): (&[FGInteger; 2], &mut [FGInteger; 2]),
    (xy, to_xy): (&[XYInteger; 2], &mut [XYInteger; 2]),
) -> i32 {
    let low = |number: &FGInteger| {
        let negate = number.flip_sign as u32;
        (number.signed_value[0] ^ negate).wrapping_sub(negate)
    };
    let (delta, [a, b, c, d]) = divsteps(delta, low(&fg[0]), low(&fg[1]));
    matrix_fg(a, b, fg, &mut to_fg[0]);
    matrix_fg(c, d, fg, &mut to_fg[1]);
    matrix_xy(a, b, xy, &mut to_xy[0]);
    matrix_xy(c, d, xy, &mut to_xy[1]);
    delta
}
