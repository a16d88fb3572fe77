//! Counts its own boots in the key-value store, as an app written for libtock-rs would.
//!
//! Owns the line `keeper: boot N, slept M ms, R different bytes`, or `keeper: failed: E`. Only
//! `libtock`'s names; the store is the secure world's, of which this knows nothing.
#![no_main]
#![no_std]
#![forbid(unsafe_code)]

use core::fmt::Write;
use libtock::alarm::{Alarm, Milliseconds};
use libtock::console::Console;
use libtock::key_value::KeyValue;
use libtock::platform::ErrorCode;
use libtock::rng::Rng;
use libtock::runtime::{set_main, stack_size};

set_main! {main}
stack_size! {0x1000}

const KEY: &[u8] = b"boots";

fn main() {
    let mut console = Console::writer();
    // Nobody to tell of a console that does not write.
    let _ = match run() {
        Ok((boots, slept, bytes)) => {
            writeln!(
                console,
                "keeper: boot {boots}, slept {slept} ms, {bytes} different bytes"
            )
        }
        Err(e) => writeln!(console, "keeper: failed: {e:?}"),
    };
}

fn run() -> Result<(u32, u64, usize), ErrorCode> {
    if !KeyValue::exists() {
        return Err(ErrorCode::NoDevice);
    }
    let mut value = [0; 4];
    let boots = match KeyValue::get(KEY, &mut value) {
        Ok(4) => u32::from_le_bytes(value) + 1,
        Ok(_) => return Err(ErrorCode::Size),
        Err(ErrorCode::NoSupport) => 1,
        Err(e) => return Err(e),
    };
    KeyValue::set(KEY, &u32::to_le_bytes(boots))?;
    KeyValue::add(b"other", b"x").or_else(|e| match e {
        // There from the boot before.
        ErrorCode::NoSupport if boots > 1 => Ok(()),
        e => Err(e),
    })?;
    let before = Alarm::get_milliseconds()?;
    Alarm::sleep_for(Milliseconds(25))?;
    let slept = Alarm::get_milliseconds()? - before;
    let mut random = [0; 32];
    Rng::get_bytes_sync(&mut random, 32)?;
    let mut seen = [false; 256];
    let different = random
        .iter()
        .filter(|b| !core::mem::replace(&mut seen[usize::from(**b)], true));
    Ok((boots, slept, different.count()))
}
