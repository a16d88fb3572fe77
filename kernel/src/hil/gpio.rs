//! Pins, their interrupts, and what a level means.

use crate::ErrorCode;
use crate::utilities::cells::OptionalCell;
use core::cell::Cell;

/// Pull resistor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatingState {
    /// To supply.
    PullUp,
    /// To ground.
    PullDown,
    /// None.
    PullNone,
}

/// Which edge interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptEdge {
    /// Low to high.
    RisingEdge,
    /// High to low.
    FallingEdge,
    /// Both.
    EitherEdge,
}

/// Direction of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// Off.
    LowPower,
    /// In.
    Input,
    /// Out.
    Output,
    /// Both.
    InputOutput,
    /// Owned by a peripheral.
    Function,
    /// Something else.
    Other,
}

/// Level that means active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationMode {
    /// High.
    ActiveHigh,
    /// Low.
    ActiveLow,
}

/// Whether it is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationState {
    /// No.
    Inactive = 0,
    /// Yes.
    Active = 1,
}

/// Direction and pull.
pub trait Configure {
    /// Now.
    fn configuration(&self) -> Configuration;
    /// Output on.
    fn make_output(&self) -> Configuration;
    /// Output off.
    fn disable_output(&self) -> Configuration;
    /// Input on.
    fn make_input(&self) -> Configuration;
    /// Input off.
    fn disable_input(&self) -> Configuration;
    /// Off.
    fn deactivate_to_low_power(&self);
    /// Sets the pull.
    fn set_floating_state(&self, state: FloatingState);
    /// The pull.
    fn floating_state(&self) -> FloatingState;
    /// Whether it is an input.
    fn is_input(&self) -> bool {
        matches!(
            self.configuration(),
            Configuration::Input | Configuration::InputOutput
        )
    }
    /// Whether it is an output.
    fn is_output(&self) -> bool {
        matches!(
            self.configuration(),
            Configuration::Output | Configuration::InputOutput
        )
    }
}

/// Sets up a pin that can be input and output at once.
pub trait ConfigureInputOutput: Configure {
    /// Makes it both.
    fn make_input_output(&self) -> Configuration;
    /// Whether it is both.
    fn is_input_output(&self) -> bool;
}

/// Drives a level.
pub trait Output {
    /// High.
    fn set(&self);
    /// Low.
    fn clear(&self);
    /// The other; returns the new level.
    fn toggle(&self) -> bool;
    /// The level that means `state` in this mode.
    fn write_activation(&self, state: ActivationState, mode: ActivationMode) {
        match (state, mode) {
            (ActivationState::Active, ActivationMode::ActiveHigh)
            | (ActivationState::Inactive, ActivationMode::ActiveLow) => self.set(),
            _ => self.clear(),
        }
    }
}

/// Reads a level.
pub trait Input {
    /// Whether it is high.
    fn read(&self) -> bool;
    /// What its level means in this mode.
    fn read_activation(&self, mode: ActivationMode) -> ActivationState {
        match (mode, self.read()) {
            (ActivationMode::ActiveHigh, true) | (ActivationMode::ActiveLow, false) => {
                ActivationState::Active
            }
            _ => ActivationState::Inactive,
        }
    }
}

/// Interrupts on edges.
pub trait Interrupt<'a>: Input {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn Client);
    /// Starts.
    fn enable_interrupts(&self, mode: InterruptEdge);
    /// Stops.
    fn disable_interrupts(&self);
    /// Whether one waits.
    fn is_pending(&self) -> bool;
}

/// Learns of an edge.
pub trait Client {
    /// It happened.
    fn fired(&self);
}

/// Interrupts that carry a number.
pub trait InterruptWithValue<'a>: Input {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn ClientWithValue);
    /// Starts.
    ///
    /// # Errors
    /// As the pin gives.
    fn enable_interrupts(&self, mode: InterruptEdge) -> Result<(), ErrorCode>;
    /// Stops.
    fn disable_interrupts(&self);
    /// Whether one waits.
    fn is_pending(&self) -> bool;
    /// Sets the number.
    fn set_value(&self, value: u32);
    /// The number.
    fn value(&self) -> u32;
}

/// Learns of an edge, with the number.
pub trait ClientWithValue {
    /// It happened.
    fn fired(&self, value: u32);
}

/// Everything but interrupts.
pub trait Pin: Configure + Output + Input {}
impl<T: Configure + Output + Input> Pin for T {}
/// Everything.
pub trait InterruptPin<'a>: Pin + Interrupt<'a> {}
impl<'a, T: Pin + Interrupt<'a>> InterruptPin<'a> for T {}
/// Everything, with a number.
pub trait InterruptValuePin<'a>: Pin + InterruptWithValue<'a> {}
impl<'a, T: Pin + InterruptWithValue<'a>> InterruptValuePin<'a> for T {}

/// Gives a pin's interrupt a number.
pub struct InterruptValueWrapper<'a, P: InterruptPin<'a>> {
    value: Cell<u32>,
    client: OptionalCell<&'a dyn ClientWithValue>,
    source: &'a P,
}

impl<'a, P: InterruptPin<'a>> InterruptValueWrapper<'a, P> {
    /// Over `pin`.
    pub fn new(pin: &'a P) -> Self {
        Self {
            value: Cell::new(0),
            client: OptionalCell::empty(),
            source: pin,
        }
    }
    /// Registers itself with the pin.
    pub fn finalize(&'a self) -> &'a Self {
        self.source.set_client(self);
        self
    }
}

impl<'a, P: InterruptPin<'a>> InterruptWithValue<'a> for InterruptValueWrapper<'a, P> {
    fn set_client(&self, client: &'a dyn ClientWithValue) {
        self.client.set(client);
    }
    fn enable_interrupts(&self, edge: InterruptEdge) -> Result<(), ErrorCode> {
        self.source.enable_interrupts(edge);
        Ok(())
    }
    fn disable_interrupts(&self) {
        self.source.disable_interrupts();
    }
    fn is_pending(&self) -> bool {
        self.source.is_pending()
    }
    fn set_value(&self, value: u32) {
        self.value.set(value);
    }
    fn value(&self) -> u32 {
        self.value.get()
    }
}

impl<'a, P: InterruptPin<'a>> Input for InterruptValueWrapper<'a, P> {
    fn read(&self) -> bool {
        self.source.read()
    }
}

impl<'a, P: InterruptPin<'a>> Configure for InterruptValueWrapper<'a, P> {
    fn configuration(&self) -> Configuration {
        self.source.configuration()
    }
    fn make_output(&self) -> Configuration {
        self.source.make_output()
    }
    fn disable_output(&self) -> Configuration {
        self.source.disable_output()
    }
    fn make_input(&self) -> Configuration {
        self.source.make_input()
    }
    fn disable_input(&self) -> Configuration {
        self.source.disable_input()
    }
    fn deactivate_to_low_power(&self) {
        self.source.deactivate_to_low_power();
    }
    fn set_floating_state(&self, state: FloatingState) {
        self.source.set_floating_state(state);
    }
    fn floating_state(&self) -> FloatingState {
        self.source.floating_state()
    }
}

impl<'a, P: InterruptPin<'a>> Output for InterruptValueWrapper<'a, P> {
    fn set(&self) {
        self.source.set();
    }
    fn clear(&self) {
        self.source.clear();
    }
    fn toggle(&self) -> bool {
        self.source.toggle()
    }
}

impl<'a, P: InterruptPin<'a>> Client for InterruptValueWrapper<'a, P> {
    fn fired(&self) {
        self.client.map(|c| c.fired(self.value.get()));
    }
}
