//! What the kernel tells a process without being asked, driver 0x9.
//!
//! | command | success |
//! |---|---|
//! | 0 | exists |
//! | 1 version | u32: 1 |
//!
//! Userspace-readable allow 0, of which as much is written as fits: u32 times that the process was
//! switched to, u32 tasks in its queue, u64 ticks, little endian. They are written each time before
//! the process runs, so that they never change while it does; a reader that was interrupted sees the
//! first word change. Owns nothing in processes that never asked, and costs them one comparison.

use core::cell::Cell;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::time::{Ticks, Time};
use kernel::platform::ContextSwitchCallback;
use kernel::process::Process;
use kernel::processbuffer::{UserspaceReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0x9;

const VERSION: u32 = 1;
/// Bytes of the structure.
const LENGTH: usize = 16;

type AppGrant = Grant<App, UpcallCount<0>, AllowRoCount<0>, AllowRwCount<0>>;

/// What one process shared.
#[derive(Default)]
pub struct App {
    buffer: UserspaceReadableProcessBuffer,
    count: u32,
}

/// Writes the state of processes that share memory for it.
pub struct ReadOnlyStateDriver<'a, T: Time> {
    timer: &'a T,
    apps: AppGrant,
    /// Slots of processes that share, or did: a bit each.
    asked: Cell<u32>,
}

impl<'a, T: Time> ReadOnlyStateDriver<'a, T> {
    /// With the ticks of `timer`.
    pub fn new(timer: &'a T, grant: AppGrant) -> Self {
        ReadOnlyStateDriver {
            timer,
            apps: grant,
            asked: Cell::new(0),
        }
    }

    /// The bit of a process's slot.
    fn bit(process_id: ProcessId) -> u32 {
        let slot = process_id.index().and_then(|slot| u32::try_from(slot).ok());
        slot.and_then(|slot| 1u32.checked_shl(slot)).unwrap_or(0)
    }

    fn write(&self, process: &dyn Process) {
        let tasks = process.pending_tasks() as u32;
        let now = self.timer.now();
        // What a counter of any width has above its low word; the trait gives it no other way.
        let high = now.saturating_scale(1, 1 << 31) >> 1;
        let now = u64::from(high) << 32 | u64::from(now.into_u32());
        let _ = self.apps.enter(process.processid(), |app, _| {
            let mut state = [0; LENGTH];
            let words = app.count.to_le_bytes().into_iter();
            let all = words.chain(tasks.to_le_bytes()).chain(now.to_le_bytes());
            for (to, from) in state.iter_mut().zip(all) {
                *to = from;
            }
            let _ = app.buffer.mut_enter(|buffer| {
                // A word that does not fit as a whole is not begun.
                let n = match buffer.len() {
                    LENGTH.. => LENGTH,
                    8.. => 8,
                    4.. => 4,
                    _ => 0,
                };
                if let (Some(to), Some(from)) = (buffer.get(..n), state.get(..n)) {
                    let _ = to.copy_from_slice_or_err(from);
                }
            });
            app.count = app.count.wrapping_add(1);
        });
    }
}

impl<T: Time> ContextSwitchCallback for ReadOnlyStateDriver<'_, T> {
    fn context_switch_hook(&self, process: &dyn Process) {
        let asked = self.asked.get();
        if asked != 0 && asked & Self::bit(process.processid()) != 0 {
            self.write(process);
        }
    }
}

impl<T: Time> SyscallDriver for ReadOnlyStateDriver<'_, T> {
    fn command(&self, command_num: usize, _: usize, _: usize, _: ProcessId) -> CommandReturn {
        match command_num {
            0 => CommandReturn::success(),
            1 => CommandReturn::success_u32(VERSION),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allow_userspace_readable(
        &self,
        app: ProcessId,
        which: usize,
        slice: UserspaceReadableProcessBuffer,
    ) -> Result<UserspaceReadableProcessBuffer, (UserspaceReadableProcessBuffer, ErrorCode)> {
        if which != 0 {
            return Err((slice, ErrorCode::NOSUPPORT));
        }
        let slice = Cell::new(Some(slice));
        let old = self.apps.enter(app, |app, _| {
            slice
                .take()
                .map(|slice| core::mem::replace(&mut app.buffer, slice))
        });
        match (old, slice.take()) {
            (Ok(Some(old)), None) => {
                self.asked.set(self.asked.get() | Self::bit(app));
                Ok(old)
            }
            (Err(error), Some(slice)) => Err((slice, error.into())),
            (_, slice) => Err((slice.unwrap_or_default(), ErrorCode::FAIL)),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}
