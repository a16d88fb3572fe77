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

/// Time, sleep, and waiting with a deadline.
pub mod alarm {
    pub use libtock_alarm as driver;
    pub use libtock_alarm::{Clock, Convert, Hz, Milliseconds, Ticks};
    pub type Alarm = libtock_alarm::Alarm<super::TockSyscalls>;
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
        Error, GpioInterruptListener, GpioState, PinInterruptEdge, Pull, PullDown, PullNone, PullUp,
    };
    pub type Pin = libtock_gpio::Pin<super::TockSyscalls>;
    pub type OutputPin<'a> = libtock_gpio::OutputPin<'a, super::TockSyscalls>;
    pub type InputPin<'a, P> = libtock_gpio::InputPin<'a, super::TockSyscalls, P>;
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

/// Crash reports and states of processes.
pub mod supervision {
    pub use libtock_supervision as driver;
    pub use libtock_supervision::{CrashReport, Crashes, ImageVersion, ProcessInfo};
    pub type Supervision = libtock_supervision::Supervision<super::TockSyscalls>;
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
