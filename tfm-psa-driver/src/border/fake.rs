//! The other side of the border, for host tests: reads and writes memory by descriptor.
//!
//! Owns nothing. A secure world reads what a descriptor points to; a fake one needs the same.

use crate::{InVec, OutVec};

/// The bytes of `vector`. For tests, whose inputs are bytes and hold no uninitialised memory.
pub fn read(vector: &InVec<'_>) -> Vec<u8> {
    let base = vector.base().cast::<u8>();
    (0..vector.len())
        // SAFETY: the descriptor borrows `len` bytes at `base`; they are initialised (see above)
        // and nobody writes them meanwhile.
        .map(|i| unsafe { base.add(i).read_volatile() })
        .collect()
}

/// Writes `bytes` and the length; `false`, and length 0, when they do not fit.
pub fn write(vector: &mut OutVec<'_>, bytes: &[u8]) -> bool {
    let fits = bytes.len() <= vector.len();
    let bytes = if fits { bytes } else { &[] };
    let base = vector.base().cast::<u8>();
    for (i, byte) in bytes.iter().enumerate() {
        // SAFETY: the descriptor borrows at least this many bytes at `base`, as cells or
        // exclusively.
        unsafe { base.add(i).write_volatile(*byte) }
    }
    vector.set_len(bytes.len());
    fits
}
