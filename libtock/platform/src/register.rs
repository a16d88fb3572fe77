//! A machine register as it crosses the system call border.
//!
//! Owns the conversions; on a 64-bit host the low half carries the 32-bit values.

use crate::{ErrorCode, ReturnVariant};

/// One register. A pointer, so that provenance survives the crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Register(pub *mut ());

impl Register {
    /// The low 32 bits.
    pub fn as_u32(self) -> u32 {
        self.0.addr() as u32
    }

    /// The low 32 bits, signed.
    pub fn as_i32(self) -> i32 {
        self.as_u32() as i32
    }
}

impl From<u32> for Register {
    fn from(value: u32) -> Self {
        Register::from(value as usize)
    }
}

impl From<ErrorCode> for Register {
    fn from(value: ErrorCode) -> Self {
        Register::from(value as u32)
    }
}

impl From<ReturnVariant> for Register {
    fn from(value: ReturnVariant) -> Self {
        Register::from(u32::from(value))
    }
}

impl From<i32> for Register {
    fn from(value: i32) -> Self {
        Register::from(value as isize as usize)
    }
}

impl From<usize> for Register {
    fn from(value: usize) -> Self {
        // Exposed provenance: the kernel may hand a pointer back that it was given earlier.
        Register(core::ptr::with_exposed_provenance_mut(value))
    }
}

impl<T> From<*mut T> for Register {
    fn from(value: *mut T) -> Self {
        value.expose_provenance();
        Register(value.cast())
    }
}

impl<T> From<*const T> for Register {
    fn from(value: *const T) -> Self {
        Register::from(value.cast_mut())
    }
}

impl From<Register> for usize {
    fn from(value: Register) -> usize {
        value.0.addr()
    }
}

impl<T> From<Register> for *mut T {
    fn from(value: Register) -> *mut T {
        value.0.cast()
    }
}

impl<T> From<Register> for *const T {
    fn from(value: Register) -> *const T {
        value.0.cast_const().cast()
    }
}

impl TryFrom<Register> for u32 {
    type Error = core::num::TryFromIntError;

    fn try_from(value: Register) -> Result<u32, Self::Error> {
        u32::try_from(value.0.addr())
    }
}

impl TryFrom<Register> for i32 {
    type Error = core::num::TryFromIntError;

    fn try_from(value: Register) -> Result<i32, Self::Error> {
        i32::try_from(value.0.addr() as isize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        assert_eq!(u32::try_from(Register::from(0xFFFF_FFFFu32)), Ok(u32::MAX));
        assert_eq!(i32::try_from(Register::from(-3i32)), Ok(-3));
        assert_eq!(Register::from(-3i32).as_i32(), -3);
        let mut x = 5u8;
        let p: *mut u8 = Register::from(&raw mut x).into();
        assert_eq!(p, &raw mut x);
    }
}
