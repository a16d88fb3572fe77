//! The other process: answers each event with one.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel_bench::{BENCH, IPC, NOTIFY_CLIENT, PEER, slot};
use libtock::platform::Syscalls;
use libtock::runtime::{TockSyscalls, attack};
use libtock::{set_main, stack_size};
use syscall_rules::{commands, numbers};

set_main! { main }
stack_size! { 0x800 }

/// Driver of the event that came.
static FROM: AtomicU32 = AtomicU32::new(0);

extern "C" fn of_driver(_: u32, _: u32, _: u32, _: u32) {
    FROM.store(numbers::DRIVER, Relaxed);
}

extern "C" fn of_ipc(_: u32, _: u32, _: u32, _: u32) {
    FROM.store(IPC, Relaxed);
}

fn main() {
    let (bench, own) = (slot(BENCH), slot(PEER));
    attack::call_kernel::<1>([
        numbers::DRIVER,
        0,
        of_driver as *const () as usize as u32,
        0,
    ]);
    attack::call_kernel::<1>([IPC, own, of_ipc as *const () as usize as u32, 0]);
    loop {
        TockSyscalls::yield_wait();
        if FROM.swap(0, Relaxed) == IPC {
            let _ = TockSyscalls::command(IPC, NOTIFY_CLIENT, bench, 0);
        } else {
            let _ = TockSyscalls::command(numbers::DRIVER, commands::HAND, bench, 0);
        }
    }
}
