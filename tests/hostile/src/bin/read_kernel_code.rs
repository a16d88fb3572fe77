//! Reads the kernel's code.
#![no_std]
#![no_main]

use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

fn main() {
    hostile::read_case(
        "read_kernel_code",
        hostile::memory::KERNEL_EXEC_BASE as usize + 0x400,
    );
}
