//! Servo motors.

use crate::ErrorCode;

/// One motor.
pub trait Servo<'a> {
    /// Moves to an angle in degrees, 0 to 180.
    ///
    /// # Errors
    /// `INVAL`, `FAIL`.
    fn set_angle(&self, angle: u16) -> Result<(), ErrorCode>;
    /// The angle it was last moved to.
    ///
    /// # Errors
    /// `NOSUPPORT`: unknown.
    fn get_angle(&self) -> Result<usize, ErrorCode>;
}
