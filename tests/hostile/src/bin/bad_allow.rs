//! Lends the kernel memory that is not its own: the kernel's, another process's, the secure world's.
#![no_std]
#![no_main]

use hostile::memory::{KERNEL_RAM_BASE, RAM_POOL_BASE, SPE_RAM_BASE};
use hostile::{attack, say};
use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

const CASE: &str = "bad_allow";

fn main() {
    let own = [0u8; 16];
    if attack::allow_ro_console(own.as_ptr() as usize, own.len()) {
        say(CASE, format_args!("control-ok"));
    }
    let end = own.as_ptr() as usize;
    let wild = [
        (KERNEL_RAM_BASE as usize, 16),
        (RAM_POOL_BASE as usize, 16),
        (SPE_RAM_BASE as usize, 16),
        // From own memory past its end, and around the end of the address space.
        (end, 0x0100_0000),
        (end, usize::MAX - 15),
    ];
    for (address, length) in wild {
        if attack::allow_ro_console(address, length) {
            say(
                CASE,
                format_args!("breached {address:#010x}+{length:#x} accepted"),
            );
            return;
        }
    }
    say(CASE, format_args!("refused {} ranges", wild.len()));
}
