//! App loader, driver 0x10001 (docs/syscalls/10001_app_loader.md).
//!
//! | command | arguments | success | failure |
//! |---|---|---|---|
//! | 0 | – | exists | |
//! | 1 setup | bytes of the TBF | then upcall 0 | FAIL no place |
//! | 2 write | offset, length | then upcall 1 | RESERVE no RO 0 · SIZE past it |
//! | 3 finalize | – | then upcall 2 | ALREADY not newer · INVAL header |
//! | 4 load | ms of trial, 0: 180,000 | then upcall 3 | |
//! | 5 abort | – | then upcall 4 | |
//! | 6 unload | ShortId | then upcall 5 | |
//! | 7 uninstall | address of the TBF | then upcall 6 | BUSY in use · INVAL nothing |
//! | 8 probe | flash address, bytes | free | as 14 |
//! | 9 installed | ShortId | u32×3 version, address, flags | INVAL nothing |
//! | 10 confirm | ShortId | then upcall 8 | INVAL not on trial |
//! | 11 roll back | ShortId | then upcall 8 | INVAL not on trial |
//! | 12 remove | ShortId | then upcall 8 | INVAL nothing |
//! | 13 start | ShortId | then upcall 8 | ALREADY it runs |
//! | 14 setup at | flash address, bytes | then upcall 0 | BUSY in use · NOMEM |
//!
//! Any: NOSUPPORT the caller may not install, BUSY another does, INVAL out of order. RO 0: bytes to
//! write. Owns who may install and one caller at a time, the trial's deadline, and that a trial that
//! faults is rolled back without anyone asking. Does not own flash or processes: the storage does.

use core::cell::Cell;
use core::num::NonZeroU32;
use kernel::dynamic_binary_storage::{
    DynamicBinaryStore, DynamicBinaryStoreClient, DynamicProcessLoad, DynamicProcessLoadClient,
    DynamicProcessUninstall, DynamicProcessUninstallClient, DynamicProcessUnload,
    DynamicProcessUnloadClient, DynamicProcessUpdate, DynamicProcessUpdateClient,
};
use kernel::errorcode::into_statuscode;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks};
use kernel::process::{ProcessLoadError, ShortId};
use kernel::processbuffer::ReadableProcessBuffer;
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};
use kernel::utilities::leasable_buffer::SubSliceMut;
use kernel::{ErrorCode, ProcessId};

/// Driver number.
pub const DRIVER_NUM: usize = 0x10001;
/// Milliseconds of trial when the caller names none: as long as an image's (ARCHITECTURE §5).
pub const TRIAL_MS: u32 = 180_000;
/// Milliseconds between two looks at the process on trial, or at what is under way.
const LOOK_MS: u32 = 100;
/// Looks at one operation after which nobody else's use of the old process's memory holds it up.
const PATIENCE: u32 = 10;

mod upcall {
    pub const SETUP: usize = 0;
    pub const WRITE: usize = 1;
    pub const FINALIZE: usize = 2;
    pub const LOAD: usize = 3;
    pub const ABORT: usize = 4;
    pub const UNLOAD: usize = 5;
    pub const UNINSTALL: usize = 6;
    pub const TRIAL: usize = 7;
    pub const UPDATE: usize = 8;
}

/// Who may install.
pub trait InstallPolicy {
    /// Whether the application of this name may.
    fn may_install(&self, installer: NonZeroU32) -> bool;
}

/// A list of names.
impl<const N: usize> InstallPolicy for [u32; N] {
    fn may_install(&self, installer: NonZeroU32) -> bool {
        self.contains(&installer.get())
    }
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Nothing,
    Setup,
    Write {
        offset: usize,
        length: usize,
        done: usize,
    },
    Finalize,
    Load,
    Abort,
    Unload,
    Uninstall,
    /// A command of the update kind, by number.
    Update(usize),
    /// Nobody asked: a trial failed, or the caller died.
    Own,
}

type AppGrant = Grant<(), UpcallCount<9>, AllowRoCount<1>, AllowRwCount<0>>;

/// All that the capsule asks of the storage.
pub trait Storage:
    DynamicBinaryStore
    + DynamicProcessLoad
    + DynamicProcessUnload
    + DynamicProcessUninstall
    + DynamicProcessUpdate
{
}
impl<T> Storage for T where
    T: DynamicBinaryStore
        + DynamicProcessLoad
        + DynamicProcessUnload
        + DynamicProcessUninstall
        + DynamicProcessUpdate
{
}

/// The driver.
pub struct AppLoader<'a, S: Storage, A: Alarm<'a>> {
    storage: &'a S,
    policy: &'a dyn InstallPolicy,
    alarm: &'a A,
    buffer: TakeCell<'static, [u8]>,
    apps: AppGrant,
    owner: OptionalCell<ProcessId>,
    pending: Cell<Pending>,
    /// Milliseconds of trial, for the load that is under way and left of the one that runs.
    trial_ms: Cell<u32>,
    /// Looks at the operation that is under way.
    looks: Cell<u32>,
}

impl<'a, S: Storage, A: Alarm<'a>> AppLoader<'a, S, A> {
    /// Over the storage; `buffer` takes what is written a piece at a time, 16 bytes at least. The
    /// caller makes this the client of storage and alarm.
    pub fn new(
        storage: &'a S,
        policy: &'a dyn InstallPolicy,
        alarm: &'a A,
        buffer: &'static mut [u8],
        grant: AppGrant,
    ) -> Self {
        AppLoader {
            storage,
            policy,
            alarm,
            buffer: TakeCell::new(buffer),
            apps: grant,
            owner: OptionalCell::empty(),
            pending: Cell::new(Pending::Nothing),
            trial_ms: Cell::new(0),
            looks: Cell::new(0),
        }
    }

    fn permitted(&self, process_id: ProcessId) -> bool {
        match process_id.short_app_id() {
            ShortId::Fixed(id) => self.policy.may_install(id),
            ShortId::LocallyUnique => false,
        }
    }

    /// The caller becomes the owner, or is it.
    fn own(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        match self.owner.get() {
            Some(owner) if owner == process_id => {}
            Some(owner) if owner.is_alive() => return Err(ErrorCode::BUSY),
            Some(_) => {
                // It died on the way: what it left is taken away first.
                if self.pending.get() == Pending::Nothing && self.storage.abort().is_ok() {
                    self.pending.set(Pending::Own);
                }
                if self.pending.get() != Pending::Nothing {
                    return Err(ErrorCode::BUSY);
                }
                self.owner.set(process_id);
                return Ok(());
            }
            None => self.owner.set(process_id),
        }
        if self.pending.get() != Pending::Nothing {
            return Err(ErrorCode::BUSY);
        }
        Ok(())
    }

    fn begin(
        &self,
        process_id: ProcessId,
        pending: Pending,
        start: impl FnOnce() -> Result<(), ErrorCode>,
    ) -> Result<(), ErrorCode> {
        let held = self.owner.contains(&process_id);
        self.own(process_id)?;
        self.pending.set(pending);
        start().inspect(|()| self.watch(pending)).inspect_err(|_| {
            self.pending.set(Pending::Nothing);
            // A refused first step leaves it to others; later ones can be tried again or aborted.
            if !held {
                self.owner.clear();
            }
        })
    }

    /// Tells the owner; `last` also ends its ownership.
    fn tell(&self, upcall: usize, words: (usize, usize, usize), last: bool) {
        self.pending.set(Pending::Nothing);
        let owner = if last {
            self.owner.take()
        } else {
            self.owner.get()
        };
        if let Some(owner) = owner {
            // It may be gone, or listen to nothing.
            let _ = self.apps.enter(owner, |_, kernel_data| {
                let _ = kernel_data.schedule_upcall(upcall, words);
            });
        }
    }

    /// Writes the next piece of a chunk.
    fn write_piece(&self, offset: usize, length: usize, done: usize) -> Result<(), ErrorCode> {
        let owner = self.owner.get().ok_or(ErrorCode::FAIL)?;
        let buffer = self.buffer.take().ok_or(ErrorCode::BUSY)?;
        let size = buffer.len().min(length - done);
        let copied = self.apps.enter(owner, |_, kernel_data| {
            let source = kernel_data.get_readonly_processbuffer(0);
            source.and_then(|source| {
                source.enter(|bytes| {
                    let from = bytes.get(done..done + size).ok_or(ErrorCode::SIZE)?;
                    let to = buffer.get_mut(..size).ok_or(ErrorCode::SIZE)?;
                    from.copy_to_slice_or_err(to)
                })
            })
        });
        let copied = copied.map_err(ErrorCode::from).and_then(|result| {
            let result = result.map_err(ErrorCode::from);
            result.and_then(|copied| copied)
        });
        if let Err(e) = copied {
            self.buffer.put(Some(buffer));
            return Err(e);
        }
        let mut piece = SubSliceMut::new(buffer);
        piece.slice(..size);
        self.storage.write(piece, offset + done)
    }

    fn write(&self, process_id: ProcessId, offset: usize, length: usize) -> Result<(), ErrorCode> {
        let room = self.apps.enter(process_id, |_, kernel_data| {
            let source = kernel_data.get_readonly_processbuffer(0);
            source.map_or(0, |source| source.len())
        })?;
        if room == 0 {
            return Err(ErrorCode::RESERVE);
        }
        if length == 0 || length > room || offset.checked_add(length).is_none() {
            return Err(ErrorCode::SIZE);
        }
        let pending = Pending::Write {
            offset,
            length,
            done: 0,
        };
        self.begin(process_id, pending, || self.write_piece(offset, length, 0))
    }

    fn update(
        &self,
        process_id: ProcessId,
        command: usize,
        short_id: usize,
    ) -> Result<(), ErrorCode> {
        let id = name(short_id)?;
        if self.owner.contains(&process_id) {
            // In the middle of an install of its own.
            return Err(ErrorCode::INVAL);
        }
        self.begin(process_id, Pending::Update(command), || match command {
            10 => self.storage.confirm(id),
            11 => self.storage.roll_back(id),
            12 => self.storage.remove(id),
            _ => self.storage.start(id),
        })
    }

    /// Starts to look, if it is of the kind that may have to wait for another process.
    fn watch(&self, pending: Pending) {
        let waits = matches!(
            pending,
            Pending::Load | Pending::Unload | Pending::Update(_)
        );
        if waits {
            self.looks.set(0);
            if self.storage.on_trial().is_none() {
                self.look_again();
            }
        }
    }

    fn look_again(&self) {
        self.alarm
            .set_alarm(self.alarm.now(), self.alarm.ticks_from_ms(LOOK_MS));
    }

    /// All that may install hear of a trial's end.
    fn trial_ended(&self, short_id: u32, result: Result<(), ErrorCode>) {
        let words = (into_statuscode(result), short_id as usize, 0);
        self.apps.each(|_, _, kernel_data| {
            let _ = kernel_data.schedule_upcall(upcall::TRIAL, words);
        });
    }
}

fn name(short_id: usize) -> Result<NonZeroU32, ErrorCode> {
    let id = u32::try_from(short_id).ok().and_then(NonZeroU32::new);
    id.ok_or(ErrorCode::INVAL)
}

impl<'a, S: Storage, A: Alarm<'a>> SyscallDriver for AppLoader<'a, S, A> {
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        if command_num == 0 {
            return CommandReturn::success();
        }
        if !self.permitted(process_id) {
            return CommandReturn::failure(ErrorCode::NOSUPPORT);
        }
        // These go on with what only an owner can have begun.
        if (2..=5).contains(&command_num) && self.owner.is_none() {
            return CommandReturn::failure(ErrorCode::INVAL);
        }
        let result = match command_num {
            1 => self.begin(process_id, Pending::Setup, || {
                self.storage.setup(r2).map(|_| ())
            }),
            2 => self.write(process_id, r2, r3),
            3 => self.begin(process_id, Pending::Finalize, || self.storage.finalize()),
            4 => self.begin(process_id, Pending::Load, || {
                let ms = u32::try_from(r2).ok().filter(|ms| *ms > 0);
                self.trial_ms.set(ms.unwrap_or(TRIAL_MS));
                self.storage.load()
            }),
            5 => self.begin(process_id, Pending::Abort, || self.storage.abort()),
            6 => name(r2).and_then(|id| {
                self.begin(process_id, Pending::Unload, || {
                    self.storage.unload(ShortId::Fixed(id))
                })
            }),
            7 => self.begin(process_id, Pending::Uninstall, || {
                self.storage.uninstall_with_app_handle(r2)
            }),
            8 => self.storage.probe(r2, r3),
            9 => {
                let found = name(r2).ok().and_then(|id| self.storage.installed(id));
                return match found {
                    Some(i) => CommandReturn::success_u32_u32_u32(
                        i.version,
                        i.address as u32,
                        u32::from(i.running) | u32::from(i.trial) << 1,
                    ),
                    None => CommandReturn::failure(ErrorCode::INVAL),
                };
            }
            10..=13 => self.update(process_id, command_num, r2),
            14 => self.begin(process_id, Pending::Setup, || {
                self.storage.setup_at(r2, r3).map(|_| ())
            }),
            _ => Err(ErrorCode::NOSUPPORT),
        };
        CommandReturn::from(result)
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), kernel::process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}

impl<'a, S: Storage, A: Alarm<'a>> DynamicBinaryStoreClient for AppLoader<'a, S, A> {
    fn setup_done(&self, result: Result<(), ErrorCode>) {
        self.tell(
            upcall::SETUP,
            (into_statuscode(result), 0, 0),
            result.is_err(),
        );
    }

    fn write_done(&self, result: Result<(), ErrorCode>, buffer: &'static mut [u8], length: usize) {
        self.buffer.put(Some(buffer));
        let Pending::Write {
            offset,
            length: all,
            done,
        } = self.pending.get()
        else {
            return;
        };
        let done = if result.is_ok() { done + length } else { done };
        let result = result.and_then(|()| {
            if done >= all {
                return Ok(true);
            }
            self.pending.set(Pending::Write {
                offset,
                length: all,
                done,
            });
            self.write_piece(offset, all, done).map(|()| false)
        });
        if let Some(told) = match result {
            Ok(true) => Some(Ok(())),
            Ok(false) => None,
            Err(e) => Some(Err(e)),
        } {
            self.tell(upcall::WRITE, (into_statuscode(told), done, 0), false);
        }
    }

    fn finalize_done(&self, result: Result<(), ErrorCode>) {
        self.tell(upcall::FINALIZE, (into_statuscode(result), 0, 0), false);
    }

    fn abort_done(&self, result: Result<(), ErrorCode>) {
        if self.pending.get() == Pending::Own {
            self.pending.set(Pending::Nothing);
            self.owner.clear();
        } else {
            self.tell(upcall::ABORT, (into_statuscode(result), 0, 0), true);
        }
    }
}

impl<'a, S: Storage, A: Alarm<'a>> DynamicProcessLoadClient for AppLoader<'a, S, A> {
    fn load_done(&self, result: Result<(), ProcessLoadError>) {
        let result = result.map_err(|e| match e {
            ProcessLoadError::NotEnoughMemory => ErrorCode::NOMEM,
            ProcessLoadError::MpuInvalidFlashLength => ErrorCode::INVAL,
            ProcessLoadError::InternalError => ErrorCode::OFF,
            _ => ErrorCode::FAIL,
        });
        if self.storage.on_trial().is_some() {
            self.look_again();
        }
        self.tell(upcall::LOAD, (into_statuscode(result), 0, 0), true);
    }
}

impl<'a, S: Storage, A: Alarm<'a>> DynamicProcessUnloadClient for AppLoader<'a, S, A> {
    fn unload_done(&self, result: Result<(), ErrorCode>, app_handle: usize) {
        self.tell(
            upcall::UNLOAD,
            (into_statuscode(result), app_handle, 0),
            true,
        );
    }
}

impl<'a, S: Storage, A: Alarm<'a>> DynamicProcessUninstallClient for AppLoader<'a, S, A> {
    fn uninstall_done(&self, result: Result<(), ErrorCode>) {
        self.tell(upcall::UNINSTALL, (into_statuscode(result), 0, 0), true);
    }
}

impl<'a, S: Storage, A: Alarm<'a>> DynamicProcessUpdateClient for AppLoader<'a, S, A> {
    fn update_done(&self, result: Result<(), ErrorCode>) {
        match self.pending.get() {
            Pending::Update(command) => {
                self.tell(upcall::UPDATE, (into_statuscode(result), command, 0), true)
            }
            _ => self.pending.set(Pending::Nothing),
        }
    }
}

impl<'a, S: Storage, A: Alarm<'a>> AlarmClient for AppLoader<'a, S, A> {
    fn alarm(&self) {
        let busy = self.pending.get() != Pending::Nothing;
        if busy {
            self.looks.set(self.looks.get().saturating_add(1));
            if self.looks.get() >= PATIENCE {
                self.storage.insist();
            }
        }
        let Some(trial) = self.storage.on_trial() else {
            if busy {
                self.look_again();
            }
            return;
        };
        let left = self.trial_ms.get().saturating_sub(LOOK_MS);
        self.trial_ms.set(left);
        let over = left == 0 || self.storage.trial_failed();
        let id = NonZeroU32::new(trial.short_id);
        if over
            && self.pending.get() == Pending::Nothing
            && let Some(id) = id
            && self.storage.roll_back(id).is_ok()
        {
            self.pending.set(Pending::Own);
            self.looks.set(0);
            self.look_again();
            self.trial_ended(id.get(), Err(ErrorCode::CANCEL));
            return;
        }
        self.look_again();
    }
}
