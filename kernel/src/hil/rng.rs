//! Random numbers fit for cryptography.

use crate::ErrorCode;

/// Whether the client wants more words.
#[derive(Debug, Eq, PartialEq, Clone, Copy)]
pub enum Continue {
    /// Yes.
    More,
    /// No.
    Done,
}

/// Gives random words.
pub trait Rng<'a> {
    /// Asks for random words.
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
    fn set_client(&'a self, client: &'a dyn Client);
}

/// Receives random words.
pub trait Client {
    /// Some words; `More` asks for another call.
    fn randomness_available(
        &self,
        randomness: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue;
}

/// Pseudo-random numbers, not for cryptography.
pub trait Random<'a> {
    /// Seeds itself.
    fn initialize(&'a self);
    /// Takes a seed.
    fn reseed(&self, seed: u32);
    /// The next number.
    fn random(&self) -> u32;
}
