//! Why an image is not accepted.
//!
//! Owns the leaves and their wording: each reads after "secure image refused: ".

use crate::event::{decimal, spelled};
use core::fmt;
use flash::FlashError;
use mcuboot_image::ImageError;

/// The rule that an image breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is no well-formed image.
    Format(ImageError),
    /// `NON_BOOTABLE` is set.
    NotBootable,
    /// A flag asks for something that this loader does not do.
    UnsupportedFlags(u32),
    /// No SHA256 TLV.
    HashMissing,
    /// The SHA256 TLV is not the digest of the image.
    HashMismatch,
    /// An unprotected TLV of a type that nobody needs outside the hash.
    ForeignTlv(u16),
    /// No signature behind a public key.
    NotSigned,
    /// No key in the image has the provisioned hash.
    UnknownKey,
    /// The signature by the provisioned key is wrong.
    BadSignature,
    /// No SEC_CNT in the protected area.
    CounterMissing,
    /// SEC_CNT is below the device's counter.
    CounterTooLow { image: u32, device: u32 },
    /// Header and payload exceed the memory they run in.
    ExceedsExecution,
    /// Word 0 of the vector table lies outside the image's RAM.
    BadStackPointer,
    /// Word 1 of the vector table lies outside the image, or is no Thumb address.
    BadResetVector,
    /// The slot could not be read.
    Flash(FlashError),
}

impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Self {
        Refusal::Format(error)
    }
}

impl From<FlashError> for Refusal {
    fn from(error: FlashError) -> Self {
        Refusal::Flash(error)
    }
}

impl Refusal {
    /// Gives the reason piece by piece (see [`crate::Event::spell`]).
    pub fn spell(&self, put: &mut dyn FnMut(&str)) {
        put(match self {
            Refusal::Format(error) => error.message(),
            Refusal::UnsupportedFlags(_) => "encrypted or compressed images are not supported",
            Refusal::ForeignTlv(_) => "a foreign TLV stands outside the signature",
            Refusal::CounterTooLow { image, device } => {
                put("security counter ");
                decimal(*image, put);
                put(" is below ");
                return decimal(*device, put);
            }
            Refusal::NotBootable => "image is marked not bootable",
            Refusal::HashMissing => "hash is missing",
            Refusal::HashMismatch => "hash does not match",
            Refusal::NotSigned => "image is not signed",
            Refusal::UnknownKey => "signed by an unknown key",
            Refusal::BadSignature => "signature does not verify",
            Refusal::CounterMissing => "security counter is missing",
            Refusal::ExceedsExecution => "image does not fit the memory it runs in",
            Refusal::BadStackPointer => "initial stack pointer lies outside its RAM",
            Refusal::BadResetVector => "reset vector lies outside the image",
            Refusal::Flash(_) => "flash cannot be read",
        });
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spelled(f, |put| self.spell(put))
    }
}
