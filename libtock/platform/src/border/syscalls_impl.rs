//! [`Syscalls`] for every [`RawSyscalls`].
//!
//! Owns the packing of arguments into registers; the share-list handles carry the proof that what
//! is given away is taken back.

use crate::exit_on_drop::ExitOnDrop;
use crate::share::Handle;
use crate::subscribe::{self, SupportsId};
use crate::{
    AllowRo, AllowRw, CommandReturn, ErrorCode, RawSyscalls, Register, ReturnVariant, Subscribe,
    Syscalls, Upcall, YieldNoWaitReturn, allow_ro, allow_rw, exit_id, return_variant,
    syscall_class, yield_id,
};
use core::mem::MaybeUninit;

impl<S: RawSyscalls> Syscalls for S {
    fn yield_no_wait() -> YieldNoWaitReturn {
        let mut flag = MaybeUninit::<u8>::zeroed();
        // SAFETY: yield-no-wait takes a pointer to one writable byte; `flag` outlives the call.
        let flag = unsafe {
            S::yield2([yield_id::NO_WAIT.into(), flag.as_mut_ptr().into()]);
            // Initialised to zero above, whatever the kernel does.
            flag.assume_init()
        };
        if flag == YieldNoWaitReturn::NoUpcall as u8 {
            YieldNoWaitReturn::NoUpcall
        } else {
            YieldNoWaitReturn::Upcall
        }
    }

    fn yield_wait() {
        // SAFETY: yield-wait takes no parameter.
        unsafe { S::yield1([yield_id::WAIT.into()]) }
    }

    fn yield_wait_for(driver_num: u32, subscribe_num: u32) -> (u32, u32, u32) {
        // SAFETY: yield-wait-for takes two numbers and runs no upcall.
        let [r0, r1, r2] = unsafe {
            S::yield3([
                yield_id::WAIT_FOR.into(),
                driver_num.into(),
                subscribe_num.into(),
            ])
        };
        (r0.as_u32(), r1.as_u32(), r2.as_u32())
    }

    fn subscribe<
        'share,
        IDS: SupportsId<DRIVER_NUM, SUBSCRIBE_NUM>,
        U: Upcall<IDS>,
        CONFIG: subscribe::Config,
        const DRIVER_NUM: u32,
        const SUBSCRIBE_NUM: u32,
    >(
        handle: Handle<'_, Subscribe<'share, Self, DRIVER_NUM, SUBSCRIBE_NUM>>,
        upcall: &'share U,
    ) -> Result<(), ErrorCode> {
        handle.list().begin();
        // SAFETY: `upcall` lives for 'share, which outlives the list that `handle` names, and
        // the list unsubscribes when dropped.
        let displaced = unsafe { raw_subscribe::<S, IDS, U>(DRIVER_NUM, SUBSCRIBE_NUM, upcall) }?;
        if displaced {
            CONFIG::returned_nonnull_upcall(DRIVER_NUM, SUBSCRIBE_NUM);
        }
        Ok(())
    }

    fn subscribe_static<IDS, U: Upcall<IDS>>(
        driver_num: u32,
        subscribe_num: u32,
        upcall: &'static U,
    ) -> Result<(), ErrorCode> {
        // SAFETY: `upcall` lives for ever.
        unsafe { raw_subscribe::<S, IDS, U>(driver_num, subscribe_num, upcall) }.map(|_| ())
    }

    fn unsubscribe(driver_num: u32, subscribe_num: u32) {
        // SAFETY: the null upcall needs nothing to stay valid.
        let _ = unsafe {
            S::syscall4::<{ syscall_class::SUBSCRIBE }>([
                driver_num.into(),
                subscribe_num.into(),
                0u32.into(),
                0u32.into(),
            ])
        };
    }

    fn command(driver_num: u32, command_num: u32, arg0: u32, arg1: u32) -> CommandReturn {
        // SAFETY: a command carries numbers, no pointers.
        let [r0, r1, r2, r3] = unsafe {
            S::syscall4::<{ syscall_class::COMMAND }>([
                driver_num.into(),
                command_num.into(),
                arg0.into(),
                arg1.into(),
            ])
        };
        CommandReturn::new(
            ReturnVariant::from(r0.as_u32()),
            r1.as_u32(),
            r2.as_u32(),
            r3.as_u32(),
        )
    }

    fn allow_rw<'share, CONFIG: allow_rw::Config, const DRIVER_NUM: u32, const BUFFER_NUM: u32>(
        handle: Handle<'_, AllowRw<'share, Self, DRIVER_NUM, BUFFER_NUM>>,
        buffer: &'share mut [u8],
    ) -> Result<(), ErrorCode> {
        handle.list().begin();
        // SAFETY: the buffer is borrowed mutably for 'share, which outlives the list that
        // `handle` names, and the list takes it back when dropped.
        let displaced = unsafe {
            raw_allow::<S, { syscall_class::ALLOW_RW }>(
                DRIVER_NUM,
                BUFFER_NUM,
                buffer.as_mut_ptr(),
                buffer.len(),
            )
        }?;
        if displaced {
            CONFIG::returned_nonzero_buffer(DRIVER_NUM, BUFFER_NUM);
        }
        Ok(())
    }

    fn unallow_rw(driver_num: u32, buffer_num: u32) {
        // SAFETY: an empty buffer gives nothing away.
        let _ = unsafe {
            raw_allow::<S, { syscall_class::ALLOW_RW }>(
                driver_num,
                buffer_num,
                core::ptr::null_mut(),
                0,
            )
        };
    }

    fn allow_ro<'share, CONFIG: allow_ro::Config, const DRIVER_NUM: u32, const BUFFER_NUM: u32>(
        handle: Handle<'_, AllowRo<'share, Self, DRIVER_NUM, BUFFER_NUM>>,
        buffer: &'share [u8],
    ) -> Result<(), ErrorCode> {
        handle.list().begin();
        // SAFETY: as in `allow_rw`; the kernel only reads through a read-only allow.
        let displaced = unsafe {
            raw_allow::<S, { syscall_class::ALLOW_RO }>(
                DRIVER_NUM,
                BUFFER_NUM,
                buffer.as_ptr().cast_mut(),
                buffer.len(),
            )
        }?;
        if displaced {
            CONFIG::returned_nonzero_buffer(DRIVER_NUM, BUFFER_NUM);
        }
        Ok(())
    }

    fn unallow_ro(driver_num: u32, buffer_num: u32) {
        // SAFETY: an empty buffer gives nothing away.
        let _ = unsafe {
            raw_allow::<S, { syscall_class::ALLOW_RO }>(
                driver_num,
                buffer_num,
                core::ptr::null_mut(),
                0,
            )
        };
    }

    unsafe fn memop_brk(new_break: *const u8) -> Result<(), ErrorCode> {
        // SAFETY: the caller promises that nothing above the new break is in use.
        let r = unsafe {
            S::syscall2::<{ syscall_class::MEMOP }>([MEMOP_BRK.into(), new_break.into()])
        };
        memop_result(r).map(|_| ())
    }

    unsafe fn memop_sbrk(increment: i32) -> Result<*const u8, ErrorCode> {
        // SAFETY: the caller promises that memory given away is not in use.
        let r = unsafe {
            S::syscall2::<{ syscall_class::MEMOP }>([MEMOP_SBRK.into(), increment.into()])
        };
        memop_result(r).map(|r| <*mut u8>::from(r).cast_const())
    }

    fn memop_increment_brk(increment: u32) -> Result<*const u8, ErrorCode> {
        let increment = i32::try_from(increment).map_err(|_| ErrorCode::NoMem)?;
        // SAFETY: growing takes no memory away.
        unsafe { Self::memop_sbrk(increment) }
    }

    fn memop_app_ram_start() -> Result<*const u8, ErrorCode> {
        // SAFETY: the operation only reads.
        let r = unsafe { S::syscall1::<{ syscall_class::MEMOP }>([2u32.into()]) };
        memop_result(r).map(|r| <*mut u8>::from(r).cast_const())
    }

    fn memop_query(operation: u32) -> Result<u32, ErrorCode> {
        if !(2..=7).contains(&operation) {
            return Err(ErrorCode::NoSupport);
        }
        // SAFETY: operations 2 to 7 only read.
        let r = unsafe { S::syscall1::<{ syscall_class::MEMOP }>([operation.into()]) };
        memop_result(r).map(Register::as_u32)
    }

    fn memop_debug_stack_start(stack_top: *const u8) -> Result<(), ErrorCode> {
        // SAFETY: the address is only printed.
        let r =
            unsafe { S::syscall2::<{ syscall_class::MEMOP }>([10u32.into(), stack_top.into()]) };
        memop_result(r).map(|_| ())
    }

    fn memop_debug_heap_start(heap_start: *const u8) -> Result<(), ErrorCode> {
        // SAFETY: the address is only printed.
        let r =
            unsafe { S::syscall2::<{ syscall_class::MEMOP }>([11u32.into(), heap_start.into()]) };
        memop_result(r).map(|_| ())
    }

    fn exit_terminate(exit_code: u32) -> ! {
        exit::<S>(exit_id::TERMINATE, exit_code)
    }

    fn exit_restart(exit_code: u32) -> ! {
        exit::<S>(exit_id::RESTART, exit_code)
    }
}

const MEMOP_BRK: u32 = 0;
const MEMOP_SBRK: u32 = 1;

fn exit<S: RawSyscalls>(id: u32, code: u32) -> ! {
    loop {
        // SAFETY: exit does not return for a valid id; if it does, we ask again.
        let _ = unsafe { S::syscall2::<{ syscall_class::EXIT }>([id.into(), code.into()]) };
    }
}

fn memop_result([variant, value]: [Register; 2]) -> Result<Register, ErrorCode> {
    match ReturnVariant::from(variant.as_u32()) {
        return_variant::SUCCESS | return_variant::SUCCESS_U32 => Ok(value),
        return_variant::FAILURE => {
            Err(ErrorCode::try_from(value.as_u32()).unwrap_or(ErrorCode::BadRVal))
        }
        _ => Err(ErrorCode::BadRVal),
    }
}

/// Decodes the answer of subscribe and allow; true when something non-zero was displaced.
fn displaced(variant: Register, code: Register, previous: Register) -> Result<bool, ErrorCode> {
    match ReturnVariant::from(variant.as_u32()) {
        return_variant::SUCCESS_2_U32 => Ok(!previous.0.is_null()),
        return_variant::FAILURE_2_U32 | return_variant::FAILURE => {
            Err(ErrorCode::try_from(code.as_u32()).unwrap_or(ErrorCode::BadRVal))
        }
        _ => Err(ErrorCode::BadRVal),
    }
}

/// # Safety
/// The upcall must live until the subscription is replaced or removed.
unsafe fn raw_subscribe<S: Syscalls, IDS, U: Upcall<IDS>>(
    driver_num: u32,
    subscribe_num: u32,
    upcall: *const U,
) -> Result<bool, ErrorCode> {
    let function = kernel_upcall::<S, IDS, U> as *const ();
    // SAFETY: `function` expects the data that is given with it, which lives (caller's promise).
    unsafe { raw_subscribe_function::<S>(driver_num, subscribe_num, function, upcall.cast()) }
}

/// # Safety
/// `function` has the upcall ABI (four registers) and is sound to call with `data` as the fourth
/// until the subscription is replaced or removed.
pub(super) unsafe fn raw_subscribe_function<S: RawSyscalls>(
    driver_num: u32,
    subscribe_num: u32,
    function: *const (),
    data: *const (),
) -> Result<bool, ErrorCode> {
    // SAFETY: the caller's promise is subscribe's contract.
    let [r0, r1, _, _] = unsafe {
        S::syscall4::<{ syscall_class::SUBSCRIBE }>([
            driver_num.into(),
            subscribe_num.into(),
            function.into(),
            data.into(),
        ])
    };
    // On success r1 is the former function; on failure the error code.
    displaced(r0, r1, r1)
}

/// What the kernel calls: (three words, data of the subscription).
///
/// # Safety
/// `data` is the `*const U` that was subscribed together with this function, still alive.
unsafe extern "C" fn kernel_upcall<S: Syscalls, IDS, U: Upcall<IDS>>(
    arg0: Register,
    arg1: Register,
    arg2: Register,
    data: Register,
) {
    let exit: ExitOnDrop<S> = ExitOnDrop::new();
    let upcall: *mut U = data.into();
    // SAFETY: the kernel hands back what was subscribed; it is alive and only shared.
    unsafe { &*upcall }.upcall(arg0.as_u32(), arg1.as_u32(), arg2.as_u32());
    core::mem::forget(exit);
}

/// # Safety
/// `[address, address + length)` stays valid, and for a read-write allow unaliased, until it is
/// taken back.
pub(super) unsafe fn raw_allow<S: RawSyscalls, const CLASS: usize>(
    driver_num: u32,
    buffer_num: u32,
    address: *mut u8,
    length: usize,
) -> Result<bool, ErrorCode> {
    // SAFETY: the caller's promise is the allow's contract.
    let [r0, r1, r2, _] = unsafe {
        S::syscall4::<CLASS>([
            driver_num.into(),
            buffer_num.into(),
            address.into(),
            length.into(),
        ])
    };
    // Success: r1 = former address, r2 = former length. Failure: r1 = code.
    displaced(r0, r1, r2)
}
