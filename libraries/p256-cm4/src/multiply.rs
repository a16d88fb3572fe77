//! Multiples of points.
//!
//! `base` and `variable` take secret scalars: no branch and no address depends on them. `pair`
//! takes public ones and is quicker. Scalars are odd inside, or made so by negation, after
//! <https://eprint.iacr.org/2014/130.pdf>, algorithm 1.

use crate::arithmetic::{
    Affine, Jacobian, ONE, Words, add, add_affine, double, negate_n_if, negate_p_if, to_affine,
};
#[cfg(not(feature = "small"))]
use crate::tables::{COMB, ODD_MULTIPLES};

/// The base point, in Montgomery form.
#[cfg(feature = "small")]
const G: Affine = [
    [
        0x18a9_143c,
        0x79e7_30d4,
        0x5fed_b601,
        0x75ba_95fc,
        0x7762_2510,
        0x79fb_732b,
        0xa537_55c6,
        0x1890_5f76,
    ],
    [
        0xce95_560a,
        0xddf2_5357,
        0xba19_e45c,
        0x8b4a_b8e4,
        0xdd21_f325,
        0xd2e8_8688,
        0x2588_5d85,
        0x8571_ff18,
    ],
];

/// `scalar` G; 1 ≤ `scalar` < n.
#[cfg(feature = "small")]
pub fn base(scalar: &Words) -> Affine {
    variable(&G, scalar)
}

/// `u` G + `v` times a point of the curve; `v` is not 0.
#[cfg(feature = "small")]
pub fn pair(u: &Words, point: &Affine, v: &Words) -> Jacobian {
    let [x, y] = variable(point, v);
    let mut sum = [x, y, ONE];
    if *u != [0; 8] {
        add_affine(&mut sum, &base(u), false);
    }
    sum
}

/// `scalar` G; 1 ≤ `scalar` < n.
#[cfg(not(feature = "small"))]
pub fn base(scalar: &Words) -> Affine {
    let even = (scalar[0] & 1) ^ 1;
    let odd = negate_n_if(scalar, even);

    // The odd scalar is the sum of s[i] 2^i, each s[i] being -1 or 1: s[i] is 1 where bit i + 1 is set,
    // and s[255] is 1. The tables hold every ±2^192 ± 2^128 ± 2^64 ± 1, times 2^0, 2^16, 2^32 and 2^48: each
    // addition takes four bits of the scalar, and 15 doublings do for all.
    let bit = |i: usize| (odd[i / 32] >> (i % 32)) & 1;
    let mut sum: Jacobian = [[0; 8]; 3];
    for i in (0..16).rev() {
        for (t, table) in COMB.iter().enumerate().rev() {
            let j = i + 16 * t + 1;
            let mask = bit(j) | bit(j + 64) << 1 | bit(j + 2 * 64) << 2;
            if j == 64 {
                let [x, y] = select(table, mask);
                sum = [x, y, ONE];
                continue;
            }
            if t == 3 {
                double(&mut sum);
            }
            // 0 for a plus, all ones for a minus: then the entry's negative is taken.
            let sign = bit(j + 3 * 64).wrapping_sub(1);
            let mut entry = select(table, (mask ^ sign) & 7);
            entry[1] = negate_p_if(&entry[1], sign & 1);
            add_affine(&mut sum, &entry, false);
        }
    }
    let [x, y] = to_affine(&sum);
    [x, negate_p_if(&y, even)]
}

/// `scalar` times a point of the curve; 1 ≤ `scalar` < n.
///
/// For the scalar n - 2 the last addition is a doubling, which takes longer: one secret in 2^256.
pub fn variable(point: &Affine, scalar: &Words) -> Affine {
    let even = (scalar[0] & 1) ^ 1;
    let odd = negate_n_if(scalar, even);

    // The sum of e[i] 16^i, each e[i] odd and of -15 to 15.
    let mut e = [0i8; 64];
    e[0] = (odd[0] & 0xf) as i8;
    for i in 1..64 {
        e[i] = ((odd[i / 8] >> ((i % 8) * 4)) & 0xf) as i8;
        // An even one takes 1 more, and 16 from its neighbour.
        e[i - 1] -= ((e[i] & 1) ^ 1) << 4;
        e[i] |= 1;
    }

    let table = odd_multiples(point);
    // The highest is never negative.
    let mut sum = select(&table, (e[63] >> 1) as u32);
    for &digit in e[..63].iter().rev() {
        for _ in 0..4 {
            double(&mut sum);
        }
        let sign = (digit as u8 >> 7) as u32;
        let size = ((i32::from(digit) ^ -(sign as i32)) as u32).wrapping_add(sign);
        let mut entry = select(&table, size >> 1);
        entry[1] = negate_p_if(&entry[1], sign);
        add(&mut sum, &entry, false);
    }
    let [x, y] = to_affine(&sum);
    [x, negate_p_if(&y, even)]
}

/// `u` G + `v` times a point of the curve. Neither scalar is secret.
#[cfg(not(feature = "small"))]
pub fn pair(u: &Words, point: &Affine, v: &Words) -> Jacobian {
    let table = odd_multiples(point);
    let (u, v) = (sliding(u), sliding(v));
    let mut sum: Jacobian = [[0; 8]; 3];
    for (&u, &v) in u.iter().rev().zip(v.iter().rev()) {
        double(&mut sum);
        if u != 0 {
            add_affine(
                &mut sum,
                &ODD_MULTIPLES[usize::from(u.unsigned_abs() / 2)],
                u < 0,
            );
        }
        if v != 0 {
            add(&mut sum, &table[usize::from(v.unsigned_abs() / 2)], v < 0);
        }
    }
    sum
}

/// P, 3P, 5P, … 15P.
fn odd_multiples(point: &Affine) -> [Jacobian; 8] {
    let [x, y] = *point;
    let mut table = [[x, y, ONE]; 8];
    let mut twice = table[0];
    double(&mut twice);
    for i in 1..8 {
        let mut next = twice;
        add(&mut next, &table[i - 1], false);
        table[i] = next;
    }
    table
}

/// The entry at a secret index, below 8. Every entry is read, and multiplied by 1 or 0: neither time
/// nor addresses tell which one it was.
fn select<const N: usize>(table: &[[Words; N]; 8], index: u32) -> [Words; N] {
    let wanted: [u32; 8] = core::array::from_fn(|i| (i as u32 ^ index).wrapping_sub(1) >> 31);
    // The compiler may not know that only one of them is 1.
    let [a, b, c, d, e, f, g, h] = core::hint::black_box(wanted);
    let [ta, tb, tc, td, te, tf, tg, th] = table;
    let mut out = [[0u32; 8]; N];
    for (i, to) in out.iter_mut().enumerate() {
        for (j, to) in to.iter_mut().enumerate() {
            *to = (ta[i][j].wrapping_mul(a))
                .wrapping_add(tb[i][j].wrapping_mul(b))
                .wrapping_add(tc[i][j].wrapping_mul(c))
                .wrapping_add(td[i][j].wrapping_mul(d))
                .wrapping_add(te[i][j].wrapping_mul(e))
                .wrapping_add(tf[i][j].wrapping_mul(f))
                .wrapping_add(tg[i][j].wrapping_mul(g))
                .wrapping_add(th[i][j].wrapping_mul(h));
        }
    }
    out
}

/// Digits r[i] with the sum of r[i] 2^i, each 0 or odd and of -15 to 15, about one in 5.5 not 0.
#[cfg(not(feature = "small"))]
fn sliding(a: &Words) -> [i8; 257] {
    let mut r = [0i8; 257];
    for i in 0..256 {
        r[i] = (a[i / 32] >> (i % 32) & 1) as i8;
    }
    for i in 0..256 {
        if r[i] == 0 {
            continue;
        }
        let mut b = 1;
        while b <= 4 && i + b < 256 {
            if r[i + b] != 0 {
                let step = r[i + b] << b;
                if r[i] + step <= 15 {
                    r[i] += step;
                    r[i + b] = 0;
                } else if r[i] - step >= -15 {
                    r[i] -= step;
                    // Carry: the first zero above becomes 1.
                    let mut k = i + b;
                    while r[k] != 0 {
                        r[k] = 0;
                        k += 1;
                    }
                    r[k] = 1;
                } else {
                    break;
                }
            }
            b += 1;
        }
    }
    r
}
