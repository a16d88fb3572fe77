//! Installs on NOR flash, one binary at a time, safe under power loss at any write.
//!
//! Every operation is a script of flash steps ([`steps`]), worked off by completions. What makes it safe:
//! - A new binary is written without its checksum word, so that it is an object of the list that
//!   nobody loads; programming that word is the one step that makes it good.
//! - Before that, a [`Trial`] is recorded: a good object with an open trial does not run after a
//!   reset, and is taken away. Starting (new application) or confirming (update) closes it.
//! - What is overwritten is made bad first by clearing a word, and its first page is erased last.
//! - Where the record cannot be read, the oldest version of each application runs
//!   ([`SequentialProcessLoaderMachine::prefer_oldest`], the board's to ask for), and nothing is installed:
//!   what was on trial never runs by accident.
//! - Holes that a reset leaves in the list are padded by [`SequentialDynamicBinaryStorage::recover`].
//!
//! Invariant: no byte of an object that a process is made of is written; nothing is released or
//! started from inside a system call.

mod place;
mod steps;
mod update;

use super::list::{self, CHECKSUM, Kind, Object};
use super::*;
use crate::Kernel;
use crate::deferred_call::{DeferredCall, DeferredCallClient};
use crate::hil;
use crate::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use crate::platform::chip::Chip;
use crate::process::{
    FlashRegion, Process, ProcessBinaryError, ProcessStandardDebug, SequentialProcessLoaderMachine,
    SingleLoadClient,
};
use crate::process_checker::ProcessCheckError;
use crate::utilities::cells::{MapCell, OptionalCell, TakeCell};
use core::cell::Cell;
use core::ops::Range;
use tock_tbf::parse::{BASE_HEADER, parse_tbf_header, parse_tbf_header_lengths};
use tock_tbf::types::TbfHeader;

/// Largest header that can be installed, bytes.
const HEADER_MAX: usize = 512;
/// Steps of a script at a time; those that work through many objects push themselves again.
const STEPS: usize = 16;

/// Application flash that can be written.
#[derive(Clone, Copy)]
pub struct Area {
    /// All of it, with the distance of rows: where the kernel and host tools look for objects.
    pub flash: FlashRegion,
    /// Bytes of a page: what is erased at a time. Page 0 is the area's first.
    pub page: usize,
    /// Where binaries go that are linked to no address: first address, and one past the last.
    pub pool: (usize, usize),
    /// Whether a binary without an accepted signature may be installed.
    pub unsigned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Recovering,
    Setup,
    /// Takes chunks.
    Writing,
    Chunk,
    Finalizing,
    /// An object of the list, not started.
    Ready,
    /// Its credentials are being checked.
    Checking,
    /// The old version is ended: the new one gets its slot and RAM.
    Replacing,
    /// It may not run: it is taken away.
    Discarding(ProcessLoadError),
    /// It runs: the record of a new application is closed.
    Opening,
    Aborting,
    Unloading(usize),
    Confirming,
    /// The new version is taken away; with why, if it never ran.
    RollingBack(Option<ProcessLoadError>),
    /// The old version is being checked.
    Restoring(Option<ProcessLoadError>),
    Removing,
    Uninstalling,
    Starting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Programs the first bytes of these.
    Program {
        at: usize,
        bytes: [u8; BASE_HEADER],
        len: usize,
    },
    /// Erases pages from the last to the first, those that are blank excepted.
    Erase { from: usize, to: usize },
    /// Makes the header of an object bad.
    Invalidate(usize),
    /// Erases the first page of an object, if nothing else lies in it.
    Forget(Object),
    /// Writes the chunk that waits.
    Chunk { at: usize, len: usize },
    /// Pads the holes of the list from here on.
    Mend(usize),
    /// Replaces the record.
    Record(Option<Trial>),
    /// Ends the process in a slot.
    Release(usize),
    /// Takes away the copies of an application.
    Copies(NonZeroU32),
}

/// Where the new binary goes. Offsets into the area.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    len: usize,
    /// End of what is erased.
    limit: usize,
    /// End of the objects that are overwritten, when behind the binary's.
    tail: usize,
    /// Padding that begins before the place and must end at it.
    cover: Option<Object>,
    /// Whether the first page is erased.
    opened: bool,
    /// The checksum word, held back, and which bytes of it there are.
    checksum: [u8; 4],
    known: u8,
}

/// An update that is not confirmed.
#[derive(Clone, Copy)]
struct Running {
    trial: Trial,
    slot: usize,
    old: Restart,
}

/// A TBF in flash and the slot that its process gets.
#[derive(Clone, Copy)]
struct Restart {
    slot: Option<usize>,
    address: usize,
    len: usize,
}

/// The implementation.
pub struct SequentialDynamicBinaryStorage<
    'a,
    'b,
    C: Chip + 'static,
    D: ProcessStandardDebug + 'static,
    F,
> {
    kernel: &'static Kernel,
    driver: &'b F,
    loader: &'a SequentialProcessLoaderMachine<'a, C, D>,
    trials: &'a dyn TrialStore,
    area: Area,
    buffer: TakeCell<'static, [u8]>,
    chunk: MapCell<SubSliceMut<'static, u8>>,
    state: Cell<State>,
    script: Cell<[Option<Step>; STEPS]>,
    current: Cell<Option<Step>>,
    place: Cell<Option<Place>>,
    running: Cell<Option<Running>>,
    /// What `Restoring` and `Starting` have in hand.
    restart: Cell<Option<Restart>>,
    /// What is told as soon as the caller has returned.
    refused: Cell<Option<ErrorCode>>,
    /// A script waits for its first step, or to go on.
    begun: Cell<bool>,
    /// The slot whose RAM it waits for: other processes have windows on it.
    held: Cell<Option<usize>>,
    store_client: OptionalCell<&'static dyn DynamicBinaryStoreClient>,
    load_client: OptionalCell<&'static dyn DynamicProcessLoadClient>,
    unload_client: OptionalCell<&'static dyn DynamicProcessUnloadClient>,
    uninstall_client: OptionalCell<&'static dyn DynamicProcessUninstallClient>,
    update_client: OptionalCell<&'static dyn DynamicProcessUpdateClient>,
    deferred_call: DeferredCall,
}

impl<'a, 'b, C, D, F> SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    /// Over the area; `buffer` is for headers, 16 bytes at least. The caller makes this the client
    /// of the driver.
    pub fn new(
        kernel: &'static Kernel,
        driver: &'b F,
        loader: &'a SequentialProcessLoaderMachine<'a, C, D>,
        trials: &'a dyn TrialStore,
        area: Area,
        buffer: &'static mut [u8],
        _capability: &dyn crate::capabilities::ProcessManagementCapability,
    ) -> Self {
        SequentialDynamicBinaryStorage {
            kernel,
            driver,
            loader,
            trials,
            area,
            buffer: TakeCell::new(buffer),
            chunk: MapCell::empty(),
            state: Cell::new(State::Idle),
            script: Cell::new([None; STEPS]),
            current: Cell::new(None),
            place: Cell::new(None),
            running: Cell::new(None),
            restart: Cell::new(None),
            refused: Cell::new(None),
            begun: Cell::new(false),
            held: Cell::new(None),
            store_client: OptionalCell::empty(),
            load_client: OptionalCell::empty(),
            unload_client: OptionalCell::empty(),
            uninstall_client: OptionalCell::empty(),
            update_client: OptionalCell::empty(),
            deferred_call: DeferredCall::new(),
        }
    }

    /// Hears of the loader from here on; at board set-up.
    pub fn listen(&'a self) {
        self.loader.set_runtime_client(self);
    }

    /// Takes away what was on trial when power went, and pads holes. Once, when the loader has
    /// finished; the TBF of the record must have been excluded from it.
    pub fn recover(&self) {
        if self.state.get() != State::Idle {
            return;
        }
        let open = self.trials.get().ok().flatten();
        let object = open.and_then(|t| {
            let at = t.address.checked_sub(self.base())?;
            let o = list::object_at(self.bytes(), at)?;
            (o.kind == Kind::App && !self.in_use(o.start, o.end())).then_some(o)
        });
        let forget = object.map_or([None; 2], |o| {
            [Some(Step::Invalidate(o.start)), Some(Step::Forget(o))]
        });
        let close = open.map(|_| Step::Record(None));
        let [a, b] = forget;
        self.begin(State::Recovering, &[a, b, Some(Step::Mend(0)), close]);
    }

    fn base(&self) -> usize {
        self.area.flash.base_address()
    }

    fn bytes(&self) -> &'static [u8] {
        self.area.flash.bytes()
    }

    fn objects(&self) -> impl Iterator<Item = Object> + use<'a, 'b, C, D, F> {
        list::objects(self.bytes(), self.area.flash.stride())
    }

    fn page_up(&self, at: usize) -> usize {
        at.checked_next_multiple_of(self.area.page)
            .unwrap_or(usize::MAX)
    }

    /// Whether a process is made of any of these bytes.
    fn in_use(&self, start: usize, end: usize) -> bool {
        let (start, end) = (
            self.base().saturating_add(start),
            self.base().saturating_add(end),
        );
        let mut all = self.kernel.processes();
        all.any(|p| {
            let a = p.get_addresses();
            a.flash_start < end && start < a.flash_end
        })
    }

    fn named(&self, id: NonZeroU32) -> Option<&'static dyn Process> {
        let mut all = self.kernel.processes();
        all.find(|p| p.short_app_id() == ShortId::Fixed(id))
    }

    /// The script is done, or failed.
    fn finished(&self, result: Result<(), ErrorCode>) {
        self.current.set(None);
        let state = self.state.get();
        let ok = result.is_ok();
        let to = |next: State| self.state.set(next);
        match state {
            State::Recovering => to(State::Idle),
            State::Setup => {
                to(if ok { State::Writing } else { State::Idle });
                self.store_client.map(|c| c.setup_done(result));
            }
            State::Chunk => to(State::Writing),
            State::Finalizing => {
                // After a failure it can be aborted, or tried again.
                to(if ok { State::Ready } else { State::Writing });
                self.store_client.map(|c| c.finalize_done(result));
            }
            State::Discarding(why) => {
                self.close();
                self.load_client.map(|c| c.load_done(Err(why)));
            }
            State::Opening if !ok => {
                // It runs, and would not after a reset: better never.
                let slot = self.place.get().and_then(|p| self.slot_of(p.start));
                self.discard_from(slot, ProcessLoadError::InternalError);
            }
            State::Opening => {
                self.close();
                self.load_client.map(|c| c.load_done(Ok(())));
            }
            State::Aborting => {
                self.close();
                self.store_client.map(|c| c.abort_done(result));
            }
            State::Unloading(address) => {
                to(State::Idle);
                self.unload_client.map(|c| c.unload_done(result, address));
            }
            State::Confirming => {
                to(State::Idle);
                if ok {
                    self.running.set(None);
                }
                self.updated(result);
            }
            State::Removing => {
                to(State::Idle);
                self.updated(result);
            }
            State::Uninstalling => {
                to(State::Idle);
                self.uninstall_client.map(|c| c.uninstall_done(result));
            }
            State::RollingBack(why) => {
                // Whatever became of the new one's flash: the old one runs again.
                to(State::Restoring(why));
                self.restart.set(self.running.take().map(|r| r.old));
                self.check_again();
            }
            State::Starting => self.check_again(),
            State::Replacing => self.replaced(),
            State::Idle | State::Writing | State::Ready | State::Checking | State::Restoring(_) => {
            }
        }
    }

    /// Has the credentials of what is to be started again checked.
    fn check_again(&self) {
        let restart = self.restart.get();
        let checking = restart.map(|r| self.loader.check_new_binary(r.address, r.len));
        if checking != Some(Ok(())) {
            self.restored(Err(ErrorCode::FAIL));
        }
    }

    fn close(&self) {
        self.place.set(None);
        self.state.set(State::Idle);
    }

    fn updated(&self, result: Result<(), ErrorCode>) {
        self.update_client.map(|c| c.update_done(result));
    }

    /// A process was started again, or not.
    fn restored(&self, result: Result<(), ErrorCode>) {
        let state = self.state.get();
        self.restart.set(None);
        self.close();
        match state {
            State::Restoring(Some(why)) => {
                self.load_client.map(|c| c.load_done(Err(why)));
            }
            _ => self.updated(result),
        }
    }

    /// Takes the new binary away: it must not run.
    fn discard(&self, why: ProcessLoadError) {
        self.discard_from(None, why);
    }

    /// As [`Self::discard`], of the process in this slot.
    fn discard_from(&self, slot: Option<usize>, why: ProcessLoadError) {
        let steps = self.forget_new(slot, State::Discarding(why));
        if !steps {
            self.close();
            self.load_client.map(|c| c.load_done(Err(why)));
        }
    }

    /// The slot of the process that is made of the object at this offset.
    fn slot_of(&self, start: usize) -> Option<usize> {
        let address = self.base().saturating_add(start);
        let mut all = self.kernel.processes();
        all.find(|p| p.get_addresses().flash_start == address)
            .map(|p| p.processid().slot())
    }

    fn forget_new(&self, slot: Option<usize>, state: State) -> bool {
        let Some(place) = self.place.get() else {
            return false;
        };
        let object = Object {
            start: place.start,
            len: place.len,
            kind: Kind::App,
        };
        self.begin(
            state,
            &[
                slot.map(Step::Release),
                Some(Step::Invalidate(place.start)),
                Some(Step::Forget(object)),
                Some(Step::Mend(0)),
                Some(Step::Record(None)),
            ],
        );
        true
    }

    fn installed_object(&self, id: NonZeroU32) -> Option<(Object, u32)> {
        let copies = self.objects().filter_map(|o| {
            let header = list::header_at(self.bytes(), o.start)?;
            let named = header.enabled() && header.get_fixed_short_id() == Some(id);
            (named && o.kind == Kind::App).then(|| (o, header.get_binary_version()))
        });
        copies.max_by_key(|(_, version)| *version)
    }

    fn idle(&self) -> Result<(), ErrorCode> {
        if self.state.get() == State::Idle && self.loader.idle() {
            Ok(())
        } else {
            Err(ErrorCode::BUSY)
        }
    }

    fn begin_roll_back(&self, running: Running, why: Option<ProcessLoadError>) {
        let start = running.trial.address.checked_sub(self.base());
        let object = start.and_then(|start| list::object_at(self.bytes(), start));
        let release = self
            .kernel
            .process_at(running.slot)
            .map(|_| Step::Release(running.slot));
        self.begin(
            State::RollingBack(why),
            &[
                release,
                object.map(|o| Step::Invalidate(o.start)),
                object.map(Step::Forget),
                Some(Step::Mend(0)),
                Some(Step::Record(None)),
            ],
        );
    }

    /// The new binary may run: under this name, if it has one.
    fn start_new(&self, id: ShortId) {
        let Some(place) = self.place.get() else {
            return self.close();
        };
        let old = match id {
            ShortId::Fixed(id) => self.named(id),
            ShortId::LocallyUnique => None,
        };
        let Some(old) = old else {
            return match self.loader.create_checked(None) {
                Ok(_) => self.begin(State::Opening, &[Some(Step::Record(None))]),
                Err(e) => self.discard(e),
            };
        };
        let trial = match self.admit(&place) {
            Ok(trial) => trial,
            Err(_) => return self.discard(ProcessBinaryError::Superseded.into()),
        };
        let a = old.get_addresses();
        let running = Running {
            trial,
            slot: old.processid().slot(),
            old: Restart {
                slot: Some(old.processid().slot()),
                address: a.flash_start,
                len: a.flash_end - a.flash_start,
            },
        };
        self.running.set(Some(running));
        self.begin(State::Replacing, &[Some(Step::Release(running.slot))]);
    }

    /// The old version has ended.
    fn replaced(&self) {
        let Some(running) = self.running.get() else {
            return self.close();
        };
        match self.loader.create_checked(Some(running.slot)) {
            Ok(_) => {
                self.close();
                self.load_client.map(|c| c.load_done(Ok(())));
            }
            Err(e) => self.begin_roll_back(running, Some(e)),
        }
    }
}

impl<'a, 'b, C, D, F> DynamicBinaryStore for SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    fn setup(&self, app_length: usize) -> Result<usize, ErrorCode> {
        self.free_to_install()?;
        let flash = self.bytes();
        // Where tools would put it: at a multiple of its size, so that any core's MPU can cover it.
        let unit = app_length
            .checked_next_power_of_two()
            .ok_or(ErrorCode::INVAL)?
            .max(self.area.page);
        let row = unit.max(self.area.flash.stride());
        let (from, to) = self.area.pool;
        let first = from.checked_next_multiple_of(unit);
        let first = first.and_then(|a| a.checked_sub(self.base()));
        let first = first.ok_or(ErrorCode::FAIL)?;
        let end = to.saturating_sub(self.base()).min(flash.len());
        let empty = |range: Range<usize>| {
            let hit =
                |o: Object| o.kind == Kind::App && o.start < range.end && range.start < o.end();
            !self.objects().any(hit)
        };
        let place = (first..end).step_by(row).find_map(|at| {
            let limit = self.page_up(at.checked_add(app_length)?);
            (limit <= end && empty(at..limit))
                .then(|| self.plan(self.base() + at, app_length).ok())?
        });
        self.begin_setup(place.ok_or(ErrorCode::FAIL)?)
    }

    fn write(&self, mut buffer: SubSliceMut<'static, u8>, offset: usize) -> Result<(), ErrorCode> {
        if self.chunk.is_some() {
            // Cannot be: the one buffer there is comes back first.
            return Err(ErrorCode::BUSY);
        }
        if let Err(e) = self.admit_chunk(buffer.as_mut_slice(), offset) {
            self.refused.set(Some(e));
            self.deferred_call.set();
        }
        // A driver writes from the buffer's start.
        let active = buffer.active_range();
        let bytes = buffer.take();
        bytes.copy_within(active.clone(), 0);
        let mut whole = SubSliceMut::new(bytes);
        whole.slice(..active.len());
        self.chunk.put(whole);
        Ok(())
    }

    fn finalize(&self) -> Result<(), ErrorCode> {
        let place = self
            .place
            .get()
            .filter(|p| self.state.get() == State::Writing && p.known == 0xF)
            .ok_or(ErrorCode::INVAL)?;
        let trial = self.admit(&place)?;
        let mut word = [0; BASE_HEADER];
        for (to, from) in word.iter_mut().zip(place.checksum) {
            *to = from;
        }
        let shorten = place.cover.map(|cover| Step::Erase {
            from: cover.start,
            to: cover.start + self.area.page,
        });
        let shorter = place.cover.map(|cover| Step::Program {
            at: cover.start,
            bytes: list::padding(place.start - cover.start),
            len: BASE_HEADER,
        });
        self.begin(
            State::Finalizing,
            &[
                Some(Step::Record(Some(trial))),
                Some(Step::Program {
                    at: place.start + CHECKSUM,
                    bytes: word,
                    len: 4,
                }),
                shorten,
                shorter,
                Some(Step::Mend(0)),
            ],
        );
        Ok(())
    }

    fn abort(&self) -> Result<(), ErrorCode> {
        match self.state.get() {
            State::Writing | State::Ready => {
                if self.forget_new(None, State::Aborting) {
                    Ok(())
                } else {
                    Err(ErrorCode::INVAL)
                }
            }
            State::Setup
            | State::Chunk
            | State::Finalizing
            | State::Checking
            | State::Replacing => Err(ErrorCode::BUSY),
            _ => Err(ErrorCode::INVAL),
        }
    }

    fn set_storage_client(&self, client: &'static dyn DynamicBinaryStoreClient) {
        self.store_client.set(client);
    }
}

impl<'a, 'b, C, D, F> DynamicProcessLoad for SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    fn load(&self) -> Result<(), ErrorCode> {
        let place = self
            .place
            .get()
            .filter(|_| self.state.get() == State::Ready)
            .ok_or(ErrorCode::INVAL)?;
        if !self.loader.idle() {
            return Err(ErrorCode::BUSY);
        }
        self.state.set(State::Checking);
        let checking = self
            .loader
            .check_new_binary(self.base() + place.start, place.len);
        if let Err(e) = checking {
            self.discard(e);
        }
        Ok(())
    }

    fn set_load_client(&self, client: &'static dyn DynamicProcessLoadClient) {
        self.load_client.set(client);
    }
}

impl<'a, 'b, C, D, F> DynamicProcessUnload for SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    fn unload(&self, short_id: ShortId) -> Result<(), ErrorCode> {
        self.idle()?;
        let ShortId::Fixed(id) = short_id else {
            return Err(ErrorCode::INVAL);
        };
        if self
            .running
            .get()
            .is_some_and(|r| r.trial.short_id == id.get())
        {
            return Err(ErrorCode::BUSY);
        }
        let process = self.named(id).ok_or(ErrorCode::INVAL)?;
        let (slot, at) = (
            process.processid().slot(),
            process.get_addresses().flash_start,
        );
        self.begin(State::Unloading(at), &[Some(Step::Release(slot))]);
        Ok(())
    }

    fn set_unload_client(&self, client: &'static dyn DynamicProcessUnloadClient) {
        self.unload_client.set(client);
    }
}

impl<'a, 'b, C, D, F> DynamicProcessUninstall for SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    fn uninstall_with_app_handle(&self, app_handle: usize) -> Result<(), ErrorCode> {
        self.idle()?;
        let start = app_handle
            .checked_sub(self.base())
            .ok_or(ErrorCode::INVAL)?;
        let mut all = self.objects();
        let object = all
            .find(|o| o.start == start && o.kind == Kind::App)
            .ok_or(ErrorCode::INVAL)?;
        // What a trial falls back to has no process.
        if self.running.get().is_some() || self.in_use(object.start, object.end()) {
            return Err(ErrorCode::BUSY);
        }
        self.begin(
            State::Uninstalling,
            &[
                Some(Step::Invalidate(object.start)),
                Some(Step::Forget(object)),
                Some(Step::Mend(0)),
            ],
        );
        Ok(())
    }

    fn set_uninstall_client(&self, client: &'static dyn DynamicProcessUninstallClient) {
        self.uninstall_client.set(client);
    }
}

impl<'a, 'b, C, D, F> SingleLoadClient for SequentialDynamicBinaryStorage<'a, 'b, C, D, F>
where
    C: Chip,
    D: ProcessStandardDebug,
    F: NonvolatileStorage<'b> + hil::flash::Flash,
{
    fn binary_checked(&self, result: Result<(ShortId, bool), ProcessLoadError>) {
        let unsigned = ProcessLoadError::CheckError(ProcessCheckError::CredentialsNotAccepted);
        match self.state.get() {
            State::Checking => match result {
                Ok((id, accepted)) if accepted || self.area.unsigned => self.start_new(id),
                Ok(_) => self.discard(unsigned),
                Err(e) => self.discard(e),
            },
            State::Restoring(_) | State::Starting => {
                let slot = self.restart.get().and_then(|r| r.slot);
                let started = result.and_then(|_| self.loader.create_checked(slot));
                self.restored(started.map(|_| ()).map_err(|_| ErrorCode::FAIL));
            }
            _ => {}
        }
    }
}
