//! The drivers that the rules talk to: [`crate::commands`], done.
//!
//! Owns what must outlive a life of the process (`REMEMBER`, `MARK`) and what happens later. The
//! board, or the test, brings the [`Timer`] that calls [`RulesDriver::fire`].

use crate::commands::*;
use core::cell::Cell;
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::process::{self, State};
use kernel::processbuffer::{
    ReadableProcessBuffer, UserspaceReadableProcessBuffer, WriteableProcessBuffer,
};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::upcall::UpcallError;
use kernel::{ErrorCode, Kernel, ProcessId};

/// What calls [`RulesDriver::fire`] back.
pub trait Timer {
    /// About a millisecond from now.
    fn start(&self);
}

/// The driver's own in each process.
#[derive(Default)]
pub struct App {
    readable: UserspaceReadableProcessBuffer,
}

/// Grant of [`RulesDriver`].
pub type RulesGrant = Grant<App, UpcallCount<4>, AllowRoCount<2>, AllowRwCount<2>>;

/// What was asked for later.
#[derive(Clone, Copy)]
enum Later {
    Upcalls(ProcessId, [Option<(usize, usize)>; 2]),
    Revive(usize),
}

#[derive(Clone, Copy)]
struct Mark {
    id: ProcessId,
    restarts: usize,
    dropped: usize,
}

/// Driver [`crate::numbers::DRIVER`].
pub struct RulesDriver<C> {
    kernel: &'static Kernel,
    capability: C,
    grant: RulesGrant,
    timer: &'static dyn Timer,
    kept: Cell<u32>,
    mark: Cell<Option<Mark>>,
    later: Cell<Option<Later>>,
}

impl<C: ProcessManagementCapability + ProcessStartCapability> RulesDriver<C> {
    /// With the board's capabilities and timer.
    pub fn new(
        kernel: &'static Kernel,
        capability: C,
        grant: RulesGrant,
        timer: &'static dyn Timer,
    ) -> Self {
        RulesDriver {
            kernel,
            capability,
            grant,
            timer,
            kept: Cell::new(0),
            mark: Cell::new(None),
            later: Cell::new(None),
        }
    }

    /// Does what was asked for later; whether there was anything.
    pub fn fire(&self) -> bool {
        match self.later.take() {
            Some(Later::Upcalls(id, events)) => {
                for (upcall, x) in events.into_iter().flatten() {
                    let _ = self.queue(id, upcall, x);
                }
                true
            }
            Some(Later::Revive(slot)) => {
                let processes = self.kernel.process_iter_capability(&self.capability);
                let mut of_slot = processes.filter(|p| p.processid().index() == Some(slot));
                match of_slot.next() {
                    Some(p) if p.get_state() == State::Terminated => p.start(&self.capability),
                    // Not dead yet.
                    Some(_) => self.arm(Later::Revive(slot)),
                    None => {}
                }
                true
            }
            None => false,
        }
    }

    fn arm(&self, later: Later) {
        self.later.set(Some(later));
        self.timer.start();
    }

    fn queue(&self, id: ProcessId, upcall: usize, x: usize) -> CommandReturn {
        let queued = self.grant.enter(id, |_, kernel_data| {
            kernel_data.schedule_upcall(upcall, (x, x + 1, x + 2))
        });
        match queued {
            Ok(Ok(())) => CommandReturn::success(),
            Ok(Err(UpcallError::QueueFull)) => CommandReturn::failure(ErrorCode::BUSY),
            Ok(Err(UpcallError::InvalidSubscribeNum)) => CommandReturn::failure(ErrorCode::INVAL),
            Ok(Err(UpcallError::KernelError)) => CommandReturn::failure(ErrorCode::FAIL),
            Err(e) => e.into(),
        }
    }

    fn process<R: Default>(&self, id: ProcessId, f: impl FnOnce(&dyn process::Process) -> R) -> R {
        let none = R::default();
        self.kernel
            .process_map_or_external(none, id, f, &self.capability)
    }
}

fn sum(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.map(u32::from).sum()
}

fn words(found: Result<Result<(u32, u32), process::Error>, process::Error>) -> CommandReturn {
    match found {
        Ok(Ok((a, b))) => CommandReturn::success_u32_u32(a, b),
        Ok(Err(e)) | Err(e) => e.into(),
    }
}

fn error(code: usize) -> ErrorCode {
    use ErrorCode::*;
    match code {
        2 => BUSY,
        3 => ALREADY,
        4 => OFF,
        5 => RESERVE,
        6 => INVAL,
        7 => SIZE,
        8 => CANCEL,
        9 => NOMEM,
        10 => NOSUPPORT,
        11 => NODEVICE,
        12 => UNINSTALLED,
        13 => NOACK,
        _ => FAIL,
    }
}

fn answer(variant: usize, code: usize) -> CommandReturn {
    let (e, x) = (error(code), code as u32);
    let (y, z) = (x.wrapping_add(1), x.wrapping_add(2));
    let long = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    match variant {
        0 => CommandReturn::failure(e),
        1 => CommandReturn::failure_u32(e, y),
        2 => CommandReturn::failure_u32_u32(e, y, z),
        3 => CommandReturn::failure_u64(e, long(y, z)),
        128 => CommandReturn::success(),
        129 => CommandReturn::success_u32(x),
        130 => CommandReturn::success_u32_u32(x, y),
        131 => CommandReturn::success_u64(long(x, y)),
        132 => CommandReturn::success_u32_u32_u32(x, y, z),
        133 => CommandReturn::success_u32_u64(x, long(y, z)),
        _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
    }
}

impl<C: ProcessManagementCapability + ProcessStartCapability> SyscallDriver for RulesDriver<C> {
    fn command(&self, number: usize, a: usize, b: usize, id: ProcessId) -> CommandReturn {
        let Ok(number) = u32::try_from(number) else {
            return CommandReturn::failure(ErrorCode::NOSUPPORT);
        };
        match number {
            EXISTS => CommandReturn::success(),
            ANSWER => answer(a, b),
            UPCALL => self.queue(id, a, b),
            SUM_RO => words(self.grant.enter(id, |_, k| {
                let buffer = k.get_readonly_processbuffer(a)?;
                let sum = buffer.enter(|s| sum(s.iter().map(|b| b.get())));
                Ok((sum.unwrap_or(0), buffer.len() as u32))
            })),
            SUM_RW => words(self.grant.enter(id, |_, k| {
                let buffer = k.get_readwrite_processbuffer(a)?;
                let sum = buffer.mut_enter(|s| sum(s.iter().map(|b| b.get())));
                Ok((sum.unwrap_or(0), buffer.len() as u32))
            })),
            FILL_RW => {
                let filled = self.grant.enter(id, |_, k| {
                    k.get_readwrite_processbuffer(a).and_then(|buffer| {
                        buffer.mut_enter(|s| {
                            s.iter().for_each(|c| c.set(b as u8));
                            s.len() as u32
                        })
                    })
                });
                match filled {
                    Ok(Ok(n)) => CommandReturn::success_u32(n),
                    Ok(Err(e)) | Err(e) => e.into(),
                }
            }
            ECHO => CommandReturn::success_u32_u32(a as u32, b as u32),
            LATER => {
                self.arm(Later::Upcalls(id, [Some((a, b)), None]));
                CommandReturn::success()
            }
            LATER_TWO => {
                self.arm(Later::Upcalls(id, [Some((a, b)), Some((a + 1, b + 100))]));
                CommandReturn::success()
            }
            REMEMBER => CommandReturn::success_u32(self.kept.replace(a as u32)),
            RECALL => CommandReturn::success_u32(self.kept.get()),
            MARK => {
                let (restarts, dropped) = self.process(id, |p| {
                    (p.get_restart_count(), p.debug_dropped_upcall_count())
                });
                self.mark.set(Some(Mark {
                    id,
                    restarts,
                    dropped,
                }));
                CommandReturn::success()
            }
            SINCE => match self.mark.get() {
                None => CommandReturn::failure(ErrorCode::OFF),
                Some(mark) => {
                    let (restarts, code) =
                        self.process(id, |p| (p.get_restart_count(), p.get_completion_code()));
                    CommandReturn::success_u32_u32_u32(
                        u32::from(mark.id != id),
                        restarts.wrapping_sub(mark.restarts) as u32,
                        code.flatten().unwrap_or(!0),
                    )
                }
            },
            REVIVE => {
                if let Some(slot) = id.index() {
                    self.arm(Later::Revive(slot));
                }
                CommandReturn::success()
            }
            PENDING => {
                let (tasks, grants) = self.process(id, |p| {
                    (p.pending_tasks(), p.grant_allocated_count().unwrap_or(0))
                });
                CommandReturn::success_u32_u32(tasks as u32, grants as u32)
            }
            CANCEL => match self.grant.enter(id, |_, k| k.remove_pending_upcalls(a)) {
                Ok(n) => CommandReturn::success_u32(n as u32),
                Err(e) => e.into(),
            },
            FILL_READABLE => {
                let filled = self.grant.enter(id, |app, _| {
                    app.readable.mut_enter(|s| {
                        s.iter().for_each(|c| c.set(a as u8));
                        s.len() as u32
                    })
                });
                CommandReturn::success_u32(filled.unwrap_or(Ok(0)).unwrap_or(0))
            }
            DROPPED => {
                let now = self.process(id, |p| p.debug_dropped_upcall_count());
                let before = self.mark.get().map_or(0, |m| m.dropped);
                CommandReturn::success_u32(now.wrapping_sub(before) as u32)
            }
            HAND => {
                let mut processes = self.kernel.process_iter_capability(&self.capability);
                match processes.nth(a) {
                    Some(p) => self.queue(p.processid(), 0, b),
                    None => CommandReturn::failure(ErrorCode::INVAL),
                }
            }
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allow_userspace_readable(
        &self,
        app: ProcessId,
        which: usize,
        mut slice: UserspaceReadableProcessBuffer,
    ) -> Result<UserspaceReadableProcessBuffer, (UserspaceReadableProcessBuffer, ErrorCode)> {
        if which != 0 {
            return Err((slice, ErrorCode::NOSUPPORT));
        }
        let swapped = self.grant.enter(app, |data, _| {
            core::mem::swap(&mut data.readable, &mut slice);
        });
        match swapped {
            Ok(()) => Ok(slice),
            Err(e) => Err((slice, e.into())),
        }
    }

    fn allocate_grant(&self, id: ProcessId) -> Result<(), process::Error> {
        self.grant.enter(id, |_, _| {})
    }
}

/// Grant of [`OtherDriver`].
pub type OtherGrant = Grant<[u32; 16], UpcallCount<0>, AllowRoCount<0>, AllowRwCount<0>>;

/// Driver [`crate::numbers::OTHER`]: a grant, and nothing in it to share or to subscribe to.
pub struct OtherDriver(pub OtherGrant);

impl SyscallDriver for OtherDriver {
    fn allocate_grant(&self, id: ProcessId) -> Result<(), process::Error> {
        self.0.enter(id, |_, _| {})
    }
}

/// Driver [`crate::numbers::GRANTLESS`].
pub struct GrantlessDriver;

impl SyscallDriver for GrantlessDriver {
    fn command(&self, number: usize, _: usize, _: usize, _: ProcessId) -> CommandReturn {
        match number {
            0 => CommandReturn::success(),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, _: ProcessId) -> Result<(), process::Error> {
        Ok(())
    }
}
