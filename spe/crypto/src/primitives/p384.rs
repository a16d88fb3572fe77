//! ECDSA verification on P-384 (SP 800-186), for certificate chains. Points are 04‖X‖Y, signatures
//! r‖s, big-endian.
//!
//! Over [`super::montgomery`], in a twentieth of the code that the `p384` crate takes, and in the
//! time that it takes. Nothing here is secret: time depends on all of it. That crate is the
//! oracle in tests.

use super::montgomery::{Field, below, number, to_bytes};

/// Uncompressed point, bytes.
pub const PUBLIC: usize = 97;
/// Signature, bytes.
pub const SIGNATURE: usize = 96;
/// Limbs of a coordinate or scalar.
const N: usize = 12;
/// Bytes of a coordinate or scalar.
const BYTES: usize = 48;

type Number = [u32; N];

// SP 800-186 §3.2.1.4, least significant limb first.
#[rustfmt::skip]
const P: Number = [
    0xFFFF_FFFF, 0, 0, 0xFFFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFF,
    0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF,
];
#[rustfmt::skip]
const ORDER: Number = [
    0xCCC5_2973, 0xECEC_196A, 0x48B0_A77A, 0x581A_0DB2, 0xF437_2DDF, 0xC763_4D81,
    0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF,
];
#[rustfmt::skip]
const B: Number = [
    0xD3EC_2AEF, 0x2A85_C8ED, 0x8A2E_D19D, 0xC656_398D, 0x5013_875A, 0x0314_088F,
    0xFE81_4112, 0x181D_9C6E, 0xE3F8_2D19, 0x988E_056B, 0xE23E_E7E4, 0xB331_2FA7,
];
#[rustfmt::skip]
const GX: Number = [
    0x7276_0AB7, 0x3A54_5E38, 0xBF55_296C, 0x5502_F25D, 0x8254_2A38, 0x59F7_41E0,
    0x8BA7_9B98, 0x6E1D_3B62, 0xF320_AD74, 0x8EB1_C71E, 0xBE8B_0537, 0xAA87_CA22,
];
#[rustfmt::skip]
const GY: Number = [
    0x90EA_0E5F, 0x7A43_1D7C, 0x1D7E_819D, 0x0A60_B1CE, 0xB5F0_B8C0, 0xE9DA_3113,
    0x289A_147C, 0xF8F4_1DBD, 0x9292_DC29, 0x5D9E_98BF, 0x9626_2C6F, 0x3617_DE4A,
];

/// Whether `point` is an uncompressed point of the curve.
pub fn is_public(point: &[u8]) -> bool {
    Curve::new().is_some_and(|curve| curve.point(point).is_some())
}

/// Whether `signature` is one of `hash` under `public`.
pub fn verify(public: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    verified(public, hash, signature).is_some()
}

/// FIPS 186-5 §6.4.2.
fn verified(public: &[u8], hash: &[u8], signature: &[u8]) -> Option<()> {
    if signature.len() != SIGNATURE {
        return None;
    }
    let curve = Curve::new()?;
    let q = curve.point(public)?;
    let scalars = Field::new(&ORDER)?;
    let (r, s) = signature.split_at(BYTES);
    let (r, mut s) = (number::<N>(r)?, number::<N>(s)?);
    if [&r, &s].iter().any(|x| **x == [0; N] || !below(*x, &ORDER)) {
        return None;
    }
    // bits2int wants 48 bytes: pad a shorter hash on the left, cut a longer one on the right.
    let mut z = [0; BYTES];
    let hash = hash.get(..BYTES).unwrap_or(hash);
    for (to, byte) in z.iter_mut().skip(BYTES - hash.len()).zip(hash) {
        *to = *byte;
    }
    let mut r_squared = [0; N];
    scalars.r_squared(&mut r_squared);
    scalars.multiply(&mut s, &r_squared);
    let w = invert(&scalars, &s, &ORDER);
    // w is in Montgomery form: times a plain number, the product is plain. z may exceed the order.
    let (mut u1, mut u2) = (number::<N>(&z)?, r);
    scalars.multiply(&mut u1, &w);
    scalars.multiply(&mut u2, &w);
    let sum = curve.double_product(&u1, &u2, &q)?;
    // x(sum) = X/Z² ≡ r mod order: compare r·Z², and (r + order)·Z² where that is below p.
    let mut z2 = sum.z;
    curve.field.square(&mut z2);
    let matches = |mut candidate: Number| {
        curve.field.multiply(&mut candidate, &curve.r_squared);
        curve.field.multiply(&mut candidate, &z2);
        candidate == sum.x
    };
    if matches(r) {
        return Some(());
    }
    let mut above = r;
    let carry = super::montgomery::add_wide(&mut above, &ORDER);
    (carry == 0 && below(&above, &P) && matches(above)).then_some(())
}

/// 1/x by Fermat: x ^ (modulus − 2). The moduli here end in a limb of at least 2.
fn invert(field: &Field<'_>, x: &Number, modulus: &Number) -> Number {
    let mut exponent = *modulus;
    exponent[0] -= 2;
    let mut bytes = [0; BYTES];
    to_bytes(&exponent, &mut bytes);
    let mut out = [0; N];
    field.power(x, &bytes, &mut out);
    out
}

/// A point with Z = 1; coordinates in Montgomery form.
#[derive(Clone, Copy)]
struct Affine {
    x: Number,
    y: Number,
}

/// Jacobian coordinates: (X/Z², Y/Z³); Z = 0 at infinity.
#[derive(Clone, Copy)]
struct Jacobian {
    x: Number,
    y: Number,
    z: Number,
}

struct Curve {
    field: Field<'static>,
    r_squared: Number,
}

impl Curve {
    fn new() -> Option<Self> {
        let field = Field::new(&P)?;
        let mut r_squared = [0; N];
        field.r_squared(&mut r_squared);
        Some(Curve { field, r_squared })
    }

    fn mul(&self, a: &Number, b: &Number) -> Number {
        let mut out = *a;
        self.field.multiply(&mut out, b);
        out
    }

    fn sub(&self, a: &Number, b: &Number) -> Number {
        let mut out = *a;
        self.field.subtract(&mut out, b);
        out
    }

    fn add(&self, a: &Number, b: &Number) -> Number {
        let mut out = *a;
        self.field.add(&mut out, b);
        out
    }

    fn enter(&self, a: &Number) -> Number {
        self.mul(a, &self.r_squared)
    }

    fn base(&self) -> Affine {
        Affine {
            x: self.enter(&GX),
            y: self.enter(&GY),
        }
    }

    /// An uncompressed point that lies on the curve: y² = x³ − 3x + b.
    fn point(&self, bytes: &[u8]) -> Option<Affine> {
        let (&tag, rest) = bytes.split_first()?;
        if tag != 4 || bytes.len() != PUBLIC {
            return None;
        }
        let (x, y) = rest.split_at(BYTES);
        let (x, y) = (number::<N>(x)?, number::<N>(y)?);
        if !below(&x, &P) || !below(&y, &P) {
            return None;
        }
        let (x, y) = (self.enter(&x), self.enter(&y));
        let mut right = self.mul(&self.mul(&x, &x), &x);
        for _ in 0..3 {
            right = self.sub(&right, &x);
        }
        right = self.add(&right, &self.enter(&B));
        (self.mul(&y, &y) == right).then_some(Affine { x, y })
    }

    /// u1·G + u2·Q, both scalars at once (Shamir's trick); `None` at infinity.
    fn double_product(&self, u1: &Number, u2: &Number, q: &Affine) -> Option<Jacobian> {
        let g = self.base();
        let mut both = self.jacobian(&g);
        self.add_affine(&mut both, q);
        let both = self.normal(&both);
        let mut sum = Jacobian {
            x: [0; N],
            y: [0; N],
            z: [0; N],
        };
        for (limb1, limb2) in u1.iter().zip(u2).rev() {
            for bit in (0..32).rev() {
                self.double(&mut sum);
                match (limb1 >> bit & 1, limb2 >> bit & 1) {
                    (0, 0) => {}
                    (1, 0) => self.add_affine(&mut sum, &g),
                    (0, _) => self.add_affine(&mut sum, q),
                    _ => {
                        // G + Q may be infinity, which adds nothing.
                        if let Some(both) = &both {
                            self.add_affine(&mut sum, both);
                        }
                    }
                }
            }
        }
        (sum.z != [0; N]).then_some(sum)
    }

    fn jacobian(&self, p: &Affine) -> Jacobian {
        let mut z = [0; N];
        self.field.one(&mut z);
        Jacobian { x: p.x, y: p.y, z }
    }

    fn normal(&self, p: &Jacobian) -> Option<Affine> {
        if p.z == [0; N] {
            return None;
        }
        let inverse = invert(&self.field, &p.z, &P);
        let square = self.mul(&inverse, &inverse);
        Some(Affine {
            x: self.mul(&p.x, &square),
            y: self.mul(&p.y, &self.mul(&square, &inverse)),
        })
    }

    /// p = 2·p for a = −3 (Explicit-Formulas Database, dbl-2001-b). Infinity stays: Z3 = 2·Y·Z.
    fn double(&self, p: &mut Jacobian) {
        let delta = self.mul(&p.z, &p.z);
        let gamma = self.mul(&p.y, &p.y);
        let beta = self.mul(&p.x, &gamma);
        let slope = self.mul(&self.sub(&p.x, &delta), &self.add(&p.x, &delta));
        let alpha = self.add(&self.add(&slope, &slope), &slope);
        let four_beta = self.times_four(&beta);
        let x = self.sub(&self.mul(&alpha, &alpha), &self.add(&four_beta, &four_beta));
        let gamma2 = self.mul(&gamma, &gamma);
        let four = self.times_four(&gamma2);
        let yz = self.mul(&p.y, &p.z);
        p.z = self.add(&yz, &yz);
        p.y = self.sub(
            &self.mul(&alpha, &self.sub(&four_beta, &x)),
            &self.add(&four, &four),
        );
        p.x = x;
    }

    fn times_four(&self, a: &Number) -> Number {
        let two = self.add(a, a);
        self.add(&two, &two)
    }

    /// p = p + q with Z of q = 1 (madd-2004-hmv), where p may be infinity, q, or −q.
    fn add_affine(&self, p: &mut Jacobian, q: &Affine) {
        if p.z == [0; N] {
            *p = self.jacobian(q);
            return;
        }
        let z2 = self.mul(&p.z, &p.z);
        let h = self.sub(&self.mul(&q.x, &z2), &p.x);
        let r = self.sub(&self.mul(&q.y, &self.mul(&z2, &p.z)), &p.y);
        if h == [0; N] {
            if r == [0; N] {
                self.double(p);
            } else {
                p.z = [0; N];
            }
            return;
        }
        let h2 = self.mul(&h, &h);
        let h3 = self.mul(&h2, &h);
        let v = self.mul(&p.x, &h2);
        let x = self.sub(&self.sub(&self.mul(&r, &r), &h3), &self.add(&v, &v));
        p.y = self.sub(&self.mul(&r, &self.sub(&v, &x)), &self.mul(&p.y, &h3));
        p.z = self.mul(&p.z, &h);
        p.x = x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecdsa::hazmat;
    use p384::elliptic_curve::sec1::ToSec1Point;
    use p384::{NonZeroScalar, SecretKey};

    fn bytes(state: &mut u64) -> [u8; BYTES] {
        core::array::from_fn(|_| {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            (*state >> 24) as u8
        })
    }

    /// Signatures by an independent implementation verify; with any one bit changed, none does.
    #[test]
    fn agrees_with_an_independent_implementation() {
        let mut state = 0xC0FF_EE12_3456_789B;
        for round in 0..12 {
            let secret = SecretKey::from_slice(&bytes(&mut state)).unwrap();
            let public = secret.public_key().to_sec1_point(false);
            let public = public.as_bytes();
            assert!(is_public(public));
            let k =
                Option::<NonZeroScalar>::from(NonZeroScalar::from_repr(bytes(&mut state).into()));
            let hash = match round {
                0 => [0; BYTES],
                1 => [0xFF; BYTES],
                _ => bytes(&mut state),
            };
            let (signature, _) =
                hazmat::sign_prehashed(&secret.to_nonzero_scalar(), &k.unwrap(), &hash).unwrap();
            let signature = signature.to_bytes();
            assert!(verify(public, &hash, &signature), "{round}");
            let bit = (state % 384) as usize;
            let mut changed = hash;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(public, &changed, &signature));
            let mut forged = signature;
            forged[bit / 4] ^= 1 << (bit % 8);
            assert!(!verify(public, &hash, &forged));
            let mut off = public.to_vec();
            off[1 + bit / 8] ^= 1;
            assert!(!is_public(&off));
        }
    }

    #[test]
    fn odd_cases_are_refused() {
        let secret = SecretKey::from_slice(&[7; BYTES]).unwrap();
        let public = secret.public_key().to_sec1_point(false);
        let public = public.as_bytes();
        let mut order = [0; BYTES];
        to_bytes(&ORDER, &mut order);
        for (r, s) in [
            ([0; BYTES], [1; BYTES]),
            ([1; BYTES], [0; BYTES]),
            (order, [1; BYTES]),
            ([1; BYTES], order),
        ] {
            assert!(!verify(public, &[5; 48], &[r, s].concat()));
        }
        assert!(!verify(public, &[5; 48], &[1; 95]));
        assert!(!is_public(&public[..96]));
        assert!(!is_public(&[&[2], &public[1..]].concat()));
        assert!(!is_public(&[0; PUBLIC]));
    }

    /// Sums that meet the special cases: Q = G, Q = −G, Q = 2G.
    #[test]
    fn special_sums() {
        let curve = Curve::new().unwrap();
        let g = curve.base();
        let minus = Affine {
            x: g.x,
            y: curve.sub(&[0; N], &g.y),
        };
        let one = |value| {
            let mut scalar = [0; N];
            scalar[0] = value;
            scalar
        };
        let affine = |sum: Option<Jacobian>| sum.and_then(|sum| curve.normal(&sum));
        // 3G + 2(−G) = G; 5G + 5(−G) = 0; 1G + 1G = 2G.
        let sum = affine(curve.double_product(&one(3), &one(2), &minus)).unwrap();
        assert_eq!((sum.x, sum.y), (g.x, g.y));
        assert!(curve.double_product(&one(5), &one(5), &minus).is_none());
        let two = affine(curve.double_product(&one(1), &one(1), &g)).unwrap();
        let again = affine(curve.double_product(&one(2), &one(0), &minus)).unwrap();
        assert_eq!((two.x, two.y), (again.x, again.y));
        let four = affine(curve.double_product(&one(2), &one(1), &two)).unwrap();
        let again = affine(curve.double_product(&one(4), &one(0), &g)).unwrap();
        assert_eq!((four.x, four.y), (again.x, again.y));
    }
}
