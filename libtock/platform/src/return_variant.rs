//! Which values a system call returned (TRD104 §3.2).
//!
//! Owns the variant numbers; [`crate::CommandReturn`] owns what they carry.

/// The first return word. Any number is representable: the kernel may be newer than we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct ReturnVariant(u32);

impl From<u32> for ReturnVariant {
    fn from(value: u32) -> Self {
        ReturnVariant(value)
    }
}

impl From<ReturnVariant> for u32 {
    fn from(value: ReturnVariant) -> u32 {
        value.0
    }
}

macro_rules! variants {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $name: ReturnVariant = ReturnVariant($value);)*
    };
}
variants! {
    FAILURE = 0, "Error code alone.";
    FAILURE_U32 = 1, "Error code and a word.";
    FAILURE_2_U32 = 2, "Error code and two words.";
    FAILURE_U64 = 3, "Error code and a 64-bit value, low word first.";
    SUCCESS = 128, "No value.";
    SUCCESS_U32 = 129, "One word.";
    SUCCESS_2_U32 = 130, "Two words.";
    SUCCESS_U64 = 131, "A 64-bit value, low word first.";
    SUCCESS_3_U32 = 132, "Three words.";
    SUCCESS_U32_U64 = 133, "A word and a 64-bit value, low word first.";
}
