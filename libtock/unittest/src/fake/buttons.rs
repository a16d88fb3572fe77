//! Buttons: driver 0x3.

use crate::command_return::{failure, success, success_u32};
use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::Cell;
use std::rc::Rc;

/// So many of them, up at first.
pub struct Buttons<const NUM_BUTTONS: usize> {
    buttons: [Button; NUM_BUTTONS],
    share_ref: DriverShareRef,
}

/// What a button is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ButtonState {
    /// Whether it is down.
    pub pressed: bool,
    /// Whether it tells of changes.
    pub interrupt_enabled: bool,
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
            share_ref: DriverShareRef::default(),
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
            self.share_ref.tell(0, (button, u32::from(pressed), 0));
        }
        Ok(())
    }

    /// What a button is; `None`: it is not there.
    pub fn get_button_state(&self, button: u32) -> Option<ButtonState> {
        let b = self.buttons.get(button as usize)?;
        Some(ButtonState {
            pressed: b.pressed.get(),
            interrupt_enabled: b.tells.get(),
        })
    }
}

impl<const NUM_BUTTONS: usize> SyscallDriver for Buttons<NUM_BUTTONS> {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x3).upcall_count(1)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.replace(share_ref);
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
