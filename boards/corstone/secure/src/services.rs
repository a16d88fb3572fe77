//! The services of this image, by index of their static handle.
//!
//! Owns the table and the order in which services come up: root of trust, storage, first boot,
//! seed, and only then the generator of random bytes. A call from the other world ends up here
//! after every check. Without a root of trust or a seed there is no service at all, and the
//! log says why.

use crate::attestation;
use crate::first_boot::{self, Provisioning};
use crate::key_store::ItsKeys;
use crate::memory::{S_PRIMARY_SIZE, STOCK_TFM};
use crate::otp::Otp;
use crate::{cpu, log};
use boot_data::BootData;
use chip::ddr_flash::DdrFlash;
use core::cell::RefCell;
use provisioning::{OtpCounters, nv, otp};
use psa_interface::Status;
use psa_interface::service::SERVICES;
use spe_attestation::AttestationService;
use spe_crypto::{CryptoService, Drbg, Entropy};
use spe_platform::PlatformService;
use spe_storage::{Its, ItsService, Ps, PsService};
use spm::{Call, Description, Service, Services, Version};

/// The counters, shared by storage, firmware update and platform.
pub type Counters = RefCell<OtpCounters<DdrFlash>>;
/// Internal trusted storage, shared with the crypto service.
pub type TrustedStorage = RefCell<Its<DdrFlash>>;
/// Protected storage.
pub type ProtectedStorage = RefCell<Ps<DdrFlash, &'static Counters>>;
/// The crypto service over keys in internal trusted storage.
pub type Crypto = CryptoService<ItsKeys, Random>;

static COUNTERS: cpu::Once<Counters> = cpu::Once::new();
static ITS: cpu::Once<TrustedStorage> = cpu::Once::new();
static PS: cpu::Once<ProtectedStorage> = cpu::Once::new();
static CRYPTO: cpu::Once<Crypto> = cpu::Once::new();

/// The generator, once the advanced seed is in flash.
pub struct Random(Option<Drbg>);

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Status> {
        let drbg = self.0.as_mut().ok_or(Status::INSUFFICIENT_ENTROPY)?;
        drbg.fill(out)
    }
}

/// Services that are up.
pub struct Ready {
    crypto: &'static mut Crypto,
    its: ItsService<'static, Its<DdrFlash>>,
    ps: PsService<'static, Ps<DdrFlash, &'static Counters>>,
    attestation: AttestationService<'static, attestation::Root>,
    #[cfg(feature = "fwu")]
    fwu: Option<crate::firmware_update::Fwu>,
    platform: PlatformService<&'static Counters, System>,
}

/// Whether there is an update service: built in, and the map has slots for images.
pub const HAS_FIRMWARE_UPDATE: bool = cfg!(feature = "fwu") && S_PRIMARY_SIZE != 0;

/// Reset.
#[derive(Debug)]
pub struct System;

impl spe_platform::Reset for System {
    fn reset(&mut self) {
        log::line("reset on request").end();
        cpu::system_reset()
    }
}

/// Everything that answers calls.
pub struct Partition {
    ready: Option<Ready>,
}

impl Partition {
    /// Before start-up: nothing answers.
    pub const fn new() -> Self {
        Partition { ready: None }
    }

    /// Brings the services up; `Err` says what is missing, and nothing answers then.
    ///
    /// # Errors
    /// One line for the log.
    pub fn start(&mut self) -> Result<(), &'static str> {
        self.ready = Some(bring_up()?);
        Ok(())
    }
}

const CRYPTO_INDEX: u8 = 0;
const PS_INDEX: u8 = 1;
const ITS_INDEX: u8 = 2;
const ATTESTATION_INDEX: u8 = 3;
const FWU_INDEX: u8 = 4;
const PLATFORM_INDEX: u8 = 5;
impl Services for Partition {
    fn describe(&self, index: u8) -> Option<Description> {
        if self.ready.is_none() || (index == FWU_INDEX && !HAS_FIRMWARE_UPDATE) {
            return None;
        }
        let id = SERVICES.get(usize::from(index))?;
        Some(Description {
            sid: id.sid,
            version: Version::Strict(id.version as u8),
            non_secure: true,
        })
    }

    fn call(&mut self, index: u8, call: &mut Call<'_, '_>) -> i32 {
        let Some(ready) = &mut self.ready else {
            return Status::PROGRAMMER_ERROR.as_i32();
        };
        match index {
            CRYPTO_INDEX => ready.crypto.call(call),
            PS_INDEX => ready.ps.call(call),
            ITS_INDEX => ready.its.call(call),
            ATTESTATION_INDEX => ready.attestation.call(call),
            #[cfg(feature = "fwu")]
            FWU_INDEX => match &mut ready.fwu {
                Some(fwu) => fwu.call(call),
                None => Status::PROGRAMMER_ERROR.as_i32(),
            },
            PLATFORM_INDEX => ready.platform.call(call),
            _ => Status::PROGRAMMER_ERROR.as_i32(),
        }
    }
}

/// Why a region's flash cannot be had.
pub const TWICE: &str = "started twice";

fn bring_up() -> Result<Ready, &'static str> {
    use cpu::FlashRegion as R;
    let flash = |region| cpu::flash(region).ok_or(TWICE);
    let counters = OtpCounters::mount(flash(R::Otp)?).map_err(|_| "the counters are damaged")?;
    let counters: &'static Counters = COUNTERS.init(|| RefCell::new(counters)).ok_or(TWICE)?;
    let mut otp = Otp(counters);
    let mut record = flash(R::Provisioning)?;
    let root = if STOCK_TFM {
        // No loader of ours has been here.
        first_boot::fuse(&record, &mut otp)?
    } else {
        otp::root_of_trust(&otp)
            .map_err(|_| "the root of trust cannot be read")?
            .ok_or("not provisioned")?
    };

    let region = flash(R::Its)?;
    let its: &'static TrustedStorage = ITS.init(|| RefCell::new(Its::new(region))).ok_or(TWICE)?;
    let region = flash(R::Ps)?;
    let ps: &'static ProtectedStorage = PS
        .init(|| RefCell::new(Ps::new(region, counters, &root.huk)))
        .ok_or(TWICE)?;
    mount(its, ps);
    let crypto = CRYPTO
        .init(|| CryptoService::new(ItsKeys(its), Random(None)))
        .ok_or(TWICE)?;

    let mut nv = flash(R::Nv)?;
    first_boot::run(
        &mut record,
        &mut otp,
        &mut nv,
        &mut Provisioning::new(crypto, its, ps),
    )?;
    let device = root.device_id();
    let boot = nv::take_seed(&mut nv, &device).map_err(|_| "there is no seed")?;
    let count = boot.boot_count.to_le_bytes();
    let mut drbg = Drbg::from_seed(&boot.seed, &[&device, &count]);
    let mut boot_seed = [0; 32];
    drbg.fill(&mut boot_seed)
        .map_err(|_| "there is no randomness")?;
    crypto.entropy().0 = Some(drbg);
    let boot_data = BootData::parse(cpu::boot_data()).ok();
    Ok(Ready {
        crypto,
        its: ItsService(its),
        ps: PsService(ps),
        #[cfg(feature = "fwu")]
        fwu: crate::firmware_update::start(boot_data.as_ref())?,
        attestation: AttestationService::new(
            attestation::Root(otp),
            attestation::constants(boot_seed),
            boot_data,
        ),
        platform: PlatformService::new(counters, System),
    })
}

/// Reads both stores now, so that what a power cut left is finished before anybody asks. A store
/// that fails says so here and again in the answer to every call.
fn mount(its: &TrustedStorage, ps: &ProtectedStorage) {
    if its.borrow_mut().mount().is_err() {
        log::line("its cannot be read").end();
    }
    if ps.borrow_mut().mount().is_err() {
        log::line("ps refused: damaged or replayed").end();
    }
}
