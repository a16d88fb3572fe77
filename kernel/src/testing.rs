//! A whole kernel on a host: real processes, grants and rules; the test itself is the userspace.
//!
//! A [`TestKernel`] owns a chip whose boundary plays back what a test queued for each process and
//! writes down what the kernel answered. Addresses are host addresses, so buffers are real memory of
//! the process's RAM block. Everything is leaked: a test is short.
//!
//! ```
//! use kernel::testing::TestKernel;
//! let mut t = TestKernel::new();
//! let cap = t.memory_capability();
//! let grant: kernel::grant::Grant<u32, kernel::grant::UpcallCount<1>,
//!     kernel::grant::AllowRoCount<0>, kernel::grant::AllowRwCount<0>> =
//!     t.kernel().create_grant(0x1234, &cap);
//! let p = t.process("app");
//! grant.enter(p.id(), |d, k| { **d = 7; k.schedule_upcall(0, (1, 2, 3)).unwrap() }).unwrap();
//! ```

use crate::capabilities::{
    ApplicationStorageCapability, MainLoopCapability, MemoryAllocationCapability,
    ProcessManagementCapability, ProcessStartCapability,
};
use crate::kernel::Kernel;
use crate::platform::chip::{Chip, ThreadIdProvider};
use crate::platform::mpu::{MPU, Permissions, Region};
use crate::platform::{KernelResources, SyscallDriverLookup};
use crate::process::{
    FaultAction, FunctionCall, Process, ProcessArray, ProcessFaultPolicy, ProcessId,
    ProcessStandard, ProcessStandardStoragePermissionsPolicy, ShortId, StoppedExecutingReason,
    load_processes_as,
};
use crate::scheduler::{Scheduler, SchedulingDecision};
use crate::storage_permissions::StoragePermissions;
use crate::syscall::{
    ContextSwitchReason, Syscall, SyscallDriver, SyscallReturn, UserspaceKernelBoundary,
    YieldVariant,
};
use crate::{ErrorCode, create_capability};
use std::boxed::Box;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::vec::Vec;

/// What the kernel did to a process.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// It answered a call.
    Returned(SyscallReturn),
    /// It made the process run a function.
    Called(FunctionCall),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The process stands behind it, with these in r0 to r3.
    Returned([u32; 4]),
    /// It waits.
    Waits,
    /// It ended, or another life of it began.
    Died,
}

/// What a call did.
#[derive(Clone, Debug)]
pub struct After {
    /// How it ended.
    pub end: End,
    /// Functions that ran meanwhile.
    pub calls: Vec<FunctionCall>,
}

/// The boundary: scripts in, events out, by the process's first RAM address.
#[derive(Default)]
pub struct TestBoundary {
    scripts: RefCell<HashMap<usize, VecDeque<ContextSwitchReason>>>,
    events: RefCell<HashMap<usize, Vec<Event>>>,
    runs: RefCell<HashMap<usize, usize>>,
    /// At its script's end a process stands still instead of waiting.
    parking: core::cell::Cell<bool>,
    /// The one that stands still.
    parked: core::cell::Cell<Option<usize>>,
}

impl TestBoundary {
    fn note(&self, start: *const u8, event: Event) {
        self.events
            .borrow_mut()
            .entry(start.addr())
            .or_default()
            .push(event);
    }
}

impl UserspaceKernelBoundary for TestBoundary {
    type StoredState = ();

    fn initial_process_app_brk_size(&self) -> usize {
        32
    }
    unsafe fn initialize_process(
        &self,
        _start: *const u8,
        _brk: *const u8,
        _state: &mut (),
    ) -> Result<(), ()> {
        Ok(())
    }
    unsafe fn set_syscall_return_value(
        &self,
        start: *const u8,
        _brk: *const u8,
        _state: &mut (),
        return_value: SyscallReturn,
    ) -> Result<(), ()> {
        self.note(start, Event::Returned(return_value));
        Ok(())
    }
    unsafe fn set_process_function(
        &self,
        start: *const u8,
        _brk: *const u8,
        _state: &mut (),
        upcall: FunctionCall,
    ) -> Result<(), ()> {
        self.note(start, Event::Called(upcall));
        Ok(())
    }
    unsafe fn switch_to_process(
        &self,
        start: *const u8,
        _brk: *const u8,
        _state: &mut (),
    ) -> (ContextSwitchReason, Option<*const u8>) {
        *self.runs.borrow_mut().entry(start.addr()).or_default() += 1;
        let next = self
            .scripts
            .borrow_mut()
            .get_mut(&start.addr())
            .and_then(VecDeque::pop_front);
        if next.is_none() && self.parking.get() {
            self.parked.set(Some(start.addr()));
            return (ContextSwitchReason::Interrupted, None);
        }
        // At its script's end a process waits for upcalls for ever.
        let wait = ContextSwitchReason::SyscallFired {
            syscall: Syscall::Yield {
                yield_type: YieldVariant::Wait,
            },
        };
        (next.unwrap_or(wait), None)
    }
    unsafe fn print_context(
        &self,
        _start: *const u8,
        _brk: *const u8,
        _state: &(),
        _writer: &mut dyn core::fmt::Write,
    ) {
    }
    fn store_context(&self, _state: &(), _out: &mut [u8]) -> Result<usize, ErrorCode> {
        Ok(0)
    }
}

/// A process's opened RAM.
#[derive(Default)]
pub struct TestConfig {
    ram: Option<(usize, usize)>,
    shared: Vec<(usize, usize)>,
}

impl core::fmt::Display for TestConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:x?} {:x?}", self.ram, self.shared)
    }
}

/// Regions of 32 bytes, as PMSAv8.
pub struct TestMpu;

// SAFETY: no userspace runs on it.
unsafe impl MPU for TestMpu {
    type MpuConfig = TestConfig;

    fn enable_app_mpu(&self) {}
    unsafe fn disable_app_mpu(&self) {}
    fn number_total_regions(&self) -> usize {
        8
    }
    fn new_config(&self) -> Option<TestConfig> {
        Some(TestConfig::default())
    }
    fn reset_config(&self, config: &mut TestConfig) {
        *config = TestConfig::default();
    }
    fn allocate_region(
        &self,
        start: *const u8,
        size: usize,
        min: usize,
        _permissions: Permissions,
        config: &mut TestConfig,
    ) -> Option<Region> {
        let whole = start.addr().is_multiple_of(32) && min.is_multiple_of(32) && size >= min;
        if !whole || config.shared.len() >= 7 {
            return None;
        }
        config.shared.push((start.addr(), min));
        Some(Region::new(start, min))
    }
    fn remove_memory_region(&self, region: Region, config: &mut TestConfig) -> Result<(), ()> {
        let key = (region.start_address().addr(), region.size());
        let at = config.shared.iter().position(|r| *r == key).ok_or(())?;
        config.shared.remove(at);
        Ok(())
    }
    fn allocate_app_memory_region(
        &self,
        start: *const u8,
        size: usize,
        min: usize,
        app: usize,
        kernel: usize,
        _permissions: Permissions,
        config: &mut TestConfig,
    ) -> Option<(*const u8, usize)> {
        let aligned = start.wrapping_add(start.addr().next_multiple_of(1024) - start.addr());
        let need = min.max(app + kernel).next_multiple_of(32);
        if aligned.addr() + need > start.addr() + size {
            return None;
        }
        config.ram = Some((aligned.addr(), app));
        Some((aligned, need))
    }
    fn update_app_memory_region(
        &self,
        app_break: *const u8,
        kernel_break: *const u8,
        _permissions: Permissions,
        config: &mut TestConfig,
    ) -> Result<(), ()> {
        let (start, _) = config.ram.ok_or(())?;
        let end = app_break.addr().next_multiple_of(32);
        if end > kernel_break.addr() {
            return Err(());
        }
        config.ram = Some((start, end - start));
        Ok(())
    }
    unsafe fn configure_mpu(&self, _config: &TestConfig) {}
}

/// One thread.
pub enum TestThread {}
// SAFETY: each host thread has a kernel of its own.
unsafe impl ThreadIdProvider for TestThread {
    fn running_thread_id() -> usize {
        0
    }
}

/// The chip.
pub struct TestChip {
    mpu: TestMpu,
    boundary: TestBoundary,
}

impl Chip for TestChip {
    type MPU = TestMpu;
    type ThreadIdProvider = TestThread;
    type UserspaceKernelBoundary = TestBoundary;

    fn service_pending_interrupts(&self) {}
    fn has_pending_interrupts(&self) -> bool {
        false
    }
    fn mpu(&self) -> &TestMpu {
        &self.mpu
    }
    fn userspace_kernel_boundary(&self) -> &TestBoundary {
        &self.boundary
    }
    fn sleep(&self) {}
    fn with_interrupts_disabled<F: FnOnce() -> R, R>(&self, f: F) -> R {
        f()
    }
    unsafe fn print_state(_this: Option<&Self>, _writer: &mut dyn core::fmt::Write) {}
}

/// A test may do everything to processes.
pub struct Everything;
// SAFETY: host tests only, which no one else's process is subject to.
unsafe impl ProcessManagementCapability for Everything {}
// SAFETY: as above.
unsafe impl ProcessStartCapability for Everything {}
// SAFETY: as above.
unsafe impl ApplicationStorageCapability for Everything {}

/// A process that faults starts again.
pub struct Restart;
impl ProcessFaultPolicy for Restart {
    fn action(&self, _process: &dyn Process) -> FaultAction {
        FaultAction::Restart
    }
}
static RESTART: Restart = Restart;

/// What the test says; else a process with a name may store for itself.
struct Storage(Option<StoragePermissions>);
impl ProcessStandardStoragePermissionsPolicy<TestChip, ()> for Storage {
    fn get_permissions(&self, process: &ProcessStandard<TestChip, ()>) -> StoragePermissions {
        self.0.unwrap_or_else(|| match process.short_app_id() {
            ShortId::Fixed(id) => StoragePermissions::new_self_only(id, &Everything),
            ShortId::LocallyUnique => StoragePermissions::new_null(),
        })
    }
}

/// The board of the test: drivers by number, and every slot in turn.
pub struct TestKernel {
    kernel: &'static Kernel,
    slots: &'static [crate::process::ProcessSlot],
    chip: &'static TestChip,
    drivers: Vec<(usize, &'static dyn SyscallDriver)>,
    last: core::cell::Cell<usize>,
}

impl Default for TestKernel {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of RAM that a test process asks for.
pub const APP_RAM: u32 = 16 * 1024;

/// A TBF of `total` bytes: Program, name and kernel version; entry and binary right behind them.
pub fn tbf(name: &str, ram: u32, total: u32) -> Vec<u8> {
    let mut tlvs = Vec::new();
    let mut tlv = |kind: u16, value: &[u8]| {
        tlvs.extend(kind.to_le_bytes());
        tlvs.extend((value.len() as u16).to_le_bytes());
        tlvs.extend(value);
        while !tlvs.len().is_multiple_of(4) {
            tlvs.push(0);
        }
    };
    let program: Vec<u8> = [0u32, 0, ram, total, 1]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
    tlv(9, &program);
    tlv(3, name.as_bytes());
    tlv(8, &[2, 0, 0, 0]);
    let mut out = std::vec![2, 0];
    out.extend((16 + tlvs.len() as u16).to_le_bytes());
    out.extend(total.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    let sum = out
        .chunks_exact(4)
        .chain(tlvs.chunks_exact(4))
        .filter_map(|w| w.try_into().ok())
        .fold(0, |s, w| s ^ u32::from_le_bytes(w));
    out.extend(sum.to_le_bytes());
    out.extend(tlvs);
    out.resize(total as usize, 0);
    out
}

impl TestKernel {
    /// An empty kernel with eight slots.
    pub fn new() -> Self {
        let slots: &'static ProcessArray<8> = Box::leak(Box::new(ProcessArray::new()));
        let kernel: &'static Kernel = Box::leak(Box::new(Kernel::new(slots.as_slice())));
        TestKernel {
            kernel,
            slots: slots.as_slice(),
            chip: Box::leak(Box::new(TestChip {
                mpu: TestMpu,
                boundary: TestBoundary::default(),
            })),
            drivers: Vec::new(),
            last: core::cell::Cell::new(0),
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> &'static Kernel {
        self.kernel
    }

    /// For `create_grant`.
    pub fn memory_capability(&self) -> impl MemoryAllocationCapability + use<> {
        create_capability!(MemoryAllocationCapability)
    }

    /// Adds a driver.
    pub fn driver(&mut self, number: usize, driver: &'static dyn SyscallDriver) {
        self.drivers.push((number, driver));
    }

    /// Loads a process; no grant can be made afterwards.
    pub fn process(&self, name: &str) -> TestProcess<'_> {
        self.process_with(name, APP_RAM)
    }

    /// Loads a process that asks for `ram` bytes.
    pub fn process_with(&self, name: &str, ram: u32) -> TestProcess<'_> {
        self.process_as(name, ram, ShortId::LocallyUnique)
    }

    /// As [`TestKernel::process_with`], under a ShortId, as if its credential had been accepted.
    pub fn process_as(&self, name: &str, ram: u32, short_id: ShortId) -> TestProcess<'_> {
        self.process_storing(name, ram, short_id, None)
    }

    /// As [`TestKernel::process_as`], with these storage permissions.
    pub fn process_storing(
        &self,
        name: &str,
        ram: u32,
        short_id: ShortId,
        storage: Option<StoragePermissions>,
    ) -> TestProcess<'_> {
        self.process_of(&tbf(name, ram, 4096), ram, short_id, storage)
    }

    /// Loads the process of this binary, which asks for `ram` bytes.
    pub fn process_of(
        &self,
        binary: &[u8],
        ram: u32,
        short_id: ShortId,
        storage: Option<StoragePermissions>,
    ) -> TestProcess<'_> {
        // Over-aligned, so that flash starts where an MPU region could.
        let mut store = std::vec![0u8; binary.len() + 32];
        let skip = store.as_ptr().addr().next_multiple_of(32) - store.as_ptr().addr();
        store
            .get_mut(skip..skip + binary.len())
            .into_iter()
            .for_each(|flash| flash.copy_from_slice(binary));
        let flash: &'static [u8] = store.leak().get(skip..skip + binary.len()).unwrap_or(&[]);
        let memory = std::vec![0u8; ram as usize + 16 * 1024].leak();
        let index = self.kernel.free_slot();
        let _ = load_processes_as(
            self.kernel,
            self.chip,
            flash,
            memory,
            &RESTART,
            Box::leak(Box::new(Storage(storage))),
            short_id,
        );
        match index.and_then(|i| self.kernel.process_at(i)) {
            Some(process) => TestProcess {
                board: self,
                process,
            },
            None => panic!("no slot or no memory for it"),
        }
    }

    /// The slots, for schedulers.
    pub fn slots(&self) -> &'static [crate::process::ProcessSlot] {
        self.slots
    }

    /// The chip, for loaders.
    pub fn chip(&self) -> &'static TestChip {
        self.chip
    }

    /// For loaders.
    pub fn management_capability(&self) -> impl ProcessManagementCapability + use<> {
        create_capability!(ProcessManagementCapability)
    }

    /// The process in a slot.
    pub fn slot(&self, index: usize) -> Option<&'static dyn Process> {
        self.kernel.process_at(index)
    }

    /// Turns the main loop until nothing is left to do.
    pub fn run(&self) {
        let cap = create_capability!(MainLoopCapability);
        for _ in 0..1_000 {
            let busy = crate::deferred_call::DeferredCall::has_tasks()
                || self.slots.iter().any(|s| s.ready().is_some());
            if !busy || self.chip.boundary.parked.get().is_some() {
                return;
            }
            self.kernel.kernel_loop_operation::<_, _, 8>(
                self,
                self.chip,
                None::<&crate::ipc::IPC<8>>,
                true,
                &cap,
            );
        }
        panic!("the kernel never comes to rest");
    }

    /// As [`Self::run`], with IPC.
    pub fn run_with_ipc(&self, ipc: &crate::ipc::IPC<8>) {
        let cap = create_capability!(MainLoopCapability);
        for _ in 0..1_000 {
            self.kernel
                .kernel_loop_operation(self, self.chip, Some(ipc), true, &cap);
        }
    }
}

impl SyscallDriverLookup for TestKernel {
    fn with_driver<F, R>(&self, driver_num: usize, f: F) -> R
    where
        F: FnOnce(Option<&dyn SyscallDriver>) -> R,
    {
        let found = self.drivers.iter().find(|(n, _)| *n == driver_num);
        f(found.map(|(_, d)| *d))
    }
}

impl Scheduler<TestChip> for TestKernel {
    fn next(&self) -> SchedulingDecision {
        let n = self.slots.len();
        for step in 1..=n {
            let i = (self.last.get() + step) % n;
            if let Some(id) = self.slots.get(i).and_then(|s| s.ready()) {
                self.last.set(i);
                return SchedulingDecision::RunProcess((id, None));
            }
        }
        SchedulingDecision::TrySleep
    }
    fn result(&self, _result: StoppedExecutingReason, _execution_time_us: Option<u32>) {}

    fn continue_process(&self, _id: ProcessId, _chip: &TestChip) -> bool {
        let parked = self.chip.boundary.parked.get().is_some();
        !parked && !crate::deferred_call::DeferredCall::has_tasks()
    }
}

impl KernelResources<TestChip> for TestKernel {
    type SyscallDriverLookup = Self;
    type SyscallFilter = ();
    type ProcessFault = ();
    type ContextSwitchCallback = ();
    type Scheduler = Self;
    type SchedulerTimer = ();
    type WatchDog = ();

    fn syscall_driver_lookup(&self) -> &Self {
        self
    }
    fn syscall_filter(&self) -> &() {
        &()
    }
    fn process_fault(&self) -> &() {
        &()
    }
    fn context_switch_callback(&self) -> &() {
        &()
    }
    fn scheduler(&self) -> &Self {
        self
    }
    fn scheduler_timer(&self) -> &() {
        &()
    }
    fn watchdog(&self) -> &() {
        &()
    }
}

/// One process of a [`TestKernel`].
#[derive(Clone, Copy)]
pub struct TestProcess<'a> {
    board: &'a TestKernel,
    process: &'static dyn Process,
}

impl TestProcess<'_> {
    /// Its identity now.
    pub fn id(&self) -> ProcessId {
        self.process.processid()
    }
    /// The process.
    pub fn process(&self) -> &'static dyn Process {
        self.process
    }
    /// Address of the RAM byte at `offset`.
    pub fn ram(&self, offset: usize) -> usize {
        self.process.get_addresses().sram_start + offset
    }

    fn key(&self) -> usize {
        self.process.get_addresses().sram_start
    }

    /// Queues a call that the process makes when it runs.
    pub fn queue(&self, syscall: Syscall) {
        self.queue_reason(ContextSwitchReason::SyscallFired { syscall });
    }

    /// Queues any end of the process's turn.
    pub fn queue_reason(&self, reason: ContextSwitchReason) {
        let mut scripts = self.board.chip.boundary.scripts.borrow_mut();
        scripts.entry(self.key()).or_default().push_back(reason);
    }

    /// Makes a call and turns the main loop until nothing is left to do; the kernel's last answer
    /// to this process.
    pub fn call(&self, syscall: Syscall) -> Option<SyscallReturn> {
        if self.process.get_state() == crate::process::State::Yielded {
            // Its start-up call, or nothing: make it run.
            self.board.run();
            self.wake();
        }
        self.board.kernel.handle_syscall::<_, ()>(
            self.board,
            None,
            self.process,
            self.id(),
            syscall,
        );
        self.events().into_iter().rev().find_map(|e| match e {
            Event::Returned(r) => Some(r),
            Event::Called(_) => None,
        })
    }

    /// Executes `svc class`, and lets the process run until it stands behind it.
    pub fn svc(&self, class: u8, registers: [usize; 4]) -> After {
        let [r0, r1, r2, r3] = registers;
        let syscall = Syscall::from_register_arguments(class, r0, r1.into(), r2.into(), r3.into());
        self.queue_reason(syscall.map_or(ContextSwitchReason::Fault, |syscall| {
            ContextSwitchReason::SyscallFired { syscall }
        }));
        self.resume(registers)
    }

    /// Lets a process that waits, or never ran, run until it stands still; what its registers were
    /// before decides what they are afterwards.
    pub fn resume(&self, registers: [usize; 4]) -> After {
        let boundary = &self.board.chip.boundary;
        let id = self.id();
        self.events();
        boundary.parked.set(None);
        boundary.parking.set(true);
        self.board.run();
        boundary.parking.set(false);
        let stands = boundary.parked.take() == Some(self.key());
        let mut after = registers.map(|r| r as u32);
        let mut calls = Vec::new();
        for event in self.events() {
            match event {
                Event::Returned(r) => r.encode_trd104_with(|i, word| {
                    after.get_mut(i).into_iter().for_each(|r| *r = word);
                }),
                Event::Called(call) => calls.push(call),
            }
        }
        let end = match (self.id() == id && self.process.is_running(), stands) {
            (false, _) => End::Died,
            (true, true) => End::Returned(after),
            (true, false) => End::Waits,
        };
        After { end, calls }
    }

    /// A byte of its RAM or flash.
    pub fn peek(&self, address: usize) -> Option<u8> {
        let a = self.process.get_addresses();
        let own = (a.sram_start..a.sram_end).contains(&address)
            || (a.flash_start..a.flash_end).contains(&address);
        // SAFETY: inside this process's memory, which lives for ever; it does not run, and the
        // kernel keeps no reference to bytes of a process.
        own.then(|| unsafe { core::ptr::with_exposed_provenance::<u8>(address).read_volatile() })
    }

    /// Makes a waiting process run again, as if an upcall had just returned.
    pub fn wake(&self) {
        self.process.set_process_function(FunctionCall {
            source: crate::process::FunctionCallSource::Kernel,
            argument0: 0,
            argument1: 0,
            argument2: 0,
            argument3: 0usize.into(),
            pc: 0usize.into(),
        });
        self.events();
    }

    /// What the kernel did to it since the last time.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.board.chip.boundary.events.borrow_mut();
        events.remove(&self.key()).unwrap_or_default()
    }

    /// How often it was entered.
    pub fn runs(&self) -> usize {
        let runs = self.board.chip.boundary.runs.borrow();
        runs.get(&self.key()).copied().unwrap_or(0)
    }

    /// Command.
    pub fn command(&self, driver: usize, number: usize, a: usize, b: usize) -> SyscallReturn {
        self.answer(Syscall::Command {
            driver_number: driver,
            subdriver_number: number,
            arg0: a,
            arg1: b,
        })
    }

    /// Subscribe.
    pub fn subscribe(&self, driver: usize, number: usize, f: usize, data: usize) -> SyscallReturn {
        self.answer(Syscall::Subscribe {
            driver_number: driver,
            subdriver_number: number,
            upcall_ptr: f.into(),
            appdata: data.into(),
        })
    }

    /// Read-Write Allow.
    pub fn allow_rw(&self, driver: usize, number: usize, addr: usize, len: usize) -> SyscallReturn {
        self.answer(Syscall::ReadWriteAllow {
            driver_number: driver,
            subdriver_number: number,
            allow_address: core::ptr::with_exposed_provenance_mut(addr),
            allow_size: len,
        })
    }

    /// Read-Only Allow.
    pub fn allow_ro(&self, driver: usize, number: usize, addr: usize, len: usize) -> SyscallReturn {
        self.answer(Syscall::ReadOnlyAllow {
            driver_number: driver,
            subdriver_number: number,
            allow_address: core::ptr::with_exposed_provenance(addr),
            allow_size: len,
        })
    }

    /// Memop.
    pub fn memop(&self, operand: usize, arg0: usize) -> SyscallReturn {
        self.answer(Syscall::Memop { operand, arg0 })
    }

    fn answer(&self, syscall: Syscall) -> SyscallReturn {
        match self.call(syscall) {
            Some(r) => r,
            None => panic!("no answer to {syscall:?}"),
        }
    }
}
