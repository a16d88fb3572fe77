//! Drivers that no product app needs and upstream's apps expect: buttons, process info, state, storage.
//!
//! Owns what they stand on: buttons that are looked at, pages of Protected Storage, and who may set
//! the states of processes: whose signed TBF header allows driver 0x10002's command 6 by name.

use crate::capsules::VirtualAlarm;
use crate::process_console;
use capsules_core::button::{self, Button};
use capsules_core::driver::NUM;
use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use capsules_extra::isolated_nonvolatile_storage_driver::{HEADER, IsolatedNonvolatileStorage};
use capsules_extra::nonvolatile_storage_driver::NonvolatileStorage;
use capsules_extra::polled_pin::PolledPin;
use capsules_extra::process_info_driver::{self, ProcessInfo};
use capsules_extra::read_only_state::ReadOnlyStateDriver;
use capsules_psa::PsaNvm;
use capsules_system::syscall_filter::lists_command;
use chip::ns::MappedBus;
use chip::ns::devices::Timer;
use chip::ns::fpgaio::FpgaButton;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::gpio::{ActivationMode, FloatingState, InterruptValueWrapper, InterruptWithValue};
use kernel::hil::nonvolatile_storage::NonvolatileStorage as _;
use kernel::hil::time::Alarm;
use kernel::process::{Process, ShortId};
use kernel::syscall::SyscallDriver;
use kernel::{Kernel, static_init};
use tfm_psa_driver::{Spe, Veneers};

/// Bytes of a page of Protected Storage.
const PAGE: usize = 2048;
/// An application's own storage: with its header a page.
const REGION: usize = PAGE - HEADER;
/// Applications that can have some.
const REGIONS: usize = 8;
/// Pages that all applications share, behind them.
const SHARED: usize = 2;
/// At most this goes between storage and a process at a time, bytes (upstream's).
const PIECE: usize = 512;

type Input = FpgaButton<'static, MappedBus>;
type Pin = PolledPin<'static, VirtualAlarm, Input>;
type Value = InterruptValueWrapper<'static, Pin>;
type Store = PsaNvm<'static, Veneers>;

/// What is written before each switch to a process.
pub type ReadOnlyState = ReadOnlyStateDriver<'static, Timer>;

/// The drivers.
pub struct MoreCapsules {
    button: &'static Button<'static, Pin>,
    process_info: &'static ProcessInfo<process_console::Capability>,
    /// Also what the main loop calls.
    pub read_only_state: &'static ReadOnlyState,
    shared: &'static NonvolatileStorage<'static>,
    isolated: &'static IsolatedNonvolatileStorage<'static, REGION>,
}

impl MoreCapsules {
    /// Makes them. Once. What that takes of the stack is given back.
    #[inline(never)]
    pub fn new(
        kernel: &'static Kernel,
        memory: &dyn MemoryAllocationCapability,
        spe: &'static Spe<Veneers>,
        fpgaio: &'static MappedBus,
        (timer, mux): (&'static Timer, &'static MuxAlarm<'static, Timer>),
    ) -> Self {
        let [first_alarm, second_alarm] = &*static_init!(
            [VirtualAlarm; 2],
            [VirtualMuxAlarm::new(mux), VirtualMuxAlarm::new(mux)]
        );
        let [first, second] = &*static_init!(
            [Input; 2],
            [FpgaButton::new(fpgaio, 0), FpgaButton::new(fpgaio, 1)]
        );
        let [first, second] = &*static_init!(
            [Pin; 2],
            [
                PolledPin::new(first, first_alarm),
                PolledPin::new(second, second_alarm)
            ]
        );
        for (alarm, pin) in [(first_alarm, first), (second_alarm, second)] {
            alarm.setup();
            alarm.set_alarm_client(pin);
        }
        let [first, second] = &*static_init!([Value; 2], [Value::new(first), Value::new(second)]);
        let pins = &*static_init!(
            [button::Pin<'static, Pin>; 2],
            [first, second].map(|value| (
                value,
                ActivationMode::ActiveHigh,
                FloatingState::PullNone
            ))
        );
        let button = static_init!(
            Button<'static, Pin>,
            Button::new(pins, kernel.create_grant(NUM::Button as usize, memory))
        );
        for (value, ..) in pins.iter() {
            value.set_client(button);
            value.finalize();
        }

        let process_info = static_init!(
            ProcessInfo<process_console::Capability>,
            ProcessInfo::with_policy(
                kernel,
                kernel.create_grant(NUM::ProcessInfo as usize, memory),
                process_console::Capability,
                may_set_state,
            )
        );
        process_info.register();
        let read_only_state = static_init!(
            ReadOnlyState,
            ReadOnlyStateDriver::new(
                timer,
                kernel.create_grant(NUM::ReadOnlyState as usize, memory)
            )
        );

        let regions = static_init!(
            Store,
            PsaNvm::new(spe, static_init!([u8; PAGE], [0; PAGE]), 0, REGIONS)
        );
        regions.register();
        let isolated = static_init!(
            IsolatedNonvolatileStorage<'static, REGION>,
            IsolatedNonvolatileStorage::new(
                regions,
                kernel.create_grant(NUM::IsolatedNvmStorage as usize, memory),
                0,
                REGIONS * PAGE,
                static_init!([u8; PIECE], [0; PIECE]),
            )
        );
        regions.set_client(isolated);
        let pages = static_init!(
            Store,
            PsaNvm::new(spe, static_init!([u8; PAGE], [0; PAGE]), REGIONS, SHARED)
        );
        pages.register();
        let shared = static_init!(
            NonvolatileStorage<'static>,
            NonvolatileStorage::new(
                pages,
                kernel.create_grant(NUM::NvmStorage as usize, memory),
                0,
                SHARED * PAGE,
                // None of it is the kernel's.
                0,
                0,
                static_init!([u8; PIECE], [0; PIECE]),
            )
        );
        pages.set_client(shared);
        MoreCapsules {
            button,
            process_info,
            read_only_state,
            shared,
            isolated,
        }
    }

    /// The driver of `number`, if it is one of them.
    pub fn driver(&self, number: usize) -> Option<&dyn SyscallDriver> {
        const BUTTON: usize = NUM::Button as usize;
        const PROCESS_INFO: usize = NUM::ProcessInfo as usize;
        const READ_ONLY_STATE: usize = NUM::ReadOnlyState as usize;
        const SHARED: usize = NUM::NvmStorage as usize;
        const ISOLATED: usize = NUM::IsolatedNvmStorage as usize;
        Some(match number {
            BUTTON => self.button,
            PROCESS_INFO => self.process_info,
            READ_ONLY_STATE => self.read_only_state,
            SHARED => self.shared,
            ISOLATED => self.isolated,
            _ => return None,
        })
    }
}

/// A header that nobody signed may claim anything; one without permissions claims nothing.
fn may_set_state(process: &dyn Process) -> bool {
    matches!(process.short_app_id(), ShortId::Fixed(_))
        && lists_command(
            process,
            process_info_driver::DRIVER_NUM,
            process_info_driver::SET_STATE,
        )
}
