//! Low-level debug driver: numbers without buffers.
//!
//! Owns the protocol of driver 0x8 (tock.md §5.4). Fire and forget: nothing is reported back.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use libtock_platform::Syscalls;

/// The low-level debug driver.
pub struct LowLevelDebug<S: Syscalls>(S);

impl<S: Syscalls> LowLevelDebug<S> {
    /// Is there such a driver?
    pub fn exists() -> bool {
        S::command(DRIVER_NUM, 0, 0, 0).is_success()
    }

    /// Prints an alert code.
    pub fn print_alert_code(code: AlertCode) {
        let _ = S::command(DRIVER_NUM, 1, code as u32, 0);
    }

    /// Prints one number.
    pub fn print_1(x: u32) {
        let _ = S::command(DRIVER_NUM, 2, x, 0);
    }

    /// Prints two numbers.
    pub fn print_2(x: u32, y: u32) {
        let _ = S::command(DRIVER_NUM, 3, x, y);
    }
}

/// Alerts with a fixed meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertCode {
    /// The process panicked.
    Panic = 0x01,
    /// The process was loaded at another address than it was linked for.
    WrongLocation = 0x02,
}

const DRIVER_NUM: u32 = 0x8;

#[cfg(test)]
mod tests {
    use super::*;
    use libtock_unittest::{command_return, fake};

    #[test]
    fn numbers_reach_the_driver() {
        let kernel = fake::Kernel::new();
        assert!(!LowLevelDebug::<fake::Syscalls>::exists());
        let driver = fake::Scripted::new(DRIVER_NUM, |_| command_return::success());
        kernel.add_driver(&driver);
        assert!(LowLevelDebug::<fake::Syscalls>::exists());
        LowLevelDebug::<fake::Syscalls>::print_alert_code(AlertCode::WrongLocation);
        LowLevelDebug::<fake::Syscalls>::print_2(7, 8);
        assert_eq!(driver.commands(), [(1, 2, 0), (3, 7, 8)]);
    }
}
