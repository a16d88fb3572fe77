//! Finding binaries in flash, checking them, and making processes of them.
//!
//! Owns the scan rule (`reference/tock.md` §2.4), the choice among versions of one application, and
//! where in RAM a process goes. Unlike upstream, flash is a list of regions, so that a gap in one
//! does not hide the next, and RAM is placed by looking at the processes that are there, so that
//! flash order and RAM order are free.

mod precedence;
mod region;

pub use region::FlashRegion;
use region::{Found, scan};

use super::binary::Progress;
use super::*;
use crate::deferred_call::{DeferredCall, DeferredCallClient};
use crate::platform::chip::Chip;
use crate::platform::mpu::MPU;
use crate::process_checker::{
    AppIdPolicy, ProcessCheckError, ProcessCheckerMachine, ProcessCheckerMachineClient,
};
use crate::utilities::cells::{MapCell, OptionalCell};
use crate::weakened::{Defence, off};
use core::cell::Cell;
use core::marker::PhantomData;
use tock_tbf::parse::BASE_HEADER;
use tock_tbf::types::InitialTbfParseError;

/// Why a binary did not become a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessLoadError {
    /// No RAM for it.
    NotEnoughMemory,
    /// The MPU cannot cover its flash.
    MpuInvalidFlashLength,
    /// The MPU cannot cover its memory.
    MpuConfigurationError,
    /// It is linked for RAM that it cannot get.
    MemoryAddressMismatch {
        /// What it would get.
        actual_address: u32,
        /// What it is linked for.
        expected_address: u32,
    },
    /// All slots are taken.
    NoProcessSlot,
    /// Its header forbids.
    BinaryError(ProcessBinaryError),
    /// Its credentials forbid.
    CheckError(ProcessCheckError),
    /// The kernel contradicts itself.
    InternalError,
}

impl From<ProcessBinaryError> for ProcessLoadError {
    fn from(e: ProcessBinaryError) -> Self {
        ProcessLoadError::BinaryError(e)
    }
}

/// Free RAM for a process: at its fixed address, else the first gap that is large enough.
fn place(
    kernel: &Kernel,
    ram: (*mut u8, usize),
    fixed: Option<u32>,
    size: usize,
) -> Option<(*mut u8, usize)> {
    let (base, len) = (ram.0.addr(), ram.1);
    let end = base.checked_add(len)?;
    let taken = || {
        kernel.processes().map(|p| {
            let a = p.get_addresses();
            (a.sram_start, a.sram_end)
        })
    };
    let room = |start: usize| {
        if start < base || start >= end || taken().any(|(s, e)| start >= s && start < e) {
            return None;
        }
        let next = taken().map(|(s, _)| s).filter(|s| *s > start).min();
        let limit = next.unwrap_or(end).min(end);
        Some((ram.0.wrapping_add(start - base), limit - start))
    };
    match fixed {
        Some(start) => room(start as usize),
        None => core::iter::once(base)
            .chain(taken().map(|(_, e)| e))
            .filter_map(room)
            .filter(|(_, len)| *len > size)
            .min_by_key(|(p, _)| p.addr()),
    }
}

#[allow(clippy::too_many_arguments)]
fn create_process<C: Chip, D: ProcessStandardDebug + 'static>(
    kernel: &'static Kernel,
    chip: &'static C,
    binary: &ProcessBinary,
    ram: (*mut u8, usize),
    fault_policy: &'static dyn ProcessFaultPolicy,
    storage_policy: &dyn ProcessStandardStoragePermissionsPolicy<C, D>,
    app_id: ShortId,
    slot: Option<usize>,
) -> Result<&'static dyn Process, ProcessLoadError> {
    let index = slot
        .filter(|i| kernel.process_at(*i).is_none())
        .or_else(|| kernel.free_slot())
        .ok_or(ProcessLoadError::NoProcessSlot)?;
    let slot = kernel.slot(index).ok_or(ProcessLoadError::NoProcessSlot)?;
    let size = binary.header.get_minimum_app_ram_size() as usize;
    let fixed = binary.header.get_fixed_address_ram();
    let mut result = Err(ProcessLoadError::NotEnoughMemory);
    // What the control block adds is only known to the process: try ever larger gaps.
    let mut at_least = size;
    while let Some(room) = place(kernel, ram, fixed, at_least) {
        // SAFETY: `place` found the range outside every process, inside RAM that the board gave away.
        result = unsafe {
            ProcessStandard::create(
                kernel,
                chip,
                binary,
                room,
                fault_policy,
                storage_policy,
                app_id,
                index,
            )
        };
        if fixed.is_some() || result.as_ref().err() != Some(&ProcessLoadError::NotEnoughMemory) {
            break;
        }
        at_least = room.1;
    }
    let process = result?;
    slot.proc.set(Some(process));
    Ok(process)
}

/// Loads every binary of `app_flash`, unchecked and unnamed, in flash order. One that cannot be
/// loaded is skipped and does not stop the others.
///
/// # Errors
/// None today; upstream's signature.
pub fn load_processes<C: Chip>(
    kernel: &'static Kernel,
    chip: &'static C,
    app_flash: &'static [u8],
    app_memory: &'static mut [u8],
    fault_policy: &'static dyn ProcessFaultPolicy,
    _capability: &dyn crate::capabilities::ProcessManagementCapability,
) -> Result<(), ProcessLoadError> {
    let name = ShortId::LocallyUnique;
    load_processes_as::<C, ProcessStandardDebugFull>(
        kernel,
        chip,
        app_flash,
        app_memory,
        fault_policy,
        &(),
        name,
    )
}

/// Feature `debug_load_processes`: prints what became of a binary.
fn trace_loading(name: &str, result: &Result<&'static dyn Process, ProcessLoadError>) {
    if cfg!(feature = "debug_load_processes") {
        match result {
            Ok(p) => {
                let a = p.get_addresses();
                crate::debug!(
                    "Loaded: {name} flash 0x{:08x}-0x{:08x} RAM 0x{:08x}-0x{:08x}",
                    a.flash_start,
                    a.flash_end,
                    a.sram_start,
                    a.sram_end
                );
            }
            Err(e) => crate::debug!("Not loaded: {name}: {e:?}"),
        }
    }
}

/// As [`load_processes`], all of one name.
pub(crate) fn load_processes_as<C: Chip, D: ProcessStandardDebug + 'static>(
    kernel: &'static Kernel,
    chip: &'static C,
    app_flash: &'static [u8],
    app_memory: &'static mut [u8],
    fault_policy: &'static dyn ProcessFaultPolicy,
    storage_policy: &dyn ProcessStandardStoragePermissionsPolicy<C, D>,
    name: ShortId,
) -> Result<(), ProcessLoadError> {
    let region = FlashRegion::read_only(app_flash, 0);
    let ram = (app_memory.as_mut_ptr(), app_memory.len());
    let mut offset = 0;
    loop {
        match scan(&region, offset) {
            Found::End => return Ok(()),
            Found::Bad(next, _) => offset = next,
            Found::Binary(next, binary) => {
                offset = next;
                let made = create_process(
                    kernel,
                    chip,
                    &binary,
                    ram,
                    fault_policy,
                    storage_policy,
                    name,
                    None,
                );
                trace_loading(binary.get_process_name(), &made);
            }
        }
    }
}

/// Hears of loading.
pub trait ProcessLoadingAsyncClient {
    /// One binary became a process, or did not.
    fn process_loaded(&self, result: Result<(), ProcessLoadError>);
    /// All are done.
    fn process_loading_finished(&self);
    /// What lies at this flash address is no binary that can be read; it has no name.
    fn process_binary_refused(&self, _address: usize, _error: ProcessBinaryError) {}
    /// As `process_loaded`, with the binary's name and what became of it.
    fn process_loaded_detail(
        &self,
        _name: &'static str,
        _result: Result<&'static dyn Process, ProcessLoadError>,
    ) {
    }
    /// A process was created before every binary was checked. True: the loader waits for
    /// [`SequentialProcessLoaderMachine::resume`], so that the process can run meanwhile.
    fn pause(&self) -> bool {
        false
    }
}

/// Hears of one binary at run time.
pub(crate) trait SingleLoadClient {
    /// Its credentials are good enough to run, under this name, and whether a signature was
    /// accepted; or they are not.
    fn binary_checked(&self, result: Result<(ShortId, bool), ProcessLoadError>);
}

/// Loads in the background.
pub trait ProcessLoadingAsync<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn ProcessLoadingAsyncClient);
    /// Who names applications.
    fn set_policy(&self, policy: &'a dyn AppIdPolicy);
    /// Starts.
    fn start(&self);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Discover,
    Check,
    Create,
    /// One binary, at run time.
    Single,
}

/// How far a binary has come.
/// Where binaries lie.
enum Flash {
    Whole([FlashRegion; 1]),
    Regions(&'static [FlashRegion]),
}

impl Flash {
    fn regions(&self) -> &[FlashRegion] {
        match self {
            Flash::Whole(r) => r,
            Flash::Regions(r) => r,
        }
    }
}

/// Finds all binaries, has each one's credentials checked, quickest first, and creates processes,
/// newest version of each application only (or the oldest, see `prefer_oldest`): at once where no unchecked binary can change the
/// outcome, else in flash order when all are checked. One step for each deferred call.
///
/// `D` says how much a process keeps about itself for people; ours always keep the same.
pub struct SequentialProcessLoaderMachine<
    'a,
    C: Chip + 'static,
    D: ProcessStandardDebug + 'static = (),
> {
    deferred_call: DeferredCall,
    client: OptionalCell<&'a dyn ProcessLoadingAsyncClient>,
    app_id_policy: OptionalCell<&'a dyn AppIdPolicy>,
    checker: &'static ProcessCheckerMachine,
    binaries: MapCell<&'static mut [Option<ProcessBinary>]>,
    kernel: &'static Kernel,
    chip: &'static C,
    flash: Flash,
    ram: (*mut u8, usize),
    /// The part of `ram` for binaries that are not linked for an address in it.
    relocatable: Cell<(*mut u8, usize)>,
    fault_policy: &'static dyn ProcessFaultPolicy,
    storage_policy: &'static dyn ProcessStandardStoragePermissionsPolicy<C, D>,
    phase: Cell<Phase>,
    region: Cell<usize>,
    offset: Cell<usize>,
    /// TBF that must not run: it was on trial when power went.
    excluded: Cell<Option<usize>>,
    /// Of several versions the oldest runs, since nobody knows which was on trial.
    oldest: Cell<bool>,
    single: OptionalCell<&'a dyn SingleLoadClient>,
    checked: MapCell<Result<ProcessBinary, ProcessLoadError>>,
    _debug: PhantomData<D>,
}

impl<'a, C: Chip, D: ProcessStandardDebug> SequentialProcessLoaderMachine<'a, C, D> {
    /// A loader; `flash` is one list of binaries, `app_memory` is given away to processes.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        checker: &'static ProcessCheckerMachine,
        binaries: &'static mut [Option<ProcessBinary>],
        kernel: &'static Kernel,
        chip: &'static C,
        flash: &'static [u8],
        app_memory: &'static mut [u8],
        fault_policy: &'static dyn ProcessFaultPolicy,
        storage_policy: &'static dyn ProcessStandardStoragePermissionsPolicy<C, D>,
        app_id_policy: &'a dyn AppIdPolicy,
        capability: &dyn crate::capabilities::ProcessManagementCapability,
    ) -> Self {
        let mut machine = Self::in_regions(
            checker,
            binaries,
            kernel,
            chip,
            &[],
            app_memory,
            fault_policy,
            storage_policy,
            app_id_policy,
            capability,
        );
        machine.flash = Flash::Whole([FlashRegion::read_only(flash, 0)]);
        machine
    }

    /// As [`Self::new`], for binaries in several regions, which are scanned in order.
    #[allow(clippy::too_many_arguments)]
    pub fn in_regions(
        checker: &'static ProcessCheckerMachine,
        binaries: &'static mut [Option<ProcessBinary>],
        kernel: &'static Kernel,
        chip: &'static C,
        flash: &'static [FlashRegion],
        app_memory: &'static mut [u8],
        fault_policy: &'static dyn ProcessFaultPolicy,
        storage_policy: &'static dyn ProcessStandardStoragePermissionsPolicy<C, D>,
        app_id_policy: &'a dyn AppIdPolicy,
        _capability: &dyn crate::capabilities::ProcessManagementCapability,
    ) -> Self {
        SequentialProcessLoaderMachine {
            deferred_call: DeferredCall::new(),
            client: OptionalCell::empty(),
            app_id_policy: OptionalCell::new(app_id_policy),
            checker,
            binaries: MapCell::new(binaries),
            kernel,
            chip,
            flash: Flash::Regions(flash),
            ram: (app_memory.as_mut_ptr(), app_memory.len()),
            relocatable: Cell::new((app_memory.as_mut_ptr(), app_memory.len())),
            fault_policy,
            storage_policy,
            phase: Cell::new(Phase::Idle),
            region: Cell::new(0),
            offset: Cell::new(0),
            excluded: Cell::new(None),
            oldest: Cell::new(false),
            single: OptionalCell::empty(),
            checked: MapCell::empty(),
            _debug: PhantomData,
        }
    }

    fn tell(&self, name: &'static str, result: Result<&'static dyn Process, ProcessLoadError>) {
        trace_loading(name, &result);
        self.client.map(|c| {
            c.process_loaded_detail(name, result);
            c.process_loaded(result.map(|_| ()));
        });
    }

    /// One step of the scan.
    fn discover(&self) {
        let Some(region) = self.flash.regions().get(self.region.get()) else {
            self.phase.set(Phase::Check);
            self.deferred_call.set();
            return;
        };
        match scan(region, self.offset.get()) {
            Found::End => {
                self.region.set(self.region.get() + 1);
                self.offset.set(0);
            }
            Found::Bad(next, e) => {
                let address = region.bytes().as_ptr().addr() + self.offset.get();
                self.offset.set(next);
                if !matches!(
                    e,
                    ProcessBinaryError::TbfHeaderNotFound | ProcessBinaryError::Padding
                ) {
                    self.client.map(|c| c.process_binary_refused(address, e));
                    self.tell("", Err(e.into()));
                }
            }
            Found::Binary(next, binary)
                if self.excluded.get() == Some(binary.flash.as_ptr().addr()) =>
            {
                self.offset.set(next);
                let refused = Err(ProcessLoadError::BinaryError(
                    ProcessBinaryError::Superseded,
                ));
                self.tell(binary.get_process_name(), refused);
            }
            Found::Binary(next, binary) => {
                let kept = self.binaries.map_or(false, |list| {
                    let free = list.iter_mut().find(|b| b.is_none());
                    free.map(|b| *b = Some(binary.clone())).is_some()
                });
                // A full list may hold binaries that fail their check: look here again then.
                if !kept && self.check_next() {
                    return;
                }
                self.offset.set(next);
                if !kept {
                    self.tell(
                        binary.get_process_name(),
                        Err(ProcessLoadError::NoProcessSlot),
                    );
                }
            }
        }
        self.deferred_call.set();
    }

    /// Has the unchecked binary with the least to hash checked, whose outcome starts the next step; false when
    /// there is none.
    fn check_next(&self) -> bool {
        loop {
            let smallest = self.binaries.map(|list| {
                let unchecked = list.iter().flatten();
                unchecked
                    .filter(|c| c.progress == Progress::Unchecked)
                    .min_by_key(|c| c.get_integrity_region_slice().len())
                    .cloned()
            });
            let Some(binary) = smallest.flatten() else {
                return false;
            };
            if self.checker.check(binary.clone()).is_ok() {
                return true;
            }
            self.forget(&binary);
            self.tell(
                binary.get_process_name(),
                Err(ProcessLoadError::InternalError),
            );
        }
    }

    /// Applies `change` to the place of `binary` in the list.
    fn update<R>(
        &self,
        binary: &ProcessBinary,
        change: impl FnOnce(&mut Option<ProcessBinary>) -> R,
    ) -> Option<R> {
        let here = |c: &ProcessBinary| core::ptr::eq(c.flash, binary.flash);
        self.binaries
            .map(|list| {
                let place = list.iter_mut().find(|b| b.as_ref().is_some_and(here));
                place.map(change)
            })
            .flatten()
    }

    fn forget(&self, binary: &ProcessBinary) {
        self.update(binary, |place| *place = None);
    }

    /// Creates the process of the checked `i`-th binary, or tells why not. Whether it did.
    fn create(&self, i: usize) -> bool {
        let next = self.binaries.map(|list| {
            let superseded = self.superseded(list, i);
            let me = list.get_mut(i)?.as_mut()?;
            me.progress = Progress::Done;
            Some((me.clone(), superseded))
        });
        let Some((binary, superseded)) = next.flatten() else {
            return false;
        };
        let id = self
            .app_id_policy
            .map_or(ShortId::LocallyUnique, |p| p.to_short_id(&binary));
        let result = if superseded {
            Err(ProcessLoadError::BinaryError(
                ProcessBinaryError::Superseded,
            ))
        } else {
            create_process(
                self.kernel,
                self.chip,
                &binary,
                self.ram_for(&binary),
                self.fault_policy,
                self.storage_policy,
                id,
                None,
            )
        };
        self.tell(binary.get_process_name(), result);
        result.is_ok()
    }

    /// One step after the scan: a binary that is settled, else a check, else the end's first.
    fn check(&self) {
        let settled = self.binaries.map(|list| {
            (0..list.len()).find(|i| {
                let checked =
                    matches!(list.get(*i), Some(Some(c)) if c.progress == Progress::Checked);
                checked && self.settled(list, *i)
            })
        });
        match settled.flatten() {
            Some(i) => {
                let more = self.binaries.map_or(false, |list| {
                    let mut left = list.iter().flatten();
                    left.any(|c| c.progress == Progress::Unchecked)
                });
                let paused = self.create(i) && more && self.client.map_or(false, |c| c.pause());
                if !paused {
                    self.deferred_call.set();
                }
            }
            None if self.check_next() => {}
            None => {
                self.phase.set(Phase::Create);
                self.deferred_call.set();
            }
        }
    }

    /// Creates the next of those that had to wait for all checks.
    fn create_rest(&self) {
        let left = self.binaries.map(|list| {
            let mut all = list.iter();
            all.position(|c| matches!(c, Some(c) if c.progress == Progress::Checked))
        });
        match left.flatten() {
            Some(i) => {
                self.create(i);
                self.deferred_call.set();
            }
            None => {
                self.phase.set(Phase::Idle);
                // Flash may be written from here on: keep nothing of it.
                self.binaries.map(|list| list.fill(None));
                self.client.map(|c| c.process_loading_finished());
            }
        }
    }

    /// Binaries that are not linked for an address in RAM get theirs in these `len` bytes from `start`
    /// only, so that none of them takes the place of one that is; else anywhere in `app_memory`. Empty
    /// when this is outside `app_memory`. Before [`ProcessLoadingAsync::start`].
    pub fn set_relocatable_memory(&self, start: usize, len: usize) {
        let (base, whole) = self.ram;
        let inside = start
            .checked_sub(base.addr())
            .filter(|o| o.checked_add(len).is_some_and(|end| end <= whole));
        self.relocatable.set(match inside {
            Some(offset) => (base.wrapping_add(offset), len),
            None => (base, 0),
        });
    }

    fn ram_for(&self, binary: &ProcessBinary) -> (*mut u8, usize) {
        match binary.header.get_fixed_address_ram() {
            Some(_) => self.ram,
            None => self.relocatable.get(),
        }
    }

    /// The TBF at this address shall not run; before [`ProcessLoadingAsync::start`].
    pub fn exclude(&self, address: Option<usize>) {
        self.excluded.set(address);
    }

    /// Of several versions of an application the oldest shall run: one of the others may have been on
    /// trial when power went, and nobody knows which. Before [`ProcessLoadingAsync::start`].
    pub fn prefer_oldest(&self) {
        self.oldest.set(true);
    }

    /// Flash at an address as it is now; not to be kept over a write.
    pub(crate) fn view(&self, address: usize, len: usize) -> Option<&'static [u8]> {
        self.flash
            .regions()
            .iter()
            .find_map(|r| r.view(address, len))
    }

    /// Ends the process in a slot and takes its regions out of the MPU, so that the kernel may write
    /// to the flash that it ran from. False while others have a window on its RAM.
    pub(crate) fn release(&self, slot: usize) -> bool {
        let released = self.kernel.release(slot);
        self.close_regions();
        released
    }

    /// Takes the regions of whichever process ran last out of the MPU, where its flash is read-only for
    /// the kernel, too.
    pub fn close_regions(&self) {
        if let Some(none) = self.chip.mpu().new_config() {
            // SAFETY: it opens nothing; the next process loads its own.
            unsafe { self.chip.mpu().configure_mpu(&none) };
        }
    }

    /// Whom to tell of [`Self::check_new_binary`].
    pub(crate) fn set_runtime_client(&self, client: &'a dyn SingleLoadClient) {
        self.single.set(client);
    }

    pub(crate) fn idle(&self) -> bool {
        self.phase.get() == Phase::Idle
    }

    fn short_id(&self, binary: &ProcessBinary) -> ShortId {
        self.app_id_policy
            .map_or(ShortId::LocallyUnique, |p| p.to_short_id(binary))
    }

    /// Has the credentials of the object at `address` checked; the runtime client hears of it.
    ///
    /// # Errors
    /// No such object, or it cannot run here.
    pub(crate) fn check_new_binary(
        &self,
        address: usize,
        len: usize,
    ) -> Result<(), ProcessLoadError> {
        if !self.idle() {
            return Err(ProcessLoadError::InternalError);
        }
        let none = ProcessLoadError::BinaryError(ProcessBinaryError::TbfHeaderNotFound);
        let flash = self.view(address, len).ok_or(none)?;
        let start = flash.first_chunk::<8>().ok_or(none)?;
        let (version, header, total) =
            tock_tbf::parse::parse_tbf_header_lengths(start).map_err(|_| none)?;
        let object = flash.get(..total as usize).ok_or(none)?;
        let binary = ProcessBinary::create(object, usize::from(header), version)?;
        self.checked.take();
        self.phase.set(Phase::Single);
        self.checker.check(binary).map_err(|_| {
            self.phase.set(Phase::Idle);
            ProcessLoadError::InternalError
        })
    }

    /// Creates the process of the binary that was checked last, in this slot if it is free.
    ///
    /// # Errors
    /// [`ProcessLoadError`].
    pub(crate) fn create_checked(
        &self,
        slot: Option<usize>,
    ) -> Result<&'static dyn Process, ProcessLoadError> {
        let Some(Ok(binary)) = self.checked.take() else {
            return Err(ProcessLoadError::InternalError);
        };
        let id = self.short_id(&binary);
        let running = |p: &&'static dyn Process| {
            let policy = self.app_id_policy.get();
            p.short_app_id() == id
                || policy.is_some_and(|policy| !policy.different_identifier_process(&binary, *p))
        };
        if self.kernel.processes().any(|p| running(&p)) {
            return Err(ProcessLoadError::BinaryError(
                ProcessBinaryError::Superseded,
            ));
        }
        let result = create_process(
            self.kernel,
            self.chip,
            &binary,
            self.ram_for(&binary),
            self.fault_policy,
            self.storage_policy,
            id,
            slot,
        );
        self.tell(binary.get_process_name(), result);
        result
    }

    /// Goes on after [`ProcessLoadingAsyncClient::pause`].
    pub fn resume(&self) {
        if self.phase.get() != Phase::Idle {
            self.deferred_call.set();
        }
    }
}

impl<'a, C: Chip, D: ProcessStandardDebug> ProcessLoadingAsync<'a>
    for SequentialProcessLoaderMachine<'a, C, D>
{
    fn set_client(&self, client: &'a dyn ProcessLoadingAsyncClient) {
        self.client.set(client);
    }
    fn set_policy(&self, policy: &'a dyn AppIdPolicy) {
        self.app_id_policy.set(policy);
    }
    fn start(&self) {
        if self.phase.get() == Phase::Idle {
            self.phase.set(Phase::Discover);
            self.deferred_call.set();
        }
    }
}

impl<C: Chip, D: ProcessStandardDebug> DeferredCallClient
    for SequentialProcessLoaderMachine<'_, C, D>
{
    fn handle_deferred_call(&self) {
        match self.phase.get() {
            Phase::Idle => {}
            Phase::Discover => self.discover(),
            Phase::Check => self.check(),
            Phase::Create => self.create_rest(),
            Phase::Single => {
                self.phase.set(Phase::Idle);
                let result = match self.checked.map(|checked| checked.clone()) {
                    Some(Err(e)) => {
                        self.checked.take();
                        Err(e)
                    }
                    Some(Ok(binary)) => {
                        let signed = binary.get_credential().is_some_and(|c| c.is_signature());
                        Ok((self.short_id(&binary), signed))
                    }
                    None => Err(ProcessLoadError::InternalError),
                };
                self.single.map(|c| c.binary_checked(result));
            }
        }
    }
    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

impl<C: Chip, D: ProcessStandardDebug> ProcessCheckerMachineClient
    for SequentialProcessLoaderMachine<'_, C, D>
{
    fn done(
        &self,
        mut binary: ProcessBinary,
        result: Result<Option<AcceptedCredential>, ProcessCheckError>,
    ) {
        if self.phase.get() == Phase::Single {
            binary.credential.insert(result.ok().flatten());
            self.checked.put(match result {
                Ok(_) => Ok(binary),
                Err(e) => Err(ProcessLoadError::CheckError(e)),
            });
            self.deferred_call.set();
            return;
        }
        match result {
            Ok(credential) => {
                binary.credential.insert(credential);
                binary.progress = Progress::Checked;
                self.update(&binary.clone(), |place| *place = Some(binary));
            }
            Err(e) => {
                self.forget(&binary);
                self.tell(
                    binary.get_process_name(),
                    Err(ProcessLoadError::CheckError(e)),
                );
            }
        }
        self.deferred_call.set();
    }
}
