//! LEDs and buttons of the MPS3 FPGAIO block, polled.
//!
//! Owns LED0 (0x00, two LEDs) and BUTTON (0x08, two buttons); the buttons raise no interrupt.

use super::bus::Bus;
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

/// Whether button `index` (0 or 1) is pressed.
pub fn button_pressed<B: Bus>(bus: &B, index: u8) -> bool {
    bus.read(BUTTON) >> (index & 1) & 1 != 0
}
