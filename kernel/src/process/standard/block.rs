//! A process's block: carving it up, opening it, and starting over.
//!
//! Owns the addresses of the parts (the layout is the parent module's doc) and the only writes of
//! Rust values into process RAM: grant table, queue and control block.

use super::*;
use crate::process::loading::ProcessLoadError;
use crate::weakened::{Defence, off};
use core::mem::MaybeUninit;

/// A place in `[start, start + len)` for `size` bytes below `top`, aligned down.
fn below(top: usize, size: usize, align: usize) -> Option<usize> {
    Some(top.checked_sub(size)? & !(align - 1))
}

/// Where a footer says what kind it is; 0 is room for credentials, which comes last.
const FOOTER_FORMAT: usize = 4;

/// What a header says of storage: may write; how many it may read, which; may change, which.
type HeaderStorage = (bool, usize, [u32; 8], usize, [u32; 8]);

impl<C: 'static + Chip, D: 'static + ProcessStandardDebug> ProcessStandard<C, D> {
    /// What the TBF's StoragePermissions say, where it has them.
    pub fn get_tbf_storage_permissions(&self) -> Option<HeaderStorage> {
        let write = self.header.get_storage_write_id();
        let read = self.header.get_storage_read_ids();
        let modify = self.header.get_storage_modify_ids();
        if write.is_none() && read.is_none() && modify.is_none() {
            return None;
        }
        let (read, reads) = read.unwrap_or(([0; 8], 0));
        let (modify, modifies) = modify.unwrap_or(([0; 8], 0));
        Some((write.is_some(), reads, read, modifies, modify))
    }

    /// Creates the process of `pb` at the start of the unallocated RAM; `slot` becomes its index.
    ///
    /// # Safety
    /// The range is RAM that nothing refers to, for ever.
    #[allow(clippy::too_many_arguments)]
    pub(in crate::process) unsafe fn create(
        kernel: &'static Kernel,
        chip: &'static C,
        pb: &ProcessBinary,
        unallocated: (*mut u8, usize),
        fault_policy: &'static dyn ProcessFaultPolicy,
        storage_policy: &dyn ProcessStandardStoragePermissionsPolicy<C, D>,
        app_id: ShortId,
        slot: usize,
    ) -> Result<&'static dyn Process, ProcessLoadError> {
        let boundary = chip.userspace_kernel_boundary();
        let mut config = chip
            .mpu()
            .new_config()
            .ok_or(ProcessLoadError::MpuConfigurationError)?;
        chip.mpu()
            .allocate_region(
                pb.flash.as_ptr(),
                pb.flash.len(),
                pb.flash.len(),
                Permissions::ReadExecuteOnly,
                &mut config,
            )
            .ok_or(ProcessLoadError::MpuInvalidFlashLength)?;

        let grant_count = kernel.finalize_grants();
        let initial_app = boundary.initial_process_app_brk_size();
        let kernel_size = grant_count * size_of::<GrantPointerEntry>()
            + QUEUE_LEN * size_of::<Task>()
            + size_of::<Self>()
            + align_of::<GrantPointerEntry>()
            + align_of::<Task>()
            + align_of::<Self>();
        let app_size = (pb.header.get_minimum_app_ram_size() as usize).max(initial_app);
        let wanted = app_size
            .checked_add(kernel_size)
            .and_then(|n| n.checked_next_multiple_of(BLOCK_UNIT))
            .ok_or(ProcessLoadError::NotEnoughMemory)?;
        let (ram, ram_len) = unallocated;
        let (start, memory_len) = chip
            .mpu()
            .allocate_app_memory_region(
                ram,
                ram_len,
                wanted,
                initial_app,
                kernel_size,
                Permissions::ReadWriteOnly,
                &mut config,
            )
            .ok_or(ProcessLoadError::NotEnoughMemory)?;
        let offset = (start.addr())
            .checked_sub(ram.addr())
            .filter(|o| o.checked_add(memory_len).is_some_and(|end| end <= ram_len))
            .ok_or(ProcessLoadError::InternalError)?;
        if let Some(want) = pb.header.get_fixed_address_ram()
            && start.addr() != want as usize
        {
            return Err(ProcessLoadError::MemoryAddressMismatch {
                actual_address: start.addr() as u32,
                expected_address: want,
            });
        }
        let memory_start = ram.wrapping_add(offset);
        let end = memory_start.addr() + memory_len;

        let place =
            |top, size, align| below(top, size, align).ok_or(ProcessLoadError::NotEnoughMemory);
        let grants_at = place(
            end,
            grant_count * size_of::<GrantPointerEntry>(),
            align_of::<GrantPointerEntry>(),
        )?;
        let queue_at = place(grants_at, QUEUE_LEN * size_of::<Task>(), align_of::<Task>())?;
        let pcb_at = place(queue_at, size_of::<Self>(), align_of::<Self>())?;
        let at = |addr: usize| memory_start.wrapping_add(addr - memory_start.addr());
        if pcb_at < memory_start.addr() + initial_app {
            return Err(ProcessLoadError::NotEnoughMemory);
        }

        // SAFETY: three disjoint, aligned places in a block that the caller gave away for ever; the
        // table is written before a reference to it is made, the queue may be uninitialised.
        let (grants, queue) = unsafe {
            let grants: *mut GrantPointerEntry = at(grants_at).cast();
            for i in 0..grant_count {
                grants.add(i).write(GrantPointerEntry::default());
            }
            let queue: *mut MaybeUninit<Task> = at(queue_at).cast();
            (
                core::slice::from_raw_parts(grants, grant_count),
                core::slice::from_raw_parts_mut(queue, QUEUE_LEN),
            )
        };
        let process = ProcessStandard {
            process_id: Cell::new(ProcessId::new(
                kernel,
                kernel.create_process_identifier(),
                slot,
            )),
            app_id,
            chip,
            fault_policy,
            storage_permissions: Cell::new(StoragePermissions::new_null()),
            flash: &raw const *pb.flash,
            header: pb.header,
            has_permissions: pb.header.get_command_permissions(0, 0)
                != CommandPermissions::NoPermsAtAll,
            has_credentials: pb.credential.is_some()
                || (pb.footers.get(FOOTER_FORMAT)).is_some_and(|format| *format != 0),
            credential: pb.credential.get(),
            memory_start,
            memory_len,
            initial_kernel_break: at(pcb_at),
            kernel_break: Cell::new(at(pcb_at)),
            app_break: Cell::new(memory_start.wrapping_add(initial_app)),
            allow_high_water_mark: Cell::new(memory_start),
            grants,
            tasks: MapCell::new(RingBuffer::of_all(queue)),
            state: Cell::new(State::Yielded),
            context: RefCell::new((Default::default(), config)),
            ipc_regions: [const { Cell::new(None) }; MAX_IPC_REGIONS],
            ended_shares: Cell::new(0),
            slices_since: Cell::new(0),
            start_waits: Cell::new(false),
            restart_count: Cell::new(0),
            completion_code: Cell::new(None),
            stack_start: Cell::new(None),
            stack_min: Cell::new(0),
            heap_start: Cell::new(None),
            syscalls: Cell::new(0),
            dropped: Cell::new(0),
            expirations: Cell::new(0),
            _debug: PhantomData,
        };
        // SAFETY: the place of the control block, disjoint from queue, table and app memory.
        let process: &'static Self = unsafe {
            let pcb: *mut Self = at(pcb_at).cast();
            pcb.write(process);
            &*pcb
        };
        process
            .storage_permissions
            .set(storage_policy.get_permissions(process));
        if !process.initialize() {
            return Err(ProcessLoadError::InternalError);
        }
        Ok(process)
    }

    /// Prepares registers and queues the call of the entry function.
    pub(super) fn initialize(&self) -> bool {
        let boundary = self.chip.userspace_kernel_boundary();
        let (start, brk) = (self.memory_start.cast_const(), self.app_break.get());
        let ready = self.stored(|state| {
            // SAFETY: these are this process's bounds.
            unsafe { boundary.initialize_process(start, brk, state) }
        });
        let entry = self
            .flash_start()
            .wrapping_add(self.header.get_init_function_offset() as usize);
        let app_start = self.flash_non_protected_start();
        ready == Some(Ok(()))
            && self
                .enqueue_task(Task::FunctionCall(FunctionCall {
                    source: FunctionCallSource::Kernel,
                    argument0: app_start,
                    argument1: self.memory_start.addr(),
                    argument2: self.memory_len,
                    argument3: self.app_break.get().addr().into(),
                    pc: entry.into(),
                }))
                .is_ok()
    }

    /// Calls `f` with the registers; `None` inside such a call, which never happens.
    #[inline]
    pub(super) fn stored<R>(&self, f: impl FnOnce(&mut State_<C>) -> R) -> Option<R> {
        self.with_context(|state, _| f(state))
    }

    /// Calls `f` with the regions; `None` inside such a call, which never happens.
    #[inline]
    pub(super) fn regions<R>(&self, f: impl FnOnce(&mut Config<C>) -> R) -> Option<R> {
        self.with_context(|_, config| f(config))
    }

    /// Calls `f` with both; `None` inside such a call, which never happens.
    #[inline(always)]
    pub(super) fn with_context<R>(
        &self,
        f: impl FnOnce(&mut State_<C>, &mut Config<C>) -> R,
    ) -> Option<R> {
        let mut context = self.context.try_borrow_mut().ok()?;
        let (state, config) = &mut *context;
        Some(f(state, config))
    }

    #[inline(always)]
    pub(super) fn flash_start(&self) -> usize {
        self.flash.addr()
    }
    #[inline(always)]
    pub(super) fn flash_end(&self) -> usize {
        self.flash_start() + self.flash.len()
    }
    #[inline(always)]
    pub(super) fn flash_non_protected_start(&self) -> usize {
        self.flash_start() + self.header.get_protected_size() as usize
    }
    /// End of what credentials cover.
    pub(super) fn integrity_end(&self) -> usize {
        self.flash_start() + self.header.get_binary_end() as usize
    }
    pub(super) fn memory_end(&self) -> usize {
        self.memory_start.addr() + self.memory_len
    }

    /// Whether `[addr, addr + size)` lies in `[start, end)`; never true when it wraps.
    #[inline(always)]
    pub(super) fn within(addr: usize, size: usize, start: usize, end: usize) -> bool {
        addr >= start && addr.checked_add(size).is_some_and(|e| e <= end)
    }
    #[inline(always)]
    pub(super) fn in_app_owned_memory(&self, addr: usize, size: usize) -> bool {
        off(Defence::BufferRange)
            || Self::within(
                addr,
                size,
                self.memory_start.addr(),
                self.app_break.get().addr(),
            )
    }
    #[inline(always)]
    pub(super) fn in_app_flash(&self, addr: usize, size: usize) -> bool {
        Self::within(
            addr,
            size,
            self.flash_non_protected_start(),
            self.flash_end(),
        )
    }
    #[inline(always)]
    pub(super) fn raise_high_water(&self, end: usize) {
        if !off(Defence::BufferRange) && end > self.allow_high_water_mark.get().addr() {
            self.allow_high_water_mark.set(
                self.memory_start
                    .wrapping_add(end - self.memory_start.addr()),
            );
        }
    }

    pub(super) fn allocate_in_grant_region(
        &self,
        size: usize,
        align: usize,
    ) -> Option<NonNull<u8>> {
        let new = below(self.kernel_break.get().addr(), size, align)?;
        if new < self.app_break.get().addr() {
            return None;
        }
        let ptr = self
            .memory_start
            .wrapping_add(new - self.memory_start.addr());
        // The break as the MPU rounds it up must stay below grants, too.
        self.regions(|config| {
            self.chip.mpu().update_app_memory_region(
                self.app_break.get(),
                ptr,
                Permissions::ReadWriteOnly,
                config,
            )
        })?
        .ok()?;
        self.kernel_break.set(ptr);
        NonNull::new(ptr)
    }

    /// Back to how it was created, with a new identity.
    pub(super) fn reset(&self) -> bool {
        let kernel = self.process_id.get().kernel();
        let slot = self.process_id.get().slot();
        self.process_id.set(ProcessId::new(
            kernel,
            kernel.create_process_identifier(),
            slot,
        ));
        let boundary = self.chip.userspace_kernel_boundary();
        let initial_app = boundary.initial_process_app_brk_size();
        self.app_break
            .set(self.memory_start.wrapping_add(initial_app));
        self.kernel_break.set(self.initial_kernel_break);
        self.allow_high_water_mark.set(self.memory_start);
        self.stack_start.set(None);
        self.stack_min.set(0);
        self.heap_start.set(None);
        let kernel_size = self.memory_end() - self.initial_kernel_break.addr();
        let rebuilt = self.regions(|config| {
            let mpu = self.chip.mpu();
            mpu.reset_config(config);
            let flash = mpu.allocate_region(
                self.flash.cast(),
                self.flash.len(),
                self.flash.len(),
                Permissions::ReadExecuteOnly,
                config,
            );
            let ram = mpu.allocate_app_memory_region(
                self.memory_start,
                self.memory_len,
                self.memory_len,
                initial_app,
                kernel_size,
                Permissions::ReadWriteOnly,
                config,
            );
            flash.is_some() && ram == Some((self.memory_start.cast_const(), self.memory_len))
        });
        self.restart_count.increment();
        self.state.set(State::Yielded);
        rebuilt == Some(true) && {
            self.start_waits.set(true);
            self.start_if_free()
        }
    }

    pub(super) fn restart(&self) {
        if !self.reset() {
            self.state.set(State::Faulted);
        }
    }
}
