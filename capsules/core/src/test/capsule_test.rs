//! How a test that runs in a kernel says that it is over.
//!
//! Owns upstream's interface, so that its test capsules find it here. Every operation of theirs is
//! split-phase: a board starts one, and hears of its end.

use kernel::ErrorCode;

/// Why a test failed.
#[derive(Debug, PartialEq, Eq)]
pub enum CapsuleTestError {
    /// An operation ended well with a wrong result.
    IncorrectResult,
    /// An operation failed.
    ErrorCode(ErrorCode),
}

/// Hears of the end.
pub trait CapsuleTestClient {
    /// It passed, or why it did not.
    fn done(&'static self, result: Result<(), CapsuleTestError>);
}

/// A test.
pub trait CapsuleTest {
    /// Whom to tell of the end.
    fn set_client(&self, client: &'static dyn CapsuleTestClient);
}
