//! Arithmetic modulo an odd number of public size, for RSA and P-384.
//!
//! Owns Montgomery multiplication over slices of limbs: one copy of the code for all sizes, where
//! fixed-size integers cost 70 KiB of code and 25 KiB of stack. A [`Field`]'s operations take time
//! that depends on the size only, so that they serve private keys too; [`power`] and
//! [`Field::power`] show their exponent, [`Field::power_secret`] does not.

use core::hint::black_box;
use zeroize::Zeroize;

/// Longest modulus, 32-bit limbs (4096 bits).
pub const MAX_LIMBS: usize = 128;
/// Bits of an exponent that [`Field::power_secret`] takes at once.
const WINDOW: usize = 4;

/// Writes base ^ exponent mod modulus. All three are big-endian and of the same length, a
/// multiple of four bytes, at most 512; the modulus is odd and has its top bit set. `None`
/// otherwise, when base is not below the modulus, or when exponent is 0.
pub fn power(modulus: &[u8], base: &[u8], exponent: u32, out: &mut [u8]) -> Option<()> {
    if exponent == 0 || base.len() != modulus.len() || out.len() != modulus.len() {
        return None;
    }
    let (n, mut base) = (number::<MAX_LIMBS>(modulus)?, number::<MAX_LIMBS>(base)?);
    let limbs = modulus.len() / 4;
    let n = n.get(..limbs)?;
    let base = base.get_mut(..limbs)?;
    if !below(base, n) {
        return None;
    }
    let field = Field::new(n)?;
    let mut scratch = [0; MAX_LIMBS];
    let scratch = scratch.get_mut(..limbs)?;
    field.r_squared(scratch);
    field.multiply(base, scratch);
    let mut power = [0; MAX_LIMBS];
    let power = power.get_mut(..limbs)?;
    field.power(base, &exponent.to_be_bytes(), power);
    field.leave(power);
    to_bytes(power, out);
    Some(())
}

/// A big-endian number as limbs, least significant first, the rest 0; `None` when its length is no
/// multiple of four bytes or more than `N` limbs.
pub fn number<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    if !bytes.len().is_multiple_of(4) || bytes.len() > 4 * N {
        return None;
    }
    let mut out = [0; N];
    for (limb, chunk) in out.iter_mut().zip(bytes.rchunks_exact(4)) {
        *limb = u32::from_be_bytes(chunk.try_into().ok()?);
    }
    Some(out)
}

/// The opposite of [`number`], over the whole of `out` (a multiple of four bytes).
pub fn to_bytes(limbs: &[u32], out: &mut [u8]) {
    for (to, limb) in out.rchunks_exact_mut(4).zip(limbs) {
        to.copy_from_slice(&limb.to_be_bytes());
    }
}

/// Whether a < b, in time that depends on both: for public numbers.
pub fn below(a: &[u32], b: &[u32]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// Inverse of an odd number modulo 2^32 (each step doubles the bits that are right).
fn inverse(odd: u32) -> u32 {
    (0..4).fold(odd, |x, _| {
        x.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(x)))
    })
}

/// a -= b; the borrow that is left, 0 or 1.
fn subtract(a: &mut [u32], b: &[u32]) -> u32 {
    let mut borrow = 0;
    for (a, b) in a.iter_mut().zip(b) {
        let (d, b1) = a.overflowing_sub(*b);
        let (d, b2) = d.overflowing_sub(borrow);
        (*a, borrow) = (d, u32::from(b1 | b2));
    }
    borrow
}

/// a += b & mask; the carry that is left.
fn add_masked(a: &mut [u32], b: &[u32], mask: u32) -> u32 {
    let mut carry = 0;
    for (a, b) in a.iter_mut().zip(b) {
        let wide = u64::from(*a) + u64::from(*b & mask) + u64::from(carry);
        (*a, carry) = (wide as u32, (wide >> 32) as u32);
    }
    carry
}

/// x·y into `out`, which is as long as both together.
pub fn product(x: &[u32], y: &[u32], out: &mut [u32]) {
    out.fill(0);
    for (i, digit) in x.iter().enumerate() {
        let Some((row, rest)) = out
            .get_mut(i..)
            .and_then(|row| row.split_at_mut_checked(y.len()))
        else {
            return;
        };
        let carry = add_product(row, y, *digit);
        if let Some(next) = rest.first_mut() {
            *next = carry;
        }
    }
}

/// a += b; the carry. `b` may be shorter.
pub fn add_wide(a: &mut [u32], b: &[u32]) -> u32 {
    let (low, high) = a.split_at_mut(b.len().min(a.len()));
    let mut carry = add_masked(low, b, u32::MAX);
    for limb in high {
        let (sum, over) = limb.overflowing_add(carry);
        (*limb, carry) = (sum, u32::from(over));
    }
    carry
}

/// Arithmetic modulo `n`. Numbers are slices as long as `n`, in Montgomery form where not said
/// otherwise; other lengths do nothing useful, and no harm.
pub struct Field<'a> {
    n: &'a [u32],
    /// −1/n mod 2^32.
    n0: u32,
}

impl<'a> Field<'a> {
    /// For an odd modulus whose top bit is set, of at most [`MAX_LIMBS`]; `None` for others.
    pub fn new(n: &'a [u32]) -> Option<Self> {
        let first = *n.first()?;
        let usable = first & 1 == 1 && n.last()? >> 31 == 1 && n.len() <= MAX_LIMBS;
        usable.then_some(Field {
            n,
            n0: inverse(first).wrapping_neg(),
        })
    }

    /// R² mod n, where R = 2^(32·limbs): what a number is multiplied by to enter Montgomery form.
    pub fn r_squared(&self, x: &mut [u32]) {
        self.one(x);
        // 2^k·R squares to 2^(2k)·R: double to the odd part of 32·limbs, then square.
        let bits = 32 * self.n.len() as u32;
        let squarings = bits.trailing_zeros();
        for _ in 0..bits >> squarings {
            self.double(x);
        }
        for _ in 0..squarings {
            self.square(x);
        }
    }

    /// 1, which is R mod n = R − n, since the top bit of n is set.
    pub fn one(&self, x: &mut [u32]) {
        x.fill(0);
        subtract(x, self.n);
    }

    /// Out of Montgomery form: times 1.
    pub fn leave(&self, x: &mut [u32]) {
        let mut one = [0; MAX_LIMBS];
        one[0] = 1;
        self.multiply(x, one.get(..self.n.len()).unwrap_or_default());
    }

    /// x = x + y.
    pub fn add(&self, x: &mut [u32], y: &[u32]) {
        let carry = add_masked(x, y, u32::MAX);
        self.reduce(x, carry);
    }

    /// x = x − y.
    pub fn subtract(&self, x: &mut [u32], y: &[u32]) {
        let borrow = subtract(x, y);
        add_masked(x, self.n, black_box(borrow.wrapping_neg()));
    }

    /// x = 2·x.
    pub fn double(&self, x: &mut [u32]) {
        let mut carry = 0;
        for limb in x.iter_mut() {
            (*limb, carry) = (*limb << 1 | carry, *limb >> 31);
        }
        self.reduce(x, carry);
    }

    /// x = x·x.
    pub fn square(&self, x: &mut [u32]) {
        let mut copy = [0; MAX_LIMBS];
        let copy = copy.get_mut(..x.len()).unwrap_or_default();
        copy.copy_from_slice(x);
        self.multiply(x, copy);
        copy.zeroize();
    }

    /// x = x·y/R (CIOS: Koç, Acar, Kaliski, "Analyzing and comparing Montgomery multiplication
    /// algorithms", §5). `x` may be any number below R.
    pub fn multiply(&self, x: &mut [u32], y: &[u32]) {
        let limbs = self.n.len();
        let mut sum = [0; MAX_LIMBS];
        let mut high = 0u32;
        let Some(sum) = sum.get_mut(..limbs) else {
            return;
        };
        for digit in x.iter().take(limbs) {
            let carry = add_product(sum, y, *digit);
            let (top, over) = high.overflowing_add(carry);
            let first = sum.first().copied().unwrap_or_default();
            let carry = add_product(sum, self.n, first.wrapping_mul(self.n0));
            // The lowest limb is 0 now: shift down.
            sum.copy_within(1.., 0);
            let (top, over2) = top.overflowing_add(carry);
            if let Some(last) = sum.last_mut() {
                *last = top;
            }
            high = u32::from(over) + u32::from(over2);
        }
        self.reduce(sum, high);
        for (to, limb) in x.iter_mut().zip(sum.iter()) {
            *to = *limb;
        }
        sum.zeroize();
    }

    /// out = base ^ exponent (big-endian), in time that depends on the exponent.
    pub fn power(&self, base: &[u32], exponent: &[u8], out: &mut [u32]) {
        self.one(out);
        let mut started = false;
        for byte in exponent {
            for bit in (0..8).rev() {
                if started {
                    self.square(out);
                }
                if byte >> bit & 1 == 1 {
                    if started {
                        self.multiply(out, base);
                    } else {
                        out.copy_from_slice(base);
                        started = true;
                    }
                }
            }
        }
    }

    /// out = base ^ exponent (big-endian), in time that depends on lengths only. `N` is the
    /// number of limbs.
    pub fn power_secret<const N: usize>(
        &self,
        base: &[u32; N],
        exponent: &[u8],
        out: &mut [u32; N],
    ) {
        let mut table = [[0; N]; 1 << WINDOW];
        self.one(out);
        for entry in table.iter_mut() {
            *entry = *out;
            self.multiply(out, base);
        }
        self.one(out);
        let mut factor = [0; N];
        for byte in exponent {
            for digit in [byte >> WINDOW, byte & 15] {
                for _ in 0..WINDOW {
                    self.square(out);
                }
                // Every entry is read, whichever is wanted.
                factor.fill(0);
                for (index, entry) in table.iter().enumerate() {
                    let differs = index as u32 ^ u32::from(digit);
                    let mask = black_box((differs.wrapping_sub(1) >> 31).wrapping_neg());
                    for (to, limb) in factor.iter_mut().zip(entry) {
                        *to |= limb & mask;
                    }
                }
                self.multiply(out, &factor);
            }
        }
        factor.zeroize();
        table.zeroize();
    }

    /// Takes `n` off x + carry·R, which is below 2n, unless it is below n.
    fn reduce(&self, x: &mut [u32], carry: u32) {
        let borrow = subtract(x, self.n);
        let back = borrow & !carry;
        add_masked(x, self.n, black_box(back.wrapping_neg()));
    }
}

/// sum += a·digit over the length of `sum`; the carry out.
fn add_product(sum: &mut [u32], a: &[u32], digit: u32) -> u32 {
    let done = sum.len() / 8 * 8;
    let mut carry = 0;
    let mut step = |sum: &mut u32, a: u32| {
        let wide = u64::from(a) * u64::from(digit) + u64::from(*sum) + u64::from(carry);
        (*sum, carry) = (wide as u32, (wide >> 32) as u32);
    };
    // Limb counts are multiples of eight for every size offered.
    let mut sums = sum.chunks_exact_mut(8);
    let mut limbs = a.chunks_exact(8);
    for (sum, a) in (&mut sums).zip(&mut limbs) {
        if let ([s0, s1, s2, s3, s4, s5, s6, s7], [a0, a1, a2, a3, a4, a5, a6, a7]) = (sum, a) {
            step(s0, *a0);
            step(s1, *a1);
            step(s2, *a2);
            step(s3, *a3);
            step(s4, *a4);
            step(s5, *a5);
            step(s6, *a6);
            step(s7, *a7);
        }
    }
    for (sum, a) in sums.into_remainder().iter_mut().zip(a.iter().skip(done)) {
        step(sum, *a);
    }
    carry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
    use crypto_bigint::{Odd, U2048, U4096, Uint};

    fn oracle<const LIMBS: usize>(modulus: &[u8], base: &[u8], exponent: u32) -> Vec<u8> {
        let odd = Odd::new(Uint::<LIMBS>::from_be_slice(modulus)).unwrap();
        let params = FixedMontyParams::new_vartime(odd);
        let base = FixedMontyForm::new(&Uint::<LIMBS>::from_be_slice(base), &params);
        let power = base.pow(&Uint::<1>::from(exponent)).retrieve();
        power
            .as_limbs()
            .iter()
            .rev()
            .flat_map(|l| l.0.to_be_bytes())
            .collect()
    }

    #[test]
    fn agrees_with_an_independent_implementation() {
        let mut state = 0x1234_5678_9ABC_DEF1u64;
        let mut random = |len: usize| -> Vec<u8> {
            (0..len)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 24) as u8
                })
                .collect()
        };
        for round in 0..24 {
            for len in [256, 384, 512] {
                let (mut n, mut s) = (random(len), random(len));
                if round % 3 == 0 {
                    n[..len - 2].fill(0xFF); // extreme carries
                    s[..len / 2].fill(0xFF);
                    s[0] = 0xFE;
                }
                n[0] |= 0x80;
                n[len - 1] |= 1;
                s[0] &= n[0] >> 1;
                let exponent = [1, 2, 3, 17, 65537, u32::MAX][round % 6];
                let mut out = vec![0; len];
                power(&n, &s, exponent, &mut out).unwrap();
                let wanted = match len {
                    256 => oracle::<{ U2048::LIMBS }>(&n, &s, exponent),
                    384 => oracle::<{ crypto_bigint::U3072::LIMBS }>(&n, &s, exponent),
                    _ => oracle::<{ U4096::LIMBS }>(&n, &s, exponent),
                };
                assert_eq!(out, wanted, "{len} {exponent}");
            }
        }
    }

    #[test]
    fn refuses_what_it_cannot_do() {
        let mut n = [0xFF; 256];
        let mut out = [0; 256];
        assert!(power(&n, &n, 3, &mut out).is_none());
        assert!(power(&n, &[1; 252], 3, &mut out).is_none());
        assert!(power(&n, &[1; 256], 0, &mut out).is_none());
        assert!(power(&n, &[1; 256], 3, &mut [0; 252]).is_none());
        n[255] = 0xFE;
        assert!(power(&n, &[1; 256], 3, &mut out).is_none());
        assert!(power(&[0x7F; 256], &[1; 256], 3, &mut out).is_none());
        assert!(power(&[], &[], 3, &mut []).is_none());
        assert!(power(&[0xFF; 516], &[1; 516], 3, &mut [0; 516]).is_none());
    }
}
