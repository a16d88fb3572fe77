//! §4.7: what chips and boards implement; debugging and panics.

use super::R;
use kernel::capabilities::{MainLoopCapability, ProcessManagementCapability};
use kernel::debug::{self, DebugWriter, IoWrite, PanicResources};
use kernel::platform::chip::{
    Chip, ClockInterface, InterruptService, NoClockControl, PanicWriter, ThreadIdProvider,
};
use kernel::platform::mpu::{MPU, Permissions, Region};
use kernel::platform::scheduler_timer::{SchedulerTimer, VirtualSchedulerTimer};
use kernel::platform::watchdog::WatchDog;
use kernel::platform::{
    ContextSwitchCallback, KernelResources, ProcessFault, SyscallDriverLookup, SyscallFilter,
};
use kernel::process::{Process, ProcessPrinter, ProcessSlot};
use kernel::syscall::{Syscall, SyscallDriver};
use kernel::{Kernel, ProcessId};
use std::num::NonZeroU32;

pub fn chips<C: Chip, S: InterruptService, K: ClockInterface, W: PanicWriter>() {
    let _: fn() = C::init;
    let _: [fn(&C); 2] = [C::service_pending_interrupts, C::sleep];
    let _: fn(&C) -> bool = C::has_pending_interrupts;
    let _: fn(&C) -> &C::MPU = C::mpu;
    let _: fn(&C) -> &C::UserspaceKernelBoundary = C::userspace_kernel_boundary;
    let _: fn(&C) -> u8 = |c| c.with_interrupts_disabled(|| 1);
    let _: unsafe fn(Option<&C>, &mut dyn std::fmt::Write) = C::print_state;
    let _: fn() -> usize = <C::ThreadIdProvider as ThreadIdProvider>::running_thread_id;
    let _: fn(&S, u32) -> bool = S::service_interrupt;
    let _: [fn(&K); 2] = [K::enable, K::disable];
    let _: fn(&K) -> bool = K::is_enabled;
    const _: NoClockControl = NoClockControl {};
    fn writer<W: PanicWriter>(_: impl FnOnce(W::Config)) {}
    writer::<W>(|_| ());
}

pub fn protection<M: MPU>() {
    type Config<M> = <M as MPU>::MpuConfig;
    let _: fn(&M) = M::enable_app_mpu;
    let _: unsafe fn(&M) = M::disable_app_mpu;
    let _: fn(&M) -> usize = M::number_total_regions;
    let _: fn(&M) -> Option<Config<M>> = M::new_config;
    let _: fn(&M, &mut Config<M>) = M::reset_config;
    type Allocated = Option<(*const u8, usize)>;
    let _: fn(&M, *const u8, usize, usize, Permissions, &mut Config<M>) -> Option<Region> =
        M::allocate_region;
    let _: fn(&M, Region, &mut Config<M>) -> Result<(), ()> = M::remove_memory_region;
    let _: fn(&M, *const u8, usize, usize, usize, usize, Permissions, &mut Config<M>) -> Allocated =
        M::allocate_app_memory_region;
    let _: fn(&M, *const u8, *const u8, Permissions, &mut Config<M>) -> Result<(), ()> =
        M::update_app_memory_region;
    let _: unsafe fn(&M, &Config<M>) = M::configure_mpu;
    let _: fn(*const u8, usize) -> Region = Region::new;
    let _: fn(&Region) -> *const u8 = Region::start_address;
    let _: fn(&Region) -> usize = Region::size;
    use Permissions::*;
    let _ = [
        ReadWriteExecute,
        ReadWriteOnly,
        ReadExecuteOnly,
        ReadOnly,
        ExecuteOnly,
    ];
}

/// A board, as upstream's are.
pub struct Board<S: 'static> {
    pub console: &'static capsules_core::console::Console<'static>,
    pub scheduler: &'static S,
}

impl<S> SyscallDriverLookup for Board<S> {
    fn with_driver<F, Out>(&self, driver_num: usize, f: F) -> Out
    where
        F: FnOnce(Option<&dyn SyscallDriver>) -> Out,
    {
        match driver_num {
            capsules_core::console::DRIVER_NUM => f(Some(self.console)),
            _ => f(None),
        }
    }
}

impl<C: Chip, S: kernel::Scheduler<C>> KernelResources<C> for Board<S> {
    type SyscallDriverLookup = Self;
    type SyscallFilter = ();
    type ProcessFault = ();
    type ContextSwitchCallback = ();
    type Scheduler = S;
    type SchedulerTimer = ();
    type WatchDog = ();
    fn syscall_driver_lookup(&self) -> &Self::SyscallDriverLookup {
        self
    }
    fn syscall_filter(&self) -> &Self::SyscallFilter {
        &()
    }
    fn process_fault(&self) -> &Self::ProcessFault {
        &()
    }
    fn context_switch_callback(&self) -> &Self::ContextSwitchCallback {
        &()
    }
    fn scheduler(&self) -> &Self::Scheduler {
        self.scheduler
    }
    fn scheduler_timer(&self) -> &Self::SchedulerTimer {
        &()
    }
    fn watchdog(&self) -> &Self::WatchDog {
        &()
    }
}

pub fn hooks<
    F: SyscallFilter,
    P: ProcessFault,
    S: ContextSwitchCallback,
    T: SchedulerTimer,
    W: WatchDog,
>() {
    let _: fn(&F, &dyn Process, &Syscall) -> R = F::filter_syscall;
    let _: fn(&P, &dyn Process) -> Result<(), ()> = P::process_fault_hook;
    let _: fn(&S, &dyn Process) = S::context_switch_hook;
    let _: fn(&T, NonZeroU32) = T::start;
    let _: [fn(&T); 3] = [T::reset, T::arm, T::disarm];
    let _: fn(&T) -> Option<NonZeroU32> = T::get_remaining_us;
    let _: [fn(&W); 4] = [W::setup, W::tickle, W::suspend, W::resume];
}

pub fn virtual_timer<A: kernel::hil::time::Alarm<'static> + 'static>() {
    let _: fn(&'static A) -> VirtualSchedulerTimer<A> = VirtualSchedulerTimer::new;
    // The path that boards name it by since 2025.
    let _: fn(&'static A) -> capsules_system::virtual_scheduler_timer::VirtualSchedulerTimer<A> =
        VirtualSchedulerTimer::new;
}

pub fn main_loop<KR: KernelResources<C>, C: Chip>() {
    type Ipc<'a> = Option<&'a kernel::ipc::IPC<4>>;
    let _: fn(&'static [ProcessSlot]) -> Kernel = Kernel::new;
    let _: fn(&Kernel, &KR, &C, Ipc, &dyn MainLoopCapability) -> ! = Kernel::kernel_loop;
    let _: fn(&Kernel, &KR, &C, Ipc, bool, &dyn MainLoopCapability) = Kernel::kernel_loop_operation;
    let _: fn(&Kernel, ProcessId, &dyn ProcessManagementCapability) -> bool =
        |k, id, cap| k.process_map_or_external(false, id, |p| p.ready(), cap);
    let _: fn(&Kernel, &dyn ProcessManagementCapability) -> usize =
        |k, cap| k.process_iter_capability(cap).count();
    let _: fn(&'static Kernel, &dyn ProcessManagementCapability) =
        |k, cap| k.process_each_capability(cap, |_: &dyn Process| ());
    let _: fn(&Kernel, &dyn ProcessManagementCapability) = Kernel::hardfault_all_apps;
    let _: fn(&Kernel, &dyn kernel::capabilities::ExternalProcessCapability) -> usize =
        Kernel::get_grant_count_and_finalize_external;
    const _: usize = kernel::ipc::DRIVER_NUM - 0x10000;
}

pub fn debugging<
    W: DebugWriter,
    P: ThreadIdProvider,
    C: kernel::capabilities::SetDebugWriterCapability,
    PW: PanicWriter,
    PP: ProcessPrinter + 'static,
    L: kernel::hil::led::Led,
    H: Chip + 'static,
>() {
    let _: fn(&W, &[u8], &[u8]) -> usize = W::write;
    let _: [fn(&W) -> usize; 3] = [W::available_len, W::to_write_len, W::publish];
    let _: fn(&W, &mut dyn IoWrite) = W::flush;
    let _: fn(&'static dyn DebugWriter, C) = debug::set_debug_writer_wrapper;
    let _: fn() = debug::initialize_debug_writer_wrapper::<P>;
    let _: unsafe fn() = debug::initialize_debug_writer_wrapper_unsafe::<P>;
    let _: fn() = debug::initialize_debug_gpio::<P>;
    let _: fn(&'static [&'static dyn kernel::hil::gpio::Pin]) = debug::assign_gpios;
    type Resources<'a, H, PP> = Option<&'a PanicResources<H, PP>>;
    let _: fn() -> PanicResources<H, PP> = PanicResources::new;
    let _: fn(&PanicResources<H, PP>, &'static H, &'static PP, &'static [ProcessSlot]) =
        |r, chip, printer, slots| {
            r.chip.put(chip);
            r.printer.put(printer);
            r.processes.put(slots);
        };
    let _: unsafe fn(PW::Config, &core::panic::PanicInfo, &dyn Fn(), Resources<H, PP>) =
        debug::panic_print::<PW, H, PP>;
    let _: unsafe fn(
        &mut [&L],
        PW::Config,
        &core::panic::PanicInfo,
        &dyn Fn(),
        Resources<H, PP>,
    ) -> ! = debug::panic::<L, PW, H, PP>;
    let _: fn(std::fmt::Arguments) = debug::debug_println;
}
