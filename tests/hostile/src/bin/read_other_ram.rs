//! Reads the RAM of another process (`hello`, first in the RAM pool).
#![no_std]
#![no_main]

use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

fn main() {
    hostile::read_case("read_other_ram", hostile::memory::RAM_POOL_BASE as usize);
}
