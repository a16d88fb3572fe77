//! Arithmetic on powers of two, and a logarithm for cores without floating point.

/// The smallest power of two that is at least `num`; 0 for 0 and where none fits.
pub fn closest_power_of_two(num: u32) -> u32 {
    if num == 0 {
        return 0;
    }
    num.checked_next_power_of_two().unwrap_or(0)
}

/// As [`closest_power_of_two`].
pub fn closest_power_of_two_usize(num: usize) -> usize {
    if num == 0 {
        return 0;
    }
    num.checked_next_power_of_two().unwrap_or(0)
}

/// A power of two, as its exponent.
#[derive(Copy, Clone, Debug, PartialEq, PartialOrd, Eq, Ord)]
pub struct PowerOfTwo(u32);

impl PowerOfTwo {
    /// The exponent.
    pub fn exp<R: From<u32>>(self) -> R {
        R::from(self.0)
    }
    /// The largest that is at most `f`.
    pub fn floor<F: Into<u32>>(f: F) -> PowerOfTwo {
        PowerOfTwo(log_base_two(f.into()))
    }
    /// The smallest that is at least `f`.
    pub fn ceiling<F: Into<u32>>(f: F) -> PowerOfTwo {
        PowerOfTwo(log_base_two(closest_power_of_two(f.into())))
    }
    /// Two to the zeroth.
    pub fn zero() -> PowerOfTwo {
        PowerOfTwo(0)
    }
    /// The number itself; 0 where a `u32` does not hold it.
    pub fn as_num<F: From<u32>>(self) -> F {
        F::from(1u32.checked_shl(self.0).unwrap_or(0))
    }
}

/// Logarithm to base two, rounded down; 0 for 0.
pub fn log_base_two(num: u32) -> u32 {
    num.checked_ilog2().unwrap_or(0)
}

/// As [`log_base_two`].
pub fn log_base_two_u64(num: u64) -> u32 {
    num.checked_ilog2().unwrap_or(0)
}

/// Absolute value.
pub fn abs(n: f32) -> f32 {
    f32::from_bits(n.to_bits() & 0x7FFF_FFFF)
}

/// Logarithm to base ten of a positive normal number, to about six digits.
pub fn log10(x: f32) -> f32 {
    // x = 2^e * m with 1 <= m < 2, and ln m = 2 artanh((m - 1) / (m + 1)).
    let bits = x.to_bits();
    let exponent = ((bits >> 23) & 0xFF) as i32 - 127;
    let m = f32::from_bits((bits & 0x007F_FFFF) | 0x3F80_0000);
    let t = (m - 1.0) / (m + 1.0);
    let t2 = t * t;
    let artanh = t * (1.0 + t2 * (1.0 / 3.0 + t2 * (0.2 + t2 * (1.0 / 7.0 + t2 / 9.0))));
    exponent as f32 * core::f32::consts::LOG10_2 + 2.0 * artanh * core::f32::consts::LOG10_E
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_enclose_every_number() {
        for n in (1..5000u32).chain([u32::MAX / 2, 1 << 31]) {
            let (lo, hi) = (PowerOfTwo::floor(n), PowerOfTwo::ceiling(n));
            assert!(lo.as_num::<u32>() <= n && n <= hi.as_num::<u32>());
            assert!(hi.exp::<u32>() - lo.exp::<u32>() <= 1);
            assert_eq!(closest_power_of_two(n), n.next_power_of_two());
        }
        assert_eq!((log_base_two(0), log_base_two_u64(1 << 40)), (0, 40));
        assert_eq!(closest_power_of_two(u32::MAX), 0);
    }

    #[test]
    fn the_logarithm_agrees_with_the_host() {
        let mut x = 1.2e-30f32;
        while x < 1e30 {
            assert!(abs(log10(x) - x.log10()) < 2e-5, "{x}");
            x *= 1.37;
        }
    }
}
