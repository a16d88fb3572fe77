//! Processes as the kernel sees them: identity, state, tasks, and the `Process` trait.
//!
//! `standard` implements a process in its own RAM block, `binary` reads one from flash, `loading`
//! finds, checks and creates them.

mod array;
mod binary;
mod debug;
mod loading;
mod policies;
mod printer;
mod standard;

pub use crate::process_checker::{
    AcceptedCredential, ProcessCheckerMachine, ProcessCheckerMachineClient,
};
pub use crate::upcall::UpcallId;
pub use array::{ProcessArray, ProcessSlot};
pub use binary::{ProcessBinary, ProcessBinaryError};
pub use debug::{ProcessStandardDebug, ProcessStandardDebugFull};
pub(crate) use loading::SingleLoadClient;
#[cfg(feature = "std")]
pub(crate) use loading::load_processes_as;
pub use loading::{
    FlashRegion, ProcessLoadError, ProcessLoadingAsync, ProcessLoadingAsyncClient,
    SequentialProcessLoaderMachine, load_processes,
};
pub use policies::{ProcessFaultPolicy, ProcessRestart, ProcessStandardStoragePermissionsPolicy};
pub use printer::{ProcessPrinter, ProcessPrinterContext};
pub use standard::ProcessStandard;

use crate::ErrorCode;
use crate::kernel::Kernel;
use crate::platform::mpu;
use crate::processbuffer::{ReadOnlyProcessBuffer, ReadWriteProcessBuffer};
use crate::storage_permissions::StoragePermissions;
use crate::syscall::{ContextSwitchReason, SyscallReturn};
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;
use core::fmt;
use core::num::NonZeroU32;
use core::ptr::NonNull;

/// Why an operation on a process failed.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Error {
    /// It is gone (or was restarted).
    NoSuchApp,
    /// Its memory is used up.
    OutOfMemory,
    /// An address or index is outside.
    AddressOutOfBounds,
    /// It is terminated or faulted.
    InactiveApp,
    /// The kernel contradicts itself.
    KernelError,
    /// Its grant is entered already.
    AlreadyInUse,
}

/// Identifies one run of a process: never reused, so that a stale one matches nothing.
#[derive(Clone, Copy)]
pub struct ProcessId {
    kernel: &'static Kernel,
    index: usize,
    identifier: usize,
}

impl PartialEq for ProcessId {
    fn eq(&self, other: &ProcessId) -> bool {
        self.identifier == other.identifier
    }
}
impl Eq for ProcessId {}

impl fmt::Debug for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // With the width that a table asks for.
        fmt::Display::fmt(&self.identifier, f)
    }
}

impl ProcessId {
    pub(crate) fn new(kernel: &'static Kernel, identifier: usize, index: usize) -> ProcessId {
        ProcessId {
            kernel,
            index,
            identifier,
        }
    }

    /// For process types outside the kernel crate.
    pub fn new_external(
        kernel: &'static Kernel,
        identifier: usize,
        index: usize,
        _capability: &dyn crate::capabilities::ExternalProcessCapability,
    ) -> ProcessId {
        Self::new(kernel, identifier, index)
    }

    pub(crate) fn kernel(&self) -> &'static Kernel {
        self.kernel
    }

    pub(crate) fn slot(&self) -> usize {
        self.index
    }

    /// Its slot, if it still is there. IPC addresses processes so.
    pub fn index(&self) -> Option<usize> {
        self.kernel.process_ref(*self).map(|_| self.index)
    }

    /// The number of this run.
    pub fn id(&self) -> usize {
        self.identifier
    }

    /// Whether this run still goes on (it may wait or be stopped).
    pub fn is_alive(&self) -> bool {
        self.kernel
            .process_ref(*self)
            .is_some_and(|p| p.is_running())
    }

    /// Who it is across runs and reboots.
    pub fn short_app_id(&self) -> ShortId {
        self.kernel
            .process_ref(*self)
            .map_or(ShortId::LocallyUnique, |p| p.short_app_id())
    }

    /// Its part of flash behind the protected region, as addresses; (0, 0) when it is gone.
    pub fn get_editable_flash_range(&self) -> (usize, usize) {
        self.kernel.process_ref(*self).map_or((0, 0), |p| {
            let a = p.get_addresses();
            (a.flash_non_protected_start, a.flash_end)
        })
    }

    /// As [`Process::may_write_flash`].
    ///
    /// # Errors
    /// As there; `FAIL`: it is gone.
    pub fn may_write_flash(&self, address: usize, size: usize) -> Result<(), ErrorCode> {
        let process = self.kernel.process_ref(*self).ok_or(ErrorCode::FAIL)?;
        process.may_write_flash(address, size)
    }

    /// What of storage it may use.
    pub fn get_storage_permissions(&self) -> Option<StoragePermissions> {
        self.kernel
            .process_ref(*self)
            .map(|p| p.get_storage_permissions())
    }
}

/// A 32-bit name of an application.
#[derive(Clone, Copy)]
pub enum ShortId {
    /// None: equal to nothing, itself included.
    LocallyUnique,
    /// Assigned by the AppID policy.
    Fixed(NonZeroU32),
}

impl PartialEq for ShortId {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (ShortId::Fixed(a), ShortId::Fixed(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for ShortId {}

impl From<Option<NonZeroU32>> for ShortId {
    fn from(id: Option<NonZeroU32>) -> Self {
        id.map_or(ShortId::LocallyUnique, ShortId::Fixed)
    }
}

/// For a sentence.
impl fmt::Debug for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ShortId::LocallyUnique => f.write_str("Unique"),
            ShortId::Fixed(id) => write!(f, "0x{id:x}"),
        }
    }
}

/// For a table: as upstream's, a number fills its column and a name does not.
impl fmt::Display for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ShortId::LocallyUnique => f.write_str("Unique"),
            ShortId::Fixed(id) => write!(f, "0x{id:<8x} "),
        }
    }
}

/// Version of an application binary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BinaryVersion(NonZeroU32);

impl BinaryVersion {
    /// From a non-zero number.
    pub fn new(value: NonZeroU32) -> Self {
        Self(value)
    }
    /// The number.
    pub fn get(self) -> NonZeroU32 {
        self.0
    }
}

/// What a process does.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Runs, or would if scheduled.
    Running,
    /// Waits for any upcall.
    Yielded,
    /// Waits for one event.
    YieldedFor(UpcallId),
    /// Was stopped, and did this before.
    Stopped(StoppedState),
    /// Faulted for good.
    Faulted,
    /// Ended.
    Terminated,
}

/// What a stopped process did before.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum StoppedState {
    /// It ran.
    Running,
    /// It waited.
    Yielded,
    /// It waited for one event.
    YieldedFor(UpcallId),
}

/// What a fault policy wants.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// The whole system stops.
    Panic,
    /// The process starts again.
    Restart,
    /// The process ends.
    Stop,
}

/// Why a process does not run any more, for the scheduler.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum StoppedExecutingReason {
    /// It waits.
    NoWorkLeft,
    /// It faulted or ended.
    StoppedFaulted,
    /// It was stopped.
    Stopped,
    /// Its slice is over.
    TimesliceExpired,
    /// The kernel has work.
    KernelPreemption,
}

/// Which way an IPC notification goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum IPCUpcallType {
    /// To a service.
    Service,
    /// To a client.
    Client,
}

/// Work queued for a process.
#[derive(Copy, Clone, Debug)]
pub enum Task {
    /// Call a function.
    FunctionCall(FunctionCall),
    /// An event without a function: only Yield-WaitFor sees it.
    ReturnValue(ReturnArguments),
    /// Another process notifies it.
    IPC((ProcessId, IPCUpcallType)),
}

/// Who asks for a function call.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum FunctionCallSource {
    /// The kernel: start-up and IPC.
    Kernel,
    /// A driver's upcall.
    Driver(UpcallId),
}

/// A function of the process and its arguments.
#[derive(Copy, Clone, Debug)]
pub struct FunctionCall {
    /// Who asks.
    pub source: FunctionCallSource,
    /// r0.
    pub argument0: usize,
    /// r1.
    pub argument1: usize,
    /// r2.
    pub argument2: usize,
    /// r3.
    pub argument3: MachineRegister,
    /// Where.
    pub pc: CapabilityPtr,
}

/// An event's words.
#[derive(Copy, Clone, Debug)]
pub struct ReturnArguments {
    /// Which subscription.
    pub upcall_id: UpcallId,
    /// r0.
    pub argument0: usize,
    /// r1.
    pub argument1: usize,
    /// r2.
    pub argument2: usize,
}

/// What is known of a fault, for people.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct FaultReport {
    /// What happened, in the architecture's words.
    pub reason: &'static str,
    /// Program counter at the fault, 0 when unknown.
    pub pc: usize,
    /// Address that was accessed, if known.
    pub address: Option<usize>,
    /// What the core said.
    pub registers: FaultRegisters,
}

/// Registers of an Arm core at a fault, by the manual's names; 0 where nothing is known.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultRegisters {
    /// Configurable fault status.
    pub cfsr: u32,
    /// Hard fault status.
    pub hfsr: u32,
    /// Address of a memory management fault, while CFSR says that it is valid.
    pub mmfar: u32,
    /// Address of a bus fault, while CFSR says that it is valid.
    pub bfar: u32,
    /// Secure fault status, where there is a secure world.
    pub sfsr: u32,
    /// Link register.
    pub lr: u32,
    /// Stack pointer.
    pub sp: u32,
    /// Program status.
    pub psr: u32,
}

impl FaultRegisters {
    /// Nothing is known.
    pub const UNKNOWN: Self = FaultRegisters {
        cfsr: 0,
        hfsr: 0,
        mmfar: 0,
        bfar: 0,
        sfsr: 0,
        lr: 0,
        sp: 0,
        psr: 0,
    };
}

/// Identifies custom grant memory of a process.
#[derive(Copy, Clone, Debug)]
pub struct ProcessCustomGrantIdentifier {
    pub(crate) offset: usize,
}

/// Where a process lies. Ends are exclusive.
#[derive(Copy, Clone, Debug)]
pub struct ProcessAddresses {
    /// First byte of the TBF.
    pub flash_start: usize,
    /// First byte behind the protected region.
    pub flash_non_protected_start: usize,
    /// Behind the integrity region, where the footers begin.
    pub flash_integrity_end: *const u8,
    /// End of the TBF.
    pub flash_end: usize,
    /// First byte of RAM.
    pub sram_start: usize,
    /// App break.
    pub sram_app_brk: usize,
    /// Lowest grant byte.
    pub sram_grant_start: usize,
    /// End of RAM.
    pub sram_end: usize,
    /// Heap start, if it told.
    pub sram_heap_start: Option<usize>,
    /// Stack top, if it told.
    pub sram_stack_top: Option<usize>,
    /// Lowest stack pointer seen.
    pub sram_stack_bottom: Option<usize>,
}

/// How much memory a process uses, in bytes.
#[derive(Copy, Clone, Debug)]
pub struct ProcessSizes {
    /// Grant pointer table.
    pub grant_pointers: usize,
    /// Task queue.
    pub upcall_list: usize,
    /// Process control block.
    pub process_control_block: usize,
}

/// One process.
pub trait Process {
    /// This run's identity.
    fn processid(&self) -> ProcessId;
    /// Its name across runs.
    fn short_app_id(&self) -> ShortId;
    /// Its version.
    fn binary_version(&self) -> Option<BinaryVersion>;
    /// The credential that was accepted, if any.
    fn get_credential(&self) -> Option<AcceptedCredential>;
    /// Restarts so far.
    fn get_restart_count(&self) -> usize;
    /// Its package name.
    fn get_process_name(&self) -> &'static str;
    /// Completion code of its last end; `None` while it has none (outer) or gave none (inner).
    fn get_completion_code(&self) -> Option<Option<u32>>;

    /// Whether any task is queued.
    fn has_tasks(&self) -> bool {
        self.pending_tasks() > 0
    }
    /// How many are queued.
    fn pending_tasks(&self) -> usize;
    /// Queues a task.
    ///
    /// # Errors
    /// `NODEVICE` when it does not run any more, `NOMEM` when the queue is full.
    fn enqueue_task(&self, task: Task) -> Result<(), ErrorCode>;
    /// Takes the oldest task.
    fn dequeue_task(&self) -> Option<Task>;
    /// Takes the oldest event of a subscription.
    fn remove_upcall(&self, upcall_id: UpcallId) -> Option<Task>;
    /// Drops all function calls of a subscription; returns how many.
    fn remove_pending_upcalls(&self, upcall_id: UpcallId) -> usize;
    /// Drops events that have no function; returns whether anything that can run is left.
    fn purge_null_tasks(&self) -> bool;

    /// What it does.
    fn get_state(&self) -> State;
    /// Whether scheduling it has a point.
    fn ready(&self) -> bool;
    /// Whether it is neither terminated nor faulted.
    fn is_running(&self) -> bool;
    /// Running becomes Yielded.
    fn set_yielded_state(&self);
    /// Running becomes YieldedFor.
    fn set_yielded_for_state(&self, upcall_id: UpcallId);
    /// Stops it where it is.
    fn stop(&self);
    /// Lets it go on.
    fn resume(&self);
    /// It faulted: the fault policy acts.
    fn set_fault_state(&self);
    /// Starts a terminated process.
    fn start(&self, cap: &dyn crate::capabilities::ProcessStartCapability);
    /// Ends and starts it again, unless it has ended already.
    fn try_restart(&self, completion_code: Option<u32>);
    /// Ends it.
    fn terminate(&self, completion_code: Option<u32>);

    /// Moves the app break; returns the one before.
    ///
    /// # Errors
    /// `InactiveApp`, `AddressOutOfBounds`, `OutOfMemory`.
    fn brk(&self, new_break: *const u8) -> Result<CapabilityPtr, Error>;
    /// Moves the app break by so many bytes; returns the one before.
    ///
    /// # Errors
    /// As [`Self::brk`].
    fn sbrk(&self, increment: isize) -> Result<CapabilityPtr, Error>;
    /// Writeable flash regions it declares.
    fn number_writeable_flash_regions(&self) -> usize;
    /// Offset from the TBF start and size of one; (0, 0) when absent.
    fn get_writeable_flash_region(&self, region_index: usize) -> (usize, usize);
    /// Whether `[address, address + size)` lies in one of those regions, behind the protected region
    /// and before the footers, and the binary carries no credentials that a write would break.
    ///
    /// # Errors
    /// `INVAL`: it does not lie there. `NOSUPPORT`: there are credentials, accepted or not.
    fn may_write_flash(&self, address: usize, size: usize) -> Result<(), ErrorCode>;
    /// It tells where its stack begins.
    fn update_stack_start_pointer(&self, stack_pointer: *const u8);
    /// It tells where its heap begins.
    fn update_heap_start_pointer(&self, heap_pointer: *const u8);
    /// Checks a range for Read-Write Allow.
    ///
    /// # Errors
    /// `FAIL` when it does not run, `INVAL` when the range is not its own.
    fn build_readwrite_process_buffer(
        &self,
        buf_start_addr: *mut u8,
        size: usize,
    ) -> Result<ReadWriteProcessBuffer, ErrorCode>;
    /// Checks a range for Read-Only Allow.
    ///
    /// # Errors
    /// As the read-write form.
    fn build_readonly_process_buffer(
        &self,
        buf_start_addr: *const u8,
        size: usize,
    ) -> Result<ReadOnlyProcessBuffer, ErrorCode>;
    /// Writes a byte of its RAM below the break; false when it is not there.
    fn set_byte(&self, addr: *mut u8, value: u8) -> bool;
    /// Commands that its TBF permits.
    fn get_command_permissions(
        &self,
        driver_num: usize,
        offset: usize,
    ) -> tock_tbf::types::CommandPermissions;
    /// Whether its TBF lists permissions: then [`Self::get_command_permissions`] is worth asking.
    fn has_permissions(&self) -> bool {
        self.get_command_permissions(0, 0) != tock_tbf::types::CommandPermissions::NoPermsAtAll
    }
    /// Its TBF's header.
    fn get_header(&self) -> Option<tock_tbf::types::TbfHeader<'static>> {
        None
    }
    /// What of storage it may use.
    fn get_storage_permissions(&self) -> StoragePermissions;

    /// Loads its regions into the MPU.
    fn setup_mpu(&self);
    /// Adds a region that it may read and write (IPC).
    fn add_mpu_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
    ) -> Option<mpu::Region>;
    /// Takes such a region away.
    ///
    /// # Errors
    /// `INVAL` when it is not there.
    fn remove_mpu_region(&self, region: mpu::Region) -> Result<(), ErrorCode>;

    /// As [`Self::add_mpu_region`] for IPC: `which` is the IPC driver's subscription that hears of
    /// the region, and of its end. Whether it is there.
    fn open_share(&self, start: *const u8, len: usize, which: usize) -> bool {
        let _ = which;
        self.add_mpu_region(start, len, len).is_some()
    }
    /// The process in a slot is dead: regions that it shared out of `[start, end)` end at the next
    /// yield, which then calls the IPC upcall with (slot, 0, 0) before anything else.
    fn end_shares(&self, _slot: usize, _start: usize, _end: usize) {}
    /// Whether it has a region that others shared out of `[start, end)`.
    fn has_share_within(&self, _start: usize, _end: usize) -> bool {
        false
    }
    /// Regions of the dead in `[start, end)` end now; a process that uses one faults.
    fn close_shares_within(&self, _start: usize, _end: usize) {}
    /// Somebody's region of a dead process ended; one that is started waits for that.
    fn share_closed(&self) {}

    /// Allocates a grant.
    ///
    /// # Errors
    /// No memory, no such grant, or the driver number is taken.
    #[allow(clippy::result_unit_err)]
    fn allocate_grant(
        &self,
        grant_num: usize,
        driver_num: usize,
        size: usize,
        align: usize,
    ) -> Result<NonNull<u8>, ()>;
    /// Whether a grant is allocated; `None` when the process does not run.
    fn grant_is_allocated(&self, grant_num: usize) -> Option<bool>;
    /// Allocates further grant memory.
    ///
    /// # Errors
    /// No memory.
    #[allow(clippy::result_unit_err)]
    fn allocate_custom_grant(
        &self,
        size: usize,
        align: usize,
    ) -> Result<(ProcessCustomGrantIdentifier, NonNull<u8>), ()>;
    /// Borrows a grant.
    ///
    /// # Errors
    /// `InactiveApp`, `AddressOutOfBounds`, `AlreadyInUse`.
    fn enter_grant(&self, grant_num: usize) -> Result<NonNull<u8>, Error>;
    /// Address of further grant memory.
    ///
    /// # Errors
    /// `InactiveApp`.
    fn enter_custom_grant(
        &self,
        identifier: ProcessCustomGrantIdentifier,
    ) -> Result<*mut u8, Error>;
    /// Gives a grant back.
    fn leave_grant(&self, grant_num: usize);
    /// Grants allocated; `None` when the process does not run.
    fn grant_allocated_count(&self) -> Option<usize>;
    /// The grant of a driver, if allocated.
    ///
    /// # Errors
    /// `NoSuchApp` (no such grant), `InactiveApp`.
    fn lookup_grant_from_driver_num(&self, driver_num: usize) -> Result<usize, Error>;
    /// Whether four bytes there are its own, to be called.
    fn is_valid_upcall_function_pointer(&self, upcall_fn: *const ()) -> bool;

    /// Answers a call.
    fn set_syscall_return_value(&self, return_value: SyscallReturn);
    /// Makes it run a function next.
    fn set_process_function(&self, callback: FunctionCall);
    /// Runs it with its regions in the MPU; `None` when it is not running.
    fn switch_to(&self) -> Option<ContextSwitchReason>;

    /// Where it lies.
    fn get_addresses(&self) -> ProcessAddresses;
    /// What the kernel uses of it.
    fn get_sizes(&self) -> ProcessSizes;
    /// Its registers as bytes; returns how many.
    ///
    /// # Errors
    /// `SIZE`.
    fn get_stored_state(&self, out: &mut [u8]) -> Result<usize, ErrorCode>;
    /// The last fault, if any.
    fn get_fault_report(&self) -> Option<FaultReport>;
    /// Prints all about it.
    fn print_full_process(&self, writer: &mut dyn fmt::Write);
    /// Calls made.
    fn debug_syscall_count(&self) -> usize;
    /// Upcalls lost because the queue was full.
    fn debug_dropped_upcall_count(&self) -> usize;
    /// Slices used up.
    fn debug_timeslice_expiration_count(&self) -> usize;
    /// A slice was used up.
    fn debug_timeslice_expired(&self);
    /// The last system call, where the process keeps it.
    fn debug_syscall_last(&self) -> Option<crate::syscall::Syscall> {
        None
    }
}
