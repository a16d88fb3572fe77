//! The fake kernel and fake drivers.
//!
//! Owns the driver trait; [`kernel`] owns the state, [`scripted`] a driver made of a closure. The
//! others are libtock-rs's fakes, one a driver.

mod buttons;
mod clock;
mod console;
mod driver;
mod gpio;
pub(crate) mod kernel;
mod key_value;
mod leds;
mod low_level_debug;
mod scripted;

pub use buttons::Buttons;
pub use clock::Alarm;
pub use console::Console;
pub use driver::{DriverInfo, DriverShareRef, SyscallDriver};
pub use gpio::{Gpio, GpioMode, GpioState, InterruptEdge, PullMode};
pub use kernel::Kernel;
pub use key_value::KeyValue;
pub use leds::Leds;
pub use low_level_debug::{LowLevelDebug, Message};
pub use scripted::{Call, Scripted};

/// System calls to the fake kernel of this thread.
pub type Syscalls = libtock_platform::fake::FakeSyscalls<kernel::ThreadKernel>;
