//! Calls upstream's crypto and storage drivers as libtock-c would, and checks the answers.
//!
//! Owns the lines `capsules: <case> ok`, `capsules: <case> failed, line <n>` and, last, `capsules:
//! done`. It knows the drivers by number only, shares buffers, commands, and waits with
//! yield-wait-for. What it stores under `boot` tells the first boot (`capsules: first boot`) from
//! the next (`capsules: next boot`).
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod vectors;

use libtock::runtime::TockSyscalls as S;
use libtock::{println, set_main, stack_size};
use libtock_platform::{AllowRo, AllowRw, DefaultConfig, ErrorCode, Syscalls, share};
use vectors::*;

set_main! { main }
stack_size! { 0x1800 }

const SHA: u32 = 0x40005;
const HMAC: u32 = 0x40003;
const BUTTON: u32 = 0x3;
const STATE: u32 = 0x9;
const INFO: u32 = 0x10002;
const AES: u32 = 0x40006;
const NVM: u32 = 0x50001;
const ISOLATED: u32 = 0x50004;
const KV: u32 = 0x50003;

/// Line of a check that failed.
struct Failed(u32);

macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            return Err(Failed(line!()));
        }
    };
}

fn main() {
    report("presence", presence());
    report("sha", sha());
    report("hmac", hmac());
    report("hmac-parts", hmac_parts());
    report("aes", aes());
    report("aes-parts", aes_parts());
    report("aes-messages", aes_messages());
    report("kv", kv());
    report("kv-limits", kv_limits());
    report("button", button());
    report("process-info", process_info());
    report("read-only-state", read_only_state());
    report("shared-nvm", shared_nvm());
    report("isolated-nvm", isolated_nvm());
    report("kv-boot", kv_boot());
    println!("capsules: done");
}

fn report(case: &str, result: Result<(), Failed>) {
    match result {
        Ok(()) => println!("capsules: {case} ok"),
        Err(Failed(line)) => println!("capsules: {case} failed, line {line}"),
    }
}

fn command(driver: u32, number: u32, argument: u32) -> Result<(), ErrorCode> {
    S::command(driver, number, argument, 0).to_result()
}

/// Shares what is not empty, commands, and waits for upcall `upcall`: its first two words.
fn ask<const D: u32, const RW: u32>(
    read: [&[u8]; 3],
    write: &mut [u8],
    number: u32,
    upcall: u32,
) -> Result<(u32, u32), ErrorCode> {
    share::scope::<
        (
            AllowRo<'_, S, D, 0>,
            AllowRo<'_, S, D, 1>,
            AllowRo<'_, S, D, 2>,
            AllowRw<'_, S, D, RW>,
        ),
        _,
        _,
    >(|handle| {
        let (first, second, third, destination) = handle.split();
        if !read[0].is_empty() {
            S::allow_ro::<DefaultConfig, D, 0>(first, read[0])?;
        }
        if !read[1].is_empty() {
            S::allow_ro::<DefaultConfig, D, 1>(second, read[1])?;
        }
        if !read[2].is_empty() {
            S::allow_ro::<DefaultConfig, D, 2>(third, read[2])?;
        }
        if !write.is_empty() {
            S::allow_rw::<DefaultConfig, D, RW>(destination, write)?;
        }
        command(D, number, 0)?;
        let (status, word, _) = S::yield_wait_for(D, upcall);
        Ok((status, word))
    })
}

fn presence() -> Result<(), Failed> {
    check!(command(SHA, 0, 0) == Ok(()));
    check!(command(KV, 0, 0) == Ok(()));
    check!(command(HMAC, 0, 0) == Ok(()));
    check!(command(SHA, 4, 0) == Err(ErrorCode::NoSupport));
    check!(command(HMAC, 6, 0) == Err(ErrorCode::NoSupport));
    check!(command(KV, 7, 0) == Err(ErrorCode::NoSupport));
    check!(command(0x40002, 0, 0) == Err(ErrorCode::NoDevice));
    Ok(())
}

fn long() -> [u8; 1000] {
    core::array::from_fn(|i| i as u8)
}

fn sha() -> Result<(), Failed> {
    let mut out = [0; 64];
    // A buffer of another length than the digest's is refused when the digest is there.
    const NOMEM: u32 = ErrorCode::NoMem as u32;
    check!(ask::<SHA, 0>([b"abc", &[], &[]], &mut out, 2, 0) == Ok((NOMEM, 0)));
    check!(out == [0; 64]);
    check!(ask::<SHA, 0>([b"abc", &[], &[]], &mut out[..32], 2, 0) == Ok((0, 0)));
    check!(out.starts_with(&ABC_256) && out[32..] == [0; 32]);
    check!(command(SHA, 1, 1) == Ok(()));
    check!(ask::<SHA, 0>([b"abc", &[], &[]], &mut out[..48], 2, 0) == Ok((0, 0)));
    check!(out.starts_with(&ABC_384) && out[48..] == [0; 16]);
    check!(command(SHA, 1, 2) == Ok(()));
    check!(ask::<SHA, 0>([b"abc", &[], &[]], &mut out, 2, 0) == Ok((0, 0)));
    check!(out == ABC_512);
    check!(command(SHA, 1, 3) == Err(ErrorCode::NoSupport));
    check!(command(SHA, 1, 0) == Ok(()));
    // In pieces.
    check!(ask::<SHA, 0>([&long(), &[], &[]], &mut out[..32], 2, 0) == Ok((0, 0)));
    check!(out.starts_with(&LONG_256));
    check!(ask::<SHA, 0>([&long(), &LONG_256, &[]], &mut [], 3, 1) == Ok((0, 1)));
    check!(ask::<SHA, 0>([&long(), &ABC_256, &[]], &mut [], 3, 1) == Ok((0, 0)));
    Ok(())
}

fn hmac() -> Result<(), Failed> {
    let data = b"what do ya want for nothing?";
    let mut out = [0; 32];
    check!(command(HMAC, 0, 0) == Ok(()));
    check!(ask::<HMAC, 2>([b"Jefe", data, &[]], &mut out, 1, 0) == Ok((0, 0)));
    check!(out == JEFE_256);
    check!(ask::<HMAC, 2>([b"Jefe", data, &JEFE_256], &mut [], 4, 1) == Ok((0, 1)));
    check!(ask::<HMAC, 2>([b"jefe", data, &JEFE_256], &mut [], 4, 1) == Ok((0, 0)));
    check!(ask::<HMAC, 2>([&[], &[], &[]], &mut out, 1, 0) == Ok((0, 0)));
    check!(out == NOTHING_256);
    for unsupported in 3..7 {
        check!(command(HMAC, 0, unsupported) == Err(ErrorCode::NoSupport));
    }
    // Too often for keys or operations to be left behind in the secure world.
    for _ in 0..40 {
        check!(ask::<HMAC, 2>([b"Jefe", data, &[]], &mut out, 1, 0) == Ok((0, 0)));
        check!(out == JEFE_256);
    }
    Ok(())
}

fn hmac_parts() -> Result<(), Failed> {
    let data = long();
    let mut out = [0; 48];
    check!(command(HMAC, 3, 0) == Err(ErrorCode::Off));
    check!(command(HMAC, 5, 0) == Err(ErrorCode::Off));
    check!(command(HMAC, 0, 1) == Ok(()));
    for piece in [&data[..1], &data[1..700], &data[700..]] {
        check!(ask::<HMAC, 2>([b"Jefe", piece, &[]], &mut [], 2, 0) == Ok((0, 0)));
    }
    check!(ask::<HMAC, 2>([&[], &[], &[]], &mut out, 3, 0) == Ok((0, 0)));
    check!(out == LONG_HMAC_384);
    check!(ask::<HMAC, 2>([b"Jefe", &data, &[]], &mut [], 2, 0) == Ok((0, 0)));
    check!(ask::<HMAC, 2>([&[], &[], &LONG_HMAC_384], &mut [], 5, 1) == Ok((0, 1)));
    check!(command(HMAC, 0, 0) == Ok(()));
    Ok(())
}

/// Sets the algorithm: CTR, CBC, ECB, CCM, GCM.
fn algorithm(number: u32, encrypt: bool) -> Result<(), ErrorCode> {
    S::command(AES, 1, number, encrypt.into()).to_result()
}

/// A whole request: set up, wait, finish.
fn crypt(read: [&[u8]; 3], write: &mut [u8]) -> Result<(u32, u32), ErrorCode> {
    let answer = ask::<AES, 0>(read, write, 2, 0)?;
    if answer.0 == 0 {
        command(AES, 4, 0)?;
    }
    Ok(answer)
}

fn aes() -> Result<(), Failed> {
    let counter: [u8; 16] = core::array::from_fn(|i| 0xf0 + i as u8);
    let first: [u8; 16] = core::array::from_fn(|i| i as u8);
    let mut out = [0; 32];
    check!(command(AES, 0, 0) == Ok(()));
    check!(command(AES, 9, 0) == Err(ErrorCode::NoSupport));
    check!(algorithm(5, true) == Err(ErrorCode::NoSupport));
    check!(command(AES, 3, 0) == Err(ErrorCode::Off));
    check!(command(AES, 4, 0) == Err(ErrorCode::Off));
    for (number, key, iv, sealed) in [
        (0, &AES_128[..], &counter[..], CTR_128),
        (1, &AES_256[..], &first[..], CBC_256),
        (2, &AES_128[..], &[], ECB_128),
    ] {
        check!(algorithm(number, true) == Ok(()));
        check!(crypt([key, iv, &BLOCKS], &mut out) == Ok((0, 32)));
        check!(out == sealed);
        check!(algorithm(number, false) == Ok(()));
        check!(crypt([key, iv, &sealed], &mut out) == Ok((0, 32)));
        check!(out == BLOCKS);
    }
    check!(crypt([&AES_128, &[], &BLOCKS[..31]], &mut out) == Err(ErrorCode::Invalid));
    check!(crypt([&AES_128[..15], &[], &BLOCKS], &mut out) == Err(ErrorCode::Invalid));
    check!(crypt([&[], &[], &BLOCKS], &mut out) == Err(ErrorCode::Reserve));
    Ok(())
}

fn aes_parts() -> Result<(), Failed> {
    let counter: [u8; 16] = core::array::from_fn(|i| 0xf0 + i as u8);
    let long = long();
    let mut out = [0; 1000];
    check!(algorithm(0, true) == Ok(()));
    // More than once through the driver's buffer, and on where the last part ended.
    let (head, tail) = long.split_at(700);
    check!(ask::<AES, 0>([&AES_128, &counter, head], &mut out[..700], 2, 0) == Ok((0, 700)));
    check!(ask::<AES, 0>([&[], &[], tail], &mut out[700..], 3, 0) == Ok((0, 300)));
    check!(out[984..] == LONG_CTR_END);
    check!(command(AES, 4, 0) == Ok(()));
    // Too often for keys or operations to be left behind in the secure world.
    for _ in 0..40 {
        check!(crypt([&AES_128, &counter, &BLOCKS], &mut out[..32]) == Ok((0, 32)));
        check!(out[..32] == CTR_128);
    }
    Ok(())
}

fn aes_messages() -> Result<(), Failed> {
    let nonce: [u8; 16] = core::array::from_fn(|i| 0xf0 + i as u8);
    for (number, key, tag, sealed) in [
        (3, &AES_128[..], 8, &CCM_8[..]),
        (4, &AES_256[..], 16, &GCM_256[..]),
    ] {
        let n = 4 + sealed.len();
        let mut message = [0; 36];
        message[..4].copy_from_slice(b"head");
        message[4..].copy_from_slice(&BLOCKS);
        let mut out = [0; 52];
        check!(command(AES, 5, 0) == Ok(()) && command(AES, 6, 4) == Ok(()));
        check!(command(AES, 7, tag) == Ok(()) && command(AES, 8, 1) == Ok(()));
        check!(algorithm(number, true) == Ok(()));
        check!(crypt([key, &nonce, &message], &mut out) == Ok((0, n as u32)));
        check!(out[..4] == *b"head" && out[4..n] == *sealed);
        check!(algorithm(number, false) == Ok(()));
        let mut sealed = out;
        let mut open = [0; 52];
        check!(ask::<AES, 0>([key, &nonce, &sealed[..n]], &mut open, 2, 0) == Ok((0, 36)));
        check!(open[..36] == message);
        check!(command(AES, 3, 0) == Err(ErrorCode::NoSupport));
        check!(command(AES, 4, 0) == Ok(()));
        // A message that was changed is not shown.
        sealed[0] ^= 1;
        open = [0; 52];
        check!(crypt([key, &nonce, &sealed[..n]], &mut open) == Ok((0, 36)));
        check!(open == [0; 52]);
    }
    Ok(())
}

const NO_SUPPORT: u32 = ErrorCode::NoSupport as u32;

fn put(number: u32, key: &[u8], value: &[u8]) -> Result<u32, ErrorCode> {
    ask::<KV, 0>([key, value, &[]], &mut [], number, 0).map(|(status, _)| status)
}

fn get(key: &[u8], to: &mut [u8]) -> Result<(u32, u32), ErrorCode> {
    ask::<KV, 0>([key, &[], &[]], to, 1, 0)
}

fn kv() -> Result<(), Failed> {
    let (set, delete, add, update) = (2, 3, 4, 5);
    let mut out = [0; 16];
    // Whatever an earlier boot left.
    let _ = put(delete, b"one", &[]);
    check!(get(b"one", &mut out) == Ok((NO_SUPPORT, 0)));
    check!(put(update, b"one", b"x") == Ok(NO_SUPPORT));
    check!(put(delete, b"one", &[]) == Ok(NO_SUPPORT));
    check!(put(add, b"one", b"first") == Ok(0));
    check!(put(add, b"one", b"again") == Ok(NO_SUPPORT));
    check!(get(b"one", &mut out) == Ok((0, 5)) && out.starts_with(b"first\0"));
    check!(put(update, b"one", b"second") == Ok(0));
    check!(get(b"one", &mut out) == Ok((0, 6)) && out.starts_with(b"second\0"));
    check!(put(set, b"one", b"3") == Ok(0));
    out = [0; 16];
    check!(get(b"one", &mut out) == Ok((0, 1)) && out.starts_with(b"3\0"));
    check!(put(set, b"one", &[]) == Ok(0));
    check!(get(b"one", &mut out) == Ok((0, 0)));
    check!(put(6, &[], &[]) == Ok(0));
    check!(put(delete, b"one", &[]) == Ok(0));
    check!(get(b"one", &mut out) == Ok((NO_SUPPORT, 0)));
    Ok(())
}

fn kv_limits() -> Result<(), Failed> {
    let long = long();
    let mut out = [0; 520];
    check!(get(&[], &mut out) == Err(ErrorCode::Reserve));
    check!(get(&long[..65], &mut out) == Err(ErrorCode::Size));
    check!(put(2, b"big", &long[..513]) == Err(ErrorCode::Size));
    check!(put(2, &long[..64], &long[..512]) == Ok(0));
    check!(get(&long[..64], &mut out) == Ok((0, 512)) && out[..512] == long[..512]);
    let mut short = [0; 4];
    let size = ErrorCode::Size as u32;
    check!(get(&long[..64], &mut short) == Ok((size, 512)) && short == [0, 1, 2, 3]);
    check!(put(3, &long[..64], &[]) == Ok(0));
    Ok(())
}

fn word(driver: u32, number: u32, argument: u32) -> Result<u32, ErrorCode> {
    S::command(driver, number, argument, 0).to_result()
}

fn button() -> Result<(), Failed> {
    check!(word(BUTTON, 0, 0) == Ok(2));
    for index in [0, 1] {
        // QEMU presses none.
        check!(word(BUTTON, 3, index) == Ok(0));
        check!(command(BUTTON, 1, index) == Ok(()));
        check!(command(BUTTON, 2, index) == Ok(()));
    }
    for number in 1..4 {
        check!(command(BUTTON, number, 2) == Err(ErrorCode::Invalid));
    }
    check!(command(BUTTON, 4, 0) == Err(ErrorCode::NoSupport));
    Ok(())
}

/// Shares `to`, and commands.
fn fill(number: u32, argument: u32, to: &mut [u8]) -> Result<(u32, u32), ErrorCode> {
    share::scope::<AllowRw<'_, S, INFO, 0>, _, _>(|handle| {
        S::allow_rw::<DefaultConfig, INFO, 0>(handle, to)?;
        match number {
            5 => command(INFO, 5, argument).map(|()| (0, 0)),
            _ => word(INFO, number, argument).map(|word| (word, 0)),
        }
    })
}

fn process_info() -> Result<(), Failed> {
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap_or_default());
    check!(command(INFO, 0, 0) == Ok(()));
    check!(word(INFO, 1, 0) == Ok(1));
    let mut out = [0; 16];
    check!(fill(2, 0, &mut out) == Ok((1, 0)));
    let id = number(&out[..4]);
    check!(fill(3, 0, &mut out) == Ok((1, 0)) && number(&out[..4]) == 0xCA95);
    check!(fill(4, id, &mut out) == Ok((13, 0)) && out.starts_with(b"capsule-check"));
    check!(fill(5, id, &mut out) == Ok((0, 0)));
    // No restarts; it runs.
    check!(number(&out[4..8]) > 100 && out[8..] == [0; 8]);
    check!(fill(4, id + 1, &mut out) == Err(ErrorCode::Invalid));
    // Its header lists no permissions: it has no power, not even over itself.
    let set = S::command(INFO, 6, id, 4).to_result::<(), ErrorCode>();
    check!(set == Err(ErrorCode::NoDevice));
    Ok(())
}

fn read_only_state() -> Result<(), Failed> {
    check!(command(STATE, 0, 0) == Ok(()));
    check!(word(STATE, 1, 0) == Ok(1));
    Ok(())
}

/// Write, read: of `bytes` at `offset`; upcalls' words.
fn nvm<const D: u32>(
    number: u32,
    offset: u32,
    last: u32,
    from: &[u8],
    to: &mut [u8],
    upcall: u32,
) -> Result<(u32, u32), ErrorCode> {
    share::scope::<(AllowRo<'_, S, D, 0>, AllowRw<'_, S, D, 0>), _, _>(|handle| {
        let (source, destination) = handle.split();
        if !from.is_empty() {
            S::allow_ro::<DefaultConfig, D, 0>(source, from)?;
        }
        if !to.is_empty() {
            S::allow_rw::<DefaultConfig, D, 0>(destination, to)?;
        }
        S::command(D, number, offset, last).to_result::<(), ErrorCode>()?;
        let (first, second, _) = S::yield_wait_for(D, upcall);
        Ok((first, second))
    })
}

fn shared_nvm() -> Result<(), Failed> {
    check!(command(NVM, 0, 0) == Ok(()));
    check!(word(NVM, 1, 0) == Ok(4096));
    let long = long();
    let mut out = [0; 300];
    // Over the end of a page.
    check!(nvm::<NVM>(3, 1900, 300, &long[..300], &mut [], 1) == Ok((300, 0)));
    check!(nvm::<NVM>(2, 1900, 300, &[], &mut out, 0) == Ok((300, 0)));
    check!(out == long[..300]);
    check!(nvm::<NVM>(2, 4000, 50, &[], &mut out, 0) == Ok((50, 0)));
    check!(out[..50] == [0xFF; 50]);
    check!(nvm::<NVM>(2, 4000, 97, &[], &mut out, 0) == Err(ErrorCode::Invalid));
    check!(nvm::<NVM>(2, 0, 1, &[], &mut [], 0) == Err(ErrorCode::Reserve));
    Ok(())
}

fn isolated_nvm() -> Result<(), Failed> {
    const INVALID: u32 = ErrorCode::Invalid as u32;
    let mut out = [0; 300];
    check!(nvm::<ISOLATED>(1, 0, 0, &[], &mut [], 0) == Ok((0, 2036)));
    check!(nvm::<ISOLATED>(2, 0, 0, &[], &mut out[..8], 1) == Ok((0, 8)));
    // What the boot before left, or nothing.
    check!(out[..8] == *b"old boot" || out[..8] == [0xFF; 8]);
    check!(nvm::<ISOLATED>(3, 0, 0, b"old boot", &mut [], 2) == Ok((0, 8)));
    let long = long();
    check!(nvm::<ISOLATED>(3, 1736, 0, &long[..300], &mut [], 2) == Ok((0, 300)));
    check!(nvm::<ISOLATED>(2, 1736, 0, &[], &mut out, 1) == Ok((0, 300)));
    check!(out == long[..300]);
    check!(nvm::<ISOLATED>(2, 1737, 0, &[], &mut out, 1) == Ok((INVALID, 0)));
    check!(nvm::<ISOLATED>(2, 0, 1, &[], &mut out, 1) == Err(ErrorCode::Invalid));
    Ok(())
}

fn kv_boot() -> Result<(), Failed> {
    let mut out = [0; 4];
    match get(b"boot", &mut out) {
        Ok((NO_SUPPORT, 0)) => {
            check!(put(2, b"boot", b"kept") == Ok(0));
            check!(nvm::<ISOLATED>(3, 100, 0, b"kept", &mut [], 2) == Ok((0, 4)));
            println!("capsules: first boot");
        }
        answer => {
            check!(answer == Ok((0, 4)) && out == *b"kept");
            let mut out = [0; 4];
            check!(nvm::<ISOLATED>(2, 100, 0, &[], &mut out, 1) == Ok((0, 4)));
            check!(out == *b"kept");
            println!("capsules: next boot");
        }
    }
    Ok(())
}
