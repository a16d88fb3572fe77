//! The update service over the four slots, where the map has slots.
//!
//! Owns which region is whose, and the watchdog of a trial boot.

use crate::services::{HAS_FIRMWARE_UPDATE, System, TWICE};
use crate::{cpu, log};
use boot_data::BootData;
use chip::ddr_flash::DdrFlash;
use spe_fwu::{FwuService, Slots};

/// The service.
pub type Fwu = FwuService<DdrFlash, System, System>;

/// What `psa_fwu_query` calls the places of candidates: TF-M's flash area ids.
const SECONDARY_AREAS: [u32; 2] = [3, 4];

impl spe_fwu::Watchdog for System {
    fn stop(&mut self) {
        cpu::stop_watchdog();
    }
}

/// Brings it up; none on a map without slots.
///
/// # Errors
/// One line for the log.
pub fn start(boot_data: Option<&BootData<'_>>) -> Result<Option<Fwu>, &'static str> {
    use cpu::FlashRegion as R;
    if !HAS_FIRMWARE_UPDATE {
        return Ok(None);
    }
    let flash = |region| cpu::flash(region).ok_or(TWICE);
    let [secure, non_secure] = SECONDARY_AREAS;
    let slots = [
        Slots {
            primary: flash(R::SecurePrimary)?,
            secondary: flash(R::SecureSecondary)?,
            location: secure,
        },
        Slots {
            primary: flash(R::NonSecurePrimary)?,
            secondary: flash(R::NonSecureSecondary)?,
            location: non_secure,
        },
    ];
    let versions = spe_fwu::versions(boot_data);
    let fwu = FwuService::new(slots, versions, System, System)
        .map_err(|_| "the image slots cannot be read")?;
    if fwu.on_trial() {
        log::line("an image is on trial").end();
    }
    Ok(Some(fwu))
}
