//! A buzzer.

use crate::ErrorCode;

/// Learns that a sound ended.
pub trait BuzzerClient {
    /// By itself or because it was stopped.
    fn buzzer_done(&self, status: Result<(), ErrorCode>);
}

/// Makes a sound.
pub trait Buzzer<'a> {
    /// Sounds at `frequency_hz` for `duration_ms`, in place of what sounds now.
    ///
    /// # Errors
    /// `FAIL`.
    fn buzz(&self, frequency_hz: usize, duration_ms: usize) -> Result<(), ErrorCode>;
    /// Stops; `buzzer_done` follows.
    ///
    /// # Errors
    /// `FAIL`, `OFF` (it is silent).
    fn stop(&self) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn BuzzerClient);
}
