//! Measures what a process pays for system calls and secure services.
//!
//! Owns the lines `bench: <row> <microseconds> us <repetitions>`, `bench: <row> failed <why>` and,
//! last, `bench: done`. The time is that of the whole loop, by the alarm driver's 1 MHz clock; how
//! many instructions that is, `cargo xtask bench` works out. Nothing is subtracted: the loop, the
//! system calls and the copies are in it. Each answer is looked at, so that no refusal is measured
//! for a service.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod rsa;

use libtock::alarm::Alarm;
use libtock::platform::{ErrorCode, Syscalls};
use libtock::psa::Psa;
use libtock::runtime::TockSyscalls;
use libtock::{println, set_main, stack_size};
use psa_client::{
    Algorithm, KeyAttributes, KeyType, Status, attestation, crypto, its, platform, ps,
};
use psa_interface::key::usage;

set_main! { main }
stack_size! { 0x2000 }

fn main() {
    let psa = Psa::new();
    row("null_command", 100_000, null_command);
    keys(&psa);
    rsa3072(&psa);
    // Only a process's very first call of a service may be deferred.
    let _ = platform::nv_counter_read(&psa, 0);
    row("psa_noop_process", 10_000, psa_noop);
    let (mut hash, data) = ([0; 32], [0xA5; KIB]);
    row("sha256_kib", 1_000, || {
        exactly(
            32,
            crypto::hash_compute(&psa, Algorithm::SHA_256, &data, &mut hash),
        )
    });
    let aead = |name, key_type, bits, algorithm| {
        let mut sealed = [0; KIB + 16];
        let attributes = KeyAttributes::volatile(key_type, bits, usage::ENCRYPT, algorithm);
        match crypto::generate_key(&psa, &attributes) {
            Ok(key) => row(name, 1_000, || {
                let n =
                    crypto::aead_encrypt(&psa, key, algorithm, &[7; 12], &[], &data, &mut sealed);
                exactly(KIB + 16, n)
            }),
            Err(e) => println!("bench: {name} failed {e:?}"),
        }
    };
    let chacha = Algorithm::CHACHA20_POLY1305;
    aead("chacha20poly1305_kib", KeyType::CHACHA20, 256, chacha);
    aead("aes128gcm_kib", KeyType::AES, 128, Algorithm::GCM);
    let mut value = [0; 64];
    let mut serial = 0u8;
    // Each set stores another value, so that none can be left out.
    let mut next = || {
        serial = serial.wrapping_add(1);
        [serial; 64]
    };
    row("its_set64", 1_000, || its::set(&psa, UID, &next(), 0));
    row("its_get64", 10_000, || {
        exactly(64, its::get(&psa, UID, 0, &mut value))
    });
    row("ps_set64", 1_000, || ps::set(&psa, UID, &next(), 0));
    row("ps_get64", 1_000, || {
        exactly(64, ps::get(&psa, UID, 0, &mut value))
    });
    let mut token = [0; attestation::MAX_TOKEN_SIZE];
    row("attest_token", 1_000, || {
        attestation::get_token(&psa, &[0xC4; 32], &mut token).map(drop)
    });
    println!("bench: done");
}

const KIB: usize = 1024;
const UID: u64 = 0x4245_4E43;

/// Runs `once` `repetitions` times and prints how long that took, or why it stopped.
fn row<E: core::fmt::Debug>(name: &str, repetitions: u32, mut once: impl FnMut() -> Result<(), E>) {
    // The first call of a process is another one: grants and client ids are made.
    if let Err(e) = once() {
        return println!("bench: {name} failed {e:?}");
    }
    let start = Alarm::get_ticks();
    for _ in 0..repetitions {
        if let Err(e) = once() {
            return println!("bench: {name} failed {e:?}");
        }
    }
    match (start, Alarm::get_ticks()) {
        (Ok(start), Ok(end)) => {
            println!("bench: {name} {} us {repetitions}", end.wrapping_sub(start))
        }
        (Err(e), _) | (_, Err(e)) => println!("bench: {name} failed {e:?}"),
    }
}

fn exactly(length: usize, got: Result<usize, Status>) -> Result<(), Status> {
    match got {
        Ok(n) if n == length => Ok(()),
        Ok(_) => Err(Status::GENERIC_ERROR),
        Err(e) => Err(e),
    }
}

/// `exists` of the low-level debug driver, which does nothing else.
fn null_command() -> Result<(), ErrorCode> {
    TockSyscalls::command(0x8, 0, 0, 0).to_result()
}

/// A platform call of a type that the service does not know, without vectors: refused by the
/// service itself.
fn psa_noop() -> Result<(), ErrorCode> {
    const PLATFORM: u32 = 0xA0003;
    const CALL: u32 = 1;
    const UNKNOWN: u32 = 99;
    match TockSyscalls::command(PLATFORM, CALL, UNKNOWN, 0).get_success_3_u32() {
        Some((status, 0, 0)) if status as i32 != Status::SUCCESS.0 => Ok(()),
        _ => Err(ErrorCode::Fail),
    }
}

/// Signs with a volatile P-256 key, verifies with its public half.
fn keys(psa: &Psa) {
    let ecdsa = Algorithm::ecdsa(Algorithm::SHA_256);
    let (mut public, mut signature, hash) = ([0; 65], [0; 64], [0x5A; 32]);
    let pair = KeyAttributes::volatile(KeyType::ECC_KEY_PAIR_SECP_R1, 256, usage::SIGN_HASH, ecdsa);
    let half = KeyAttributes::volatile(
        KeyType::ECC_PUBLIC_KEY_SECP_R1,
        256,
        usage::VERIFY_HASH,
        ecdsa,
    );
    let made = crypto::generate_key(psa, &pair).and_then(|signer| {
        crypto::export_public_key(psa, signer, &mut public)?;
        Ok((signer, crypto::import_key(psa, &half, &public)?))
    });
    let (signer, verifier) = match made {
        Ok(keys) => keys,
        Err(e) => return println!("bench: p256 failed {e:?}"),
    };
    row("p256_sign", 1_000, || {
        exactly(
            64,
            crypto::sign_hash(psa, signer, ecdsa, &hash, &mut signature),
        )
    });
    row("p256_verify", 1_000, || {
        crypto::verify_hash(psa, verifier, ecdsa, &hash, &signature)
    });
}

/// Verifies with a volatile RSA-3072 key; first, that another hash does not.
fn rsa3072(psa: &Psa) {
    let pss = Algorithm::rsa_pss(Algorithm::SHA_256);
    let attributes =
        KeyAttributes::volatile(KeyType::RSA_PUBLIC_KEY, 3072, usage::VERIFY_HASH, pss);
    let key = match crypto::import_key(psa, &attributes, &rsa::PUBLIC) {
        Ok(key) => key,
        Err(e) => return println!("bench: rsa3072_verify failed {e:?}"),
    };
    if crypto::verify_hash(psa, key, pss, &[0; 32], &rsa::SIGNATURE)
        != Err(Status::INVALID_SIGNATURE)
    {
        return println!("bench: rsa3072_verify failed: another hash verifies");
    }
    row("rsa3072_verify", 1_000, || {
        crypto::verify_hash(psa, key, pss, &rsa::HASH, &rsa::SIGNATURE)
    });
}
