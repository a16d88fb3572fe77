//! The assembler behind safe functions: the one place that calls it.
//!
//! Owns the types that it works on. Every function here reads the whole of what its references
//! show, writes the whole of what its result or its `&mut` shows, and touches nothing else: the
//! naked functions keep the registers that AAPCS says they must, need no stack but their own,
//! and take their sizes from no argument. That is what each note below leans on. All are inlined, so
//! that a result is made where it is used.

use crate::asm;

/// 256 bits, least significant word first.
pub type Words = [u32; 8];

/// A point in affine coordinates, in Montgomery form.
pub type Affine = [Words; 2];

/// A point in Jacobian coordinates, in Montgomery form; infinity has Z = 0.
pub type Jacobian = [Words; 3];

/// 1 in Montgomery form.
pub const ONE: Words = [
    1,
    0,
    0,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_fffe,
    0,
];

/// The group's order, with a word more.
pub const ORDER: [u32; 9] = asm::P256_ORDER;

/// 257 bits with a sign apart: the value is `signed_value`, two's complement, negated if
/// `flip_sign` is -1. The assembler knows this layout.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct FGInteger {
    pub flip_sign: i32,
    pub signed_value: [u32; 9],
}

/// A residue modulo the order with a sign apart, laid out as the assembler knows it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct XYInteger {
    pub flip_sign: i32,
    pub value: Words,
}

/// Whether 1 ≤ `a` < n.
#[inline(always)]
pub fn in_range_n(a: &Words) -> bool {
    // SAFETY: reads the eight words of `a`; r0 comes back as 0 or 1.
    unsafe { asm::P256_check_range_n(a) }
}

/// Whether `a` < p.
#[inline(always)]
pub fn in_range_p(a: &Words) -> bool {
    // SAFETY: reads the eight words of `a`; r0 comes back as 0 or 1.
    unsafe { asm::P256_check_range_p(a) }
}

/// Into Montgomery form; `a` < p.
#[inline(always)]
pub fn to_montgomery(a: &Words) -> Words {
    let mut out = [0; 8];
    // SAFETY: reads eight words, writes eight words.
    unsafe { asm::P256_to_montgomery((&raw mut out).cast(), a) };
    out
}

/// Out of Montgomery form.
#[inline(always)]
pub fn from_montgomery(a: &Words) -> Words {
    let mut out = [0; 8];
    // SAFETY: reads eight words, writes eight words.
    unsafe { asm::P256_from_montgomery(&mut out, (&raw const *a).cast()) };
    out
}

/// Whether the point, in Montgomery form, lies on the curve.
#[inline(always)]
pub fn on_curve(point: &Affine) -> bool {
    let [x, y] = point;
    // SAFETY: reads eight words each; r0 comes back as 0 or 1.
    unsafe { asm::P256_point_is_on_curve((&raw const *x).cast(), (&raw const *y).cast()) }
}

/// `n - a` if `negate` is 1, `a` if it is 0, in constant time; 1 ≤ `a` < n.
#[inline(always)]
pub fn negate_n_if(a: &Words, negate: u32) -> Words {
    let mut out = [0; 8];
    // SAFETY: reads eight words, writes eight words.
    unsafe { asm::P256_negate_mod_n_if(&mut out, a, negate & 1) };
    out
}

/// `p - a` if `negate` is 1, `a` if it is 0, in constant time; 1 ≤ `a` < p.
#[inline(always)]
pub fn negate_p_if(a: &Words, negate: u32) -> Words {
    let mut out = [0; 8];
    // SAFETY: reads eight words, writes eight words.
    unsafe { asm::P256_negate_mod_p_if(&mut out, a, negate & 1) };
    out
}

/// `a b mod n`.
#[inline(always)]
pub fn mul_n(a: &Words, b: &Words) -> Words {
    let mut out = [0; 8];
    // SAFETY: reads eight words each, writes eight words.
    unsafe { asm::P256_mul_mod_n(&mut out, a, b) };
    out
}

/// `a + b mod n`.
#[inline(always)]
pub fn add_n(a: &Words, b: &Words) -> Words {
    let mut out = [0; 8];
    // SAFETY: reads eight words each, writes eight words.
    unsafe { asm::P256_add_mod_n(&mut out, a, b) };
    out
}

/// `a mod n`, for any 256 bits.
#[inline(always)]
pub fn reduce_n(a: &Words) -> Words {
    let mut out = [0; 8];
    // SAFETY: reads eight words, writes eight words.
    unsafe { asm::P256_reduce_mod_n_32bytes(&mut out, a) };
    out
}

/// Doubles the point where it lies.
#[inline(always)]
pub fn double(point: &mut Jacobian) {
    let point = (&raw mut *point).cast();
    // SAFETY: reads and writes the 24 words of `point`; the two arguments may be one.
    unsafe { asm::P256_double_j(point, point) };
}

/// Adds `other`, or takes it away. `other` is not infinity.
#[inline(always)]
pub fn add(point: &mut Jacobian, other: &Jacobian, subtract: bool) {
    // SAFETY: reads 24 words each, writes those of `point`; two references never overlap.
    unsafe {
        asm::P256_add_sub_j(
            (&raw mut *point).cast(),
            other.as_ptr().cast(),
            subtract,
            false,
        );
    }
}

/// Adds `other`, or takes it away.
#[inline(always)]
pub fn add_affine(point: &mut Jacobian, other: &Affine, subtract: bool) {
    // SAFETY: told that `other` is affine it reads 16 words of it, and 24 of `point`, which it
    // writes; two references never overlap.
    unsafe {
        asm::P256_add_sub_j(
            (&raw mut *point).cast(),
            other.as_ptr().cast(),
            subtract,
            true,
        );
    }
}

/// Divides by Z. `point` is not infinity.
#[inline(always)]
pub fn to_affine(point: &Jacobian) -> Affine {
    let [mut x, mut y] = [[0; 8]; 2];
    // SAFETY: reads 24 words, writes eight each.
    unsafe {
        asm::P256_jacobian_to_affine(
            (&raw mut x).cast(),
            (&raw mut y).cast(),
            (&raw const *point).cast(),
        );
    }
    [x, y]
}

/// Whether the affine X of `point` is `r` modulo n.
#[inline(always)]
pub fn x_is(point: &Jacobian, r: &Words) -> bool {
    // SAFETY: reads eight words and 24; r0 comes back as 0 or 1.
    unsafe { asm::P256_verify_last_step(r, (&raw const *point).cast()) }
}

/// 31 division steps on the low words of f and g: the new delta, and the matrix.
#[inline(always)]
pub fn divsteps(delta: i32, f: u32, g: u32) -> (i32, [u32; 4]) {
    let mut matrix = [0; 4];
    // SAFETY: writes the four words of `matrix`.
    let delta = unsafe { asm::P256_divsteps2_31(delta, f, g, &mut matrix) };
    (delta, matrix)
}

/// `out = (a f + b g) / 2^31`.
#[inline(always)]
pub fn matrix_fg(a: u32, b: u32, fg: &[FGInteger; 2], out: &mut FGInteger) {
    // SAFETY: reads two and writes one of a layout that is C's on both sides.
    unsafe { asm::P256_matrix_mul_fg_9(a, b, fg, out) }
}

/// `out = (a x + b y) / 2^32 mod n`.
#[inline(always)]
pub fn matrix_xy(a: u32, b: u32, xy: &[XYInteger; 2], out: &mut XYInteger) {
    // SAFETY: reads two and writes one of a layout that is C's on both sides.
    unsafe { asm::P256_matrix_mul_mod_n(a, b, xy, out) }
}
