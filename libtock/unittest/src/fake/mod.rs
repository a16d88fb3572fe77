//! The fake kernel and fake drivers.
//!
//! Owns the driver trait; [`kernel`] owns the state, [`scripted`] a driver made of a closure. The
//! others are libtock-rs's fakes, one a driver.

mod buttons;
mod clock;
mod console;
mod driver;
mod gpio;
pub mod ieee802154;
pub(crate) mod kernel;
mod key_value;
mod leds;
mod low_level_debug;
mod screen;
mod scripted;
mod sensors;

pub use buttons::{ButtonState, Buttons};
pub use clock::Alarm;
pub use console::Console;
pub use driver::{DriverInfo, DriverShareRef, InvalidSubscribeNum, SyscallDriver};
pub use gpio::{Gpio, GpioMode, GpioState, InterruptEdge, PullMode};
pub use ieee802154::Ieee802154Phy;
pub use kernel::Kernel;
pub use key_value::KeyValue;
pub use leds::Leds;
pub use low_level_debug::{LowLevelDebug, Message};
pub use screen::Screen;
pub use scripted::{Call, Scripted};
pub use sensors::{
    Adc, AirQuality, AmbientLight, Buzzer, NineDof, NineDofData, Proximity, SoundPressure,
    Temperature,
};

/// System calls to the fake kernel of this thread.
pub type Syscalls = libtock_platform::fake::FakeSyscalls<kernel::ThreadKernel>;
