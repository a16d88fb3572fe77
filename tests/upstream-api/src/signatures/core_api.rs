//! §4.1 to §4.5: the crate's surface, drivers, grants, process buffers, deferred calls.

use kernel::capabilities::{ExternalProcessCapability, MemoryAllocationCapability};
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::grant::{
    AllowRoCount, AllowRoSize, AllowRwCount, AllowRwSize, CustomGrant, Grant, GrantData,
    GrantKernelData, GrantRegionAllocator, ProcessGrant, UpcallCount, UpcallSize,
};
use kernel::process::{Error, ShortId, Task};
use kernel::processbuffer::{
    ReadOnlyProcessBuffer, ReadOnlyProcessBufferRef, ReadWriteProcessBuffer,
    ReadWriteProcessBufferRef, ReadableProcessBuffer, ReadableProcessByte, ReadableProcessSlice,
    UserspaceReadableProcessBuffer, WriteableProcessBuffer, WriteableProcessSlice,
};
use kernel::storage_permissions::StoragePermissions;
use kernel::syscall::{
    CommandReturn, ContextSwitchReason, Syscall, SyscallClass, SyscallDriver, SyscallReturn,
    UserspaceKernelBoundary, YieldVariant,
};
use kernel::upcall::UpcallError;
use kernel::utilities::streaming_process_slice::StreamingProcessSlice;
use kernel::{ErrorCode, Kernel, ProcessId, Scheduler};
use std::cell::Cell;

use super::R;

const _: (u16, u16, u16, u16) = (
    kernel::KERNEL_MAJOR_VERSION,
    kernel::KERNEL_MINOR_VERSION,
    kernel::KERNEL_PATCH_VERSION,
    kernel::KERNEL_PRERELEASE_VERSION,
);

pub fn driver<T: SyscallDriver>() {
    let _: fn(&T, usize, usize, usize, ProcessId) -> CommandReturn = T::command;
    type Readable = UserspaceReadableProcessBuffer;
    let _: fn(&T, ProcessId, usize, Readable) -> Result<Readable, (Readable, ErrorCode)> =
        T::allow_userspace_readable;
    let _: fn(&T, ProcessId) -> Result<(), Error> = T::allocate_grant;
    fn object(_: &dyn SyscallDriver) {}
    let _: fn(&T) = |t| object(t);
}

pub fn command_return() {
    let _: fn(ErrorCode) -> CommandReturn = CommandReturn::failure;
    let _: fn(ErrorCode, u32) -> CommandReturn = CommandReturn::failure_u32;
    let _: fn(ErrorCode, u32, u32) -> CommandReturn = CommandReturn::failure_u32_u32;
    let _: fn(ErrorCode, u64) -> CommandReturn = CommandReturn::failure_u64;
    let _: fn() -> CommandReturn = CommandReturn::success;
    let _: fn(u32) -> CommandReturn = CommandReturn::success_u32;
    let _: fn(u32, u32) -> CommandReturn = CommandReturn::success_u32_u32;
    let _: fn(u32, u32, u32) -> CommandReturn = CommandReturn::success_u32_u32_u32;
    let _: fn(u64) -> CommandReturn = CommandReturn::success_u64;
    let _: fn(u32, u64) -> CommandReturn = CommandReturn::success_u32_u64;
    let _: [fn(&CommandReturn) -> bool; 10] = [
        CommandReturn::is_failure,
        CommandReturn::is_failure_u32,
        CommandReturn::is_failure_2_u32,
        CommandReturn::is_failure_u64,
        CommandReturn::is_success,
        CommandReturn::is_success_u32,
        CommandReturn::is_success_2_u32,
        CommandReturn::is_success_u64,
        CommandReturn::is_success_3_u32,
        CommandReturn::is_success_u32_u64,
    ];
    let _: fn(&CommandReturn) -> Option<ErrorCode> = CommandReturn::get_failure;
    let _: fn(&CommandReturn) -> Option<(u32, u32, u32)> = CommandReturn::get_success_3_u32;
    let _: fn(&CommandReturn) -> Option<(u32, u64)> = CommandReturn::get_success_u32_u64;
    let _: fn(R) -> CommandReturn = CommandReturn::from;
    let _: fn(Error) -> CommandReturn = CommandReturn::from;
}

pub fn errors() {
    let _: fn(ErrorCode) -> usize = usize::from;
    let _: fn(R) -> Result<ErrorCode, ()> = ErrorCode::try_from;
    let _: fn(ErrorCode) -> R = R::from;
    let _: fn(Error) -> ErrorCode = ErrorCode::from;
    let _: [fn(Error) -> Result<usize, ErrorCode>; 1] = [Error::into];
    let _: fn(Error) -> R = R::from;
    let _: fn(R) -> usize = kernel::errorcode::into_statuscode;
    use ErrorCode::*;
    let _ = [
        FAIL,
        BUSY,
        ALREADY,
        OFF,
        RESERVE,
        INVAL,
        SIZE,
        CANCEL,
        NOMEM,
        NOSUPPORT,
        NODEVICE,
        UNINSTALLED,
        NOACK,
    ];
    let _ = [
        Error::NoSuchApp,
        Error::OutOfMemory,
        Error::AddressOutOfBounds,
        Error::InactiveApp,
        Error::KernelError,
        Error::AlreadyInUse,
    ];
}

pub fn process_id() {
    let _: fn(&ProcessId) -> usize = ProcessId::id;
    let _: fn(&ProcessId) -> ShortId = ProcessId::short_app_id;
    let _: fn(&ProcessId) -> (usize, usize) = ProcessId::get_editable_flash_range;
    let _: fn(&ProcessId) -> Option<StoragePermissions> = ProcessId::get_storage_permissions;
    let _: fn(&'static Kernel, usize, usize, &dyn ExternalProcessCapability) -> ProcessId =
        ProcessId::new_external;
}

pub fn syscalls<S: UserspaceKernelBoundary>() {
    let _: fn(&Syscall) -> Option<usize> = Syscall::driver_number;
    let _: fn(&Syscall) -> Option<usize> = Syscall::subdriver_number;
    let _: fn(u8) -> Result<SyscallClass, u8> = SyscallClass::try_from;
    let _ = ContextSwitchReason::SyscallFired {
        syscall: Syscall::Yield {
            yield_type: YieldVariant::WaitFor {
                driver_number: 1,
                subdriver_number: 2,
            },
        },
    };
    let _ = SyscallReturn::SuccessU32(1);
    let _: fn(&S) -> usize = S::initial_process_app_brk_size;
    let _: unsafe fn(&S, *const u8, *const u8, &mut S::StoredState) -> Result<(), ()> =
        S::initialize_process;
    let _: unsafe fn(
        &S,
        *const u8,
        *const u8,
        &mut S::StoredState,
        SyscallReturn,
    ) -> Result<(), ()> = S::set_syscall_return_value;
    let _: unsafe fn(
        &S,
        *const u8,
        *const u8,
        &mut S::StoredState,
        kernel::process::FunctionCall,
    ) -> Result<(), ()> = S::set_process_function;
    let _: unsafe fn(
        &S,
        *const u8,
        *const u8,
        &mut S::StoredState,
    ) -> (ContextSwitchReason, Option<*const u8>) = S::switch_to_process;
    let _: fn(&S, &S::StoredState, &mut [u8]) -> Result<usize, ErrorCode> = S::store_context;
}

type G = Grant<u32, UpcallCount<2>, AllowRoCount<1>, AllowRwCount<3>>;

pub fn grants<T: Default, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize>() {
    let _: fn(&'static Kernel, usize, &dyn MemoryAllocationCapability) -> Grant<T, U, RO, RW> =
        Kernel::create_grant;
    let _: fn(&G, ProcessId) -> Result<u8, Error> = |g, p| {
        g.enter(
            p,
            |data: &mut GrantData<u32>, kernel_data: &GrantKernelData| {
                **data += 1;
                let _: Result<(), UpcallError> = kernel_data.schedule_upcall(0, (1, 2, 3));
                let _: Option<Task> = kernel_data.remove_upcall(0);
                let _: usize = kernel_data.remove_pending_upcalls(0);
                let _: Result<ReadOnlyProcessBufferRef, Error> =
                    kernel_data.get_readonly_processbuffer(0);
                let _: Result<ReadWriteProcessBufferRef, Error> =
                    kernel_data.get_readwrite_processbuffer(0);
                7
            },
        )
    };
    let _: fn(&G, ProcessId) -> Result<Option<[u16; 4]>, Error> = |g, p| {
        g.enter_with_allocator(p, |_, _, allocator: &mut GrantRegionAllocator| {
            let one: Result<CustomGrant<u8>, Error> = allocator.alloc_with(|| 5u8);
            let many: Result<CustomGrant<[u16; 4]>, Error> =
                allocator.alloc_n_with::<u16, _, 4>(|i| i as u16);
            let _: ProcessId = one.ok()?.processid();
            many.ok()?.enter(|data: GrantData<'_, [u16; 4]>| *data).ok()
        })
    };
    let _: fn(&G) = |g| {
        g.each(|_: ProcessId, data: &mut GrantData<u32>, _: &GrantKernelData| **data = 0);
        for entry in g.iter() {
            let entry: ProcessGrant<'_, u32, UpcallCount<2>, AllowRoCount<1>, AllowRwCount<3>> =
                entry;
            let _: ProcessId = entry.processid();
            let _: Option<u32> = entry.try_enter(|data, _| **data);
        }
        for entry in g.iter() {
            entry.enter(|data, _| **data += 1);
        }
        for entry in g.iter() {
            entry.enter_with_allocator(|_, _, _| ());
        }
    };
    let _ = [
        UpcallError::InvalidSubscribeNum,
        UpcallError::QueueFull,
        UpcallError::KernelError,
    ];
}

pub fn buffers<RB: ReadableProcessBuffer, WB: WriteableProcessBuffer>() {
    let _: fn(&RB) -> usize = RB::len;
    let _: fn(&RB) -> *const u8 = RB::ptr;
    let _: fn(&WB) -> *mut u8 = WB::mut_ptr;
    let _: fn(&RB) -> Result<u8, Error> = |b| b.enter(|s: &ReadableProcessSlice| s[0].get());
    let _: fn(&WB) -> Result<(), Error> = |b| b.mut_enter(|s: &WriteableProcessSlice| s[0].set(1));
    let _: fn() -> ReadOnlyProcessBuffer = ReadOnlyProcessBuffer::default;
    const _: ReadWriteProcessBuffer = ReadWriteProcessBuffer::const_default();
    type Cap<'a> = &'a dyn ExternalProcessCapability;
    let _: unsafe fn(*const u8, usize, ProcessId, Cap) -> ReadOnlyProcessBuffer =
        ReadOnlyProcessBuffer::new_external;
    let _: unsafe fn(*mut u8, usize, ProcessId, Cap) -> ReadWriteProcessBuffer =
        ReadWriteProcessBuffer::new_external;
}

pub fn slices(r: &ReadableProcessSlice, w: &WriteableProcessSlice) {
    let _: Option<&ReadableProcessByte> = r.get(0);
    let _: [Option<&ReadableProcessSlice>; 3] = [r.get(1..2), r.get(1..), r.get(..2)];
    let _: (&ReadableProcessSlice, u8) = (&r[0..1], r[0].get());
    let _: fn(&ReadableProcessSlice, &mut [u8]) = ReadableProcessSlice::copy_to_slice;
    let _: fn(&ReadableProcessSlice, &mut [u8]) -> R = ReadableProcessSlice::copy_to_slice_or_err;
    for chunk in r.chunks(4) {
        let _: usize = chunk.iter().map(|b| usize::from(b.get())).sum();
    }
    let _: Option<&Cell<u8>> = w.get(0);
    let _: [Option<&WriteableProcessSlice>; 3] = [w.get(1..2), w.get(1..), w.get(..2)];
    let _: fn(&WriteableProcessSlice, &[u8]) = WriteableProcessSlice::copy_from_slice;
    let _: fn(&WriteableProcessSlice, &[u8]) -> R = WriteableProcessSlice::copy_from_slice_or_err;
    let _: fn(&WriteableProcessSlice, &mut [u8]) = WriteableProcessSlice::copy_to_slice;
    for chunk in w.chunks(4) {
        chunk.iter().for_each(|b: &Cell<u8>| b.set(0));
    }
    let _: fn(&[u8]) -> &ReadableProcessSlice = |b| b.into();
    let _: fn(&mut [u8]) -> &WriteableProcessSlice = |b| b.into();
    let stream = StreamingProcessSlice::new(w);
    let _: Result<(bool, u32), ErrorCode> = stream.append_chunk(&[1]);
    let _: Result<(bool, u32), ErrorCode> = stream.append_chunk_from_iter([1]);
}

pub fn deferred_calls<C: DeferredCallClient + 'static>() {
    let _: fn() -> DeferredCall = DeferredCall::new;
    let _: fn(&DeferredCall, &'static C) = DeferredCall::register::<C>;
    let _: fn(&DeferredCall) = DeferredCall::set;
    let _: fn(&DeferredCall) -> bool = DeferredCall::is_pending;
    let _: fn() -> Option<usize> = DeferredCall::service_next_pending;
    let _: fn() -> bool = DeferredCall::has_tasks;
    let _: fn() = DeferredCall::verify_setup;
    let _: fn(&C) = C::handle_deferred_call;
    let _: fn(&'static C) = C::register;
}

pub fn deferred_call_state<P: kernel::platform::chip::ThreadIdProvider>() {
    let _: fn() = kernel::deferred_call::initialize_deferred_call_state::<P>;
    let _: unsafe fn() = kernel::deferred_call::initialize_deferred_call_state_unsafe::<P>;
}

pub fn scheduler<C: kernel::platform::chip::Chip, S: Scheduler<C>>() {
    use kernel::process::StoppedExecutingReason;
    use kernel::scheduler::SchedulingDecision;
    let _: fn(&S) -> SchedulingDecision = S::next;
    let _: fn(&S, StoppedExecutingReason, Option<u32>) = S::result;
    let _: fn(&S, &C) = S::execute_kernel_work;
    let _: fn(&S, &C) -> bool = S::do_kernel_work_now;
    let _: fn(&S, ProcessId, &C) -> bool = S::continue_process;
}
