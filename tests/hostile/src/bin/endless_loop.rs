//! Loops for ever without a system call.
//!
//! The others must go on: the test looks for `hello: tick` after the line.
#![no_std]
#![no_main]

use hostile::say;
use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

fn main() {
    say("endless_loop", format_args!("control-ok looping"));
    let mut turns = 0u32;
    loop {
        turns = core::hint::black_box(turns.wrapping_add(1));
    }
}
