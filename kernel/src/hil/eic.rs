//! External interrupt controller: lines of a chip that interrupt.

/// What of a line interrupts.
#[derive(Debug)]
pub enum InterruptMode {
    /// Low to high.
    RisingEdge,
    /// High to low.
    FallingEdge,
    /// Being high.
    HighLevel,
    /// Being low.
    LowLevel,
}

/// The controller.
pub trait ExternalInterruptController {
    /// Names a line of the chip.
    type Line;

    /// Enables a line.
    fn line_enable(&self, line: &Self::Line, interrupt_mode: InterruptMode);
    /// Disables a line.
    fn line_disable(&self, line: &Self::Line);
}

/// Learns of an interrupt.
pub trait Client {
    /// It happened.
    fn fired(&self);
}
