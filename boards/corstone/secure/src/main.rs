//! Secure image of the Corstone boards.
//!
//! Owns composition: which services stand behind which handle, what belongs to which world, and
//! the order of start-up. Mechanism lives in `spe/*`, registers in `chips/*`, and what the
//! processor needs beyond safe Rust in [`cpu`].
//!
//! Invariants: nothing here panics by design; a broken invariant resets with a record. The other
//! world starts only after every wall stands and every service is ready.
#![no_std]
#![no_main]

mod attestation;
mod cpu;
#[cfg(feature = "fwu")]
mod firmware_update;
mod first_boot;
mod key_store;
mod log;
mod otp;
mod record;
mod services;
mod start;
#[cfg(feature = "weakened")]
mod weak;

// Linked for its memcpy and memset.
use symmetric as _;

/// Constants from `memory.toml`.
#[allow(dead_code)]
mod memory {
    include!(concat!(env!("OUT_DIR"), "/memory.rs"));
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    record::reset(record::Cause::Panic, &record::Fault::default())
}
