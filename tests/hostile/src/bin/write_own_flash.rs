//! Writes its own flash, where a process may only read and execute.
#![no_std]
#![no_main]

use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

fn main() {
    hostile::write_case("write_own_flash", main as *const () as usize & !3);
}
