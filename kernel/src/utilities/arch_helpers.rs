//! TRD104's register encoding, for architectures.

use crate::ErrorCode;
use crate::syscall::SyscallReturn;
use crate::utilities::capability_ptr::CapabilityPtr;

/// What userspace finds in r0.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum TRD104SyscallReturnVariant {
    Failure = 0,
    FailureU32 = 1,
    FailureU32U32 = 2,
    FailureU64 = 3,
    Success = 128,
    SuccessU32 = 129,
    SuccessU32U32 = 130,
    SuccessU64 = 131,
    SuccessU32U32U32 = 132,
    SuccessU32U64 = 133,
}

/// The answers that TRD104 can express.
#[derive(Copy, Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum TRD104SyscallReturn {
    Failure(ErrorCode),
    FailureU32(ErrorCode, u32),
    FailureU32U32(ErrorCode, u32, u32),
    FailureU64(ErrorCode, u64),
    Success,
    SuccessU32(u32),
    SuccessU32U32(u32, u32),
    SuccessU64(u64),
    SuccessU32U32U32(u32, u32, u32),
    SuccessU32U64(u32, u64),
    AllowReadWriteSuccess(*mut u8, usize),
    AllowReadWriteFailure(ErrorCode, *mut u8, usize),
    UserspaceReadableAllowSuccess(*mut u8, usize),
    UserspaceReadableAllowFailure(ErrorCode, *mut u8, usize),
    AllowReadOnlySuccess(*const u8, usize),
    AllowReadOnlyFailure(ErrorCode, *const u8, usize),
    SubscribeSuccess(*const (), usize),
    SubscribeFailure(ErrorCode, *const (), usize),
    YieldWaitFor(usize, usize, usize),
}

macro_rules! same {
    ($($variant:ident($($arg:ident),+)),* $(,)?) => {
        impl TRD104SyscallReturn {
            /// The same answer; addresses become words.
            pub fn from_syscall_return(syscall_return: SyscallReturn) -> Self {
                match syscall_return {
                    SyscallReturn::Success => Self::Success,
                    $(SyscallReturn::$variant($($arg),+) => Self::$variant($($arg),+),)*
                    SyscallReturn::SuccessAddr(a) => Self::SuccessU32(a as u32),
                    SyscallReturn::SuccessPtr(p) => Self::SuccessU32(p.addr() as u32),
                }
            }
        }
        impl From<TRD104SyscallReturn> for SyscallReturn {
            fn from(r: TRD104SyscallReturn) -> Self {
                match r {
                    TRD104SyscallReturn::Success => Self::Success,
                    $(TRD104SyscallReturn::$variant($($arg),+) => Self::$variant($($arg),+),)*
                }
            }
        }
    };
}
same!(
    Failure(e),
    FailureU32(e, a),
    FailureU32U32(e, a, b),
    FailureU64(e, a),
    SuccessU32(a),
    SuccessU32U32(a, b),
    SuccessU64(a),
    SuccessU32U32U32(a, b, c),
    SuccessU32U64(a, b),
    AllowReadWriteSuccess(p, n),
    AllowReadWriteFailure(e, p, n),
    UserspaceReadableAllowSuccess(p, n),
    UserspaceReadableAllowFailure(e, p, n),
    AllowReadOnlySuccess(p, n),
    AllowReadOnlyFailure(e, p, n),
    SubscribeSuccess(p, d),
    SubscribeFailure(e, p, d),
    YieldWaitFor(a, b, c),
);

/// Writes an answer to the four registers; those it does not use keep their values.
pub fn encode_syscall_return_trd104(
    syscall_return: &TRD104SyscallReturn,
    a0: &mut u32,
    a1: &mut u32,
    a2: &mut u32,
    a3: &mut u32,
) {
    let (words, used) = SyscallReturn::from(*syscall_return).encode_trd104();
    for (register, word) in [a0, a1, a2, a3].into_iter().zip(words).take(used) {
        *register = word;
    }
}

/// Writes an upcall's arguments to the four registers.
pub fn encode_upcall_trd104(
    upcall: &crate::process::FunctionCall,
    a0: &mut u32,
    a1: &mut u32,
    a2: &mut u32,
    a3: &mut CapabilityPtr,
) {
    *a0 = upcall.argument0 as u32;
    *a1 = upcall.argument1 as u32;
    *a2 = upcall.argument2 as u32;
    *a3 = upcall.argument3.as_capability_ptr();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_registers_keep_their_values() {
        let mut r = [9, 9, 9, 9];
        let [a, b, c, d] = &mut r;
        let answer = TRD104SyscallReturn::from_syscall_return(SyscallReturn::SuccessAddr(5));
        encode_syscall_return_trd104(&answer, a, b, c, d);
        assert_eq!(r, [129, 5, 9, 9]);
        let [a, b, c, d] = &mut r;
        let failure = TRD104SyscallReturn::FailureU32U32(ErrorCode::BUSY, 1, 2);
        encode_syscall_return_trd104(&failure, a, b, c, d);
        assert_eq!(r, [2, ErrorCode::BUSY as u32, 1, 2]);
    }
}
