//! A process in its own RAM block.
//!
//! Owns the block's layout, low to high: what the app may use, up to its break; a gap; grants,
//! growing down; this control block; the task queue; the grant pointer table. Invariants:
//! `RAM start <= high water <= app break <= kernel break <= control block`; the MPU opens exactly
//! `[RAM start, break)` (rounded up to its unit, never past the kernel break) and the whole TBF
//! read-execute; no Rust reference ever covers memory below the kernel break except the cells of
//! process buffers.

mod block;
mod shares;

use super::*;
use crate::collections::queue::Queue;
use crate::collections::ring_buffer::RingBuffer;
use crate::platform::chip::Chip;
use crate::platform::mpu::{MPU, Permissions};
use crate::process_checker::AcceptedCredential;
use crate::syscall::UserspaceKernelBoundary;
use crate::utilities::cells::{MapCell, NumericCellExt};
use crate::weakened::{Defence, off};
use core::cell::{Cell, RefCell};
use core::fmt::Write;
use core::marker::PhantomData;
use core::mem::{align_of, size_of};
use shares::Share;
use tock_tbf::types::{CommandPermissions, TbfHeader};

/// Entries of the task queue: upcalls, events and IPC notifications together.
const QUEUE_LEN: usize = 10;
/// IPC regions a process may have at a time.
const MAX_IPC_REGIONS: usize = 6;
/// Writeable flash regions that count; upstream keeps four.
const MOST_WRITEABLE: usize = 16;
/// A process's block ends on this, so that no two share a QEMU MPU page.
const BLOCK_UNIT: usize = 1024;

/// One entry of the grant pointer table.
#[derive(Default)]
struct GrantPointerEntry {
    driver_num: Cell<usize>,
    /// Null until allocated.
    ptr: Cell<Option<NonNull<u8>>>,
    entered: Cell<bool>,
}

type State_<C> = <<C as Chip>::UserspaceKernelBoundary as UserspaceKernelBoundary>::StoredState;
type Config<C> = <<C as Chip>::MPU as MPU>::MpuConfig;

/// A process.
pub struct ProcessStandard<C: 'static + Chip, D: 'static + ProcessStandardDebug> {
    process_id: Cell<ProcessId>,
    app_id: ShortId,
    chip: &'static C,
    fault_policy: &'static dyn ProcessFaultPolicy,
    storage_permissions: Cell<StoragePermissions>,
    /// No reference: the process may have parts of it written.
    flash: *const [u8],
    /// What it refers to is never written with other bytes (`may_write_flash`).
    header: TbfHeader<'static>,
    /// Whether the header lists permissions.
    has_permissions: bool,
    /// Whether a credential covers the binary: accepted, or anything but room in the footers.
    has_credentials: bool,
    credential: Option<AcceptedCredential>,
    memory_start: *mut u8,
    memory_len: usize,
    /// Lowest address of the fixed kernel part: where grants start to grow down from.
    initial_kernel_break: *mut u8,
    kernel_break: Cell<*mut u8>,
    app_break: Cell<*const u8>,
    allow_high_water_mark: Cell<*const u8>,
    grants: &'static [GrantPointerEntry],
    tasks: MapCell<RingBuffer<'static, Task>>,
    state: Cell<State>,
    /// Registers and regions: what of it the chip needs.
    context: RefCell<(State_<C>, Config<C>)>,
    ipc_regions: [Cell<Option<Share>>; MAX_IPC_REGIONS],
    /// How many of them are not open any more.
    ended_shares: Cell<u8>,
    /// Slices used up since one ended.
    slices_since: Cell<u8>,
    /// It was restarted, and starts when nobody has a window on its last life.
    start_waits: Cell<bool>,
    restart_count: Cell<usize>,
    completion_code: Cell<Option<Option<u32>>>,
    stack_start: Cell<Option<usize>>,
    /// Lowest stack pointer seen; 0 before it told where its stack is.
    stack_min: Cell<usize>,
    heap_start: Cell<Option<usize>>,
    syscalls: Cell<usize>,
    dropped: Cell<usize>,
    expirations: Cell<usize>,
    _debug: PhantomData<D>,
}

// Addresses from userspace are checked against the process's bounds, never followed as they come.
#[allow(clippy::not_unsafe_ptr_arg_deref)]
impl<C: 'static + Chip, D: 'static + ProcessStandardDebug> Process for ProcessStandard<C, D> {
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn processid(&self) -> ProcessId {
        self.process_id.get()
    }
    fn short_app_id(&self) -> ShortId {
        self.app_id
    }
    fn binary_version(&self) -> Option<BinaryVersion> {
        NonZeroU32::new(self.header.get_binary_version()).map(BinaryVersion::new)
    }
    fn get_credential(&self) -> Option<AcceptedCredential> {
        self.credential
    }
    fn get_restart_count(&self) -> usize {
        self.restart_count.get()
    }
    fn get_process_name(&self) -> &'static str {
        self.header.get_package_name().unwrap_or("")
    }
    fn get_completion_code(&self) -> Option<Option<u32>> {
        self.completion_code.get()
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn pending_tasks(&self) -> usize {
        self.tasks.map_or(0, |t| t.len())
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn enqueue_task(&self, task: Task) -> Result<(), ErrorCode> {
        if !self.is_running() {
            return Err(ErrorCode::NODEVICE);
        }
        let ipc = Notice::of(&task).is_some();
        let enqueued = self.tasks.map_or(false, |t| {
            if t.enqueue(task) {
                return true;
            }
            let merged = if ipc { 0 } else { merge_ipc(t) };
            self.dropped.add(merged);
            merged > 0 && t.enqueue(task)
        });
        if enqueued {
            Ok(())
        } else {
            self.dropped.increment();
            Err(ErrorCode::NOMEM)
        }
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn dequeue_task(&self) -> Option<Task> {
        if self.ended_shares.get() > 0
            && let Some(call) = self.next_ended()
        {
            return Some(Task::FunctionCall(call));
        }
        self.tasks.and_then(|t| t.dequeue())
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn remove_upcall(&self, upcall_id: UpcallId) -> Option<Task> {
        self.tasks
            .and_then(|t| t.remove_first_matching(|task| event_of(task) == Some(upcall_id)))
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn remove_pending_upcalls(&self, upcall_id: UpcallId) -> usize {
        self.tasks.map_or(0, |t| {
            let before = t.len();
            t.retain(|task| {
                !matches!(task, Task::FunctionCall(c)
                    if c.source == FunctionCallSource::Driver(upcall_id))
            });
            before - t.len()
        })
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn purge_null_tasks(&self) -> bool {
        self.tasks.map_or(false, |t| {
            t.retain(|task| !matches!(task, Task::ReturnValue(_)));
            t.has_elements()
        }) || self.hears_of_end()
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn get_state(&self) -> State {
        self.state.get()
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn ready(&self) -> bool {
        match self.state.get() {
            State::Running => true,
            State::Yielded => self.has_tasks() || self.ended_shares.get() > 0,
            State::YieldedFor(id) => self
                .tasks
                .map_or(false, |t| t.iter().any(|task| event_of(task) == Some(id))),
            State::Stopped(_) | State::Faulted | State::Terminated => false,
        }
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn is_running(&self) -> bool {
        !matches!(self.state.get(), State::Terminated | State::Faulted)
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn set_yielded_state(&self) {
        if self.state.get() == State::Running {
            self.state.set(State::Yielded);
        }
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn set_yielded_for_state(&self, upcall_id: UpcallId) {
        if self.state.get() == State::Running {
            self.state.set(State::YieldedFor(upcall_id));
        }
    }

    fn stop(&self) {
        let stopped = match self.state.get() {
            State::Running => StoppedState::Running,
            State::Yielded => StoppedState::Yielded,
            State::YieldedFor(id) => StoppedState::YieldedFor(id),
            _ => return,
        };
        self.state.set(State::Stopped(stopped));
    }

    fn resume(&self) {
        if let State::Stopped(stopped) = self.state.get() {
            self.state.set(match stopped {
                StoppedState::Running => State::Running,
                StoppedState::Yielded => State::Yielded,
                StoppedState::YieldedFor(id) => State::YieldedFor(id),
            });
        }
    }

    fn set_fault_state(&self) {
        match self.fault_policy.action(self) {
            FaultAction::Panic => {
                self.state.set(State::Faulted);
                panic!("Process {} had a fault", self.get_process_name());
            }
            FaultAction::Restart => self.try_restart(None),
            FaultAction::Stop => {
                self.terminate(None);
                self.state.set(State::Faulted);
            }
        }
    }

    fn start(&self, _cap: &dyn crate::capabilities::ProcessStartCapability) {
        if self.state.get() == State::Terminated {
            self.restart();
        }
    }

    fn try_restart(&self, completion_code: Option<u32>) {
        if self.is_running() {
            self.terminate(completion_code);
            self.restart();
        }
    }

    fn terminate(&self, completion_code: Option<u32>) {
        self.start_waits.set(false);
        if !self.is_running() {
            return;
        }
        self.tasks.map(|t| t.empty());
        for g in self.grants {
            g.ptr.set(None);
            g.entered.set(false);
        }
        self.completion_code.set(Some(completion_code));
        self.state.set(State::Terminated);
        self.drop_shares();
        let (start, end) = (self.memory_start.addr(), self.memory_end());
        let id = self.process_id.get();
        id.kernel().end_shares(id.slot(), start, end);
    }

    fn brk(&self, new_break: *const u8) -> Result<CapabilityPtr, Error> {
        if !self.is_running() {
            return Err(Error::InactiveApp);
        }
        let new = new_break.addr();
        let lowest = self.allow_high_water_mark.get().addr();
        let anywhere = off(Defence::BreakRange);
        if !anywhere && (new < lowest.max(self.memory_start.addr()) || new >= self.memory_end()) {
            return Err(Error::AddressOutOfBounds);
        }
        if !anywhere && new > self.kernel_break.get().addr() {
            return Err(Error::OutOfMemory);
        }
        let new_break = self
            .memory_start
            .wrapping_add(new - self.memory_start.addr());
        self.regions(|config| {
            self.chip.mpu().update_app_memory_region(
                new_break,
                if anywhere {
                    core::ptr::without_provenance(usize::MAX)
                } else {
                    self.kernel_break.get()
                },
                Permissions::ReadWriteOnly,
                config,
            )
        })
        .ok_or(Error::KernelError)?
        .map_err(|()| Error::OutOfMemory)?;
        let old = self.app_break.get();
        // Without the defence what lies there may be the kernel's.
        if new > old.addr() && !anywhere {
            let grown = self
                .memory_start
                .wrapping_add(old.addr() - self.memory_start.addr());
            // SAFETY: `[old break, new break)` lies in this block, below the kernel break, where no
            // reference points (buffers end at or below the old break).
            unsafe { grown.write_bytes(0, new - old.addr()) };
        }
        self.app_break.set(new_break);
        self.setup_mpu();
        Ok(old.into())
    }

    fn sbrk(&self, increment: isize) -> Result<CapabilityPtr, Error> {
        let new = self
            .app_break
            .get()
            .addr()
            .checked_add_signed(increment)
            .ok_or(Error::AddressOutOfBounds)?;
        self.brk(core::ptr::without_provenance(new))
    }

    fn number_writeable_flash_regions(&self) -> usize {
        self.header.number_writeable_flash_regions()
    }
    fn get_writeable_flash_region(&self, region_index: usize) -> (usize, usize) {
        self.header.get_writeable_flash_region(region_index)
    }
    fn may_write_flash(&self, address: usize, size: usize) -> Result<(), ErrorCode> {
        if off(Defence::WriteableFlash) {
            return Ok(());
        }
        let own = self.flash_non_protected_start()..self.integrity_end();
        // The header says anything: a region counts as far as it lies in what is the process's own.
        let inside = (0..MOST_WRITEABLE).any(|i| {
            let (offset, len) = self.header.get_writeable_flash_region(i);
            let region = self.flash_start().saturating_add(offset);
            let end = region.saturating_add(len).min(own.end);
            Self::within(address, size, region.max(own.start), end)
        });
        match (inside, self.has_credentials) {
            (false, _) => Err(ErrorCode::INVAL),
            (true, true) => Err(ErrorCode::NOSUPPORT),
            (true, false) => Ok(()),
        }
    }
    fn update_stack_start_pointer(&self, stack_pointer: *const u8) {
        let a = stack_pointer.addr();
        if a >= self.memory_start.addr() && a < self.memory_end() {
            self.stack_start.set(Some(a));
            self.stack_min.set(a);
        }
    }
    fn update_heap_start_pointer(&self, heap_pointer: *const u8) {
        let a = heap_pointer.addr();
        if a >= self.memory_start.addr() && a < self.memory_end() {
            self.heap_start.set(Some(a));
        }
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn build_readwrite_process_buffer(
        &self,
        buf_start_addr: *mut u8,
        size: usize,
    ) -> Result<ReadWriteProcessBuffer, ErrorCode> {
        if !self.is_running() {
            return Err(ErrorCode::FAIL);
        }
        let addr = buf_start_addr.addr();
        if size != 0 {
            if !self.in_app_owned_memory(addr, size) {
                return Err(ErrorCode::INVAL);
            }
            self.raise_high_water(addr + size);
        }
        // SAFETY: empty, or inside this process's RAM below a break that can no longer drop below
        // its end.
        Ok(unsafe { ReadWriteProcessBuffer::new(buf_start_addr, size, self.processid()) })
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn build_readonly_process_buffer(
        &self,
        buf_start_addr: *const u8,
        size: usize,
    ) -> Result<ReadOnlyProcessBuffer, ErrorCode> {
        if !self.is_running() {
            return Err(ErrorCode::FAIL);
        }
        let addr = buf_start_addr.addr();
        if size != 0 {
            if self.in_app_owned_memory(addr, size) {
                self.raise_high_water(addr + size);
            } else if !self.in_app_flash(addr, size) {
                return Err(ErrorCode::INVAL);
            }
        }
        // SAFETY: empty, or inside this process's RAM as above, or inside its flash, which stays.
        Ok(unsafe { ReadOnlyProcessBuffer::new(buf_start_addr, size, self.processid()) })
    }

    fn set_byte(&self, addr: *mut u8, value: u8) -> bool {
        if !self.in_app_owned_memory(addr.addr(), 1) {
            return false;
        }
        let at = self
            .memory_start
            .wrapping_add(addr.addr().wrapping_sub(self.memory_start.addr()));
        // SAFETY: inside this process's RAM below its break; the process itself does not run.
        unsafe { at.write_volatile(value) };
        true
    }

    fn get_command_permissions(&self, driver_num: usize, offset: usize) -> CommandPermissions {
        self.header.get_command_permissions(driver_num, offset)
    }
    fn has_permissions(&self) -> bool {
        self.has_permissions
    }
    fn get_header(&self) -> Option<TbfHeader<'static>> {
        Some(self.header)
    }
    fn get_storage_permissions(&self) -> StoragePermissions {
        self.storage_permissions.get()
    }

    #[inline]
    fn setup_mpu(&self) {
        self.regions(|config| {
            // SAFETY: built above for this process.
            unsafe { self.chip.mpu().configure_mpu(config) };
        });
    }

    fn add_mpu_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
    ) -> Option<mpu::Region> {
        let wanted = mpu::Region::new(unallocated_memory_start, unallocated_memory_size);
        if self.share(wanted).is_some() {
            return Some(wanted);
        }
        let free = self.ipc_regions.iter().find(|r| r.get().is_none())?;
        let region = self.regions(|config| {
            self.chip.mpu().allocate_region(
                unallocated_memory_start,
                unallocated_memory_size,
                min_region_size,
                Permissions::ReadWriteOnly,
                config,
            )
        })??;
        free.set(Some(Share::new(region)));
        Some(region)
    }

    fn remove_mpu_region(&self, region: mpu::Region) -> Result<(), ErrorCode> {
        let held = self.share(region).ok_or(ErrorCode::INVAL)?;
        self.close_region(region)?;
        held.set(None);
        Ok(())
    }

    fn open_share(&self, start: *const u8, len: usize, which: usize) -> bool {
        self.add_mpu_region(start, len, len)
            .is_some_and(|region| self.told_by(region, which))
    }
    fn end_shares(&self, slot: usize, start: usize, end: usize) {
        self.end_within(slot, start, end);
    }
    fn has_share_within(&self, start: usize, end: usize) -> bool {
        self.holds_within(start, end)
    }
    fn close_shares_within(&self, start: usize, end: usize) {
        self.close_within(start, end);
    }
    fn share_closed(&self) {
        self.start_if_free();
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn allocate_grant(
        &self,
        grant_num: usize,
        driver_num: usize,
        size: usize,
        align: usize,
    ) -> Result<NonNull<u8>, ()> {
        if !self.is_running() {
            return Err(());
        }
        let entry = self.grants.get(grant_num).ok_or(())?;
        let taken =
            |g: &GrantPointerEntry| g.ptr.get().is_some() && g.driver_num.get() == driver_num;
        if entry.ptr.get().is_some() || self.grants.iter().any(taken) {
            return Err(());
        }
        let ptr = self.allocate_in_grant_region(size, align).ok_or(())?;
        entry.driver_num.set(driver_num);
        entry.ptr.set(Some(ptr));
        Ok(ptr)
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn grant_is_allocated(&self, grant_num: usize) -> Option<bool> {
        if !self.is_running() {
            return None;
        }
        self.grants.get(grant_num).map(|g| g.ptr.get().is_some())
    }

    fn allocate_custom_grant(
        &self,
        size: usize,
        align: usize,
    ) -> Result<(ProcessCustomGrantIdentifier, NonNull<u8>), ()> {
        if !self.is_running() {
            return Err(());
        }
        let ptr = self.allocate_in_grant_region(size, align).ok_or(())?;
        let offset = self.memory_end() - ptr.as_ptr().addr();
        Ok((ProcessCustomGrantIdentifier { offset }, ptr))
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn enter_grant(&self, grant_num: usize) -> Result<NonNull<u8>, Error> {
        if !self.is_running() {
            return Err(Error::InactiveApp);
        }
        let entry = self
            .grants
            .get(grant_num)
            .ok_or(Error::AddressOutOfBounds)?;
        let ptr = entry.ptr.get().ok_or(Error::KernelError)?;
        if entry.entered.replace(true) {
            return Err(Error::AlreadyInUse);
        }
        Ok(ptr)
    }

    fn enter_custom_grant(
        &self,
        identifier: ProcessCustomGrantIdentifier,
    ) -> Result<*mut u8, Error> {
        if !self.is_running() {
            return Err(Error::InactiveApp);
        }
        let at = self.memory_len.checked_sub(identifier.offset);
        Ok(self
            .memory_start
            .wrapping_add(at.ok_or(Error::AddressOutOfBounds)?))
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn leave_grant(&self, grant_num: usize) {
        if let Some(entry) = self.grants.get(grant_num) {
            entry.entered.set(false);
        }
    }

    fn grant_allocated_count(&self) -> Option<usize> {
        self.is_running()
            .then(|| self.grants.iter().filter(|g| g.ptr.get().is_some()).count())
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn lookup_grant_from_driver_num(&self, driver_num: usize) -> Result<usize, Error> {
        if !self.is_running() {
            return Err(Error::InactiveApp);
        }
        self.grants
            .iter()
            .position(|g| g.driver_num.get() == driver_num && g.ptr.get().is_some())
            .ok_or(Error::NoSuchApp)
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn is_valid_upcall_function_pointer(&self, upcall_fn: *const ()) -> bool {
        let addr = upcall_fn.addr();
        off(Defence::UpcallRange) || self.in_app_flash(addr, 4) || self.in_app_owned_memory(addr, 4)
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn set_syscall_return_value(&self, return_value: SyscallReturn) {
        let (start, brk) = (self.memory_start.cast_const(), self.app_break.get());
        let boundary = self.chip.userspace_kernel_boundary();
        // SAFETY: these are this process's bounds; the boundary does not come back to the process,
        // and nobody else has its state (`with_context`).
        let done = unsafe {
            let (state, _) = &mut *self.context.as_ptr();
            boundary.set_syscall_return_value(start, brk, state, return_value)
        };
        match done {
            Ok(()) => {
                if let State::YieldedFor(_) = self.state.get() {
                    self.state.set(State::Running);
                }
            }
            // Its stack pointer left its memory between the call and the answer.
            _ => self.set_fault_state(),
        }
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn set_process_function(&self, callback: FunctionCall) {
        let (start, brk) = (self.memory_start.cast_const(), self.app_break.get());
        let done = self.stored(|state| {
            let boundary = self.chip.userspace_kernel_boundary();
            // SAFETY: these are this process's bounds.
            unsafe { boundary.set_process_function(start, brk, state, callback) }
        });
        match done {
            Some(Ok(())) => self.state.set(State::Running),
            _ => self.set_fault_state(),
        }
    }

    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn switch_to(&self) -> Option<ContextSwitchReason> {
        if self.state.get() != State::Running {
            return None;
        }
        let (start, brk) = (self.memory_start.cast_const(), self.app_break.get());
        let boundary = self.chip.userspace_kernel_boundary();
        // SAFETY: this process's regions, and then they are in the MPU. Neither the MPU nor the
        // boundary comes back to the process, and nobody else has its state (`with_context`): the
        // two ways of each system call go without its mark.
        let (reason, sp) = unsafe {
            let (state, config) = &mut *self.context.as_ptr();
            self.chip.mpu().configure_mpu(config);
            boundary.switch_to_process(start, brk, state)
        };
        if let ContextSwitchReason::SyscallFired { .. } = reason {
            self.syscalls.increment();
        }
        if let Some(sp) = sp
            && sp.addr() < self.stack_min.get()
        {
            self.stack_min.set(sp.addr());
        }
        Some(reason)
    }

    fn get_addresses(&self) -> ProcessAddresses {
        ProcessAddresses {
            flash_start: self.flash_start(),
            flash_non_protected_start: self.flash_non_protected_start(),
            flash_integrity_end: self.flash.cast::<u8>().with_addr(self.integrity_end()),
            flash_end: self.flash_end(),
            sram_start: self.memory_start.addr(),
            sram_app_brk: self.app_break.get().addr(),
            sram_grant_start: self.kernel_break.get().addr(),
            sram_end: self.memory_end(),
            sram_heap_start: self.heap_start.get(),
            sram_stack_top: self.stack_start.get(),
            sram_stack_bottom: Some(self.stack_min.get()).filter(|sp| *sp != 0),
        }
    }

    fn get_sizes(&self) -> ProcessSizes {
        ProcessSizes {
            grant_pointers: core::mem::size_of_val(self.grants),
            upcall_list: QUEUE_LEN * size_of::<Task>(),
            process_control_block: size_of::<Self>(),
        }
    }

    fn get_stored_state(&self, out: &mut [u8]) -> Result<usize, ErrorCode> {
        self.stored(|s| self.chip.userspace_kernel_boundary().store_context(s, out))
            .unwrap_or(Err(ErrorCode::FAIL))
    }

    fn get_fault_report(&self) -> Option<FaultReport> {
        self.stored(|s| self.chip.userspace_kernel_boundary().fault_report(s))
            .flatten()
    }

    fn print_full_process(&self, w: &mut dyn Write) {
        if let Some(fault) = self.get_fault_report() {
            let _ = write!(w, " Fault: {}, pc 0x{:08x}", fault.reason, fault.pc);
            if let Some(address) = fault.address {
                let _ = write!(w, ", address 0x{address:08x}");
            }
            let _ = write!(w, "\r\n");
        }
        self.stored(|state| {
            let boundary = self.chip.userspace_kernel_boundary();
            // SAFETY: these are this process's bounds.
            unsafe { boundary.print_context(self.memory_start, self.app_break.get(), state, w) };
        });
        self.regions(|config| {
            let _ = write!(w, " MPU regions\r\n{config}");
        });
        let _ = write!(w, " Grants\r\n");
        for entry in self.grants {
            if let Some(ptr) = entry.ptr.get() {
                // SAFETY: allocated, and what allocates it initialises it in the same call.
                unsafe { crate::grant::print(ptr, entry.driver_num.get(), w) };
            }
        }
    }

    fn debug_syscall_count(&self) -> usize {
        self.syscalls.get()
    }
    fn debug_dropped_upcall_count(&self) -> usize {
        self.dropped.get()
    }
    fn debug_timeslice_expiration_count(&self) -> usize {
        self.expirations.get()
    }
    fn debug_timeslice_expired(&self) {
        self.expirations.increment();
        self.slice_used_up();
    }
}

/// What two tasks that say the same have in common: a notice, before and after it became a call.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Notice {
    Ipc(ProcessId, IPCUpcallType),
    Call(UpcallId, usize, usize, usize),
}

impl Notice {
    fn of(task: &Task) -> Option<Self> {
        match task {
            Task::IPC((from, kind)) => Some(Notice::Ipc(*from, *kind)),
            Task::FunctionCall(FunctionCall {
                source: FunctionCallSource::Driver(id),
                argument0,
                argument1,
                argument2,
                ..
            }) if id.driver_num == crate::ipc::DRIVER_NUM => {
                Some(Notice::Call(*id, *argument0, *argument1, *argument2))
            }
            _ => None,
        }
    }
}

/// Makes room for a driver's event in a full queue: an IPC notice that stands there twice says
/// nothing twice, and must not cost a process the one event that it waits for in Yield-WaitFor.
/// How many were removed.
fn merge_ipc(tasks: &mut impl Queue<Task>) -> usize {
    let mut seen: [Option<Notice>; QUEUE_LEN] = [None; QUEUE_LEN];
    let mut removed = 0;
    tasks.retain(|task| {
        let notice = Notice::of(task);
        if notice.is_none() {
            return true;
        }
        if seen.contains(&notice) {
            removed += 1;
            return false;
        }
        if let Some(slot) = seen.iter_mut().find(|slot| slot.is_none()) {
            *slot = notice;
        }
        true
    });
    removed
}

/// The subscription whose event a task is.
fn event_of(task: &Task) -> Option<UpcallId> {
    match task {
        Task::FunctionCall(FunctionCall {
            source: FunctionCallSource::Driver(id),
            ..
        }) => Some(*id),
        Task::ReturnValue(r) => Some(r.upcall_id),
        _ => None,
    }
}
