//! Why bytes are no MCUboot image.
//!
//! Owns the leaves; each names the rule that was broken and reads as a plain message.

use core::fmt;

/// The rule that an image breaks (`reference/tfm.md` §I.1–I.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageError {
    /// The first word is 0xFFFFFFFF: nothing was written here.
    Empty,
    /// The magic is not 0x96F3B83D.
    BadMagic,
    /// `hdr_size` is below 32 bytes or beyond the slot.
    BadHeaderSize,
    /// Header, payload and TLVs do not fit in the slot.
    TooLarge,
    /// `protect_tlv_size` and the protected area disagree.
    BadProtectedArea,
    /// There is no unprotected TLV area.
    NoTlvArea,
    /// A TLV, or the area itself, runs past its end.
    TlvOutOfBounds,
    /// A TLV has another length than its type asks for.
    BadTlvLength,
}

impl ImageError {
    /// The message.
    pub fn message(&self) -> &'static str {
        match self {
            ImageError::Empty => "slot is empty",
            ImageError::BadMagic => "image magic is wrong",
            ImageError::BadHeaderSize => "header size is wrong",
            ImageError::TooLarge => "image does not fit in its slot",
            ImageError::BadProtectedArea => "protected TLV area is malformed",
            ImageError::NoTlvArea => "TLV area is missing",
            ImageError::TlvOutOfBounds => "a TLV runs past its area",
            ImageError::BadTlvLength => "a TLV has a wrong length",
        }
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}
