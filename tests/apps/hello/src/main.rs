//! The smallest living process: prints, sleeps, prints.
//!
//! Owns the line `hello: tick N`, once a second for ever, N from 100 on: what a test looks for to know that the
//! kernel, the console and the alarm work, and that a process survives its neighbours.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use libtock::alarm::{Alarm, Milliseconds};
use libtock::platform::ErrorCode;
use libtock::{println, set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

/// In .data, so that a start-up that copies nothing shows: ticks start here.
static NEXT: AtomicU32 = AtomicU32::new(100);
/// In .bss.
static COUNT: AtomicU32 = AtomicU32::new(0);

fn main() -> Result<(), ErrorCode> {
    loop {
        let (tick, count) = (NEXT.fetch_add(1, Relaxed), COUNT.fetch_add(1, Relaxed));
        if tick.wrapping_sub(count) != 100 {
            println!("hello: memory was not set up: {tick} {count}");
            return Err(ErrorCode::Fail);
        }
        println!("hello: tick {tick}");
        Alarm::sleep_for(Milliseconds(1000))?;
    }
}
