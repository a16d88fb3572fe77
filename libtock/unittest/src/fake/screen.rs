//! Screen: driver 0x90001.

use crate::RoAllowBuffer;
use crate::command_return::{failure, success, success_2_u32, success_u32};
use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What it can be set to; the first count is what it answers, the lists what it looks up.
const SETUP: u32 = 3;
const RESOLUTION_MODES: u32 = 2;
const RESOLUTIONS: [(u32, u32); 3] = [(1920, 1080), (2560, 1440), (1280, 720)];
const PIXEL_MODES: u32 = 5;
const PIXEL_FORMATS: [u32; 2] = [332, 565];

/// A screen that keeps what it is told. Settings are zero at first.
#[derive(Default)]
pub struct Screen {
    power: Cell<u32>,
    brightness: Cell<u32>,
    inverted: Cell<bool>,
    rotation: Cell<u32>,
    resolution: Cell<(u32, u32)>,
    pixel_format: Cell<u32>,
    frame: Cell<(u32, u32)>,
    buffer: RefCell<RoAllowBuffer>,
    written: RefCell<Vec<u8>>,
    share_ref: DriverShareRef,
}

impl Screen {
    /// One that shows nothing.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Rc<Screen> {
        Rc::default()
    }

    /// What was written since the last time; a fill counts as its two bytes.
    pub fn take_bytes(&self) -> Vec<u8> {
        self.written.take()
    }

    /// Brightness, and whether it is inverted.
    pub fn get_look(&self) -> (u32, bool) {
        (self.brightness.get(), self.inverted.get())
    }

    /// The frame that is written to: x and y, width and height, each pair in one word.
    pub fn get_frame(&self) -> (u32, u32) {
        self.frame.get()
    }

    /// It is done at once; the upcall tells.
    fn done(&self) -> CommandReturn {
        self.share_ref.tell(0, (0, 0, 0));
        success()
    }

    fn write(&self, bytes: usize) -> CommandReturn {
        let buffer = self.buffer.borrow();
        let fits = match self.pixel_format.get() {
            format @ 1..=4 => buffer.len().is_multiple_of(format as usize),
            _ => false,
        };
        if buffer.len() != bytes || !fits {
            return failure(ErrorCode::Invalid);
        }
        self.written.borrow_mut().extend(buffer.iter());
        self.done()
    }

    fn fill(&self) -> CommandReturn {
        match self.buffer.borrow().get(..2) {
            Some(colour) => {
                self.written.borrow_mut().extend(colour);
                self.done()
            }
            None => failure(ErrorCode::Size),
        }
    }
}

impl SyscallDriver for Screen {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x90001).upcall_count(1)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.replace(share_ref);
    }

    fn command(&self, command: u32, a: u32, b: u32) -> CommandReturn {
        match command {
            0 => return success(),
            1 => return success_u32(SETUP),
            2 => self.power.set(a),
            3 => self.brightness.set(a),
            4 => self.inverted.set(true),
            5 => self.inverted.set(false),
            6 => self.inverted.set(a != 0),
            11 => return success_u32(RESOLUTION_MODES),
            12 => {
                return match RESOLUTIONS.get(a as usize) {
                    Some((width, height)) => success_2_u32(*width, *height),
                    None => failure(ErrorCode::Invalid),
                };
            }
            13 => return success_u32(PIXEL_MODES),
            14 => {
                return match PIXEL_FORMATS.get(a as usize) {
                    Some(bits) => success_u32(*bits),
                    None => failure(ErrorCode::Invalid),
                };
            }
            21 => return success_u32(self.rotation.get()),
            22 if a < 360 => self.rotation.set(a),
            23 => {
                let (width, height) = self.resolution.get();
                return success_2_u32(width, height);
            }
            24 => self.resolution.set((a, b)),
            25 => return success_u32(self.pixel_format.get()),
            26 if a < PIXEL_MODES => self.pixel_format.set(a),
            100 => self.frame.set((a, b)),
            200 => return self.write(a as usize),
            300 => return self.fill(),
            22 | 26 => return failure(ErrorCode::Invalid),
            _ => return failure(ErrorCode::NoSupport),
        }
        self.done()
    }

    fn allow_readonly(
        &self,
        buffer_num: u32,
        buffer: RoAllowBuffer,
    ) -> Result<RoAllowBuffer, (RoAllowBuffer, ErrorCode)> {
        match buffer_num {
            0 => Ok(self.buffer.replace(buffer)),
            _ => Err((buffer, ErrorCode::Invalid)),
        }
    }
}
