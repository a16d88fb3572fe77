//! Executes what it wrote into its own RAM.
#![no_std]
#![no_main]

use hostile::{attack, say};
use libtock::{set_main, stack_size};

set_main! { main }
stack_size! { 0x800 }

const CASE: &str = "execute_ram";

fn main() {
    hostile::call_control(CASE);
    // movs r0, #42 ; bx lr
    let code: u32 = 0x4770_202A;
    let r0 = attack::call(&raw const code as usize | 1, [0; 4]);
    say(CASE, format_args!("breached returned {r0}"));
}
