//! LEDs: driver 0x2.

use crate::command_return::{failure, success, success_u32};
use crate::fake::{DriverInfo, SyscallDriver};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::Cell;
use std::rc::Rc;

/// So many of them, dark at first.
pub struct Leds<const LEDS_COUNT: usize> {
    lit: [Cell<bool>; LEDS_COUNT],
}

impl<const LEDS_COUNT: usize> Leds<LEDS_COUNT> {
    /// All of them.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<Leds<LEDS_COUNT>> {
        Rc::new(Leds {
            lit: std::array::from_fn(|_| Cell::new(false)),
        })
    }

    /// Whether one is lit, if it is there.
    pub fn get_led(&self, led: u32) -> Option<bool> {
        self.lit.get(led as usize).map(Cell::get)
    }
}

impl<const LEDS_COUNT: usize> SyscallDriver for Leds<LEDS_COUNT> {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x2)
    }

    fn command(&self, command: u32, led: u32, _: u32) -> CommandReturn {
        let Some(lit) = self.lit.get(led as usize) else {
            return failure(ErrorCode::Invalid);
        };
        match command {
            0 => return success_u32(LEDS_COUNT as u32),
            1 => lit.set(true),
            2 => lit.set(false),
            3 => lit.set(!lit.get()),
            4 => return success_u32(u32::from(lit.get())),
            _ => return failure(ErrorCode::NoSupport),
        }
        success()
    }
}
