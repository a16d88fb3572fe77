//! `psa_invec` and `psa_outvec` as the secure side reads them.
//!
//! A descriptor borrows the memory it names, so holding one proves that the memory outlives the
//! call, and that writing an output races with no Rust reference (outputs are cells or
//! exclusively borrowed). Layout: pointer at 0, length at 4 (TF-M `psa/client.h`).

use core::cell::Cell;
use core::marker::PhantomData;

/// An input vector; read by the secure side only.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct InVec<'a> {
    base: *const (),
    len: usize,
    memory: PhantomData<&'a [Cell<u8>]>,
}

impl<'a> InVec<'a> {
    /// An absent vector.
    pub const EMPTY: InVec<'static> = InVec {
        base: core::ptr::null(),
        len: 0,
        memory: PhantomData,
    };

    /// Over the bytes of `memory`: a byte slice, or a process buffer's cells.
    pub fn new<T>(memory: &'a [T]) -> Self {
        let len = size_of_val(memory);
        if len == 0 {
            return Self::EMPTY;
        }
        InVec {
            base: memory.as_ptr().cast(),
            len,
            memory: PhantomData,
        }
    }

    /// Address, for a [`Gate`](crate::Gate).
    pub fn base(&self) -> *const () {
        self.base
    }

    /// Length, bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the vector is absent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// An output vector; after a call its length is what the service wrote.
#[repr(C)]
#[derive(Debug)]
pub struct OutVec<'a> {
    base: *mut (),
    len: usize,
    memory: PhantomData<&'a [Cell<u8>]>,
}

impl<'a> OutVec<'a> {
    /// An absent vector.
    pub const EMPTY: OutVec<'static> = OutVec {
        base: core::ptr::null_mut(),
        len: 0,
        memory: PhantomData,
    };

    /// Over memory that may be shared, such as a process buffer.
    pub fn new(memory: &'a [Cell<u8>]) -> Self {
        if memory.is_empty() {
            return Self::EMPTY;
        }
        OutVec {
            base: memory.as_ptr().cast_mut().cast(),
            len: memory.len(),
            memory: PhantomData,
        }
    }

    /// Over exclusively borrowed memory.
    pub fn own(memory: &'a mut [u8]) -> Self {
        Self::new(Cell::from_mut(memory).as_slice_of_cells())
    }

    /// Address, for a [`Gate`](crate::Gate).
    pub fn base(&self) -> *mut () {
        self.base
    }

    /// Length: offered before a call, written after it; bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the vector is absent (or nothing was written).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets the written length, for a [`Gate`](crate::Gate) that does not work by address. More
    /// than was offered is cut off.
    pub fn set_len(&mut self, written: usize) {
        self.len = written.min(self.len);
    }

    /// The same memory, for a call that this vector outlives.
    pub fn reborrow(&mut self) -> OutVec<'_> {
        OutVec {
            base: self.base,
            len: self.len,
            memory: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bytes_and_empty_is_null() {
        let words = [1u32, 2];
        assert_eq!(InVec::new(&words).len(), 8);
        assert!(InVec::new::<u8>(&[]).base().is_null());
        let mut bytes = [0u8; 3];
        let mut out = OutVec::own(&mut bytes);
        assert_eq!(out.len(), 3);
        out.set_len(9);
        assert_eq!(out.len(), 3);
        out.set_len(1);
        assert_eq!(out.len(), 1);
        assert!(OutVec::new(&[]).base().is_null());
    }
}
