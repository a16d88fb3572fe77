//! The process that keeps the secure world busy.
//!
//! Owns the lines `latency: alone <call> <microseconds> us`, the longest of several of each call while
//! nobody else runs, and `latency: signs`; from there on it makes these calls for ever. The time is
//! that of the whole call as a process sees it: system calls, upcall and the service. A refused call
//! ends it with a line.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use libtock::alarm::Alarm;
use libtock::psa::Psa;
use libtock::{println, set_main, stack_size};
use psa_client::{Algorithm, KeyAttributes, KeyType, Status, crypto};
use psa_interface::key::usage;

set_main! { main }
stack_size! { 0x1000 }

const ECDSA: Algorithm = Algorithm::ecdsa(Algorithm::SHA_256);
const HASH: [u8; 32] = [0x5A; 32];
/// Of each call, alone: a verification takes as long as its signature has it, within a few hundred
/// instructions.
const REPETITIONS: u32 = 64;

fn main() {
    if let Err(e) = sign() {
        println!("latency: failed {e:?}");
    }
}

fn pair() -> KeyAttributes {
    KeyAttributes::volatile(KeyType::ECC_KEY_PAIR_SECP_R1, 256, usage::SIGN_HASH, ECDSA)
}

fn sign() -> Result<(), Status> {
    let psa = Psa::new();
    let (mut public, mut signature) = ([0; 65], [0; 64]);
    let half = KeyAttributes::volatile(
        KeyType::ECC_PUBLIC_KEY_SECP_R1,
        256,
        usage::VERIFY_HASH,
        ECDSA,
    );
    let signer = crypto::generate_key(&psa, &pair())?;
    crypto::export_public_key(&psa, signer, &mut public)?;
    let verifier = crypto::import_key(&psa, &half, &public)?;
    crypto::sign_hash(&psa, signer, ECDSA, &HASH, &mut signature)?;
    let mut longest = [0; CALLS.len()];
    for _ in 0..REPETITIONS {
        round(&psa, signer, verifier, &mut longest)?;
    }
    for (name, us) in CALLS.iter().zip(longest) {
        println!("latency: alone {name} {us} us");
    }
    println!("latency: signs");
    loop {
        round(&psa, signer, verifier, &mut longest)?;
    }
}

const CALLS: [&str; 3] = ["generate_key", "sign_hash", "verify_hash"];

/// Each call once; `longest` is what each took at most.
fn round(psa: &Psa, signer: u32, verifier: u32, longest: &mut [u32; 3]) -> Result<(), Status> {
    let mut signature = [0; 64];
    let [a, b, c] = longest;
    let key = timed(a, || crypto::generate_key(psa, &pair()))?;
    crypto::destroy_key(psa, key)?;
    timed(b, || {
        crypto::sign_hash(psa, signer, ECDSA, &HASH, &mut signature)
    })?;
    timed(c, || {
        crypto::verify_hash(psa, verifier, ECDSA, &HASH, &signature)
    })
}

fn timed<T>(longest: &mut u32, call: impl FnOnce() -> T) -> T {
    let start = Alarm::get_ticks().unwrap_or(0);
    let result = call();
    let end = Alarm::get_ticks().unwrap_or(0);
    *longest = (*longest).max(end.wrapping_sub(start));
    result
}
