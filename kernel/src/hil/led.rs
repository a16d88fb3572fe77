//! Light-emitting diodes.

use super::gpio;

/// One LED.
pub trait Led {
    /// Prepares it; off afterwards.
    fn init(&self);
    /// Lights it.
    fn on(&self);
    /// Darkens it.
    fn off(&self);
    /// Changes it.
    fn toggle(&self);
    /// Whether it is lit.
    fn read(&self) -> bool;
}

/// An LED that a high pin lights.
pub struct LedHigh<'a, P: gpio::Pin> {
    /// The pin.
    pub pin: &'a P,
}
/// An LED that a low pin lights.
pub struct LedLow<'a, P: gpio::Pin> {
    /// The pin.
    pub pin: &'a P,
}

impl<'a, P: gpio::Pin> LedHigh<'a, P> {
    /// On pin `p`.
    pub fn new(p: &'a P) -> Self {
        Self { pin: p }
    }
}

impl<'a, P: gpio::Pin> LedLow<'a, P> {
    /// On pin `p`.
    pub fn new(p: &'a P) -> Self {
        Self { pin: p }
    }
}

impl<P: gpio::Pin> Led for LedHigh<'_, P> {
    fn init(&self) {
        self.pin.make_output();
        self.off();
    }
    fn on(&self) {
        self.pin.set();
    }
    fn off(&self) {
        self.pin.clear();
    }
    fn toggle(&self) {
        self.pin.toggle();
    }
    fn read(&self) -> bool {
        self.pin.read()
    }
}

impl<P: gpio::Pin> Led for LedLow<'_, P> {
    fn init(&self) {
        self.pin.make_output();
        self.off();
    }
    fn on(&self) {
        self.pin.clear();
    }
    fn off(&self) {
        self.pin.set();
    }
    fn toggle(&self) {
        self.pin.toggle();
    }
    fn read(&self) -> bool {
        !self.pin.read()
    }
}
