//! Registers that are reached only between two hooks, which switch the peripheral's clock.

use crate::platform::chip::ClockInterface;

/// A peripheral with a clock of type `C`.
pub trait PeripheralManagement<C: ClockInterface> {
    /// Its registers.
    type RegisterType;

    /// Its registers.
    fn get_registers(&self) -> &Self::RegisterType;
    /// Its clock.
    fn get_clock(&self) -> &C;
    /// Called before an access.
    fn before_peripheral_access(&self, clock: &C, registers: &Self::RegisterType);
    /// Called after an access.
    fn after_peripheral_access(&self, clock: &C, registers: &Self::RegisterType);
}

/// One access: from `new` until it is dropped.
pub struct PeripheralManager<'a, H: PeripheralManagement<C>, C: ClockInterface> {
    /// The registers.
    pub registers: &'a H::RegisterType,
    peripheral: &'a H,
    clock: &'a C,
}

impl<'a, H: PeripheralManagement<C>, C: ClockInterface> PeripheralManager<'a, H, C> {
    /// Begins an access.
    pub fn new(peripheral_hardware: &'a H) -> Self {
        let registers = peripheral_hardware.get_registers();
        let clock = peripheral_hardware.get_clock();
        peripheral_hardware.before_peripheral_access(clock, registers);
        Self {
            registers,
            peripheral: peripheral_hardware,
            clock,
        }
    }
}

impl<H: PeripheralManagement<C>, C: ClockInterface> Drop for PeripheralManager<'_, H, C> {
    fn drop(&mut self) {
        self.peripheral
            .after_peripheral_access(self.clock, self.registers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[derive(Default)]
    struct Clock(Cell<bool>);
    impl ClockInterface for Clock {
        fn is_enabled(&self) -> bool {
            self.0.get()
        }
        fn enable(&self) {
            self.0.set(true);
        }
        fn disable(&self) {
            self.0.set(false);
        }
    }

    struct Timer {
        registers: Cell<u32>,
        clock: Clock,
    }
    impl PeripheralManagement<Clock> for Timer {
        type RegisterType = Cell<u32>;
        fn get_registers(&self) -> &Cell<u32> {
            &self.registers
        }
        fn get_clock(&self) -> &Clock {
            &self.clock
        }
        fn before_peripheral_access(&self, clock: &Clock, _: &Cell<u32>) {
            clock.enable();
        }
        fn after_peripheral_access(&self, clock: &Clock, _: &Cell<u32>) {
            clock.disable();
        }
    }

    #[test]
    fn the_clock_runs_for_as_long_as_the_access() {
        let timer = Timer {
            registers: Cell::new(0),
            clock: Clock::default(),
        };
        let access = PeripheralManager::new(&timer);
        access.registers.set(1);
        assert!(timer.clock.is_enabled());
        drop(access);
        assert!(!timer.clock.is_enabled());
        assert_eq!(timer.registers.get(), 1);
    }
}
