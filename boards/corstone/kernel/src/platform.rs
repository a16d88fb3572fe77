//! The board as the main loop sees it: drivers, scheduler, timer, and what is said about faults.

use crate::NUM_PROCS;
use crate::capsules::Capsules;
use crate::faults::FaultPolicy;
use crate::more_capsules::ReadOnlyState;
use crate::scheduler::Sched;
use capsules_extra::{app_loader, supervision};
use capsules_system::process_printer::ProcessPrinterText;
use capsules_system::syscall_filter::TbfHeaderFilterDefaultAllow;
use chip::ns::Peripherals;
use chip::ns::devices::CLOCK;
use cortex_v8m::CoreChip;
use cortex_v8m::systick::SysTick;
use kernel::debug;
use kernel::ipc::{self, IPC};
use kernel::platform::{KernelResources, ProcessFault, SyscallDriverLookup};
use kernel::process::Process;
use kernel::syscall::SyscallDriver;

/// The chip: an ARMv8-M core and the non-secure peripherals.
pub type Chip = CoreChip<'static, Peripherals<'static>>;

/// Everything the main loop needs.
pub struct Platform {
    /// Drivers.
    pub capsules: Capsules,
    /// Installs apps.
    pub app_loader: &'static crate::install::Loader,
    /// Tells of processes.
    pub supervision: &'static crate::supervision::Driver,
    /// Drivers.
    pub ipc: IPC<NUM_PROCS>,
    /// Who runs.
    pub scheduler: Sched,
    /// For how long.
    pub systick: SysTick<CLOCK>,
    /// What becomes of a process that faulted.
    pub fault_policy: &'static FaultPolicy,
}

impl SyscallDriverLookup for Platform {
    #[inline(always)]
    fn with_driver<F, R>(&self, driver_num: usize, f: F) -> R
    where
        F: FnOnce(Option<&dyn SyscallDriver>) -> R,
    {
        // One call of `f`, which is then part of the main loop.
        let driver: Option<&dyn SyscallDriver> = match driver_num {
            ipc::DRIVER_NUM => Some(&self.ipc),
            app_loader::DRIVER_NUM => Some(self.app_loader),
            supervision::DRIVER_NUM => Some(self.supervision),
            n => self.capsules.driver(n),
        };
        f(driver)
    }
}

impl ProcessFault for Platform {
    fn process_fault_hook(&self, process: &dyn Process) -> Result<(), ()> {
        // What it leaves in the secure world is released once it is dead.
        self.capsules.process_faulted();
        let slot = process.processid().index().unwrap_or(0);
        let name = process.get_process_name();
        let prospect = self.fault_policy.prospect(process);
        let (restarts, limit) = (prospect.restarts, prospect.limit);
        let report = process.get_fault_report();
        let (reason, pc) = report.map_or(("unknown", 0), |r| (r.reason, r.pc));
        let address = report.and_then(|r| r.address);
        // One line whatever is known, so that tests and people can find it.
        match (address, prospect.delay_ms) {
            (Some(a), Some(delay)) => debug!(
                "kernel: process {} {} faulted: {}, pc 0x{:08x}, address 0x{:08x}; restarting ({}/{}) in {} ms",
                slot,
                name,
                reason,
                pc,
                a,
                restarts + 1,
                limit,
                delay
            ),
            (None, Some(delay)) => debug!(
                "kernel: process {} {} faulted: {}, pc 0x{:08x}; restarting ({}/{}) in {} ms",
                slot,
                name,
                reason,
                pc,
                restarts + 1,
                limit,
                delay
            ),
            (Some(a), None) => debug!(
                "kernel: process {} {} faulted: {}, pc 0x{:08x}, address 0x{:08x}; stopped",
                slot, name, reason, pc, a
            ),
            (None, None) => debug!(
                "kernel: process {} {} faulted: {}, pc 0x{:08x}; stopped",
                slot, name, reason, pc
            ),
        }
        // Everything there is, for people: as a panic of the kernel would print it.
        kernel::debug::print_process(process, &ProcessPrinterText::new(), &mut Debug);
        Err(())
    }
}

/// The kernel's own lines, piece by piece.
struct Debug;

impl core::fmt::Write for Debug {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        kernel::debug::debug_print(format_args!("{text}"));
        Ok(())
    }
}

impl KernelResources<Chip> for Platform {
    type SyscallDriverLookup = Self;
    type SyscallFilter = TbfHeaderFilterDefaultAllow;
    type ProcessFault = Self;
    type ContextSwitchCallback = ReadOnlyState;
    type Scheduler = Sched;
    type SchedulerTimer = SysTick<CLOCK>;
    type WatchDog = ();

    fn syscall_driver_lookup(&self) -> &Self {
        self
    }
    fn syscall_filter(&self) -> &TbfHeaderFilterDefaultAllow {
        &TbfHeaderFilterDefaultAllow {}
    }
    fn process_fault(&self) -> &Self {
        self
    }
    fn context_switch_callback(&self) -> &ReadOnlyState {
        self.capsules.read_only_state()
    }
    fn scheduler(&self) -> &Sched {
        &self.scheduler
    }
    fn scheduler_timer(&self) -> &SysTick<CLOCK> {
        &self.systick
    }
    fn watchdog(&self) -> &() {
        &()
    }
}
