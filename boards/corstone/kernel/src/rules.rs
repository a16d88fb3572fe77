//! The drivers of tests/rules and their timer, and one that calls the secure world as the kernel
//! does: feature `rules`, for a kernel under test or in a bench.

use crate::capsules::VirtualAlarm;
use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use chip::ns::devices::Timer;
use kernel::capabilities::{
    MemoryAllocationCapability, ProcessManagementCapability, ProcessStartCapability,
};
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks, Time};
use kernel::process::Error;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, Kernel, ProcessId, static_init};
use psa_client::its;
use psa_interface::Status;
use psa_interface::service::ATTESTATION_HANDLE;
use syscall_rules::driver::{self, GrantlessDriver, OtherDriver, RulesDriver};
use syscall_rules::{commands, numbers};
use tfm_psa_driver::{ClientId, KernelClient, Spe, Veneers};

/// What the tested driver may do.
struct Capability;
// SAFETY: board code of a kernel under test, which holds nothing worth protecting.
unsafe impl ProcessManagementCapability for Capability {}
// SAFETY: as above.
unsafe impl ProcessStartCapability for Capability {}

struct Pause(&'static VirtualAlarm);

impl driver::Timer for Pause {
    fn start(&self) {
        self.0.set_alarm(self.0.now(), self.0.ticks_from_ms(1));
    }
}

struct Ring(&'static RulesDriver<Capability>);

impl AlarmClient for Ring {
    fn alarm(&self) {
        self.0.fire();
    }
}

/// Driver [`numbers::SECURE`]: how long the kernel's own way into the secure world takes.
struct SecureCalls(&'static Spe<Veneers>);

/// A type that the attestation service does not know (its own are 1001 and 1002).
const UNKNOWN: i16 = 99;

/// The object that is read over and over.
const UID: u64 = 0x5255_4C45;

impl SecureCalls {
    /// Stores 64 bytes as the kernel's own, reads them so often, and removes them.
    fn get_64(&self, times: usize) -> Result<(), Status> {
        let client = KernelClient(self.0);
        its::set(&client, UID, &[0xA5; 64], 0)?;
        let mut read = [0; 64];
        for _ in 0..times {
            if its::get(&client, UID, 0, &mut read)? != read.len() {
                return Err(Status::GENERIC_ERROR);
            }
        }
        its::remove(&client, UID)
    }
}

impl SyscallDriver for SecureCalls {
    fn command(&self, number: usize, times: usize, _: usize, _: ProcessId) -> CommandReturn {
        const REFUSED: usize = commands::REFUSED as usize;
        const GET_64: usize = commands::GET_64 as usize;
        match number {
            0 => CommandReturn::success(),
            REFUSED => {
                for _ in 0..times {
                    let status = self.0.psa_call(
                        ClientId::KERNEL,
                        ATTESTATION_HANDLE,
                        UNKNOWN,
                        &[],
                        &mut [],
                    );
                    // Nobody but the service says this.
                    if status != Status::NOT_SUPPORTED.0 {
                        return CommandReturn::failure_u32(ErrorCode::FAIL, status as u32);
                    }
                }
                CommandReturn::success()
            }
            GET_64 => match self.get_64(times) {
                Ok(()) => CommandReturn::success(),
                Err(status) => CommandReturn::failure_u32(ErrorCode::FAIL, status.0 as u32),
            },
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, _: ProcessId) -> Result<(), Error> {
        Ok(())
    }
}

/// The drivers.
pub struct Rules {
    secure: SecureCalls,
    rules: &'static RulesDriver<Capability>,
    other: OtherDriver,
    grantless: GrantlessDriver,
}

impl Rules {
    /// Makes them. Once.
    pub fn new(
        kernel: &'static Kernel,
        memory: &dyn MemoryAllocationCapability,
        mux: &'static MuxAlarm<'static, Timer>,
        spe: &'static Spe<Veneers>,
    ) -> Self {
        let alarm = static_init!(VirtualAlarm, VirtualMuxAlarm::new(mux));
        alarm.setup();
        let rules = static_init!(
            RulesDriver<Capability>,
            RulesDriver::new(
                kernel,
                Capability,
                kernel.create_grant(numbers::DRIVER as usize, memory),
                static_init!(Pause, Pause(alarm)),
            )
        );
        alarm.set_alarm_client(static_init!(Ring, Ring(rules)));
        Rules {
            secure: SecureCalls(spe),
            rules,
            other: OtherDriver(kernel.create_grant(numbers::OTHER as usize, memory)),
            grantless: GrantlessDriver,
        }
    }

    /// The driver of `number`, if it is one of them.
    pub fn driver(&self, number: usize) -> Option<&dyn SyscallDriver> {
        const DRIVER: usize = numbers::DRIVER as usize;
        const OTHER: usize = numbers::OTHER as usize;
        const GRANTLESS: usize = numbers::GRANTLESS as usize;
        const SECURE: usize = numbers::SECURE as usize;
        Some(match number {
            SECURE => &self.secure,
            DRIVER => self.rules,
            OTHER => &self.other,
            GRANTLESS => &self.grantless,
            _ => return None,
        })
    }
}
