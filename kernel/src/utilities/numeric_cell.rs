//! Arithmetic on cells of numbers.

use core::cell::Cell;
use core::ops::{Add, Sub};

/// In-place arithmetic on a `Cell` of a number.
pub trait NumericCellExt<T> {
    /// Adds.
    fn add(&self, val: T);
    /// Subtracts.
    fn subtract(&self, val: T);
    /// Adds one.
    fn increment(&self);
    /// Subtracts one.
    fn decrement(&self);
    /// Adds one; returns the value before.
    fn get_and_increment(&self) -> T;
    /// Subtracts one; returns the value before.
    fn get_and_decrement(&self) -> T;
}

impl<T: Copy + Add<Output = T> + Sub<Output = T> + From<u8>> NumericCellExt<T> for Cell<T> {
    fn add(&self, val: T) {
        self.set(self.get() + val);
    }
    fn subtract(&self, val: T) {
        self.set(self.get() - val);
    }
    fn increment(&self) {
        self.add(T::from(1));
    }
    fn decrement(&self) {
        self.subtract(T::from(1));
    }
    fn get_and_increment(&self) -> T {
        let old = self.get();
        self.increment();
        old
    }
    fn get_and_decrement(&self) -> T {
        let old = self.get();
        self.decrement();
        old
    }
}
