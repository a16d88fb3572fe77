//! The drivers of tests/rules and their timer: feature `rules`, for a kernel under test.

use crate::capsules::VirtualAlarm;
use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use chip::ns::devices::Timer;
use kernel::capabilities::{
    MemoryAllocationCapability, ProcessManagementCapability, ProcessStartCapability,
};
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks, Time};
use kernel::syscall::SyscallDriver;
use kernel::{Kernel, static_init};
use syscall_rules::driver::{self, GrantlessDriver, OtherDriver, RulesDriver};
use syscall_rules::numbers;

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

/// The three drivers.
pub struct Rules {
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
        Some(match number {
            DRIVER => self.rules,
            OTHER => &self.other,
            GRANTLESS => &self.grantless,
            _ => return None,
        })
    }
}
