//! Measures what the kernel costs a process.
//!
//! Owns the lines `bench: <row> <microseconds> us <repetitions>` (the whole loop, nothing
//! subtracted), `bench: spin <microseconds> us <instructions>` and, last, `bench: done`. It runs on
//! a kernel with the drivers of tests/rules, whose `HAND` queues an upcall for any process: for
//! itself it costs what a call and an upcall cost, for the peer a switch more.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use kernel_bench::{BENCH, IPC, NOTIFY_SERVICE, PEER, slot};
use libtock::alarm::{Alarm, Milliseconds};
use libtock::platform::{ErrorCode, Syscalls};
use libtock::runtime::{TockSyscalls, attack};
use libtock::{println, set_main, stack_size};
use syscall_rules::{commands, numbers};

set_main! { main }
stack_size! { 0x800 }

/// Two instructions each: a second and a half.
const SPINS: u32 = 24_000_000;

extern "C" fn nothing(_: u32, _: u32, _: u32, _: u32) {}

fn main() {
    let (own, peer) = (slot(BENCH), slot(PEER));
    // The peer subscribes meanwhile.
    let _ = Alarm::sleep_for(Milliseconds(500));
    let f = nothing as *const () as usize as u32;
    let buffer = (&raw const BUFFER).addr() as u32;
    row("allow", || {
        attack::call_kernel::<4>([numbers::DRIVER, 0, buffer, 32]);
    });
    row("subscribe", || {
        attack::call_kernel::<1>([numbers::DRIVER, 0, f, 0]);
    });
    let hand = |slot| {
        let _ = TockSyscalls::command(numbers::DRIVER, commands::HAND, slot, 0);
        TockSyscalls::yield_wait();
    };
    row("yield_wait_upcall", || hand(own));
    row("two_hops", || hand(peer));
    attack::call_kernel::<1>([IPC, peer, f, 0]);
    row("ipc_round_trip", || {
        let _ = TockSyscalls::command(IPC, NOTIFY_SERVICE, peer, 0);
        TockSyscalls::yield_wait();
    });
    secure_calls("psa_noop_kernel", commands::REFUSED);
    secure_calls("its_get64_kernel", commands::GET_64);
    let start = Alarm::get_ticks().unwrap_or(0);
    attack::spin(SPINS);
    let end = Alarm::get_ticks().unwrap_or(0);
    println!("bench: spin {} us {}", end.wrapping_sub(start), 2 * SPINS);
    println!("bench: done");
}

static BUFFER: [u8; 32] = [0; 32];

/// The kernel's own calls, in one command: what the command costs is spread over all.
fn secure_calls(name: &str, command: u32) {
    const REPETITIONS: u32 = 10_000;
    let calls = |times| {
        let answer = TockSyscalls::command(numbers::SECURE, command, times, 0);
        answer.to_result::<(), ErrorCode>()
    };
    let first = calls(1);
    let start = Alarm::get_ticks().unwrap_or(0);
    let rest = calls(REPETITIONS);
    let end = Alarm::get_ticks().unwrap_or(0);
    match first.and(rest) {
        Ok(()) => println!("bench: {name} {} us {REPETITIONS}", end.wrapping_sub(start)),
        Err(e) => println!("bench: {name} failed {e:?}"),
    }
}

fn row(name: &str, mut once: impl FnMut()) {
    const REPETITIONS: u32 = 10_000;
    // The first call makes grants.
    once();
    let start = Alarm::get_ticks().unwrap_or(0);
    for _ in 0..REPETITIONS {
        once();
    }
    let end = Alarm::get_ticks().unwrap_or(0);
    println!("bench: {name} {} us {REPETITIONS}", end.wrapping_sub(start));
}
