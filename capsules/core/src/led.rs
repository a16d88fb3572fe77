//! LEDs, driver 0x2.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | u32 number of LEDs | |
//! | 1 on, 2 off, 3 toggle | index | plain | INVAL: no such LED |
//! | 4 read | index | u32, 1 is on | INVAL |

use kernel::hil::led::Led;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = crate::driver::NUM::Led as usize;

/// All LEDs of a board; any process may use any of them.
pub struct LedDriver<'a, L: Led, const NUM_LEDS: usize> {
    leds: &'a [&'a L; NUM_LEDS],
}

impl<'a, L: Led, const NUM_LEDS: usize> LedDriver<'a, L, NUM_LEDS> {
    /// Over `leds`, which are turned off.
    pub fn new(leds: &'a [&'a L; NUM_LEDS]) -> Self {
        for led in leds {
            led.init();
        }
        LedDriver { leds }
    }
}

impl<L: Led, const NUM_LEDS: usize> SyscallDriver for LedDriver<'_, L, NUM_LEDS> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        _process_id: ProcessId,
    ) -> CommandReturn {
        if command_num == 0 {
            return CommandReturn::success_u32(NUM_LEDS as u32);
        }
        let Some(led) = self.leds.get(r2) else {
            return CommandReturn::failure(match command_num {
                1..=4 => ErrorCode::INVAL,
                _ => ErrorCode::NOSUPPORT,
            });
        };
        match command_num {
            1 => led.on(),
            2 => led.off(),
            3 => led.toggle(),
            4 => return CommandReturn::success_u32(u32::from(led.read())),
            _ => return CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
        CommandReturn::success()
    }

    fn allocate_grant(&self, _process_id: ProcessId) -> Result<(), kernel::process::Error> {
        Ok(())
    }
}
