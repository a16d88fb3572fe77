//! Pins behind a bus: every operation is split-phase.

use crate::ErrorCode;
use crate::hil;

/// A group of pins.
pub trait Port {
    /// Turns a pin off.
    ///
    /// # Errors
    /// `INVAL`, `NOSUPPORT`, `BUSY`.
    fn disable(&self, pin: usize) -> Result<(), ErrorCode>;
    /// Makes a pin an output.
    ///
    /// # Errors
    /// As above.
    fn make_output(&self, pin: usize) -> Result<(), ErrorCode>;
    /// Makes a pin an input with this pull.
    ///
    /// # Errors
    /// As above.
    fn make_input(&self, pin: usize, mode: hil::gpio::FloatingState) -> Result<(), ErrorCode>;
    /// Reads a pin; `done` brings the level.
    ///
    /// # Errors
    /// As above.
    fn read(&self, pin: usize) -> Result<(), ErrorCode>;
    /// Changes an output's level.
    ///
    /// # Errors
    /// As above.
    fn toggle(&self, pin: usize) -> Result<(), ErrorCode>;
    /// Sets an output high.
    ///
    /// # Errors
    /// As above.
    fn set(&self, pin: usize) -> Result<(), ErrorCode>;
    /// Sets an output low.
    ///
    /// # Errors
    /// As above.
    fn clear(&self, pin: usize) -> Result<(), ErrorCode>;
    /// Enables a pin's interrupt.
    ///
    /// # Errors
    /// As above.
    fn enable_interrupt(&self, pin: usize, mode: hil::gpio::InterruptEdge)
    -> Result<(), ErrorCode>;
    /// Disables it.
    ///
    /// # Errors
    /// As above.
    fn disable_interrupt(&self, pin: usize) -> Result<(), ErrorCode>;
    /// Whether a pin's interrupt waits.
    fn is_pending(&self, pin: usize) -> bool;
}

/// Learns of ends and interrupts.
pub trait Client {
    /// A pin interrupted; `identifier` is the port's.
    fn fired(&self, pin: usize, identifier: usize);
    /// An operation ended.
    fn done(&self, value: usize);
}
