//! Where processes come from on this board: the credential keys, and what is printed.

use crate::Loader;
use crate::capsules::VirtualAlarm;
use crate::install::{Installed, State, Storage};
use crate::memory::STOCK_TFM;
use capsules_system::process_checker::credentials::{CredentialVerifier, Verdict};
use chip::ns::devices::ticks;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::debug;
use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks, Time};
use kernel::process::{Process, ProcessBinaryError, ProcessLoadError, ProcessLoadingAsyncClient};
use kernel::weakened::{Defence, off};
use psa_client::crypto::{export_public_key, hash_compute, import_key, verify_hash};
use psa_interface::key::usage;
use psa_interface::{Algorithm, KeyAttributes, KeyType, Status};
use tfm_psa_driver::{KernelClient, Spe, Veneers};
use tock_tbf::types::{TbfFooterV2Credentials, TbfFooterV2CredentialsType as Format};

/// The kernel's keys that verify app credentials (provisioned under client −1).
const APP_KEY: u32 = 0x20;
const APP_KEY_RSA_3072: u32 = 0x21;
const APP_KEY_RSA_4096: u32 = 0x22;

/// The key itself, an uncompressed point: in a build for a secure side that our factory does not
/// provision.
const APP_KEY_POINT: Option<[u8; 65]> = match option_env!("TOCKSTONE_APP_KEY") {
    Some(digits) => Some(from_hex(digits.as_bytes())),
    None => None,
};
const _: () = assert!(APP_KEY_POINT.is_some() == STOCK_TFM);

/// Evaluated by the compiler, which stops where the digits are no point.
const fn from_hex(digits: &[u8]) -> [u8; 65] {
    const fn digit(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => panic!("TOCKSTONE_APP_KEY: hexadecimal digits"),
        }
    }
    assert!(digits.len() == 130, "TOCKSTONE_APP_KEY: 65 bytes");
    let mut out = [0; 65];
    let mut i = 0;
    while i < out.len() {
        out[i] = digit(digits[2 * i]) << 4 | digit(digits[2 * i + 1]);
        i += 1;
    }
    out
}

/// Credentials through the secure world.
pub struct SecureVerifier {
    spe: &'static Spe<Veneers>,
    /// The id of the key, once it is known.
    key: Cell<Option<u32>>,
}

impl SecureVerifier {
    pub const fn new(spe: &'static Spe<Veneers>) -> Self {
        SecureVerifier {
            spe,
            key: Cell::new(None),
        }
    }

    /// The provisioned key's id, or that of the built-in one, imported at its first use.
    fn key(&self, client: &KernelClient<'_, Veneers>) -> Result<u32, Status> {
        let Some(point) = APP_KEY_POINT else {
            return Ok(APP_KEY);
        };
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let attributes = KeyAttributes::volatile(
            KeyType::ECC_PUBLIC_KEY_SECP_R1,
            256,
            usage::VERIFY_HASH,
            Algorithm::ecdsa(Algorithm::SHA_256),
        );
        let key = import_key(client, &attributes, &point)?;
        self.key.set(Some(key));
        Ok(key)
    }
}

/// How a format is checked: the key of a signature, and over which hash.
fn how(format: Format) -> Option<(Option<u32>, Algorithm)> {
    Some(match format {
        Format::Reserved => return None,
        Format::SHA256 => (None, Algorithm::SHA_256),
        Format::SHA384 => (None, Algorithm::SHA_384),
        Format::SHA512 => (None, Algorithm::SHA_512),
        Format::Rsa3072Key => (Some(APP_KEY_RSA_3072), Algorithm::SHA_512),
        Format::Rsa4096Key => (Some(APP_KEY_RSA_4096), Algorithm::SHA_512),
        Format::EcdsaNistP256 => (Some(APP_KEY), Algorithm::SHA_256),
    })
}

/// Where the modulus begins in the DER of an RSAPublicKey of 3072 or 4096 bits (RFC 8017 §A.1.1): behind
/// two headers of four bytes and a zero.
const MODULUS_AT: usize = 9;
/// An RSAPublicKey of 4096 bits.
const MOST_DER: usize = 527;

impl SecureVerifier {
    fn judge(
        &self,
        credential: &TbfFooterV2Credentials,
        message: &[u8],
    ) -> Result<Verdict, Status> {
        let client = KernelClient(self.spe);
        let (key, hash_algorithm) = how(credential.format()).ok_or(Status::NOT_SUPPORTED)?;
        let mut hash = [0; 64];
        let len = hash_compute(&client, hash_algorithm, message, &mut hash)?;
        let hash = hash.get(..len).ok_or(Status::GENERIC_ERROR)?;
        let Some(key) = key else {
            return Ok(match credential.data() == hash {
                true => Verdict::Good,
                false => Verdict::Bad,
            });
        };
        let key = match key {
            APP_KEY => self.key(&client)?,
            other => other,
        };
        let (algorithm, of_key, signature) = if credential.format() == Format::EcdsaNistP256 {
            let none: &[u8] = &[];
            (Algorithm::ecdsa(hash_algorithm), none, credential.data())
        } else {
            let half = credential.data().len() / 2;
            let (modulus, signature) = credential.data().split_at(half);
            (
                Algorithm::rsa_pkcs1v15_sign(hash_algorithm),
                modulus,
                signature,
            )
        };
        let mut der = [0; MOST_DER];
        if !of_key.is_empty() {
            let len = match export_public_key(&client, key, &mut der) {
                // A board without such a key.
                Err(Status::INVALID_HANDLE | Status::DOES_NOT_EXIST) => {
                    return Ok(Verdict::Unknown);
                }
                other => other?,
            };
            let ours = der.get(..len).and_then(|der| der.get(MODULUS_AT..));
            if !ours.is_some_and(|ours| ours.starts_with(of_key)) {
                return Ok(Verdict::Unknown);
            }
        }
        match verify_hash(&client, key, algorithm, hash, signature) {
            Ok(()) => Ok(Verdict::Good),
            // It says whose it is, or it does not.
            Err(Status::INVALID_SIGNATURE) if !of_key.is_empty() => Ok(Verdict::Bad),
            Err(Status::INVALID_SIGNATURE) => Ok(Verdict::Unknown),
            Err(other) => Err(other),
        }
    }
}

impl CredentialVerifier for SecureVerifier {
    fn verify(
        &self,
        credential: &TbfFooterV2Credentials,
        message: &[u8],
    ) -> Result<Verdict, ErrorCode> {
        if off(Defence::Credential) {
            return Ok(Verdict::Good);
        }
        self.judge(credential, message).map_err(|status| {
            debug!(
                "kernel: app credentials cannot be checked, status {}",
                status.0
            );
            ErrorCode::FAIL
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
    state: Option<State>,
    alarm: &'static VirtualAlarm,
}

impl Announcer {
    pub const fn new(
        loader: &'static Loader,
        installed: &Installed,
        alarm: &'static VirtualAlarm,
    ) -> Self {
        Announcer {
            first: Cell::new(true),
            loader,
            storage: installed.storage,
            state: installed.state,
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
                    "kernel: process {} {} flash 0x{:08x}+0x{:x} ram 0x{:08x}+0x{:x} ShortId {:?}",
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
            Err(ProcessLoadError::BinaryError(e)) if e != ProcessBinaryError::Superseded => {}
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
        if let Some(state) = self.state {
            state.flash.open();
        }
        self.storage.recover();
    }
}
