//! Copies between private bytes and shared cells.
//!
//! Owns the only loops that touch caller memory. They go in groups of eight bytes, which the
//! compiler turns into word moves (of sixteen it makes calls); correctness does not depend on what the other side does
//! meanwhile.

use core::array::from_fn;
use core::cell::Cell;

/// Bytes that move together.
const GROUP: usize = 8;

/// Copies `from` to `to`; lengths must be equal (the shorter one bounds the copy).
pub(crate) fn from_cells(from: &[Cell<u8>], to: &mut [u8]) {
    let n = from.len().min(to.len());
    let (groups, rest) = from[..n].as_chunks::<GROUP>();
    let (to_groups, to_rest) = to[..n].as_chunks_mut::<GROUP>();
    for (t, f) in to_groups.iter_mut().zip(groups) {
        *t = from_fn(|i| f[i].get());
    }
    for (t, f) in to_rest.iter_mut().zip(rest) {
        *t = f.get();
    }
    // What follows works on the copy: the compiler may not read the source again instead.
    core::hint::black_box(to);
}

/// Copies `from` to `to`; lengths must be equal (the shorter one bounds the copy).
pub(crate) fn to_cells(from: &[u8], to: &[Cell<u8>]) {
    let n = from.len().min(to.len());
    let (groups, rest) = from[..n].as_chunks::<GROUP>();
    let (to_groups, to_rest) = to[..n].as_chunks::<GROUP>();
    for (t, f) in to_groups.iter().zip(groups) {
        for (t, f) in t.iter().zip(f) {
            t.set(*f);
        }
    }
    for (t, f) in to_rest.iter().zip(rest) {
        t.set(*f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_place() {
        let source: Vec<u8> = (1..=64).collect();
        for start in 0..4 {
            for len in 0..50 {
                let mut from = source.clone();
                let cells = Cell::from_mut(&mut from[..]).as_slice_of_cells();
                let mut to = [0; 64];
                from_cells(&cells[start..start + len], &mut to[..len]);
                assert_eq!(to[..len], source[start..start + len]);
                assert!(to[len..].iter().all(|b| *b == 0));
                let mut back = [0; 64];
                let cells = Cell::from_mut(&mut back[..]).as_slice_of_cells();
                to_cells(&to[..len], &cells[start..start + len]);
                assert_eq!(back[start..start + len], to[..len]);
                assert!(
                    back[..start]
                        .iter()
                        .chain(&back[start + len..])
                        .all(|b| *b == 0)
                );
            }
        }
    }
}
