//! §3: processes, their states and policies, checking, loading, IPC; and the capsule crates' paths.

use super::R;
use capsules_system::storage_permissions::individual::IndividualStoragePermissions;
use capsules_system::storage_permissions::null::NullStoragePermissions;
use capsules_system::storage_permissions::tbf_header::TbfHeaderStoragePermissions;
use kernel::capabilities::{ApplicationStorageCapability, ProcessRestartCapability};
use kernel::platform::chip::Chip;
use kernel::process::{
    AcceptedCredential, BinaryVersion, Error, FaultAction, FunctionCall, FunctionCallSource,
    Process, ProcessArray, ProcessBinary, ProcessCheckerMachine, ProcessCheckerMachineClient,
    ProcessFaultPolicy, ProcessLoadError, ProcessLoadingAsync, ProcessLoadingAsyncClient,
    ProcessPrinter, ProcessPrinterContext, ProcessRestart, ProcessSlot, ProcessStandard,
    ProcessStandardDebug, ProcessStandardDebugFull, ProcessStandardStoragePermissionsPolicy,
    ReturnArguments, SequentialProcessLoaderMachine, ShortId, State, StoppedExecutingReason,
    StoppedState, Task,
};
use kernel::process_checker::{
    AppCredentialsPolicy, AppCredentialsPolicyClient, AppIdPolicy, AppUniqueness, CheckResult,
    CheckResultAcceptMetadata, Compress, ProcessCheckError,
};
use kernel::syscall::{ContextSwitchReason, SyscallReturn};
use kernel::upcall::UpcallId;
use kernel::utilities::binary_write::BinaryWrite;
use kernel::utilities::capability_ptr::CapabilityPtr;
use kernel::{ErrorCode, Kernel, ProcessId};
use tock_tbf::types::TbfFooterV2Credentials;

pub fn policies<
    C: AppCredentialsPolicy<'static>,
    L: AppCredentialsPolicyClient<'static>,
    U: AppUniqueness,
    N: Compress,
    M: ProcessCheckerMachineClient,
    F: ProcessFaultPolicy,
    S: ProcessStandardStoragePermissionsPolicy<K, D>,
    K: Chip + 'static,
    D: ProcessStandardDebug + 'static,
>() {
    type Bytes = &'static [u8];
    type Refused = (ErrorCode, TbfFooterV2Credentials, Bytes);
    let _: fn(&C, &'static dyn AppCredentialsPolicyClient<'static>) = C::set_client;
    let _: fn(&C) -> bool = C::require_credentials;
    let _: fn(&C, TbfFooterV2Credentials, Bytes) -> Result<(), Refused> = C::check_credentials;
    let _: fn(&L, Result<CheckResult, ErrorCode>, TbfFooterV2Credentials, Bytes) = L::check_done;
    let _: fn(&U, &ProcessBinary, &ProcessBinary) -> bool = U::different_identifier;
    let _: fn(&U, &ProcessBinary, &dyn Process) -> bool = U::different_identifier_process;
    let _: fn(&U, &dyn Process, &dyn Process) -> bool = U::different_identifier_processes;
    let _: fn(&N, &ProcessBinary) -> ShortId = N::to_short_id;
    // An assigner by the credential's metadata, as the boards of upstream's tutorials have one.
    let _: fn(&ProcessBinary) -> Option<usize> =
        |b| b.credential.get()?.metadata.map(|m| m.metadata);
    let _: fn(&ProcessBinary) -> Option<AcceptedCredential> = ProcessBinary::get_credential;
    fn both<T: AppIdPolicy>() {}
    let _: fn() = both::<()>;
    type Outcome = Result<Option<AcceptedCredential>, ProcessCheckError>;
    let _: fn(&M, ProcessBinary, Outcome) = M::done;
    let _: fn(&F, &dyn Process) -> FaultAction = F::action;
    let _: fn(&S, &ProcessStandard<K, D>) -> kernel::storage_permissions::StoragePermissions =
        S::get_permissions;
    type Ids = [u32; 8];
    let _: fn(&ProcessStandard<K, D>) -> Option<(bool, usize, Ids, usize, Ids)> =
        ProcessStandard::<K, D>::get_tbf_storage_permissions;
    let _ = CheckResult::Accept(Some(CheckResultAcceptMetadata { metadata: 1 }));
    let _ = [CheckResult::Pass, CheckResult::Reject];
    let _ = [
        ProcessCheckError::CredentialsNotAccepted,
        ProcessCheckError::CredentialsRejected(3),
        ProcessCheckError::InternalError,
    ];
    let _: fn(&'static dyn AppCredentialsPolicy<'static>) -> ProcessCheckerMachine =
        ProcessCheckerMachine::new;
    let _: fn(&ProcessCheckerMachine, &'static dyn AppCredentialsPolicy<'static>) =
        ProcessCheckerMachine::set_policy;
    let _: fn(&ProcessCheckerMachine, &'static dyn ProcessCheckerMachineClient) =
        ProcessCheckerMachine::set_client;
    let _: fn(&ProcessCheckerMachine, ProcessBinary) -> Result<(), ProcessCheckError> =
        ProcessCheckerMachine::check;
}

pub fn loading<C: Chip + 'static>(load: ProcessLoadError) {
    type Cap<'a> = &'a dyn kernel::capabilities::ProcessManagementCapability;
    let _: fn(
        &'static Kernel,
        &'static C,
        &'static [u8],
        &'static mut [u8],
        &'static dyn ProcessFaultPolicy,
        Cap,
    ) -> Result<(), ProcessLoadError> = kernel::process::load_processes;
    type Machine<C> = SequentialProcessLoaderMachine<'static, C, ProcessStandardDebugFull>;
    let _: fn(
        &'static ProcessCheckerMachine,
        &'static mut [Option<ProcessBinary>],
        &'static Kernel,
        &'static C,
        &'static [u8],
        &'static mut [u8],
        &'static dyn ProcessFaultPolicy,
        &'static dyn ProcessStandardStoragePermissionsPolicy<C, ProcessStandardDebugFull>,
        &'static dyn AppIdPolicy,
        Cap,
    ) -> Machine<C> = Machine::<C>::new;
    let _: fn(&Machine<C>, &'static dyn ProcessLoadingAsyncClient) = Machine::<C>::set_client;
    let _: fn(&Machine<C>, &'static dyn AppIdPolicy) = Machine::<C>::set_policy;
    let _: fn(&Machine<C>) = Machine::<C>::start;
    // To the last variant, as upstream's app loader does: one more would not compile there.
    match load {
        ProcessLoadError::NotEnoughMemory
        | ProcessLoadError::MpuInvalidFlashLength
        | ProcessLoadError::MpuConfigurationError
        | ProcessLoadError::MemoryAddressMismatch { .. }
        | ProcessLoadError::NoProcessSlot
        | ProcessLoadError::BinaryError(_)
        | ProcessLoadError::CheckError(_)
        | ProcessLoadError::InternalError => {}
    }
    let _: fn() -> ProcessArray<4> = ProcessArray::new;
    let _: fn(&ProcessArray<4>) -> &[ProcessSlot] = ProcessArray::as_slice;
    let _: fn(&ProcessSlot) -> Option<&'static dyn Process> = ProcessSlot::get;
    let _: fn(&dyn Process) -> *const u8 = |p| p.get_addresses().flash_integrity_end;
    let _ = [
        kernel::ipc::IPCUpcallType::Service,
        kernel::ipc::IPCUpcallType::Client,
    ];
    let _: fn(&ProcessSlot, usize) -> bool = ProcessSlot::contains_process_with_id;
    let _: fn(&ProcessSlot) -> ProcessSlot = ProcessSlot::clone;
    let _: fn(&'static ProcessArray<4>, usize) -> &'static ProcessSlot = |slots, i| &slots[i];
}

pub struct Told;
impl ProcessLoadingAsyncClient for Told {
    fn process_loaded(&self, _result: Result<(), ProcessLoadError>) {}
    fn process_loading_finished(&self) {}
}

pub fn vocabulary(p: &dyn Process, id: UpcallId) {
    let _ = [
        State::Running,
        State::Yielded,
        State::YieldedFor(id),
        State::Stopped(StoppedState::Running),
        State::Stopped(StoppedState::YieldedFor(id)),
        State::Faulted,
        State::Terminated,
    ];
    let _ = [FaultAction::Panic, FaultAction::Restart, FaultAction::Stop];
    let _ = [
        StoppedExecutingReason::NoWorkLeft,
        StoppedExecutingReason::StoppedFaulted,
        StoppedExecutingReason::Stopped,
        StoppedExecutingReason::TimesliceExpired,
        StoppedExecutingReason::KernelPreemption,
    ];
    let _ = [
        Task::FunctionCall(FunctionCall {
            source: FunctionCallSource::Driver(UpcallId {
                driver_num: 1,
                subscribe_num: 2,
            }),
            argument0: 0,
            argument1: 1,
            argument2: 2,
            argument3: 3.into(),
            pc: 4.into(),
        }),
        Task::ReturnValue(ReturnArguments {
            upcall_id: id,
            argument0: 0,
            argument1: 1,
            argument2: 2,
        }),
    ];
    let _: (
        ProcessId,
        ShortId,
        Option<BinaryVersion>,
        Option<AcceptedCredential>,
    ) = (
        p.processid(),
        p.short_app_id(),
        p.binary_version(),
        p.get_credential(),
    );
    let _: (usize, &'static str, Option<Option<u32>>) = (
        p.get_restart_count(),
        p.get_process_name(),
        p.get_completion_code(),
    );
    let _: (bool, usize, Option<Task>, Option<Task>, usize) = (
        p.has_tasks(),
        p.pending_tasks(),
        p.dequeue_task(),
        p.remove_upcall(id),
        p.remove_pending_upcalls(id),
    );
    let _: (State, bool, bool) = (p.get_state(), p.ready(), p.is_running());
    p.set_yielded_state();
    p.set_yielded_for_state(id);
    p.stop();
    p.resume();
    p.set_fault_state();
    p.try_restart(Some(1));
    p.terminate(None);
    let _: [Result<CapabilityPtr, Error>; 2] = [p.brk(std::ptr::null()), p.sbrk(0)];
    let _: (usize, (usize, usize)) = (
        p.number_writeable_flash_regions(),
        p.get_writeable_flash_region(0),
    );
    p.update_stack_start_pointer(std::ptr::null());
    p.update_heap_start_pointer(std::ptr::null());
    let _: bool = p.is_valid_upcall_function_pointer(std::ptr::null());
    p.set_syscall_return_value(SyscallReturn::Success);
    let _: Option<ContextSwitchReason> = p.switch_to();
    p.print_full_process(&mut String::new());
    let _: [usize; 3] = [
        p.debug_syscall_count(),
        p.debug_dropped_upcall_count(),
        p.debug_timeslice_expiration_count(),
    ];
    let _: Option<kernel::syscall::Syscall> = p.debug_syscall_last();
}

pub fn printing<P: ProcessPrinter>() {
    type Context = Option<ProcessPrinterContext>;
    let _: fn(&P, &dyn Process, &mut dyn BinaryWrite, Context) -> Context = P::print_overview;
}

pub fn dynamic<
    S: kernel::dynamic_binary_storage::DynamicBinaryStore
        + kernel::dynamic_binary_storage::DynamicProcessLoad
        + kernel::dynamic_binary_storage::DynamicProcessUnload
        + kernel::dynamic_binary_storage::DynamicProcessUninstall,
    C: kernel::dynamic_binary_storage::DynamicBinaryStoreClient
        + kernel::dynamic_binary_storage::DynamicProcessLoadClient
        + kernel::dynamic_binary_storage::DynamicProcessUnloadClient
        + kernel::dynamic_binary_storage::DynamicProcessUninstallClient,
>() {
    let _: fn(&S, usize) -> Result<usize, ErrorCode> = S::setup;
    let _: fn(&S, super::Buffer, usize) -> R = S::write;
    let _: fn(&S, usize) -> R = S::uninstall_with_app_handle;
    let _: fn(&C, R) = C::uninstall_done;
    let _: fn(&C, R, usize) = C::unload_done;
    let _: [fn(&S) -> R; 3] = [S::finalize, S::abort, S::load];
    let _: fn(&S, ShortId) -> R = S::unload;
    let _: [fn(&C, R); 3] = [C::setup_done, C::finalize_done, C::abort_done];
    let _: fn(&C, R, super::Sb, usize) = C::write_done;
    let _: fn(&C, Result<(), ProcessLoadError>) = C::load_done;
    let _: fn(&C, R, usize) = C::unload_done;
}

/// Upstream's paths into the capsule crates.
pub fn capsule_paths<A: kernel::hil::time::Alarm<'static> + 'static>() {
    use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
    use capsules_system::process_policies::{
        PanicFaultPolicy, RestartFaultPolicy, StopFaultPolicy, ThresholdRestartFaultPolicy,
    };
    fn policy<P: ProcessFaultPolicy>() {}
    let _ = [
        policy::<PanicFaultPolicy>,
        policy::<StopFaultPolicy>,
        policy::<RestartFaultPolicy>,
        policy::<ThresholdRestartFaultPolicy>,
    ];
    let _: fn(&'static A) -> MuxAlarm<'static, A> = MuxAlarm::new;
    let _: fn(&'static MuxAlarm<'static, A>) -> VirtualMuxAlarm<'static, A> = VirtualMuxAlarm::new;
    let _: fn(&'static VirtualMuxAlarm<'static, A>) = VirtualMuxAlarm::setup;
    let _: Option<capsules_core::alarm::AlarmDriver<'static, VirtualMuxAlarm<'static, A>>> = None;
    const _: [usize; 6] = [
        capsules_core::alarm::DRIVER_NUM,
        capsules_core::console::DRIVER_NUM - 1,
        capsules_core::led::DRIVER_NUM - 2,
        capsules_core::low_level_debug::DRIVER_NUM - 8,
        capsules_core::rng::DRIVER_NUM - 0x40001,
        capsules_extra::kv_driver::DRIVER_NUM - 0x50003,
    ];
}

pub fn storage_policies<C: Chip + 'static, CAP: ApplicationStorageCapability + 'static>(
    individual: &'static IndividualStoragePermissions<C, ProcessStandardDebugFull, CAP>,
    null: &'static NullStoragePermissions<C, ProcessStandardDebugFull>,
    header: &'static TbfHeaderStoragePermissions<C, ProcessStandardDebugFull, CAP>,
) -> [&'static dyn ProcessStandardStoragePermissionsPolicy<C, ProcessStandardDebugFull>; 4] {
    let _: fn(CAP) -> IndividualStoragePermissions<C, (), CAP> = IndividualStoragePermissions::new;
    let _: fn() -> NullStoragePermissions<C, ()> = NullStoragePermissions::new;
    let _: fn(CAP) -> TbfHeaderStoragePermissions<C, (), CAP> = TbfHeaderStoragePermissions::new;
    [&(), individual, null, header]
}

pub fn short_ids() {
    let _: fn(Option<std::num::NonZeroU32>) -> ShortId = ShortId::from;
    let _ = capsules_system::process_checker::tbf::AppIdAssignerTbfHeader {};
    fn whole<T: Eq + Copy + std::fmt::Display>() {}
    let _: fn() = whole::<ShortId>;
}

pub fn restart<R: ProcessRestart>() {
    let _: fn(&R, ProcessId, &dyn ProcessRestartCapability) = R::try_restart;
}

/// Enums that upstream's capsules match without a last arm: one variant more, and they do not compile.
pub fn matched_to_the_last(
    state: State,
    error: Error,
    flash: kernel::hil::flash::Error,
    uart: kernel::hil::uart::Error,
    code: ErrorCode,
    check: CheckResult,
    id: ShortId,
) {
    match state {
        State::Running
        | State::Yielded
        | State::YieldedFor(_)
        | State::Stopped(_)
        | State::Faulted
        | State::Terminated => {}
    }
    match error {
        Error::NoSuchApp
        | Error::OutOfMemory
        | Error::AddressOutOfBounds
        | Error::InactiveApp
        | Error::KernelError
        | Error::AlreadyInUse => {}
    }
    use kernel::hil::flash::Error as Flash;
    match flash {
        Flash::FlashError | Flash::FlashMemoryProtectionError => {}
    }
    use kernel::hil::uart::Error as Uart;
    match uart {
        Uart::None | Uart::ParityError | Uart::FramingError | Uart::OverrunError => {}
        Uart::RepeatCallError | Uart::ResetError | Uart::BreakError | Uart::Aborted => {}
    }
    use ErrorCode as E;
    match code {
        E::FAIL | E::BUSY | E::ALREADY | E::OFF | E::RESERVE | E::INVAL | E::SIZE => {}
        E::CANCEL | E::NOMEM | E::NOSUPPORT | E::NODEVICE | E::UNINSTALLED | E::NOACK => {}
    }
    match (check, id) {
        (CheckResult::Accept(_) | CheckResult::Pass | CheckResult::Reject, ShortId::Fixed(_)) => {}
        (_, ShortId::LocallyUnique) => {}
    }
}
