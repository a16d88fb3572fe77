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
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct GpioState {
    /// Whether it is high.
    pub value: bool,
    /// Its direction; `None` when it is off.
    pub mode: Option<GpioMode>,
    /// Which edge it tells of.
    pub interrupt_enabled: Option<InterruptEdge>,
}

/// So many of them, off and low at first.
pub struct Gpio<const NUM_GPIOS: usize> {
    pins: [Cell<GpioState>; NUM_GPIOS],
    share_ref: Cell<DriverShareRef>,
}

impl<const NUM_GPIOS: usize> Gpio<NUM_GPIOS> {
    /// All of them.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<Gpio<NUM_GPIOS>> {
        Rc::new(Gpio {
            pins: std::array::from_fn(|_| Cell::default()),
            share_ref: Cell::default(),
        })
    }

    /// What a pin is.
    ///
    /// # Panics
    /// There is no such pin.
    pub fn get_gpio_state(&self, gpio: u32) -> GpioState {
        self.pins[gpio as usize].get()
    }

    /// Drives an input; it tells when its interrupt is enabled for the edge.
    ///
    /// # Errors
    /// `Invalid` no such pin, `NoSupport` it is no input.
    pub fn set_value(&self, gpio: u32, value: bool) -> Result<(), ErrorCode> {
        let pin = self.pins.get(gpio as usize).ok_or(ErrorCode::Invalid)?;
        let state = pin.get();
        if !matches!(state.mode, Some(GpioMode::Input(_))) {
            return Err(ErrorCode::NoSupport);
        }
        pin.set(GpioState { value, ..state });
        let tells = match state.interrupt_enabled {
            Some(InterruptEdge::Either) => true,
            Some(InterruptEdge::Rising) => value,
            Some(InterruptEdge::Falling) => !value,
            None => false,
        };
        if tells && state.value != value {
            let told = (gpio, u32::from(value), 0);
            return self.share_ref.get().schedule_upcall(0, told);
        }
        Ok(())
    }
}

impl<const NUM_GPIOS: usize> SyscallDriver for Gpio<NUM_GPIOS> {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x4).upcall_count(1)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.set(share_ref);
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
        let mut state = pin.get();
        let output = state.mode == Some(GpioMode::Output);
        let input = matches!(state.mode, Some(GpioMode::Input(_)));
        match command {
            1 => state.mode = Some(GpioMode::Output),
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
                state.mode = Some(GpioMode::Input(pull));
            }
            6 if input => return success_u32(u32::from(state.value)),
            7 if input => {
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
                state.mode = None;
                state.interrupt_enabled = None;
            }
            2..=7 => return failure(ErrorCode::Fail),
            _ => return failure(ErrorCode::NoSupport),
        }
        pin.set(state);
        success()
    }
}
