//! The victim of `key_thief`: keeps a key, and says again and again that it still signs.
#![no_std]
#![no_main]

use hostile::{keys, say};
use libtock::alarm::{Alarm, Milliseconds};
use libtock::psa::Psa;
use libtock::{set_main, stack_size};
use psa_client::crypto;

set_main! { main }
stack_size! { 0x1000 }

const CASE: &str = "key_keeper";

fn main() {
    let psa = Psa::new();
    let key = match crypto::generate_key(&psa, &keys::signing()) {
        Ok(key) => key,
        Err(e) => return say(CASE, format_args!("no key: {e}")),
    };
    loop {
        match keys::signs(&psa, key) {
            Ok(()) => say(CASE, format_args!("alive key {key:#x} signs")),
            Err(e) => say(CASE, format_args!("breached key {key:#x} lost: {e}")),
        }
        if Alarm::sleep_for(Milliseconds(2000)).is_err() {
            return;
        }
    }
}
