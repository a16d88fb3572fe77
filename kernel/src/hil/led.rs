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
pub struct LedHigh<'a, P: gpio::Pin>(&'a P);
/// An LED that a low pin lights.
pub struct LedLow<'a, P: gpio::Pin>(&'a P);

impl<'a, P: gpio::Pin> LedHigh<'a, P> {
    /// On pin `p`.
    pub fn new(p: &'a P) -> Self {
        Self(p)
    }
}

impl<'a, P: gpio::Pin> LedLow<'a, P> {
    /// On pin `p`.
    pub fn new(p: &'a P) -> Self {
        Self(p)
    }
}

impl<P: gpio::Pin> Led for LedHigh<'_, P> {
    fn init(&self) {
        self.0.make_output();
        self.off();
    }
    fn on(&self) {
        self.0.set();
    }
    fn off(&self) {
        self.0.clear();
    }
    fn toggle(&self) {
        self.0.toggle();
    }
    fn read(&self) -> bool {
        self.0.read()
    }
}

impl<P: gpio::Pin> Led for LedLow<'_, P> {
    fn init(&self) {
        self.0.make_output();
        self.off();
    }
    fn on(&self) {
        self.0.clear();
    }
    fn off(&self) {
        self.0.set();
    }
    fn toggle(&self) {
        self.0.toggle();
    }
    fn read(&self) -> bool {
        !self.0.read()
    }
}
