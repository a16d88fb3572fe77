//! The main loop and the system call rules.
//!
//! Owns the order of work (interrupts and deferred calls before processes, unless the scheduler says
//! otherwise) and what each call does before a driver sees it. It knows no chip, and processes only
//! through their trait. A process's answer is always one of its call's variants: subscribe and allow
//! answer refusals with two words, never with plain failure.

use crate::capabilities::{
    ExternalProcessCapability, MainLoopCapability, ProcessManagementCapability,
};
use crate::deferred_call::DeferredCall;
use crate::grant;
use crate::ipc::IPC;
use crate::memop;
use crate::platform::chip::Chip;
use crate::platform::mpu::MPU;
use crate::platform::{
    ContextSwitchCallback, KernelResources, ProcessFault, SchedulerTimer, SyscallDriverLookup,
    SyscallFilter, WatchDog,
};
use crate::process::{Process, ProcessSlot, State, StoppedExecutingReason, Task};
use crate::scheduler::{Scheduler, SchedulingDecision};
use crate::syscall::{ContextSwitchReason, Syscall, SyscallDriver, SyscallReturn, YieldVariant};
use crate::upcall::{Upcall, UpcallId};
use crate::weakened::{Defence, off};
use crate::{ErrorCode, ProcessId};
use core::cell::Cell;
use core::num::NonZeroU32;

/// With less of its slice left than this, in microseconds, a process is not entered again.
pub(crate) const MIN_QUANTA_THRESHOLD_US: u32 = 500;

/// The kernel: its process slots and counters.
pub struct Kernel {
    slots: &'static [ProcessSlot],
    next_identifier: Cell<usize>,
    grant_counter: Cell<usize>,
    grants_finalized: Cell<bool>,
    /// Whom to call when a window on a dead process's memory was closed.
    closed: Cell<Option<&'static DeferredCall>>,
}

impl Kernel {
    /// Over these slots.
    pub const fn new(processes: &'static [ProcessSlot]) -> Kernel {
        Kernel {
            slots: processes,
            next_identifier: Cell::new(0),
            grant_counter: Cell::new(0),
            grants_finalized: Cell::new(false),
            closed: Cell::new(None),
        }
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn slot(&self, index: usize) -> Option<&'static ProcessSlot> {
        self.slots.get(index)
    }

    pub(crate) fn free_slot(&self) -> Option<usize> {
        self.slots.iter().position(|s| s.get().is_none())
    }

    #[inline(always)]
    pub(crate) fn process_at(&self, index: usize) -> Option<&'static dyn Process> {
        self.slots.get(index)?.get()
    }

    #[inline(always)]
    pub(crate) fn process_ref(&self, id: ProcessId) -> Option<&'static dyn Process> {
        self.process_at(id.slot()).filter(|p| p.processid() == id)
    }

    pub(crate) fn processes(&self) -> impl Iterator<Item = &'static dyn Process> + '_ {
        self.slots.iter().filter_map(ProcessSlot::get)
    }

    /// Ends the process in a slot and frees slot and RAM; false while another process still has a
    /// window on that RAM (see [`Self::end_shares`]): then ask again when called
    /// ([`Self::call_when_closed`]). Not from inside a system call: the main loop holds on to the
    /// process that it runs.
    pub(crate) fn release(&self, index: usize) -> bool {
        let Some((slot, process)) = self.slot(index).and_then(|s| Some((s, s.get()?))) else {
            return true;
        };
        process.terminate(None);
        let a = process.get_addresses();
        let free = !self.is_held(a.sram_start, a.sram_end);
        if free {
            slot.proc.set(None);
        }
        free
    }

    /// The process in a slot is dead, and what it shared out of `[start, end)` with it. Whoever has
    /// a window there may be in the middle of using it, so that it is closed at its next yield, in
    /// which it is told; until then nobody else gets the memory.
    pub(crate) fn end_shares(&self, slot: usize, start: usize, end: usize) {
        for other in self.processes().filter(|p| p.processid().slot() != slot) {
            other.end_shares(slot, start, end);
        }
    }

    /// Whether a process has a window on `[start, end)`.
    pub(crate) fn is_held(&self, start: usize, end: usize) -> bool {
        self.processes().any(|p| p.has_share_within(start, end))
    }

    /// Closes the windows on the RAM of the process in a slot, whatever their holders are doing.
    pub(crate) fn close_shares(&self, slot: usize) {
        let Some(process) = self.process_at(slot).filter(|p| !p.is_running()) else {
            return;
        };
        let a = process.get_addresses();
        for other in self.processes() {
            other.close_shares_within(a.sram_start, a.sram_end);
        }
    }

    /// Whom to call whenever a window was closed.
    pub(crate) fn call_when_closed(&self, call: &'static DeferredCall) {
        self.closed.set(Some(call));
    }

    /// A window on a dead process's memory was closed.
    #[cold]
    pub(crate) fn share_closed(&self) {
        for process in self.processes() {
            process.share_closed();
        }
        if let Some(call) = self.closed.get() {
            call.set();
        }
    }

    pub(crate) fn create_process_identifier(&self) -> usize {
        let id = self.next_identifier.get();
        self.next_identifier.set(id + 1);
        id
    }

    pub(crate) fn next_grant_number(&self) -> usize {
        assert!(!self.grants_finalized.get(), "grant made after processes");
        let n = self.grant_counter.get();
        self.grant_counter.set(n + 1);
        n
    }

    pub(crate) fn grant_count(&self) -> usize {
        self.grant_counter.get()
    }

    pub(crate) fn finalize_grants(&self) -> usize {
        self.grants_finalized.set(true);
        self.grant_count()
    }

    /// How many grants there are; there will be no more.
    pub fn get_grant_count_and_finalize_external(
        &self,
        _cap: &dyn ExternalProcessCapability,
    ) -> usize {
        self.finalize_grants()
    }

    /// Calls `f` with the process, or returns `default`.
    pub fn process_map_or_external<F, R>(
        &self,
        default: R,
        id: ProcessId,
        f: F,
        _cap: &dyn ProcessManagementCapability,
    ) -> R
    where
        F: FnOnce(&dyn Process) -> R,
    {
        self.process_ref(id).map_or(default, f)
    }

    /// Calls `f` with every process.
    pub fn process_each_capability<F: FnMut(&dyn Process)>(
        &'static self,
        _cap: &dyn ProcessManagementCapability,
        mut f: F,
    ) {
        for p in self.processes() {
            f(p);
        }
    }

    /// Every process.
    pub fn process_iter_capability(
        &self,
        _cap: &dyn ProcessManagementCapability,
    ) -> impl Iterator<Item = &'static dyn Process> + '_ {
        self.processes()
    }

    /// Faults every process.
    pub fn hardfault_all_apps(&self, _cap: &dyn ProcessManagementCapability) {
        for p in self.processes() {
            p.set_fault_state();
        }
    }

    /// One turn of the main loop.
    #[cfg_attr(optimize_attribute, optimize(speed))]
    pub fn kernel_loop_operation<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8>(
        &self,
        resources: &KR,
        chip: &C,
        ipc: Option<&IPC<NUM_PROCS>>,
        no_sleep: bool,
        _capability: &dyn MainLoopCapability,
    ) {
        let scheduler = resources.scheduler();
        resources.watchdog().tickle();
        if scheduler.do_kernel_work_now(chip) {
            scheduler.execute_kernel_work(chip);
            return;
        }
        match scheduler.next() {
            SchedulingDecision::RunProcess((id, timeslice_us)) => {
                if let Some(process) = self.process_ref(id) {
                    let (reason, time) =
                        self.do_process(resources, chip, process, id, ipc, timeslice_us);
                    scheduler.result(reason, time);
                }
            }
            SchedulingDecision::TrySleep => {
                if !no_sleep {
                    chip.with_interrupts_disabled(|| {
                        // A deferred call cannot appear between the check and the sleep, and an
                        // interrupt ends the sleep even while masked.
                        if !chip.has_pending_interrupts() && !DeferredCall::has_tasks() {
                            resources.watchdog().suspend();
                            chip.sleep();
                            resources.watchdog().resume();
                        }
                    });
                }
            }
        }
    }

    /// The main loop.
    pub fn kernel_loop<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8>(
        &self,
        resources: &KR,
        chip: &C,
        ipc: Option<&IPC<NUM_PROCS>>,
        capability: &dyn MainLoopCapability,
    ) -> ! {
        resources.watchdog().setup();
        DeferredCall::verify_setup();
        loop {
            self.kernel_loop_operation(resources, chip, ipc, false, capability);
        }
    }

    /// Runs one process, that `id` names, until it waits, ends, or must make room.
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn do_process<KR: KernelResources<C>, C: Chip, const NUM_PROCS: u8>(
        &self,
        resources: &KR,
        chip: &C,
        process: &dyn Process,
        id: ProcessId,
        ipc: Option<&IPC<NUM_PROCS>>,
        timeslice_us: Option<NonZeroU32>,
    ) -> (StoppedExecutingReason, Option<u32>) {
        let timer = resources.scheduler_timer();
        let slice = timeslice_us.filter(|_| !off(Defence::TimeSlice));
        match slice {
            Some(us) => timer.start(us),
            None => timer.reset(),
        }
        let filter = resources.syscall_filter();
        let filter = filter.filters(process).then_some(filter);
        // As far as is known: the common turn does not ask.
        let mut state = process.get_state();
        let reason = loop {
            if matches!(state, State::Running) {
                let least = match off(Defence::SliceFloor) {
                    true => 0,
                    false => MIN_QUANTA_THRESHOLD_US,
                };
                if slice.is_some() && !timer.has_more_than_us(least) {
                    process.debug_timeslice_expired();
                    break StoppedExecutingReason::TimesliceExpired;
                }
                if !resources.scheduler().continue_process(id, chip) {
                    break StoppedExecutingReason::KernelPreemption;
                }
                resources
                    .context_switch_callback()
                    .context_switch_hook(process);
                chip.mpu().enable_app_mpu();
                timer.arm();
                // Enters it only if it is running.
                let reason = process.switch_to();
                timer.disarm();
                // SAFETY: no userspace runs before the next `enable_app_mpu`.
                unsafe { chip.mpu().disable_app_mpu() };
                match reason {
                    Some(ContextSwitchReason::SyscallFired { syscall }) => {
                        if let Syscall::Yield {
                            yield_type: YieldVariant::NoWait { .. },
                        } = syscall
                            && let Some(ipc) = ipc
                        {
                            Self::ask_ipc(process, ipc);
                        }
                        self.handle_syscall(
                            resources.syscall_driver_lookup(),
                            filter,
                            process,
                            id,
                            syscall,
                        );
                        if !matches!(syscall, Syscall::Yield { .. } | Syscall::Exit { .. }) {
                            continue;
                        }
                    }
                    Some(ContextSwitchReason::Interrupted) => continue,
                    Some(ContextSwitchReason::Fault) => {
                        Self::faulted(resources.process_fault(), process);
                    }
                    // Running, and yet it could not be entered.
                    None if process.get_state() == State::Running => {
                        Self::faulted(resources.process_fault(), process);
                    }
                    None => {}
                }
                state = process.get_state();
            }
            match state {
                State::Running => continue,
                // It was restarted: the scheduler starts a slice of its own.
                State::Yielded if process.processid() != id => {
                    break StoppedExecutingReason::StoppedFaulted;
                }
                State::Yielded => match process.dequeue_task() {
                    None => break StoppedExecutingReason::NoWorkLeft,
                    Some(Task::FunctionCall(call)) => process.set_process_function(call),
                    // Nobody waits for it any more.
                    Some(Task::ReturnValue(_)) => {}
                    Some(Task::IPC((from, kind))) => {
                        if let Some(ipc) = ipc {
                            let _ = ipc.schedule_upcall(process.processid(), from, kind);
                        }
                    }
                },
                State::YieldedFor(upcall_id) => match process.remove_upcall(upcall_id) {
                    None => break StoppedExecutingReason::NoWorkLeft,
                    Some(Task::FunctionCall(c)) => process.set_syscall_return_value(
                        SyscallReturn::YieldWaitFor(c.argument0, c.argument1, c.argument2),
                    ),
                    Some(Task::ReturnValue(r)) => process.set_syscall_return_value(
                        SyscallReturn::YieldWaitFor(r.argument0, r.argument1, r.argument2),
                    ),
                    Some(Task::IPC(_)) => {}
                },
                State::Faulted | State::Terminated => {
                    break StoppedExecutingReason::StoppedFaulted;
                }
                State::Stopped(_) => break StoppedExecutingReason::Stopped,
            }
            state = process.get_state();
        };
        let time = timeslice_us.map(|us| match off(Defence::TimeSlice) {
            true => 0,
            false => us
                .get()
                .saturating_sub(timer.get_remaining_us().map_or(0, NonZeroU32::get)),
        });
        timer.reset();
        (reason, time)
    }

    /// Makes upcalls of what others notified the process of, in order: whoever does not wait must
    /// not be made to wait by one for which it has no function.
    fn ask_ipc<const NUM_PROCS: u8>(process: &dyn Process, ipc: &IPC<NUM_PROCS>) {
        // Each goes out in front and in again behind, so that there is room and the order stays.
        for _ in 0..process.pending_tasks() {
            match process.dequeue_task() {
                Some(Task::IPC((from, kind))) => {
                    let _ = ipc.schedule_upcall(process.processid(), from, kind);
                }
                Some(task) => {
                    let _ = process.enqueue_task(task);
                }
                None => {}
            }
        }
    }

    #[cold]
    fn faulted<H: ProcessFault>(hook: &H, process: &dyn Process) {
        if hook.process_fault_hook(process).is_err() {
            process.set_fault_state();
        }
    }

    /// Applies the rules of TRD104 to one call of the process that `id` names.
    // Inside the main loop for a command; the rest is called.
    #[inline(always)]
    pub(crate) fn handle_syscall<L: SyscallDriverLookup, F: SyscallFilter>(
        &self,
        lookup: &L,
        filter: Option<&F>,
        process: &dyn Process,
        id: ProcessId,
        syscall: Syscall,
    ) {
        if cfg!(feature = "trace_syscalls") {
            crate::debug!("[{id:?}] {syscall:?}");
        }
        match syscall {
            Syscall::Yield { yield_type } => Self::handle_yield(process, yield_type),
            Syscall::Memop { operand, arg0 } => {
                process.set_syscall_return_value(memop::memop(process, operand, arg0));
            }
            Syscall::Exit {
                which,
                completion_code,
            } => match which {
                0 => process.terminate(Some(completion_code as u32)),
                1 => process.try_restart(Some(completion_code as u32)),
                _ => process.set_syscall_return_value(SyscallReturn::Failure(ErrorCode::NOSUPPORT)),
            },
            Syscall::Command {
                driver_number,
                subdriver_number,
                arg0,
                arg1,
            } => {
                let allowed = filter.map_or(Ok(()), |f| f.filter_syscall(process, &syscall));
                let answer = |ret: SyscallReturn| {
                    if cfg!(feature = "trace_syscalls") {
                        crate::debug!("[{id:?}] = {ret:?}");
                    }
                    process.set_syscall_return_value(ret);
                };
                match allowed {
                    Err(e) => answer(SyscallReturn::Failure(e)),
                    // Answered from inside, so that the answer is not copied about.
                    Ok(()) => lookup.with_driver(driver_number, |driver| match driver {
                        Some(d) => answer(SyscallReturn::from_command_return(d.command(
                            subdriver_number,
                            arg0,
                            arg1,
                            id,
                        ))),
                        None => answer(SyscallReturn::Failure(ErrorCode::NODEVICE)),
                    }),
                }
            }
            _ => {
                let ret = Self::handle_sharing(lookup, filter, process, syscall);
                process.set_syscall_return_value(ret);
            }
        }
    }

    #[inline(always)]
    fn handle_yield(process: &dyn Process, yield_type: YieldVariant) {
        match yield_type {
            YieldVariant::NoWait { ptr } => {
                // Events without a function cannot run, and must not make the process wait.
                let runs = process.purge_null_tasks();
                process.set_byte(ptr, u8::from(runs));
                if runs {
                    process.set_yielded_state();
                }
            }
            YieldVariant::Wait => process.set_yielded_state(),
            YieldVariant::WaitFor {
                driver_number,
                subdriver_number,
            } => process.set_yielded_for_state(UpcallId {
                driver_num: driver_number,
                subscribe_num: subdriver_number,
            }),
            YieldVariant::Unknown => {}
        }
    }

    /// Subscribe and the three allows.
    #[inline(never)]
    #[cfg_attr(optimize_attribute, optimize(speed))]
    fn handle_sharing<L: SyscallDriverLookup, F: SyscallFilter>(
        lookup: &L,
        filter: Option<&F>,
        process: &dyn Process,
        syscall: Syscall,
    ) -> SyscallReturn {
        let allowed = filter.map_or(Ok(()), |f| f.filter_syscall(process, &syscall));
        let with =
            |num: usize, f: &dyn Fn(&dyn SyscallDriver) -> Result<SyscallReturn, ErrorCode>| {
                allowed.and_then(|()| {
                    lookup.with_driver(num, |d| d.map_or(Err(ErrorCode::NODEVICE), f))
                })
            };
        match syscall {
            Syscall::Subscribe {
                driver_number,
                subdriver_number,
                upcall_ptr,
                appdata,
            } => {
                let upcall_id = UpcallId {
                    driver_num: driver_number,
                    subscribe_num: subdriver_number,
                };
                let valid = upcall_ptr.is_null()
                    || process.is_valid_upcall_function_pointer(upcall_ptr.as_ptr());
                // A refusal of the filter comes first, then the address, then the driver.
                let result = if valid || allowed.is_err() {
                    with(driver_number, &|driver| {
                        let old = grant::subscribe(
                            process,
                            driver,
                            Upcall {
                                upcall_id,
                                appdata,
                                fn_ptr: upcall_ptr,
                            },
                        )?;
                        process.remove_pending_upcalls(upcall_id);
                        Ok(SyscallReturn::SubscribeSuccess(
                            old.fn_ptr.as_ptr(),
                            old.appdata.as_usize(),
                        ))
                    })
                } else {
                    Err(ErrorCode::INVAL)
                };
                result.unwrap_or_else(|e| {
                    SyscallReturn::SubscribeFailure(e, upcall_ptr.as_ptr(), appdata.as_usize())
                })
            }
            Syscall::ReadWriteAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            } => with(driver_number, &|driver| {
                let buffer = process.build_readwrite_process_buffer(allow_address, allow_size)?;
                let (ptr, len) =
                    grant::allow_rw(process, driver, driver_number, subdriver_number, buffer)?;
                Ok(SyscallReturn::AllowReadWriteSuccess(ptr, len))
            })
            .unwrap_or_else(|e| SyscallReturn::AllowReadWriteFailure(e, allow_address, allow_size)),
            Syscall::ReadOnlyAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            } => with(driver_number, &|driver| {
                let buffer = process.build_readonly_process_buffer(allow_address, allow_size)?;
                let (ptr, len) =
                    grant::allow_ro(process, driver, driver_number, subdriver_number, buffer)?;
                Ok(SyscallReturn::AllowReadOnlySuccess(ptr, len))
            })
            .unwrap_or_else(|e| SyscallReturn::AllowReadOnlyFailure(e, allow_address, allow_size)),
            Syscall::UserspaceReadableAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            } => with(driver_number, &|driver| {
                let buffer = process.build_readwrite_process_buffer(allow_address, allow_size)?;
                let old = driver
                    .allow_userspace_readable(process.processid(), subdriver_number, buffer)
                    .map_err(|(_, e)| e)?;
                let (ptr, len) = old.consume();
                Ok(SyscallReturn::UserspaceReadableAllowSuccess(ptr, len))
            })
            .unwrap_or_else(|e| {
                SyscallReturn::UserspaceReadableAllowFailure(e, allow_address, allow_size)
            }),
            // The caller hands only these four over.
            _ => SyscallReturn::Failure(ErrorCode::NOSUPPORT),
        }
    }
}
