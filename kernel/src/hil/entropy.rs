//! Sources of true randomness.

use crate::ErrorCode;

/// Whether the client wants more words.
#[derive(Debug, Eq, PartialEq, Clone, Copy)]
pub enum Continue {
    /// Yes.
    More,
    /// No.
    Done,
}

/// Gives 32-bit words of entropy.
pub trait Entropy32<'a> {
    /// Asks for entropy.
    ///
    /// # Errors
    /// `OFF`, `RESERVE` or `FAIL`: no callback follows.
    fn get(&self) -> Result<(), ErrorCode>;
    /// Takes the request back.
    ///
    /// # Errors
    /// `FAIL`: it may still be answered.
    fn cancel(&self) -> Result<(), ErrorCode>;
    /// Whom to answer.
    fn set_client(&'a self, client: &'a dyn Client32);
}

/// Receives words of entropy.
pub trait Client32 {
    /// Some words; `More` asks for another call.
    fn entropy_available(
        &self,
        entropy: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue;
}

/// Gives bytes of entropy.
pub trait Entropy8<'a> {
    /// Asks for entropy.
    ///
    /// # Errors
    /// `OFF`, `RESERVE` or `FAIL`: no callback follows.
    fn get(&self) -> Result<(), ErrorCode>;
    /// Takes the request back.
    ///
    /// # Errors
    /// `FAIL`: it may still be answered.
    fn cancel(&self) -> Result<(), ErrorCode>;
    /// Whom to answer.
    fn set_client(&'a self, client: &'a dyn Client8);
}

/// Receives bytes of entropy.
pub trait Client8 {
    /// Some bytes; `More` asks for another call.
    fn entropy_available(
        &self,
        entropy: &mut dyn Iterator<Item = u8>,
        error: Result<(), ErrorCode>,
    ) -> Continue;
}
