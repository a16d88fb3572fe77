//! Exponentiation modulo an odd number of public size, for RSA verification.
//!
//! Owns Montgomery multiplication over slices of limbs: one copy of the code for all sizes, where
//! fixed-size integers cost 70 KiB of code and 25 KiB of stack. Nothing here is secret: time
//! depends on the values.

/// Longest modulus, 32-bit limbs (4096 bits).
const MAX_LIMBS: usize = 128;

/// A number, least significant limb first; limbs past the modulus's length are 0.
type Number = [u32; MAX_LIMBS];

/// Writes base ^ exponent mod modulus. All three are big-endian and of the same length, a
/// multiple of four bytes, at most 512; the modulus is odd and has its top bit set. `None`
/// otherwise, when base is not below the modulus, or when exponent is 0.
pub fn power(modulus: &[u8], base: &[u8], exponent: u32, out: &mut [u8]) -> Option<()> {
    let limbs = modulus.len() / 4;
    let top = modulus.first()? & 0x80 != 0;
    let odd = modulus.last()? & 1 == 1;
    if !top || !odd || exponent == 0 || base.len() != modulus.len() || out.len() != modulus.len() {
        return None;
    }
    let (n, s) = (number(modulus)?, number(base)?);
    let n = n.get(..limbs)?;
    if !below(s.get(..limbs)?, n) {
        return None;
    }
    let field = Field {
        n,
        n0: inverse(*n.first()?).wrapping_neg(),
    };
    let mut base = s;
    let mut scratch = field.r_squared();
    field.multiply(&mut base, &scratch);
    let mut power = base;
    for bit in (0..31 - exponent.leading_zeros()).rev() {
        field.square(&mut power, &mut scratch);
        if exponent >> bit & 1 == 1 {
            field.multiply(&mut power, &base);
        }
    }
    // Out of Montgomery form: times 1.
    scratch.fill(0);
    *scratch.first_mut()? = 1;
    field.multiply(&mut power, &scratch);
    for (to, limb) in out.rchunks_exact_mut(4).zip(power) {
        to.copy_from_slice(&limb.to_be_bytes());
    }
    Some(())
}

fn number(bytes: &[u8]) -> Option<Number> {
    if !bytes.len().is_multiple_of(4) || bytes.len() > 4 * MAX_LIMBS {
        return None;
    }
    let mut out = [0; MAX_LIMBS];
    for (limb, chunk) in out.iter_mut().zip(bytes.rchunks_exact(4)) {
        *limb = u32::from_be_bytes(chunk.try_into().ok()?);
    }
    Some(out)
}

fn below(a: &[u32], b: &[u32]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// Inverse of an odd number modulo 2^32 (each step doubles the bits that are right).
fn inverse(odd: u32) -> u32 {
    (0..4).fold(odd, |x, _| {
        x.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(x)))
    })
}

/// a -= b; the borrow that is left.
fn subtract(a: &mut [u32], b: &[u32]) -> bool {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (d, b1) = a.overflowing_sub(*b);
        let (d, b2) = d.overflowing_sub(u32::from(borrow));
        (*a, borrow) = (d, b1 | b2);
    }
    borrow
}

/// Arithmetic modulo `n`.
struct Field<'a> {
    n: &'a [u32],
    /// −1/n mod 2^32.
    n0: u32,
}

impl Field<'_> {
    /// R² mod n, where R = 2^(32·limbs): the way into Montgomery form.
    fn r_squared(&self) -> Number {
        // R mod n = R − n, since the top bit of n is set.
        let mut x = [0; MAX_LIMBS];
        subtract(x.get_mut(..self.n.len()).unwrap_or_default(), self.n);
        // 2^k·R squares to 2^(2k)·R: double to the odd part of 32·limbs, then square.
        let bits = 32 * self.n.len() as u32;
        let squarings = bits.trailing_zeros();
        for _ in 0..bits >> squarings {
            self.double(&mut x);
        }
        let mut scratch = [0; MAX_LIMBS];
        for _ in 0..squarings {
            self.square(&mut x, &mut scratch);
        }
        x
    }

    fn double(&self, x: &mut Number) {
        let x = x.get_mut(..self.n.len()).unwrap_or_default();
        let mut carry = 0;
        for limb in x.iter_mut() {
            (*limb, carry) = (*limb << 1 | carry, *limb >> 31);
        }
        if carry != 0 || !below(x, self.n) {
            subtract(x, self.n);
        }
    }

    fn square(&self, x: &mut Number, scratch: &mut Number) {
        *scratch = *x;
        self.multiply(x, scratch);
    }

    /// x = x·y/R mod n (CIOS: Koç, Acar, Kaliski, "Analyzing and comparing Montgomery
    /// multiplication algorithms", §5).
    fn multiply(&self, x: &mut Number, y: &Number) {
        let limbs = self.n.len();
        let mut sum = [0; MAX_LIMBS];
        let mut high = 0u32;
        if let Some(sum) = sum.get_mut(..limbs) {
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
            if high != 0 || !below(sum, self.n) {
                subtract(sum, self.n);
            }
        }
        *x = sum;
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
