//! Stage 7 of the attacks that are told by a plan.
#![no_std]
#![no_main]

use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x1000 }

fn main() {
    hostile::stage::main();
}
