//! Erasure that the compiler keeps, in words instead of bytes.
//!
//! Owns [`erase`] and a buffer that erases itself. (`zeroize` writes each element by itself, which
//! for a buffer of bytes costs four times what the fill costs.)

use core::arch::asm;
use core::ops::{Deref, DerefMut};

/// Overwrites `bytes` with zeros.
pub fn erase(bytes: &mut [u8]) {
    bytes.fill(0);
    // SAFETY: no instruction at all. As far as the compiler knows it may read what the pointer
    // leads to, so that the zeros must be there.
    unsafe {
        asm!("/* {0} */", in(reg) bytes.as_mut_ptr(), options(nostack, preserves_flags));
    }
}

/// Bytes that are erased when dropped.
#[derive(Clone)]
pub struct Erased<const N: usize>([u8; N]);

impl<const N: usize> Erased<N> {
    /// These bytes, until dropped.
    pub const fn new(bytes: [u8; N]) -> Self {
        Erased(bytes)
    }
}

impl<const N: usize> Deref for Erased<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Erased<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Erased<N> {
    fn drop(&mut self) {
        erase(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_zero() {
        let mut bytes = [0xA5; 37];
        erase(&mut bytes[1..36]);
        assert_eq!((bytes[0], bytes[36]), (0xA5, 0xA5));
        assert!(bytes[1..36].iter().all(|b| *b == 0));
    }
}
