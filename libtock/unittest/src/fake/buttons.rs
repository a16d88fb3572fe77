//! Buttons: driver 0x3.

use crate::command_return::{failure, success, success_u32};
use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::Cell;
use std::rc::Rc;

/// So many of them, up at first.
pub struct Buttons<const NUM_BUTTONS: usize> {
    buttons: [Button; NUM_BUTTONS],
    share_ref: Cell<DriverShareRef>,
}

#[derive(Default)]
struct Button {
    pressed: Cell<bool>,
    tells: Cell<bool>,
}

impl<const NUM_BUTTONS: usize> Buttons<NUM_BUTTONS> {
    /// All of them.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<Buttons<NUM_BUTTONS>> {
        Rc::new(Buttons {
            buttons: std::array::from_fn(|_| Button::default()),
            share_ref: Cell::default(),
        })
    }

    /// Presses or releases one; it tells when its interrupt is enabled.
    ///
    /// # Errors
    /// `Invalid`: it is not there.
    pub fn set_pressed(&self, button: u32, pressed: bool) -> Result<(), ErrorCode> {
        let b = self
            .buttons
            .get(button as usize)
            .ok_or(ErrorCode::Invalid)?;
        if b.pressed.replace(pressed) != pressed && b.tells.get() {
            let told = (button, u32::from(pressed), 0);
            return self.share_ref.get().schedule_upcall(0, told);
        }
        Ok(())
    }
}

impl<const NUM_BUTTONS: usize> SyscallDriver for Buttons<NUM_BUTTONS> {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x3).upcall_count(1)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.set(share_ref);
    }

    fn command(&self, command: u32, button: u32, _: u32) -> CommandReturn {
        if command == 0 {
            return success_u32(NUM_BUTTONS as u32);
        }
        let Some(b) = self.buttons.get(button as usize) else {
            return failure(ErrorCode::Invalid);
        };
        match command {
            1 => b.tells.set(true),
            2 => b.tells.set(false),
            3 => return success_u32(u32::from(b.pressed.get())),
            _ => return failure(ErrorCode::NoSupport),
        }
        success()
    }
}
