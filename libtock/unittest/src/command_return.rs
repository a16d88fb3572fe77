//! Answers of fake drivers.
//!
//! Owns one constructor a variant.

use libtock_platform::{CommandReturn, ErrorCode, return_variant as rv};

/// Failure with a code.
pub fn failure(error_code: ErrorCode) -> CommandReturn {
    CommandReturn::new(rv::FAILURE, error_code as u32, 0, 0)
}

/// Failure with a code and a word.
pub fn failure_u32(error_code: ErrorCode, a: u32) -> CommandReturn {
    CommandReturn::new(rv::FAILURE_U32, error_code as u32, a, 0)
}

/// Failure with a code and two words.
pub fn failure_2_u32(error_code: ErrorCode, a: u32, b: u32) -> CommandReturn {
    CommandReturn::new(rv::FAILURE_2_U32, error_code as u32, a, b)
}

/// Failure with a code and a 64-bit value.
pub fn failure_u64(error_code: ErrorCode, a: u64) -> CommandReturn {
    CommandReturn::new(
        rv::FAILURE_U64,
        error_code as u32,
        a as u32,
        (a >> 32) as u32,
    )
}

/// Success.
pub fn success() -> CommandReturn {
    CommandReturn::new(rv::SUCCESS, 0, 0, 0)
}

/// Success with a word.
pub fn success_u32(a: u32) -> CommandReturn {
    CommandReturn::new(rv::SUCCESS_U32, a, 0, 0)
}

/// Success with two words.
pub fn success_2_u32(a: u32, b: u32) -> CommandReturn {
    CommandReturn::new(rv::SUCCESS_2_U32, a, b, 0)
}

/// Success with a 64-bit value.
pub fn success_u64(a: u64) -> CommandReturn {
    CommandReturn::new(rv::SUCCESS_U64, a as u32, (a >> 32) as u32, 0)
}

/// Success with three words.
pub fn success_3_u32(a: u32, b: u32, c: u32) -> CommandReturn {
    CommandReturn::new(rv::SUCCESS_3_U32, a, b, c)
}

/// Success with a word and a 64-bit value.
pub fn success_u32_u64(a: u32, b: u64) -> CommandReturn {
    CommandReturn::new(rv::SUCCESS_U32_U64, a, b as u32, (b >> 32) as u32)
}
