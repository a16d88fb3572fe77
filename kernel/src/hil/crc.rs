//! Cyclic redundancy checks over chunks of data.
//!
//! Input bytes are consumed from their least significant bit.

use crate::ErrorCode;
use crate::utilities::leasable_buffer::SubSliceMut;

/// Learns of chunks and results.
pub trait Client {
    /// A chunk was absorbed, but for what the window still shows.
    fn input_done(&self, result: Result<(), ErrorCode>, buffer: SubSliceMut<'static, u8>);
    /// The result.
    fn crc_done(&self, result: Result<CrcOutput, ErrorCode>);
}

/// Which check.
#[derive(Copy, Clone)]
pub enum CrcAlgorithm {
    /// Polynomial 0x04C11DB7, output reversed and inverted.
    Crc32,
    /// Polynomial 0x1EDC6F41 (Castagnoli), output reversed and inverted.
    Crc32C,
    /// Polynomial 0x1021, output as it is.
    Crc16CCITT,
}

/// A result.
#[derive(Copy, Clone)]
pub enum CrcOutput {
    /// Of [`CrcAlgorithm::Crc32`].
    Crc32(u32),
    /// Of [`CrcAlgorithm::Crc32C`].
    Crc32C(u32),
    /// Of [`CrcAlgorithm::Crc16CCITT`].
    Crc16CCITT(u16),
}

impl CrcOutput {
    /// Which check it is of.
    pub fn algorithm(&self) -> CrcAlgorithm {
        match self {
            CrcOutput::Crc32(_) => CrcAlgorithm::Crc32,
            CrcOutput::Crc32C(_) => CrcAlgorithm::Crc32C,
            CrcOutput::Crc16CCITT(_) => CrcAlgorithm::Crc16CCITT,
        }
    }
}

/// Computes checks.
pub trait Crc<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn Client);
    /// Whether [`Crc::set_algorithm`] would take it.
    fn algorithm_supported(&self, algorithm: CrcAlgorithm) -> bool;
    /// Chooses, and forgets data absorbed so far.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`.
    fn set_algorithm(&self, algorithm: CrcAlgorithm) -> Result<(), ErrorCode>;
    /// Absorbs a chunk; `input_done` follows.
    ///
    /// # Errors
    /// `BUSY`, `RESERVE` (no algorithm was chosen), with the chunk.
    fn input(
        &self,
        data: SubSliceMut<'static, u8>,
    ) -> Result<(), (ErrorCode, SubSliceMut<'static, u8>)>;
    /// Finishes; `crc_done` follows.
    ///
    /// # Errors
    /// `BUSY`, `RESERVE` (no algorithm was chosen).
    fn compute(&self) -> Result<(), ErrorCode>;
    /// Unpowers it until it is used again.
    fn disable(&self);
}
