//! Keys.

use crate::ErrorCode;

/// Learns of keys.
pub trait KeyboardClient {
    /// Keys that changed: (Linux key code, whether it is down now).
    fn keys_pressed(&self, keys: &[(u16, bool)], result: Result<(), ErrorCode>);
}

/// A keyboard.
pub trait Keyboard<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn KeyboardClient);
}
