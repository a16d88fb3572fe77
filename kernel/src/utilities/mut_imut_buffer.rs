//! A buffer in RAM or in flash.

/// Either.
pub enum MutImutBuffer<'a, T> {
    /// One that may be written.
    Mutable(&'a mut [T]),
    /// One that may not.
    Immutable(&'a [T]),
}

impl<T> MutImutBuffer<'_, T> {
    /// Elements.
    pub fn len(&self) -> usize {
        match self {
            MutImutBuffer::Mutable(b) => b.len(),
            MutImutBuffer::Immutable(b) => b.len(),
        }
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
