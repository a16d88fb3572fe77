//! Reads the secure image's RAM.
#![no_std]
#![no_main]

use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

fn main() {
    hostile::read_case("read_secure_ram", hostile::memory::SPE_RAM_BASE as usize);
}
