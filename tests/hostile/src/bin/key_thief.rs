//! Uses, reads and destroys keys that are not its own.
#![no_std]
#![no_main]

use hostile::{keys, say};
use libtock::alarm::{Alarm, Milliseconds};
use libtock::psa::Psa;
use libtock::{set_main, stack_size};
use psa_client::crypto;

set_main! { main }
stack_size! { 0x1000 }

const CASE: &str = "key_thief";
/// The service makes ids of a slot (low byte) and a count (next byte); it has fewer slots.
const SLOTS: u32 = 16;

fn main() {
    let psa = Psa::new();
    // The victim first.
    let _ = Alarm::sleep_for(Milliseconds(1500));
    let own = match crypto::generate_key(&psa, &keys::signing()) {
        Ok(key) => key,
        Err(e) => return say(CASE, format_args!("no key: {e}")),
    };
    match keys::signs(&psa, own) {
        Ok(()) => say(CASE, format_args!("control-ok own key {own:#x} signs")),
        Err(e) => return say(CASE, format_args!("control failed: {e}")),
    }
    // Ids are the owner's own: with this one gone, the same number must not reach another's.
    let _ = crypto::destroy_key(&psa, own);
    let first = own & 0xFFFF_0000;
    let last = (own | 0xFF).saturating_add(0x200);
    let volatile = (first..=last).filter(|id| id & 0xFF < SLOTS);
    let provisioned = [1, 2, 0x10, 0x11, 0x12, 0x20];
    let built_in = [
        psa_interface::key::KEY_ID_HUK,
        psa_interface::key::KEY_ID_IAK,
    ];
    let mut tried = 0u32;
    for key in volatile.chain(provisioned).chain(built_in) {
        tried += 1;
        let mut buffer = [0; 80];
        if keys::signs(&psa, key).is_ok() {
            return say(CASE, format_args!("breached signed with key {key:#x}"));
        }
        if crypto::export_key(&psa, key, &mut buffer).is_ok() {
            return say(CASE, format_args!("breached exported key {key:#x}"));
        }
        if crypto::get_key_attributes(&psa, key).is_ok() {
            return say(
                CASE,
                format_args!("breached read attributes of key {key:#x}"),
            );
        }
        if crypto::destroy_key(&psa, key).is_ok() {
            return say(CASE, format_args!("breached destroyed key {key:#x}"));
        }
    }
    say(
        CASE,
        format_args!("refused {tried} ids {first:#x}..={last:#x}"),
    );
}
