//! The drivers of this board and what they stand on.
//!
//! Owns which capsule sits on which peripheral, and the table from driver numbers to capsules
//! (all but IPC, which the kernel crate brings). Does not own the main loop, the processes or
//! the architecture.

use crate::memory::{AUDIO_ROM_SIZE, STOCK_TFM};
use crate::more_capsules::{MoreCapsules, ReadOnlyState};
use crate::process_console;
use crate::secure_capsules::SecureCapsules;
use crate::start;
use crate::station;
use capsules_core::alarm::AlarmDriver;
use capsules_core::console::{self, Console};
use capsules_core::driver::NUM;
use capsules_core::led::LedDriver;
use capsules_core::low_level_debug::{self, LowLevelDebug};
use capsules_core::rng::RngDriver;
use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use capsules_core::virtualizers::virtual_uart::{MuxUart, RX_BUF_LEN, UartDevice};
use capsules_extra::app_flash_driver::{self, AppFlash};
use capsules_extra::audio_rom::AudioRom;
use capsules_extra::ethernet_tap::{EthernetTapDriver, MAX_MTU};
use capsules_extra::unix_date_time::{UnixClock, UnixDateTime};
use capsules_psa::{Handles, Identities, PsaDriver, PsaRng, Service};
use chip::ns::devices::Timer;
use chip::ns::ethernet::{Lan9118, MAX_FRAME};
use chip::ns::fpgaio::FpgaLed;
use chip::ns::uart::Uart;
use chip::ns::{MappedBus, Peripherals, devices};
use kernel::capabilities::MemoryAllocationCapability;
use kernel::debug::{DebugWriter, IoWrite};
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::ethernet::EthernetAdapterDatapath;
use kernel::hil::rng::Rng;
use kernel::hil::time::Alarm;
use kernel::hil::uart::{Receive, Transmit};
use kernel::syscall::SyscallDriver;
use kernel::{ErrorCode, Kernel, static_init};
use tfm_psa_driver::{Spe, Veneers};

const BAUD_RATE: u32 = 115_200;

/// One of the alarms on the kernel's timer.
pub type VirtualAlarm = VirtualMuxAlarm<'static, Timer>;
type Led = FpgaLed<'static, MappedBus>;
type Ethernet = Lan9118<'static, MappedBus>;
type Psa = PsaDriver<'static, Veneers>;

/// Everything that is made here.
pub struct Capsules {
    console: &'static Console<'static>,
    alarm: &'static AlarmDriver<'static, VirtualAlarm>,
    low_level_debug: &'static LowLevelDebug<'static, UartDevice<'static>>,
    led: &'static LedDriver<'static, Led, 2>,
    rng: &'static RngDriver<'static, PsaRng<'static, Veneers>>,
    ethernet: &'static EthernetTapDriver<'static, Ethernet>,
    date_time: &'static UnixDateTime<'static>,
    audio_rom: &'static AudioRom,
    crypto: &'static Psa,
    storage: &'static Psa,
    firmware_update: &'static Psa,
    platform: &'static Psa,
    secure: SecureCapsules,
    more: MoreCapsules,
    /// Writes processes' own flash, where the board has a journal.
    pub app_state: Option<&'static AppFlash<'static>>,
    #[cfg(feature = "rules")]
    rules: &'static crate::rules::Rules,
    /// What interrupts are for.
    pub peripherals: &'static Peripherals<'static>,
    /// Where the kernel's lines go.
    pub debug_writer: &'static UartWriter,
    /// The secure world.
    pub spe: &'static Spe<Veneers>,
    /// For pauses while processes are loaded.
    pub loading_alarm: &'static VirtualAlarm,
    /// For trials of new app versions.
    pub trial_alarm: &'static VirtualAlarm,
    /// For processes that faulted.
    pub restart_alarm: &'static VirtualAlarm,
    /// MAC address, or why there is no network.
    pub mac: Result<[u8; 6], ErrorCode>,
}

impl Capsules {
    /// The driver of `number`.
    // In the path of every call: inside the main loop, whatever the optimiser thinks of its size.
    #[inline(always)]
    pub fn driver(&self, number: usize) -> Option<&dyn SyscallDriver> {
        const CONSOLE: usize = NUM::Console as usize;
        const ALARM: usize = NUM::Alarm as usize;
        const LOW_LEVEL_DEBUG: usize = NUM::LowLevelDebug as usize;
        const LED: usize = NUM::Led as usize;
        const RNG: usize = NUM::Rng as usize;
        const ETHERNET: usize = NUM::EthernetTap as usize;
        const DATE_TIME: usize = NUM::DateTime as usize;
        const AUDIO_ROM: usize = NUM::AudioRom as usize;
        const CRYPTO: usize = NUM::PsaCrypto as usize;
        const STORAGE: usize = NUM::PsaStorage as usize;
        const FIRMWARE_UPDATE: usize = NUM::PsaFwu as usize;
        const PLATFORM: usize = NUM::PsaPlatform as usize;
        Some(match number {
            CONSOLE => self.console,
            ALARM => self.alarm,
            LOW_LEVEL_DEBUG => self.low_level_debug,
            LED => self.led,
            RNG => self.rng,
            ETHERNET => self.ethernet,
            DATE_TIME => self.date_time,
            AUDIO_ROM if AUDIO_ROM_SIZE == 0 => return None,
            AUDIO_ROM => self.audio_rom,
            CRYPTO => self.crypto,
            STORAGE => self.storage,
            // Beside a TF-M apps lie where it would write the next image.
            FIRMWARE_UPDATE if STOCK_TFM => return None,
            FIRMWARE_UPDATE => self.firmware_update,
            PLATFORM => self.platform,
            #[cfg(feature = "rules")]
            number if self.rules.driver(number).is_some() => return self.rules.driver(number),
            number => {
                return self.rarer_driver(number);
            }
        })
    }

    #[inline(never)]
    fn rarer_driver(&self, number: usize) -> Option<&dyn SyscallDriver> {
        self.secure
            .driver(number)
            .or_else(|| self.more.driver(number))
            .or_else(|| match number {
                app_flash_driver::DRIVER_NUM => self.app_state.map(|driver| driver as _),
                _ => None,
            })
    }

    /// What the main loop calls before each switch to a process.
    pub fn read_only_state(&self) -> &ReadOnlyState {
        self.more.read_only_state
    }

    /// For the fault hook: what the process holds in the secure world is released soon.
    pub fn process_faulted(&self) {
        self.crypto.reap_soon();
    }
}

/// Makes all drivers. Once, before processes are loaded. `audio_rom` is the region of that name.
// Its frame is large, and must not lie under the main loop's.
#[inline(never)]
pub fn create(
    kernel: &'static Kernel,
    memory: &dyn MemoryAllocationCapability,
    audio_rom: &'static [u8],
) -> Capsules {
    // ---- the kernel's UART: console, low-level debug, kernel messages
    let uart = static_init!(Uart<'static, MappedBus>, Uart::new(start::CONSOLE));
    uart.register();
    let debug_writer = static_init!(UartWriter, UartWriter(uart));
    let mux_uart = static_init!(
        MuxUart<'static>,
        MuxUart::new(
            uart,
            static_init!([u8; RX_BUF_LEN], [0; RX_BUF_LEN]),
            BAUD_RATE
        )
    );
    mux_uart.initialize();
    mux_uart.register();
    uart.set_transmit_client(mux_uart);
    uart.set_receive_client(mux_uart);

    let console_uart = static_init!(UartDevice<'static>, UartDevice::new(mux_uart, true));
    console_uart.setup();
    let console = static_init!(
        Console<'static>,
        Console::new(
            console_uart,
            static_init!(
                [u8; console::DEFAULT_BUF_SIZE],
                [0; console::DEFAULT_BUF_SIZE]
            ),
            static_init!(
                [u8; console::DEFAULT_BUF_SIZE],
                [0; console::DEFAULT_BUF_SIZE]
            ),
            kernel.create_grant(NUM::Console as usize, memory),
        )
    );
    console_uart.set_transmit_client(console);
    console_uart.set_receive_client(console);

    let debug_uart = static_init!(UartDevice<'static>, UartDevice::new(mux_uart, false));
    debug_uart.setup();
    let low_level_debug = static_init!(
        LowLevelDebug<'static, UartDevice<'static>>,
        LowLevelDebug::new(
            static_init!(
                [u8; low_level_debug::BUF_LEN],
                [0; low_level_debug::BUF_LEN]
            ),
            debug_uart,
            kernel.create_grant(NUM::LowLevelDebug as usize, memory),
        )
    );
    debug_uart.set_transmit_client(low_level_debug);

    // ---- time, and the console for people, which needs it
    let timer = static_init!(Timer, devices::timer());
    let mux_alarm = static_init!(MuxAlarm<'static, Timer>, MuxAlarm::new(timer));
    timer.set_alarm_client(mux_alarm);
    let virtual_alarm = static_init!(VirtualAlarm, VirtualMuxAlarm::new(mux_alarm));
    virtual_alarm.setup();
    let alarm = static_init!(
        AlarmDriver<'static, VirtualAlarm>,
        AlarmDriver::new(
            virtual_alarm,
            kernel.create_grant(NUM::Alarm as usize, memory)
        )
    );
    virtual_alarm.set_alarm_client(alarm);
    let loading_alarm = static_init!(VirtualAlarm, VirtualMuxAlarm::new(mux_alarm));
    loading_alarm.setup();
    let process_console_alarm = static_init!(VirtualAlarm, VirtualMuxAlarm::new(mux_alarm));
    process_console_alarm.setup();
    let process_console_uart = static_init!(UartDevice<'static>, UartDevice::new(mux_uart, true));
    process_console_uart.setup();
    process_console::start(kernel, process_console_uart, process_console_alarm);
    let trial_alarm = static_init!(VirtualAlarm, VirtualMuxAlarm::new(mux_alarm));
    trial_alarm.setup();
    let restart_alarm = static_init!(VirtualAlarm, VirtualMuxAlarm::new(mux_alarm));
    restart_alarm.setup();
    let rtc = static_init!(Rtc, Rtc);
    let date_time = static_init!(
        UnixDateTime<'static>,
        UnixDateTime::new(rtc, kernel.create_grant(NUM::DateTime as usize, memory))
    );

    // ---- LEDs, clips
    let fpgaio = static_init!(MappedBus, devices::FPGAIO);
    let leds = static_init!(
        [&'static Led; 2],
        [
            static_init!(Led, FpgaLed::new(fpgaio, 0)),
            static_init!(Led, FpgaLed::new(fpgaio, 1)),
        ]
    );
    let led = static_init!(LedDriver<'static, Led, 2>, LedDriver::new(leds));
    let audio_rom = static_init!(
        AudioRom,
        AudioRom::new(
            audio_rom,
            kernel.create_grant(NUM::AudioRom as usize, memory)
        )
    );

    // ---- network
    let lan = static_init!(
        Ethernet,
        Lan9118::new(
            devices::ETHERNET,
            static_init!([u8; MAX_FRAME], [0; MAX_FRAME])
        )
    );
    lan.register();
    let ethernet = static_init!(
        EthernetTapDriver<'static, Ethernet>,
        EthernetTapDriver::new(
            lan,
            kernel.create_grant(NUM::EthernetTap as usize, memory),
            static_init!([u8; MAX_MTU], [0; MAX_MTU]),
        )
    );
    lan.set_client(ethernet);
    // ---- secure world
    let spe = static_init!(Spe<Veneers>, Spe::new(Veneers::new()));
    let mac = lan
        .initialize()
        .and_then(|own| match station::provisioned(spe) {
            Some(station) => lan.set_station(station).map(|()| station),
            None => Ok(own),
        });
    if let Ok(station) = mac {
        ethernet.set_station(station);
        ethernet.initialize();
    }
    let handles = static_init!(Handles, Handles::new());
    let identities = static_init!(Identities, Identities::new());
    let psa = |service, number: NUM| {
        PsaDriver::new(
            service,
            spe,
            identities,
            kernel.create_grant(number as usize, memory),
        )
    };
    let crypto = static_init!(Psa, psa(Service::Crypto(handles), NUM::PsaCrypto));
    let storage = static_init!(Psa, psa(Service::Storage, NUM::PsaStorage));
    let firmware_update = static_init!(Psa, psa(Service::FirmwareUpdate, NUM::PsaFwu));
    let platform = static_init!(Psa, psa(Service::Platform, NUM::PsaPlatform));
    crypto.register();
    storage.register();
    firmware_update.register();
    platform.register();
    let generator = static_init!(PsaRng<'static, Veneers>, PsaRng::new(spe));
    generator.register();
    let rng = static_init!(
        RngDriver<'static, PsaRng<'static, Veneers>>,
        RngDriver::new(generator, kernel.create_grant(NUM::Rng as usize, memory))
    );
    generator.set_client(rng);

    Capsules {
        console,
        alarm,
        loading_alarm,
        trial_alarm,
        restart_alarm,
        low_level_debug,
        led,
        rng,
        ethernet,
        date_time,
        audio_rom,
        crypto,
        storage,
        firmware_update,
        platform,
        secure: SecureCapsules::new(kernel, memory, spe),
        more: MoreCapsules::new(kernel, memory, spe, fpgaio, (timer, mux_alarm)),
        // Made later, with what else writes flash.
        app_state: None,
        #[cfg(feature = "rules")]
        rules: static_init!(
            crate::rules::Rules,
            crate::rules::Rules::new(kernel, memory, mux_alarm, spe)
        ),
        peripherals: static_init!(
            Peripherals<'static>,
            Peripherals {
                uart,
                timer,
                ethernet: lan,
            }
        ),
        debug_writer,
        spe,
        mac,
    }
}

/// The wall clock, as a capsule reads it.
pub struct Rtc;

impl UnixClock for Rtc {
    fn unix_time(&self) -> Result<u64, ErrorCode> {
        devices::unix_seconds()
            .map(u64::from)
            .ok_or(ErrorCode::NODEVICE)
    }
}

/// The kernel's own lines, written by polling.
pub struct UartWriter(&'static Uart<'static, MappedBus>);

impl DebugWriter for UartWriter {
    fn write(&self, bytes: &[u8], _overflow_message: &[u8]) -> usize {
        self.0.send_polled(bytes);
        bytes.len()
    }
    fn available_len(&self) -> usize {
        usize::MAX
    }
    fn to_write_len(&self) -> usize {
        0
    }
    fn publish(&self) -> usize {
        0
    }
    fn flush(&self, _writer: &mut dyn IoWrite) {}
}
