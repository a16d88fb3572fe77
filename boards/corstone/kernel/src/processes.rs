//! Where processes come from on this board: the credential key, and what is printed.

use crate::Loader;
use crate::capsules::VirtualAlarm;
use crate::install::Storage;
use capsules_system::process_checker::signature::CredentialVerifier;
use chip::ns::devices::ticks;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::debug;
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks, Time};
use kernel::process::{Process, ProcessBinaryError, ProcessLoadError, ProcessLoadingAsyncClient};
use psa_client::crypto::{hash_compute, verify_hash};
use psa_interface::{Algorithm, Status};
use tfm_psa_driver::{KernelClient, Spe, Veneers};

/// The kernel's key that verifies app credentials (provisioned under client −1).
const APP_KEY: u32 = 0x20;

/// Credentials through the secure world.
pub struct SecureVerifier(pub &'static Spe<Veneers>);

impl CredentialVerifier for SecureVerifier {
    fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<bool, ErrorCode> {
        let client = KernelClient(self.0);
        let mut hash = [0; 32];
        let algorithm = Algorithm::ecdsa(Algorithm::SHA_256);
        hash_compute(&client, Algorithm::SHA_256, message, &mut hash)
            .and_then(|_| verify_hash(&client, APP_KEY, algorithm, &hash, signature))
            .map(|()| true)
            .or_else(|status| match status {
                Status::INVALID_SIGNATURE => Ok(false),
                other => {
                    debug!(
                        "kernel: app credentials cannot be checked, status {}",
                        other.0
                    );
                    Err(ErrorCode::FAIL)
                }
            })
    }
}

/// Milliseconds that those loaded may run before the next check, which stops all for hundreds.
const PAUSE: u32 = 5;

/// Says what was loaded, and lets the first ones run while the others are checked.
pub struct Announcer {
    first: Cell<bool>,
    loader: &'static Loader,
    storage: &'static Storage,
    alarm: &'static VirtualAlarm,
}

impl Announcer {
    pub const fn new(
        loader: &'static Loader,
        storage: &'static Storage,
        alarm: &'static VirtualAlarm,
    ) -> Self {
        Announcer {
            first: Cell::new(true),
            loader,
            storage,
            alarm,
        }
    }
}

impl AlarmClient for Announcer {
    fn alarm(&self) {
        self.loader.resume();
    }
}

impl ProcessLoadingAsyncClient for Announcer {
    fn process_loaded(&self, _result: Result<(), ProcessLoadError>) {}

    fn process_loaded_detail(
        &self,
        name: &'static str,
        result: Result<&'static dyn Process, ProcessLoadError>,
    ) {
        match result {
            Ok(process) => {
                let a = process.get_addresses();
                debug!(
                    "kernel: process {} {} flash 0x{:08x}+0x{:x} ram 0x{:08x}+0x{:x} ShortId {}",
                    process.processid().index().unwrap_or(0),
                    name,
                    a.flash_start,
                    a.flash_end - a.flash_start,
                    a.sram_start,
                    a.sram_end - a.sram_start,
                    process.short_app_id()
                );
                if self.first.replace(false) {
                    debug!("kernel: first process at {} ticks", ticks());
                }
            }
            // Had its line by address: it has no name.
            Err(ProcessLoadError::BinaryError(_)) => {}
            Err(e) => debug!("kernel: not loaded: {} {:?}", name, e),
        }
    }

    fn pause(&self) -> bool {
        self.alarm
            .set_alarm(self.alarm.now(), self.alarm.ticks_from_ms(PAUSE));
        true
    }

    fn process_binary_refused(&self, address: usize, error: ProcessBinaryError) {
        if error != ProcessBinaryError::NotEnabledProcess {
            debug!("kernel: not loaded: TBF at 0x{:08x}: {:?}", address, error);
        }
    }

    fn process_loading_finished(&self) {
        if self.first.get() {
            debug!("kernel: no processes");
        }
        self.storage.recover();
    }
}
