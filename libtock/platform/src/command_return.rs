//! The answer of a command.
//!
//! Owns the decoding of variants. Total: whatever words the kernel returns, no method panics, and
//! an error code outside the range becomes `BadRVal`.

use crate::{ErrorCode, ReturnVariant, return_variant as rv};

/// Variant and up to three words.
#[must_use = "a command may have failed"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandReturn {
    variant: ReturnVariant,
    r1: u32,
    r2: u32,
    r3: u32,
}

impl CommandReturn {
    /// From the four return registers; any words are acceptable.
    pub const fn new(variant: ReturnVariant, r1: u32, r2: u32, r3: u32) -> Self {
        CommandReturn {
            variant,
            r1,
            r2,
            r3,
        }
    }

    /// The variant and the three words as they came.
    pub fn raw_values(&self) -> (ReturnVariant, u32, u32, u32) {
        (self.variant, self.r1, self.r2, self.r3)
    }

    /// The variant.
    pub fn return_variant(&self) -> ReturnVariant {
        self.variant
    }

    fn error(&self) -> ErrorCode {
        ErrorCode::try_from(self.r1).unwrap_or(ErrorCode::BadRVal)
    }

    /// Typed result: the success payload `T`, or the failure payload `E`.
    ///
    /// # Errors
    /// The kernel's failure; [`ErrorCode::BadRVal`] (and zeros) when the variant is neither `T`'s
    /// nor `E`'s.
    pub fn to_result<T: SuccessData, E: FailureData>(self) -> Result<T, E> {
        if self.variant == T::RETURN_VARIANT {
            return Ok(T::from_raw_values(self.r1, self.r2, self.r3));
        }
        Err(if self.variant == E::RETURN_VARIANT {
            E::from_raw_values(self.error(), self.r2, self.r3)
        } else {
            E::from_raw_values(ErrorCode::BadRVal, 0, 0)
        })
    }
}

fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

macro_rules! queries {
    ($($is:ident $get:ident $variant:ident $out:ty = |$s:ident| $value:expr;)*) => {
        impl CommandReturn {
            $(
                #[doc = concat!("Is the variant `", stringify!($variant), "`?")]
                pub fn $is(&self) -> bool {
                    self.variant == rv::$variant
                }

                #[doc = concat!("The payload, if the variant is `", stringify!($variant), "`.")]
                pub fn $get(&self) -> Option<$out> {
                    let $s = self;
                    self.$is().then(|| $value)
                }
            )*
        }
    };
}
queries! {
    is_failure get_failure FAILURE ErrorCode = |s| s.error();
    is_failure_u32 get_failure_u32 FAILURE_U32 (ErrorCode, u32) = |s| (s.error(), s.r2);
    is_failure_2_u32 get_failure_2_u32 FAILURE_2_U32 (ErrorCode, u32, u32) = |s| (s.error(), s.r2, s.r3);
    is_failure_u64 get_failure_u64 FAILURE_U64 (ErrorCode, u64) = |s| (s.error(), wide(s.r2, s.r3));
    is_success_u32 get_success_u32 SUCCESS_U32 u32 = |s| s.r1;
    is_success_2_u32 get_success_2_u32 SUCCESS_2_U32 (u32, u32) = |s| (s.r1, s.r2);
    is_success_u64 get_success_u64 SUCCESS_U64 u64 = |s| wide(s.r1, s.r2);
    is_success_3_u32 get_success_3_u32 SUCCESS_3_U32 (u32, u32, u32) = |s| (s.r1, s.r2, s.r3);
    is_success_u32_u64 get_success_u32_u64 SUCCESS_U32_U64 (u32, u64) = |s| (s.r1, wide(s.r2, s.r3));
}

impl CommandReturn {
    /// Is the variant `SUCCESS`?
    pub fn is_success(&self) -> bool {
        self.variant == rv::SUCCESS
    }
}

/// A success payload.
pub trait SuccessData {
    /// The one variant that carries it.
    const RETURN_VARIANT: ReturnVariant;
    /// Decodes the three words.
    fn from_raw_values(r1: u32, r2: u32, r3: u32) -> Self;
}

macro_rules! success {
    ($($t:ty, $variant:ident, |$a:pat_param, $b:pat_param, $c:pat_param| $value:expr;)*) => {
        $(impl SuccessData for $t {
            const RETURN_VARIANT: ReturnVariant = rv::$variant;
            fn from_raw_values($a: u32, $b: u32, $c: u32) -> Self { $value }
        })*
    };
}
success! {
    (), SUCCESS, |_, _, _| ();
    u32, SUCCESS_U32, |a, _, _| a;
    (u32, u32), SUCCESS_2_U32, |a, b, _| (a, b);
    u64, SUCCESS_U64, |a, b, _| wide(a, b);
    (u32, u32, u32), SUCCESS_3_U32, |a, b, c| (a, b, c);
    (u32, u64), SUCCESS_U32_U64, |a, b, c| (a, wide(b, c));
}

/// A failure payload.
pub trait FailureData {
    /// The one variant that carries it.
    const RETURN_VARIANT: ReturnVariant;
    /// Makes it of the error code and the two words.
    fn from_raw_values(r1: ErrorCode, r2: u32, r3: u32) -> Self;
}

macro_rules! failure {
    ($($t:ty, $variant:ident, |$e:ident, $a:pat_param, $b:pat_param| $value:expr;)*) => {
        $(impl FailureData for $t {
            const RETURN_VARIANT: ReturnVariant = rv::$variant;
            fn from_raw_values($e: ErrorCode, $a: u32, $b: u32) -> Self { $value }
        })*
    };
}
failure! {
    ErrorCode, FAILURE, |e, _, _| e;
    (ErrorCode, u32), FAILURE_U32, |e, a, _| (e, a);
    (ErrorCode, u32, u32), FAILURE_2_U32, |e, a, b| (e, a, b);
    (ErrorCode, u64), FAILURE_U64, |e, a, b| (e, wide(a, b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variant_carries_its_own_payload_only() {
        let r = CommandReturn::new(rv::SUCCESS_U64, 1, 2, 3);
        assert_eq!(r.to_result::<u64, ErrorCode>(), Ok(0x2_0000_0001));
        assert_eq!(r.get_success_2_u32(), None);
        assert_eq!(r.to_result::<u32, ErrorCode>(), Err(ErrorCode::BadRVal));
        let r = CommandReturn::new(rv::SUCCESS_U32_U64, 1, 2, 3);
        assert_eq!(
            r.to_result::<(u32, u64), ErrorCode>(),
            Ok((1, 0x3_0000_0002))
        );
    }

    #[test]
    fn failures_keep_their_payload_and_bad_codes_do_not_escape() {
        let r = CommandReturn::new(rv::FAILURE_2_U32, 6, 7, 8);
        let e: Result<(), (ErrorCode, u32, u32)> = r.to_result();
        assert_eq!(e, Err((ErrorCode::Invalid, 7, 8)));
        let e: Result<(), (ErrorCode, u32)> = r.to_result();
        assert_eq!(e, Err((ErrorCode::BadRVal, 0)));
        let plain = CommandReturn::new(rv::FAILURE, 5, 7, 8);
        let e: Result<(), (ErrorCode, u32)> = plain.to_result();
        assert_eq!(e, Err((ErrorCode::BadRVal, 0)));
        let r = CommandReturn::new(rv::FAILURE_U64, 6, 7, 8);
        let e: Result<u32, (ErrorCode, u64)> = r.to_result();
        assert_eq!(e, Err((ErrorCode::Invalid, 0x8_0000_0007)));
        for code in [0, 1025, u32::MAX] {
            let r = CommandReturn::new(rv::FAILURE, code, 0, 0);
            assert_eq!(r.to_result::<(), ErrorCode>(), Err(ErrorCode::BadRVal));
        }
    }
}
