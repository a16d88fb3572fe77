//! Greets, then counts on the LEDs, as a libtock-rs example would: only `libtock`'s names.
//!
//! Owns the lines `Hello world! N LEDs` and `blink: all patterns shown`. Each pattern is read back from the
//! driver, so that a LED that does not obey shows.
#![no_main]
#![no_std]
#![forbid(unsafe_code)]

use core::fmt::Write;
use libtock::alarm::{Alarm, Milliseconds};
use libtock::console::Console;
use libtock::leds::Leds;
use libtock::platform::ErrorCode;
use libtock::runtime::{set_main, stack_size};

set_main! {main}
stack_size! {0x800}

fn main() -> Result<(), ErrorCode> {
    let leds_count = Leds::count()?;
    writeln!(Console::writer(), "Hello world! {leds_count} LEDs").map_err(|_| ErrorCode::Fail)?;
    for pattern in 0..1u32 << leds_count {
        for led in 0..leds_count {
            if pattern & (1 << led) != 0 {
                Leds::on(led)?;
            } else {
                Leds::off(led)?;
            }
        }
        Alarm::sleep_for(Milliseconds(50))?;
        for led in 0..leds_count {
            if Leds::is_on(led)? != (pattern & (1 << led) != 0) {
                writeln!(Console::writer(), "blink: LED {led} does not obey")
                    .map_err(|_| ErrorCode::Fail)?;
                return Err(ErrorCode::Fail);
            }
        }
    }
    writeln!(Console::writer(), "blink: all patterns shown").map_err(|_| ErrorCode::Fail)
}
