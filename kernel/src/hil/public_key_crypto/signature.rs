//! Signing and verifying, split-phase.

use crate::ErrorCode;

/// Learns of a verdict.
pub trait ClientVerify<const H: usize, const S: usize> {
    /// Done.
    fn verification_done(
        &self,
        result: Result<bool, ErrorCode>,
        hash: &'static mut [u8; H],
        signature: &'static mut [u8; S],
    );
}

/// Learns of a signature.
pub trait ClientSign<const H: usize, const S: usize> {
    /// Done.
    fn signing_done(
        &self,
        result: Result<(), ErrorCode>,
        hash: &'static mut [u8; H],
        signature: &'static mut [u8; S],
    );
}

/// What a refused call gives back.
pub type Refused<const H: usize, const S: usize> =
    (ErrorCode, &'static mut [u8; H], &'static mut [u8; S]);

/// Verifies.
pub trait SignatureVerify<'a, const H: usize, const S: usize> {
    /// Whom to tell.
    fn set_verify_client(&self, client: &'a dyn ClientVerify<H, S>);
    /// Starts.
    ///
    /// # Errors
    /// `BUSY`, `OFF`, with the buffers.
    fn verify(
        &self,
        hash: &'static mut [u8; H],
        signature: &'static mut [u8; S],
    ) -> Result<(), Refused<H, S>>;
}

/// Signs.
pub trait SignatureSign<'a, const H: usize, const S: usize> {
    /// Whom to tell.
    fn set_sign_client(&self, client: &'a dyn ClientSign<H, S>);
    /// Starts.
    ///
    /// # Errors
    /// `BUSY`, `OFF`, with the buffers.
    fn sign(
        &self,
        hash: &'static mut [u8; H],
        signature: &'static mut [u8; S],
    ) -> Result<(), Refused<H, S>>;
}
