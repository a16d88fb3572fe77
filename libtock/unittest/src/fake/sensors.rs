//! Sensors that are asked for one sample at a time, and the buzzer, which works the same way.
//!
//! Owns one fake a driver: a command makes it busy, the test says what it measured, an upcall tells.

use crate::command_return::{failure, success, success_u32};
use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// What all of them are: at most one sample under way.
#[derive(Default)]
struct OneShot {
    busy: Cell<bool>,
    /// Samples that commands to come are answered with at once.
    prepared: RefCell<VecDeque<(u32, u32, u32)>>,
    share_ref: DriverShareRef,
}

impl OneShot {
    fn begin(&self) -> CommandReturn {
        if self.busy.replace(true) {
            return failure(ErrorCode::Busy);
        }
        let prepared = self.prepared.borrow_mut().pop_front();
        if let Some(sample) = prepared {
            self.end(sample);
        }
        success()
    }

    fn end(&self, sample: (u32, u32, u32)) {
        if self.busy.replace(false) {
            self.share_ref.tell(0, sample);
        }
    }

    fn prepare(&self, sample: (u32, u32, u32)) {
        self.prepared.borrow_mut().push_back(sample);
    }
}

macro_rules! sensors {
    ($(
        $(#[$doc:meta])*
        $name:ident = $number:literal, exists $exists:expr, starts $starts:pat,
        $value:ty => |$sample:ident| $words:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Default)]
        pub struct $name(OneShot);

        impl $name {
            /// An idle one.
            #[allow(clippy::new_ret_no_self)]
            pub fn new() -> Rc<$name> {
                Rc::default()
            }

            /// Is a sample under way?
            pub fn is_busy(&self) -> bool {
                self.0.busy.get()
            }

            /// Ends the sample that is under way, if any.
            pub fn set_value(&self, $sample: $value) {
                self.0.end($words);
            }

            /// Ends the next sample as soon as it begins.
            pub fn set_value_sync(&self, $sample: $value) {
                self.0.prepare($words);
            }
        }

        impl SyscallDriver for $name {
            fn info(&self) -> DriverInfo {
                DriverInfo::new($number).upcall_count(1)
            }

            fn register(&self, share_ref: DriverShareRef) {
                self.0.share_ref.replace(share_ref);
            }

            fn command(&self, command: u32, _: u32, _: u32) -> CommandReturn {
                match command {
                    0 => $exists,
                    $starts => self.0.begin(),
                    _ => failure(ErrorCode::NoSupport),
                }
            }
        }
    )*};
}

sensors! {
    /// Analogue to digital converter with one channel. It tells (mode 0, channel 0, sample), as
    /// the kernel does.
    Adc = 0x5, exists success_u32(1), starts 1, i32 => |v| (0, 0, v as u32);
    /// Temperature, in hundredths of a degree.
    Temperature = 0x60000, exists success(), starts 1, i32 => |v| (v as u32, 0, 0);
    /// Light, in lux.
    AmbientLight = 0x60002, exists success(), starts 1, i32 => |v| (v as u32, 0, 0);
    /// Accelerometer, magnetometer and gyroscope; they share the one sample.
    NineDof = 0x60004, exists success(), starts 1 | 100 | 200,
        NineDofData => |v| (v.x as u32, v.y as u32, v.z as u32);
    /// Sound pressure; 2 and 3 turn it on and off.
    SoundPressure = 0x60006, exists success(), starts 1, u8 => |v| (u32::from(v), 0, 0);
    /// CO2 and TVOC; they share the one sample.
    AirQuality = 0x60007, exists success(), starts 2 | 3, u32 => |v| (v, 0, 0);
}

/// What a nine-degrees-of-freedom sensor measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct NineDofData {
    pub x: i32,
    pub y: i32,
    pub z: i32,
}

impl AirQuality {
    /// Ends the next two samples as soon as they begin.
    pub fn set_values_sync(&self, co2_value: u32, tvoc_value: u32) {
        self.set_value_sync(co2_value);
        self.set_value_sync(tvoc_value);
    }
}

/// Buzzer: driver 0x90000.
#[derive(Default)]
pub struct Buzzer {
    tone: OneShot,
    playing: Cell<Option<(u32, u32)>>,
}

impl Buzzer {
    /// A silent one.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<Buzzer> {
        Rc::default()
    }

    /// Is there a tone?
    pub fn is_busy(&self) -> bool {
        self.tone.busy.get()
    }

    /// The newest tone: frequency and milliseconds.
    pub fn get_tone(&self) -> Option<(u32, u32)> {
        self.playing.get()
    }

    /// Ends the tone.
    pub fn set_tone(&self, freq: u32, duration_ms: u32) {
        self.tone.end((freq, duration_ms, 0));
    }

    /// Ends the next tone as soon as it begins.
    pub fn set_tone_sync(&self, freq: u32, duration_ms: u32) {
        self.tone.prepare((freq, duration_ms, 0));
    }
}

impl SyscallDriver for Buzzer {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x90000).upcall_count(1)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.tone.share_ref.replace(share_ref);
    }

    fn command(&self, command: u32, freq: u32, duration_ms: u32) -> CommandReturn {
        match command {
            0 => success(),
            1 => {
                let begun = self.tone.begin();
                if begun.is_success() {
                    self.playing.set(Some((freq, duration_ms)));
                }
                begun
            }
            _ => failure(ErrorCode::NoSupport),
        }
    }
}

/// Proximity: driver 0x60005. Values are 0 (nothing there) to 255 (closest).
#[derive(Default)]
pub struct Proximity {
    sample: OneShot,
    /// What a sample must be below or above to be told.
    quiet: Cell<Option<(u8, u8)>>,
}

impl Proximity {
    /// An idle one.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<Proximity> {
        Rc::default()
    }

    /// Is a sample under way?
    pub fn is_busy(&self) -> bool {
        self.sample.busy.get()
    }

    /// Ends the sample that is under way, if any, unless it waits for another value.
    pub fn set_value(&self, value: u8) {
        let quiet = self.quiet.get();
        if quiet.is_none_or(|(lower, upper)| value < lower || value > upper) {
            self.quiet.set(None);
            self.sample.end((u32::from(value), 0, 0));
        }
    }

    /// Ends the next sample as soon as it begins.
    pub fn set_value_sync(&self, value: u8) {
        self.sample.prepare((u32::from(value), 0, 0));
    }
}

impl SyscallDriver for Proximity {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x60005).upcall_count(1)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.sample.share_ref.replace(share_ref);
    }

    fn command(&self, command: u32, lower: u32, upper: u32) -> CommandReturn {
        match command {
            0 => success(),
            1 => self.sample.begin(),
            2 => {
                let begun = self.sample.begin();
                if begun.is_success() && self.is_busy() {
                    self.quiet.set(Some((lower as u8, upper as u8)));
                }
                begun
            }
            _ => failure(ErrorCode::NoSupport),
        }
    }
}
