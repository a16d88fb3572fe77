//! What writes app flash: installing apps at run time, and apps that change flash of their own.
//!
//! Owns the composition of app loader, dynamic storage and app flash; who may install, where to, and
//! the record of what is on trial. The record is the kernel's own
//! object in ITS, so that it is replaced whole or not at all.

use crate::capsules::{Capsules, VirtualAlarm};
use crate::memory::{APPS, FLASH_B_BASE, FLASH_B_SIZE, FLASH_POOL_BASE, STATE_JOURNAL_SIZE};
use crate::platform::Chip;
use crate::{Loader as ProcessLoader, start};
use capsules_core::driver::NUM;
use capsules_extra::app_flash_driver::AppFlash as AppFlashDriver;
use capsules_extra::app_loader::AppLoader;
use chip::ddr_flash::DdrFlash;
use chip::ns::app_flash::{AppFlash, PAGE};
use chip::ns::state_flash::{Regions, StateFlash};
use kernel::capabilities::{MemoryAllocationCapability, ProcessManagementCapability};
use kernel::deferred_call::DeferredCallClient;
use kernel::dynamic_binary_storage::{
    Area, DynamicBinaryStore, DynamicProcessLoad, DynamicProcessUninstall, DynamicProcessUnload,
    DynamicProcessUpdate, SequentialDynamicBinaryStorage, Trial, TrialStore,
};
use kernel::hil::nonvolatile_storage::NonvolatileStorage;
use kernel::hil::time::Alarm;
use kernel::process::{FlashRegion, ProcessStandardDebugFull};
use kernel::{ErrorCode, Kernel, debug, static_init};
use psa_client::its;
use psa_interface::{Status, storage};
use tfm_psa_driver::{KernelClient, Spe, Veneers};

/// What stores binaries.
pub type Storage =
    SequentialDynamicBinaryStorage<'static, 'static, Chip, ProcessStandardDebugFull, AppFlash>;
/// The driver.
pub type Loader = AppLoader<'static, Storage, VirtualAlarm>;

/// ShortIds of the apps that may install others: the update agent's.
static INSTALLERS: [u32; 1] = [short_id(b"ota-agent")];

/// ShortId of a product app: its place in the board's list, from 1; 0 when it is not there.
pub const fn short_id(name: &[u8]) -> u32 {
    let mut at = 0;
    while at < APPS.len() {
        let other = APPS[at].0.as_bytes();
        let mut same = other.len() == name.len();
        let mut i = 0;
        while same && i < name.len() {
            same = other[i] == name[i];
            i += 1;
        }
        at += 1;
        if same {
            return at as u32;
        }
    }
    0
}
const _: () = assert!(INSTALLERS[0] != 0);

/// Bytes that a process's chunk is written by.
const CHUNK: usize = 512;

/// Processes' writes to their own flash: driver and journal.
#[derive(Clone, Copy)]
pub struct State {
    pub driver: &'static AppFlashDriver<'static>,
    pub flash: &'static StateFlash<2>,
}

/// The MPU's, which the loader can close.
struct MpuRegions(&'static ProcessLoader);

impl Regions for MpuRegions {
    fn close(&self) {
        self.0.close_regions();
    }
}

/// Makes it, where the board has a journal, and finishes what a power cut left in it. Before anything
/// looks at app flash.
fn state(
    kernel: &'static Kernel,
    flash: &'static AppFlash,
    loader: &'static ProcessLoader,
    memory: &dyn MemoryAllocationCapability,
) -> Option<State> {
    if STATE_JOURNAL_SIZE == 0 {
        return None;
    }
    let regions = static_init!(MpuRegions, MpuRegions(loader));
    let state = static_init!(
        StateFlash<2>,
        StateFlash::new(flash, start::STATE_JOURNAL, regions)
    );
    state.register();
    // No page at 0: the device failed.
    if let Some(page) = state.recover().unwrap_or(Some(0)) {
        debug!("kernel: app flash 0x{:x} finished", page);
    }
    let driver = static_init!(
        AppFlashDriver<'static>,
        AppFlashDriver::new(
            state,
            kernel.create_grant(NUM::AppFlash as usize, memory),
            static_init!([u8; PAGE], [0; PAGE]),
        )
    );
    state.set_client(driver);
    Some(State {
        driver,
        flash: state,
    })
}

/// What is made here.
pub struct Installed {
    pub loader: &'static Loader,
    pub storage: &'static Storage,
    pub state: Option<State>,
}

/// Makes all of it. Once, before processes are loaded.
pub fn create(
    kernel: &'static Kernel,
    loader: &'static ProcessLoader,
    capsules: &Capsules,
    (flash, device): (FlashRegion, DdrFlash),
    (memory, processes): (
        &dyn MemoryAllocationCapability,
        &dyn ProcessManagementCapability,
    ),
) -> Installed {
    let (base, size) = (start::APP_FLASH_BASE, start::APP_FLASH_SIZE);
    let driver = static_init!(
        AppFlash,
        AppFlash::new(device, base as usize, size as usize)
    );
    driver.register();
    let state = state(kernel, driver, loader, memory);
    let record = static_init!(Record, Record(capsules.spe));
    let area = Area {
        flash,
        page: PAGE,
        pool: (
            FLASH_POOL_BASE as usize,
            (FLASH_B_BASE + FLASH_B_SIZE) as usize,
        ),
        unsigned: false,
    };
    let storage = static_init!(
        Storage,
        SequentialDynamicBinaryStorage::new(
            kernel,
            driver,
            loader,
            record,
            area,
            static_init!([u8; 16], [0; 16]),
            processes,
        )
    );
    storage.register();
    storage.listen();
    NonvolatileStorage::set_client(driver, storage);
    driver.set_page_client(storage);
    let app_loader = static_init!(
        Loader,
        AppLoader::new(
            storage,
            &INSTALLERS,
            capsules.trial_alarm,
            static_init!([u8; CHUNK], [0; CHUNK]),
            kernel.create_grant(NUM::AppLoader as usize, memory),
        )
    );
    capsules.trial_alarm.set_alarm_client(app_loader);
    storage.set_storage_client(app_loader);
    storage.set_load_client(app_loader);
    storage.set_unload_client(app_loader);
    storage.set_uninstall_client(app_loader);
    storage.set_update_client(app_loader);
    match record.get() {
        Ok(open) => loader.exclude(open.map(|trial| trial.address)),
        Err(e) => {
            debug!(
                "kernel: the record of trials cannot be read: {:?}; oldest versions run, nothing is installed",
                e
            );
            loader.prefer_oldest();
        }
    }
    Installed {
        loader: app_loader,
        storage,
        state,
    }
}

/// `uid` of the record in ITS: "TOCK", 2.
const UID: u64 = 0x544F_434B_0000_0002;

/// The record: little-endian ShortId, version, address of the TBF.
struct Record(&'static Spe<Veneers>);

impl TrialStore for Record {
    fn get(&self) -> Result<Option<Trial>, ErrorCode> {
        let mut bytes = [0; 12];
        match its::get(&KernelClient(self.0), UID, 0, &mut bytes) {
            Ok(12) => {}
            Ok(_) => return Err(ErrorCode::SIZE),
            Err(Status::DOES_NOT_EXIST) => return Ok(None),
            Err(_) => return Err(ErrorCode::FAIL),
        }
        let (words, _) = bytes.as_chunks::<4>();
        let mut words = words.iter().map(|w| u32::from_le_bytes(*w));
        let mut next = || words.next().ok_or(ErrorCode::SIZE);
        Ok(Some(Trial {
            short_id: next()?,
            version: next()?,
            address: next()? as usize,
        }))
    }

    fn set(&self, trial: Option<Trial>) -> Result<(), ErrorCode> {
        let client = KernelClient(self.0);
        let status = match trial {
            Some(t) => {
                let mut bytes = [0; 12];
                let words = [t.short_id, t.version, t.address as u32];
                for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
                    *to = word.to_le_bytes();
                }
                its::set(&client, UID, &bytes, storage::FLAG_NONE)
            }
            None => match its::remove(&client, UID) {
                Err(Status::DOES_NOT_EXIST) => Ok(()),
                other => other,
            },
        };
        status.map_err(|_| ErrorCode::FAIL)
    }
}
