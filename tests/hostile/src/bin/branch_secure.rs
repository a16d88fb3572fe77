//! Branches into secure code where there is no gateway.
#![no_std]
#![no_main]

use hostile::{attack, memory, say};
use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

const CASE: &str = "branch_secure";

fn main() {
    hostile::call_control(CASE);
    let r0 = attack::call((memory::SPE_EXEC_BASE as usize + 0x800) | 1, [0; 4]);
    say(CASE, format_args!("breached returned {r0:#010x}"));
}
