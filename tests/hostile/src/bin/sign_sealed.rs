//! Signs with a key that it cannot read: its own, and the device key (id 1) if it is given that.
#![no_std]
#![no_main]

use hostile::{keys, say};
use libtock::psa::Psa;
use libtock::{set_main, stack_size};
use psa_client::{Status, crypto};

set_main! { main }
stack_size! { 0x1000 }

const CASE: &str = "sign_sealed";
/// The device key (ARCHITECTURE: provisioning record, ids as the reference's).
const DEVICE_KEY: u32 = 1;

fn main() {
    let psa = Psa::new();
    match crypto::generate_key(&psa, &keys::signing()) {
        Ok(key) => attempt(&psa, "own", key),
        Err(e) => say(CASE, format_args!("own no key: {e}")),
    }
    attempt(&psa, "device", DEVICE_KEY);
}

fn attempt(psa: &Psa, name: &str, key: u32) {
    match keys::signs(psa, key) {
        Ok(()) => say(CASE, format_args!("{name} control-ok signed and verified")),
        Err(e) => say(CASE, format_args!("{name} cannot sign: {e}")),
    }
    let mut secret = [0; 80];
    match crypto::export_key(psa, key, &mut secret) {
        Ok(n) => say(CASE, format_args!("{name} breached exported {n} bytes")),
        // What an owner is told about a key that it may use but not read.
        Err(Status::NOT_PERMITTED) => {
            say(
                CASE,
                format_args!("{name} export refused {}", Status::NOT_PERMITTED),
            );
        }
        Err(e) => say(CASE, format_args!("{name} export refused otherwise {e}")),
    }
    if secret.iter().any(|b| *b != 0) {
        say(
            CASE,
            format_args!("{name} breached bytes leaked into the buffer"),
        );
    }
}
