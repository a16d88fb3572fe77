//! The system call interface of TRD104: numbers, decoding, encoding, and the driver trait.
//!
//! Owns the register encoding for 32-bit userspace; the architecture moves the registers. Words are
//! `usize` so that the rules run on a host too, but only 32 bits of a value ever mean something.

use crate::process;
use crate::processbuffer::UserspaceReadableProcessBuffer;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;
use crate::{ErrorCode, ProcessId};
use core::fmt::Write;

/// System call classes: the immediate of `svc` (TRD104 §4).
#[repr(u8)]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum SyscallClass {
    /// Wait for upcalls.
    Yield = 0,
    /// Set an upcall.
    Subscribe = 1,
    /// Ask a driver to act.
    Command = 2,
    /// Share memory for writing.
    ReadWriteAllow = 3,
    /// Share memory for reading.
    ReadOnlyAllow = 4,
    /// Ask about or change memory.
    Memop = 5,
    /// End or restart.
    Exit = 6,
    /// Share memory for writing while reading it.
    UserspaceReadableAllow = 7,
}

impl TryFrom<u8> for SyscallClass {
    type Error = u8;
    fn try_from(n: u8) -> Result<Self, u8> {
        Ok(match n {
            0 => Self::Yield,
            1 => Self::Subscribe,
            2 => Self::Command,
            3 => Self::ReadWriteAllow,
            4 => Self::ReadOnlyAllow,
            5 => Self::Memop,
            6 => Self::Exit,
            7 => Self::UserspaceReadableAllow,
            _ => return Err(n),
        })
    }
}

/// The kinds of yield.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum YieldVariant {
    /// Return at once, saying at `ptr` whether an upcall runs.
    NoWait {
        /// Where to write 1 or 0; may be null.
        ptr: *mut u8,
    },
    /// Wait until an upcall ran.
    Wait,
    /// Wait for one event and return its arguments; no upcall runs.
    WaitFor {
        /// Its driver.
        driver_number: usize,
        /// Its subscription.
        subdriver_number: usize,
    },
    /// A yield id that TRD104 does not define: returns at once.
    Unknown,
}

/// A decoded call.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Syscall {
    Yield {
        yield_type: YieldVariant,
    },
    Subscribe {
        driver_number: usize,
        subdriver_number: usize,
        upcall_ptr: CapabilityPtr,
        appdata: MachineRegister,
    },
    Command {
        driver_number: usize,
        subdriver_number: usize,
        arg0: usize,
        arg1: usize,
    },
    ReadWriteAllow {
        driver_number: usize,
        subdriver_number: usize,
        allow_address: *mut u8,
        allow_size: usize,
    },
    UserspaceReadableAllow {
        driver_number: usize,
        subdriver_number: usize,
        allow_address: *mut u8,
        allow_size: usize,
    },
    ReadOnlyAllow {
        driver_number: usize,
        subdriver_number: usize,
        allow_address: *const u8,
        allow_size: usize,
    },
    Memop {
        operand: usize,
        arg0: usize,
    },
    Exit {
        which: usize,
        completion_code: usize,
    },
}

impl Syscall {
    /// Decodes registers r0 to r3 of a call of class `syscall_number`; `None` for an unknown class.
    pub fn from_register_arguments(
        syscall_number: u8,
        r0: usize,
        r1: MachineRegister,
        r2: MachineRegister,
        r3: MachineRegister,
    ) -> Option<Syscall> {
        let ptr = |r: MachineRegister| r.as_capability_ptr().as_ptr::<u8>();
        Some(match SyscallClass::try_from(syscall_number).ok()? {
            SyscallClass::Yield => Syscall::Yield {
                yield_type: match r0 {
                    0 => YieldVariant::NoWait {
                        ptr: ptr(r1).cast_mut(),
                    },
                    1 => YieldVariant::Wait,
                    2 => YieldVariant::WaitFor {
                        driver_number: r1.as_usize(),
                        subdriver_number: r2.as_usize(),
                    },
                    _ => YieldVariant::Unknown,
                },
            },
            SyscallClass::Subscribe => Syscall::Subscribe {
                driver_number: r0,
                subdriver_number: r1.as_usize(),
                upcall_ptr: r2.as_capability_ptr(),
                appdata: r3,
            },
            SyscallClass::Command => Syscall::Command {
                driver_number: r0,
                subdriver_number: r1.as_usize(),
                arg0: r2.as_usize(),
                arg1: r3.as_usize(),
            },
            SyscallClass::ReadWriteAllow => Syscall::ReadWriteAllow {
                driver_number: r0,
                subdriver_number: r1.as_usize(),
                allow_address: ptr(r2).cast_mut(),
                allow_size: r3.as_usize(),
            },
            SyscallClass::UserspaceReadableAllow => Syscall::UserspaceReadableAllow {
                driver_number: r0,
                subdriver_number: r1.as_usize(),
                allow_address: ptr(r2).cast_mut(),
                allow_size: r3.as_usize(),
            },
            SyscallClass::ReadOnlyAllow => Syscall::ReadOnlyAllow {
                driver_number: r0,
                subdriver_number: r1.as_usize(),
                allow_address: ptr(r2),
                allow_size: r3.as_usize(),
            },
            SyscallClass::Memop => Syscall::Memop {
                operand: r0,
                arg0: r1.as_usize(),
            },
            SyscallClass::Exit => Syscall::Exit {
                which: r0,
                completion_code: r1.as_usize(),
            },
        })
    }

    /// The driver that the call names.
    pub fn driver_number(&self) -> Option<usize> {
        match *self {
            Syscall::Subscribe { driver_number, .. }
            | Syscall::Command { driver_number, .. }
            | Syscall::ReadWriteAllow { driver_number, .. }
            | Syscall::UserspaceReadableAllow { driver_number, .. }
            | Syscall::ReadOnlyAllow { driver_number, .. } => Some(driver_number),
            _ => None,
        }
    }

    /// The command, subscribe or allow number that the call names.
    pub fn subdriver_number(&self) -> Option<usize> {
        match *self {
            Syscall::Subscribe {
                subdriver_number, ..
            }
            | Syscall::Command {
                subdriver_number, ..
            }
            | Syscall::ReadWriteAllow {
                subdriver_number, ..
            }
            | Syscall::UserspaceReadableAllow {
                subdriver_number, ..
            }
            | Syscall::ReadOnlyAllow {
                subdriver_number, ..
            } => Some(subdriver_number),
            _ => None,
        }
    }
}

/// What a call answers.
#[derive(Copy, Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum SyscallReturn {
    Failure(ErrorCode),
    FailureU32(ErrorCode, u32),
    FailureU32U32(ErrorCode, u32, u32),
    FailureU64(ErrorCode, u64),
    Success,
    SuccessU32(u32),
    SuccessU32U32(u32, u32),
    SuccessU32U32U32(u32, u32, u32),
    SuccessU64(u64),
    SuccessU32U64(u32, u64),
    /// An address: `SuccessU32` on 32 bits.
    SuccessAddr(usize),
    /// An address: `SuccessU32` on 32 bits.
    SuccessPtr(CapabilityPtr),
    AllowReadWriteSuccess(*mut u8, usize),
    AllowReadWriteFailure(ErrorCode, *mut u8, usize),
    UserspaceReadableAllowSuccess(*mut u8, usize),
    UserspaceReadableAllowFailure(ErrorCode, *mut u8, usize),
    AllowReadOnlySuccess(*const u8, usize),
    AllowReadOnlyFailure(ErrorCode, *const u8, usize),
    SubscribeSuccess(*const (), usize),
    SubscribeFailure(ErrorCode, *const (), usize),
    /// Arguments of the awaited event; carries no variant number.
    YieldWaitFor(usize, usize, usize),
}

impl SyscallReturn {
    pub(crate) fn from_command_return(res: CommandReturn) -> Self {
        res.0
    }

    /// Whether the call did what was asked.
    pub fn is_success(&self) -> bool {
        !matches!(
            self,
            Self::Failure(_)
                | Self::FailureU32(..)
                | Self::FailureU32U32(..)
                | Self::FailureU64(..)
                | Self::AllowReadWriteFailure(..)
                | Self::UserspaceReadableAllowFailure(..)
                | Self::AllowReadOnlyFailure(..)
                | Self::SubscribeFailure(..)
        )
    }

    /// Encodes for registers r0 to r3: calls `set` with the number and value of each register that
    /// the variant uses. The rest keep what userspace had there.
    #[inline(always)]
    pub fn encode_trd104_with(&self, mut set: impl FnMut(usize, u32)) {
        let lo = |v: u64| v as u32;
        let hi = |v: u64| (v >> 32) as u32;
        let mut two = |a: u32, b: u32| {
            set(0, a);
            set(1, b);
        };
        match *self {
            Self::Success => set(0, 128),
            Self::Failure(e) => two(0, e as u32),
            Self::SuccessU32(a) => two(129, a),
            Self::SuccessAddr(a) => two(129, a as u32),
            Self::SuccessPtr(p) => two(129, p.addr() as u32),
            _ => {
                let (words, used) = match *self {
                    Self::FailureU32(e, a) => ([1, e as u32, a, 0], 3),
                    Self::FailureU32U32(e, a, b) => ([2, e as u32, a, b], 4),
                    Self::FailureU64(e, v) => ([3, e as u32, lo(v), hi(v)], 4),
                    Self::SuccessU32U32(a, b) => ([130, a, b, 0], 3),
                    Self::SuccessU64(v) => ([131, lo(v), hi(v), 0], 3),
                    Self::SuccessU32U32U32(a, b, c) => ([132, a, b, c], 4),
                    Self::SuccessU32U64(a, v) => ([133, a, lo(v), hi(v)], 4),
                    Self::AllowReadWriteSuccess(p, n)
                    | Self::UserspaceReadableAllowSuccess(p, n) => {
                        ([130, p.addr() as u32, n as u32, 0], 3)
                    }
                    Self::AllowReadOnlySuccess(p, n) => ([130, p.addr() as u32, n as u32, 0], 3),
                    Self::SubscribeSuccess(p, d) => ([130, p.addr() as u32, d as u32, 0], 3),
                    Self::AllowReadWriteFailure(e, p, n)
                    | Self::UserspaceReadableAllowFailure(e, p, n) => {
                        ([2, e as u32, p.addr() as u32, n as u32], 4)
                    }
                    Self::AllowReadOnlyFailure(e, p, n) => {
                        ([2, e as u32, p.addr() as u32, n as u32], 4)
                    }
                    Self::SubscribeFailure(e, p, d) => {
                        ([2, e as u32, p.addr() as u32, d as u32], 4)
                    }
                    Self::YieldWaitFor(a, b, c) => ([a as u32, b as u32, c as u32, 0], 3),
                    // The arms above.
                    _ => ([0; 4], 0),
                };
                for (i, word) in words.iter().take(used).enumerate() {
                    set(i, *word);
                }
            }
        }
    }

    /// The same as an array: the words, and how many of them the variant uses.
    pub fn encode_trd104(&self) -> ([u32; 4], usize) {
        let (mut words, mut used) = ([0; 4], 0);
        self.encode_trd104_with(|i, word| {
            if let Some(w) = words.get_mut(i) {
                *w = word;
                used = i + 1;
            }
        });
        (words, used)
    }
}

/// What a driver answers to a command.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct CommandReturn(pub(crate) SyscallReturn);

macro_rules! command_returns {
    ($($(#[$doc:meta])* $make:ident $is:ident $get:ident $variant:ident ($($arg:ident: $ty:ty),*) $out:ty;)*) => {
        impl CommandReturn {$(
            $(#[$doc])*
            pub const fn $make($($arg: $ty),*) -> Self {
                command_returns!(@make $variant $($arg),*)
            }
            #[doc = concat!("Whether it is what [`CommandReturn::", stringify!($make), "`] makes.")]
            pub fn $is(&self) -> bool {
                self.$get().is_some()
            }
            #[doc = concat!("What [`CommandReturn::", stringify!($make), "`] was given.")]
            pub fn $get(&self) -> Option<$out> {
                command_returns!(@get self $variant $($arg),*)
            }
        )*}
    };
    (@make $variant:ident) => { CommandReturn(SyscallReturn::$variant) };
    (@make $variant:ident $($arg:ident),+) => { CommandReturn(SyscallReturn::$variant($($arg),+)) };
    (@get $self:ident $variant:ident) => {
        match $self.0 { SyscallReturn::$variant => Some(()), _ => None }
    };
    (@get $self:ident $variant:ident $($arg:ident),+) => {
        match $self.0 { SyscallReturn::$variant($($arg),+) => Some(($($arg),+)), _ => None }
    };
}

command_returns! {
    /// Plain failure.
    failure is_failure get_failure Failure(rc: ErrorCode) ErrorCode;
    /// Failure with a word.
    failure_u32 is_failure_u32 get_failure_u32 FailureU32(rc: ErrorCode, data0: u32) (ErrorCode, u32);
    /// Failure with two words.
    failure_u32_u32 is_failure_2_u32 get_failure_2_u32
        FailureU32U32(rc: ErrorCode, data0: u32, data1: u32) (ErrorCode, u32, u32);
    /// Failure with a double word.
    failure_u64 is_failure_u64 get_failure_u64 FailureU64(rc: ErrorCode, data0: u64) (ErrorCode, u64);
    /// Plain success.
    success is_success get_success Success() ();
    /// Success with a word.
    success_u32 is_success_u32 get_success_u32 SuccessU32(data0: u32) u32;
    /// Success with two words.
    success_u32_u32 is_success_2_u32 get_success_2_u32 SuccessU32U32(data0: u32, data1: u32) (u32, u32);
    /// Success with three words.
    success_u32_u32_u32 is_success_3_u32 get_success_3_u32
        SuccessU32U32U32(data0: u32, data1: u32, data2: u32) (u32, u32, u32);
    /// Success with a double word.
    success_u64 is_success_u64 get_success_u64 SuccessU64(data0: u64) u64;
    /// Success with a word and a double word.
    success_u32_u64 is_success_u32_u64 get_success_u32_u64
        SuccessU32U64(data0: u32, data1: u64) (u32, u64);
}

impl From<Result<(), ErrorCode>> for CommandReturn {
    fn from(rc: Result<(), ErrorCode>) -> Self {
        match rc {
            Ok(()) => CommandReturn::success(),
            Err(e) => CommandReturn::failure(e),
        }
    }
}

impl From<process::Error> for CommandReturn {
    fn from(e: process::Error) -> Self {
        CommandReturn::failure(e.into())
    }
}

/// A driver that processes call. Subscribe and allow are the kernel's own, through the driver's
/// grant.
pub trait SyscallDriver {
    /// Acts. Command 0 answers success when the driver exists.
    fn command(
        &self,
        _command_num: usize,
        _r2: usize,
        _r3: usize,
        _process_id: ProcessId,
    ) -> CommandReturn {
        CommandReturn::failure(ErrorCode::NOSUPPORT)
    }

    /// Takes a buffer that userspace goes on reading; returns the one it held.
    ///
    /// # Errors
    /// With the buffer that was refused.
    fn allow_userspace_readable(
        &self,
        _app: ProcessId,
        _which: usize,
        slice: UserspaceReadableProcessBuffer,
    ) -> Result<UserspaceReadableProcessBuffer, (UserspaceReadableProcessBuffer, ErrorCode)> {
        Err((slice, ErrorCode::NOSUPPORT))
    }

    /// Allocates the driver's grant: `self.grant.enter(process_id, |_, _| {})`.
    ///
    /// # Errors
    /// As the grant gives.
    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error>;
}

/// Why a process stopped running.
#[derive(PartialEq, Copy, Clone, Debug)]
pub enum ContextSwitchReason {
    /// It called.
    SyscallFired {
        /// What.
        syscall: Syscall,
    },
    /// It faulted, or called with a number that no class has.
    Fault,
    /// An interrupt needs the kernel.
    Interrupted,
}

/// How the architecture enters and leaves processes.
///
/// `accessible_memory_start` and `app_brk` bound the RAM that the process may use; an
/// implementation checks the stack pointer against them before every access through it.
pub trait UserspaceKernelBoundary {
    /// What of a process is kept while it does not run.
    type StoredState: Default;

    /// Bytes of RAM that a process needs before its first instruction.
    fn initial_process_app_brk_size(&self) -> usize;

    /// Prepares the state of a process that never ran.
    ///
    /// # Safety
    /// The bounds describe memory of this process.
    ///
    /// # Errors
    /// When the memory is too small.
    #[allow(clippy::result_unit_err)]
    unsafe fn initialize_process(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut Self::StoredState,
    ) -> Result<(), ()>;

    /// Puts an answer where the process finds it when it goes on.
    ///
    /// # Safety
    /// The bounds describe memory of this process.
    ///
    /// # Errors
    /// When its stack is not in its memory.
    #[allow(clippy::result_unit_err)]
    unsafe fn set_syscall_return_value(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut Self::StoredState,
        return_value: SyscallReturn,
    ) -> Result<(), ()>;

    /// Makes the process go on in a function that returns to where it was.
    ///
    /// # Safety
    /// The bounds describe memory of this process.
    ///
    /// # Errors
    /// When its stack is not in its memory.
    #[allow(clippy::result_unit_err)]
    unsafe fn set_process_function(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut Self::StoredState,
        upcall: process::FunctionCall,
    ) -> Result<(), ()>;

    /// Runs the process until it calls, faults or is interrupted; also tells its stack pointer.
    ///
    /// # Safety
    /// Memory protection holds for this process.
    unsafe fn switch_to_process(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &mut Self::StoredState,
    ) -> (ContextSwitchReason, Option<*const u8>);

    /// Prints the registers.
    ///
    /// # Safety
    /// The bounds describe memory of this process.
    unsafe fn print_context(
        &self,
        accessible_memory_start: *const u8,
        app_brk: *const u8,
        state: &Self::StoredState,
        writer: &mut dyn Write,
    );

    /// What is known of the last fault.
    fn fault_report(&self, _state: &Self::StoredState) -> Option<process::FaultReport> {
        None
    }

    /// Writes the state as bytes; returns how many.
    ///
    /// # Errors
    /// `SIZE` when `out` is too small.
    fn store_context(&self, state: &Self::StoredState, out: &mut [u8]) -> Result<usize, ErrorCode>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(class: u8, r: [usize; 4]) -> Option<Syscall> {
        Syscall::from_register_arguments(class, r[0], r[1].into(), r[2].into(), r[3].into())
    }

    #[test]
    fn classes_decode_by_number() {
        assert_eq!(
            decode(2, [1, 2, 3, 4]),
            Some(Syscall::Command {
                driver_number: 1,
                subdriver_number: 2,
                arg0: 3,
                arg1: 4
            })
        );
        assert_eq!(
            decode(0, [3, 0, 0, 0]),
            Some(Syscall::Yield {
                yield_type: YieldVariant::Unknown
            })
        );
        assert_eq!(decode(8, [0; 4]), None);
        assert_eq!(decode(0xff, [0; 4]), None);
    }

    #[test]
    fn returns_encode_as_trd104_numbers_them() {
        let e = ErrorCode::INVAL;
        let table = [
            (SyscallReturn::Failure(e), [0, 6, 0, 0], 2),
            (SyscallReturn::FailureU32(e, 7), [1, 6, 7, 0], 3),
            (SyscallReturn::FailureU32U32(e, 7, 8), [2, 6, 7, 8], 4),
            (SyscallReturn::FailureU64(e, 0x2_0000_0001), [3, 6, 1, 2], 4),
            (SyscallReturn::Success, [128, 0, 0, 0], 1),
            (SyscallReturn::SuccessU32(1), [129, 1, 0, 0], 2),
            (SyscallReturn::SuccessU32U32(1, 2), [130, 1, 2, 0], 3),
            (SyscallReturn::SuccessU64(0x2_0000_0001), [131, 1, 2, 0], 3),
            (SyscallReturn::SuccessU32U32U32(1, 2, 3), [132, 1, 2, 3], 4),
            (
                SyscallReturn::SuccessU32U64(9, 0x2_0000_0001),
                [133, 9, 1, 2],
                4,
            ),
            (SyscallReturn::YieldWaitFor(4, 5, 6), [4, 5, 6, 0], 3),
        ];
        for (ret, words, used) in table {
            assert_eq!(ret.encode_trd104(), (words, used), "{ret:?}");
        }
    }
}
