//! What the installer installs: says its version, and faults when it was built to.
//!
//! Owns the line `guest: version V tick N`, five times a second. Version and fault are the build's
//! (`GUEST_VERSION`, `GUEST_FAULTS`), so that two builds are two programs.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use libtock::alarm::{Alarm, Milliseconds};
use libtock::platform::ErrorCode;
use libtock::{println, set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

const VERSION: &str = match option_env!("GUEST_VERSION") {
    Some(version) => version,
    None => "0",
};

fn main() -> Result<(), ErrorCode> {
    for tick in 0u32.. {
        println!("guest: version {VERSION} tick {tick}");
        if option_env!("GUEST_FAULTS").is_some() && tick == 2 {
            println!("guest: {}", deeper(tick));
        }
        Alarm::sleep_for(Milliseconds(200))?;
    }
    Ok(())
}

/// Runs out of stack: that is what it is for.
#[allow(unconditional_recursion)]
#[inline(never)]
fn deeper(n: u32) -> u32 {
    let here = core::hint::black_box([n; 16]);
    deeper(n.wrapping_add(1)).wrapping_add(here[3])
}
