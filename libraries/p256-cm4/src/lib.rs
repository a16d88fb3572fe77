//! NIST P-256 on Cortex-M4 and later with the DSP extension: key pairs, ECDH, ECDSA.
//!
//! After Emil Lenngren's P256-Cortex-M4 and Alex Martens' `p256-cm4` 0.4.0 (MIT, see LICENSE and README):
//! their assembler, with the Rust around it written anew. Owns the curve's arithmetic; not hashes,
//! nonces or encodings. Numbers are eight words, least significant first. What takes a secret is
//! constant in time. There is nothing in it for other machines: on a host it is empty.

#![no_std]
#![cfg(target_arch = "arm")]

mod arithmetic;
mod asm;
mod inverse;
mod multiply;
#[cfg(not(feature = "small"))]
mod tables;

pub use arithmetic::Words;

use arithmetic::{
    Affine, add_n, from_montgomery, in_range_n, in_range_p, mul_n, on_curve, reduce_n,
    to_montgomery, x_is,
};
use zeroize::Zeroizing;

/// Whether `scalar` is a private key: 1 ≤ `scalar` < n.
pub fn is_scalar(scalar: &Words) -> bool {
    in_range_n(scalar)
}

/// Whether the point lies on the curve, its coordinates below p.
pub fn is_point(x: &Words, y: &Words) -> bool {
    point(x, y).is_some()
}

/// The public key of a private one; none if that is not in 1 … n - 1.
pub fn public_key(private: &Words) -> Option<(Words, Words)> {
    in_range_n(private).then(|| {
        let [x, y] = multiply::base(private);
        (from_montgomery(&x), from_montgomery(&y))
    })
}

/// ECDH (SP 800-56A §5.7.1.2): x of `private` times the peer's point; none if the scalar is out of range
/// or the point not on the curve.
pub fn ecdh(private: &Words, x: &Words, y: &Words) -> Option<Words> {
    let peer = point(x, y)?;
    in_range_n(private).then(|| from_montgomery(&multiply::variable(&peer, private)[0]))
}

/// ECDSA (FIPS 186-5 §6.4.1) of the 256 bits `z` with the nonce `k`: r and s.
///
/// None if `k` is out of range, or leads to r or s of 0: take another. A nonce that is used twice,
/// or known, gives the private key away.
pub fn sign(private: &Words, z: &Words, k: &Words) -> Option<(Words, Words)> {
    if !in_range_n(k) {
        return None;
    }
    let r = reduce_n(&from_montgomery(&multiply::base(k)[0]));
    let k_inverse = Zeroizing::new(inverse::invert_n(k));
    let sum = Zeroizing::new(add_n(z, &mul_n(&r, private)));
    let s = mul_n(&k_inverse, &sum);
    (r != [0; 8] && s != [0; 8]).then_some((r, s))
}

/// Verifies ECDSA (FIPS 186-5 §6.4.2) over the 256 bits `z`. Keys and signatures out of range, and points
/// off the curve, are refused.
#[must_use]
pub fn verify(x: &Words, y: &Words, z: &Words, r: &Words, s: &Words) -> bool {
    let Some(key) = point(x, y) else {
        return false;
    };
    if !in_range_n(r) || !in_range_n(s) {
        return false;
    }
    let w = inverse::invert_n(s);
    let sum = multiply::pair(&mul_n(z, &w), &key, &mul_n(r, &w));
    x_is(&sum, r)
}

/// The point in Montgomery form, if it is one of the curve.
fn point(x: &Words, y: &Words) -> Option<Affine> {
    if !in_range_p(x) || !in_range_p(y) {
        return None;
    }
    let point = [to_montgomery(x), to_montgomery(y)];
    on_curve(&point).then_some(point)
}
