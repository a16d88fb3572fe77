//! Writes the kernel's RAM.
#![no_std]
#![no_main]

use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

fn main() {
    hostile::write_case(
        "write_kernel_ram",
        hostile::memory::KERNEL_RAM_BASE as usize,
    );
}
