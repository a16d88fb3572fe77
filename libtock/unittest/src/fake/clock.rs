//! Alarm: driver 0x0. Its time passes only while a process waits for it.

use crate::command_return::{failure, success, success_u32};
use crate::fake::{DriverInfo, DriverShareRef, SyscallDriver};
use libtock_platform::{CommandReturn, ErrorCode};
use std::cell::Cell;
use std::rc::Rc;

/// The driver: an alarm that is set fires at the next yield, and its time is now then.
pub struct Alarm {
    frequency: u32,
    now: Cell<u32>,
    share_ref: DriverShareRef,
}

impl Alarm {
    /// At zero ticks, of so many Hz.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(frequency_hz: u32) -> Rc<Alarm> {
        Rc::new(Alarm {
            frequency: frequency_hz,
            now: Cell::new(0),
            share_ref: DriverShareRef::default(),
        })
    }

    fn set(&self, reference: u32, dt: u32) -> CommandReturn {
        let expiration = reference.wrapping_add(dt);
        // One in the past fires at once, and takes no time back.
        if self.now.get().wrapping_sub(reference) < dt {
            self.now.set(expiration);
        }
        let told = (self.now.get(), expiration, 0);
        self.share_ref.tell(0, told);
        success_u32(expiration)
    }
}

impl SyscallDriver for Alarm {
    fn info(&self) -> DriverInfo {
        DriverInfo::new(0x0).upcall_count(1)
    }

    fn register(&self, share_ref: DriverShareRef) {
        self.share_ref.replace(share_ref);
    }

    fn command(&self, command: u32, a: u32, b: u32) -> CommandReturn {
        match command {
            0 | 3 => success(),
            1 => success_u32(self.frequency),
            2 => success_u32(self.now.get()),
            5 => self.set(self.now.get(), a),
            6 => self.set(a, b),
            _ => failure(ErrorCode::NoSupport),
        }
    }
}
