//! The process that takes a 10 ms alarm beside `latency_signer`.
//!
//! Owns the line `latency: worst <microseconds> us of <alarms>`: the alarm driver's clock in the
//! process behind the upcall, less the time that the alarm was set for. It starts when the other one
//! has had its time alone.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use libtock::alarm::{Alarm, Milliseconds};
use libtock::platform::Syscalls;
use libtock::runtime::{TockSyscalls, attack};
use libtock::{println, set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

const ALARM: u32 = 0;
/// Command of the alarm driver: at reference + interval.
const SET_ABSOLUTE: u32 = 6;
const INTERVAL_US: u32 = 10_000;
const ALARMS: u32 = 500;

extern "C" fn rang(_: u32, _: u32, _: u32, _: u32) {}

fn main() {
    let _ = Alarm::sleep_for(Milliseconds(3_000));
    attack::call_kernel::<1>([ALARM, 0, rang as *const () as usize as u32, 0]);
    let mut worst = 0;
    let mut reference = Alarm::get_ticks().unwrap_or(0);
    for _ in 0..ALARMS {
        let _ = TockSyscalls::command(ALARM, SET_ABSOLUTE, reference, INTERVAL_US);
        TockSyscalls::yield_wait();
        let end = Alarm::get_ticks().unwrap_or(0);
        let late = end.wrapping_sub(reference).wrapping_sub(INTERVAL_US);
        worst = worst.max(late);
        // A fixed beat, so that alarms fall anywhere into a call; beats that are over are left out.
        reference = reference.wrapping_add(INTERVAL_US * (1 + late / INTERVAL_US));
    }
    println!("latency: worst {worst} us of {ALARMS}");
}
