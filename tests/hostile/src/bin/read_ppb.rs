//! Reads the private peripheral bus (CPUID; Armv8-M B11.1: system control space).
#![no_std]
#![no_main]

use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

fn main() {
    hostile::read_case("read_ppb", 0xE000_ED00);
}
