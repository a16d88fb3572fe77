//! Reads the primary slot of the secure image.
#![no_std]
#![no_main]

use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

fn main() {
    hostile::read_case(
        "read_secure_flash",
        hostile::memory::S_PRIMARY_BASE as usize,
    );
}
