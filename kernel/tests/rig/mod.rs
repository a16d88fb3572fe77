//! A kernel on simulated NOR flash, its installer, and a device that outlives boots.

use crate::apps::{Names, Stop, machine, object_of};
use flash::Flash as _;
use flash::sim::{Power, SimFlash, Tear};
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::dynamic_binary_storage::*;
use kernel::hil::flash as hil_flash;
use kernel::hil::nonvolatile_storage::{NonvolatileStorage, NonvolatileStorageClient};
use kernel::process::{
    FlashRegion, ProcessLoadError, ProcessLoadingAsync, SequentialProcessLoaderMachine,
};
use kernel::testing::{TestChip, TestKernel};
use kernel::utilities::leasable_buffer::SubSliceMut;
use std::cell::{Cell, RefCell};

pub const PAGE: usize = 0x1000;
pub const ROW: usize = 0x4000;
pub const AREA: usize = 8 * ROW;
pub const APP: u8 = 5;

pub fn leak<T>(t: T) -> &'static mut T {
    Box::leak(Box::new(t))
}

/// The simulator behind the kernel's traits, and a copy of its content where the kernel sees it.
pub struct Nor {
    pub sim: RefCell<SimFlash>,
    pub seen: *mut u8,
    pub client: Cell<Option<&'static dyn NonvolatileStorageClient>>,
    pub pages: Cell<Option<&'static dyn hil_flash::Client<Nor>>>,
    pub written: RefCell<Option<(&'static mut [u8], usize)>>,
    pub erased: Cell<Option<bool>>,
    pub call: DeferredCall,
}

impl Nor {
    pub fn copy(&self) {
        let sim = self.sim.borrow();
        // SAFETY: `seen` is AREA bytes that only `FlashRegion` reads, between two operations.
        unsafe { self.seen.copy_from(sim.data().as_ptr(), AREA) };
    }
    pub fn dead(&self) -> bool {
        !self.sim.borrow().power().is_on()
    }
}

impl NonvolatileStorage<'static> for Nor {
    fn set_client(&self, client: &'static dyn NonvolatileStorageClient) {
        self.client.set(Some(client));
    }
    fn read(&self, _: &'static mut [u8], _: usize, _: usize) -> Result<(), ErrorCode> {
        Err(ErrorCode::NOSUPPORT)
    }
    fn write(&self, buffer: &'static mut [u8], address: usize, n: usize) -> Result<(), ErrorCode> {
        let at = address - self.seen.addr();
        let done = self.sim.borrow_mut().program(at as u32, &buffer[..n]);
        self.copy();
        if !self.dead() {
            let length = if done.is_ok() { n } else { 0 };
            self.written.replace(Some((buffer, length)));
            self.call.set();
        }
        Ok(())
    }
}

pub struct Page([u8; PAGE]);
impl Default for Page {
    fn default() -> Self {
        Page([0xFF; PAGE])
    }
}
impl AsMut<[u8]> for Page {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
pub type Refused = (ErrorCode, &'static mut Page);

impl hil_flash::Flash for Nor {
    type Page = Page;
    fn read_page(&self, _: usize, b: &'static mut Page) -> Result<(), Refused> {
        Err((ErrorCode::NOSUPPORT, b))
    }
    fn write_page(&self, _: usize, b: &'static mut Page) -> Result<(), Refused> {
        Err((ErrorCode::NOSUPPORT, b))
    }
    fn erase_page(&self, page: usize) -> Result<(), ErrorCode> {
        let at = (page * PAGE) as u32;
        let done = self.sim.borrow_mut().erase(at, PAGE as u32).is_ok();
        self.copy();
        if !self.dead() {
            self.erased.set(Some(done));
            self.call.set();
        }
        Ok(())
    }
}

impl DeferredCallClient for Nor {
    fn handle_deferred_call(&self) {
        let written = self.written.take();
        if let (Some((buffer, n)), Some(client)) = (written, self.client.get()) {
            client.write_done(buffer, n);
        }
        if let (Some(ok), Some(client)) = (self.erased.take(), self.pages.get()) {
            client.erase_complete(if ok {
                Ok(())
            } else {
                Err(hil_flash::Error::FlashError)
            });
        }
    }
    fn register(&'static self) {
        self.call.register(self);
    }
}

/// The record: replaced whole or not at all, which of both when power goes inside is the tear's.
pub struct Store {
    pub trial: Cell<Option<Trial>>,
    /// So many writes succeed, then none does; and whether it can be read.
    pub writes: Cell<usize>,
    pub readable: bool,
    pub power: Power,
    pub lost_after: bool,
}

impl TrialStore for Store {
    fn get(&self) -> Result<Option<Trial>, ErrorCode> {
        if !self.readable {
            return Err(ErrorCode::FAIL);
        }
        Ok(self.trial.get())
    }
    fn set(&self, trial: Option<Trial>) -> Result<(), ErrorCode> {
        match self.writes.get().checked_sub(1) {
            Some(left) => self.writes.set(left),
            None => return Err(ErrorCode::FAIL),
        }
        let on = self.power.is_on();
        let done = SimFlash::on(&self.power, 64, 64, 1)
            .program(0, &[0])
            .is_ok();
        if done || (on && self.lost_after) {
            self.trial.set(trial);
        }
        if done { Ok(()) } else { Err(ErrorCode::FAIL) }
    }
}

#[derive(Default)]
pub struct Log {
    pub said: RefCell<Vec<String>>,
    pub buffer: RefCell<Option<&'static mut [u8]>>,
}

impl Log {
    pub fn say<E: std::fmt::Debug>(&self, what: &str, result: Result<(), E>) {
        let said = match result {
            Ok(()) => what.into(),
            Err(e) => format!("{what} {e:?}"),
        };
        self.said.borrow_mut().push(said);
    }
}
impl DynamicBinaryStoreClient for Log {
    fn setup_done(&self, result: Result<(), ErrorCode>) {
        self.say("setup", result);
    }
    fn write_done(&self, result: Result<(), ErrorCode>, buffer: &'static mut [u8], _: usize) {
        self.buffer.replace(Some(buffer));
        self.say("write", result);
    }
    fn finalize_done(&self, result: Result<(), ErrorCode>) {
        self.say("finalize", result);
    }
    fn abort_done(&self, result: Result<(), ErrorCode>) {
        self.say("abort", result);
    }
}
impl DynamicProcessLoadClient for Log {
    fn load_done(&self, result: Result<(), ProcessLoadError>) {
        self.say("load", result);
    }
}
impl DynamicProcessUnloadClient for Log {
    fn unload_done(&self, result: Result<(), ErrorCode>, _: usize) {
        self.say("unload", result);
    }
}
impl DynamicProcessUninstallClient for Log {
    fn uninstall_done(&self, result: Result<(), ErrorCode>) {
        self.say("uninstall", result);
    }
}
impl DynamicProcessUpdateClient for Log {
    fn update_done(&self, result: Result<(), ErrorCode>) {
        self.say("update", result);
    }
}

pub type Storage = SequentialDynamicBinaryStorage<'static, 'static, TestChip, (), Nor>;

pub struct Rig {
    pub t: TestKernel,
    pub nor: &'static Nor,
    pub storage: &'static Storage,
    pub log: &'static Log,
    pub store: &'static Store,
}

/// What outlives a boot.
#[derive(Clone)]
pub struct Device {
    pub flash: Vec<u8>,
    /// ShortId, version, offset.
    pub trial: Option<(u32, u32, usize)>,
    /// The record can be read.
    pub readable: bool,
}

/// What a boot left.
pub struct After {
    pub device: Device,
    /// Name and version of what ran at the end.
    pub running: Vec<(String, u32)>,
    pub said: Vec<String>,
    /// Operations, the torn one included.
    pub ops: u64,
    pub died: bool,
}

impl Device {
    /// Boots and does `work`, with power cut at the n-th operation.
    pub fn boot(&self, cut: Option<(u64, Tear)>, work: fn(&Rig)) -> After {
        let device = self.clone();
        // The kernel's statics are per thread: each boot has its own.
        let boot = std::thread::spawn(move || {
            let rig = Rig::new(&device, cut);
            rig.t.run();
            rig.storage.recover();
            rig.t.run();
            if !rig.nor.dead() {
                work(&rig);
            }
            rig.after()
        });
        boot.join().unwrap()
    }

    pub fn factory() -> Device {
        let mut flash = vec![0xFF; AREA];
        let mut put = |row: usize, object: Vec<u8>| {
            flash[row * ROW..row * ROW + object.len()].copy_from_slice(&object);
        };
        put(0, app(0x1000, "first", 1, 7));
        put(1, app(0x3000, "app", 2, APP));
        // An old copy where the next one goes, longer than that.
        put(3, app(0x6000, "app", 1, APP));
        put(5, app(0x1000, "last", 1, 9));
        Device {
            flash,
            trial: None,
            readable: true,
        }
    }
}

pub fn app(size: u32, name: &str, version: u32, id: u8) -> Vec<u8> {
    object_of(size, name, version, id, &[1], |_| ())
}

impl Rig {
    pub fn new(device: &Device, cut: Option<(u64, Tear)>) -> Rig {
        let t = TestKernel::new();
        let power = Power::new(device.flash.len() as u64 + cut.map_or(0, |(n, _)| n));
        let mut sim = SimFlash::on(&power, AREA as u32, PAGE as u32, 1);
        sim.data_mut().copy_from_slice(&device.flash);
        let room = vec![0xFFu8; AREA + 0x1_0000].leak();
        let skip = room.as_ptr().align_offset(0x1_0000);
        let seen = room[skip..].as_mut_ptr();
        let nor: &'static Nor = leak(Nor {
            sim: RefCell::new(sim),
            seen,
            client: Cell::new(None),
            pages: Cell::new(None),
            written: RefCell::new(None),
            erased: Cell::new(None),
            call: DeferredCall::new(),
        });
        nor.register();
        nor.copy();
        let store: &'static Store = leak(Store {
            trial: Cell::new(device.trial.map(|(short_id, version, at)| Trial {
                short_id,
                version,
                address: seen.addr() + at,
            })),
            writes: Cell::new(usize::MAX),
            readable: device.readable,
            power: power.clone(),
            lost_after: cut.is_some_and(|(_, tear)| tear == Tear::Prefix),
        });
        // SAFETY: leaked; written by `Nor` for the storage only.
        let flash = unsafe { FlashRegion::new(seen, AREA, ROW) };
        let machine = machine(false);
        let loader: &'static SequentialProcessLoaderMachine<'static, TestChip> =
            leak(SequentialProcessLoaderMachine::in_regions(
                machine,
                vec![None; 8].leak(),
                t.kernel(),
                t.chip(),
                vec![flash].leak(),
                vec![0u8; 120 * 1024].leak(),
                &Stop,
                &(),
                &Names,
                &t.management_capability(),
            ));
        loader.register();
        machine.set_client(loader);
        let area = Area {
            flash,
            page: PAGE,
            pool: (seen.addr() + 6 * ROW, seen.addr() + AREA),
            unsigned: false,
        };
        let storage: &'static Storage = leak(SequentialDynamicBinaryStorage::new(
            t.kernel(),
            nor,
            loader,
            store,
            area,
            vec![0; 16].leak(),
            &t.management_capability(),
        ));
        storage.register();
        storage.listen();
        NonvolatileStorage::set_client(nor, storage);
        nor.pages.set(Some(storage));
        let log: &'static Log = leak(Log::default());
        log.buffer.replace(Some(vec![0; 1000].leak()));
        storage.set_storage_client(log);
        storage.set_load_client(log);
        storage.set_unload_client(log);
        storage.set_uninstall_client(log);
        storage.set_update_client(log);
        // As the board does.
        match TrialStore::get(store) {
            Ok(trial) => loader.exclude(trial.map(|t| t.address)),
            Err(_) => loader.prefer_oldest(),
        }
        loader.start();
        if let Some((n, tear)) = cut {
            power.cut_after(n, tear);
        }
        Rig {
            t,
            nor,
            storage,
            log,
            store,
        }
    }

    pub fn address(&self, row: usize) -> usize {
        self.nor.seen.addr() + row * ROW
    }

    /// Waits for the answer to what was accepted; whether it was good.
    pub fn ok(&self, accepted: Result<(), ErrorCode>, answer: &str) -> bool {
        let before = self.log.said.borrow().len();
        if let Err(e) = accepted {
            self.log.say(&format!("refused {answer}"), Err(e));
            return false;
        }
        self.t.run();
        let said = self.log.said.borrow();
        said[before..].iter().any(|s| s == answer)
    }

    pub fn write(&self, piece: SubSliceMut<'static, u8>, offset: usize) -> bool {
        let accepted = self.storage.write(piece, offset);
        self.ok(accepted, "write")
    }

    /// Stores and finalizes a binary.
    pub fn store(&self, row: Option<usize>, object: &[u8]) -> bool {
        let setup = match row {
            Some(row) => self.storage.setup_at(self.address(row), object.len()),
            None => self.storage.setup(object.len()),
        };
        if !self.ok(setup.map(|_| ()), "setup") {
            return false;
        }
        for (i, chunk) in object.chunks(1000).enumerate() {
            let Some(buffer) = self.log.buffer.take() else {
                return false;
            };
            buffer[..chunk.len()].copy_from_slice(chunk);
            let mut piece = SubSliceMut::new(buffer);
            piece.slice(..chunk.len());
            if !self.write(piece, i * 1000) {
                return false;
            }
        }
        self.ok(self.storage.finalize(), "finalize")
    }

    pub fn after(self) -> After {
        let running = (0..8).filter_map(|i| self.t.slot(i));
        let running = running.filter(|p| p.is_running());
        let version = |p: &'static dyn kernel::process::Process| {
            p.binary_version().map_or(0, |v| v.get().get())
        };
        let mut running: Vec<(String, u32)> = running
            .map(|p| (p.get_process_name().to_owned(), version(p)))
            .collect();
        running.sort();
        let sim = self.nor.sim.borrow();
        After {
            device: Device {
                flash: sim.data().to_vec(),
                trial: self
                    .store
                    .trial
                    .get()
                    .map(|t| (t.short_id, t.version, t.address - self.nor.seen.addr())),
                readable: true,
            },
            running,
            said: self.log.said.borrow().clone(),
            ops: sim.power().ops(),
            died: self.nor.dead(),
        }
    }
}
