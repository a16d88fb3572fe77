//! NOR flash trait, a journal for pages, and a simulator that cuts power at every operation.
//!
//! Owns the contract that loader, storage and firmware update are written against. NOR rules hold
//! in every implementation: erase sets 0xFF, programming only clears bits.
#![cfg_attr(not(any(test, feature = "sim")), no_std)]
#![forbid(unsafe_code)]

pub mod journal;
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

/// Whether every byte is as an erase leaves it. By double words: at each boot some ten thousand
/// bytes are asked about.
#[must_use]
pub fn erased(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    words.iter().all(|w| u64::from_ne_bytes(*w) == u64::MAX) && rest.iter().all(|b| *b == 0xFF)
}

#[cfg(test)]
mod tests {
    use super::erased;

    #[test]
    fn one_cleared_bit_anywhere_is_found() {
        let mut bytes = [0xFF; 35];
        for start in 0..8 {
            for end in start..35 {
                assert!(erased(&bytes[start..end]));
                for at in 0..35 {
                    bytes[at] = !(1 << (at % 8));
                    assert_eq!(erased(&bytes[start..end]), !(start..end).contains(&at));
                    bytes[at] = 0xFF;
                }
            }
        }
    }
}
