//! Makes system calls as fast as it can and never yields.
//!
//! The others must go on: the test looks for `hello: tick` between the first line and the last.
#![no_std]
#![no_main]

use hostile::say;
use libtock::alarm::Alarm;
use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

const CASE: &str = "svc_flood";
const SECONDS: u32 = 4;

fn main() {
    let (Ok(start), Ok(frequency)) = (Alarm::get_ticks(), Alarm::get_frequency()) else {
        return say(CASE, format_args!("no alarm"));
    };
    say(CASE, format_args!("control-ok flooding"));
    let mut calls = 0u32;
    while let Ok(now) = Alarm::get_ticks() {
        calls = calls.wrapping_add(1);
        if now.wrapping_sub(start) / frequency.0.max(1) >= SECONDS {
            break;
        }
    }
    say(CASE, format_args!("alive after {calls} calls"));
}
