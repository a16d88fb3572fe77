//! Digital to analogue conversion.

use crate::ErrorCode;

/// One output.
pub trait DacChannel {
    /// Sets its level.
    ///
    /// # Errors
    /// As the chip gives.
    fn set_value(&self, value: usize) -> Result<(), ErrorCode>;
}
