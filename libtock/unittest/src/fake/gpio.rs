//! Pins: driver 0x4.

use crate::command_return::{failure, success, success_u32};
use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::Cell;
use std::rc::Rc;

/// Pull of an input.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PullMode {
    PullNone = 0,
    PullUp = 1,
    PullDown = 2,
}

/// Direction of a pin.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum GpioMode {
    Input(PullMode),
    Output,
    Disable,
}

/// Which edge interrupts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum InterruptEdge {
    Either = 0,
    Rising = 1,
    Falling = 2,
}

/// What a pin is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct GpioState {
    /// Whether it is high.
    pub value: bool,
    /// Its direction.
    pub mode: GpioMode,
    /// Which edge it tells of.
    pub interrupt_enabled: Option<InterruptEdge>,
}

const OFF: GpioState = GpioState {
    value: false,
    mode: GpioMode::Disable,
    interrupt_enabled: None,
};

/// So many of them, off and low at first.
pub struct Gpio<const NUM_GPIOS: usize> {
    /// `None`: the number has no pin.
    pins: [Cell<Option<GpioState>>; NUM_GPIOS],
    share_ref: DriverShareRef,
}

impl<const NUM_GPIOS: usize> Gpio<NUM_GPIOS> {
    /// All of them.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<Gpio<NUM_GPIOS>> {
        Rc::new(Gpio {
            pins: std::array::from_fn(|_| Cell::new(Some(OFF))),
            share_ref: DriverShareRef::default(),
        })
    }

    /// Takes a pin away: its number stays, and commands that name it fail with `NoDevice`.
    pub fn set_missing_gpio(&self, gpio: u32) {
        if let Some(pin) = self.pins.get(gpio as usize) {
            pin.set(None);
        }
    }

    /// What a pin is; `None`: it is not there.
    pub fn get_gpio_state(&self, gpio: u32) -> Option<GpioState> {
        self.pins.get(gpio as usize)?.get()
    }

    /// Drives a pin from outside; it tells when its interrupt is enabled for the edge.
    ///
    /// # Errors
    /// `Invalid` no such number, `NoDevice` it has no pin.
    pub fn set_value(&self, gpio: u32, value: bool) -> Result<(), ErrorCode> {
        let pin = self.pins.get(gpio as usize).ok_or(ErrorCode::Invalid)?;
        let state = pin.get().ok_or(ErrorCode::NoDevice)?;
        pin.set(Some(GpioState { value, ..state }));
        let tells = match state.interrupt_enabled {
            Some(InterruptEdge::Either) => true,
            Some(InterruptEdge::Rising) => value,
            Some(InterruptEdge::Falling) => !value,
            None => false,
        };
        if tells && state.value != value {
            self.share_ref.tell(0, (gpio, u32::from(value), 0));
        }
        Ok(())
    }
}

impl<const NUM_GPIOS: usize> SyscallDriver for Gpio<NUM_GPIOS> {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x4).upcall_count(1)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.replace(share_ref);
    }

    fn command(&self, command: u32, gpio: u32, argument: u32) -> CommandReturn {
        match command {
            0 => return success(),
            10 => return success_u32(NUM_GPIOS as u32),
            _ => {}
        }
        let Some(pin) = self.pins.get(gpio as usize) else {
            return failure(ErrorCode::Invalid);
        };
        let Some(mut state) = pin.get() else {
            return failure(ErrorCode::NoDevice);
        };
        let output = state.mode == GpioMode::Output;
        let input = matches!(state.mode, GpioMode::Input(_));
        match command {
            1 => state.mode = GpioMode::Output,
            2 if output => state.value = true,
            3 if output => state.value = false,
            4 if output => state.value = !state.value,
            5 => {
                let pull = match argument {
                    0 => PullMode::PullNone,
                    1 => PullMode::PullUp,
                    2 => PullMode::PullDown,
                    _ => return failure(ErrorCode::Invalid),
                };
                state.mode = GpioMode::Input(pull);
            }
            6 if input => return success_u32(u32::from(state.value)),
            7 => {
                let edge = match argument {
                    0 => InterruptEdge::Either,
                    1 => InterruptEdge::Rising,
                    2 => InterruptEdge::Falling,
                    _ => return failure(ErrorCode::Invalid),
                };
                state.interrupt_enabled = Some(edge);
            }
            8 => state.interrupt_enabled = None,
            9 => {
                state.mode = GpioMode::Disable;
                state.interrupt_enabled = None;
            }
            2..=6 => return failure(ErrorCode::Fail),
            _ => return failure(ErrorCode::NoSupport),
        }
        pin.set(Some(state));
        success()
    }
}
