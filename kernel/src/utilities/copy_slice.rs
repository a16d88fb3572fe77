//! Slice copies that answer instead of panicking.

use crate::ErrorCode;

/// `copy_from_slice` with an error for unequal lengths.
pub trait CopyOrErr {
    /// Copies `src` over `self`.
    ///
    /// # Errors
    /// `SIZE` when the lengths differ; nothing is copied.
    fn copy_from_slice_or_err(&mut self, src: &Self) -> Result<(), ErrorCode>;
}

impl<T: Copy> CopyOrErr for [T] {
    fn copy_from_slice_or_err(&mut self, src: &Self) -> Result<(), ErrorCode> {
        if self.len() != src.len() {
            return Err(ErrorCode::SIZE);
        }
        self.copy_from_slice(src);
        Ok(())
    }
}
