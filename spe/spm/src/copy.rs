//! Copies between private bytes and shared cells.
//!
//! Owns the only loops that touch caller memory. Byte by byte where the compiler cannot do
//! better; correctness does not depend on what the other side does meanwhile.

use core::cell::Cell;

/// Copies `from` to `to`; lengths must be equal (the shorter one bounds the copy).
pub(crate) fn from_cells(from: &[Cell<u8>], to: &mut [u8]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t = f.get();
    }
    // What follows works on the copy: the compiler may not read the source again instead.
    core::hint::black_box(to);
}

/// Copies `from` to `to`; lengths must be equal (the shorter one bounds the copy).
pub(crate) fn to_cells(from: &[u8], to: &[Cell<u8>]) {
    for (t, f) in to.iter().zip(from) {
        t.set(*f);
    }
}
