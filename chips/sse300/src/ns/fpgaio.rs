//! LEDs and buttons of the MPS3 FPGAIO block, polled.
//!
//! Owns LED0 (0x00, two LEDs) and BUTTON (0x08, two buttons); the buttons raise no interrupt.

use super::bus::Bus;
use kernel::hil::gpio::{Configuration, Configure, FloatingState, Input, Output};
use kernel::hil::led::Led;

const LED0: usize = 0x00;
const BUTTON: usize = 0x08;

/// One LED of the board.
#[derive(Debug)]
pub struct FpgaLed<'a, B> {
    bus: &'a B,
    mask: u32,
}

impl<'a, B: Bus> FpgaLed<'a, B> {
    /// LED `index` (0 or 1).
    pub const fn new(bus: &'a B, index: u8) -> Self {
        FpgaLed {
            bus,
            mask: 1 << (index & 1),
        }
    }
}

impl<B: Bus> Led for FpgaLed<'_, B> {
    fn init(&self) {
        self.off();
    }

    fn on(&self) {
        self.bus.write(LED0, self.bus.read(LED0) | self.mask);
    }

    fn off(&self) {
        self.bus.write(LED0, self.bus.read(LED0) & !self.mask);
    }

    fn toggle(&self) {
        self.bus.write(LED0, self.bus.read(LED0) ^ self.mask);
    }

    fn read(&self) -> bool {
        self.bus.read(LED0) & self.mask != 0
    }
}

/// One button of the board: an input, high while it is pressed.
#[derive(Debug)]
pub struct FpgaButton<'a, B> {
    bus: &'a B,
    mask: u32,
}

impl<'a, B: Bus> FpgaButton<'a, B> {
    /// Button `index` (0 or 1).
    pub const fn new(bus: &'a B, index: u8) -> Self {
        FpgaButton {
            bus,
            mask: 1 << (index & 1),
        }
    }
}

impl<B: Bus> Input for FpgaButton<'_, B> {
    fn read(&self) -> bool {
        self.bus.read(BUTTON) & self.mask != 0
    }
}

/// There is nothing to drive.
impl<B: Bus> Output for FpgaButton<'_, B> {
    fn set(&self) {}
    fn clear(&self) {}
    fn toggle(&self) -> bool {
        self.read()
    }
}

/// It is an input for ever, with the board's own pull.
impl<B: Bus> Configure for FpgaButton<'_, B> {
    fn configuration(&self) -> Configuration {
        Configuration::Input
    }
    fn make_output(&self) -> Configuration {
        Configuration::Input
    }
    fn disable_output(&self) -> Configuration {
        Configuration::Input
    }
    fn make_input(&self) -> Configuration {
        Configuration::Input
    }
    fn disable_input(&self) -> Configuration {
        Configuration::Input
    }
    fn deactivate_to_low_power(&self) {}
    fn set_floating_state(&self, _: FloatingState) {}
    fn floating_state(&self) -> FloatingState {
        FloatingState::PullNone
    }
}
