//! What is remembered of crashes, and who may ask: the process that reports to the cloud.
//!
//! Owns the order at a fault: the report is written, then the policy of restarts decides. It stands
//! at the policy, not at the fault hook, because not every fault passes there: a person at the
//! process console, or a stack that the kernel finds broken, ends a process without it.

use crate::capsules::{Capsules, Rtc};
use crate::faults::FaultPolicy;
use crate::install::short_id;
use crate::process_console::Capability;
use capsules_core::driver::NUM;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::process::{FaultAction, Process, ProcessFaultPolicy};
use kernel::{Kernel, static_init};
use psa_client::fwu::{self, COMPONENT_NONSECURE, COMPONENT_SECURE};
use supervision::ImageVersion;
use tfm_psa_driver::{KernelClient, Spe, Veneers};

/// The driver.
pub type Driver = capsules_extra::supervision::Supervision<Capability>;

/// ShortIds of those who may ask: the process that holds the connection.
static READERS: [u32; 1] = [short_id(b"net-mqtt")];
const _: () = assert!(READERS[0] != 0);

/// Writes a report of each fault.
pub struct Recorder {
    driver: &'static Driver,
    policy: &'static FaultPolicy,
}

impl ProcessFaultPolicy for Recorder {
    fn action(&self, process: &dyn Process) -> FaultAction {
        self.driver
            .record(process, self.policy.prospect(process).delay_ms);
        self.policy.action(process)
    }
}

/// Makes both. Once, before processes are loaded; `places` is where reports lie.
pub fn create(
    kernel: &'static Kernel,
    capsules: &Capsules,
    places: &'static mut [u8],
    policy: &'static FaultPolicy,
    memory: &dyn MemoryAllocationCapability,
) -> (&'static Driver, &'static Recorder) {
    let images = (
        version(capsules.spe, COMPONENT_SECURE),
        version(capsules.spe, COMPONENT_NONSECURE),
    );
    let driver = static_init!(
        Driver,
        Driver::new(
            kernel,
            Capability,
            &READERS,
            static_init!(Rtc, Rtc),
            places,
            images,
            kernel.create_grant(NUM::Supervision as usize, memory),
        )
    );
    (driver, static_init!(Recorder, Recorder { driver, policy }))
}

/// Version of the image that runs; zeros from a secure side that does not say.
fn version(spe: &'static Spe<Veneers>, component: u8) -> ImageVersion {
    let found = fwu::query(&KernelClient(spe), component).map(|info| info.version);
    found.map_or(ImageVersion::default(), |v| ImageVersion {
        major: v.major,
        minor: v.minor,
        revision: v.patch,
        build: v.build,
    })
}
