//! Tock userspace facade: the libtock-rs API plus the PSA services.
//!
//! Owns nothing but names: one module a driver, with the driver crate's type bound to
//! [`runtime::TockSyscalls`], and the panic handler that fits the build. An app depends on this
//! crate alone; code that shall test on the host takes `S: platform::Syscalls` and the driver
//! crates' generic types, which each module re-exports as `driver`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(debug_assertions, feature = "debug_panic"))]
extern crate libtock_debug_panic;
#[cfg(not(any(debug_assertions, feature = "debug_panic")))]
extern crate libtock_small_panic;

pub use libtock_platform as platform;
pub use libtock_runtime as runtime;
pub use libtock_runtime::{heap, set_main, stack_size};

use runtime::TockSyscalls;

/// An analogue to digital converter.
pub mod adc {
    pub use libtock_adc as driver;
    pub type Adc = libtock_adc::Adc<super::TockSyscalls>;
    pub use libtock_adc::ADCListener;
}

/// CO2 and TVOC.
pub mod air_quality {
    pub use libtock_air_quality as driver;
    pub type AirQuality = libtock_air_quality::AirQuality<super::TockSyscalls>;
    pub use libtock_air_quality::AirQualityListener;
}

/// Time, sleep, and waiting with a deadline.
pub mod alarm {
    pub use libtock_alarm as driver;
    pub use libtock_alarm::{Clock, Convert, Hz, Milliseconds, Ticks};
    pub type Alarm = libtock_alarm::Alarm<super::TockSyscalls>;
}

/// Light.
pub mod ambient_light {
    pub use libtock_ambient_light as driver;
    pub type AmbientLight = libtock_ambient_light::AmbientLight<super::TockSyscalls>;
    pub use libtock_ambient_light::IntensityListener;
}

/// Installing applications.
pub mod app_loader {
    pub use libtock_app_loader as driver;
    pub use libtock_app_loader::Installed;
    pub type AppLoader = libtock_app_loader::AppLoader<super::TockSyscalls>;
}

/// Read-only sound samples.
pub mod audio_rom {
    pub use libtock_audio_rom as driver;
    pub type AudioRom = libtock_audio_rom::AudioRom<super::TockSyscalls>;
}

/// Buttons.
pub mod buttons {
    pub use libtock_buttons as driver;
    pub type Buttons = libtock_buttons::Buttons<super::TockSyscalls>;
    pub use libtock_buttons::{ButtonListener, ButtonState};
}

/// A buzzer.
pub mod buzzer {
    pub use libtock_buzzer as driver;
    pub type Buzzer = libtock_buzzer::Buzzer<super::TockSyscalls>;
    pub use libtock_buzzer::{BuzzerListener, Note};
}

/// Text in and out.
pub mod console {
    pub use libtock_console as driver;
    pub type Console = libtock_console::Console<super::TockSyscalls>;
    pub use libtock_console::ConsoleWriter;
}

/// Wall clock.
pub mod date_time {
    pub use libtock_date_time as driver;
    pub type DateTime = libtock_date_time::DateTime<super::TockSyscalls>;
}

/// Whole Ethernet frames.
pub mod ethernet {
    pub use libtock_ethernet as driver;
    pub use libtock_ethernet::{MAX_FRAME, StaticBuffer, Stats, stream};
    pub type Ethernet = libtock_ethernet::Ethernet<super::TockSyscalls>;
}

/// Pins.
pub mod gpio {
    pub use libtock_gpio as driver;
    pub type Gpio = libtock_gpio::Gpio<super::TockSyscalls>;
    pub use libtock_gpio::{
        Error, GpioInterruptListener, GpioState, InputPin, OutputPin, Pin, PinInterruptEdge, Pull,
        PullDown, PullNone, PullUp,
    };
}

/// The I2C bus, as its master.
pub mod i2c_master {
    pub use libtock_i2c_master as driver;
    pub type I2CMaster = libtock_i2c_master::I2CMaster<super::TockSyscalls>;
}

/// The I2C bus, as master or as target.
pub mod i2c_master_slave {
    pub use libtock_i2c_master_slave as driver;
    pub type I2CMasterSlave = libtock_i2c_master_slave::I2CMasterSlave<super::TockSyscalls>;
}

/// IEEE 802.15.4, raw frames.
pub mod ieee802154 {
    pub use libtock_ieee802154 as driver;
    pub type Ieee802154 = libtock_ieee802154::Ieee802154<super::TockSyscalls>;
    pub use libtock_ieee802154::{Frame, RxOperator, RxRingBuffer};
    pub type RxSingleBufferOperator<'buf, const N: usize> =
        libtock_ieee802154::RxSingleBufferOperator<'buf, N, super::TockSyscalls>;
}

/// Other processes.
pub mod ipc {
    pub use libtock_ipc as driver;
    pub use libtock_ipc::{IpcInbox, IpcNotice, Service, SharedMemory, StaticBuffer};
    pub type Ipc = libtock_ipc::Ipc<super::TockSyscalls>;
}

/// A store of the process's own.
pub mod key_value {
    pub use libtock_key_value as driver;
    pub type KeyValue = libtock_key_value::KeyValue<super::TockSyscalls>;
}

/// LEDs.
pub mod leds {
    pub use libtock_leds as driver;
    pub type Leds = libtock_leds::Leds<super::TockSyscalls>;
}

/// Numbers without buffers.
pub mod low_level_debug {
    pub use libtock_low_level_debug as driver;
    pub type LowLevelDebug = libtock_low_level_debug::LowLevelDebug<super::TockSyscalls>;
    pub use libtock_low_level_debug::AlertCode;
}

/// Acceleration, magnetic field, rotation.
pub mod ninedof {
    pub use libtock_ninedof as driver;
    pub type NineDof = libtock_ninedof::NineDof<super::TockSyscalls>;
    pub use libtock_ninedof::{NineDofData, NineDofListener};
}

/// How close something is.
pub mod proximity {
    pub use libtock_proximity as driver;
    pub type Proximity = libtock_proximity::Proximity<super::TockSyscalls>;
}

/// The secure world's services.
pub mod psa {
    pub use libtock_psa as driver;
    pub use libtock_psa::psa_client;
    pub type Psa = libtock_psa::Psa<super::TockSyscalls>;
}

/// Random numbers.
pub mod rng {
    pub use libtock_rng as driver;
    pub type Rng = libtock_rng::Rng<super::TockSyscalls>;
    pub use libtock_rng::RngListener;
}

/// A screen.
pub mod screen {
    pub use libtock_screen as driver;
    pub type Screen = libtock_screen::Screen<super::TockSyscalls>;
}

/// How loud it is.
pub mod sound_pressure {
    pub use libtock_sound_pressure as driver;
    pub type SoundPressure = libtock_sound_pressure::SoundPressure<super::TockSyscalls>;
    pub use libtock_sound_pressure::SoundPressureListener;
}

/// The SPI bus, as its controller.
#[cfg(not(feature = "rust_embedded"))]
pub mod spi_controller {
    pub use libtock_spi_controller as driver;
    pub type SpiController = libtock_spi_controller::SpiController<super::TockSyscalls>;
}
#[cfg(feature = "rust_embedded")]
pub mod spi_controller;

/// Crash reports and states of processes.
pub mod supervision {
    pub use libtock_supervision as driver;
    pub use libtock_supervision::{CrashReport, Crashes, ImageVersion, ProcessInfo};
    pub type Supervision = libtock_supervision::Supervision<super::TockSyscalls>;
}

/// How warm it is.
pub mod temperature {
    pub use libtock_temperature as driver;
    pub type Temperature = libtock_temperature::Temperature<super::TockSyscalls>;
    pub use libtock_temperature::TemperatureListener;
}

/// What [`println!`] and [`print!`] expand to: one write a line, so that the lines of two
/// processes do not mix; longer text goes out in pieces.
#[doc(hidden)]
pub fn print_to_console(arguments: core::fmt::Arguments<'_>) {
    use core::fmt::Write;
    let mut line = Line {
        bytes: [0; 192],
        used: 0,
    };
    // Nobody to tell: the console is where one would.
    let _ = line.write_fmt(arguments);
    line.flush();
}

/// Text on its way to the console.
struct Line {
    bytes: [u8; 192],
    used: usize,
}

impl Line {
    fn flush(&mut self) {
        if let Some(bytes) = self.bytes.get(..self.used)
            && self.used > 0
        {
            let _ = libtock_console::Console::<TockSyscalls>::write(bytes);
        }
        self.used = 0;
    }
}

impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for piece in text.as_bytes() {
            if self.used == self.bytes.len() {
                self.flush();
            }
            if let Some(byte) = self.bytes.get_mut(self.used) {
                *byte = *piece;
                self.used += 1;
            }
        }
        Ok(())
    }
}

/// Prints to the console; errors are dropped.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::print_to_console(::core::format_args!($($argument)*))
    };
}

/// Prints a line to the console; errors are dropped.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($format:literal $($argument:tt)*) => {
        $crate::print!("{}\n", ::core::format_args!($format $($argument)*))
    };
}
