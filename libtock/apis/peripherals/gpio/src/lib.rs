//! GPIO driver.
//!
//! Owns the protocol of driver 0x4 (tock.md §5.5), and which direction a pin has: an [`OutputPin`] or
//! [`InputPin`] borrows its [`Pin`] and turns it off when it is dropped.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::marker::PhantomData;
use libtock_platform::share::Handle;
use libtock_platform::subscribe::OneId;
use libtock_platform::{DefaultConfig, ErrorCode, Subscribe, Syscalls, Upcall};

#[cfg(test)]
mod tests;

/// A level.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum GpioState {
    /// Low.
    Low = 0,
    /// High.
    High = 1,
}

impl From<u32> for GpioState {
    fn from(level: u32) -> GpioState {
        if level == 0 {
            GpioState::Low
        } else {
            GpioState::High
        }
    }
}

/// Which edge interrupts.
pub enum PinInterruptEdge {
    /// Both.
    Either = 0,
    /// Low to high.
    Rising = 1,
    /// High to low.
    Falling = 2,
}

/// Why a pin cannot be had.
pub enum Error {
    /// No such pin.
    Invalid,
    /// The driver refused.
    Failed,
}

/// A pull resistor, as a type.
pub trait Pull {
    /// Its number in the protocol.
    const MODE: u32;
}

/// To supply.
pub struct PullUp;
impl Pull for PullUp {
    const MODE: u32 = 1;
}

/// To ground.
pub struct PullDown;
impl Pull for PullDown {
    const MODE: u32 = 2;
}

/// None.
pub struct PullNone;
impl Pull for PullNone {
    const MODE: u32 = 0;
}

/// The pins.
pub struct Gpio<S: Syscalls>(S);

impl<S: Syscalls> Gpio<S> {
    /// Is there a GPIO driver?
    ///
    /// # Errors
    /// `NoDevice` if not.
    pub fn exists() -> Result<(), ErrorCode> {
        Self::command(command::EXISTS, 0, 0)
    }

    /// How many pins there are.
    ///
    /// # Errors
    /// The kernel's.
    pub fn count() -> Result<u32, ErrorCode> {
        S::command(DRIVER_NUM, command::COUNT, 0, 0).to_result()
    }

    /// A pin, turned off.
    ///
    /// # Errors
    /// `Invalid`, `NoDevice`: it is not there.
    pub fn get_pin(pin: u32) -> Result<Pin<S>, ErrorCode> {
        Self::command(command::DISABLE, pin, 0)?;
        Ok(Pin {
            number: pin,
            _syscalls: PhantomData,
        })
    }

    /// Registers the listener; there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn register_listener<'share, F: Fn(u32, GpioState)>(
        listener: &'share GpioInterruptListener<F>,
        subscribe: Handle<'_, Subscribe<'share, S, DRIVER_NUM, 0>>,
    ) -> Result<(), ErrorCode> {
        S::subscribe::<_, _, DefaultConfig, DRIVER_NUM, 0>(subscribe, listener)
    }

    /// Takes the listener away.
    pub fn unregister_listener() {
        S::unsubscribe(DRIVER_NUM, 0);
    }

    fn command(number: u32, pin: u32, argument: u32) -> Result<(), ErrorCode> {
        S::command(DRIVER_NUM, number, pin, argument).to_result()
    }
}

/// Calls a function with a pin's number and level.
pub struct GpioInterruptListener<F: Fn(u32, GpioState)>(pub F);

impl<F: Fn(u32, GpioState)> Upcall<OneId<DRIVER_NUM, 0>> for GpioInterruptListener<F> {
    fn upcall(&self, pin: u32, level: u32, _: u32) {
        self.0(pin, level.into());
    }
}

/// A pin without a direction.
pub struct Pin<S: Syscalls> {
    number: u32,
    _syscalls: PhantomData<S>,
}

impl<S: Syscalls> Pin<S> {
    /// As an output.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make_output(&mut self) -> Result<OutputPin<'_, S>, ErrorCode> {
        Gpio::<S>::command(command::ENABLE_OUTPUT, self.number, 0)?;
        Ok(OutputPin { pin: self })
    }

    /// As an input.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make_input<P: Pull>(&self) -> Result<InputPin<'_, S, P>, ErrorCode> {
        Gpio::<S>::command(command::ENABLE_INPUT, self.number, P::MODE)?;
        Ok(InputPin {
            pin: self,
            _pull: PhantomData,
        })
    }

    fn turn_off(&self) {
        // Nobody to tell: the pin is given up.
        let _ = Gpio::<S>::command(command::DISABLE, self.number, 0);
    }
}

/// An output.
pub struct OutputPin<'a, S: Syscalls> {
    pin: &'a Pin<S>,
}

impl<S: Syscalls> OutputPin<'_, S> {
    /// The other level.
    ///
    /// # Errors
    /// The kernel's.
    pub fn toggle(&mut self) -> Result<(), ErrorCode> {
        Gpio::<S>::command(command::TOGGLE, self.pin.number, 0)
    }

    /// High.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set(&mut self) -> Result<(), ErrorCode> {
        Gpio::<S>::command(command::SET, self.pin.number, 0)
    }

    /// Low.
    ///
    /// # Errors
    /// The kernel's.
    pub fn clear(&mut self) -> Result<(), ErrorCode> {
        Gpio::<S>::command(command::CLEAR, self.pin.number, 0)
    }
}

impl<S: Syscalls> Drop for OutputPin<'_, S> {
    fn drop(&mut self) {
        self.pin.turn_off();
    }
}

/// An input.
pub struct InputPin<'a, S: Syscalls, P: Pull> {
    pin: &'a Pin<S>,
    _pull: PhantomData<P>,
}

impl<S: Syscalls, P: Pull> InputPin<'_, S, P> {
    /// Its level.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&self) -> Result<GpioState, ErrorCode> {
        let level: u32 = S::command(DRIVER_NUM, command::READ, self.pin.number, 0).to_result()?;
        Ok(level.into())
    }

    /// Tells the listener of edges.
    ///
    /// # Errors
    /// The kernel's.
    pub fn enable_interrupts(&self, edge: PinInterruptEdge) -> Result<(), ErrorCode> {
        Gpio::<S>::command(command::ENABLE_INTERRUPTS, self.pin.number, edge as u32)
    }

    /// Stops that.
    ///
    /// # Errors
    /// The kernel's.
    pub fn disable_interrupts(&self) -> Result<(), ErrorCode> {
        Gpio::<S>::command(command::DISABLE_INTERRUPTS, self.pin.number, 0)
    }
}

impl<S: Syscalls, P: Pull> Drop for InputPin<'_, S, P> {
    fn drop(&mut self) {
        self.pin.turn_off();
    }
}

#[cfg(feature = "rust_embedded")]
mod embedded {
    //! The pins as embedded-hal's.

    use super::{GpioState, InputPin, OutputPin, Pull};
    use embedded_hal::digital;
    use libtock_platform::{ErrorCode, Syscalls};

    impl<S: Syscalls> digital::ErrorType for OutputPin<'_, S> {
        type Error = ErrorCode;
    }

    impl<S: Syscalls> digital::OutputPin for OutputPin<'_, S> {
        fn set_low(&mut self) -> Result<(), ErrorCode> {
            self.clear()
        }

        fn set_high(&mut self) -> Result<(), ErrorCode> {
            self.set()
        }
    }

    impl<S: Syscalls, P: Pull> digital::ErrorType for InputPin<'_, S, P> {
        type Error = ErrorCode;
    }

    impl<S: Syscalls, P: Pull> digital::InputPin for InputPin<'_, S, P> {
        fn is_high(&mut self) -> Result<bool, ErrorCode> {
            Ok(self.read()? == GpioState::High)
        }

        fn is_low(&mut self) -> Result<bool, ErrorCode> {
            Ok(self.read()? == GpioState::Low)
        }
    }
}

const DRIVER_NUM: u32 = 0x4;

mod command {
    pub const EXISTS: u32 = 0;
    pub const ENABLE_OUTPUT: u32 = 1;
    pub const SET: u32 = 2;
    pub const CLEAR: u32 = 3;
    pub const TOGGLE: u32 = 4;
    pub const ENABLE_INPUT: u32 = 5;
    pub const READ: u32 = 6;
    pub const ENABLE_INTERRUPTS: u32 = 7;
    pub const DISABLE_INTERRUPTS: u32 = 8;
    pub const DISABLE: u32 = 9;
    pub const COUNT: u32 = 10;
}
