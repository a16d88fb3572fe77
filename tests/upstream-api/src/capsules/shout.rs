//! Copies a process's read-only buffer to its read-write buffer in capitals; the upcall follows.
//!
//! | call | arguments | answer |
//! |---|---|---|
//! | command 0 | – | success |
//! | command 1 shout | – | success · RESERVE a buffer is missing · SIZE · BUSY |
//! | allow RO 0, RW 0 | source, destination | – |
//! | upcall 0 | – | (0 or error, bytes, 0) |

use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::errorcode::into_statuscode;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::OptionalCell;
use kernel::{ErrorCode, ProcessId};

pub const DRIVER_NUM: usize = 0xB0001;

mod upcall {
    pub const DONE: usize = 0;
    pub const COUNT: u8 = 1;
}
mod ro_allow {
    pub const SOURCE: usize = 0;
    pub const COUNT: u8 = 1;
}
mod rw_allow {
    pub const DESTINATION: usize = 0;
    pub const COUNT: u8 = 1;
}

#[derive(Default)]
pub struct App;

pub type AppGrant = Grant<
    App,
    UpcallCount<{ upcall::COUNT }>,
    AllowRoCount<{ ro_allow::COUNT }>,
    AllowRwCount<{ rw_allow::COUNT }>,
>;

pub struct Shout {
    apps: AppGrant,
    owner: OptionalCell<ProcessId>,
    deferred_call: DeferredCall,
}

impl Shout {
    pub fn new(grant: AppGrant) -> Self {
        Shout {
            apps: grant,
            owner: OptionalCell::empty(),
            deferred_call: DeferredCall::new(),
        }
    }

    fn lengths(kernel_data: &GrantKernelData) -> Result<(usize, usize), ErrorCode> {
        let source = kernel_data.get_readonly_processbuffer(ro_allow::SOURCE)?;
        let destination = kernel_data.get_readwrite_processbuffer(rw_allow::DESTINATION)?;
        match (source.len(), destination.len()) {
            (0, _) | (_, 0) => Err(ErrorCode::RESERVE),
            (from, to) if from > to => Err(ErrorCode::SIZE),
            both => Ok(both),
        }
    }

    fn copy(kernel_data: &GrantKernelData) -> Result<usize, ErrorCode> {
        let (length, _) = Self::lengths(kernel_data)?;
        let source = kernel_data.get_readonly_processbuffer(ro_allow::SOURCE)?;
        let destination = kernel_data.get_readwrite_processbuffer(rw_allow::DESTINATION)?;
        source.enter(|from| {
            destination.mut_enter(|to| {
                for (from, to) in from.chunks(8).zip(to.chunks(8)) {
                    let mut piece = [0; 8];
                    let piece = &mut piece[..from.len()];
                    from.copy_to_slice(piece);
                    piece.make_ascii_uppercase();
                    to.get(..piece.len())
                        .ok_or(ErrorCode::SIZE)?
                        .copy_from_slice_or_err(piece)?;
                }
                Ok(length)
            })
        })??
    }
}

impl DeferredCallClient for Shout {
    fn handle_deferred_call(&self) {
        let Some(owner) = self.owner.take() else {
            return;
        };
        let _ = self.apps.enter(owner, |_app, kernel_data| {
            let result = Self::copy(kernel_data);
            let status = into_statuscode(result.map(|_| ()));
            kernel_data.schedule_upcall(upcall::DONE, (status, result.unwrap_or(0), 0))
        });
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

impl SyscallDriver for Shout {
    fn command(&self, number: usize, _: usize, _: usize, process_id: ProcessId) -> CommandReturn {
        match number {
            0 => CommandReturn::success(),
            1 => {
                if self.owner.is_some() {
                    return CommandReturn::failure(ErrorCode::BUSY);
                }
                let ready = self.apps.enter(process_id, |_, k| Self::lengths(k));
                match ready {
                    Err(e) => e.into(),
                    Ok(Err(e)) => CommandReturn::failure(e),
                    Ok(Ok(_)) => {
                        self.owner.set(process_id);
                        self.deferred_call.set();
                        CommandReturn::success()
                    }
                }
            }
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}
