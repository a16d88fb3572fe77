//! Kernel image of the Corstone boards.
//!
//! Composes only: capsules on peripherals, the architecture on the core, processes on flash and RAM
//! rows of memory.toml. Decides: ten processes.
#![no_std]
#![no_main]

mod attributes;
mod capsules;
mod faults;
mod install;
mod memory;
mod more_capsules;
mod platform;
mod process_console;
mod processes;
#[cfg(feature = "rules")]
mod rules;
mod scheduler;
mod secure_capsules;
mod start;
mod station;
mod supervision;

use capsules_system::process_checker::credentials::AppCheckerCredentials;
use capsules_system::process_checker::tbf::AppIdAssignerSignedTbfHeader;
use capsules_system::storage_permissions::tbf_header::TbfHeaderStoragePermissions;
use chip::ns::devices::{start_time, ticks};
use cortex_v8m::systick::SysTick;
use kernel::capabilities::{
    ApplicationStorageCapability, MainLoopCapability, MemoryAllocationCapability,
    ProcessManagementCapability, SetDebugWriterCapability,
};
use kernel::debug;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::time::Alarm;
use kernel::ipc::{self, IPC};
use kernel::process::{
    FlashRegion, ProcessArray, ProcessBinary, ProcessCheckerMachine, ProcessLoadingAsync,
    ProcessStandardDebugFull, SequentialProcessLoaderMachine,
};
use kernel::{Kernel, create_capability, static_init};
// Linked for its memcpy and memset.
use faults::{BackoffPolicy, FaultPolicy};
use platform::{Chip, Platform};
use processes::{Announcer, SecureVerifier};
use symmetric as _;

/// Most processes at a time.
pub const NUM_PROCS: u8 = 10;

/// The policy below hands out storage permissions.
struct StorageCapability;
// SAFETY: board code; only the storage policy gets it.
unsafe impl ApplicationStorageCapability for StorageCapability {}
/// Each application stores under its ShortId and sees what it stored, unless its signed header says
/// what else.
type StoragePolicy = TbfHeaderStoragePermissions<Chip, ProcessStandardDebugFull, StorageCapability>;

type Checker = AppCheckerCredentials<'static, SecureVerifier>;
/// What loads processes.
pub type Loader = SequentialProcessLoaderMachine<'static, Chip, ProcessStandardDebugFull>;

fn main() -> ! {
    start_time();
    let boot = ticks();
    #[cfg(feature = "weakened")]
    start::read_switches();
    cortex_v8m::initialize();
    if !memory::STOCK_TFM {
        cortex_v8m::fault::set_mailbox(memory::FAULT_MAILBOX_BASE as usize);
    }
    let memory_cap = create_capability!(MemoryAllocationCapability);
    let process_cap = create_capability!(ProcessManagementCapability);
    let main_cap = create_capability!(MainLoopCapability);
    let debug_cap = create_capability!(SetDebugWriterCapability);

    let Some(regions) = start::regions() else {
        panic!("regions taken twice")
    };
    let slots = static_init!(ProcessArray<{ NUM_PROCS as usize }>, ProcessArray::new()).as_slice();
    let kernel = static_init!(Kernel, Kernel::new(slots));
    let mut capsules = capsules::create(kernel, &memory_cap, regions.audio_rom);
    kernel::debug::set_debug_writer_wrapper(capsules.debug_writer, debug_cap);
    debug!(
        "kernel: tockstone {}, Tock {}.{}, boot {}",
        env!("CARGO_PKG_VERSION"),
        kernel::KERNEL_MAJOR_VERSION,
        kernel::KERNEL_MINOR_VERSION,
        boot
    );
    match capsules.mac {
        Ok(mac) => debug!(
            "kernel: ethernet {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
            mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]
        ),
        Err(e) => debug!("kernel: no ethernet: {:?}", e),
    }

    let chip = static_init!(Chip, Chip::new(capsules.peripherals));
    chip.nvic().initialize();
    for interrupt in chip::ns::chip::ENABLED {
        chip.nvic().enable(interrupt);
    }

    let backoff = static_init!(
        BackoffPolicy,
        faults::backoff(kernel, capsules.restart_alarm)
    );
    backoff.register();
    capsules.restart_alarm.set_alarm_client(backoff);
    let fault_policy = static_init!(FaultPolicy, FaultPolicy(backoff));

    let (supervision, recorder) = supervision::create(
        kernel,
        &capsules,
        regions.crashes,
        fault_policy,
        &memory_cap,
    );
    start::set_panic_resources(slots, chip);
    let verifier = static_init!(SecureVerifier, SecureVerifier::new(capsules.spe));
    let checker = static_init!(
        Checker,
        AppCheckerCredentials::new(verifier, cfg!(feature = "require-credentials"))
    );
    checker.register();
    let machine = static_init!(ProcessCheckerMachine, ProcessCheckerMachine::new(checker));
    machine.register();
    let names = static_init!(
        AppIdAssignerSignedTbfHeader,
        AppIdAssignerSignedTbfHeader {}
    );
    let storage_permissions = static_init!(
        StoragePolicy,
        TbfHeaderStoragePermissions::new(StorageCapability)
    );
    let loader = static_init!(
        Loader,
        SequentialProcessLoaderMachine::in_regions(
            machine,
            static_init!(
                [Option<ProcessBinary>; NUM_PROCS as usize],
                [const { None }; NUM_PROCS as usize]
            ),
            kernel,
            chip,
            static_init!([FlashRegion; 6], regions.flash),
            regions.app_memory,
            recorder,
            storage_permissions,
            names,
            &process_cap,
        )
    );
    loader.register();
    // The product's own RAM stays free for its apps, whichever of them runs, and in which version.
    loader.set_relocatable_memory(
        memory::RAM_POOL_BASE as usize,
        memory::RAM_POOL_SIZE as usize,
    );
    machine.set_client(loader);
    let installed = install::create(
        kernel,
        loader,
        &capsules,
        regions.app_flash,
        (&memory_cap, &process_cap),
    );
    capsules.app_state = installed.state.map(|state| state.driver);
    if let Err(e) = attributes::write(regions.attributes) {
        debug!("kernel: attributes not written: {:?}", e);
    }
    let announcer = static_init!(
        Announcer,
        Announcer::new(loader, &installed, capsules.loading_alarm)
    );
    capsules.loading_alarm.set_alarm_client(announcer);
    loader.set_client(announcer);

    let scheduler = scheduler::create(kernel, slots, capsules.restart_alarm);
    let platform = Platform {
        capsules,
        app_loader: installed.loader,
        supervision,
        ipc: IPC::new(kernel, ipc::DRIVER_NUM, &memory_cap),
        scheduler,
        systick: SysTick::new(),
        fault_policy,
    };
    loader.start();
    kernel.kernel_loop(&platform, chip, Some(&platform.ipc), &main_cap)
}
