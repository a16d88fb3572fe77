//! s^65537 mod n for RSA-3072, by Montgomery multiplication.
//!
//! Owns one operation on public numbers, so its time may depend on them. It is here because a
//! general big-integer crate takes more flash than the whole loader may have (60 KiB against 1);
//! `crypto-bigint` is the oracle of its tests.

const LIMBS: usize = 96;

/// Little-endian limbs.
type Number = [u32; LIMBS];

/// One row of a multiplication: adds digit · b + m · n to the first number and drops its lowest
/// limb, which m makes zero; leaves its highest to the caller and gives the two carries for it.
pub type Row = fn(&mut Number, &Number, &Number, u32, u32) -> (u32, u32);

/// The exponentiation; `None` unless n is odd with its top bit set and s < n.
pub(super) fn power_65537(n: &[u8; 384], s: &[u8; 384], row: Row) -> Option<[u8; 384]> {
    let (n, s) = (number(n), number(s));
    let field = Field::new(&n, row)?;
    if !less(&s, &n) {
        return None;
    }
    // s · R, limb by limb: less than half of what R² and a multiplication by it cost.
    let mut power = s;
    for _ in 0..LIMBS {
        field.shift(&mut power);
    }
    for _ in 0..16 {
        power = field.multiply(&power, &power);
    }
    // The factor that is not in Montgomery form takes the product out of it.
    Some(bytes(&field.multiply(&power, &s)))
}

/// Numbers modulo n, with R = 2^3072.
struct Field<'a> {
    n: &'a Number,
    row: Row,
    /// −1/n mod 2^32.
    inverse: u32,
}

impl<'a> Field<'a> {
    fn new(n: &'a Number, row: Row) -> Option<Self> {
        let (low, high) = (*n.first()?, *n.last()?);
        if low & 1 == 0 || high >> 31 == 0 {
            return None;
        }
        // Newton: 3, 6, 12, 24, 48 bits are right.
        let mut x = low;
        for _ in 0..4 {
            x = x.wrapping_mul(2u32.wrapping_sub(low.wrapping_mul(x)));
        }
        Some(Field {
            n,
            row,
            inverse: x.wrapping_neg(),
        })
    }

    /// x · 2^32 by long division (Knuth, The Art of Computer Programming, 4.3.1 D); x < n.
    fn shift(&self, x: &mut Number) {
        let ([.., third, second, first], [.., low, high]) = (*x, *self.n);
        // At most 1 too large, since the top bit of n is set.
        let q = quotient(join(first, second), third, join(high, low));
        // −q · n is q · !n + q, less q · R.
        let (mut fallen, mut carry) = (0, q);
        for (limb, n) in x.iter_mut().zip(self.n) {
            let next = *limb;
            (*limb, carry) = multiply_add(q, !*n, fallen, carry);
            fallen = next;
        }
        // What is not 0 by now is -1.
        if fallen.wrapping_add(carry) != q {
            add(x, self.n);
        }
    }

    /// Brings `carry · R + x`, which is below 2n, under n.
    fn reduce(&self, x: &mut Number, carry: u32) {
        if carry != 0 || !less(x, self.n) {
            subtract(x, self.n);
        }
    }

    /// a · b / R.
    fn multiply(&self, a: &Number, b: &Number) -> Number {
        let mut sum = [0u32; LIMBS];
        let mut top = 0u32;
        let [b0, ..] = *b;
        for digit in a {
            let [lowest, ..] = sum;
            let m = lowest
                .wrapping_add(digit.wrapping_mul(b0))
                .wrapping_mul(self.inverse);
            let (carry_b, carry_n) = (self.row)(&mut sum, b, self.n, *digit, m);
            let last = u64::from(top) + u64::from(carry_b) + u64::from(carry_n);
            let [.., highest] = &mut sum;
            *highest = last as u32;
            top = (last >> 32) as u32;
        }
        self.reduce(&mut sum, top);
        sum
    }
}

/// The portable [`Row`].
pub fn row(sum: &mut Number, b: &Number, n: &Number, digit: u32, m: u32) -> (u32, u32) {
    let (mut carry_b, mut carry_n) = (0, 0);
    let mut fallen = 0;
    let mut place = &mut fallen;
    for ((next, b), n) in sum.iter_mut().zip(b).zip(n) {
        let (low, high) = multiply_add(digit, *b, *next, carry_b);
        carry_b = high;
        let (low, high) = multiply_add(m, *n, low, carry_n);
        carry_n = high;
        *place = low;
        place = next;
    }
    (carry_b, carry_n)
}

/// a · b + c + d, which fits 64 bits (one UMAAL).
#[inline(always)]
fn multiply_add(a: u32, b: u32, c: u32, d: u32) -> (u32, u32) {
    let sum = u64::from(a) * u64::from(b) + u64::from(c) + u64::from(d);
    (sum as u32, (sum >> 32) as u32)
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// (high · 2^32 + low) / divisor, or all bits where that does not fit. The top bit of the divisor
/// is set.
fn quotient(high: u64, low: u32, divisor: u64) -> u32 {
    if high >= divisor {
        return u32::MAX;
    }
    // Bits of the quotient come in below as those of the dividend go.
    let (mut rest, mut bits) = (high, low);
    for _ in 0..u32::BITS {
        let over = rest >> 63;
        rest = rest << 1 | u64::from(bits >> 31);
        bits <<= 1;
        if over != 0 || rest >= divisor {
            rest = rest.wrapping_sub(divisor);
            bits |= 1;
        }
    }
    bits
}

fn less(a: &Number, b: &Number) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn subtract(a: &mut Number, b: &Number) {
    let mut borrow = 0u32;
    for (a, b) in a.iter_mut().zip(b) {
        let difference = u64::from(*a)
            .wrapping_sub(u64::from(*b))
            .wrapping_sub(u64::from(borrow));
        *a = difference as u32;
        borrow = (difference >> 63) as u32;
    }
}

fn add(a: &mut Number, b: &Number) {
    let mut carry = 0;
    for (a, b) in a.iter_mut().zip(b) {
        (*a, carry) = multiply_add(1, *b, *a, carry);
    }
}

fn number(bytes: &[u8; 384]) -> Number {
    let mut out = [0; LIMBS];
    for (limb, chunk) in out.iter_mut().zip(bytes.rchunks_exact(4)) {
        *limb = chunk.iter().fold(0, |w, b| (w << 8) | u32::from(*b));
    }
    out
}

fn bytes(number: &Number) -> [u8; 384] {
    let mut out = [0; 384];
    for (limb, chunk) in number.iter().zip(out.rchunks_exact_mut(4)) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
    use crypto_bigint::{Odd, U3072};

    fn oracle(n: &[u8; 384], s: &[u8; 384]) -> [u8; 384] {
        let n = Odd::new(U3072::from_be_slice(n)).unwrap();
        let base = FixedMontyForm::new(&U3072::from_be_slice(s), &FixedMontyParams::new_vartime(n));
        let power = base.square_repeat_vartime(16).mul(&base);
        power.retrieve().to_be_bytes().into()
    }

    #[test]
    fn agrees_with_crypto_bigint() {
        let mut random = 0x1357_9BDF_0246_8ACEu64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random as u8
        };
        for round in 0..60 {
            // Random numbers, and ones with long runs of 0 and 1, where carries live.
            let mut n: [u8; 384] = core::array::from_fn(|_| match round % 3 {
                0 => next(),
                1 => [0, 0xFF][usize::from(next() & 1)],
                _ => 0xFF,
            });
            n[0] |= 0x80;
            n[383] |= 1;
            let mut s: [u8; 384] = core::array::from_fn(|_| next());
            s[0] &= 0x7F;
            assert_eq!(power_65537(&n, &s, row), Some(oracle(&n, &s)));
            // n − 1 is its own odd power.
            let mut minus_one = n;
            minus_one[383] &= 0xFE;
            assert_eq!(power_65537(&n, &minus_one, row), Some(minus_one));
            assert_eq!(power_65537(&n, &n, row), None);
            n[383] &= 0xFE;
            assert_eq!(power_65537(&n, &s, row), None);
            n[383] |= 1;
            n[0] &= 0x7F;
            assert_eq!(power_65537(&n, &[0; 384], row), None);
        }
    }
}
