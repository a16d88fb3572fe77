//! Buttons, driver 0x3.
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | u32 number of buttons | |
//! | 1 enable, 2 disable interrupts | index | plain | INVAL: no such button |
//! | 3 read | index | u32, 1 is pressed | INVAL |
//!
//! Upcall 0: (index, 1 pressed or 0, 0), at each change, to each process that enabled the button.
//! A button that no living process enabled raises no interrupts.

use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::gpio::{
    ActivationMode, ClientWithValue, Configure, FloatingState, Input, InterruptEdge, InterruptPin,
    InterruptValueWrapper, InterruptWithValue,
};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = crate::driver::NUM::Button as usize;

/// What one process enabled: a bit for each button.
#[derive(Default)]
pub struct App {
    enabled: u32,
}

/// A button: its pin, the level that means pressed, its pull.
pub type Pin<'a, P> = (
    &'a InterruptValueWrapper<'a, P>,
    ActivationMode,
    FloatingState,
);

/// All buttons of a board, for all processes.
pub struct Button<'a, P: InterruptPin<'a>> {
    pins: &'a [Pin<'a, P>],
    apps: Grant<App, UpcallCount<1>, AllowRoCount<0>, AllowRwCount<0>>,
}

impl<'a, P: InterruptPin<'a>> Button<'a, P> {
    /// Over `pins` (at most 32), whose client the board makes this.
    pub fn new(
        pins: &'a [Pin<'a, P>],
        grant: Grant<App, UpcallCount<1>, AllowRoCount<0>, AllowRwCount<0>>,
    ) -> Self {
        for (i, (pin, _, floating)) in pins.iter().enumerate() {
            pin.make_input();
            pin.set_value(i as u32);
            pin.set_floating_state(*floating);
        }
        Button { pins, apps: grant }
    }

    fn is_pressed(&self, (pin, mode, _): &Pin<'a, P>) -> bool {
        pin.read() == (*mode == ActivationMode::ActiveHigh)
    }

    /// Whether a living process wants to hear of the buttons in `mask`.
    fn wanted(&self, mask: u32) -> bool {
        self.apps
            .iter()
            .any(|app| app.enter(|app, _| app.enabled & mask != 0))
    }
}

impl<'a, P: InterruptPin<'a>> SyscallDriver for Button<'a, P> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        _r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        if command_num == 0 {
            return CommandReturn::success_u32(self.pins.len() as u32);
        }
        let bit = u32::try_from(r2).ok().and_then(|i| 1u32.checked_shl(i));
        let (Some(button), Some(bit)) = (self.pins.get(r2), bit) else {
            return CommandReturn::failure(match command_num {
                1..=3 => ErrorCode::INVAL,
                _ => ErrorCode::NOSUPPORT,
            });
        };
        match command_num {
            1 => self
                .apps
                .enter(process_id, |app, _| app.enabled |= bit)
                .map_err(ErrorCode::from)
                .and_then(|()| button.0.enable_interrupts(InterruptEdge::EitherEdge))
                .into(),
            2 => {
                let result = self.apps.enter(process_id, |app, _| app.enabled &= !bit);
                if !self.wanted(bit) {
                    button.0.disable_interrupts();
                }
                result.map_err(ErrorCode::from).into()
            }
            3 => CommandReturn::success_u32(u32::from(self.is_pressed(button))),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

impl<'a, P: InterruptPin<'a>> ClientWithValue for Button<'a, P> {
    fn fired(&self, value: u32) {
        let bit = 1u32.checked_shl(value).unwrap_or(0);
        let Some(button) = self.pins.get(value as usize) else {
            return;
        };
        let pressed = usize::from(self.is_pressed(button));
        self.apps.each(|_, app, kernel_data| {
            if app.enabled & bit != 0 {
                // A full queue loses the upcall; the kernel counts that.
                let _ = kernel_data.schedule_upcall(0, (value as usize, pressed, 0));
            }
        });
        if !self.wanted(bit) {
            button.0.disable_interrupts();
        }
    }
}
