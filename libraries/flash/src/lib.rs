//! NOR flash trait, and a simulator that cuts power at every operation.
//!
//! Owns the contract that loader, storage and firmware update are written against. NOR rules hold
//! in every implementation: erase sets 0xFF, programming only clears bits.
#![cfg_attr(not(any(test, feature = "sim")), no_std)]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "sim"))]
pub mod sim;

/// Why a flash operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashError {
    /// The range does not lie in the region.
    OutOfBounds,
    /// Offset or length is not a multiple of the erase or write size.
    Misaligned,
    /// Programming would have to set a bit that is 0.
    NotErased,
    /// The device failed (in the simulator: power is gone).
    Device,
}

/// One region of NOR flash, addressed from 0.
pub trait Flash {
    /// Size of the region, bytes.
    fn size(&self) -> u32;
    /// Erase granule, bytes.
    fn erase_size(&self) -> u32;
    /// Program granule, bytes.
    fn write_size(&self) -> u32;
    /// Reads `buf.len()` bytes at `offset`.
    ///
    /// # Errors
    /// [`FlashError::OutOfBounds`], [`FlashError::Device`].
    fn read(&self, offset: u32, buf: &mut [u8]) -> Result<(), FlashError>;
    /// Programs `data` at `offset`: clears bits, never sets one.
    ///
    /// # Errors
    /// Any [`FlashError`].
    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), FlashError>;
    /// Erases `len` bytes at `offset` to 0xFF.
    ///
    /// # Errors
    /// [`FlashError::OutOfBounds`], [`FlashError::Misaligned`], [`FlashError::Device`].
    fn erase(&mut self, offset: u32, len: u32) -> Result<(), FlashError>;
    /// The whole region where it is memory mapped, so that hashing needs no copy.
    fn mapped(&self) -> Option<&[u8]> {
        None
    }
}
